"""Our driver, unmodified yalexs-ble and bleak, and a simulated August over the simulated air.

The library builds its own `BleakClient`; only bleak's lookup of the platform's backend is answered
with the simulated adapter. What was done is compared with what the lock holds.
"""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import bleak
import pytest
from bleak.backends import BleakBackend

from firmware_sims import profiles
from firmware_sims.ble import august
from firmware_sims.ble.bleak_backend import Client
from firmware_sims.clock import LoopTimebase
from firmware_sims.faults import Faults
from firmware_sims.firmware.lock import LockFirmware
from firmware_sims.firmware.model import BoltState, Source, UserStatus, UserType
from gateway.domain.actions import Confirmed, Refused
from gateway.domain.devices import Evidence, YearDay
from gateway.domain.events import EventType, Method
from gateway.domain.instant import Instant
from gateway.domain.secret import Secret
from gateway.drivers.access import SettingKind
from gateway.drivers.api import Happening, Measured, SlotReading, SlotUse
from gateway.drivers.claims import ClaimedDevice, ClaimOrder, Ownership, PairStage
from gateway.drivers.yale_august.family import YaleAugustFamily
from gateway.errors import DeviceRefused, OutcomeUnknown, Refusal, Unreachable
from gateway.radios.api import Advertised
from tests.contracts.ble_air import House, house
from tests.unit.drivers.ble_house import MemoryNumbers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gateway.drivers.claims import Claim
    from gateway.drivers.yale_august.driver import YaleAugust

ADDRESS = "D0:03:EB:12:34:56"
KEY, KEY_SLOT = "00112233445566778899aabbccddeeff", 3
EXPORT = json.dumps({"key": KEY, "slot": KEY_SLOT})
DEADLINE_S = 30.0
PIN, OTHER = "4711", "902817"
ENABLED, UNRESTRICTED = UserStatus.ENABLED, UserType.UNRESTRICTED


@dataclass
class Bench:
    home: House
    firmware: LockFirmware
    skin: august.AugustSkin
    faults: Faults
    family: YaleAugustFamily = field(default_factory=YaleAugustFamily)
    stages: list[PairStage] = field(default_factory=list)

    async def keep(self, keys: Secret) -> None:
        """`claims.KeepAgreed` of a family that agrees on nothing."""
        pytest.fail("there is nothing to keep before it is claimed")

    async def claim(self, secret: str | None = EXPORT) -> Claim:
        return await self.family.claim(
            self.home.radio,
            ClaimOrder(ADDRESS, Secret(secret) if secret is not None else None),
            lambda stage, _: self.stages.append(stage),
            self.keep,
            deadline_s=DEADLINE_S,
        )

    def driver(self, keys: str = EXPORT) -> YaleAugust:
        device = ClaimedDevice(
            ADDRESS, "Yale/August", "ASL-03", Secret(keys), MemoryNumbers(), "Europe/Berlin"
        )
        return self.family.driver(device, self.home.radio)

    def code(self, slot: int) -> str | None:
        """By the lock's own memory."""
        user = self.firmware.users.users.get(slot)
        return user.code if user else None

    def put(self, slot: int, code: str) -> None:
        self.firmware.users.set_code(slot, code, ENABLED, UNRESTRICTED, Source.KEYPAD)

    def bolt(self) -> BoltState:
        return self.firmware.bolt.state

    def connected(self) -> bool:
        return self.skin.peripheral.advertising is None


@asynccontextmanager
async def bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **skin: Any
) -> AsyncIterator[Bench]:
    monkeypatch.setattr(
        bleak, "get_platform_client_backend_type", lambda: (Client, BleakBackend.BLUEZ_DBUS)
    )
    firmware = LockFirmware(profiles.load("august-pro"), LoopTimebase())
    faults = Faults(random.Random(1), august.COMMANDS, lambda *_: None, lambda *_: None)
    settings = {"key": KEY, "key_slot": KEY_SLOT, **skin}
    lock = august.build(firmware, faults, address=ADDRESS, settings=settings, rng=random.Random(2))
    async with house(tmp_path, connections=1) as home, asyncio.timeout(60):
        home.radio.watch(frozenset({ADDRESS}))
        await home.hub.add_device(ADDRESS, lock.peripheral)
        made = Bench(home, firmware, lock, faults)
        yield made
        # Whatever happened, the link is over and the adapter's one place is free again.
        async with home.radio.borrow(ADDRESS, deadline_s=DEADLINE_S):
            assert not made.connected()


