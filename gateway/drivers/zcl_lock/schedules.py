"""Windows as a lock keeps them, to and from our own: pure arithmetic on wall time in a zone.

The lock knows no zone, only its local seconds since 2000-01-01 (ZCL revision 8, 2.6.2.11), so
each edge is converted with the offset in force at that edge. Not here: which windows a grant
needs, and whether the lock's clock may be believed.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, NamedTuple

from gateway.domain.devices import LockSchedule, WeekDay, YearDay
from gateway.domain.instant import Instant, after, from_datetime, to_datetime
from gateway.drivers.zcl_lock.wire import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Mapping

EPOCH_2000_S = 946_684_800


class RawWeekDay(NamedTuple):
    """Fields of set_week_day_schedule after the two ids; bit 0 of the mask is Sunday."""

    days_mask: int
    start_hour: int
    start_minute: int
    end_hour: int
    end_minute: int


class RawYearDay(NamedTuple):
    """Fields of set_year_day_schedule after the two ids."""

    local_start_time: int
    local_end_time: int


Raw = RawWeekDay | RawYearDay


def offset_s(at: Instant, zone: tzinfo) -> int:
    """Seconds that wall time in the zone is ahead of UTC at that instant."""
    offset = to_datetime(at).astimezone(zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds())


def to_raw(schedule: LockSchedule, zone: tzinfo) -> Raw:
    """Part seconds are rounded inwards: never valid earlier or longer than asked."""
    if isinstance(schedule, YearDay):
        start = -(-schedule.opens_at // 1000) + offset_s(schedule.opens_at, zone)
        end = schedule.closes_at // 1000 + offset_s(schedule.closes_at, zone)
        return RawYearDay(start - EPOCH_2000_S, end - EPOCH_2000_S)
    mask = sum(1 << (day % 7) for day in schedule.weekdays)
    return RawWeekDay(mask, *divmod(schedule.start_minute, 60), *divmod(schedule.end_minute, 60))


def from_raw(raw: Raw, zone: tzinfo) -> LockSchedule:
    """A wall time that happens twice is read as the first for a start, as the last for an end."""
    if isinstance(raw, RawYearDay):
        return YearDay(
            _from_local(raw.local_start_time, zone, fold=0),
            _from_local(raw.local_end_time, zone, fold=1),
        )
    days = frozenset(day for day in range(1, 8) if raw.days_mask >> (day % 7) & 1)
    return WeekDay(days, raw.start_hour * 60 + raw.start_minute, raw.end_hour * 60 + raw.end_minute)


def week_day_from_fields(fields: Mapping[str, object]) -> RawWeekDay | None:
    """From a get_week_day_schedule_response; None when the fields are missing."""
    values = [fields.get(name) for name in RawWeekDay._fields]
    return RawWeekDay(*values) if all(isinstance(value, int) for value in values) else None  # type: ignore[arg-type]  # checked in the same line


def year_day_from_fields(fields: Mapping[str, object]) -> RawYearDay | None:
    """From a get_year_day_schedule_response; None when the fields are missing."""
    values = [fields.get(name) for name in RawYearDay._fields]
    return RawYearDay(*values) if all(isinstance(value, int) for value in values) else None  # type: ignore[arg-type]  # checked in the same line


def device_time(local_s: object, zone: tzinfo) -> Instant | None:
    """The time stamp of an event; None where the lock has none to give."""
    if not isinstance(local_s, int) or local_s in (0, NO_TIME):
        return None
    return _from_local(local_s, zone, fold=0)


class SummerTime(NamedTuple):
    """The Time cluster's four zone attributes (ZCL revision 8, 3.12.2); start and end in UTC."""

    zone_s: int
    start_s: int
    end_s: int
    shift_s: int


def summer_time(now: Instant, zone: tzinfo) -> SummerTime:
    """The summer time now in force or the next one within a year, as ZCL tells it."""
    days = [after(now, day * 86_400) for day in range(-366, 367)]
    offsets = [offset_s(day, zone) for day in days]
    standard, summer = min(offsets), max(offsets)
    changes = [
        (offsets[i], _change_between(days[i - 1], days[i], zone))
        for i in range(1, len(days))
        if offsets[i] != offsets[i - 1]
    ]
    ends = [at for to, at in changes if to != summer and at > now]
    if standard == summer or not ends:
        return SummerTime(offset_s(now, zone), NO_TIME, NO_TIME, 0)
    starts = [at for to, at in changes if to == summer and at < ends[0]]
    if not starts:
        return SummerTime(offset_s(now, zone), NO_TIME, NO_TIME, 0)
    return SummerTime(
        standard,
        starts[-1] // 1000 - EPOCH_2000_S,
        ends[0] // 1000 - EPOCH_2000_S,
        summer - standard,
    )


def _change_between(early: Instant, late: Instant, zone: tzinfo) -> Instant:
    """The second at which the offset changes."""
    low, high = early // 1000, late // 1000
    before = offset_s(early, zone)
    while high - low > 1:
        middle = (low + high) // 2
        if offset_s(Instant(middle * 1000), zone) == before:
            low = middle
        else:
            high = middle
    return Instant(high * 1000)


def _from_local(local_s: int, zone: tzinfo, *, fold: int) -> Instant:
    wall = datetime.fromtimestamp(EPOCH_2000_S + local_s, UTC)
    return from_datetime(wall.replace(tzinfo=zone, fold=fold))
