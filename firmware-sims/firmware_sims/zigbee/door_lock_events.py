"""What a lock tells over ZCL of its own accord: operation and programming events, and alarms.

Here: the event codes, the masks that silence them, and the payloads (ZCL 8, 7.3.2.14, 7.3.2.15 and
7.3.2.18). Not here: when something happens (``firmware_sims.firmware``) and who sends the frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.firmware.model import ALL_SLOTS, FirmwareEvent, Kind, Source
from firmware_sims.zigbee.zcl import string, u8, u16, u32, wall_time

if TYPE_CHECKING:
    from firmware_sims.firmware.lock import LockFirmware

OPERATION_EVENT, PROGRAMMING_EVENT = 0x20, 0x21
UNKNOWN_USER = 0xFFFF
NO_TIME = 0xFFFF_FFFF

_OPERATION = {
    Kind.LOCKED: 0x01,
    Kind.UNLOCKED: 0x02,
    Kind.LOCK_INVALID_CODE: 0x03,
    Kind.UNLOCK_INVALID_CODE: 0x05,
    Kind.UNLOCK_INVALID_SCHEDULE: 0x06,
    Kind.ONE_TOUCH_LOCKED: 0x07,
    Kind.KEY_LOCKED: 0x08,
    Kind.KEY_UNLOCKED: 0x09,
    Kind.AUTO_LOCKED: 0x0A,
    Kind.MANUAL_LOCKED: 0x0D,
    Kind.MANUAL_UNLOCKED: 0x0E,
    Kind.NON_ACCESS_USER: 0x0F,
}
_PROGRAMMING = {
    Kind.SCHEDULE_CHANGED: 0x00,  # "unknown or manufacturer specific": what EmberZNet sends
    Kind.MASTER_CODE_CHANGED: 0x01,
    Kind.CODE_ADDED: 0x02,
    Kind.CODE_DELETED: 0x03,
    Kind.CODE_CHANGED: 0x04,
}
_ALARM = {
    Kind.JAMMED: 0x00,
    Kind.FACTORY_RESET: 0x01,
    Kind.POWER_CYCLED: 0x03,
    Kind.WRONG_CODE_LIMIT: 0x04,
    Kind.TAMPERED: 0x05,
    Kind.DOOR_FORCED: 0x06,
}
_SOURCE = {
    Source.KEYPAD: 0x00,
    Source.RADIO: 0x01,
    Source.MANUAL: 0x02,
    Source.CARD: 0x03,
    Source.FINGER: 0xFF,
    Source.NOBODY: 0xFF,
}

# Which mask (attribute) silences an event, by source; the bit within it follows from the code.
_OPERATION_MASK = {Source.KEYPAD: 0x0041, Source.RADIO: 0x0042, Source.MANUAL: 0x0043}
_PROGRAMMING_MASK = {Source.KEYPAD: 0x0045, Source.RADIO: 0x0046}
ALARM_MASK = 0x0040
MASKS = (ALARM_MASK, 0x0041, 0x0042, 0x0043, 0x0044, 0x0045, 0x0046, 0x0047)

_MANUAL_BITS = {0x01: 1, 0x02: 2, 0x07: 3, 0x08: 4, 0x09: 5, 0x0A: 6, 0x0D: 9, 0x0E: 10}


def mask_key(attribute: int) -> str:
    """The firmware setting that holds a mask."""
    return f"event_mask_{attribute:04x}"


def source_code(source: Source) -> int:
    """Operation event source, ZCL 8, 7.3.2.18.1."""
    return _SOURCE[source]


def event_code(kind: Kind) -> tuple[int, int]:
    """Event type (operation 0, programming 1, alarm 2) and code, as a log record has them."""
    for event_type, table in enumerate((_OPERATION, _PROGRAMMING, _ALARM)):
        if kind in table:
            return event_type, table[kind]
    raise KeyError(kind)


def pin_field(code: str | None, *, shown: bool) -> bytes:
    """The PIN in a payload: as it is, or each digit 0xFF (ZCL 8, 7.3.2.16.3), or empty."""
    if code is None:
        return string(b"")
    raw = code.encode("ascii", "replace")
    return string(raw if shown else b"\xff" * len(raw))


def alarm(lock: LockFirmware, event: FirmwareEvent) -> int | None:
    """The alarm code to raise for an event, None when there is none or its mask is off."""
    code = _ALARM.get(event.kind)
    if code is None or not _wanted(lock, ALARM_MASK, code):
        return None
    return code


def notification(
    lock: LockFirmware, event: FirmwareEvent, *, swapped: bool
) -> tuple[int, bytes] | None:
    """Command and payload for an event, None when there is none or its mask is off.

    ``swapped``: the user id goes out with its two bytes exchanged, as some models do.
    """
    user = UNKNOWN_USER if event.slot in (None, ALL_SLOTS) else int(event.slot or 0)
    if swapped:
        user = (user & 0xFF) << 8 | user >> 8
    shown = lock.profile.pin_in_events or bool(lock.settings["send_pin_over_the_air"])
    pin = pin_field(event.code, shown=shown)
    local = wall_time(event.lock_local_s) if lock.profile.has_clock else NO_TIME
    if (code := _OPERATION.get(event.kind)) is not None:
        mask = _OPERATION_MASK.get(event.source)
        if mask is None or not _wanted(lock, mask, _operation_bit(event.source, code)):
            return None
        return OPERATION_EVENT, (
            u8(source_code(event.source)) + u8(code) + u16(user) + pin + u32(local) + string(b"")
        )
    if (code := _PROGRAMMING.get(event.kind)) is not None:
        mask = _PROGRAMMING_MASK.get(event.source)
        if mask is None or not _wanted(lock, mask, code):
            return None
        return PROGRAMMING_EVENT, (
            u8(source_code(event.source))
            + u8(code)
            + u16(user)
            + pin
            + u8(0xFF if event.user_type is None else event.user_type)
            + u8(0xFF if event.user_status is None else event.user_status)
            + u32(local)
            + string(b"")
        )
    return None


def _operation_bit(source: Source, code: int) -> int:
    if source is Source.MANUAL:
        return _MANUAL_BITS[code]
    return 7 if code == 0x0F else code


def _wanted(lock: LockFirmware, mask: int, bit: int) -> bool:
    return bool(int(lock.settings[mask_key(mask)]) >> bit & 1)