@pytest.fixture
async def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    async with bench(tmp_path, monkeypatch) as made:
        yield made


class TestClaiming:
    async def test_with_its_key_it_is_ours(self, one: Bench) -> None:
        heard = await one.home.radio.overhear(ADDRESS, deadline_s=DEADLINE_S)
        found = one.family.recognise(heard)
        assert found is not None
        assert (found.kind, found.ownership) == ("lock", Ownership.NEEDS_KEY)
        assert "offline key" in found.hint
        claim = await one.claim()
        assert (claim.manufacturer, claim.model) == ("Yale/August", "ASL-03")
        assert one.skin.peripheral.logins == 1
        assert one.stages == [PairStage.CONNECTING, PairStage.SETTING_UP]
        can = await one.driver(claim.keys.reveal()).interview(deadline_s=DEADLINE_S)
        assert can.codes is not None
        assert (can.has_door_sensor, can.can_remotely_unlock, can.keeps_log) == (True, True, True)
        assert (can.schedules.year_day, can.schedules.week_day) == (0, 0)

    @pytest.mark.parametrize(
        "export", [{"key": "ff" * 16, "slot": KEY_SLOT}, {"key": KEY, "slot": 9}]
    )
    async def test_with_another_it_is_not(self, one: Bench, export: dict[str, Any]) -> None:
        with pytest.raises(DeviceRefused, match="does not know this key") as raised:
            await one.claim(json.dumps(export))
        assert raised.value.refusal is Refusal.NOT_AUTHORISED
        assert one.skin.peripheral.logins == 0
        assert export["key"] not in str(raised.value)

    async def test_without_one_nobody_connects(self, one: Bench) -> None:
        with pytest.raises(DeviceRefused, match="vendor's account"):
            await one.claim(None)
        with pytest.raises(DeviceRefused, match="neither JSON") as raised:
            await one.claim("no key at all")
        assert raised.value.refusal is Refusal.INVALID
        assert one.home.radio.usage(ADDRESS).connects == 0


class TestBolt:
    async def test_it_turns_and_tells(self, one: Bench) -> None:
        driver = one.driver()
        done = Confirmed(frozenset({Evidence.ACKNOWLEDGED}))
        assert await driver.unlock(deadline_s=DEADLINE_S) == done
        assert one.bolt() is BoltState.UNLOCKED
        one.firmware.set_battery(50)
        one.firmware.bolt.door_open = True
        told = await driver.measure(deadline_s=DEADLINE_S)
        assert (told.locked, told.door_open, told.battery_low) == (False, True, False)
        assert told.battery_percent is not None
        assert 60 <= told.battery_percent <= 80  # 1.395 V on an alkaline's curve
        one.firmware.bolt.door_open = False
        assert await driver.lock(deadline_s=DEADLINE_S) == done
        assert one.bolt() is BoltState.LOCKED
        assert one.skin.queue.applied["unlock"] == one.skin.queue.applied["lock"] == 1

    async def test_a_bolt_that_is_stuck_is_said(self, one: Bench) -> None:
        one.firmware.bolt.jam()
        assert await one.driver().unlock(deadline_s=DEADLINE_S) == Refused(Refusal.JAMMED)
        told = await one.driver().measure(deadline_s=DEADLINE_S)
        assert told.locked is None

    async def test_an_answer_that_is_lost_is_not_asked_for_by_doing_it_again(
        self, one: Bench
    ) -> None:
        one.faults.arm("applied-but-answer-lost", on="unlock")
        with pytest.raises(OutcomeUnknown):
            await one.driver().unlock(deadline_s=4)
        assert one.skin.queue.applied["unlock"] == 1

    async def test_out_of_range_nothing_happens(self, one: Bench) -> None:
        one.firmware.lose_power()
        with pytest.raises(Unreachable):
            await one.driver().unlock(deadline_s=3)
        one.firmware.restore_power()
        one.skin.restarted()
        assert one.skin.queue.received["unlock"] == 0


