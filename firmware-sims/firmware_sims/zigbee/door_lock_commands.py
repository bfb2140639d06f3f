"""The commands of the Door Lock cluster (0x0101): their fields, and what each does to the lock.

Here: one function for each command of ZCL 8, 7.3.2.17, from payload to answer. Not here: frames,
queueing and faults (``door_lock``), and everything a lock is (``firmware_sims.firmware``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_sims.firmware.model import (
    Answer,
    BoltState,
    Kind,
    OperatingMode,
    Source,
    UserStatus,
    UserType,
)
from firmware_sims.firmware.schedules import Holiday, WeekDay, YearDay
from firmware_sims.zigbee.door_lock_events import event_code, pin_field, source_code
from firmware_sims.zigbee.zcl import Reader, Status, string, u8, u16, u32, wall_time

if TYPE_CHECKING:
    from firmware_sims.firmware.lock import LockFirmware

NOT_SUPPORTED = 0xFF
"""User type of a slot without code (ZCL 8, 7.3.2.17.7)."""


class Refused(Exception):
    """The command is answered with a default response; the argument is its status."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.name)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One command understood: whose slot, and what to do for its answer's payload.

    ``masked`` does the same but keeps the digits back; None where there are none.
    """

    slot: int | None
    apply: Callable[[], bytes]
    masked: Callable[[], bytes] | None = None


Handler = Callable[["LockFirmware", Reader], Request]


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """``answers_status``: the answer is one status byte, so that a refusal can be made up."""

    name: str
    handler: Handler
    answers_status: bool = True


def status_byte(command: str, answer: Answer) -> int:
    """The status in an answer: ZCL 8, 7.3.2.17.6 for set_pin_code, general codes elsewhere."""
    match answer:
        case Answer.OK:
            return Status.SUCCESS
        case Answer.FULL:
            return 2
        case Answer.DUPLICATE:
            return 3
        case Answer.INVALID:
            return Status.FAILURE if command == "set_pin_code" else Status.INVALID_FIELD
        case _:
            return Status.FAILURE


# ---- bolt


def _move(target: BoltState | None, *, timed: bool = False) -> Handler:
    def handler(lock: LockFirmware, reader: Reader) -> Request:
        timeout = reader.u16() if timed else 0
        code = _text(reader.string()) if reader else None

        def apply() -> bytes:
            wanted = target
            if wanted is None:
                locked = lock.bolt.state is BoltState.LOCKED
                wanted = BoltState.UNLOCKED if locked else BoltState.LOCKED
            return u8(status_byte("", lock.operate_by_radio(wanted, code, timeout)))

        return Request(None, apply)

    return handler


def _get_log_record(lock: LockFirmware, reader: Reader) -> Request:
    index = reader.u16()

    def apply() -> bytes:
        record = lock.log.read(index)
        if record is None:
            raise Refused(Status.NOT_FOUND)
        event_type, code = event_code(record.kind)
        return (
            u16(record.number & 0xFFFF)
            + u32(wall_time(record.local_s))
            + u8(event_type)
            + u8(source_code(record.source))
            + u8(code)
            + u16(0xFFFF if record.slot is None else record.slot & 0xFFFF)
            + string(b"")
        )

    return Request(None, apply)


# ---- codes


def _set_pin_code(lock: LockFirmware, reader: Reader) -> Request:
    slot, status, user_type, code = reader.u16(), reader.u8(), reader.u8(), reader.string()

    def apply() -> bytes:
        try:
            answer = lock.users.set_code(
                slot, _text(code), UserStatus(status), _user_type(user_type), Source.RADIO
            )
        except ValueError:
            answer = Answer.INVALID
        return u8(status_byte("set_pin_code", answer))

    return Request(slot, apply)


def _get_pin_code(lock: LockFirmware, reader: Reader) -> Request:
    slot = reader.u16()

    def apply(*, masked: bool = False) -> bytes:
        if not lock.users.exists(slot):
            raise Refused(Status.INVALID_FIELD)
        user = lock.users.users.get(slot)
        if user is None:
            return u16(slot) + u8(UserStatus.AVAILABLE) + u8(NOT_SUPPORTED) + string(b"")
        shown = bool(lock.settings["send_pin_over_the_air"]) and not masked
        # The master's code never leaves the lock.
        shown = shown and slot != lock.profile.master_slot
        return u16(slot) + u8(user.status) + u8(user.type) + pin_field(user.code, shown=shown)

    return Request(slot, apply, lambda: apply(masked=True))


def _clear_pin_code(lock: LockFirmware, reader: Reader) -> Request:
    slot = reader.u16()
    return Request(
        slot,
        lambda: u8(status_byte("clear_pin_code", lock.users.clear_code(slot, Source.RADIO))),
    )


def _clear_all_pin_codes(lock: LockFirmware, _reader: Reader) -> Request:
    return Request(
        None, lambda: u8(status_byte("clear_all_pin_codes", lock.users.clear_all(Source.RADIO)))
    )


def _set_user_status(lock: LockFirmware, reader: Reader) -> Request:
    slot, status = reader.u16(), reader.u8()

    def apply() -> bytes:
        try:
            answer = lock.users.set_status(slot, UserStatus(status))
        except ValueError:
            answer = Answer.INVALID
        lock.changed()
        return u8(status_byte("set_user_status", answer))

    return Request(slot, apply)


def _get_user_status(lock: LockFirmware, reader: Reader) -> Request:
    slot = reader.u16()

    def apply() -> bytes:
        if not lock.users.exists(slot):
            raise Refused(Status.INVALID_FIELD)
        user = lock.users.users.get(slot)
        return u16(slot) + u8(UserStatus.AVAILABLE if user is None else user.status)

    return Request(slot, apply)


def _set_user_type(lock: LockFirmware, reader: Reader) -> Request:
    slot, user_type = reader.u16(), reader.u8()

    def apply() -> bytes:
        try:
            answer = lock.users.set_type(slot, UserType(user_type))
        except ValueError:
            answer = Answer.INVALID
        lock.changed()
        return u8(status_byte("set_user_type", answer))

    return Request(slot, apply)


def _get_user_type(lock: LockFirmware, reader: Reader) -> Request:
    slot = reader.u16()

    def apply() -> bytes:
        if not lock.users.exists(slot):
            raise Refused(Status.INVALID_FIELD)
        user = lock.users.users.get(slot)
        return u16(slot) + u8(NOT_SUPPORTED if user is None else user.type)

    return Request(slot, apply)


# ---- schedules


def _set_schedule(*, week_day: bool) -> Handler:
    def handler(lock: LockFirmware, reader: Reader) -> Request:
        number, slot = reader.u8(), reader.u16()
        fields = [reader.u8() for _ in range(5)] if week_day else [reader.u32(), reader.u32()]

        def apply() -> bytes:
            if not _schedule_exists(lock, slot, number, week_day=week_day):
                answer = Answer.FAILURE
            elif week_day:
                answer = lock.schedules.set_week_day(slot, number, WeekDay(*fields))
            else:
                answer = lock.schedules.set_year_day(slot, number, YearDay(*fields))
            if answer is Answer.OK:
                lock.emit(Kind.SCHEDULE_CHANGED, Source.RADIO, slot)
            return u8(status_byte("", answer))

        return Request(slot, apply)

    return handler


def _get_schedule(*, week_day: bool) -> Handler:
    def handler(lock: LockFirmware, reader: Reader) -> Request:
        number, slot = reader.u8(), reader.u16()

        def apply() -> bytes:
            head = u8(number) + u16(slot)
            if not _schedule_exists(lock, slot, number, week_day=week_day):
                return head + u8(Status.INVALID_FIELD)
            if week_day:
                weekly = lock.schedules.week_day.get((slot, number))
                if weekly is not None:
                    return head + bytes(
                        (
                            Status.SUCCESS,
                            weekly.days_mask,
                            weekly.start_hour,
                            weekly.start_minute,
                            weekly.end_hour,
                            weekly.end_minute,
                        )
                    )
            else:
                yearly = lock.schedules.year_day.get((slot, number))
                if yearly is not None:
                    return head + u8(Status.SUCCESS) + u32(yearly.start_s) + u32(yearly.end_s)
            return head + u8(Status.NOT_FOUND)

        return Request(slot, apply)

    return handler


def _clear_schedule(*, week_day: bool) -> Handler:
    def handler(lock: LockFirmware, reader: Reader) -> Request:
        number, slot = reader.u8(), reader.u16()

        def apply() -> bytes:
            if not _schedule_exists(lock, slot, number, week_day=week_day):
                return u8(Status.FAILURE)
            return u8(status_byte("", lock.clear_schedule(slot, number, week_day=week_day)))

        return Request(slot, apply)

    return handler


def _schedule_exists(lock: LockFirmware, slot: int, number: int, *, week_day: bool) -> bool:
    profile = lock.profile
    limit = profile.week_day_schedules if week_day else profile.year_day_schedules
    return number < limit and lock.users.exists(slot)


def _set_holiday(lock: LockFirmware, reader: Reader) -> Request:
    number, start, end, mode = reader.u8(), reader.u32(), reader.u32(), reader.u8()

    def apply() -> bytes:
        if number >= lock.profile.holiday_schedules:
            return u8(Status.FAILURE)
        if start >= end or mode not in set(OperatingMode):
            return u8(Status.INVALID_FIELD)
        lock.schedules.holidays[number] = Holiday(start, end, OperatingMode(mode))
        lock.changed()
        return u8(Status.SUCCESS)

    return Request(None, apply)


def _get_holiday(lock: LockFirmware, reader: Reader) -> Request:
    number = reader.u8()

    def apply() -> bytes:
        if number >= lock.profile.holiday_schedules:
            return u8(number) + u8(Status.INVALID_FIELD)
        entry = lock.schedules.holidays.get(number)
        if entry is None:
            return u8(number) + u8(Status.NOT_FOUND)
        return (
            u8(number) + u8(Status.SUCCESS) + u32(entry.start_s) + u32(entry.end_s) + u8(entry.mode)
        )

    return Request(None, apply)


def _clear_holiday(lock: LockFirmware, reader: Reader) -> Request:
    number = reader.u8()

    def apply() -> bytes:
        if number >= lock.profile.holiday_schedules:
            return u8(Status.FAILURE)
        lock.schedules.holidays.pop(number, None)
        lock.changed()
        return u8(Status.SUCCESS)

    return Request(None, apply)


def _text(code: bytes) -> str:
    return code.decode("ascii", "replace")


def _user_type(value: int) -> UserType:
    """A type of 0xFF means that the sender has none to give: unrestricted, as for a plain user."""
    return UserType.UNRESTRICTED if value == NOT_SUPPORTED else UserType(value)


COMMANDS: dict[int, CommandSpec] = {
    0x00: CommandSpec("lock_door", _move(BoltState.LOCKED)),
    0x01: CommandSpec("unlock_door", _move(BoltState.UNLOCKED)),
    0x02: CommandSpec("toggle_door", _move(None)),
    0x03: CommandSpec("unlock_with_timeout", _move(BoltState.UNLOCKED, timed=True)),
    0x04: CommandSpec("get_log_record", _get_log_record, answers_status=False),
    0x05: CommandSpec("set_pin_code", _set_pin_code),
    0x06: CommandSpec("get_pin_code", _get_pin_code, answers_status=False),
    0x07: CommandSpec("clear_pin_code", _clear_pin_code),
    0x08: CommandSpec("clear_all_pin_codes", _clear_all_pin_codes),
    0x09: CommandSpec("set_user_status", _set_user_status),
    0x0A: CommandSpec("get_user_status", _get_user_status, answers_status=False),
    0x0B: CommandSpec("set_week_day_schedule", _set_schedule(week_day=True)),
    0x0C: CommandSpec("get_week_day_schedule", _get_schedule(week_day=True), answers_status=False),
    0x0D: CommandSpec("clear_week_day_schedule", _clear_schedule(week_day=True)),
    0x0E: CommandSpec("set_year_day_schedule", _set_schedule(week_day=False)),
    0x0F: CommandSpec("get_year_day_schedule", _get_schedule(week_day=False), answers_status=False),
    0x10: CommandSpec("clear_year_day_schedule", _clear_schedule(week_day=False)),
    0x11: CommandSpec("set_holiday_schedule", _set_holiday),
    0x12: CommandSpec("get_holiday_schedule", _get_holiday, answers_status=False),
    0x13: CommandSpec("clear_holiday_schedule", _clear_holiday),
    0x14: CommandSpec("set_user_type", _set_user_type),
    0x15: CommandSpec("get_user_type", _get_user_type, answers_status=False),
}
"""By command id. The RFID commands (0x16 to 0x19) are missing: these locks have no reader."""


def supported(lock: LockFirmware) -> dict[int, CommandSpec]:
    """The commands this model understands."""
    profile = lock.profile
    missing = set()
    if profile.schedules == "unsupported" or not profile.week_day_schedules:
        missing |= {0x0B, 0x0C, 0x0D}
    if profile.schedules == "unsupported" or not profile.year_day_schedules:
        missing |= {0x0E, 0x0F, 0x10}
    if profile.schedules == "unsupported" or not profile.holiday_schedules:
        missing |= {0x11, 0x12, 0x13}
    if not profile.log_records:
        missing.add(0x04)
    return {number: spec for number, spec in COMMANDS.items() if number not in missing}
