"""What a TTLock's words mean: errors, advertisements, abilities and log records, in ours. Pure.

Sources: the vendor's `LockError.java` for the errors; `TTBluetoothDevice.java` (stored mirrors of
the Android SDK) and roquerodrigo/ha-ttlock-ble #46, #52, #82 for the advertisement and its traps;
the tables of records in `records`. Not here: asking. Digits stop here: no result carries them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.domain.capabilities import Capabilities, CodeLimits, ScheduleSupport
from gateway.domain.events import EventType, Method
from gateway.drivers.api import DeviceEvent, Happening, Measured, SlotChange, SlotChanged
from gateway.drivers.ttlock.commands import Feature
from gateway.drivers.ttlock.records import Log
from gateway.drivers.ttlock.wire import instant_of
from gateway.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import tzinfo

    from gateway.domain.secret import KeyedHash, Secret
    from gateway.drivers.ttlock.commands import Features, Status
    from gateway.drivers.ttlock.records import Record
    from gateway.radios.api import Advertisement

# ── errors ──────────────────────────────────────────────────────────────────────────────────

_ERRORS: Final[Mapping[int, tuple[Refusal, str]]] = {
    0x01: (Refusal.FAILED, "the lock received it damaged"),
    0x02: (Refusal.NOT_AUTHORISED, "this key may not do that"),
    0x03: (Refusal.NOT_AUTHORISED, "the lock has another owner: pair it again"),
    0x05: (Refusal.BUSY, "the lock is being set up by somebody"),
    0x06: (Refusal.NOT_AUTHORISED, "the lock was reset and belongs to nobody: pair it again"),
    0x07: (Refusal.INVALID, "the lock is not in setting mode: it belongs to somebody"),
    0x08: (Refusal.NOT_AUTHORISED, "the lock did not accept the proof of the key"),
    0x0A: (Refusal.BUSY, "the batteries are empty"),
    0x0B: (Refusal.FAILED, "the lock's keypad does not answer it"),
    0x0D: (Refusal.NOT_AUTHORISED, "the key was revoked"),
    0x0E: (Refusal.NOT_AUTHORISED, "the key has expired, or the lock's clock is wrong"),
    0x0F: (Refusal.LENGTH, "the code has a length that the lock does not take"),
    0x10: (Refusal.DUPLICATE, "the admin code and the erase code would be the same"),
    0x11: (Refusal.NOT_AUTHORISED, "the key is not valid yet, or the lock's clock is wrong"),
    0x12: (Refusal.NOT_AUTHORISED, "the lock asks for a login first"),
    0x13: (Refusal.FAILED, "the lock says that it failed and not why"),
    0x14: (Refusal.DUPLICATE, "the lock has this code already"),
    0x15: (Refusal.INVALID, "the lock does not know this code"),
    0x16: (Refusal.FULL, "the lock's memory is full"),
    0x17: (Refusal.INVALID, "the lock expected another length of the command"),
    0x18: (Refusal.INVALID, "the lock does not know this card"),
    0x1A: (Refusal.INVALID, "the lock does not know this fingerprint"),
    0x1B: (Refusal.UNSUPPORTED, "the lock does not know this command"),
    0x1C: (Refusal.NOT_AUTHORISED, "the lock is frozen: unfreeze it first"),
    0x1D: (Refusal.NOT_AUTHORISED, "the lock is another vendor's"),
    0x1E: (Refusal.JAMMED, "the lock is dead-locked from inside"),
    0x1F: (Refusal.INVALID, "the lock does not have this record"),
    0x20: (Refusal.INVALID, "the lock cannot take this value"),
    0x21: (Refusal.JAMMED, "something is in the way"),
    0x24: (Refusal.BUSY, "the lock is still at it"),
    0x25: (Refusal.INVALID, "the lock does not find this wireless network"),
    0x26: (Refusal.INVALID, "the password of the wireless network is wrong"),
}
KEY_EXPIRED: Final = 0x0E
KEY_NOT_YET_VALID: Final = 0x11


def refusal_of(error: int) -> Refusal:
    return _ERRORS.get(error, (Refusal.FAILED, ""))[0]


def why(error: int) -> str:
    """For people: what is wrong and, where they can do something, what."""
    return _ERRORS.get(error, (Refusal.FAILED, f"the lock refused it (error 0x{error:02x})"))[1]


# ── advertisement ───────────────────────────────────────────────────────────────────────────

_UNLOCKED = 0x01
_LOG_NEWS = 0x02
_SETTING_MODE = 0x04
_DORMANT = 0x10
_SHORTEST = 15
_NO_LOCKS = frozenset({b"\x12\x19", b"\xff\xff", b"\x34\x12"})
"""Locks in firmware update mode, and wristbands."""
PARKING: Final = 7
REMOTE_CONTROL: Final = 0x0A


@dataclass(frozen=True, slots=True)
class Told:
    """What an advertisement says. `unlocked` is None where its bit says nothing."""

    type: int
    version: int
    scene: int
    address: str
    setting_mode: bool
    unlocked: bool | None
    log_news: bool
    battery_percent: int | None


def told_by(advertisement: Advertisement) -> Told | None:
    """None for what is no TTLock of protocol 5 or later.

    The manufacturer block has no company's number: its first two bytes are the protocol, so they
    are put back in front. A dormant lock clears the unlocked bit too, and "locked" must not be
    read from that; parking locks use that bit otherwise.
    """
    for company, rest in sorted(advertisement.manufacturer_data.items()):
        block = company.to_bytes(2, "little") + rest
        if len(block) < _SHORTEST or block[:2] in _NO_LOCKS:
            continue
        if block[:2] == b"\x05\x03":
            type_, version, at = 5, 3, 2
        else:
            type_, version, at = block[4], block[5], 7
        address = ":".join(f"{byte:02X}" for byte in reversed(block[-6:]))
        # Any company's block has some bytes there: its own address at the end tells a lock.
        if type_ < 5 or address != advertisement.address.upper():
            continue
        scene, flags, battery = block[at], block[at + 1], block[at + 2]
        asleep = bool(flags & _DORMANT) and scene != PARKING
        unlocked = True if flags & _UNLOCKED else None if asleep else False
        return Told(
            type_,
            version,
            scene,
            address,
            bool(flags & _SETTING_MODE),
            unlocked,
            bool(flags & _LOG_NEWS),
            battery if battery <= 100 else None,
        )
    return None


def measured_by(told: Told) -> Measured:
    return Measured(
        locked=None if told.unlocked is None else not told.unlocked,
        battery_percent=told.battery_percent,
        log_news=told.log_news,
    )


WAS_RESET: Final[Sequence[DeviceEvent]] = (
    Happening(EventType.DEVICE_SUSPECT, reason="factory_reset"),
    SlotChanged(None, SlotChange.REMOVED, at_lock=True),
)
"""A lock of ours that advertises that it may be paired belongs to nobody any more."""

_KINDS: Final[Mapping[int, str]] = {
    4: "glass door lock",
    5: "safe lock",
    6: "bicycle lock",
    PARKING: "parking lock",
    8: "padlock",
    9: "lock cylinder",
    0x0B: "safe lock",
}


def kind_of(scene: int) -> str:
    return _KINDS.get(scene, "door lock")


def measured_from(status: Status) -> Measured:
    return Measured(
        locked=None if status.unlocked is None else not status.unlocked,
        door_open=None if status.door_closed is None else not status.door_closed,
        battery_percent=status.battery_percent if status.battery_percent <= 100 else None,
    )


# ── abilities ───────────────────────────────────────────────────────────────────────────────

SLOTS: Final = 100
"""Numbers handed out to codes. The lock does not tell how many fit; it says when it is full."""
MIN_DIGITS: Final = 4
MAX_DIGITS: Final = 9


def capabilities_of(features: Features, *, manages: bool) -> Capabilities:
    """`manages`: ours is an owner's key. Flags that it lacks are False: the lock could."""
    codes = features.has(Feature.PASSCODE)
    return Capabilities(
        can_remotely_unlock=True,
        can_remotely_lock=features.has(Feature.MANUAL_LOCK),
        can_program_online_access_codes=codes and manages,
        reports_events=manages,
        reports_attribution=codes and manages,
        has_door_sensor=True if features.has(Feature.DOOR_SENSOR) else None,
        has_clock=not features.has(Feature.NO_CLOCK),
        keeps_log=manages,
        can_enrol_cards=features.has(Feature.CARD) and manages,
        can_enrol_fingers=features.has(Feature.FINGERPRINT) and manages,
        sleepy=True,
        codes=CodeLimits(
            slots=SLOTS if codes else 0,
            min_length=MIN_DIGITS,
            max_length=MAX_DIGITS,
            reads_back_digits=True,
        ),
        schedules=ScheduleSupport(year_day=1, granularity_s=60, edge_s=60),
    )


