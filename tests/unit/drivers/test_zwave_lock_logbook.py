"""The lock's log: each record told once, over readings, a full ring, a reset, a broken way."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from gateway.domain.events import EventType
from gateway.drivers.api import Happening, LogRead
from gateway.drivers.log_cursor import Cursor, cursor_of
from gateway.drivers.zwave_lock import logbook
from gateway.drivers.zwave_lock.dialogue import Dialect
from gateway.errors import Unreachable
from tests.unit.drivers.zwave_double import CcLockDouble, converse

if TYPE_CHECKING:
    from gateway.radios.command_classes import CcCall

DIALECT = Dialect(ZoneInfo("Europe/Berlin"))


def record(number: int, kind: int = 2, user: int = 4) -> dict[str, Any]:
    stamp = f"2026-11-20T11:{number // 60:02d}:{number % 60:02d}.000Z"
    return {"eventType": kind, "timestamp": stamp, "userId": user, "userCode": "583920"}


def read(lock: CcLockDouble, cursor: str | None, told: logbook.Told | None = None) -> LogRead:
    return converse(logbook.read_log(DIALECT, cursor, 30, told or Counter()), lock)


def seconds(found: LogRead) -> list[int]:
    base = 1_795_172_400_000
    times = [event.device_time for event in found.events if isinstance(event, Happening)]
    return [(time - base) // 1000 for time in times if time is not None]


def test_everything_once_then_what_is_new() -> None:
    lock = CcLockDouble(records=[record(1), record(2)])
    first = read(lock, None)
    assert (seconds(first), first.lost, first.more) == ([1, 2], False, False)
    again = read(lock, first.cursor)
    assert (again.events, again.cursor) == ((), first.cursor)
    lock.records.append(record(3))
    assert seconds(read(lock, first.cursor)) == [3]


def test_nothing_new_costs_two_questions() -> None:
    lock = CcLockDouble(records=[record(1), record(2)])
    cursor = read(lock, None).cursor
    lock.said.clear()
    read(lock, cursor)
    assert lock.said == ["getRecordsCount", "getRecord"]


def test_an_empty_log() -> None:
    found = read(CcLockDouble(), None)
    assert (found.events, found.more) == ((), False)


@pytest.mark.parametrize("before", range(1, 12))
def test_round_the_ring_nothing_is_missed_or_told_twice(before: int) -> None:
    lock = CcLockDouble(records=[record(i) for i in range(before)], places=5)
    first = read(lock, None)
    assert seconds(first) == list(range(max(0, before - 5), before))
    lock.records += [record(i) for i in range(before, before + 4)]
    second = read(lock, first.cursor)
    assert (seconds(second), second.lost) == (list(range(before, before + 4)), False)


def test_a_ring_that_ran_over_says_so() -> None:
    lock = CcLockDouble(records=[record(0)], places=5)
    cursor = read(lock, None).cursor
    lock.records += [record(i) for i in range(1, 9)]
    found = read(lock, cursor)
    assert (seconds(found), found.lost) == ([4, 5, 6, 7, 8], True)
    lock.records.append(record(9))
    assert seconds(read(lock, found.cursor)) == [9]


def test_a_log_that_was_emptied_begins_anew() -> None:
    lock = CcLockDouble(records=[record(i) for i in range(3)])
    cursor = read(lock, None).cursor
    lock.records = [record(30)]
    found = read(lock, cursor)
    assert (seconds(found), found.lost) == ([30], True)


def test_a_way_that_breaks_leaves_the_rest_for_later() -> None:
    lock = CcLockDouble(records=[record(0)], places=9)
    cursor = read(lock, None).cursor
    lock.records += [record(i) for i in range(1, 5)]

    def third(call: CcCall) -> Unreachable | None:
        gone = call.method == "getRecord" and call.arguments == (4,)
        return Unreachable("gone") if gone else None

    lock.override = third
    found = read(lock, cursor)
    assert (seconds(found), found.more) == ([1, 2], True)
    lock.override = None
    assert seconds(read(lock, found.cursor)) == [3, 4]


def test_what_was_told_by_notifications_is_not_told_again() -> None:
    lock = CcLockDouble(records=[record(1), record(2), record(3, user=5)])
    told: logbook.Told = Counter({(EventType.LOCK_UNLOCKED, 4): 1})
    assert seconds(read(lock, None, told)) == [2, 3]
    assert not +told


def test_the_cursor_holds_no_digits() -> None:
    assert "583920" not in read(CcLockDouble(records=[record(1)]), None).cursor


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"last": "x", "mark": 1}', "{}"])
def test_a_strange_cursor_is_the_beginning(text: str) -> None:
    assert cursor_of(text) == Cursor()