class TestCodes:
    async def test_from_writing_to_erasing(self, one: Bench) -> None:
        driver = one.driver()
        driver.restore(await driver.interview(deadline_s=DEADLINE_S))
        wrote = await driver.program(2, Secret(PIN), (), deadline_s=DEADLINE_S)
        assert wrote.outcome == Confirmed(frozenset({Evidence.ACKNOWLEDGED, Evidence.READ_BACK}))
        held = SlotReading(2, SlotUse.ENABLED, Secret(PIN), schedules=())
        assert wrote.reading == held
        assert one.code(2) == PIN
        assert one.firmware.keypad.type_code(PIN).opened
        assert await driver.read_slot(2, deadline_s=DEADLINE_S) == held
        one.put(7, OTHER)
        assert await driver.read_slots(deadline_s=DEADLINE_S) == [
            held, SlotReading(7, SlotUse.ENABLED, Secret(OTHER), schedules=()),
        ]  # fmt: skip
        gone = await driver.erase(2, deadline_s=DEADLINE_S)
        assert isinstance(gone.outcome, Confirmed)
        assert gone.reading == SlotReading(2, SlotUse.AVAILABLE)
        assert one.code(2) is None
        before = one.skin.queue.received["clear_code"]
        again = await driver.erase(2, deadline_s=DEADLINE_S)
        assert isinstance(again.outcome, Confirmed)
        assert one.skin.queue.received["clear_code"] == before

    async def test_what_is_somebody_elses_stays(self, one: Bench) -> None:
        one.put(3, OTHER)
        driver = one.driver()
        refused = await driver.program(3, Secret(PIN), (), deadline_s=DEADLINE_S)
        assert refused.outcome == Refused(Refusal.INVALID)
        assert refused.reading == SlotReading(3, SlotUse.ENABLED, Secret(OTHER), schedules=())
        assert one.code(3) == OTHER
        duplicate = await driver.program(4, Secret(OTHER), (), deadline_s=DEADLINE_S)
        assert duplicate.outcome == Refused(Refusal.DUPLICATE)
        assert (one.code(3), one.code(4)) == (OTHER, None)
        over = await driver.program(3, Secret(PIN), (), deadline_s=DEADLINE_S, overwrite=True)
        assert isinstance(over.outcome, Confirmed)
        assert one.code(3) == PIN

    async def test_what_it_cannot_keep_is_refused_before_any_word(self, one: Bench) -> None:
        driver = one.driver()
        window = YearDay(Instant(0), Instant(3_600_000))
        for slot, digits, schedules, refusal in (
            (1, PIN, (window,), Refusal.UNSUPPORTED),
            (26, PIN, (), Refusal.INVALID),
            (1, "123", (), Refusal.LENGTH),
            (1, "12a4", (), Refusal.CHARSET),
        ):
            told = await driver.program(slot, Secret(digits), schedules, deadline_s=1)
            assert told.outcome == Refused(refusal)
        told = await driver.reschedule(1, (window,), deadline_s=1)
        assert told.outcome == Refused(Refusal.UNSUPPORTED)
        assert one.home.radio.usage(ADDRESS).connects == 0

    async def test_a_code_that_was_accepted_and_is_not_there_is_not_confirmed(
        self, one: Bench
    ) -> None:
        one.faults.arm("acknowledged-but-not-applied", on="commit_code")
        with pytest.raises(Exception, match="reads empty") as raised:
            await one.driver().program(2, Secret(PIN), (), deadline_s=DEADLINE_S)
        assert PIN not in str(raised.value)
        assert one.code(2) is None
        one.put(5, OTHER)
        one.faults.arm("acknowledged-but-not-applied", on="clear_code")
        kept = await one.driver().erase(5, deadline_s=DEADLINE_S)
        assert kept.outcome == Refused(Refusal.FAILED)
        assert one.code(5) == OTHER

    async def test_a_code_whose_answer_is_lost_is_in_doubt(self, one: Bench) -> None:
        one.faults.arm("applied-but-answer-lost", on="commit_code")
        with pytest.raises(OutcomeUnknown) as raised:
            await one.driver().program(2, Secret(PIN), (), deadline_s=5)
        assert PIN not in str(raised.value)
        assert one.code(2) == PIN

    async def test_without_a_keypad_there_are_no_codes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with bench(tmp_path, monkeypatch, keypad=False) as made:
            driver = made.driver()
            can = await driver.interview(deadline_s=DEADLINE_S)
            assert (can.codes, can.can_program_online_access_codes) == (None, None)
            told = await driver.program(1, Secret(PIN), (), deadline_s=DEADLINE_S)
            assert told.outcome == Refused(Refusal.UNSUPPORTED)