# ── log ─────────────────────────────────────────────────────────────────────────────────────

_UNLOCKED_BY: Final[Mapping[int, Method]] = {
    Log.APP_UNLOCK: Method.REMOTE,
    Log.SERVER_UNLOCK: Method.REMOTE,
    Log.CODE_UNLOCK: Method.CODE,
    Log.CARD_UNLOCK: Method.CARD,
    Log.WRISTBAND_UNLOCK: Method.REMOTE,
    Log.FINGERPRINT_UNLOCK: Method.FINGERPRINT,
    Log.KEY_UNLOCK: Method.MECHANICAL_KEY,
    Log.GATEWAY_UNLOCK: Method.REMOTE,
    Log.INSIDE_UNLOCK: Method.MANUAL,
    Log.BUTTON_UNLOCK: Method.MANUAL,
    Log.HOTEL_CARD_UNLOCK: Method.CARD,
    Log.REMOTE_UNLOCK: Method.REMOTE,
    Log.QR_UNLOCK: Method.UNKNOWN,
    Log.PASSAGE_UNLOCK: Method.SCHEDULE,
    Log.FACE_UNLOCK: Method.UNKNOWN,
    Log.APP_AUTHORISED_UNLOCK: Method.REMOTE,
    Log.GATEWAY_AUTHORISED_UNLOCK: Method.REMOTE,
    Log.PALM_UNLOCK: Method.UNKNOWN,
    Log.ADMIN_CODE_UNLOCK: Method.KEYPAD,
    Log.ACCESSORY_UNLOCK: Method.UNKNOWN,
}
_LOCKED_BY: Final[Mapping[int, Method]] = {
    Log.APP_LOCK: Method.REMOTE,
    Log.FINGERPRINT_LOCK: Method.FINGERPRINT,
    Log.CODE_LOCK: Method.CODE,
    Log.CARD_LOCK: Method.CARD,
    Log.KEY_LOCK: Method.MECHANICAL_KEY,
    Log.AUTO_LOCK: Method.AUTO_LOCK,
    Log.BUTTON_LOCK: Method.MANUAL,
    Log.FACE_LOCK: Method.UNKNOWN,
    Log.PALM_LOCK: Method.UNKNOWN,
    Log.ACCESSORY_LOCK: Method.UNKNOWN,
}
_EXPIRED = "schedule"
_DEADLOCKED = "deadlocked_from_inside"
_BLOCKED = "blocklisted"
_DENIED: Final[Mapping[int, tuple[Method, str]]] = {
    Log.WRONG_CODE: (Method.KEYPAD, "unknown_code"),
    Log.CODE_EXPIRED: (Method.CODE, _EXPIRED),
    Log.NO_MEMORY: (Method.CODE, "lock_memory_full"),
    Log.CODE_BLOCKED: (Method.CODE, _BLOCKED),
    Log.FINGERPRINT_EXPIRED: (Method.FINGERPRINT, _EXPIRED),
    Log.CARD_EXPIRED: (Method.CARD, _EXPIRED),
    Log.CODE_DEADLOCKED: (Method.CODE, _DEADLOCKED),
    Log.CARD_DEADLOCKED: (Method.CARD, _DEADLOCKED),
    Log.FINGERPRINT_DEADLOCKED: (Method.FINGERPRINT, _DEADLOCKED),
    Log.APP_DEADLOCKED: (Method.REMOTE, _DEADLOCKED),
    Log.CARD_BLOCKED: (Method.CARD, _BLOCKED),
    Log.APP_FROZEN: (Method.REMOTE, "frozen"),
    Log.CODE_FROZEN: (Method.KEYPAD, "frozen"),
    Log.QR_EXPIRED: (Method.UNKNOWN, _EXPIRED),
    Log.FACE_DEADLOCKED: (Method.UNKNOWN, _DEADLOCKED),
    Log.FACE_EXPIRED: (Method.UNKNOWN, _EXPIRED),
    Log.CPU_CARD_FAILED: (Method.CARD, "unknown_card"),
    Log.PALM_DEADLOCKED: (Method.UNKNOWN, _DEADLOCKED),
    Log.PALM_FAILED: (Method.UNKNOWN, "unknown_palm"),
    Log.CARD_FAILED: (Method.CARD, "unknown_card"),
    Log.ACCESSORY_DEADLOCKED: (Method.UNKNOWN, _DEADLOCKED),
    Log.ACCESSORY_EXPIRED: (Method.UNKNOWN, _EXPIRED),
}
_CHANGED: Final[Mapping[int, SlotChange]] = {
    Log.CODE_MODIFIED: SlotChange.CHANGED,
    Log.CODE_DELETED: SlotChange.REMOVED,
    Log.CODE_SQUEEZED_OUT: SlotChange.REMOVED,
    Log.CODE_ADDED: SlotChange.ADDED,
}
_CLEARED: Final = frozenset({Log.CODES_CLEARED, Log.ERASE_CODE_USED})
CHANGES_CODES: Final = frozenset(_CHANGED) | _CLEARED
_OTHER: Final[Mapping[int, tuple[EventType, str | None]]] = {
    Log.ILLEGAL_UNLOCK: (EventType.DOOR_FORCED, None),
    Log.DOOR_CLOSED: (EventType.DOOR_CLOSED, None),
    Log.DOOR_OPENED: (EventType.DOOR_OPENED, None),
    Log.TAMPER: (EventType.TAMPER, None),
    Log.SYSTEM_LOCKED: (EventType.ACCESS_LOCKOUT, "wrong_code_limit"),
    Log.HIGH_TEMPERATURE: (EventType.DEVICE_SUSPECT, "high_temperature"),
    Log.DOOR_AJAR: (EventType.DOOR_OPENED, "left_open"),
    Log.UNLOCK_TIMEOUT: (EventType.LOCK_JAMMED, "unlock_timeout"),
    Log.LOCK_TIMEOUT: (EventType.LOCK_JAMMED, "lock_timeout"),
}
_MEANS_NOTHING: Final[Mapping[int, str]] = {
    Log.POWER_ON: "what it cost the clock, the next check of the clock finds",
    Log.CARD_ADDED: "what cards there are, listing them tells",
    Log.CARDS_CLEARED: "what cards there are, listing them tells",
    Log.CARD_DELETED: "what cards there are, listing them tells",
    Log.FINGERPRINT_ADDED: "what fingers there are, listing them tells",
    Log.FINGERPRINT_DELETED: "what fingers there are, listing them tells",
    Log.FINGERPRINTS_CLEARED: "what fingers there are, listing them tells",
    Log.ROLLER_KEY: "which way the shutter went, no public source tells",
    Log.CAR_LEFT: "of parking locks; nothing opened",
    Log.KEYPAD_BATTERY: "the battery of an accessory, not of the lock",
    Log.DEADBOLT_ON: "the inner bolt, which no word of ours tells apart from the lock's",
    Log.DEADBOLT_OFF: "the inner bolt, which no word of ours tells apart from the lock's",
    Log.FACE_ADDED: "faces are not managed here",
    Log.FACE_DELETED: "faces are not managed here",
    Log.FACES_CLEARED: "faces are not managed here",
    Log.FIRST_OF_TWO_APP: "nothing opened: a second person is awaited",
    Log.FIRST_OF_TWO_CODE: "nothing opened: a second person is awaited",
    Log.FIRST_OF_TWO_FINGERPRINT: "nothing opened: a second person is awaited",
    Log.FIRST_OF_TWO_CARD: "nothing opened: a second person is awaited",
    Log.FIRST_OF_TWO_FACE: "nothing opened: a second person is awaited",
    Log.FIRST_OF_TWO_REMOTE: "nothing opened: a second person is awaited",
    Log.FIRST_OF_TWO_PALM: "nothing opened: a second person is awaited",
    Log.PALM_ADDED: "palms are not managed here",
    Log.PALM_DELETED: "palms are not managed here",
    Log.PALMS_CLEARED: "palms are not managed here",
    Log.FIRST_OF_TWO_ACCESSORY: "nothing opened: a second person is awaited",
    Log.ACCESSORY_ADDED: "accessories are not managed here",
    Log.ACCESSORY_DELETED: "accessories are not managed here",
    Log.ACCESSORIES_CLEARED: "accessories are not managed here",
}


