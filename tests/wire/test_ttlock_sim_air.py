"""The simulated TTLock over the simulated air, by unmodified bleak: what only a radio shows."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest
from bleak.exc import BleakError

from firmware_sims import profiles
from firmware_sims.ble import ttlock
from firmware_sims.ble.ttlock.frames import Frame, Reassembler, Version, chunks, decrypt, encrypt
from firmware_sims.ble.ttlock.peripheral import NOTIFY, WRITE
from firmware_sims.clock import LoopTimebase
from firmware_sims.faults import Faults
from firmware_sims.firmware.lock import LockFirmware
from tests.contracts.ble_devices import DEADLINE_S, house
from tests.unit.sims.ttlock_bench import CLAIMED, KEY, VENDOR, user

if TYPE_CHECKING:
    from bleak import BleakClient

ADDRESS = "38:38:E5:1D:71:FE"


class OnAir:
    """A claimed lock, in real time."""

    def __init__(self, **settings: Any) -> None:
        profile = profiles.load("ttlock-deadbolt")
        self.firmware = LockFirmware(profile, LoopTimebase())
        self.faults = Faults(
            random.Random(1), ttlock.COMMANDS, lambda *_hit: None, lambda _fault, _on: None
        )
        self.skin = ttlock.build(
            self.firmware,
            self.faults,
            address=ADDRESS,
            settings={**CLAIMED, **settings},
            rng=random.Random(7),
        )


async def ask(client: BleakClient, opcode: int, payload: bytes) -> bytes:
    """One command, and the plaintext of what the lock says to it."""
    reassembler = Reassembler()
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    def notified(_sender: object, data: bytearray) -> None:
        for raw in reassembler.feed(bytes(data)):
            heard.put_nowait(raw)

    await client.start_notify(NOTIFY, notified)
    for piece in chunks(Frame(Version(), opcode, encrypt(payload, KEY)).encode()):
        await client.write_gatt_char(WRITE, piece, response=False)
    async with asyncio.timeout(DEADLINE_S):
        raw = await heard.get()
    await client.stop_notify(NOTIFY)
    return decrypt(Frame.decode(raw).payload, KEY)


async def test_advertised_connected_spoken_to_and_hung_up_on() -> None:
    lock = OnAir(idle_disconnect_s=1.0)
    async with house(lock.skin.peripheral) as air:
        device = await air.find(ADDRESS)
        said = air.heard[ADDRESS][1]
        assert said.local_name == "K5_fe711d"
        assert said.manufacturer_data[0x0305][:3] == bytes([2, 0, 100])
        gone = asyncio.Event()
        client = air.client(device, gone)
        await client.connect()
        assert await ask(client, 0x14, VENDOR) == bytes([0x14, 1, 100, 0, 1])
        answer = await ask(client, 0x55, user())
        assert (answer[:2], len(answer)) == (bytes([0x55, 1]), 6)
        async with asyncio.timeout(DEADLINE_S):
            await gone.wait()  # idle
        assert await air.find(ADDRESS)  # and on the air again


async def test_asleep_it_may_answer_no_connection() -> None:
    lock = OnAir(dormant_after_s=0.2)
    lock.faults.arm("dormant-refuses-connect")
    async with house(lock.skin.peripheral) as air:
        device = await air.find(ADDRESS)
        async with air.scanner():
            await air.until(lambda: air.heard[ADDRESS][1].manufacturer_data[0x0305][1] & 0x10)
        client = air.client(device)
        with pytest.raises((BleakError, TimeoutError)):
            await client.connect(timeout=0.5)
        lock.faults.disarm()
        await client.connect()
        assert await ask(client, 0x14, VENDOR)
        await client.disconnect()


async def test_a_link_that_is_cut_in_mid_frame_is_lost_to_the_host() -> None:
    lock = OnAir()
    lock.faults.arm("disconnect-in-mid-frame", on="get_status")
    async with house(lock.skin.peripheral) as air:
        gone = asyncio.Event()
        client = air.client(await air.find(ADDRESS), gone)
        await client.connect()
        heard: list[bytes] = []
        await client.start_notify(NOTIFY, lambda _sender, data: heard.append(bytes(data)))
        for piece in chunks(Frame(Version(), 0x14, encrypt(VENDOR, KEY)).encode()):
            await client.write_gatt_char(WRITE, piece, response=False)
        async with asyncio.timeout(DEADLINE_S):
            await gone.wait()
        assert [len(piece) for piece in heard] == [20]
