"""The Zigbee skin of a lock, spoken to in zigpy's words over a radio that only records.

Requests are built and answers read with zigpy's schemas, so that the simulator's codec is judged
by an independent one. Time is virtual.
"""

# zigpy leaves its constructors untyped.
# mypy: disable-error-code="no-untyped-call"

import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest
import zigpy.types as t
from hypothesis import given, settings
from hypothesis import strategies as st
from zigpy.zcl import foundation
from zigpy.zcl.clusters.closures import DoorLock
from zigpy.zcl.clusters.general import Alarms, PowerConfiguration, Time

from firmware_sims import profiles
from firmware_sims.clock import LOCK_EPOCH, VirtualTimebase
from firmware_sims.faults import ArmedFault, Fault, Faults
from firmware_sims.firmware.lock import LockFirmware
from firmware_sims.firmware.model import Source, UserStatus, UserType
from firmware_sims.zigbee.door_lock import COMMAND_NAMES, DoorLockApplication

NOON = datetime(2026, 7, 6, 12, 0, tzinfo=UTC).timestamp()
Status = foundation.Status
General = foundation.GeneralCommand


class Door:
    """A lock with its skin, a recording radio, and zigpy's vocabulary."""

    joined = True

    def __init__(self, profile: str = "yale-yrd", **overrides: Any) -> None:
        self.time = VirtualTimebase(NOON)
        self.lock = LockFirmware(
            profiles.load(profile).with_overrides({"drift_ppm": 0.0, **overrides}), self.time
        )
        self.hits: list[tuple[Fault, str]] = []
        self.faults = Faults(random.Random(1), COMMAND_NAMES, self._hit, lambda _fault, _on: None)
        self.application = DoorLockApplication(self.lock, self.faults, ieee=1)
        self.sent: list[tuple[int, bytes]] = []
        self.binding = True
        self.application.attach(self)
        self._tsn = 0

    def _hit(self, armed: ArmedFault, command: str, _slot: int | None) -> None:
        self.hits.append((armed.fault, command))

    # the radio

    def send(self, *, cluster_id: int, payload: bytes, **_addressing: int) -> None:
        self.sent.append((cluster_id, payload))

    def bound(self, _endpoint: int, _cluster_id: int) -> bool:
        return self.binding

    # the coordinator

    def deliver(self, cluster_id: int, payload: bytes) -> None:
        self.application.on_message(
            source_endpoint=1,
            destination_endpoint=self.lock.profile.endpoint,
            profile_id=0x0104,
            cluster_id=cluster_id,
            payload=payload,
        )

    def order(self, command: foundation.ZCLCommandDef, *fields: Any) -> int:
        """Send a Door Lock command without looking at an answer; returns its sequence number."""
        self._tsn += 1
        header = foundation.ZCLHeader.cluster(tsn=self._tsn, command_id=command.id)
        self.deliver(0x0101, header.serialize() + command.schema(*fields).serialize())
        return self._tsn

    def ask(self, command: foundation.ZCLCommandDef, *fields: Any) -> Any:
        """Send a Door Lock command; its answer, or the status of a default response."""
        before = len(self.sent)
        tsn = self.order(command, *fields)
        assert len(self.sent) > before, "no answer"
        cluster_id, payload = self.sent[before]
        assert cluster_id == 0x0101
        header, rest = foundation.ZCLHeader.deserialize(payload)
        assert header.tsn == tsn
        if header.frame_control.is_general:
            assert header.command_id == General.Default_Response
            return Status(rest[1])
        schema = next(c for c in DoorLock.ClientCommandDefs if c.id == header.command_id).schema
        answer, rest = schema.deserialize(rest)
        assert rest == b""
        return answer

    def general(self, cluster_id: int, command: General, payload: bytes) -> bytes:
        """Send a general command; the payload of its answer."""
        self._tsn += 1
        header = foundation.ZCLHeader.general(tsn=self._tsn, command_id=command)
        before = len(self.sent)
        self.deliver(cluster_id, header.serialize() + payload)
        assert len(self.sent) == before + 1
        answer, rest = foundation.ZCLHeader.deserialize(self.sent[-1][1])
        assert answer.tsn == self._tsn
        return rest

    def read(self, cluster_id: int, attribute: int) -> Any:
        rest = self.general(cluster_id, General.Read_Attributes, t.uint16_t(attribute).serialize())
        record, rest = foundation.ReadAttributeRecord.deserialize(rest)
        assert rest == b""
        value: Any = record.value
        return value.value if record.status is Status.SUCCESS else record.status

    def write(self, cluster_id: int, attribute: int, type_id: int, value: Any) -> Status:
        payload = (
            t.uint16_t(attribute).serialize() + t.uint8_t(type_id).serialize() + value.serialize()
        )
        return Status(self.general(cluster_id, General.Write_Attributes, payload)[0])

    def told(self) -> list[Any]:
        """What the lock has said by itself since the last look, as zigpy reads it."""
        self.time.advance(0)
        events = []
        for cluster_id, payload in self.sent:
            header, rest = foundation.ZCLHeader.deserialize(payload)
            if header.frame_control.is_general and header.command_id == General.Report_Attributes:
                events.append((cluster_id, foundation.Attribute.deserialize(rest)[0]))
            elif cluster_id == 0x0009:
                events.append(Alarms.ClientCommandDefs.alarm.schema.deserialize(rest)[0])
            elif cluster_id == 0x0101 and header.command_id in (0x20, 0x21):
                schema = next(c for c in DoorLock.ClientCommandDefs if c.id == header.command_id)
                events.append(schema.schema.deserialize(rest)[0])
        self.sent.clear()
        return events


