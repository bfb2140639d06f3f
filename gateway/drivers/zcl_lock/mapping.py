"""What a lock's words mean: pure translation from radio events and attributes to ours.

Not here: asking (session), wall time (schedules). Digits that arrive in events stop here: no
result of this module carries them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.capabilities import Capabilities, CodeLimits, ScheduleSupport
from gateway.domain.events import EventType, Method
from gateway.drivers.api import DeviceEvent, Happening, Measured, SlotChange, SlotChanged
from gateway.drivers.zcl_lock import wire
from gateway.drivers.zcl_lock.schedules import device_time
from gateway.drivers.zcl_lock.wire import Attr, Operation, Programming, Source
from gateway.errors import Refusal
from gateway.radios.api import AttributeReported, ClusterCommandReceived, RadioEvent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from gateway.drivers.zcl_lock.facts import ModelFacts

_METHODS: Mapping[object, Method] = {
    Source.KEYPAD: Method.CODE,
    Source.RF: Method.REMOTE,
    Source.MANUAL: Method.MANUAL,
    Source.RFID: Method.CARD,
}

# The event code says the method where it can, the source where it cannot (None).
_OPERATIONS: Mapping[int, tuple[EventType, Method | None]] = {
    Operation.LOCK: (EventType.LOCK_LOCKED, None),
    Operation.UNLOCK: (EventType.LOCK_UNLOCKED, None),
    Operation.ONE_TOUCH_LOCK: (EventType.LOCK_LOCKED, Method.KEYPAD),
    Operation.KEY_LOCK: (EventType.LOCK_LOCKED, Method.MECHANICAL_KEY),
    Operation.KEY_UNLOCK: (EventType.LOCK_UNLOCKED, Method.MECHANICAL_KEY),
    Operation.AUTO_LOCK: (EventType.LOCK_LOCKED, Method.AUTO_LOCK),
    Operation.SCHEDULE_LOCK: (EventType.LOCK_LOCKED, Method.SCHEDULE),
    Operation.SCHEDULE_UNLOCK: (EventType.LOCK_UNLOCKED, Method.SCHEDULE),
    Operation.MANUAL_LOCK: (EventType.LOCK_LOCKED, Method.MANUAL),
    Operation.MANUAL_UNLOCK: (EventType.LOCK_UNLOCKED, Method.MANUAL),
}
_DENIALS: Mapping[int, str] = {
    Operation.LOCK_INVALID_PIN: "unknown_code",
    Operation.UNLOCK_INVALID_PIN: "unknown_code",
    Operation.LOCK_INVALID_SCHEDULE: "schedule",
    Operation.UNLOCK_INVALID_SCHEDULE: "schedule",
    Operation.NON_ACCESS_USER: "non_access_user",
}
_CHANGES: Mapping[object, SlotChange] = {
    Programming.PIN_ADDED: SlotChange.ADDED,
    Programming.PIN_DELETED: SlotChange.REMOVED,
    Programming.PIN_CHANGED: SlotChange.CHANGED,
}
_ALARMS: Mapping[int, Sequence[DeviceEvent]] = {
    wire.Alarm.JAMMED: (Happening(EventType.LOCK_JAMMED),),
    wire.Alarm.FACTORY_RESET: (
        Happening(EventType.DEVICE_SUSPECT, reason="factory_reset"),
        SlotChanged(None, SlotChange.REMOVED, at_lock=True),
    ),
    wire.Alarm.WRONG_CODE_LIMIT: (Happening(EventType.ACCESS_LOCKOUT, reason="wrong_code_limit"),),
    wire.Alarm.FRONT_REMOVED: (Happening(EventType.TAMPER, reason="front_removed"),),
    wire.Alarm.FORCED_OPEN: (Happening(EventType.DOOR_FORCED),),
}

# Status values that every command may have (ZCL revision 8, 2.6.3).
_REFUSALS: Mapping[int, Refusal] = {
    wire.Status.NOT_AUTHORIZED: Refusal.NOT_AUTHORISED,
    wire.Status.MALFORMED_COMMAND: Refusal.INVALID,
    wire.Status.UNSUP_CLUSTER_COMMAND: Refusal.UNSUPPORTED,
    wire.Status.INVALID_FIELD: Refusal.INVALID,
    wire.Status.UNSUPPORTED_ATTRIBUTE: Refusal.UNSUPPORTED,
    wire.Status.INVALID_VALUE: Refusal.INVALID,
    wire.Status.READ_ONLY: Refusal.UNSUPPORTED,
    wire.Status.INSUFFICIENT_SPACE: Refusal.FULL,
    wire.Status.ACTION_DENIED: Refusal.NOT_AUTHORISED,
    wire.Status.TIMEOUT: Refusal.BUSY,
    wire.Status.WAIT_FOR_DATA: Refusal.BUSY,
}


def refusal_of(status: int) -> Refusal:
    return _REFUSALS.get(status, Refusal.FAILED)


def set_pin_refusal_of(status: int) -> Refusal:
    """set_pin_code_response has status values of its own (7.3.2.17.6)."""
    if status == wire.SET_PIN_FULL:
        return Refusal.FULL
    if status == wire.SET_PIN_DUPLICATE:
        return Refusal.DUPLICATE
    return refusal_of(status)


def slot_of(user_id: object, facts: ModelFacts) -> int | None:
    """Our slot number for a user id in an event; None for nobody, everybody, or the master."""
    if not isinstance(user_id, int) or user_id == wire.NO_USER:
        return None
    if facts.byte_swapped_user_id and user_id >= 256:
        user_id >>= 8
    slot = user_id - facts.slot_offset
    return slot if slot >= 1 else None


def capabilities_of(
    attributes: Mapping[str, object],
    facts: ModelFacts,
    *,
    sleepy: bool,
    has_clock: bool,
    reads_slots: bool,
) -> Capabilities:
    """From the attributes read at the interview (attribute id as text -> value)."""

    def number(attribute: Attr, otherwise: int) -> int:
        value = attributes.get(str(int(attribute)))
        return value if isinstance(value, int) and value > 0 else otherwise

    told = number(Attr.PIN_USERS, facts.slots)
    # Ids run from 0 or from 1, according to the maker. Without an offset of its own, id 0 is left
    # alone (it is the master's on some), and so is the last, which exists only on the latter.
    unsure = not facts.names and told > 1
    slots = told - 1 if unsure else told
    digits = facts.reads_back_digits
    if digits is None:
        digits = bool(attributes.get(str(int(Attr.SEND_PIN_OVER_THE_AIR)), False))
    door = attributes.get(str(int(Attr.DOOR_STATE)))
    keeps = facts.keeps_schedules
    return Capabilities(
        can_remotely_unlock=True,
        can_remotely_lock=True,
        can_program_online_access_codes=True if slots else None,
        reports_events=True,
        reports_attribution=True if slots else None,
        has_door_sensor=True if isinstance(door, int) and door != 0xFF else None,
        has_clock=True if has_clock else None,
        sleepy=sleepy,
        codes=CodeLimits(
            slots=slots,
            min_length=number(Attr.MIN_PIN_LENGTH, 4),
            max_length=number(Attr.MAX_PIN_LENGTH, 8),
            reserved_slots=facts.reserved_slots,
            reads_back_digits=digits and reads_slots,
            reads_back_occupancy=reads_slots,
        )
        if slots
        else None,
        schedules=ScheduleSupport(
            week_day=number(Attr.WEEK_DAY_PER_USER, 0) if keeps else 0,
            year_day=number(Attr.YEAR_DAY_PER_USER, 0) if keeps else 0,
            granularity_s=60,
        ),
    )


def translate(event: RadioEvent, facts: ModelFacts, zone: tzinfo) -> Sequence[DeviceEvent]:
    """Everything this lock may say by itself; nothing for what is not a lock's to say."""
    if isinstance(event, AttributeReported):
        return _attribute(event, facts)
    if not isinstance(event, ClusterCommandReceived):
        return ()
    if event.cluster_id == wire.DOOR_LOCK:
        if event.command_id == wire.Notification.OPERATION:
            return _operation(event.fields, facts, zone)
        if event.command_id == wire.Notification.PROGRAMMING:
            return _programming(event.fields, facts)
    if event.cluster_id == wire.ALARMS and event.command_id == wire.ALARM_COMMAND:
        return _alarm(event.fields)
    return ()


