"""What BlueZ does and the stand-in of `make test` does not, and what the radio makes of it.

Only in the machine of `make bluez-vm`, which names this file to pytest; figures go to its report.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING, cast

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakDBusError

from gateway.domain.actions import Confirmed
from gateway.domain.instant import ClockTrust
from gateway.kit.clock import SystemClock
from gateway.radios.api import RadioStatus
from tests.bluez.plugin import figure
from tests.contracts.ble_air import DEADLINE_S, NOTIFY, READ, WRITE, Parrot, address, house
from tests.unit.drivers.ttlock_house import ADDRESS, LockHouse

if TYPE_CHECKING:
    from pathlib import Path

    from bleak.backends.device import BLEDevice

    from gateway.radios.gatt import GattLink

CONNECT_AND_STAY = """\
import asyncio, sys
from bleak import BleakClient, BleakScanner
async def main():
    found = await BleakScanner.find_device_by_address(sys.argv[1], timeout=60)
    await BleakClient(found, timeout=60).connect()
    print("connected", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""

_clock = SystemClock(ClockTrust.TRUSTED)


async def talk(link: GattLink, words: bytes) -> bytes:
    await link.listen(NOTIFY, deadline_s=DEADLINE_S)
    await link.write(WRITE, words, response=True, deadline_s=DEADLINE_S)
    return b"".join([(await link.receive(deadline_s=DEADLINE_S))[1] for _ in words])


async def test_a_second_scan_of_this_process_is_in_progress_and_ours_goes_on(
    tmp_path: Path,
) -> None:
    async with house(tmp_path, Parrot(1)) as home:
        second = BleakScanner(bluez={"adapter": "hci0"})
        with pytest.raises(BleakDBusError, match="InProgress"):
            await second.start()
        await home.radio.overhear(address(1), deadline_s=DEADLINE_S)
        assert home.radio.state.status is RadioStatus.UP


async def test_the_mtu_is_told_as_23_whatever_was_agreed(tmp_path: Path) -> None:
    parrot = Parrot(1)
    async with (
        house(tmp_path, parrot) as home,
        home.radio.borrow(address(1), deadline_s=DEADLINE_S) as lent,
        BleakClient(cast("BLEDevice", lent)) as client,
    ):
        with pytest.warns(UserWarning, match="default MTU"):
            assert client.mtu_size == 23
        long = bytes(range(200))
        await client.write_gatt_char(WRITE, long, response=True)
        assert parrot.written == [long]


async def test_what_connecting_speaking_and_hanging_up_take(tmp_path: Path) -> None:
    parrot = Parrot(1)
    async with house(tmp_path, parrot) as home:
        await home.radio.overhear(address(1), deadline_s=DEADLINE_S)
        began = _clock.monotonic()
        async with home.radio.connect(address(1), deadline_s=DEADLINE_S) as link:
            figure("connect and find the services", _clock.monotonic() - began)
            assert await talk(link, b"!") == b"!"
            began = _clock.monotonic()
            for _ in range(20):
                await link.write(WRITE, b"?", response=True, deadline_s=DEADLINE_S)
                assert await link.receive(deadline_s=DEADLINE_S) == (NOTIFY, b"?")
            figure("write and hear the answer", (_clock.monotonic() - began) / 20)
        began = _clock.monotonic()
        await parrot.until(lambda: parrot.line is None)
        figure("hang up", _clock.monotonic() - began)
        assert parrot.connects == 1


async def test_a_link_that_lingers_is_handed_out_again_and_ends_by_itself(tmp_path: Path) -> None:
    parrot = Parrot(1)
    async with house(tmp_path, parrot) as home:
        async with home.radio.connect(address(1), deadline_s=DEADLINE_S, linger_s=60) as first:
            assert await talk(first, b"one") == b"one"
        async with home.radio.connect(address(1), deadline_s=DEADLINE_S, linger_s=0.5) as second:
            assert second is first
            assert await talk(second, b"two") == b"two"
        await parrot.until(lambda: parrot.line is None)
        assert not second.connected
        assert parrot.connects == 1


async def test_what_an_unlock_takes(tmp_path: Path) -> None:
    lock = LockHouse(start=_clock.now() / 1000)
    async with house(tmp_path) as home:
        await home.hub.add_device("lock", lock.skin.peripheral)
        await home.radio.overhear(ADDRESS, deadline_s=DEADLINE_S)
        driver = lock.family.driver(lock.device(lock.keys.to_secret()), home.radio)
        for what in ("unlock, connecting first", "unlock on a link that lingers"):
            began = _clock.monotonic()
            assert isinstance(await driver.unlock(deadline_s=DEADLINE_S), Confirmed)
            figure(what, _clock.monotonic() - began)
            assert lock.unlocked()


async def test_a_link_of_a_process_that_was_killed_is_found_and_used(tmp_path: Path) -> None:
    """bluetoothd keeps it, and a device that is connected says nothing that could be heard."""
    parrot = Parrot(1)
    async with house(tmp_path) as home:
        home.running.cancel()  # its scan would be in the way of the other's
        await asyncio.gather(home.running, return_exceptions=True)
        await home.add(parrot)
        other = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CONNECT_AND_STAY, address(1), stdout=asyncio.subprocess.PIPE
        )
        assert other.stdout is not None
        try:
            async with asyncio.timeout(120):
                assert await other.stdout.readline() == b"connected\n"
        finally:
            other.send_signal(signal.SIGKILL)
            await other.wait()
        assert parrot.line is not None
        home.running = asyncio.create_task(home.radio.run())
        try:
            await home.up()
            async with home.radio.connect(address(1), deadline_s=DEADLINE_S) as link:
                assert await link.read(READ, deadline_s=DEADLINE_S) == b"polly"
            assert parrot.connects == 1
        finally:
            home.running.cancel()
            await asyncio.gather(home.running, return_exceptions=True)
