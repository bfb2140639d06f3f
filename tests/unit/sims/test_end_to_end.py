"""The simulators' own process driven by unmodified bellows + zigpy: join, program, open, crash.

The host here is not the gateway: a bare zigpy application, so that a failure is the simulator's.
"""

# bellows and zigpy leave much untyped.
# mypy: disable-error-code="no-untyped-call"

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from bellows.zigbee.application import ControllerApplication  # type: ignore[import-untyped]  # ships no types
from zigpy.zcl.clusters.closures import DoorLock

from firmware_sims.control import ControlClient

SIMS = Path(__file__).parents[3] / "firmware-sims"
FOUR_DOORS = SIMS / "worlds" / "four-doors.toml"
DEADLINE_S = 20
EVENTS = DoorLock.ClientCommandDefs


class Joined:
    """A zigpy listener that hands over the next device that was interviewed."""

    def __init__(self) -> None:
        self.device: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def device_initialized(self, device: Any) -> None:
        if not self.device.done():
            self.device.set_result(device)


@asynccontextmanager
async def sims(tmp_path: Path, *options: str) -> AsyncIterator[dict[str, Any]]:
    """The process, up; it must end with 0 on SIGTERM."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "firmware_sims", "zigbee", "--world", str(FOUR_DOORS)),
        *("--control", str(tmp_path / "control"), "--state", str(tmp_path / "state")),
        *options,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SIMS)},
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            line = await process.stdout.readline()
        yield json.loads(line)
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE_S):
            code = await process.wait()
    assert code == 0


@asynccontextmanager
async def host(radio: str, database: Path) -> AsyncIterator[ControllerApplication]:
    """A bare zigpy application on the simulated stick."""
    application = ControllerApplication(
        {
            "device": {"path": radio},
            "database_path": str(database),
            "network": {"channel": 15},
            "ota": {"enabled": False},
            "topology_scan_enabled": False,
            "backup_enabled": False,
            "use_thread": False,
        }
    )
    await application._load_db()  # noqa: SLF001 - what zigpy's own `new` does before startup
    await application.startup(auto_form=True)
    try:
        yield application
    finally:
        await application.shutdown()


async def join(application: ControllerApplication, door: ControlClient, name: str) -> Any:
    """Put a lock into pairing mode and wait for the end of the interview."""
    joined = Joined()
    application.add_listener(joined)
    await application.permit(60)
    await door.call("join", device=name)
    async with asyncio.timeout(DEADLINE_S):
        device = await joined.device
    application.remove_listener(joined)
    return device


def events_of(application: ControllerApplication, device: Any) -> asyncio.Queue[Any]:
    """The operation events of a device, as they come."""
    queue: asyncio.Queue[Any] = asyncio.Queue()
    application.register_callback_listener(
        src=device,
        filters=[EVENTS.operation_event_notification.schema()],
        callback=lambda _header, command: queue.put_nowait(command),
    )
    return queue


@pytest.mark.parametrize(
    ("name", "endpoint", "options"), [("front", 1, ()), ("side", 2, ("--pty",)), ("flat-12", 1, ())]
)
async def test_join_program_and_open(
    tmp_path: Path, name: str, endpoint: int, options: tuple[str, ...]
) -> None:
    async with (
        asyncio.timeout(60),
        sims(tmp_path, *options) as ready,
        ControlClient(ready["control"]) as door,
        host(ready["radio"], tmp_path / "zigbee.db") as application,
    ):
        device = await join(application, door, name)
        lock = device.endpoints[endpoint].door_lock
        events = events_of(application, device)
        await lock.bind()
        enabled, free = DoorLock.UserStatus.Enabled, DoorLock.UserType.Unrestricted
        assert (await lock.set_pin_code(3, enabled, free, "482913")).status == 0
        assert (await door.call("type_code", device=name, code="482913"))["opened"]
        event = await events.get()
        assert event.operation_event_code == DoorLock.OperationEvent.Unlock
        assert event.operation_event_source == DoorLock.OperationEventSource.Keypad
        assert event.user_id == 3
        assert (await lock.lock_door()).status == 0
        assert (await door.call("state", device=name))["bolt"] == "locked"


async def test_a_write_that_arrived_survives_the_sims_and_the_hosts_restart(tmp_path: Path) -> None:
    async with asyncio.timeout(60):
        async with (
            sims(tmp_path) as ready,
            ControlClient(ready["control"]) as door,
            host(ready["radio"], tmp_path / "zigbee.db") as application,
        ):
            device = await join(application, door, "side")
            lock = device.endpoints[2].door_lock
            await door.call("arm", device="side", fault="withhold-answer", on="set_pin_code")
            writing = asyncio.create_task(lock.set_pin_code(3, 1, 0, "482913"))
            await door.call("wait", device="side", fault="withhold-answer")
            writing.cancel()  # the host forgets; the lock has it
            await asyncio.gather(writing, return_exceptions=True)
        async with (
            sims(tmp_path) as ready,
            ControlClient(ready["control"]) as door,
            host(ready["radio"], tmp_path / "zigbee.db") as application,
        ):
            (device,) = [d for d in application.devices.values() if d.model != "EZSP"]
            got = await device.endpoints[2].door_lock.get_user_status(3)
            assert got.user_status == DoorLock.UserStatus.Enabled
            assert (await door.call("type_code", device="side", code="482913"))["opened"]
            assert (await door.call("state", device="side"))["total_writes"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[[node]]\nname = 'front'\nprofile = 'yele'\nieee = '01'\n",
            b"unknown profile 'yele'; known: august-pro, danalock-v3",
        ),
        ("ezsp = 3\n", b"EZSP 3 is not simulated; known: "),
        ("ezsp = ", b"world.toml: Invalid value"),
    ],
)
async def test_a_world_that_is_wrong_ends_with_78_and_says_why(
    tmp_path: Path, text: str, message: bytes
) -> None:
    world = tmp_path / "world.toml"
    world.write_text(text, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "firmware_sims", "zigbee", "--world", str(world)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SIMS)},
    )
    out, err = await process.communicate()
    assert (process.returncode, out) == (78, b"")
    assert message in err
