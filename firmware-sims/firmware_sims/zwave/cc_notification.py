"""Notification (CC:0071), version 8: what a lock tells when something has happened.

Here: the firmware's events as notification type, event and parameters; the questions a host may
ask. Event numbers are those of the list of assigned notifications (SDS13713).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_sims.firmware.model import ALL_SLOTS, Answer, Kind, Source
from firmware_sims.zwave import cc_credential, cc_user_code
from firmware_sims.zwave.commands import CC, Commands, Get, Set, housekeeping

if TYPE_CHECKING:
    from firmware_sims.firmware.model import FirmwareEvent
    from firmware_sims.zwave.application import ZwaveApplication

ACCESS_CONTROL, HOME_SECURITY, POWER_MANAGEMENT = 0x06, 0x07, 0x08
IDLE, JAMMED = 0x00, 0x0B
KEYPAD_LOCK, KEYPAD_UNLOCK = 0x05, 0x06
CREDENTIAL_LOCK, CREDENTIAL_UNLOCK, INVALID_CREDENTIAL = 0x23, 0x24, 0x32
_BY_CREDENTIAL = {KEYPAD_LOCK: CREDENTIAL_LOCK, KEYPAD_UNLOCK: CREDENTIAL_UNLOCK}
CODE_DELETED, CODE_ADDED, CODE_IS_DUPLICATE = 0x0D, 0x0E, 0x0F
ALL_CODES_DELETED = 0x0C
_OF_CODES = frozenset({ALL_CODES_DELETED, CODE_DELETED, CODE_ADDED, CODE_IS_DUPLICATE})

_BY_SOURCE = {
    (Kind.LOCKED, Source.RADIO): 0x03,
    (Kind.UNLOCKED, Source.RADIO): 0x04,
    (Kind.LOCKED, Source.KEYPAD): KEYPAD_LOCK,
    (Kind.UNLOCKED, Source.KEYPAD): KEYPAD_UNLOCK,
}
_ACCESS = {
    Kind.MANUAL_LOCKED: 0x01,
    Kind.KEY_LOCKED: 0x01,
    Kind.ONE_TOUCH_LOCKED: 0x01,
    Kind.MANUAL_UNLOCKED: 0x02,
    Kind.KEY_UNLOCKED: 0x02,
    Kind.AUTO_LOCKED: 0x09,
    Kind.JAMMED: JAMMED,
    Kind.WRONG_CODE_LIMIT: 0x10,
}
_WITH_USER = (KEYPAD_LOCK, KEYPAD_UNLOCK, CODE_DELETED, CODE_ADDED, CODE_IS_DUPLICATE)


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification, before it has a sequence number."""

    type: int
    event: int
    parameters: bytes = b""


def of_event(app: ZwaveApplication, event: FirmwareEvent) -> Notification | None:
    """What this lock says to an event; None where it says nothing."""
    number = _access_event(app, event)
    if number is not None:
        parameters = b""
        if app.version(CC.USER_CREDENTIAL):
            if number in _OF_CODES:
                return None  # told by reports of the users and their credentials
            if number in _BY_CREDENTIAL and event.slot is not None:
                number, parameters = _BY_CREDENTIAL[number], cc_credential.usage(app, event.slot)
        elif number in _WITH_USER and event.slot is not None:
            parameters = user_parameter(app, event.slot)
        return Notification(ACCESS_CONTROL, number, parameters)
    match event.kind:
        case Kind.UNLOCK_INVALID_CODE if app.version(CC.USER_CREDENTIAL):
            return Notification(ACCESS_CONTROL, INVALID_CREDENTIAL)
        case Kind.JAM_CLEARED:
            return Notification(ACCESS_CONTROL, IDLE, bytes((JAMMED,)))
        case Kind.TAMPERED:
            return Notification(HOME_SECURITY, 0x03)
        case Kind.DOOR_FORCED if app.firmware.profile.has_door_sensor:
            return Notification(HOME_SECURITY, 0x02)
        case Kind.POWER_CYCLED:
            return Notification(POWER_MANAGEMENT, 0x01)
    return None


