"""Simulated Bluetooth locks as a process that can say when a bolt moved, and over which link.

`python -m benchmarks.ble_doors LOCKS CONNECTION_INTERVAL_S`: one JSON line when ready, then one
line for each line read. Times are the machine's monotonic clock: processes can compare them.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.processes import answer
from firmware_sims import profiles
from firmware_sims.ble import hub
from firmware_sims.ble.controller import VirtualController
from firmware_sims.ble.devices import BleLock
from firmware_sims.ble.running import RunningAir, run_ble
from firmware_sims.ble.spec import AdapterSpec, BleAirSpec, BleSpec
from firmware_sims.journal import CONNECTED
from firmware_sims.world import WorldSpec
from gateway.drivers.ttlock.keys import Keys
from gateway.drivers.ttlock.wire import Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bumble import hci

    from firmware_sims.journal import Entry

ADAPTERS = ("ours", "plain")
SLOTS = 9
"""Links an adapter holds; the most that the daemon's settings allow."""
ADMIN_PS, UNLOCK_KEY = 87654321, 98765432


class Prompt(VirtualController):
    """A lock advertises as soon as somebody wants to connect: no advertising interval is measured.

    Else every connection would begin with half a second of chance, for all programs alike.
    """

    def on_hci_le_create_connection_command(
        self, command: hci.HCI_LE_Create_Connection_Command
    ) -> None:
        super().on_hci_le_create_connection_command(command)
        loop = asyncio.get_running_loop()
        for station in self.air.stations:
            if station.connectable_as(command.peer_address):
                loop.call_soon(station.le_legacy_advertiser.send_advertising_data)


class BleDoors:
    """What the benchmarks may ask, one method each."""

    def __init__(self, running: RunningAir) -> None:
        self._locks = [lock for lock in running.world.ble.values() if isinstance(lock, BleLock)]
        self._numbers = {lock.name: number for number, lock in enumerate(self._locks)}
        self._linked = [0.0] * len(self._locks)
        self._acts: list[tuple[float, int, float]] = []
        running.world.journal.subscribe(self._happened)

    def _happened(self, entry: Entry) -> None:
        number = self._numbers[entry["device"]]
        if entry["kind"] == CONNECTED:
            self._linked[number] = time.monotonic()
        elif entry["kind"] == "unlocked":
            self._acts.append((time.monotonic(), number, self._linked[number]))

    def acts(self) -> list[tuple[float, int, float]]:
        """Since last asked: when a bolt was drawn, of which lock, since when it had that link."""
        told, self._acts = self._acts, []
        return told

    def free(self) -> list[bool]:
        """Which locks advertise: nobody is connected to them."""
        return [
            lock.place is not None and lock.place.state()["advertising"] for lock in self._locks
        ]

    def codes(self) -> list[int]:
        """How many codes each lock holds."""
        return [len(lock.firmware.users.users) for lock in self._locks]


def address_of(number: int) -> str:
    """A static random address (the two highest bits are set)."""
    return f"C0:00:00:00:01:{number:02X}"


def keys_of(number: int) -> Keys:
    """Of a lock that has an owner already. Synthetic."""
    return Keys(bytes((number,)) * 16, UNLOCK_KEY, ADMIN_PS, Version(scene=2))


def world(locks: int, interval_s: float) -> WorldSpec:
    """Locks that do nothing by themselves and take no time: what remains is the programs' own."""
    profile = profiles.load("ttlock-deadbolt").with_overrides({"auto_relock_s": 0})
    devices = (
        BleSpec(
            f"door-{number}",
            "ttlock",
            address_of(number),
            profile,
            settings={
                "aes_key": keys_of(number).aes.hex(),
                "admin_ps": ADMIN_PS,
                "unlock_key": UNLOCK_KEY,
            },
        )
        for number in range(locks)
    )
    return WorldSpec(
        (),
        ble=tuple(devices),
        adapters=tuple(AdapterSpec(name, SLOTS) for name in ADAPTERS),
        ble_air=BleAirSpec(connection_interval_s=interval_s),
    )


async def run(locks: int, interval_s: float) -> None:
    if not interval_s:
        hub.VirtualController = Prompt  # type: ignore[attr-defined]  # a hub is not told
    async with run_ble(world(locks, interval_s)) as running:
        await answer(BleDoors(running), {"adapters": dict(running.adapters)})


def main(arguments: Sequence[str]) -> None:
    asyncio.run(run(int(arguments[0]), float(arguments[1])))


if __name__ == "__main__":
    main(sys.argv[1:])
