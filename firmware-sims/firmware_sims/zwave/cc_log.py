"""Door Lock Logging (CC:004C), version 1: the ring of what has happened at the door.

Here: the firmware's log as records. Record 0 is the most recent one, 1 the oldest still there.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from firmware_sims.firmware.model import ALL_SLOTS, Kind, Source
from firmware_sims.zwave.commands import CC, Commands, Get, housekeeping, u16

if TYPE_CHECKING:
    from firmware_sims.firmware.log import LogRecord
    from firmware_sims.zwave.application import ZwaveApplication

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_PRESENT = 1 << 5
_UNKNOWN = 32
_BY_SOURCE = {
    (Kind.LOCKED, Source.KEYPAD): 1,
    (Kind.UNLOCKED, Source.KEYPAD): 2,
    (Kind.LOCKED, Source.RADIO): 14,
    (Kind.UNLOCKED, Source.RADIO): 15,
}
_BY_KIND = {
    Kind.ONE_TOUCH_LOCKED: 3,
    Kind.UNLOCK_INVALID_SCHEDULE: 6,
    Kind.UNLOCK_INVALID_CODE: 7,
    Kind.MANUAL_LOCKED: 8,
    Kind.KEY_LOCKED: 8,
    Kind.MANUAL_UNLOCKED: 9,
    Kind.KEY_UNLOCKED: 9,
    Kind.AUTO_LOCKED: 10,
    Kind.CODE_ADDED: 23,
    Kind.CODE_DELETED: 24,
    Kind.CODE_CHANGED: 27,
    Kind.FACTORY_RESET: 28,
}
_ALL_DELETED = 25


def _event_type(record: LogRecord) -> int:
    if record.kind is Kind.CODE_DELETED and record.slot == ALL_SLOTS:
        return _ALL_DELETED
    return _BY_SOURCE.get((record.kind, record.source)) or _BY_KIND.get(record.kind, _UNKNOWN)


def _record_get(app: ZwaveApplication, payload: bytes) -> Get:
    wanted = payload[0]

    def apply() -> bytes:
        log = app.firmware.log
        record = log.read(wanted)
        place = wanted or len(log)
        head = bytes((CC.DOOR_LOCK_LOGGING, 0x04, place))
        if record is None:
            return head + bytes(10)
        at = _EPOCH + timedelta(seconds=record.local_s)
        user = record.slot if record.slot is not None and record.slot > 0 else 0
        hour = _PRESENT | at.hour
        when = u16(at.year) + bytes((at.month, at.day, hour, at.minute, at.second))
        return head + when + bytes((_event_type(record), user & 0xFF, 0))

    return Get("get_log_record", apply)


def _supported(app: ZwaveApplication, _payload: bytes) -> bytes:
    return bytes((CC.DOOR_LOCK_LOGGING, 0x02, min(app.firmware.profile.log_records, 0xFF)))


COMMANDS: Commands = {
    (CC.DOOR_LOCK_LOGGING, 0x01): housekeeping("log_supported_get", _supported),
    (CC.DOOR_LOCK_LOGGING, 0x03): _record_get,
}