def _operation(
    fields: Mapping[str, object], facts: ModelFacts, zone: tzinfo
) -> Sequence[DeviceEvent]:
    code = fields.get("operation_event_code")
    source = fields.get("operation_event_source")
    if not isinstance(code, int):
        return ()
    slot = slot_of(fields.get("user_id"), facts)
    at = device_time(fields.get("local_time"), zone)
    denial = _DENIALS.get(code)
    if denial is not None:
        return (
            Happening(
                EventType.ACCESS_DENIED,
                _method(source, slot),
                slot,
                denial,
                at,
                schedule_refused=denial == "schedule",
            ),
        )
    known = _OPERATIONS.get(code)
    if known is None:
        return ()
    type_, method = known
    return (Happening(type_, method or _method(source, slot), slot, None, at),)


def _method(source: object, slot: int | None) -> Method:
    method = _METHODS.get(source, Method.UNKNOWN)
    return Method.KEYPAD if method is Method.CODE and slot is None else method


def _programming(fields: Mapping[str, object], facts: ModelFacts) -> Sequence[DeviceEvent]:
    code = fields.get("program_event_code")
    user_id = fields.get("user_id")
    change = _CHANGES.get(code)
    if change is None or not isinstance(user_id, int):
        return ()
    everyone = user_id == wire.NO_USER or (
        change is SlotChange.REMOVED and user_id in wire.ALL_USERS
    )
    slot = None if everyone else slot_of(user_id, facts)
    if slot is None and not everyone:
        return ()  # the master's own place, which has no slot of ours
    at_lock = fields.get("program_event_source") != Source.RF
    return (SlotChanged(slot, change, at_lock),)


