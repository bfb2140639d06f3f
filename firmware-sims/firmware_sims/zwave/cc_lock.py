"""Door Lock (CC:0062) and Basic: the bolt.

Here: versions 1, 2 and 4, constant operation only. Not here: who moved it, which notifications tell
(`cc_notification`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.firmware.model import Answer, BoltState
from firmware_sims.zwave.commands import CC, Commands, Get, Set

if TYPE_CHECKING:
    from firmware_sims.zwave.application import ZwaveApplication

UNSECURED, SECURED, UNKNOWN = 0x00, 0xFF, 0xFE
NO_TIMEOUT = 0xFE
_CONSTANT = 1


def _mode(app: ZwaveApplication) -> int:
    match app.firmware.bolt.state:
        case BoltState.LOCKED:
            return SECURED
        case BoltState.UNLOCKED:
            return UNSECURED
        case _:
            return UNKNOWN


def operation_report(app: ZwaveApplication) -> bytes:
    """CC:0062.01.03: the door's bit is 1 for closed, the bolt's 1 for unlocked."""
    bolt = app.firmware.bolt
    closed = not (bolt.door_open and app.firmware.profile.has_door_sensor)
    condition = closed | (bolt.state is not BoltState.LOCKED) << 1 | closed << 2
    report = bytes((CC.DOOR_LOCK, 0x03, _mode(app), 0, condition, NO_TIMEOUT, NO_TIMEOUT))
    if app.version(CC.DOOR_LOCK) < 3:
        return report
    target = SECURED if bolt.wanted is BoltState.LOCKED else UNSECURED
    return report + bytes((target, 0))


def _move(app: ZwaveApplication, target: BoltState) -> Set:
    def apply() -> Answer:
        answer = app.firmware.operate_by_radio(target, None)
        if answer is Answer.OK and app.firmware.bolt.state is not target:
            return Answer.FAILURE  # it is stuck half way
        return answer

    return Set("lock_door" if target is BoltState.LOCKED else "unlock_door", apply)


def _operation_set(app: ZwaveApplication, payload: bytes) -> Set:
    targets = {SECURED: BoltState.LOCKED, UNSECURED: BoltState.UNLOCKED}
    if payload[0] not in targets:
        return Set("lock_door", lambda: Answer.INVALID)
    return _move(app, targets[payload[0]])


def _basic_set(app: ZwaveApplication, payload: bytes) -> Set:
    """CC:0062, mapping of Basic: 0 is unsecured, everything else secured."""
    return _move(app, BoltState.LOCKED if payload[0] else BoltState.UNLOCKED)


def _basic_get(app: ZwaveApplication, _payload: bytes) -> Get:
    return Get(
        "get_operation", lambda: bytes((CC.BASIC, 0x03, 0 if _mode(app) == UNSECURED else 0xFF))
    )


def _operation_get(app: ZwaveApplication, _payload: bytes) -> Get:
    return Get("get_operation", lambda: operation_report(app))


def _configuration_set(app: ZwaveApplication, payload: bytes) -> Set:
    operation, timed = payload[0], payload[2:4]
    relock = int.from_bytes(payload[4:6], "big")

    def apply() -> Answer:
        if operation != _CONSTANT or any(value < NO_TIMEOUT for value in timed):
            return Answer.INVALID
        if len(payload) >= 6:
            app.firmware.settings["auto_relock_s"] = relock
            app.firmware.changed()
        return Answer.OK

    return Set("set_lock_configuration", apply)


def _configuration_get(app: ZwaveApplication, _payload: bytes) -> Get:
    def apply() -> bytes:
        report = bytes((CC.DOOR_LOCK, 0x06, _CONSTANT, 0, NO_TIMEOUT, NO_TIMEOUT))
        if app.version(CC.DOOR_LOCK) < 4:
            return report
        relock = int(app.firmware.settings["auto_relock_s"])
        return report + relock.to_bytes(2, "big") + bytes(3)

    return Get("get_lock_configuration", apply)


def _capabilities_get(app: ZwaveApplication, _payload: bytes) -> Get:
    """CC:0062.04.08: constant operation, modes 00 and FF, bolt and door, auto-relock."""
    door = app.firmware.profile.has_door_sensor
    components = 0b010 | door
    report = bytes((CC.DOOR_LOCK, 0x08, 1, 0b10, 2, UNSECURED, SECURED, 0, components, 0b1000))
    return Get("get_lock_capabilities", lambda: report)


BASIC: Commands = {(CC.BASIC, 0x01): _basic_set, (CC.BASIC, 0x02): _basic_get}

DOOR_LOCK: Commands = {
    (CC.DOOR_LOCK, 0x01): _operation_set,
    (CC.DOOR_LOCK, 0x02): _operation_get,
    (CC.DOOR_LOCK, 0x04): _configuration_set,
    (CC.DOOR_LOCK, 0x05): _configuration_get,
}
DOOR_LOCK_V4: Commands = {(CC.DOOR_LOCK, 0x07): _capabilities_get}
