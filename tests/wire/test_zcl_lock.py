"""The numbers and names of `zcl_lock.wire`, held against an independent implementation and bytes.

Origin: zigpy's definition of the Door Lock cluster (its own reading of ZCL revision 8), and
frames put together by hand from the tables of ZCL revision 8, 7.3.2.16 and 7.3.2.17.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import pytest
from zigpy.zcl.clusters.closures import DoorLock
from zigpy.zcl.clusters.general import Alarms, PowerConfiguration, Time
from zigpy.zcl.foundation import Status

from gateway.domain.devices import WeekDay, YearDay
from gateway.domain.instant import Instant
from gateway.domain.secret import Secret
from gateway.drivers.zcl_lock import session, wire
from gateway.drivers.zcl_lock.dialogue import Dialect
from gateway.drivers.zcl_lock.schedules import RawWeekDay, RawYearDay
from gateway.drivers.zcl_lock.wire import Attr, Command, Notification
from gateway.radios.zigbee.plain import fields_of
from tests.unit.drivers.lock_double import LockDouble, converse

if TYPE_CHECKING:
    from gateway.radios.api import ClusterRequest

COMMANDS = {
    Command.LOCK_DOOR: "lock_door",
    Command.UNLOCK_DOOR: "unlock_door",
    Command.SET_PIN_CODE: "set_pin_code",
    Command.GET_PIN_CODE: "get_pin_code",
    Command.CLEAR_PIN_CODE: "clear_pin_code",
    Command.SET_USER_STATUS: "set_user_status",
    Command.GET_USER_STATUS: "get_user_status",
    Command.SET_WEEK_DAY: "set_week_day_schedule",
    Command.GET_WEEK_DAY: "get_week_day_schedule",
    Command.CLEAR_WEEK_DAY: "clear_week_day_schedule",
    Command.SET_YEAR_DAY: "set_year_day_schedule",
    Command.GET_YEAR_DAY: "get_year_day_schedule",
    Command.CLEAR_YEAR_DAY: "clear_year_day_schedule",
    Command.GET_USER_TYPE: "get_user_type",
}
ATTRIBUTES = {
    Attr.LOCK_STATE: "lock_state",
    Attr.DOOR_STATE: "door_state",
    Attr.PIN_USERS: "num_of_pin_users_supported",
    Attr.WEEK_DAY_PER_USER: "num_of_week_day_schedules_supported_per_user",
    Attr.YEAR_DAY_PER_USER: "num_of_year_day_schedules_supported_per_user",
    Attr.MAX_PIN_LENGTH: "max_pin_len",
    Attr.MIN_PIN_LENGTH: "min_pin_len",
    Attr.SEND_PIN_OVER_THE_AIR: "send_pin_ota",
    Attr.KEYPAD_OPERATION_EVENTS: "keypad_operation_event_mask",
    Attr.RF_OPERATION_EVENTS: "rf_operation_event_mask",
    Attr.MANUAL_OPERATION_EVENTS: "manual_operation_event_mask",
    Attr.RFID_OPERATION_EVENTS: "rfid_operation_event_mask",
    Attr.KEYPAD_PROGRAMMING_EVENTS: "keypad_programming_event_mask",
    Attr.RF_PROGRAMMING_EVENTS: "rf_programming_event_mask",
    Attr.RFID_PROGRAMMING_EVENTS: "rfid_programming_event_mask",
}


@pytest.mark.parametrize("command", Command)
def test_commands(command: Command) -> None:
    definition = DoorLock.server_commands[command]
    assert definition.name == COMMANDS[command]
    assert DoorLock.client_commands[command].name == f"{definition.name}_response"


@pytest.mark.parametrize("attribute", Attr)
def test_attributes(attribute: Attr) -> None:
    assert DoorLock.attributes[attribute].name == ATTRIBUTES[attribute]


def test_notifications_and_other_clusters() -> None:
    names = {number: DoorLock.client_commands[number].name for number in Notification}
    assert names == {
        Notification.OPERATION: "operation_event_notification",
        Notification.PROGRAMMING: "programming_event_notification",
    }
    assert (PowerConfiguration.cluster_id, Alarms.cluster_id) == (wire.POWER, wire.ALARMS)
    assert (Time.cluster_id, DoorLock.cluster_id) == (wire.TIME, wire.DOOR_LOCK)
    assert Alarms.client_commands[wire.ALARM_COMMAND].name == "alarm"
    power = PowerConfiguration.attributes
    assert power[wire.BATTERY_PERCENT].name == "battery_percentage_remaining"
    assert power[wire.BATTERY_ALARM_STATE].name == "battery_alarm_state"
    assert [
        Time.attributes[number].name
        for number in (
            wire.TIME_UTC,
            wire.TIME_ZONE,
            wire.TIME_DST_START,
            wire.TIME_DST_END,
            wire.TIME_DST_SHIFT,
            wire.TIME_LOCAL,
        )
    ] == ["time", "time_zone", "dst_start", "dst_end", "dst_shift", "local_time"]


@pytest.mark.parametrize("status", [s for s in wire.Status if s is not wire.Status.ACTION_DENIED])
def test_status_values(status: wire.Status) -> None:
    ours = status.name.replace("UNSUP_CLUSTER_COMMAND", "UNSUP_COMMAND")
    theirs = Status(status).name.replace(  # type: ignore[no-untyped-call]  # zigpy is typed in part
        "UNSUP_CLUSTER_COMMAND", "UNSUP_COMMAND"
    )
    assert theirs == ours


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (wire.UserStatus, DoorLock.UserStatus),
        (wire.UserType, DoorLock.UserType),
        (wire.Source, DoorLock.OperationEventSource),
        (wire.Operation, DoorLock.OperationEvent),
    ],
)
def test_enumerations_have_no_value_the_other_side_lacks(ours: type, theirs: type) -> None:
    assert {int(value) for value in ours} <= {int(value) for value in theirs}  # type: ignore[attr-defined]  # enumerations


def encoded(request: ClusterRequest) -> str:
    """As the radio puts them on the air."""
    schema = DoorLock.server_commands[request.command_id].schema
    data: bytes = schema(**request.fields).serialize()
    return data.hex(" ")


def sent(schedule: WeekDay | YearDay) -> list[ClusterRequest]:
    requests: list[ClusterRequest] = []
    lock = LockDouble(override=lambda request: requests.append(request))
    dialect = Dialect(1, UTC, slot_offset=-1, week_day=2, year_day=2)
    converse(session.program(dialect, 5, Secret("583920"), (schedule,)), lock)
    return requests


def test_a_code_with_a_date_window_on_the_wire() -> None:
    window = YearDay(Instant(1_795_000_000_000), Instant(1_795_003_600_000))
    frames = [(r.command_id, encoded(r)) for r in sent(window) if not r.asks_only]
    assert frames == [
        # user 4, disabled, year-day schedule user, six digits with their length before them
        (0x05, "04 00 03 01 06 35 38 33 39 32 30"),
        # schedule 0, user 4, 848315200 and 848318800 seconds after 2000-01-01
        (0x0E, "00 04 00 40 43 90 32 50 51 90 32"),
        (0x09, "04 00 01"),
    ]


def test_a_code_with_a_weekly_window_on_the_wire() -> None:
    frames = [
        (r.command_id, encoded(r))
        for r in sent(WeekDay(frozenset({1, 7}), 8 * 60 + 30, 20 * 60))
        if not r.asks_only
    ]
    assert frames == [
        (0x05, "04 00 03 02 06 35 38 33 39 32 30"),
        # schedule 0, user 4, Sunday and Monday, 08:30 to 20:00
        (0x0B, "00 04 00 03 08 1e 14 00"),
        (0x09, "04 00 01"),
    ]


@pytest.mark.parametrize(
    ("command", "frame", "fields"),
    [
        (
            0x06,
            "04 00 01 00 06 35 38 33 39 32 30",
            {"user_id": 4, "user_status": 1, "user_type": 0, "code": "583920"},
        ),
        (
            0x06,
            "04 00 00 ff 00",
            {"user_id": 4, "user_status": 0, "user_type": 255, "code": ""},
        ),
        (
            0x06,
            "04 00 01 00 ff",
            {"user_id": 4, "user_status": 1, "user_type": 0, "code": ""},
        ),
        (0x0F, "00 04 00 8b", {"schedule_id": 0, "user_id": 4, "status": 0x8B}),
        (
            0x0F,
            "00 04 00 00 40 43 90 32 50 51 90 32",
            {
                "schedule_id": 0,
                "user_id": 4,
                "status": 0,
                "local_start_time": 848_315_200,
                "local_end_time": 848_318_800,
            },
        ),
        (
            0x0C,
            "00 04 00 00 03 08 1e 14 00",
            {
                "schedule_id": 0,
                "user_id": 4,
                "status": 0,
                "days_mask": 3,
                "start_hour": 8,
                "start_minute": 30,
                "end_hour": 20,
                "end_minute": 0,
            },
        ),
        (
            0x20,
            "00 02 04 00 00 40 43 90 32",
            {
                "operation_event_source": 0,
                "operation_event_code": 2,
                "user_id": 4,
                "pin": "",
                "local_time": 848_315_200,
            },
        ),
        (
            0x21,
            "00 02 04 00 00 00 01 40 43 90 32",
            {
                "program_event_source": 0,
                "program_event_code": 2,
                "user_id": 4,
                "pin": "",
                "user_type": 0,
                "user_status": 1,
                "local_time": 848_315_200,
            },
        ),
    ],
)
def test_answers_from_the_wire(command: int, frame: str, fields: dict[str, object]) -> None:
    schema = DoorLock.client_commands[command].schema
    found, rest = schema.deserialize(bytes.fromhex(frame))
    assert rest == b""
    assert fields_of(found) == fields


def test_raw_schedules_name_the_fields_of_the_commands() -> None:
    for command, raw in ((Command.SET_WEEK_DAY, RawWeekDay), (Command.SET_YEAR_DAY, RawYearDay)):
        names = [field.name for field in DoorLock.server_commands[command].schema.fields]
        assert names == ["schedule_id", "user_id", *raw._fields]
