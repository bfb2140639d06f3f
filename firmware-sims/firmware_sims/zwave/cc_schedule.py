"""Schedule Entry Lock (CC:004E), version 3: when a user code opens, by the lock's own clock.

Here: week-day, year-day and daily repeating schedules, of which a user has one kind at a time (the
kind that was set last), and the zone. Not here: user codes. Daily repeating entries are kept here,
since the firmware model has none; they may run over midnight, week-day entries may not.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from firmware_sims.firmware.model import Answer, Kind, Source, UserType
from firmware_sims.firmware.schedules import WeekDay, YearDay
from firmware_sims.zwave.commands import CC, Commands, Get, Handler, Set, housekeeping

if TYPE_CHECKING:
    from firmware_sims.zwave.application import ZwaveApplication

WEEK_DAY, YEAR_DAY, DAILY = "week_day", "year_day", "daily"
_TYPES = {WEEK_DAY: UserType.WEEK_DAY, YEAR_DAY: UserType.YEAR_DAY, DAILY: UserType.WEEK_DAY}
_FIELDS = {WEEK_DAY: 5, YEAR_DAY: 10, DAILY: 5}
_REPORTS = {WEEK_DAY: 0x05, YEAR_DAY: 0x08, DAILY: 0x0F}
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_DAY_MIN = 24 * 60


@dataclass(frozen=True, slots=True)
class Daily:
    """Open for `minutes` from `start_min` of each day of the mask (bit 0 is Sunday)."""

    days_mask: int
    start_min: int
    minutes: int

    def open_at(self, local_s: int) -> bool:
        days, second = divmod(local_s, _DAY_MIN * 60)
        weekday = (days + 6) % 7  # 2000-01-01 was a Saturday
        since = second - self.start_min * 60
        today = self.days_mask >> weekday & 1 and 0 <= since < self.minutes * 60
        since += _DAY_MIN * 60
        yesterday = self.days_mask >> (weekday - 1) % 7 & 1 and since < self.minutes * 60
        return bool(today or yesterday)


@dataclass(slots=True)
class ScheduleEntries:
    """What the lock keeps beside the firmware's table: kinds, daily entries, who is exempt."""

    kinds: dict[int, str] = field(default_factory=dict)
    daily: dict[tuple[int, int], Daily] = field(default_factory=dict)
    disabled: set[int] = field(default_factory=set)

    def forget(self, slot: int | None) -> None:
        """Drop what one user has; everybody's with None."""
        if slot is None:
            self.kinds.clear()
            self.daily.clear()
            self.disabled.clear()
            return
        self.kinds.pop(slot, None)
        self.disabled.discard(slot)
        for key in [key for key in self.daily if key[0] == slot]:
            del self.daily[key]

    def dump(self) -> dict[str, Any]:
        return {
            "kinds": [[slot, kind] for slot, kind in sorted(self.kinds.items())],
            "daily": [[*key, *astuple(entry)] for key, entry in sorted(self.daily.items())],
            "disabled": sorted(self.disabled),
        }

    def load(self, data: dict[str, Any]) -> None:
        self.kinds = dict(data["kinds"])
        self.daily = {(slot, number): Daily(*rest) for slot, number, *rest in data["daily"]}
        self.disabled = set(data["disabled"])


def permits(app: ZwaveApplication, slot: int) -> bool:
    """Whether this user may enter now. Without a schedule, or exempt from it: at any time."""
    entries = app.schedules
    kind = entries.kinds.get(slot)
    if kind is None or slot in entries.disabled:
        return True
    local = app.firmware.clock.local()
    if kind == DAILY:
        return any(item.open_at(local) for key, item in entries.daily.items() if key[0] == slot)
    return app.firmware.schedules.permits(_TYPES[kind], slot, local)


def _count(app: ZwaveApplication, kind: str) -> int:
    profile = app.firmware.profile
    if kind == DAILY:
        return int(profile.skin.get("daily_schedules", 0))
    return profile.week_day_schedules if kind == WEEK_DAY else profile.year_day_schedules


