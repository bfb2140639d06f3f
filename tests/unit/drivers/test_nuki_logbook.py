"""A Nuki's own log: each entry once, whoever crashes; what entries mean, and whose code it was."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from firmware_sims.ble.nuki.oplog import Log
from gateway.domain.devices import YearDay
from gateway.domain.events import EventType, Method
from gateway.domain.instant import HOUR, MINUTE, Instant
from gateway.domain.secret import Secret
from gateway.drivers.api import Happening, Measured
from gateway.drivers.log_cursor import cursor_of
from gateway.errors import OutcomeUnknown, Unreachable
from tests.simulation.loop import run
from tests.unit.drivers.ble_house import DEADLINE_S, START
from tests.unit.drivers.nuki_house import SMART_LOCK, ULTRA, NukiHouse

if TYPE_CHECKING:
    from gateway.drivers.api import LogRead

DIGITS = "583926"


def happenings(read: LogRead) -> list[Happening]:
    return [event for event in read.events if isinstance(event, Happening)]


async def read(house: NukiHouse, cursor: str | None = None) -> LogRead:
    return await house.driver.read_log(cursor, deadline_s=DEADLINE_S)


@pytest.mark.parametrize("profile", [SMART_LOCK, ULTRA])
def test_what_happened_at_the_door_and_whose_code_it_was(profile: str) -> None:
    async def main() -> None:
        house = NukiHouse(profile)
        driver = house.let_in()
        now = house.now() // MINUTE * MINUTE
        window = YearDay(Instant(now - HOUR), Instant(now + HOUR))
        await driver.program(4, Secret(DIGITS), (window,), deadline_s=DEADLINE_S)
        start = house.air.timebase.now()
        house.opens(DIGITS)
        house.firmware.bolt.move_door(is_open=True)
        house.firmware.bolt.move_door(is_open=False)
        house.opens("999999")
        house.skin.actions["press_button"]()
        await house.air.pass_time(60)
        await driver.unlock(deadline_s=DEADLINE_S)
        await house.air.pass_time(2 * 3600)
        house.opens(DIGITS)
        found = happenings(await read(house))
        told = [(e.type, e.method, e.slot, e.reason) for e in found]
        assert told == [
            (EventType.LOCK_UNLOCKED, Method.CODE, 4, None),
            (EventType.DOOR_OPENED, Method.UNKNOWN, None, None),
            (EventType.DOOR_CLOSED, Method.UNKNOWN, None, None),
            (EventType.ACCESS_DENIED, Method.KEYPAD, None, "unknown_code"),
            (EventType.LOCK_LOCKED, Method.MANUAL, None, None),
            (EventType.LOCK_UNLOCKED, Method.REMOTE, None, None),
            (EventType.ACCESS_DENIED, Method.CODE, 4, "schedule"),
        ]
        assert all(event.from_log for event in found)
        assert [event.schedule_refused for event in found] == [False] * 6 + [True]
        assert found[0].device_time is not None
        assert abs(found[0].device_time - round(start * 1000)) <= 1000

    run(main())


def test_a_code_that_was_switched_off_proves_no_schedule() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        past = YearDay(Instant(round(START * 1000) - 2 * HOUR), Instant(round(START * 1000) - HOUR))
        await driver.program(4, Secret(DIGITS), (past,), deadline_s=DEADLINE_S)
        await driver.switch_code(4, enabled=False, deadline_s=DEADLINE_S)
        house.opens(DIGITS)
        (event,) = happenings(await read(house))
        assert (event.slot, event.reason, event.schedule_refused) == (4, "refused", False)

    run(main())


def test_a_strangers_code_has_a_number() -> None:
    async def main() -> None:
        house = NukiHouse()
        house.let_in()
        house.firmware.keypad.set_code_by_hand(7, "999111")
        house.opens("999111")
        entered = [e for e in happenings(await read(house)) if e.type is EventType.LOCK_UNLOCKED]
        assert [(event.method, event.slot) for event in entered] == [(Method.CODE, 1)]

    run(main())


def test_a_motor_that_was_blocked_is_a_jam() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        house.skin.actions["break_clutch"]()
        await driver.unlock(deadline_s=DEADLINE_S)
        (event,) = happenings(await read(house))
        assert (event.type, event.reason) == (EventType.LOCK_JAMMED, "clutch_failure")

    run(main())


def test_each_entry_is_told_once_over_many_readings() -> None:
    async def main() -> None:
        house = NukiHouse()
        house.let_in()
        cursor, told = None, 0
        for _ in range(5):
            for _ in range(70):
                house.firmware.bolt.move_door(is_open=not house.firmware.bolt.door_open)
            found = await read(house, cursor)
            assert not found.lost
            assert not found.more
            again = await read(house, cursor)
            assert happenings(again) == happenings(found)  # nothing was stored of the first
            cursor = found.cursor
            told += len(happenings(found))
        assert told == 5 * 70
        assert happenings(await read(house, cursor)) == []

    run(main())


def test_what_has_fallen_out_of_its_memory_is_told_as_lost() -> None:
    async def main() -> None:
        house = NukiHouse(log_records=10)
        house.let_in()
        house.firmware.bolt.move_door(is_open=True)
        first = await read(house)
        for _ in range(30):
            house.firmware.bolt.move_door(is_open=not house.firmware.bolt.door_open)
        second = await read(house, first.cursor)
        assert second.lost
        assert len(happenings(second)) == 10

    run(main())


def test_a_log_that_began_anew_is_read_from_its_beginning() -> None:
    async def main() -> None:
        house = NukiHouse()
        house.let_in()
        for _ in range(6):
            house.firmware.bolt.move_door(is_open=not house.firmware.bolt.door_open)
        first = await read(house)
        for again in (2, 8):
            house.skin.core.log = Log(500)
            await house.air.pass_time(60)
            for _ in range(again):
                house.firmware.bolt.move_door(is_open=not house.firmware.bolt.door_open)
            second = await read(house, first.cursor)
            assert second.lost
            assert len(happenings(second)) == again

    run(main())


def test_an_entry_that_did_not_arrive_is_asked_for_again() -> None:
    async def main() -> None:
        house = NukiHouse()
        house.let_in()
        for _ in range(6):
            house.firmware.bolt.move_door(is_open=not house.firmware.bolt.door_open)
        entries: list[int] = []

        def third(_: str, data: bytes) -> bool:
            entries.append(len(data) > 90)
            return sum(entries) == 3 and len(data) > 90

        house.air.spoil_notify = third
        first = await read(house)
        assert first.more
        assert len(happenings(first)) == 2
        rest = await read(house, first.cursor)
        assert not rest.more
        assert len(happenings(rest)) == 4

    run(main())


@pytest.mark.parametrize("seed", range(8))
def test_through_bad_air_each_entry_is_told_once(seed: int) -> None:
    async def main() -> None:
        house = NukiHouse(seed=seed)
        house.let_in()
        chance = random.Random(seed)
        house.air.weather.drop, house.air.weather.refuse = 0.02, 0.2
        cursor, told, written = None, 0, 0
        for _ in range(12):
            for _ in range(chance.randint(0, 20)):
                house.firmware.bolt.move_door(is_open=not house.firmware.bolt.door_open)
                written += 1
            try:
                found = await house.driver.read_log(cursor, deadline_s=5.0)
            except (Unreachable, OutcomeUnknown):
                continue
            assert not found.lost
            cursor, told = found.cursor, told + len(happenings(found))
        house.air.weather.drop = house.air.weather.refuse = 0.0
        told += len(happenings(await read(house, cursor)))
        assert told == written

    run(main())


def test_reading_takes_the_sign_off_the_air_and_tells_the_states() -> None:
    async def main() -> None:
        house = NukiHouse()
        house.let_in()
        house.firmware.bolt.move_door(is_open=True)
        found = await read(house)
        assert found.events[-1] == Measured(
            locked=True, door_open=True, battery_percent=100, battery_low=False
        )
        assert not house.state()["state_unread"]

    run(main())


@pytest.mark.parametrize("text", ["", "7", "[]", '{"last": "x", "mark": ""}', '{"last": 3}'])
def test_a_cursor_that_is_not_ours_is_the_beginning(text: str) -> None:
    assert cursor_of(text).last == 0