SERVER = DoorLock.ServerCommandDefs
ENABLED, DISABLED = DoorLock.UserStatus.Enabled, DoorLock.UserStatus.Disabled
FREE = DoorLock.UserType.Unrestricted
YEARLY = DoorLock.UserType.Year_Day_Schedule_User


# ---- commands


def test_set_get_and_clear_a_code() -> None:
    door = Door()
    assert door.ask(SERVER.set_pin_code, 3, ENABLED, FREE, "482913").status == Status.SUCCESS
    got = door.ask(SERVER.get_pin_code, 3)
    assert (got.user_id, got.user_status, got.user_type, got.code) == (3, ENABLED, FREE, "482913")
    assert door.ask(SERVER.clear_pin_code, 3).status == Status.SUCCESS
    got = door.ask(SERVER.get_pin_code, 3)
    assert (got.user_status, got.user_type, got.code) == (
        DoorLock.UserStatus.Available,
        DoorLock.UserType.Not_Supported,
        "",
    )


def test_the_statuses_of_set_pin_code() -> None:
    door = Door("danalock-v3", code_memory=1)
    set_pin = SERVER.set_pin_code
    assert door.ask(set_pin, 0, ENABLED, FREE, "1234").status == 0
    assert door.ask(set_pin, 1, ENABLED, FREE, "1234").status == 3
    assert door.ask(set_pin, 1, ENABLED, FREE, "5678").status == 2
    assert door.ask(set_pin, 99, ENABLED, FREE, "5678").status == 1
    assert door.ask(set_pin, 0, ENABLED, FREE, "1").status == 1


def test_digits_are_masked_when_the_lock_does_not_send_them() -> None:
    door = Door("kwikset-smartcode")
    door.order(SERVER.set_pin_code, 3, ENABLED, FREE, "482913")
    door.told()
    door.order(SERVER.get_pin_code, 3)
    assert door.sent[0][1].endswith(b"\x03\x00\x01\x00\x06" + b"\xff" * 6)