class TestNews:
    async def test_the_log_tells_who_and_how_once(self, one: Bench) -> None:
        one.put(7, OTHER)
        driver = one.driver()
        one.firmware.keypad.type_code(OTHER)
        one.firmware.turn_thumb(BoltState.LOCKED)
        await driver.unlock(deadline_s=DEADLINE_S)
        read = await driver.read_log(None, deadline_s=DEADLINE_S)
        *happenings, measured = read.events
        assert [(h.type, h.method, h.slot) for h in cast("list[Happening]", happenings)] == [
            (EventType.LOCK_UNLOCKED, Method.CODE, 7),
            (EventType.LOCK_LOCKED, Method.MANUAL, None),
            (EventType.LOCK_UNLOCKED, Method.REMOTE, None),
        ]
        now = one.firmware.timebase.now() * 1000
        for happening in cast("list[Happening]", happenings):
            assert happening.from_log
            assert happening.device_time is not None
            assert abs(happening.device_time - now) < 60_000
        assert isinstance(measured, Measured)
        assert measured.locked is False
        assert (read.more, read.lost) == (False, False)
        again = await driver.read_log(read.cursor, deadline_s=DEADLINE_S)
        assert [type(event) for event in again.events] == [Measured]

    async def test_a_long_log_comes_in_parts_and_whole(self, one: Bench) -> None:
        for turn in range(40):
            one.firmware.turn_thumb(BoltState.LOCKED if turn % 2 else BoltState.UNLOCKED)
        driver = one.driver()
        first = await driver.read_log(None, deadline_s=DEADLINE_S)
        assert (len(first.events), first.more) == (32, True)
        second = await driver.read_log(first.cursor, deadline_s=DEADLINE_S)
        assert (len(second.events), second.more) == (8 + 1, False)

    async def test_its_advertisement_says_when_there_is_news(self, one: Bench) -> None:
        driver = one.driver()
        news = [Measured(log_news=True)]

        async def heard() -> list[object]:
            word = await one.home.radio.overhear(ADDRESS, deadline_s=DEADLINE_S)
            return list(driver.translate(Advertised(ADDRESS, word)))

        assert await heard() == news  # what happened while nobody listened
        assert await heard() == []
        before = one.skin.peripheral.news
        one.firmware.turn_thumb(BoltState.UNLOCKED)
        assert one.skin.peripheral.news != before
        async with asyncio.timeout(DEADLINE_S):
            while await heard() != news:
                pass
        assert await heard() == []


async def test_auto_lock_is_read_and_set(one: Bench) -> None:
    driver = one.driver()
    (setting,) = await driver.read_settings(deadline_s=DEADLINE_S)
    assert (setting.name, setting.kind, setting.value) == ("auto_lock_s", SettingKind.SECONDS, 0)
    written = await driver.write_setting("auto_lock_s", 90, deadline_s=DEADLINE_S)
    assert written.value == 90
    assert one.skin.state()["auto_lock"] == 90 | 90 << 16
    (setting,) = await driver.read_settings(deadline_s=DEADLINE_S)
    assert setting.value == 90
    await driver.write_setting("auto_lock_s", 0, deadline_s=DEADLINE_S)
    assert one.skin.state()["auto_lock"] == 0
    for name, value, refusal in (
        ("volume", 1, Refusal.UNSUPPORTED),
        ("auto_lock_s", True, Refusal.INVALID),
        ("auto_lock_s", 1801, Refusal.INVALID),
    ):
        with pytest.raises(DeviceRefused) as raised:
            await driver.write_setting(name, value, deadline_s=1)
        assert raised.value.refusal is refusal
