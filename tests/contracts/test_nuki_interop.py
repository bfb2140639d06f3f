"""pyNukiBT, an independent client, against the simulated Nuki over the simulated air.

The client is unmodified and builds its own `BleakClient`; only bleak's lookup of the platform's
backend is answered with the simulated adapter. What it did is compared with what the lock holds.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import bleak
import pytest
from bleak.backends import BleakBackend
from nacl.public import Box, PrivateKey, PublicKey

from firmware_sims import profiles
from firmware_sims.ble import nuki
from firmware_sims.ble.bleak_backend import Client
from firmware_sims.clock import LoopTimebase, ZoneRules
from firmware_sims.faults import Faults
from firmware_sims.firmware.lock import LockFirmware
from tests.contracts.ble_devices import DEADLINE_S, House, house
from tests.pynukibt import pynukibt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ADDRESS = "D4:D2:72:1A:2B:3C"
PIN, ULTRA_PIN = 4711, 482913
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
FAST = {"turn_s": 0.05, "unlatch_s": 0.05, "advertising_s": 0.05}


class Lock:
    """A simulated Nuki in real time."""

    def __init__(self, profile: str) -> None:
        timebase = LoopTimebase()
        self.firmware = LockFirmware(profiles.load(profile), timebase)
        self.firmware.clock.zone = ZoneRules.of("Europe/Berlin", timebase.now())
        faults = Faults(random.Random(1), nuki.COMMANDS, lambda *_: None, lambda *_: None)
        self.skin = nuki.build(
            self.firmware, faults, address=ADDRESS, settings=FAST, rng=random.Random(7)
        )

    @property
    def state(self) -> dict[str, Any]:
        return self.skin.state()


@dataclass
class Bench:
    lock: Lock
    here: House
    client: Any
    """A `pyNukiBT.NukiDevice`."""
    secret: PrivateKey

    async def see(self) -> None:
        """The client hears an advertisement."""
        await self.here.find(ADDRESS)
        self.client.parse_advertisement_data(*self.here.heard[ADDRESS])

    async def pair(self, pin: int | None = None) -> None:
        """The lock holds what the client was given."""
        self.lock.skin.actions["press_pairing_button"]()
        await self.see()
        await self.client.connect()
        given = await self.client.pair(pin)
        (held,) = self.lock.state["authorizations"]
        assert held["auth_id"] == given["auth_id"].hex()
        lock = PublicKey(given["nuki_public_key"])
        assert held["key"] == Box(self.secret, lock).shared_key().hex()


@asynccontextmanager
async def bench(profile: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    package = pynukibt()
    monkeypatch.setattr(
        bleak, "get_platform_client_backend_type", lambda: (Client, BleakBackend.BLUEZ_DBUS)
    )
    lock = Lock(profile)
    secret = PrivateKey.generate()
    client = package.NukiDevice(
        ADDRESS, None, None, bytes(secret.public_key), bytes(secret), 77, "house"
    )
    async with house() as here, asyncio.timeout(DEADLINE_S):
        await here.hub.add_device("nuki", lock.skin.peripheral)
        made = Bench(lock, here, client, secret)
        try:
            yield made
        finally:
            await client.disconnect()


async def test_it_pairs_and_what_it_was_given_is_what_the_lock_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with bench("nuki-smartlock-3", monkeypatch) as made:
        await made.pair()
        (held,) = made.lock.state["authorizations"]
        assert (held["name"], held["client"], held["app_id"]) == ("house", 1, 77)


async def test_without_the_button_it_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench("nuki-smartlock-3", monkeypatch) as made:
        await made.see()
        await made.client.connect()
        with pytest.raises(pynukibt().NukiErrorException) as refused:
            await made.client.pair()
        assert str(refused.value.error_code) == "P_ERROR_NOT_PAIRING"
        assert made.lock.state["authorizations"] == []


async def test_it_reads_moves_and_reads_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench("nuki-smartlock-3", monkeypatch) as made:
        await made.pair()
        client = made.client
        await client.update_state()
        assert str(client.last_state.lock_state) == "LOCKED"
        assert client.config["name"] == "Nuki_721A2B3C"
        said = await client.lock_action("UNLOCK", wait_for_completed=True)
        assert str(said.status) == "COMPLETED"
        assert made.lock.state["lock_state"] == "unlocked"
        await client.update_state()
        assert str(client.last_state.lock_state) == "UNLOCKED"
        await client.disconnect()
        await made.see()
        assert not client.poll_needed()  # the beacon is even: nothing new
        made.lock.firmware.keypad.one_touch()
        async with made.here.scanner():
            await made.here.until(lambda: _odd(made))
        client.parse_advertisement_data(*made.here.heard[ADDRESS])
        assert client.poll_needed()


def _odd(made: Bench) -> bool:
    return bool(made.here.heard[ADDRESS][1].manufacturer_data[76][-1] & 1)


async def test_codes_log_pin_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench("nuki-smartlock-3", monkeypatch) as made:
        await made.pair()
        client, lock = made.client, made.lock
        await client.connect()
        commands = pynukibt().NukiLockConst.NukiCommand
        assert await client.verify_security_pin(PIN)
        assert not await client.verify_security_pin(PIN + 1)

        send = client._send_encrypted_command  # noqa: SLF001 - it has no method for codes
        challenge = await send(
            commands.REQUEST_DATA,
            {"command": commands.CHALLENGE},
            expected_response=commands.CHALLENGE,
        )
        start = datetime.fromisoformat(lock.state["wall_clock"]) - timedelta(days=1)
        await send(
            commands.ADD_KEYPAD_CODE,
            {
                "code": 482913,
                "name": "guest",
                "time_limited": 1,
                "allowed_from_date": start,
                "allowed_until_date": start + timedelta(days=3),
                "allowed_weekdays": dict.fromkeys(DAYS, 0),
                "allowed_from_time": {"hour": 0, "minute": 0},
                "allowed_until_time": {"hour": 0, "minute": 0},
                "nonce": challenge.nonce,
                "security_pin": PIN,
            },
            expected_response=commands.KEYPAD_CODE_ID,
        )
        ((code_id, code),) = lock.state["codes"].items()
        assert (code["code"], code["name"], code["enabled"]) == ("482913", "guest", True)
        assert lock.firmware.keypad.type_code("482913").opened

        newest = (await client.request_log_entries(PIN, count=1))[0]
        assert str(newest.type) == "KEYPAD_ACTION"
        assert (newest.data.code_id, newest.name) == (int(code_id), "guest")
        assert str(newest.data.completion_status) == "SUCCESS"

        await client.update_nuki_time(PIN, datetime(2030, 1, 2, 3, 4, 5))  # noqa: DTZ001 - naive on the air
        assert lock.state["wall_clock"].startswith("2030-01-02T03:04:0")
        assert not lock.firmware.keypad.type_code("482913").opened


async def test_an_ultra_pairs_with_its_pin(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench("nuki-ultra", monkeypatch) as made:
        await made.pair(ULTRA_PIN)
        await made.client.update_state()
        assert str(made.client.last_state.lock_state) == "LOCKED"
        assert await made.client.verify_security_pin(ULTRA_PIN)