def test_the_safe_order_with_a_schedule() -> None:
    door = Door()
    now = door.lock.clock.local()
    assert door.ask(SERVER.set_pin_code, 3, DISABLED, YEARLY, "482913").status == 0
    assert door.ask(SERVER.set_year_day_schedule, 0, 3, now + 60, now + 120).status == 0
    back = door.ask(SERVER.get_year_day_schedule, 0, 3)
    assert (back.status, back.local_start_time, back.local_end_time) == (0, now + 60, now + 120)
    assert door.ask(SERVER.set_user_status, 3, ENABLED).status == 0
    assert door.ask(SERVER.get_user_type, 3).user_type == YEARLY
    assert door.ask(SERVER.get_user_status, 3).user_status == ENABLED
    assert not door.lock.keypad.type_code("482913").opened
    door.time.advance(60)
    assert door.lock.keypad.type_code("482913").opened


def test_week_day_and_holiday_schedules_come_back_as_written() -> None:
    door = Door()
    days = DoorLock.DayMask.Mon | DoorLock.DayMask.Fri
    assert door.ask(SERVER.set_week_day_schedule, 1, 3, days, 8, 30, 17, 45).status == 0
    back = door.ask(SERVER.get_week_day_schedule, 1, 3)
    assert (back.schedule_id, back.user_id, back.days_mask) == (1, 3, days)
    assert (back.start_hour, back.start_minute, back.end_hour, back.end_minute) == (8, 30, 17, 45)
    assert door.ask(SERVER.get_week_day_schedule, 2, 3).status == Status.NOT_FOUND
    assert door.ask(SERVER.get_week_day_schedule, 9, 3).status == Status.INVALID_FIELD
    assert door.ask(SERVER.set_week_day_schedule, 0, 3, days, 22, 0, 6, 0).status == (
        Status.INVALID_FIELD
    )
    assert door.ask(SERVER.set_holiday_schedule, 0, 5, 9, 1).status == 0
    holiday = door.ask(SERVER.get_holiday_schedule, 0)
    assert (holiday.status, holiday.local_start_time, holiday.local_end_time) == (0, 5, 9)
    assert door.ask(SERVER.clear_holiday_schedule, 0).status == 0
    assert door.ask(SERVER.get_holiday_schedule, 0).status == Status.NOT_FOUND


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        (SERVER.set_year_day_schedule, (0, 3, 1, 2)),
        (SERVER.get_week_day_schedule, (0, 3)),
        (SERVER.clear_holiday_schedule, (0,)),
        (SERVER.get_log_record, (0,)),
        (SERVER.set_rfid_code, (0, 1, 0, "1234")),
    ],
)
def test_what_a_model_has_not_is_refused_with_a_default_response(
    command: foundation.ZCLCommandDef, fields: tuple[Any, ...]
) -> None:
    assert Door("kwikset-smartcode").ask(command, *fields) is Status.UNSUP_CLUSTER_COMMAND


def test_a_truncated_command_is_malformed_and_does_nothing() -> None:
    door = Door()
    door.deliver(0x0101, bytes.fromhex("0107050300"))
    assert door.sent[0][1] == bytes.fromhex("18070b0580")
    assert not door.lock.users.users


def test_lock_unlock_toggle_and_the_log() -> None:
    door = Door()
    assert door.ask(SERVER.unlock_door).status == 0
    assert door.read(0x0101, 0x0000) == DoorLock.LockState.Unlocked
    assert door.ask(SERVER.toggle_door).status == 0
    assert door.read(0x0101, 0x0000) == DoorLock.LockState.Locked
    assert door.ask(SERVER.unlock_with_timeout, 10).status == 0
    door.time.advance(10)
    assert door.read(0x0101, 0x0000) == DoorLock.LockState.Locked
    newest = door.ask(SERVER.get_log_record, 0)
    assert newest.event_id_or_alarm_code == DoorLock.OperationEvent.AutoLock
    assert newest.source == DoorLock.OperationEventSource.Manual
    assert door.ask(SERVER.get_log_record, 99) is Status.NOT_FOUND


# ---- attributes


