"""Schedules a lock keeps, and its own arithmetic for them.

Here: week-day, year-day and holiday entries and the question "is this user's window open on the
lock's wall clock". Written for the simulator alone: it shares nothing with the gateway's windows,
so that one error cannot hide in both. Not here: whose clock it is (``clock``).
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, field

from firmware_sims.clock import DAY_S
from firmware_sims.firmware.model import Answer, OperatingMode, UserType

_SATURDAY = 6  # 2000-01-01 was a Saturday; Sunday is 0 as in the ZCL days mask


@dataclass(frozen=True, slots=True)
class WeekDay:
    """Open from ``start`` until before ``end``, on the days of the mask (bit 0 = Sunday)."""

    days_mask: int
    start_hour: int
    start_minute: int
    end_hour: int
    end_minute: int

    @property
    def valid(self) -> bool:
        """ZCL 8, 7.3.2.17.12: the end must be later than the start, on the same day."""
        return (
            0 < self.days_mask < 0x80
            and self.start_hour < 24
            and self.end_hour < 24
            and self.start_minute < 60
            and self.end_minute < 60
            and self._start_s < self._end_s
        )

    @property
    def _start_s(self) -> int:
        return self.start_hour * 3600 + self.start_minute * 60

    @property
    def _end_s(self) -> int:
        return self.end_hour * 3600 + self.end_minute * 60

    def open_at(self, local_s: int) -> bool:
        """Whether the lock's wall clock stands inside."""
        days, second_of_day = divmod(local_s, DAY_S)
        weekday = (days + _SATURDAY) % 7
        return bool(self.days_mask >> weekday & 1) and self._start_s <= second_of_day < self._end_s


@dataclass(frozen=True, slots=True)
class YearDay:
    """Open from ``start_s`` until before ``end_s``, local seconds since 2000-01-01."""

    start_s: int
    end_s: int

    @property
    def valid(self) -> bool:
        """ZCL 8, 7.3.2.17.15: the end must be later than the start."""
        return self.start_s < self.end_s

    def open_at(self, local_s: int) -> bool:
        """Whether the lock's wall clock stands inside."""
        return self.start_s <= local_s < self.end_s


@dataclass(frozen=True, slots=True)
class Holiday:
    """Another operating mode for a while."""

    start_s: int
    end_s: int
    mode: OperatingMode


@dataclass(slots=True)
class ScheduleTable:
    """All schedules of one lock, by (slot, schedule number)."""

    week_day: dict[tuple[int, int], WeekDay] = field(default_factory=dict)
    year_day: dict[tuple[int, int], YearDay] = field(default_factory=dict)
    holidays: dict[int, Holiday] = field(default_factory=dict)

    def set_week_day(self, slot: int, number: int, entry: WeekDay) -> Answer:
        if not entry.valid:
            return Answer.INVALID
        self.week_day[slot, number] = entry
        return Answer.OK

    def set_year_day(self, slot: int, number: int, entry: YearDay) -> Answer:
        if not entry.valid:
            return Answer.INVALID
        self.year_day[slot, number] = entry
        return Answer.OK

    def permits(self, user_type: UserType, slot: int, local_s: int) -> bool:
        """Whether a user of this type may enter now; a schedule user without schedule may not."""
        entries: list[WeekDay] | list[YearDay]
        match user_type:
            case UserType.WEEK_DAY:
                entries = [entry for (who, _), entry in self.week_day.items() if who == slot]
            case UserType.YEAR_DAY:
                entries = [entry for (who, _), entry in self.year_day.items() if who == slot]
            case _:
                return True
        return any(entry.open_at(local_s) for entry in entries)

    def holiday_mode(self, local_s: int) -> OperatingMode | None:
        """The operating mode that a holiday imposes now, if any."""
        for holiday in self.holidays.values():
            if holiday.start_s <= local_s < holiday.end_s:
                return holiday.mode
        return None

    def forget(self, slot: int) -> None:
        """Drop every schedule of one user."""
        for table in (self.week_day, self.year_day):
            for key in [key for key in table if key[0] == slot]:
                del table[key]

    def clear(self) -> None:
        """Drop everything."""
        self.week_day.clear()
        self.year_day.clear()
        self.holidays.clear()

    def dump(self) -> dict[str, list[list[int]]]:
        """As plain lists, key first."""
        return {
            "week_day": [[*key, *astuple(entry)] for key, entry in sorted(self.week_day.items())],
            "year_day": [[*key, *astuple(entry)] for key, entry in sorted(self.year_day.items())],
            "holidays": [[key, *astuple(entry)] for key, entry in sorted(self.holidays.items())],
        }

    def load(self, data: dict[str, list[list[int]]]) -> None:
        """Take up what ``dump`` wrote."""
        self.clear()
        for slot, number, *rest in data["week_day"]:
            self.week_day[slot, number] = WeekDay(*rest)
        for slot, number, *rest in data["year_day"]:
            self.year_day[slot, number] = YearDay(*rest)
        for number, start_s, end_s, mode in data["holidays"]:
            self.holidays[number] = Holiday(start_s, end_s, OperatingMode(mode))