def _access_event(app: ZwaveApplication, event: FirmwareEvent) -> int | None:
    match event.kind:
        case Kind.LOCKED | Kind.UNLOCKED:
            return _BY_SOURCE.get((event.kind, event.source))
        case Kind.CODE_DELETED:
            return ALL_CODES_DELETED if event.slot == ALL_SLOTS else CODE_DELETED
        case Kind.CODE_ADDED | Kind.CODE_CHANGED:
            return CODE_ADDED
        case Kind.DOOR_OPENED | Kind.DOOR_CLOSED if app.firmware.profile.has_door_sensor:
            return 0x16 if event.kind is Kind.DOOR_OPENED else 0x17
    return _ACCESS.get(event.kind)


def user_parameter(app: ZwaveApplication, slot: int) -> bytes:
    """Who it was: a User Code Report with its digits kept back, or on some models the bare id."""
    if app.event_user == "byte":
        return bytes((slot & 0xFF,))
    return cc_user_code.report(app, slot, masked=True)


def report(notification: Notification, sequence: int | None = None) -> bytes:
    """CC:0071.04.05: no version 1 alarm, status on."""
    length = len(notification.parameters) | (0x80 if sequence is not None else 0)
    head = (CC.NOTIFICATION, 0x05, 0, 0, 0, 0xFF, notification.type, notification.event, length)
    tail = b"" if sequence is None else bytes((sequence & 0xFF,))
    return bytes(head) + notification.parameters + tail


def _events(app: ZwaveApplication) -> dict[int, set[int]]:
    door = {0x16, 0x17} if app.firmware.profile.has_door_sensor else set()
    access = {*_BY_SOURCE.values(), *_ACCESS.values(), *_OF_CODES, *door}
    if app.version(CC.USER_CREDENTIAL):
        access -= {*_BY_CREDENTIAL, *_OF_CODES}
        access |= {*_BY_CREDENTIAL.values(), INVALID_CREDENTIAL}
    return {
        ACCESS_CONTROL: access,
        HOME_SECURITY: {0x03} | ({0x02} if door else set()),
        POWER_MANAGEMENT: {0x01},
    }


def _mask(numbers: set[int]) -> bytes:
    bits = sum(1 << number for number in numbers)
    return bits.to_bytes(max(numbers) // 8 + 1, "little")


def _event_supported(app: ZwaveApplication, payload: bytes) -> bytes:
    events = _events(app).get(payload[0])
    mask = b"" if events is None else _mask(events)
    return bytes((CC.NOTIFICATION, 0x02, payload[0], len(mask))) + mask


def _supported(app: ZwaveApplication, _payload: bytes) -> bytes:
    mask = _mask(set(_events(app)))
    return bytes((CC.NOTIFICATION, 0x08, len(mask))) + mask


def _get(app: ZwaveApplication, payload: bytes) -> Get:
    """The state of what lasts: the door, a jam. Everything else is idle."""
    wanted, event = payload[1], payload[2] if len(payload) > 2 else 0

    def apply() -> bytes:
        bolt = app.firmware.bolt
        state = IDLE
        if wanted == ACCESS_CONTROL:
            if event in (0x16, 0x17) and app.firmware.profile.has_door_sensor:
                state = 0x16 if bolt.door_open else 0x17
            elif event in (0, JAMMED) and app.jam_told:
                state = JAMMED
        return report(Notification(wanted, state))

    return Get("get_notification", apply)


def _set(app: ZwaveApplication, payload: bytes) -> Set:
    """Unsolicited notifications of a type may be told off and on (CC:0071.02.06)."""

    def apply() -> Answer:
        if payload[0] not in _events(app):
            return Answer.INVALID
        app.silenced.discard(payload[0])
        if not payload[1]:
            app.silenced.add(payload[0])
        app.firmware.changed()
        return Answer.OK

    return Set("cc.notification_set", apply)


COMMANDS: Commands = {
    (CC.NOTIFICATION, 0x01): housekeeping("notification_events_get", _event_supported),
    (CC.NOTIFICATION, 0x04): _get,
    (CC.NOTIFICATION, 0x06): _set,
    (CC.NOTIFICATION, 0x07): housekeeping("notification_types_get", _supported),
}
