"""The log of a simulated TTLock: each record is told exactly once, whatever happens."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from firmware_sims.firmware.model import Source
from gateway.domain.events import EventType, Method
from gateway.domain.instant import Instant
from gateway.domain.secret import Secret
from gateway.drivers.access import MediumKind, medium_text
from gateway.drivers.api import Happening, LogRead, Measured, SlotChange, SlotChanged
from gateway.drivers.ttlock.logbook import Cursor, cursor_of
from gateway.errors import OutcomeUnknown, Unreachable
from tests.simulation.loop import run
from tests.unit.drivers.ble_house import DEADLINE_S
from tests.unit.drivers.ttlock_house import ADDRESS, LockHouse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.drivers.api import DeviceEvent

CODE = Secret("583920")
PROFILES = ("ttlock-deadbolt", "ttlock-keypad")
"""Many records in a page and a number behind the last; one in a page and FFFF behind the last."""


def used(events: Iterable[DeviceEvent]) -> list[tuple[EventType, Instant | None]]:
    return [(e.type, e.device_time) for e in events if isinstance(e, Happening)]


async def seconds_pass(house: LockHouse, count: float = 1.0) -> None:
    await house.air.pass_time(count)


async def read(house: LockHouse, cursor: str | None, deadline_s: float = 600.0) -> LogRead:
    return await house.driver.read_log(cursor, deadline_s=deadline_s)


@pytest.mark.parametrize("profile", PROFILES)
def test_what_happened_is_told_with_whose_code_it_was(profile: str) -> None:
    async def main() -> None:
        house = LockHouse(profile)
        await house.driver.program(4, CODE, (), deadline_s=DEADLINE_S)
        start = await read(house, None)
        assert house.opens("583920")
        at = house.now() // 1000 * 1000
        await seconds_pass(house)
        assert not house.opens("111222")
        found = await read(house, start.cursor)
        happened = [e for e in found.events if isinstance(e, Happening)]
        assert replace(happened[0], code=None) == Happening(
            EventType.LOCK_UNLOCKED, Method.CODE, 4, None, Instant(at), from_log=True
        )
        assert happened[0].code == house.numbers.hash_of(CODE)
        denied = next(e for e in happened if e.type is EventType.ACCESS_DENIED)
        assert (denied.slot, denied.reason) == (None, "unknown_code")
        assert isinstance(found.events[-1], Measured)
        assert (found.lost, found.more) == (False, False)
        for text in ("583920", "111222"):
            assert text not in repr(found)
            assert text not in found.cursor
        again = await read(house, found.cursor)
        assert list(again.events) == []

    run(main())


@pytest.mark.parametrize("profile", PROFILES)
def test_a_reading_that_was_never_stored_is_made_again_and_the_same(profile: str) -> None:
    """Killed between reading and committing: the records are read by now, and still told."""

    async def main() -> None:
        house = LockHouse(profile)
        first = await read(house, None)
        for number in range(7):
            house.opens(f"90{number}31")
            await seconds_pass(house)
        lost = await read(house, first.cursor)
        assert not house.skin.core.log.unread
        again = await read(house, first.cursor)
        assert used(again.events) == used(lost.events)
        assert len(used(again.events)) == 7
        assert again.cursor == lost.cursor

    run(main())


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", range(12))
def test_every_record_exactly_once_through_bad_air_and_crashes(profile: str, seed: int) -> None:
    async def main() -> None:
        house = LockHouse(profile, seed=seed)
        chance = random.Random(seed)
        weather = house.air.weather
        weather.latency_s, weather.loss, weather.drop, weather.refuse = 0.02, 0.02, 0.02, 0.1
        house.arm("applied-but-answer-lost", "read_log", rate=0.05)
        cursor: str | None = None
        told: list[tuple[EventType, Instant | None]] = []
        truth = 0
        for _ in range(25):
            for _ in range(chance.randrange(6)):
                house.opens(f"{chance.randrange(10_000, 99_999)}")
                truth += 1
                await seconds_pass(house, chance.choice((0.1, 1.0, 3.0)))
            try:
                found = await read(house, cursor, deadline_s=chance.choice((3.0, 20.0, 60.0)))
            except (Unreachable, OutcomeUnknown):
                continue
            if chance.random() < 0.3:
                continue  # killed before it was stored
            assert not found.lost
            cursor, told = found.cursor, told + used(found.events)
        weather.loss = weather.drop = weather.refuse = 0.0
        house.faults.disarm()
        for _ in range(5):
            found = await read(house, cursor)
            cursor, told = found.cursor, told + used(found.events)
            if not found.more:
                break
        assert len(told) == truth
        times = [at for _, at in told]
        assert times == sorted(times, key=lambda at: at or 0)

    run(main())


def test_a_ring_that_turned_over_tells_that_something_is_missing_and_the_rest_once() -> None:
    async def main() -> None:
        house = LockHouse(log_records=20)
        house.opens("90001")
        first = await read(house, None)
        for number in range(50):
            house.opens(f"9{number:04d}")
            await seconds_pass(house)
        gap = await read(house, first.cursor)
        assert (gap.lost, gap.more, list(gap.events)) == (True, True, [])
        found = await read(house, gap.cursor)
        assert not found.lost
        assert len(used(found.events)) == 20
        house.opens("55555")
        after = await read(house, found.cursor)
        assert not after.lost
        assert len(used(after.events)) == 1

    run(main())


def test_a_ring_in_which_only_some_of_the_marks_are_left_has_lost_nothing() -> None:
    async def main() -> None:
        house = LockHouse(log_records=20)
        for number in range(10):
            house.opens(f"9{number:04d}")
            await seconds_pass(house)
        first = await read(house, None)
        for number in range(17):
            house.opens(f"8{number:04d}")
            await seconds_pass(house)
        found = await read(house, first.cursor)
        assert not found.lost
        assert len(used(found.events)) == 17

    run(main())


def test_a_log_that_was_cleared_is_told_as_lost_once() -> None:
    async def main() -> None:
        house = LockHouse()
        house.opens("90001")
        first = await read(house, None)
        house.skin.core.log.clear()
        gone = await read(house, first.cursor)
        assert gone.lost
        assert not used(gone.events)
        house.opens("90002")
        found = await read(house, gone.cursor)
        assert not found.lost
        assert len(used(found.events)) == 1

    run(main())


def test_a_short_deadline_tells_a_part_and_goes_on() -> None:
    async def main() -> None:
        house = LockHouse("ttlock-keypad")
        for number in range(60):
            house.opens(f"9{number:04d}")
        house.air.weather.latency_s = 0.1
        first = await read(house, None, deadline_s=4.0)
        assert first.more
        assert 0 < len(used(first.events)) < 60
        second = await read(house, first.cursor)
        assert not second.more
        assert len(used(first.events)) + len(used(second.events)) == 60

    run(main())


def test_where_it_went_on_is_searched_for_in_parts() -> None:
    """The numbers mean nothing any more, the records are there, and there is little time."""

    async def main() -> None:
        house = LockHouse("ttlock-keypad")
        for number in range(200):
            house.opens(f"9{number:04d}")
            await seconds_pass(house)
        first = await read(house, None)
        for number in range(10):
            house.opens(f"8{number:04d}")
            await seconds_pass(house)
        moved = cursor_of(first.cursor)
        assert moved is not None
        cursor: str = Cursor(77, moved.marks).encode()
        house.air.weather.latency_s = 0.05
        told, readings = [], 0
        while True:
            found = await read(house, cursor, deadline_s=6.0)
            assert not found.lost
            cursor, readings = found.cursor, readings + 1
            told += used(found.events)
            if not found.more:
                break
        assert readings > 2
        assert len(told) == 10

    run(main())


def test_five_hundred_records_are_read_in_one_go() -> None:
    async def main() -> None:
        house = LockHouse("ttlock-keypad")
        for number in range(700):
            house.opens(f"9{number:04d}")
        found = await read(house, None)
        assert not found.more
        assert len(used(found.events)) == 500

    run(main())


def test_the_sign_of_news_goes_out_when_it_was_read() -> None:
    async def main() -> None:
        house = LockHouse()
        cursor = (await read(house, None)).cursor
        await house.air.pass_time(10)
        house.opens("90001")
        assert Measured(True, None, 100, None, log_news=True) in house.advertised()
        await read(house, cursor)
        await house.air.pass_time(10)
        assert Measured(True, None, 100, None, log_news=False) in house.advertised()

    run(main())


@pytest.mark.parametrize(
    ("of", "kind", "method"),
    [
        (Source.CARD, MediumKind.CARD, Method.CARD),
        (Source.FINGER, MediumKind.FINGER, Method.FINGERPRINT),
    ],
)
def test_whose_card_or_finger_it_was(of: Source, kind: MediumKind, method: Method) -> None:
    async def main() -> None:
        house = LockHouse()
        start = await read(house, None)
        house.firmware.tokens.put(of, 12648430, None)
        assert house.firmware.reader.present(of, 12648430).opened
        found = await read(house, start.cursor)
        (used,) = [e for e in found.events if isinstance(e, Happening)]
        known = house.numbers.hash_of(medium_text(kind, Secret("0012648430")))
        assert (used.type, used.method, used.medium) == (EventType.LOCK_UNLOCKED, method, known)
        assert "12648430" not in repr(found)

    run(main())


def test_codes_changed_by_others_make_the_house_look() -> None:
    async def main() -> None:
        house = LockHouse()
        await house.driver.program(4, CODE, (), deadline_s=DEADLINE_S)
        cursor = (await read(house, None)).cursor
        house.firmware.keypad.set_code_by_hand(40, "777888")
        found = await read(house, cursor)
        (row,) = [row for row in house.numbers.rows if row.slot != 4]
        assert SlotChanged(row.slot, SlotChange.ADDED, at_lock=False) in found.events

    run(main())


def test_an_owner_who_clears_all_codes_at_the_door_is_respected() -> None:
    async def main() -> None:
        house = LockHouse()
        await house.driver.program(4, CODE, (), deadline_s=DEADLINE_S)
        cursor = (await read(house, None)).cursor
        house.firmware.keypad.clear_by_hand(None)
        found = await read(house, cursor)
        assert SlotChanged(None, SlotChange.REMOVED, at_lock=True) in found.events

    run(main())


def test_the_digits_of_a_code_that_is_gone_still_have_their_slot() -> None:
    async def main() -> None:
        house = LockHouse()
        await house.driver.program(4, CODE, (), deadline_s=DEADLINE_S)
        cursor = (await read(house, None)).cursor
        house.opens("583920")
        await house.driver.program(4, Secret("111333"), (), deadline_s=DEADLINE_S, overwrite=True)
        found = await read(house, cursor)
        slots = [e.slot for e in found.events if isinstance(e, Happening)]
        assert slots == [4]

    run(main())


def test_a_link_that_breaks_before_anything_was_read_is_an_error() -> None:
    async def main() -> None:
        house = LockHouse()
        house.air.go_away(ADDRESS)
        with pytest.raises(Unreachable):
            await read(house, None, deadline_s=5)

    run(main())


def test_cursors() -> None:
    cursor = Cursor(17, ("a", "b"))
    assert cursor_of(cursor.encode()) == cursor
    for text in (None, "", "{}", "[]", '{"next": "x", "marks": []}', '{"next": 1, "marks": 2}'):
        assert cursor_of(text) is None