def test_attributes_tell_what_the_profile_says() -> None:
    door = Door()
    assert door.read(0x0000, 0x0004) == "Yale"
    assert door.read(0x0000, 0x0005) == "YRD256 TSDB"
    assert [door.read(0x0101, number) for number in (0x12, 0x14, 0x15, 0x17, 0x18)] == [
        250,
        4,
        4,
        8,
        4,
    ]
    assert door.read(0x0101, 0x0003) is Status.UNSUPPORTED_ATTRIBUTE
    assert Door("kwikset-smartcode").read(0x0101, 0x0015) is Status.UNSUPPORTED_ATTRIBUTE


def test_the_clock_is_read_and_set() -> None:
    door = Door()
    attributes = Time.AttributeDefs
    assert door.read(Time.cluster_id, attributes.time.id) == int(NOON) - LOCK_EPOCH
    assert door.write(Time.cluster_id, attributes.time_zone.id, 0x2B, t.int32s(3600)) == 0
    assert door.write(Time.cluster_id, attributes.time.id, 0xE2, t.UTCTime(1000)) == 0
    assert door.lock.clock.utc() == LOCK_EPOCH + 1000
    assert door.read(Time.cluster_id, attributes.local_time.id) == 4600


@pytest.mark.parametrize(
    ("attribute", "type_id", "value", "status"),
    [
        (0x0023, 0x23, t.uint32_t(30), Status.SUCCESS),
        (0x0012, 0x21, t.uint16_t(30), Status.READ_ONLY),
        (0x0023, 0x21, t.uint16_t(30), Status.INVALID_DATA_TYPE),
        (0x7777, 0x21, t.uint16_t(30), Status.UNSUPPORTED_ATTRIBUTE),
    ],
)
def test_writing_attributes(attribute: int, type_id: int, value: Any, status: Status) -> None:
    assert Door().write(0x0101, attribute, type_id, value) is status


def test_the_client_side_is_read_from_the_other_direction() -> None:
    # zigpy 2.4 reads the OTA client's file version so, at the end of its interview.
    door = Door()
    door.deliver(0x0019, bytes.fromhex("1808000200"))
    assert door.sent == [(0x0019, bytes.fromhex("1008010200002300010000"))]


def test_answers_of_the_coordinator_are_not_answered() -> None:
    door = Door()
    door.deliver(0x0101, bytes.fromhex("18070b2000"))
    door.deliver(0x000A, bytes.fromhex("180701000086"))
    assert not door.sent


def test_discovery_lists_what_can_be_read_in_pages() -> None:
    door = Door()
    rest = door.general(0x0101, General.Discover_Attributes, bytes.fromhex("000003"))
    assert rest == bytes.fromhex("00" + "000030" + "010030" + "020010")
    commands = door.general(0x0101, General.Discover_Commands_Received, bytes.fromhex("00ff"))
    assert commands == b"\x01" + bytes(range(0x16))


def test_reports_come_on_change_when_configured_and_bound() -> None:
    door = Door()
    config = foundation.AttributeReportingConfig()
    config.direction = foundation.ReportingDirection.SendReports
    config.attrid, config.datatype = t.uint16_t(0), foundation.DataTypeId.enum8
    config.min_interval, config.max_interval = t.uint16_t(0), t.uint16_t(600)
    config.reportable_change = t.enum8(1)
    answer = door.general(0x0101, General.Configure_Reporting, config.serialize())
    assert answer == b"\x00"
    door.told()
    door.lock.keypad.one_touch()
    door.lock.turn_thumb(door.lock.bolt.state.UNLOCKED)
    reports = [event for event in door.told() if type(event) is tuple]
    assert [report.value.value for _, report in reports] == [DoorLock.LockState.Unlocked]
    door.time.advance(600)
    assert len(door.told()) == 1, "the heartbeat at the maximum interval"
    door.binding = False
    door.time.advance(600)
    assert not door.told()


