"""Windows as a TTLock keeps them, to and from our own: pure arithmetic on wall time in a zone.

A code has one stretch to the minute, or none; a card or finger may have weekly hours besides. The
lock knows no zone, so each edge is converted with the offset in force at that edge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.domain.devices import LockSchedule, WeekDay, YearDay
from gateway.domain.instant import MINUTE, Instant
from gateway.drivers.ttlock.commands import Kind, ListedCode, Period
from gateway.drivers.ttlock.wire import ALWAYS_FROM, ALWAYS_UNTIL, date5, instant_of, is_always
from gateway.errors import Refusal

if TYPE_CHECKING:
    from datetime import tzinfo

ALWAYS: Final = Period(ALWAYS_FROM, ALWAYS_UNTIL)


def period_of(schedule: YearDay, zone: tzinfo) -> Period | None:
    """Part minutes are rounded inwards: never valid earlier or longer than asked.

    None when nothing is left, or what the lock's two digits of a year cannot say.
    """
    opens = Instant(-(-schedule.opens_at // MINUTE) * MINUTE)
    closes = Instant(schedule.closes_at // MINUTE * MINUTE)
    if opens >= closes:
        return None
    try:
        period = Period(date5(opens, zone), date5(closes, zone))
    except ValueError:
        return None
    # Summer time's end may show the later of two instants as the earlier wall time.
    return period if period.start < period.end and not is_always(period.start, period.end) else None


def code_window(schedules: tuple[LockSchedule, ...], zone: tzinfo) -> tuple[Kind, Period] | Refusal:
    """As what kind of code, and when; or why this lock cannot keep that window."""
    if not schedules:
        return Kind.PERMANENT, ALWAYS
    if len(schedules) > 1 or not isinstance(schedules[0], YearDay):
        return Refusal.UNSUPPORTED
    period = period_of(schedules[0], zone)
    return Refusal.UNSUPPORTED if period is None else (Kind.PERIOD, period)


def code_schedules(code: ListedCode, zone: tzinfo) -> tuple[LockSchedule, ...] | None:
    """Empty for an unrestricted code, None for hours that cannot be told (cyclic codes)."""
    if code.kind == Kind.PERMANENT:
        return ()
    return None if code.period is None else stretch_of(code.period, zone)


def stretch_of(period: Period, zone: tzinfo) -> tuple[LockSchedule, ...] | None:
    """A wall time that happens twice is read as the first for a start, as the last for an end."""
    if is_always(period.start, period.end):
        return ()
    opens = instant_of(period.start, zone, fold=0)
    closes = instant_of(period.end, zone, fold=1)
    return None if opens is None or closes is None else (YearDay(opens, closes),)


def medium_window(
    schedules: tuple[LockSchedule, ...], zone: tzinfo
) -> tuple[Period, tuple[WeekDay, ...]] | Refusal:
    """A card's or finger's stretch, and its weekly hours within it."""
    stretches = [schedule for schedule in schedules if isinstance(schedule, YearDay)]
    weekly = tuple(schedule for schedule in schedules if isinstance(schedule, WeekDay))
    if len(stretches) > 1:
        return Refusal.UNSUPPORTED
    period = period_of(stretches[0], zone) if stretches else ALWAYS
    return Refusal.UNSUPPORTED if period is None else (period, weekly)