def told_in(
    record: Record,
    slot_of: Callable[[KeyedHash], int | None],
    hash_of: Callable[[Secret], KeyedHash],
    zone: tzinfo,
    *,
    emptied: bool,
    medium: KeyedHash | None = None,
) -> Sequence[DeviceEvent]:
    """What a record means; nothing for those of `_MEANS_NOTHING` and those without a name.

    A change of codes is old when the log is read, and the slot may have been written since: it is
    told as one over the air, which makes the house read the slot. "All codes were cleared" is
    told as done at the door only when the lock holds none now (`emptied`). `medium`: the card or
    finger, known again.
    """
    slot, code = None, None
    for digits in (record.code, record.other):
        if slot is None and digits is not None:
            code = hash_of(digits)
            slot = slot_of(code)
    change = _CHANGED.get(record.type)
    if change is not None:
        return () if slot is None else (SlotChanged(slot, change, at_lock=False),)
    if record.type in _CLEARED:
        return (SlotChanged(None, SlotChange.REMOVED, at_lock=emptied),)
    happened = _happened(record.type)
    if happened is None:
        return ()
    event, method, reason = happened
    if method is Method.CODE and slot is None:
        method = Method.KEYPAD
    return (
        Happening(
            event,
            method,
            slot if method is Method.CODE else None,
            reason,
            instant_of(record.date6, zone),
            from_log=True,
            # A code of ours that the lock refused by its own clock: it keeps windows.
            schedule_refused=record.type == Log.CODE_EXPIRED and slot is not None,
            medium=medium,
            code=code if method is Method.CODE else None,
        ),
    )


def _happened(type_: int) -> tuple[EventType, Method, str | None] | None:
    if type_ in _UNLOCKED_BY:
        return EventType.LOCK_UNLOCKED, _UNLOCKED_BY[type_], None
    if type_ in _LOCKED_BY:
        return EventType.LOCK_LOCKED, _LOCKED_BY[type_], None
    if type_ in _DENIED:
        method, reason = _DENIED[type_]
        return EventType.ACCESS_DENIED, method, reason
    if type_ in _OTHER:
        event, told = _OTHER[type_]
        return event, Method.UNKNOWN, told
    return None


def battery_in(record: Record) -> Measured | None:
    percent = record.battery_percent
    return Measured(battery_percent=percent) if percent <= 100 else None