def test_battery_reports_respect_the_reportable_change() -> None:
    door = Door()
    wire = bytes.fromhex("00" + "2100" + "20" + "0000" + "0000" + "0a")
    assert door.general(PowerConfiguration.cluster_id, General.Configure_Reporting, wire) == b"\0"
    door.told()
    door.lock.set_battery(97)
    assert not door.told()
    door.lock.set_battery(90)
    ((cluster_id, report),) = door.told()
    assert (cluster_id, report.value.value) == (PowerConfiguration.cluster_id, 180)


# ---- what it says by itself


def test_a_keypad_opening_is_told_with_the_slot() -> None:
    door = Door("kwikset-smartcode")
    door.order(SERVER.set_pin_code, 3, ENABLED, FREE, "482913")
    (added,) = door.told()
    assert added.program_event_source == DoorLock.OperationEventSource.RF
    assert added.program_event_code == DoorLock.ProgrammingEvent.PINCodeAdded
    assert (added.user_id, added.user_type, added.user_status) == (3, FREE, ENABLED)
    door.lock.keypad.type_code("482913")
    (opened,) = door.told()
    assert opened.operation_event_source == DoorLock.OperationEventSource.Keypad
    assert opened.operation_event_code == DoorLock.OperationEvent.Unlock
    assert (opened.user_id, opened.local_time) == (3, 0xFFFFFFFF)


def test_a_wrong_code_a_jam_and_a_purge() -> None:
    door = Door("kwikset-smartcode")
    door.order(SERVER.set_pin_code, 3, ENABLED, FREE, "482913")
    door.told()
    door.lock.keypad.type_code("000000")
    (wrong,) = door.told()
    assert wrong.operation_event_code == DoorLock.OperationEvent.UnlockFailureInvalidPINorID
    assert wrong.user_id == 0xFFFF
    door.lock.bolt.jam()
    door.lock.keypad.type_code("482913")
    (jam,) = door.told()
    assert (jam.alarm_code, jam.cluster_id) == (0, 0x0101)
    door.lock.keypad.clear_by_hand(None)
    (purge,) = door.told()
    assert purge.program_event_source == DoorLock.OperationEventSource.Keypad
    assert purge.program_event_code == DoorLock.ProgrammingEvent.PINCodeDeleted
    assert purge.user_id == 0xFFFF


def test_a_mask_silences_its_events_and_no_others() -> None:
    door = Door("kwikset-smartcode")
    door.order(SERVER.set_pin_code, 3, ENABLED, FREE, "482913")
    unlock_by_keypad = DoorLock.KeypadOperationEventMask.Unlock_source_keypad
    mask = t.bitmap16(0xFFFF & ~unlock_by_keypad)
    assert door.write(0x0101, 0x0041, 0x19, mask) is Status.SUCCESS
    door.told()
    door.lock.keypad.type_code("482913")
    assert not door.told()
    door.lock.keypad.type_code("000000")
    assert len(door.told()) == 1


def test_nothing_is_said_that_nobody_is_bound_to() -> None:
    door = Door()
    door.binding = False
    door.lock.turn_thumb(door.lock.bolt.state.UNLOCKED)
    assert not door.told()


@pytest.mark.parametrize(
    ("overrides", "digits"), [({}, b"\xff" * 6), ({"pin_in_events": True}, b"482913")]
)
def test_digits_in_events_only_where_the_model_puts_them(
    overrides: dict[str, Any], digits: bytes
) -> None:
    door = Door("kwikset-smartcode", **overrides)
    door.order(SERVER.set_pin_code, 3, ENABLED, FREE, "482913")
    door.sent.clear()
    door.time.advance(0)
    assert digits in door.sent[0][1]


# ---- whatever arrives


