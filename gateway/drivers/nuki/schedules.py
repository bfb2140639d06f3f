"""When a code or an authorisation may be used, as a Nuki keeps it and as we do. Pure.

Layout, by ronengr/pyNukiBT `const.py`, KeypadCodeEntry: limited | from date7 | until date7 |
weekdays | from hour, minute | until hour, minute. Weekdays: bit 6 Monday to bit 0 Sunday. Dates,
days and hours bind all at once. What no source states and is assumed here: zeros in the place of a
date are none, no day is every day, and from 00:00 to 00:00 is the whole day.

The lock knows no rule of summer time, so each edge is converted with the offset in force at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.domain.devices import LockSchedule, WeekDay, YearDay
from gateway.domain.instant import MINUTE, Instant
from gateway.drivers.nuki.wire import DATE_SIZE, NO_DATE, date7, instant_of, wall_of
from gateway.errors import Refusal

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

SIZE: Final = 1 + 2 * DATE_SIZE + 1 + 4
_EVERY_DAY: Final = 0x7F
_LAST_MINUTE: Final = 1439


@dataclass(frozen=True, slots=True)
class Terms:
    """Dates are as on the air; `start` and `end` are minutes of the day."""

    limited: bool = False
    opens: bytes = NO_DATE
    closes: bytes = NO_DATE
    days: int = 0
    start: int = 0
    end: int = 0

    def encode(self) -> bytes:
        return (
            bytes((self.limited,))
            + self.opens
            + self.closes
            + bytes((self.days, *divmod(self.start, 60), *divmod(self.end, 60)))
        )

    @property
    def dated(self) -> bool:
        return self.opens != NO_DATE or self.closes != NO_DATE

    @property
    def weekly(self) -> bool:
        return self.days not in {0, _EVERY_DAY} or self.start != self.end

    @property
    def bind(self) -> bool:
        """Whether there is any time at which they forbid."""
        return self.limited and (self.dated or self.weekly)

    def same_as(self, other: Terms) -> bool:
        """By what they permit: terms that are not limited may keep old dates."""
        return self == other or not (self.bind or other.bind)

    def permit(self, wall: datetime) -> bool:
        """At a wall time of the lock, with UTC standing for no zone."""
        if not self.bind:
            return True
        opens, closes = wall_of(self.opens), wall_of(self.closes)
        if (opens is not None and wall < opens) or (closes is not None and wall >= closes):
            return False
        if self.days and not self.days >> (6 - wall.weekday()) & 1:
            return False
        minute = wall.hour * 60 + wall.minute
        if self.start == self.end:
            return True
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


ALWAYS: Final = Terms()


def terms_in(data: bytes) -> Terms | None:
    """The last field of an entry; None when it is too short for one."""
    if len(data) < SIZE:
        return None
    opens, closes = data[1:8], data[8:15]
    days, *clock = data[15:SIZE]
    return Terms(
        bool(data[0]),
        opens,
        closes,
        days & _EVERY_DAY,
        clock[0] * 60 + clock[1],
        clock[2] * 60 + clock[3],
    )


def terms_of(schedules: tuple[LockSchedule, ...], zone: tzinfo) -> Terms | Refusal:
    """One stretch or one weekly window, or why this lock cannot keep what is asked."""
    if not schedules:
        return ALWAYS
    if len(schedules) > 1:
        return Refusal.UNSUPPORTED
    only = schedules[0]
    if isinstance(only, WeekDay):
        days = sum(1 << (7 - day) for day in only.weekdays)
        return Terms(True, days=days, start=only.start_minute, end=only.end_minute)
    return _stretch(only, zone) or Refusal.UNSUPPORTED


def _stretch(schedule: YearDay, zone: tzinfo) -> Terms | None:
    """Part minutes are rounded inwards: never valid earlier or longer than asked."""
    opens = Instant(-(-schedule.opens_at // MINUTE) * MINUTE)
    closes = Instant(schedule.closes_at // MINUTE * MINUTE)
    if opens >= closes:
        return None
    terms = Terms(True, date7(opens, zone), date7(closes, zone))
    begin, end = wall_of(terms.opens), wall_of(terms.closes)
    # Summer time's end may show the later of two instants as the earlier wall time.
    return terms if begin is not None and end is not None and begin < end else None


def schedules_of(terms: Terms, zone: tzinfo) -> tuple[LockSchedule, ...] | None:
    """Empty for what is unrestricted, None for terms that our words do not have.

    A wall time that happens twice is read as the first for a start, as the last for an end.
    """
    if not terms.bind:
        return ()
    if terms.dated and terms.weekly:
        return None
    if terms.dated:
        opens = instant_of(terms.opens, zone, fold=0)
        closes = instant_of(terms.closes, zone, fold=1)
        return None if opens is None or closes is None else (YearDay(opens, closes),)
    days = frozenset(day for day in range(1, 8) if (terms.days or _EVERY_DAY) >> (7 - day) & 1)
    if terms.start == terms.end:
        return (WeekDay(days, 0, _LAST_MINUTE),)
    return (WeekDay(days, terms.start, terms.end),) if terms.start < terms.end else None
