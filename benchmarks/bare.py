"""The bare program every figure is compared with: zigpy, bellows and paho, as their manuals show.

It does what a first version of any such gateway does and nothing more: orders from MQTT to locks,
what happens at a lock to MQTT. No journal, no store of its own, no retries beyond the libraries'.
`python -m benchmarks.bare --radio tcp://… --database FILE --port MQTT_PORT --name NAME`
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

from bellows.zigbee.application import (  # type: ignore[import-untyped]  # bellows has no types
    ControllerApplication,
)
from zigpy.types import EUI64

from benchmarks.orders import Orders

DOOR_LOCK = 0x0101
OPERATION_EVENT = 0x20
ENABLED, UNRESTRICTED = 1, 0


class Bare:
    """Orders are in `_obey`; see `benchmarks.orders`."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._orders = Orders(options.port, options.name, self._obey)
        self._app: Any = None

    async def run(self) -> None:
        began = time.monotonic()
        self._app = await ControllerApplication.new(
            {
                "device": {"path": self._options.radio},
                "database_path": self._options.database,
                "network": {"channel": 15},
                "ota": {"enabled": False},
                "topology_scan_enabled": False,
                "startup_energy_scan": False,
                "backup_enabled": False,
                "use_thread": False,
            },
            auto_form=True,
        )
        open_s = time.monotonic() - began
        self._app.add_listener(self)
        for device in self._app.devices.values():
            self._listen_to(device)
        await self._orders.run(open_s)
        await self._app.shutdown()

    # ── zigpy ───────────────────────────────────────────────────────────────────────────────

    def device_initialized(self, device: Any) -> None:
        self._listen_to(device)
        self._orders.start(self._bind(device))

    def _listen_to(self, device: Any) -> None:
        cluster = lock_of(device)
        if cluster is not None:
            cluster.add_listener(_Ears(self, str(device.ieee)))

    async def _bind(self, device: Any) -> None:
        await lock_of(device).bind()
        self.publish({"joined": str(device.ieee)})

    def publish(self, message: dict[str, Any]) -> None:
        self._orders.publish(message)

    async def _obey(self, order: dict[str, Any]) -> None:
        match order["op"]:
            case "admit":
                await self._app.permit(order["seconds"])
            case "unlock":
                await self._lock(order["device"]).unlock_door()
            case "program":
                look = order["look"]
                await asyncio.gather(
                    *(self._program(*each, look=look) for each in order["codes"].items())
                )

    async def _program(self, ieee: str, codes: list[tuple[int, str]], *, look: bool) -> None:
        """Write each code and prove it by reading it back; `look` first that nobody's is there."""
        cluster = self._lock(ieee)
        for user, code in codes:
            if look:
                before = await cluster.get_pin_code(user)
                assert not before.user_status, before
            answer = await cluster.set_pin_code(user, ENABLED, UNRESTRICTED, code)
            assert not answer.status, answer
            held = await cluster.get_pin_code(user)
            assert held.user_status == ENABLED, held

    def _lock(self, ieee: str) -> Any:
        return lock_of(self._app.devices[EUI64.convert(ieee)])


class _Ears:
    def __init__(self, bare: Bare, ieee: str) -> None:
        self._bare, self._ieee = bare, ieee

    def cluster_command(self, _tsn: int, command_id: int, args: Any) -> None:
        if command_id == OPERATION_EVENT:
            self._bare.publish({"operated": self._ieee, "user": int(args[2]), "how": int(args[1])})


def lock_of(device: Any) -> Any:
    """The device's Door Lock cluster; None for the coordinator itself."""
    for endpoint in device.non_zdo_endpoints:
        if DOOR_LOCK in endpoint.in_clusters:
            return endpoint.in_clusters[DOOR_LOCK]
    return None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bare")
    for name in ("radio", "database", "name"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()

    async def run() -> None:
        await Bare(options).run()

    asyncio.run(run())


if __name__ == "__main__":
    main()