FRAMES = st.builds(
    lambda control, sequence, command, fields: bytes((control, sequence, command)) + fields,
    st.sampled_from([0x00, 0x01, 0x04, 0x05, 0x08, 0x09, 0x10, 0x11, 0x18, 0x19]),
    st.integers(0, 255),
    st.integers(0, 0x20),
    st.binary(max_size=16),
)
CLUSTERS = st.sampled_from([0x0000, 0x0001, 0x0003, 0x0009, 0x000A, 0x0019, 0x0020, 0x0101, 0xFC00])
WRITES = st.builds(
    lambda where, value: (
        where[0],
        b"\x00\x01\x02"
        + t.uint16_t(where[1]).serialize()
        + bytes((where[2],))
        + (value * 4)[: where[3]],
    ),
    st.sampled_from(  # cluster, attribute, type, size
        [
            (0x000A, 0, 0xE2, 4),
            (0x000A, 2, 0x2B, 4),
            (0x000A, 3, 0x23, 4),
            (0x000A, 4, 0x23, 4),
            (0x000A, 5, 0x2B, 4),
            (0x0101, 0x21, 0x42, 16),
            (0x0101, 0x23, 0x23, 4),
            (0x0101, 0x25, 0x30, 1),
            (0x0101, 0x41, 0x19, 2),
        ]
    ),
    st.binary(min_size=4, max_size=4),
)
ANYTHING = WRITES | st.tuples(CLUSTERS, FRAMES | st.binary(max_size=24))


@settings(deadline=None, max_examples=150)
@given(frames=st.lists(ANYTHING, max_size=30))
def test_no_frame_brings_the_lock_down(frames: list[tuple[int, bytes]]) -> None:
    door = Door(wrong_code_limit=0)
    door.lock.users.set_code(0, "482913", UserStatus.ENABLED, UserType.MASTER, Source.KEYPAD)
    everything = bytes.fromhex("0001" + "00") + b"".join(
        t.uint16_t(number).serialize() for number in range(0x48)
    )
    for cluster_id, payload in frames:
        door.deliver(cluster_id, payload)
        door.time.advance(1)
    door.sent.clear()
    door.deliver(0x0101, everything)
    door.deliver(0x000A, everything)
    assert len(door.sent) == 2
    assert door.lock.keypad.type_code("482913").opened
    door.order(SERVER.unlock_door)
    door.time.advance(1)
    json.dumps(door.lock.dump())


@pytest.mark.parametrize("mode", [5, 255])
def test_an_operating_mode_that_is_none_is_refused(mode: int) -> None:
    assert Door().write(0x0101, 0x0025, 0x30, t.uint8_t(mode)) is Status.INVALID_VALUE


# ---- faults of a frame


def test_a_swapped_user_id() -> None:
    door = Door("kwikset-smartcode")
    door.order(SERVER.set_pin_code, 3, ENABLED, FREE, "482913")
    door.told()
    door.faults.arm("byte-swapped-user-id")
    door.lock.keypad.type_code("482913")
    (opened,) = door.told()
    assert opened.user_id == 0x0300


def test_a_masked_read_strikes_once() -> None:
    door = Door()
    door.order(SERVER.set_pin_code, 3, ENABLED, FREE, "482913")
    door.told()
    door.faults.arm("masked-read")
    door.order(SERVER.get_pin_code, 3)
    assert b"482913" not in door.sent[0][1]
    assert door.ask(SERVER.get_pin_code, 3).code == "482913"


def test_housekeeping_is_spared_by_a_fault_meant_for_the_lock() -> None:
    door = Door()
    door.faults.arm("applied-but-answer-lost", count=None)
    assert door.read(0x0000, 0x0004) == "Yale"
    door.faults.arm("applied-but-answer-lost", on="zcl.read_attributes")
    door.deliver(0x0000, bytes.fromhex("0005000400"))
    assert door.hits == [(Fault.ANSWER_LOST, "zcl.read_attributes")]


def test_user_type_of_a_rewrite() -> None:
    door = Door()
    door.order(SERVER.set_pin_code, 3, ENABLED, YEARLY, "482913")
    door.order(SERVER.set_pin_code, 3, ENABLED, DoorLock.UserType.Not_Supported, "482914")
    assert door.lock.users.users[3].type is UserType.UNRESTRICTED