def _alarm(fields: Mapping[str, object]) -> Sequence[DeviceEvent]:
    code, cluster = fields.get("alarm_code"), fields.get("cluster_id")
    if not isinstance(code, int):
        return ()
    if cluster == wire.DOOR_LOCK:
        return _ALARMS.get(code, ())
    if cluster == wire.POWER and code == wire.POWER_ALARM_BATTERY_LOW:
        return (Happening(EventType.BATTERY_LOW), Measured(battery_low=True))
    return ()


def _attribute(event: AttributeReported, facts: ModelFacts) -> Sequence[DeviceEvent]:
    value = event.value
    if not isinstance(value, int):
        return ()
    match event.cluster_id, event.attribute:
        case wire.DOOR_LOCK, Attr.LOCK_STATE if value in (0, 1, 2):
            return (Measured(locked=value == 1),)
        case wire.DOOR_LOCK, Attr.DOOR_STATE:
            return _door(value)
        case wire.POWER, wire.BATTERY_PERCENT if value != 0xFF:
            percent = value if facts.battery_full_at_100 else value // 2
            return (Measured(battery_percent=min(percent, 100)),)
        case wire.POWER, wire.BATTERY_ALARM_STATE:
            return (Measured(battery_low=value != 0),)
        case _:
            return ()


def _door(value: int) -> Sequence[DeviceEvent]:
    match value:
        case 0 | 1:
            return (Measured(door_open=value == 0),)
        case 2:
            return (Happening(EventType.LOCK_JAMMED, reason="door"),)
        case 3:
            return (Measured(door_open=True), Happening(EventType.DOOR_FORCED))
        case _:
            return ()
