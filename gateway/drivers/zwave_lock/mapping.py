"""What a lock's words mean: pure translation from notifications, values and log records to ours.

Z-Wave JS tells on two channels: events as notifications (the bolt was moved, a code was added), and
states as values (jammed, the door, the keypad, batteries). A state that has ended is the value 0.
Not here: asking (session, interview). Digits stop here: no result of this module carries them.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from gateway.domain.events import EventType, Method
from gateway.domain.instant import from_datetime
from gateway.drivers.api import DeviceEvent, Happening, Measured, SlotChange, SlotChanged
from gateway.drivers.zwave_lock import wire
from gateway.drivers.zwave_lock.wire import Access, Log, Maintenance, Mode, Security
from gateway.radios.command_classes import Notified, ValueTold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.domain.instant import Instant

_LOCKED, _UNLOCKED = EventType.LOCK_LOCKED, EventType.LOCK_UNLOCKED

_OPERATIONS: Final[Mapping[int, tuple[EventType, Method]]] = {
    Access.MANUAL_LOCK: (_LOCKED, Method.MANUAL),
    Access.MANUAL_UNLOCK: (_UNLOCKED, Method.MANUAL),
    Access.RF_LOCK: (_LOCKED, Method.REMOTE),
    Access.RF_UNLOCK: (_UNLOCKED, Method.REMOTE),
    Access.KEYPAD_LOCK: (_LOCKED, Method.CODE),
    Access.KEYPAD_UNLOCK: (_UNLOCKED, Method.CODE),
    Access.CREDENTIAL_LOCK: (_LOCKED, Method.CODE),
    Access.CREDENTIAL_UNLOCK: (_UNLOCKED, Method.CODE),
    Access.AUTO_LOCK: (_LOCKED, Method.AUTO_LOCK),
}
_NOT_FULLY: Final[Mapping[int, Method]] = {
    Access.MANUAL_NOT_FULLY: Method.MANUAL,
    Access.RF_NOT_FULLY: Method.REMOTE,
    Access.AUTO_NOT_FULLY: Method.AUTO_LOCK,
}
_DENIALS: Final[Mapping[int, tuple[str, Method]]] = {
    Access.RF_UNLOCK_WRONG: ("unknown_code", Method.REMOTE),
    Access.RF_LOCK_WRONG: ("unknown_code", Method.REMOTE),
    Access.DENIED_DISABLED: ("disabled", Method.CODE),
    Access.DENIED_SCHEDULE: ("schedule", Method.CODE),
    Access.DENIED_TOO_FEW: ("too_few_credentials", Method.CODE),
    Access.DENIED_INVALID: ("unknown_code", Method.KEYPAD),
    Access.NON_ACCESS: ("non_access_user", Method.CODE),
}
_CHANGES: Final[Mapping[int, SlotChange]] = {
    Access.CODE_ADDED: SlotChange.ADDED,
    Access.CODE_DELETED: SlotChange.REMOVED,
}
_LOCKOUTS: Final = frozenset({Access.KEYPAD_DISABLED, Access.CODE_LIMIT})
_TAMPERS: Final[Mapping[int, DeviceEvent]] = {
    Security.INTRUSION_PLACE: Happening(EventType.DOOR_FORCED),
    Security.INTRUSION: Happening(EventType.DOOR_FORCED),
    Security.COVER_REMOVED: Happening(EventType.TAMPER, reason="cover_removed"),
    Security.MOVED: Happening(EventType.TAMPER, reason="moved"),
    Security.INVALID_CODE: Happening(EventType.ACCESS_DENIED, Method.KEYPAD, reason="unknown_code"),
}
FRESH: Final = 50
"""Percent. A battery that was low and reads this much is another one."""
_USAGE_HEADS: Final[Mapping[int, int]] = {
    Access.CREDENTIAL_LOCK: 3,
    Access.CREDENTIAL_UNLOCK: 3,
    Access.DENIED_DISABLED: 3,
    Access.DENIED_SCHEDULE: 3,
    Access.DENIED_TOO_FEW: 3,
    Access.NON_ACCESS: 2,
}
"""Octets before the credentials: the user, two, and but for the last how many credentials there
are (`@zwave-js/core`, registries/Notifications.ts)."""
_USAGE_ITEM: Final = 3
"""Octets of one credential: its type, and its place in two."""
_JAMMED: Final = Happening(EventType.LOCK_JAMMED)
_JAM_CLEARED: Final = Happening(EventType.LOCK_JAM_CLEARED)

_LOGGED: Final[Mapping[int, tuple[EventType, Method]]] = {
    Log.LOCK_CODE: (_LOCKED, Method.CODE),
    Log.UNLOCK_CODE: (_UNLOCKED, Method.CODE),
    Log.LOCK_BUTTON: (_LOCKED, Method.KEYPAD),
    Log.UNLOCK_BUTTON: (_UNLOCKED, Method.KEYPAD),
    Log.LOCK_MANUAL: (_LOCKED, Method.MANUAL),
    Log.UNLOCK_MANUAL: (_UNLOCKED, Method.MANUAL),
    Log.LOCK_MANUAL_2: (_LOCKED, Method.MANUAL),
    Log.UNLOCK_MANUAL_2: (_UNLOCKED, Method.MANUAL),
    Log.LOCK_AUTO: (_LOCKED, Method.AUTO_LOCK),
    Log.UNLOCK_AUTO: (_UNLOCKED, Method.AUTO_LOCK),
    Log.LOCK_REMOTE_CODE: (_LOCKED, Method.REMOTE),
    Log.UNLOCK_REMOTE_CODE: (_UNLOCKED, Method.REMOTE),
    Log.LOCK_REMOTE: (_LOCKED, Method.REMOTE),
    Log.UNLOCK_REMOTE: (_UNLOCKED, Method.REMOTE),
    Log.SECURED: (_LOCKED, Method.UNKNOWN),
    Log.UNSECURED: (_UNLOCKED, Method.UNKNOWN),
}
_LOGGED_DENIALS: Final[Mapping[int, tuple[str, Method]]] = {
    Log.LOCK_OUT_OF_SCHEDULE: ("schedule", Method.CODE),
    Log.UNLOCK_OUT_OF_SCHEDULE: ("schedule", Method.CODE),
    Log.LOCK_REMOTE_OUT_OF_SCHEDULE: ("schedule", Method.REMOTE),
    Log.UNLOCK_REMOTE_OUT_OF_SCHEDULE: ("schedule", Method.REMOTE),
    Log.ILLEGAL_CODE: ("unknown_code", Method.KEYPAD),
    Log.REMOTE_ILLEGAL_CODE: ("unknown_code", Method.REMOTE),
}


def slot_of(user_id: object, slots: int) -> int | None:
    """Our slot number for a user id; None for nobody, and for ids beyond (a master code's)."""
    if isinstance(user_id, bool) or not isinstance(user_id, int):
        return None
    return user_id if 1 <= user_id <= slots else None


def translate(
    event: object, slots: int, ours: frozenset[int], *, has_door: bool
) -> Sequence[DeviceEvent]:
    """Everything a lock may say by itself; nothing for what is not a lock's to say.

    `ours`: slots that we are writing to at this moment. `has_door`: it has a door sensor; a lock
    without one tells of a door all the same.
    """
    if isinstance(event, Notified) and event.command_class == wire.NOTIFICATION:
        return _notified(event, slots, ours)
    if isinstance(event, Notified) and event.command_class == wire.BATTERY:
        return (Measured(battery_low=True),)  # the only one there is (CCHandlers/BatteryCC.js)
    if isinstance(event, ValueTold):
        return _value(event, has_door=has_door)
    return ()


def _notified(event: Notified, slots: int, ours: frozenset[int]) -> Sequence[DeviceEvent]:
    if event.type == wire.HOME_SECURITY:
        tamper = _TAMPERS.get(event.event)
        return () if tamper is None else (tamper,)
    if event.type == wire.POWER:
        return _battery_state(event.event)
    if event.type != wire.ACCESS_CONTROL:
        return ()
    slot = slot_of(_user_of(event), slots)
    if event.event in _OPERATIONS:
        type_, method = _OPERATIONS[event.event]
        return (Happening(type_, _method(method, slot), slot),)
    if event.event in _NOT_FULLY:
        why = "not_fully_locked"
        return (Happening(EventType.LOCK_JAMMED, _NOT_FULLY[event.event], reason=why),)
    if event.event in _DENIALS:
        reason, method = _DENIALS[event.event]
        return (_denied(reason, method, slot),)
    if event.event == Access.ALL_CODES_DELETED:
        return (SlotChanged(None, SlotChange.REMOVED, at_lock=True),)
    if event.event in _CHANGES and slot is not None:
        # Nobody says who did it: the lock tells of our own writes in the same words.
        return (SlotChanged(slot, _CHANGES[event.event], at_lock=slot not in ours),)
    return _access_state(event.event) if event.event != Access.IDLE else ()


def _user_of(event: Notified) -> object:
    """By name, or out of the octets that tell of a credential, which Z-Wave JS 15 does not read
    (zwave-js/zwave-js#8979). The place of a PIN counts before its user: slots are what is read and
    written."""
    raw, head = event.parameters.get("raw"), _USAGE_HEADS.get(event.event)
    if head is None or not isinstance(raw, bytes) or len(raw) < head:
        return event.parameters.get("userId")
    for at in range(head, len(raw) - _USAGE_ITEM + 1, _USAGE_ITEM):
        if raw[at] == wire.CREDENTIAL_PIN:
            return int.from_bytes(raw[at + 1 : at + _USAGE_ITEM], "big")
    return int.from_bytes(raw[:2], "big")


def _denied(reason: str, method: Method, slot: int | None, at: Instant | None = None) -> Happening:
    refused = reason == "schedule"
    return Happening(
        EventType.ACCESS_DENIED,
        _method(method, slot),
        slot,
        reason,
        at,
        schedule_refused=refused,
    )


def _method(method: Method, slot: int | None) -> Method:
    return Method.KEYPAD if method is Method.CODE and slot is None else method


def _access_state(value: int) -> Sequence[DeviceEvent]:
    if value == Access.JAMMED:
        return (_JAMMED,)
    if value in _LOCKOUTS:
        return (Happening(EventType.ACCESS_LOCKOUT, reason="wrong_code_limit"),)
    if value in (Access.DOOR_OPEN, Access.DOOR_CLOSED):
        return (Measured(door_open=value == Access.DOOR_OPEN),)
    return ()


def _battery_state(value: int) -> Sequence[DeviceEvent]:
    return (Measured(battery_low=True),) if value in frozenset(Maintenance) else ()


def is_jam(event: object) -> bool:
    """On either channel."""
    if isinstance(event, Notified):
        return (event.type, event.event) == (wire.ACCESS_CONTROL, Access.JAMMED)
    return isinstance(event, ValueTold) and _value(event, has_door=False) == (_JAMMED,)


def _value(event: ValueTold, *, has_door: bool) -> Sequence[DeviceEvent]:
    value = event.value
    match event.command_class, event.property, event.property_key:
        case wire.DOOR_LOCK, "currentMode", None if value in (Mode.UNSECURED, Mode.SECURED):
            return (Measured(locked=value == Mode.SECURED),)
        case wire.DOOR_LOCK, "currentMode", None if isinstance(value, int):
            return () if value == Mode.UNKNOWN else (Measured(locked=False),)
        case wire.DOOR_LOCK, "doorStatus", None if has_door and value in ("open", "closed"):
            return (Measured(door_open=value == "open"),)
        case wire.BATTERY, "level", None if (level := percent(value)) is not None:
            return (battery(level),)
        case wire.BATTERY, "rechargeOrReplace", None if isinstance(value, int):
            return (Measured(battery_low=value != 0),)
        case wire.NOTIFICATION, wire.ACCESS_VALUES, wire.LOCK_STATE if value == Access.IDLE:
            return (_JAM_CLEARED,)
        case wire.NOTIFICATION, wire.ACCESS_VALUES, key if isinstance(value, int):
            known = (wire.LOCK_STATE, wire.KEYPAD_STATE, wire.DOOR_STATE, wire.DOOR_STATE_SIMPLE)
            return _access_state(value) if key in known else ()
        case wire.NOTIFICATION, wire.SECURITY_VALUES, _ if isinstance(value, int):
            tamper = _TAMPERS.get(value)
            return () if tamper is None else (tamper,)
        case wire.NOTIFICATION, wire.POWER_VALUES, wire.BATTERY_STATE if isinstance(value, int):
            return _battery_state(value)
        case _:
            return ()


def measured(told: Mapping[str, object], *, has_door: bool) -> Measured:
    """From `DoorLock.get()`."""
    mode, door = told.get("currentMode"), told.get("doorStatus")
    known = isinstance(mode, int) and mode != Mode.UNKNOWN
    return Measured(
        locked=mode == Mode.SECURED if known else None,
        door_open=door == "open" if has_door and door in ("open", "closed") else None,
    )


def percent(level: object) -> int | None:
    """A battery's level; what is beyond 100 is no level (CC:0080)."""
    return level if isinstance(level, int) and 0 <= level <= 100 else None


def battery(level: int) -> Measured:
    """A lock says that its battery is low, and never that it no longer is: its level does."""
    return Measured(battery_percent=level, battery_low=False if level >= FRESH else None)


# ── the lock's own log ──────────────────────────────────────────────────────────────────


def logged(record: Mapping[str, object], slots: int) -> Happening | None:
    """A `DoorLockLoggingRecord`; None for those that are not about the door.

    What was done with codes is left out: the slots themselves are read.
    """
    kind, slot = record.get("eventType"), slot_of(record.get("userId"), slots)
    at = time_of(record)
    if not isinstance(kind, int):
        return None
    if kind in _LOGGED:
        type_, method = _LOGGED[kind]
        return Happening(type_, _method(method, slot), slot, None, at, from_log=True)
    if kind in _LOGGED_DENIALS:
        reason, method = _LOGGED_DENIALS[kind]
        return Happening(
            EventType.ACCESS_DENIED,
            _method(method, slot),
            slot,
            reason,
            at,
            from_log=True,
            schedule_refused=reason == "schedule",
        )
    return None


def time_of(record: Mapping[str, object]) -> Instant | None:
    """The lock's local time, made an instant by Z-Wave JS in its own zone, which is the site's."""
    stamp = record.get("timestamp")
    try:
        moment = datetime.fromisoformat(stamp) if isinstance(stamp, str) else None
    except ValueError:
        return None
    return None if moment is None or moment.tzinfo is None else from_datetime(moment)
