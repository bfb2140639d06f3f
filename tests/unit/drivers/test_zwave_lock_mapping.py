"""What notifications, values and log records mean; users attributed, digits kept out.

Origin of the numbers: the list of assigned notifications as Z-Wave JS has it
(`@zwave-js/core`, registries/Notifications.js); they are held to it in `tests/wire`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.domain.events import EventType, Method
from gateway.domain.instant import Instant
from gateway.drivers.api import Happening, Measured, SlotChange, SlotChanged
from gateway.drivers.zwave_lock import mapping
from gateway.drivers.zwave_lock.wire import Access, Log, Security
from gateway.radios.command_classes import LifeSign, Notified, ValueTold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.drivers.api import DeviceEvent

ADDRESS = "c0ffee01:17"
NOBODY: frozenset[int] = frozenset()


def notified(
    event: int, type_: int = 6, ours: frozenset[int] = NOBODY, **of: object
) -> Sequence[DeviceEvent]:
    told = Notified(ADDRESS, 0, 0x71, type_, event, of)
    return mapping.translate(told, 30, ours, has_door=True)


def told(
    command_class: int, name: str, key: str | None, value: object, *, has_door: bool = True
) -> Sequence[DeviceEvent]:
    event = ValueTold(ADDRESS, 0, command_class, name, key, value)
    return mapping.translate(event, 30, NOBODY, has_door=has_door)


@pytest.mark.parametrize(
    ("event", "raw", "slot"),
    [
        (Access.CREDENTIAL_UNLOCK, "000201010001", 1),  # zwave-js/zwave-js#8979
        (Access.CREDENTIAL_LOCK, "000401010004", 4),
        (Access.CREDENTIAL_UNLOCK, "000402080001010007", 7),  # a tag and a PIN
        (Access.CREDENTIAL_UNLOCK, "000401080001", 4),
        (Access.CREDENTIAL_UNLOCK, "000400", 4),
        (Access.CREDENTIAL_UNLOCK, "00010101012c", None),  # a place that we do not have
        (Access.CREDENTIAL_UNLOCK, "0004010100", 4),
        (Access.CREDENTIAL_UNLOCK, "00", None),
        (Access.DENIED_DISABLED, "000401010004", 4),
        (Access.DENIED_SCHEDULE, "000401010004", 4),
        (Access.NON_ACCESS, "0004010005", 5),
        (Access.KEYPAD_UNLOCK, "000401010004", None),  # that would be a user code
    ],
)
def test_whose_credential_it_was(event: int, raw: str, slot: int | None) -> None:
    (happening,) = notified(event, raw=bytes.fromhex(raw))
    assert isinstance(happening, Happening)
    assert happening.slot == slot


@pytest.mark.parametrize(
    ("event", "user", "type_", "method", "slot"),
    [
        (Access.MANUAL_LOCK, None, EventType.LOCK_LOCKED, Method.MANUAL, None),
        (Access.MANUAL_UNLOCK, None, EventType.LOCK_UNLOCKED, Method.MANUAL, None),
        (Access.RF_LOCK, None, EventType.LOCK_LOCKED, Method.REMOTE, None),
        (Access.RF_UNLOCK, None, EventType.LOCK_UNLOCKED, Method.REMOTE, None),
        (Access.KEYPAD_LOCK, 4, EventType.LOCK_LOCKED, Method.CODE, 4),
        (Access.KEYPAD_UNLOCK, 4, EventType.LOCK_UNLOCKED, Method.CODE, 4),
        (Access.KEYPAD_LOCK, None, EventType.LOCK_LOCKED, Method.KEYPAD, None),
        (Access.KEYPAD_UNLOCK, 251, EventType.LOCK_UNLOCKED, Method.KEYPAD, None),
        (Access.AUTO_LOCK, None, EventType.LOCK_LOCKED, Method.AUTO_LOCK, None),
        (Access.CREDENTIAL_UNLOCK, 2, EventType.LOCK_UNLOCKED, Method.CODE, 2),
    ],
)
def test_operations(
    event: int, user: int | None, type_: EventType, method: Method, slot: int | None
) -> None:
    parameters: dict[str, Any] = {} if user is None else {"userId": user}
    assert notified(event, **parameters) == (Happening(type_, method, slot),)


@pytest.mark.parametrize("user", [0, -1, 31, 255, "4", True, None])
def test_users_that_are_nobodys_slot(user: object) -> None:
    assert notified(Access.KEYPAD_UNLOCK, userId=user) == (
        Happening(EventType.LOCK_UNLOCKED, Method.KEYPAD),
    )


def test_denials() -> None:
    (late,) = notified(Access.DENIED_SCHEDULE, userId=4)
    assert isinstance(late, Happening)
    assert (late.type, late.slot, late.reason) == (EventType.ACCESS_DENIED, 4, "schedule")
    assert late.schedule_refused
    (wrong,) = notified(Security.INVALID_CODE, type_=7)
    assert isinstance(wrong, Happening)
    assert (wrong.type, wrong.reason) == (EventType.ACCESS_DENIED, "unknown_code")
    assert not wrong.schedule_refused


def test_changes_of_codes_at_the_door_and_by_ourselves() -> None:
    assert notified(Access.CODE_ADDED, userId=4) == (
        SlotChanged(4, SlotChange.ADDED, at_lock=True),
    )
    assert notified(Access.CODE_DELETED, ours=frozenset({4}), userId=4) == (
        SlotChanged(4, SlotChange.REMOVED, at_lock=False),
    )
    assert notified(Access.ALL_CODES_DELETED) == (
        SlotChanged(None, SlotChange.REMOVED, at_lock=True),
    )
    assert notified(Access.CODE_ADDED, userId=251) == ()
    assert notified(Access.CODE_DUPLICATE, userId=4) == ()


def test_a_jam_begins_and_ends_as_a_state() -> None:
    jam = Happening(EventType.LOCK_JAMMED)
    assert told(0x71, "Access Control", "Lock state", 11) == (jam,)
    assert told(0x71, "Access Control", "Lock state", 0) == (Happening(EventType.LOCK_JAM_CLEARED),)
    assert notified(Access.JAMMED) == (jam,)
    assert notified(Access.IDLE) == ()


def test_a_bolt_that_did_not_arrive_is_a_jam_with_a_reason() -> None:
    (event,) = notified(Access.AUTO_NOT_FULLY)
    assert isinstance(event, Happening)
    assert (event.type, event.method, event.reason) == (
        EventType.LOCK_JAMMED,
        Method.AUTO_LOCK,
        "not_fully_locked",
    )


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("Door state", 22, Measured(door_open=True)),
        ("Door state (simple)", 23, Measured(door_open=False)),
        ("Keypad state", 16, Happening(EventType.ACCESS_LOCKOUT, reason="wrong_code_limit")),
    ],
)
def test_states_of_access_control(key: str, value: int, expected: DeviceEvent) -> None:
    assert told(0x71, "Access Control", key, value) == (expected,)


@pytest.mark.parametrize(
    ("key", "value"),
    [("Door state", 0), ("Keypad state", 0), ("Lock state", 99), ("Barrier status", 22)],
)
def test_states_that_say_nothing(key: str, value: int) -> None:
    assert told(0x71, "Access Control", key, value) == ()


def test_tampering_and_batteries() -> None:
    assert told(0x71, "Home Security", "Cover status", 3) == (
        Happening(EventType.TAMPER, reason="cover_removed"),
    )
    assert told(0x71, "Home Security", "Cover status", 0) == ()
    low = (Measured(battery_low=True),)
    assert told(0x71, "Power Management", "Battery maintenance status", 11) == low
    assert notified(10, type_=8) == low
    assert told(0x80, "rechargeOrReplace", None, 2) == low
    assert told(0x80, "rechargeOrReplace", None, 0) == (Measured(battery_low=False),)
    warning = Notified(ADDRESS, 0, 0x80, 0, 1)
    assert mapping.translate(warning, 30, NOBODY, has_door=True) == low
    assert told(0x80, "level", None, 20) == (Measured(battery_percent=20),)
    assert told(0x80, "level", None, 95) == (Measured(battery_percent=95, battery_low=False),)
    assert told(0x80, "level", None, 255) == ()


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(255, True), (0, False), (1, False), (32, False), (254, None), (None, None)],
)
def test_the_mode_of_the_lock(mode: int | None, expected: bool | None) -> None:
    events = told(0x62, "currentMode", None, mode)
    assert events == (() if expected is None else (Measured(locked=expected),))
    assert mapping.measured({"currentMode": mode}, has_door=False).locked is expected


def test_a_door_without_a_sensor_is_not_believed() -> None:
    assert told(0x62, "doorStatus", None, "open") == (Measured(door_open=True),)
    assert told(0x62, "doorStatus", None, "open", has_door=False) == ()
    assert mapping.measured({"doorStatus": "open"}, has_door=False) == Measured()


def test_other_voices_mean_nothing() -> None:
    assert mapping.translate(LifeSign(ADDRESS, alive=False), 30, NOBODY, has_door=True) == ()
    entry = Notified(ADDRESS, 0, 0x6F, 6, Access.KEYPAD_UNLOCK, {"userId": 4})
    assert mapping.translate(entry, 30, NOBODY, has_door=True) == ()
    assert notified(5, type_=1) == ()


@pytest.mark.parametrize(
    ("kind", "type_", "method", "slot", "reason"),
    [
        (Log.UNLOCK_CODE, EventType.LOCK_UNLOCKED, Method.CODE, 4, None),
        (Log.LOCK_BUTTON, EventType.LOCK_LOCKED, Method.KEYPAD, 4, None),
        (Log.UNLOCK_OUT_OF_SCHEDULE, EventType.ACCESS_DENIED, Method.CODE, 4, "schedule"),
        (Log.UNLOCK_REMOTE, EventType.LOCK_UNLOCKED, Method.REMOTE, 4, None),
    ],
)
def test_records(
    kind: int, type_: EventType, method: Method, slot: int, reason: str | None
) -> None:
    record = {
        "eventType": kind,
        "timestamp": "2026-11-20T11:00:05.000Z",
        "userId": 4,
        "userCode": "583920",
    }
    event = mapping.logged(record, 30)
    assert event is not None
    assert (event.type, event.method, event.slot, event.reason) == (type_, method, slot, reason)
    assert event.device_time == Instant(1_795_172_405_000)
    assert event.from_log
    assert event.schedule_refused is (reason == "schedule")
    assert "583920" not in repr(event)


@pytest.mark.parametrize("kind", [Log.CODE_ADDED, Log.LOW_BATTERY, 77, None])
def test_records_that_are_not_about_the_door(kind: int | None) -> None:
    assert mapping.logged({"eventType": kind, "timestamp": "x"}, 30) is None
