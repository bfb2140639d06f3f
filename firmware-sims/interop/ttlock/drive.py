"""ttlock-ble, an independent client, against the simulated TTLock over the simulated air.

Run it, with Python 3.12 or newer:
    python3.12 -m venv .venv && .venv/bin/pip install -r requirements.txt
    .venv/bin/python drive.py
It starts the simulator itself, with the python named by PYTHON or the project's .venv. The client
is unmodified; only bleak's lookup of the platform's backend is answered with the simulated adapter.
Each step is printed; the exit code is 0 only if all of them held. Not here: what that client cannot
do: claiming, cards, fingers, settings but auto-lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
SIMS = HERE.parents[1]
sys.path.insert(0, str(SIMS))

import bleak  # noqa: E402 - the simulators must be found first
from bleak.backends import BleakBackend  # noqa: E402
from ttlock_ble import (  # noqa: E402
    KeyboardPwdType,
    LockAdvertisement,
    LockState,
    LockVersion,
    TTLockClient,
    TTLockError,
    VirtualKey,
)

from firmware_sims.ble.bleak_backend import Client, Scanner  # noqa: E402
from firmware_sims.control import ControlClient  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

DEADLINE_S = 60.0
AES_KEY, ADMIN_PS, UNLOCK_KEY = "101112131415161718191a1b1c1d1e1f", 87654321, 98765432
PLAIN, STRICT = "38:38:E5:1D:71:FE", "38:38:E5:1D:71:FF"
WORLD = f"""
[[ble]]
name = "plain"
family = "ttlock"
profile = "ttlock-keypad"
address = "{PLAIN}"
timezone = "UTC"
mtu = 23
settings = {{ aes_key = "{AES_KEY}", admin_ps = {ADMIN_PS}, unlock_key = {UNLOCK_KEY} }}

[[ble]]
name = "strict"
family = "ttlock"
profile = "ttlock-deadbolt"
address = "{STRICT}"
timezone = "UTC"
mtu = 23
settings = {{ aes_key = "{AES_KEY}", admin_ps = {ADMIN_PS}, unlock_key = {UNLOCK_KEY} }}
"""


def check(held: bool, what: str) -> None:
    """Print a step that held, end the run with one that did not."""
    if not held:
        raise SystemExit(f"did not hold: {what}")
    print(f"  ok  {what}")


async def refused(attempt: Awaitable[None], what: str) -> None:
    """A step that the lock must refuse."""
    try:
        await attempt
    except TTLockError as cause:
        check(True, f"{what}: {cause}")
    else:
        check(False, what)


async def until(held: Callable[[], bool], what: str) -> None:
    """Wait for something that is on its way."""
    async with asyncio.timeout(DEADLINE_S):
        while not held():  # noqa: ASYNC110 - the client calls back, and has no event
            await asyncio.sleep(0.05)
    check(True, what)


@contextlib.asynccontextmanager
async def simulator() -> AsyncIterator[tuple[str, ControlClient]]:
    """The adapter's address and the door."""
    venv = SIMS.parent / ".venv" / "bin" / "python"
    python = os.environ.get("PYTHON") or (str(venv) if venv.exists() else sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "world.toml"
        world.write_text(WORLD, encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            *(python, "-m", "firmware_sims", "ble", "--world", str(world), "--state", folder),
            env={**os.environ, "PYTHONPATH": str(SIMS)},
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stdout is not None  # noqa: S101 - asked for above
            async with asyncio.timeout(DEADLINE_S):
                ready = json.loads(await process.stdout.readline())
            async with ControlClient(ready["control"]) as door:
                yield ready["adapters"][0], door
        finally:
            process.terminate()
            await process.wait()


def plug_in(adapter: str) -> None:
    """Answer bleak's question for this platform's backend with the simulated adapter."""

    class HereScanner(Scanner):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, "bluez": {"adapter": adapter}})

    class HereClient(Client):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, "bluez": {"adapter": adapter}})

    bleak.get_platform_scanner_backend_type = lambda: (HereScanner, BleakBackend.BLUEZ_DBUS)
    bleak.get_platform_client_backend_type = lambda: (HereClient, BleakBackend.BLUEZ_DBUS)


def key(address: str, **changes: Any) -> VirtualKey:
    """What the vendor's cloud would have handed out."""
    fields: dict[str, Any] = {
        "keyId": 1,
        "lockId": 1,
        "lockMac": address,
        "lockAlias": "front",
        "lockName": "front",
        "lockVersion": LockVersion(5, 3, 1, 1, 1),
        "aesKeyStr": AES_KEY,
        "unlockKey": str(UNLOCK_KEY),
        "lockFlagPos": 0,
        "timezoneRawOffSet": 0,
    }
    return VirtualKey(**{**fields, **changes})


async def heard(address: str) -> LockAdvertisement:
    """The next advertisement of that lock, as the client decodes it."""
    found: asyncio.Future[LockAdvertisement] = asyncio.get_running_loop().create_future()

    def detected(_device: Any, said: Any) -> None:
        for company, block in said.manufacturer_data.items():
            decoded = LockAdvertisement.from_manufacturer_data(company, block)
            if decoded is not None and decoded.lock_mac == address and not found.done():
                found.set_result(decoded)

    async with bleak.BleakScanner(detection_callback=detected), asyncio.timeout(DEADLINE_S):
        return await found