def _place_exists(app: ZwaveApplication, kind: str, slot: int, number: int) -> bool:
    return 1 <= number <= _count(app, kind) and app.firmware.users.exists(slot)


# ---- setting and erasing


def _set(kind: str) -> Handler:
    def handler(app: ZwaveApplication, payload: bytes) -> Set:
        action, slot, number = payload[0], payload[1], payload[2]
        if action == 0:
            return Set("clear_schedule", lambda: _erase(app, kind, slot, number), slot)
        fields = [payload[3 + at] for at in range(_FIELDS[kind])]
        return Set("set_schedule", lambda: _store(app, kind, slot, number, fields), slot)

    return handler


def _store(app: ZwaveApplication, kind: str, slot: int, number: int, fields: list[int]) -> Answer:
    """Only for a user that has a code: a schedule belongs to one."""
    lock = app.firmware
    if not _place_exists(app, kind, slot, number) or slot not in lock.users.users:
        return Answer.FAILURE
    if kind == WEEK_DAY:
        day, *times = fields
        answer = lock.schedules.set_week_day(slot, number, WeekDay(1 << day, *times))
    elif kind == YEAR_DAY:
        try:
            entry = YearDay(_seconds(fields[:5]), _seconds(fields[5:]))
        except ValueError:
            return Answer.INVALID
        answer = lock.schedules.set_year_day(slot, number, entry)
    else:
        answer = _store_daily(app, slot, number, fields)
    if answer is not Answer.OK:
        return answer
    if app.schedules.kinds.get(slot) != kind:
        app.schedules.kinds[slot] = kind
        lock.users.set_type(slot, _TYPES[kind])
    app.schedules.disabled.discard(slot)
    lock.emit(Kind.SCHEDULE_CHANGED, Source.RADIO, slot)
    return Answer.OK


def _store_daily(app: ZwaveApplication, slot: int, number: int, fields: list[int]) -> Answer:
    mask, hour, minute, hours, minutes = fields
    length = hours * 60 + minutes
    if not 0 < mask < 0x80 or hour > 23 or minute > 59 or hours > 23 or minutes > 59 or not length:
        return Answer.INVALID
    app.schedules.daily[slot, number] = Daily(mask, hour * 60 + minute, length)
    return Answer.OK


def _erase(app: ZwaveApplication, kind: str, slot: int, number: int) -> Answer:
    """Number 0 is all of that kind; a user with none left may enter at any time."""
    lock = app.firmware
    if not lock.users.exists(slot) or (number and not _place_exists(app, kind, slot, number)):
        return Answer.FAILURE
    table: dict[tuple[int, int], Any] = _table(app, kind)
    for key in [key for key in table if key[0] == slot and number in (0, key[1])]:
        del table[key]
    if app.schedules.kinds.get(slot) == kind and not any(key[0] == slot for key in table):
        app.schedules.kinds.pop(slot)
        lock.users.set_type(slot, UserType.UNRESTRICTED)
    lock.emit(Kind.SCHEDULE_CHANGED, Source.RADIO, slot)
    return Answer.OK


def _table(app: ZwaveApplication, kind: str) -> dict[tuple[int, int], Any]:
    if kind == DAILY:
        return app.schedules.daily
    table = app.firmware.schedules
    return table.week_day if kind == WEEK_DAY else table.year_day


def _seconds(fields: list[int]) -> int:
    """Local seconds since 2000 from year (of the century), month, day, hour, minute."""
    year, month, day, hour, minute = fields
    return int(
        (datetime(2000 + year, month, day, hour, minute, tzinfo=UTC) - _EPOCH).total_seconds()
    )


def _date(seconds: int) -> tuple[int, ...]:
    at = _EPOCH + timedelta(seconds=seconds)
    return at.year - 2000, at.month, at.day, at.hour, at.minute


# ---- reading


def _get(kind: str) -> Handler:
    def handler(app: ZwaveApplication, payload: bytes) -> Get:
        slot, number = payload[0], payload[1]

        def apply() -> bytes:
            head = bytes((CC.SCHEDULE_ENTRY_LOCK, _REPORTS[kind], slot, number))
            return head + bytes(_told(_table(app, kind).get((slot, number)), kind))

        return Get("get_schedule", apply, slot)

    return handler


