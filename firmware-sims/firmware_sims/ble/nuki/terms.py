"""When a code or an authorisation may be used: dates, days of the week and hours, all at once.

Here: the fields, what they mean to the lock, and how the firmware's schedules show them. Layout
from ronengr/pyNukiBT, const.py, KeypadCodeEntry. Days: bit 6 Monday to bit 0 Sunday.

Assumed: no day set is every day; hours from 00:00 to 00:00 are the whole day; the end of a date or
of the hours is the first moment in which it is refused; hours that end before they begin go over
midnight, and the day that counts is the one it is.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from firmware_sims.ble.nuki.fields import Error, Refused, clock2, datetime7, u8
from firmware_sims.clock import DAY_S
from firmware_sims.firmware.model import UserType
from firmware_sims.firmware.schedules import WeekDay, YearDay

if TYPE_CHECKING:
    from firmware_sims.ble.nuki.fields import Reader

_EVERY_DAY = 0x7F
_NEVER_S = 3_155_760_000  # 2100-01-01
_FIRST_WEEKDAY = 5  # 2000-01-01 was a Saturday; Monday is 0


@dataclass(frozen=True, slots=True)
class Terms:
    """``start_s`` and ``end_s`` on the lock's clock, None for no such end; minutes of the day."""

    limited: bool = False
    start_s: int | None = None
    end_s: int | None = None
    days: int = 0
    from_minute: int = 0
    until_minute: int = 0

    @classmethod
    def read(cls, reader: Reader) -> Terms:
        """`Refused` (BAD_PARAMETER) for what is no time, or ends before it begins."""
        terms = cls(
            reader.flag(),
            reader.datetime(),
            reader.datetime(),
            reader.number(1),
            reader.clock(),
            reader.clock(),
        )
        backwards = (
            terms.start_s is not None and terms.end_s is not None and terms.end_s <= terms.start_s
        )
        if backwards or terms.days > _EVERY_DAY:
            raise Refused(Error.BAD_PARAMETER)
        return terms

    def encode(self) -> bytes:
        """As in a listing."""
        return (
            u8(self.limited)
            + datetime7(self.start_s)
            + datetime7(self.end_s)
            + u8(self.days)
            + clock2(self.from_minute)
            + clock2(self.until_minute)
        )

    def dump(self) -> list[Any]:
        """As a plain list."""
        return list(astuple(self))

    @property
    def _all_day(self) -> bool:
        return self.from_minute == self.until_minute == 0

    def open_at(self, clock_s: int, local_s: int) -> bool:
        """Whether they permit at this moment of the lock's clock and of the local day."""
        if not self.limited:
            return True
        if self.start_s is not None and clock_s < self.start_s:
            return False
        if self.end_s is not None and clock_s >= self.end_s:
            return False
        day, second = divmod(local_s, DAY_S)
        if self.days and not self.days >> (6 - (day + _FIRST_WEEKDAY) % 7) & 1:
            return False
        if self._all_day:
            return True
        begin, end = self.from_minute * 60, self.until_minute * 60
        if begin < end:
            return begin <= second < end
        return second >= begin or second < end

    # ---- as the firmware's words have it

    @property
    def user_type(self) -> UserType:
        """What binds a code with these terms."""
        if not self.limited:
            return UserType.UNRESTRICTED
        if self.start_s is not None or self.end_s is not None:
            return UserType.YEAR_DAY
        return UserType.WEEK_DAY if self.days or not self._all_day else UserType.UNRESTRICTED

    @property
    def year_day(self) -> YearDay | None:
        """The dates, if there are any."""
        if not self.limited or (self.start_s is None and self.end_s is None):
            return None
        return YearDay(
            0 if self.start_s is None else self.start_s,
            _NEVER_S if self.end_s is None else self.end_s,
        )

    @property
    def week_day(self) -> WeekDay | None:
        """Days and hours, if there are any; the whole day is shown as until 23:59."""
        if not self.limited or not (self.days or not self._all_day):
            return None
        days = self.days or _EVERY_DAY
        # Bit 0 is Sunday in both; the others run the other way.
        mask = days & 1 | sum(1 << day for day in range(1, 7) if days >> (7 - day) & 1)
        until = 23 * 60 + 59 if self._all_day else self.until_minute
        return WeekDay(mask, *divmod(self.from_minute, 60), *divmod(until, 60))
