"""The house around the machine: broker, cloud, doors and their radio, none of which loses power.

The gateway is set up on the host (network formed, doors joined, one long stay on each door), and
its state directory becomes the machine's first disk. Not here: power (`machine`), load, checks.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import termios
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from firmware_sims.cloud.broker import mosquitto
from firmware_sims.cloud.reference import ReferenceCloud
from firmware_sims.control.operations import Operations
from firmware_sims.demo.stage import Daemon, Failed
from firmware_sims.running import RunningWorld, run_zigbee
from firmware_sims.world import read_world
from firmware_sims.zigbee.ash import ResetCode
from gateway.domain.instant import ClockTrust
from gateway.kit.clock import SystemClock
from tests.house.house import Door, world
from tests.powercut.uml.guest import PORT
from tests.powercut.uml.machine import STATE, Machine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

GATEWAY_ID: Final = "powercut"
DOORS: Final = (Door("front"), Door("side", "danalock-v3"))
SETUP_S: Final = 60.0

_TICK_S: Final = 0.05

_CONFIG: Final = """\
[gateway]
id = "{gateway_id}"
site_zone = "Europe/Zurich"
site_name = "House of power cuts"
state_dir = "{state}"

[broker]
host = "127.0.0.1"
port = {port}
accept_unsigned = true
reconnect_min_s = 0.1
reconnect_max_s = 1.0

[zigbee]
enabled = true
device = "{radio}"
channel = 15

[local]
socket = "{socket}"

[policy]
lead_s = 2.0

[logs]
format = "json"
"""

_clock = SystemClock(ClockTrust.TRUSTED)


@dataclass(slots=True)
class House:
    """`devices`: the gateway's ids by door."""

    cloud: ReferenceCloud
    doors: RunningWorld
    operations: Operations
    machine: Machine
    devices: dict[str, str]

    def codes(self, door: str) -> set[str]:
        """The digits that the lock really holds."""
        return {user.code for user in self.doors.world.lock(door).firmware.users.users.values()}

    def applied(self, door: str, command: str) -> int:
        """How often a command took effect on the lock."""
        return self.doors.world.lock(door).queue.applied[command]

    async def type_code(self, door: str, digits: str) -> bool:
        answer = await self.operations.call("type_code", {"device": door, "code": digits})
        return bool(answer["opened"])

    async def until(self, what: str, holds: Callable[[], object], within_s: float) -> None:
        """Until a witness agrees; TimeoutError names what did not come."""
        try:
            async with asyncio.timeout(within_s):
                while not holds():
                    await _clock.sleep(_TICK_S)
        except TimeoutError:
            raise TimeoutError(what) from None

    async def cut(self) -> None:
        """The gateway's power goes, and with it the stick's, which hangs on it."""
        await self.machine.cut()
        self.doors.ncp.reset(ResetCode.POWER_ON)
        await _clock.sleep(_TICK_S)
        line = os.open(self.doors.radio, os.O_RDWR | os.O_NOCTTY)
        try:
            termios.tcflush(line, termios.TCIOFLUSH)
        finally:
            os.close(line)


@asynccontextmanager
async def house(folder: Path, *, new: bool = False) -> AsyncIterator[House]:
    """Doors joined, the daemon stopped in order, the disk formatted with its state; power off.

    `new`: never switched on: the disk and the stick are empty, and no door is joined.
    """
    spec = read_world(world(folder, DOORS))
    async with contextlib.AsyncExitStack() as stack:
        broker = await stack.enter_async_context(mosquitto())
        cloud = await stack.enter_async_context(
            ReferenceCloud(broker.host, broker.port, GATEWAY_ID)
        )
        running = await stack.enter_async_context(run_zigbee(spec, listen=None))
        inside = folder / "inside.toml"
        inside.write_text(_config(STATE, "/dev/ttyS0", PORT, "/run/api.sock"))
        machine = Machine(folder, running.radio, (broker.host, broker.port), inside)
        state = folder / "state"
        state.mkdir()
        built = House(cloud, running, Operations(running.world), machine, {})
        outside = folder / "outside.toml"
        socket = folder / "api.sock"
        outside.write_text(_config(state / "lock-gateway", running.radio, broker.port, socket))
        if not new:
            daemon = Daemon(outside, socket, folder / "setup.log")
            try:
                await daemon.start()
                await _join(built, daemon)
            finally:
                await daemon.stop()
        await machine.format(state)
        stack.push_async_callback(machine.cut)
        yield built


def _config(state: object, radio: str, port: int, socket: object) -> str:
    return _CONFIG.format(gateway_id=GATEWAY_ID, state=state, radio=radio, port=port, socket=socket)


async def _join(built: House, daemon: Daemon) -> None:
    async with asyncio.timeout(SETUP_S):
        while not await _radio_up(daemon):
            await _clock.sleep(_TICK_S)
    for node in built.doors.world.spec.nodes:
        code = "" if node.install_code is None else node.install_code.hex()
        joining = asyncio.create_task(
            daemon.cli(
                "join", "--json", "--name", node.name,
                "--eui64", node.ieee.to_bytes(8, "big").hex(":"), "--install-code", code,
            )
        )  # fmt: skip
        await built.operations.call("join", {"device": node.name})
        status, out, error = await joining
        last: dict[str, Any] = json.loads(out.strip().splitlines()[-1]) if out.strip() else {}
        if status or last.get("stage") != "ready":
            raise Failed(f"{node.name} did not join: {error}")
        built.devices[node.name] = last["detail"]


async def _radio_up(daemon: Daemon) -> bool:
    status, out, _ = await daemon.cli("status", "--json")
    return status == 0 and all(radio["status"] == "up" for radio in json.loads(out)["radios"])