def _told(entry: WeekDay | YearDay | Daily | None, kind: str) -> tuple[int, ...]:
    match entry:
        case WeekDay():
            day = entry.days_mask.bit_length() - 1
            return day, entry.start_hour, entry.start_minute, entry.end_hour, entry.end_minute
        case YearDay():
            return _date(entry.start_s) + _date(entry.end_s)
        case Daily():
            return entry.days_mask, *divmod(entry.start_min, 60), *divmod(entry.minutes, 60)
        case None:
            return (0,) * 5 if kind == DAILY else (0xFF,) * _FIELDS[kind]


def _supported(app: ZwaveApplication, _payload: bytes) -> bytes:
    counts = (_count(app, kind) for kind in (WEEK_DAY, YEAR_DAY, DAILY))
    return bytes((CC.SCHEDULE_ENTRY_LOCK, 0x0A, *counts))


# ---- who is bound by them, and in which zone


def _enable(app: ZwaveApplication, payload: bytes) -> Set:
    slot, enabled = payload[0], payload[1]

    def apply() -> Answer:
        if slot not in app.firmware.users.users:
            return Answer.FAILURE
        app.schedules.disabled.discard(slot)
        if not enabled:
            app.schedules.disabled.add(slot)
        app.firmware.changed()
        return Answer.OK

    return Set("enable_schedule", apply, slot)


def _enable_all(app: ZwaveApplication, payload: bytes) -> Set:
    enabled = payload[0]

    def apply() -> Answer:
        app.schedules.disabled = set() if enabled else set(app.firmware.users.users)
        app.firmware.changed()
        return Answer.OK

    return Set("enable_schedule", apply)


def _zone_set(app: ZwaveApplication, payload: bytes) -> Set:
    """Offsets only: between which days summer time is, this command class does not say."""
    standard = _signed(payload[0], (payload[0] & 0x7F) * 60 + payload[1])
    shift = _signed(payload[2], payload[2] & 0x7F)

    def apply() -> Answer:
        app.firmware.clock.adjust_zone(standard_offset_s=standard * 60, dst_shift_s=shift * 60)
        app.firmware.changed()
        return Answer.OK

    return Set("set_time_offset", apply)


def _signed(field_with_sign: int, value: int) -> int:
    return -value if field_with_sign & 0x80 else value


def _zone_get(app: ZwaveApplication, _payload: bytes) -> Get:
    def apply() -> bytes:
        zone = app.firmware.clock.zone
        hours, minutes = divmod(abs(zone.standard_offset_s) // 60, 60)
        sign = 0x80 if zone.standard_offset_s < 0 else 0
        shift = abs(zone.dst_shift_s) // 60 | (0x80 if zone.dst_shift_s < 0 else 0)
        return bytes((CC.SCHEDULE_ENTRY_LOCK, 0x0C, sign | hours, minutes, shift))

    return Get("get_time_offset", apply)


COMMANDS: Commands = {
    (CC.SCHEDULE_ENTRY_LOCK, 0x01): _enable,
    (CC.SCHEDULE_ENTRY_LOCK, 0x02): _enable_all,
    (CC.SCHEDULE_ENTRY_LOCK, 0x03): _set(WEEK_DAY),
    (CC.SCHEDULE_ENTRY_LOCK, 0x04): _get(WEEK_DAY),
    (CC.SCHEDULE_ENTRY_LOCK, 0x06): _set(YEAR_DAY),
    (CC.SCHEDULE_ENTRY_LOCK, 0x07): _get(YEAR_DAY),
    (CC.SCHEDULE_ENTRY_LOCK, 0x09): housekeeping("schedule_supported_get", _supported),
    (CC.SCHEDULE_ENTRY_LOCK, 0x0B): _zone_get,
    (CC.SCHEDULE_ENTRY_LOCK, 0x0D): _zone_set,
    (CC.SCHEDULE_ENTRY_LOCK, 0x0E): _get(DAILY),
    (CC.SCHEDULE_ENTRY_LOCK, 0x10): _set(DAILY),
}
