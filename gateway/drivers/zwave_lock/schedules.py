"""Windows as Schedule Entry Lock keeps them, to and from our own: pure arithmetic on wall time.

The lock counts whole minutes of its local time (CC:004E), so each edge is converted with the offset
in force at that edge. A week-day entry has one weekday; a daily repeating one has several, and a
length instead of an end. Not here: how they are asked for and written (dialogue, session).
"""

from __future__ import annotations

from datetime import datetime, tzinfo
from enum import Enum
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.domain.devices import LockSchedule, WeekDay, YearDay
from gateway.domain.instant import MINUTE, Instant, from_datetime, to_datetime
from gateway.errors import PeerProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

CENTURY: Final = 2000
_DAY: Final = 1440
_LAST: Final = _DAY - 1


class Kind(Enum):
    """Which of a user's schedules; the value is `ScheduleEntryLockScheduleKind` of Z-Wave JS.

    A user has one kind in force: writing an entry switches the user to its kind (Z-Wave JS,
    ScheduleEntryLockCC.ts: "editing … a schedule will enable scheduling for that user and switch
    it to the current scheduling kind").
    """

    WEEK_DAY = 0
    YEAR_DAY = 1
    DAILY = 2


NAMES: Final[Mapping[Kind, str]] = {
    Kind.WEEK_DAY: "WeekDaySchedule",
    Kind.YEAR_DAY: "YearDaySchedule",
    Kind.DAILY: "DailyRepeatingSchedule",
}
"""Getter and setter, after `get` and `set`."""
FIELDS: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.WEEK_DAY: ("weekday", "startHour", "startMinute", "stopHour", "stopMinute"),
    Kind.YEAR_DAY: (
        *("startYear", "startMonth", "startDay", "startHour", "startMinute"),
        *("stopYear", "stopMonth", "stopDay", "stopHour", "stopMinute"),
    ),
    Kind.DAILY: ("weekdays", "startHour", "startMinute", "durationHour", "durationMinute"),
}
"""As Z-Wave JS names them. Years count from 2000, weekdays from Sunday, which is 0."""


class Raw(NamedTuple):
    """One entry: the values of `FIELDS` in their order; several weekdays are a sorted tuple."""

    kind: Kind
    values: tuple[int | tuple[int, ...], ...]

    def fields(self) -> dict[str, object]:
        """As the setter takes them."""
        told = ((list(value) if isinstance(value, tuple) else value) for value in self.values)
        return dict(zip(FIELDS[self.kind], told, strict=True))


def raw_of(kind: Kind, told: object) -> Raw:
    """From what a getter told; PeerProtocolError for what is no entry of this kind."""
    values: list[int | tuple[int, ...]] = []
    for name in FIELDS[kind]:
        value = told.get(name) if isinstance(told, dict) else None
        if isinstance(value, list | tuple) and all(isinstance(day, int) for day in value):
            value = tuple(sorted(value))
        if not isinstance(value, tuple if name == "weekdays" else int):
            raise PeerProtocolError(f"could not read a schedule: it has no {name}")
        values.append(value)
    return Raw(kind, tuple(values))


def offset_min(at: Instant, zone: tzinfo) -> int:
    """Minutes that wall time in the zone is ahead of UTC at that instant."""
    offset = to_datetime(at).astimezone(zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds() / 60)


def to_raws(schedule: LockSchedule, zone: tzinfo, kind: Kind) -> Sequence[Raw]:
    """Part minutes are rounded inwards: never valid earlier or longer than asked."""
    if isinstance(schedule, YearDay):
        opens = Instant(-(-schedule.opens_at // MINUTE) * MINUTE)
        closes = Instant(schedule.closes_at // MINUTE * MINUTE)
        return (Raw(kind, (*_wall(opens, zone), *_wall(closes, zone))),)
    start, end = schedule.start_minute, schedule.end_minute
    days = sorted(day % 7 for day in schedule.weekdays)
    if kind is Kind.DAILY:
        return (Raw(kind, (tuple(days), *divmod(start, 60), *divmod(end - start, 60))),)
    return tuple(Raw(kind, (day, *divmod(start, 60), *divmod(end, 60))) for day in days)


def from_raws(raws: Iterable[Raw], zone: tzinfo) -> tuple[LockSchedule, ...]:
    """Entries that say the same are one; week days of one time are one schedule.

    A wall time that happens twice is read as the first for a start, as the last for an end.
    """
    found: list[LockSchedule] = []
    for kind, entries in groupby(dict.fromkeys(raws), lambda raw: raw.kind):
        if kind is Kind.YEAR_DAY:
            found.extend(_year_day(raw, zone) for raw in entries)
        elif kind is Kind.DAILY:
            found.extend(piece for raw in entries for piece in _daily(raw))
        else:
            found.extend(_week_days(entries))
    return tuple(dict.fromkeys(found))


def _numbers(raw: Raw) -> list[int]:
    return [value for value in raw.values if isinstance(value, int)]


def _wall(at: Instant, zone: tzinfo) -> tuple[int, int, int, int, int]:
    wall = to_datetime(at).astimezone(zone)
    return (wall.year - CENTURY, wall.month, wall.day, wall.hour, wall.minute)


def _year_day(raw: Raw, zone: tzinfo) -> YearDay:
    numbers = _numbers(raw)
    return YearDay(_instant(numbers[:5], zone, fold=0), _instant(numbers[5:], zone, fold=1))


def _instant(numbers: list[int], zone: tzinfo, *, fold: int) -> Instant:
    year, month, day, hour, minute = numbers
    try:
        wall = datetime(CENTURY + year, month, day, hour, minute, tzinfo=zone, fold=fold)
    except ValueError as error:
        raise PeerProtocolError("could not read a schedule: there is no such day") from error
    return from_datetime(wall)


def _week_days(raws: Iterable[Raw]) -> list[WeekDay]:
    days: dict[tuple[int, int], set[int]] = {}
    for raw in raws:
        day, hour, minute, stop_hour, stop_minute = _numbers(raw)
        times = (hour * 60 + minute, stop_hour * 60 + stop_minute)
        days.setdefault(times, set()).add(day or 7)
    return [WeekDay(frozenset(found), start, end) for (start, end), found in days.items()]


def _daily(raw: Raw) -> list[WeekDay]:
    """One that runs past midnight, which is never ours, is told as two."""
    days = frozenset(day or 7 for day in raw.values[0]) if isinstance(raw.values[0], tuple) else ()
    hour, minute, hours, minutes = _numbers(raw)
    start = hour * 60 + minute
    end = start + hours * 60 + minutes
    first = WeekDay(frozenset(days), start, min(end, _LAST))
    if end <= _DAY:
        return [first]
    following = frozenset(day % 7 + 1 for day in days)
    return [first, WeekDay(following, 0, min(end - _DAY, _LAST))]


class Offsets(NamedTuple):
    """What the lock is told of its zone: minutes ahead of UTC without and with summer time."""

    standard: int
    summer: int


def offsets(now: Instant, zone: tzinfo) -> Offsets:
    """Of the year around `now`; equal where clocks are not changed."""
    half_months = range(-12, 13)
    found = [offset_min(Instant(now + 15 * _DAY * MINUTE * i), zone) for i in half_months]
    return Offsets(min(found), max(found))