async def advertisement(door: ControlClient) -> None:
    said = await heard(PLAIN)
    check(said.lock_state is LockState.LOCKED and said.battery == 100, "advertised: locked, 100 %")
    check(not said.has_new_records and not said.is_setting_mode, "advertised: nothing new, claimed")
    await door.call("thumb_turn", device="plain", to="unlocked")
    said = await heard(PLAIN)
    check(
        said.lock_state is LockState.UNLOCKED and said.has_new_records, "advertised: unlocked, news"
    )
    await door.call("thumb_turn", device="plain", to="locked")


async def held(door: ControlClient, device: str) -> set[str]:
    """The digits that the lock really holds."""
    slots = (await door.call("state", device=device))["slots"]
    return {slot["code"] for slot in slots.values() if slot["code"] is not None}


async def bolt(door: ControlClient, client: TTLockClient) -> None:
    events: list[Any] = []
    client.add_event_listener(events.append)
    check(await client.query_state() == (LockState.LOCKED, 100), "state: locked, 100 %")
    await client.unlock()
    check((await door.call("state", device="plain"))["bolt"] == "unlocked", "unlocked")
    check((await client.query_state())[0] is LockState.UNLOCKED, "state: unlocked")
    await client.lock()
    check((await door.call("state", device="plain"))["bolt"] == "locked", "locked")
    await door.call("thumb_turn", device="plain", to="unlocked", key=True)
    await until(lambda: any(event.record_id is not None for event in events), "a key is pushed")
    await door.call("thumb_turn", device="plain", to="locked")
    await until(
        lambda: any(event.lock_state is LockState.LOCKED for event in events), "a state is pushed"
    )
    await client.set_auto_lock_time(30)
    check(await client.get_auto_lock_time() == 30, "auto-lock is set and read back")
    await client.set_auto_lock_time(0)


async def clock(client: TTLockClient) -> None:
    await client.calibrate_time(datetime(2026, 7, 6, 12, 34, 56, tzinfo=UTC))
    shown = await client.get_lock_time()
    check(shown.replace(second=0) == datetime(2026, 7, 6, 12, 34), "the clock is set")  # noqa: DTZ001 - a wall clock
    await client.calibrate_time(datetime.now(UTC))
    check(abs(await client.sync_time()) < 5, "the clock is right")


async def codes(door: ControlClient, client: TTLockClient) -> None:
    await client.add_passcode("482913")
    await client.add_passcode(
        "739201", pwd_type=KeyboardPwdType.PERIOD, start_date="2001010000", end_date="9901010000"
    )
    await client.add_passcode(
        "5551", pwd_type=KeyboardPwdType.COUNT, start_date="2001010000", end_date="9901010000"
    )
    check(await held(door, "plain") == {"482913", "739201", "5551"}, "three codes are held")
    for code in ("482913", "739201", "5551"):
        typed = await door.call("type_code", device="plain", code=code)
        check(typed["opened"], f"a code of {len(code)} digits opens")
    typed = await door.call("type_code", device="plain", code="5551")
    check(typed["reason"] == "used_up", "a one-time code opens once")
    await refused(client.add_passcode("482913"), "a code that is there is refused")
    await client.delete_passcode("739201")
    check(await held(door, "plain") == {"482913", "5551"}, "one code is deleted")
    await client.clear_passcodes()
    check(await held(door, "plain") == set(), "all codes are cleared")
    await refused(client.delete_passcode("482913"), "a code that is not there is refused")


async def log(client: TTLockClient) -> None:
    entries = await client.get_operation_log()
    types = [int(entry.record_type) for entry in entries]
    check({1, 26, 27, 93, 4, 11, 6, 8} <= set(types), f"the log tells everything: {types}")
    numbers = [entry.record_number for entry in entries]
    check(numbers == list(range(len(entries))), "records are numbered in order")
    opened = [entry.password for entry in entries if entry.record_type == 4]
    check(opened == ["482913", "739201", "5551"], "whose code it was")
    check(await client.get_operation_log() == [], "nothing is unread any more")
    again = await client.get_operation_log(from_sequence=0)
    check([entry.record_number for entry in again] == numbers, "all of it can be read again")


async def strict(door: ControlClient) -> None:
    async with TTLockClient(key(STRICT)) as client:
        await client.unlock()
        check((await door.call("state", device="strict"))["bolt"] == "unlocked", "strict: unlocked")
        await refused(client.add_passcode("482913"), "strict: no change without the administrator")
    check(await held(door, "strict") == set(), "strict: nothing was written")
    async with TTLockClient(key(STRICT, unlockKey="1")) as client:
        await refused(client.unlock(), "strict: another unlock key is refused")


async def main() -> None:
    async with simulator() as (adapter, door):
        plug_in(adapter)
        await advertisement(door)
        async with TTLockClient(key(PLAIN)) as client:
            await bolt(door, client)
            await clock(client)
            await codes(door, client)
            await log(client)
        await strict(door)
    print("all held")


if __name__ == "__main__":
    asyncio.run(main())
