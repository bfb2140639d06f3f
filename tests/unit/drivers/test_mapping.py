"""What a lock's words mean, and that digits end here."""

from __future__ import annotations

from datetime import UTC

import pytest

from gateway.domain.capabilities import Capabilities, CodeLimits, ScheduleSupport
from gateway.domain.events import EventType, Method
from gateway.drivers.api import Happening, Measured, SlotChange, SlotChanged
from gateway.drivers.zcl_lock.facts import ModelFacts
from gateway.drivers.zcl_lock.mapping import capabilities_of, slot_of, translate
from gateway.radios.api import AttributeReported, ClusterCommandReceived, Heard

PLAIN = ModelFacts()
ADDRESS = "00:11:22:33:44:55:66:77"


def operation(code: int, source: int, user_id: int = 3, facts: ModelFacts = PLAIN) -> Happening:
    (event,) = translate(
        ClusterCommandReceived(
            ADDRESS,
            1,
            0x0101,
            0x20,
            {
                "operation_event_source": source,
                "operation_event_code": code,
                "user_id": user_id,
                "pin": "583920",
                "local_time": 800_000_000,
            },
        ),
        facts,
        UTC,
    )
    assert isinstance(event, Happening)
    assert "583920" not in repr(event)
    assert event.device_time == 1_746_684_800_000
    return event


def programming(code: int, user_id: int, source: int = 0, facts: ModelFacts = PLAIN) -> object:
    fields = {
        "program_event_source": source,
        "program_event_code": code,
        "user_id": user_id,
        "pin": "583920",
        "user_type": 0,
        "user_status": 1,
        "local_time": 800_000_000,
    }
    events = translate(ClusterCommandReceived(ADDRESS, 1, 0x0101, 0x21, fields), facts, UTC)
    assert "583920" not in repr(events)
    return events[0] if events else None


@pytest.mark.parametrize(
    ("code", "source", "type_", "method"),
    [
        (0x01, 0, EventType.LOCK_LOCKED, Method.CODE),
        (0x02, 0, EventType.LOCK_UNLOCKED, Method.CODE),
        (0x02, 1, EventType.LOCK_UNLOCKED, Method.REMOTE),
        (0x02, 2, EventType.LOCK_UNLOCKED, Method.MANUAL),
        (0x02, 3, EventType.LOCK_UNLOCKED, Method.CARD),
        (0x02, 0xFF, EventType.LOCK_UNLOCKED, Method.UNKNOWN),
        (0x02, 5, EventType.LOCK_UNLOCKED, Method.UNKNOWN),
        (0x07, 0, EventType.LOCK_LOCKED, Method.KEYPAD),
        (0x08, 2, EventType.LOCK_LOCKED, Method.MECHANICAL_KEY),
        (0x09, 2, EventType.LOCK_UNLOCKED, Method.MECHANICAL_KEY),
        (0x0A, 2, EventType.LOCK_LOCKED, Method.AUTO_LOCK),
        (0x0B, 2, EventType.LOCK_LOCKED, Method.SCHEDULE),
        (0x0C, 2, EventType.LOCK_UNLOCKED, Method.SCHEDULE),
        (0x0D, 2, EventType.LOCK_LOCKED, Method.MANUAL),
        (0x0E, 2, EventType.LOCK_UNLOCKED, Method.MANUAL),
    ],
)
def test_operations(code: int, source: int, type_: EventType, method: Method) -> None:
    event = operation(code, source)
    assert (event.type, event.method) == (type_, method)


@pytest.mark.parametrize("code", [0x03, 0x05])
def test_an_unknown_code(code: int) -> None:
    event = operation(code, 0, user_id=0xFFFF)
    assert (event.type, event.reason) == (EventType.ACCESS_DENIED, "unknown_code")
    assert event.slot is None
    assert not event.schedule_refused


@pytest.mark.parametrize("code", [0x04, 0x06])
def test_a_code_outside_its_window_proves_that_the_lock_keeps_windows(code: int) -> None:
    event = operation(code, 0)
    assert (event.type, event.reason) == (EventType.ACCESS_DENIED, "schedule")
    assert event.slot == 3
    assert event.schedule_refused


def test_a_makers_own_operation_means_nothing_here() -> None:
    event = ClusterCommandReceived(ADDRESS, 1, 0x0101, 0x20, {"operation_event_code": 0})
    assert translate(event, PLAIN, UTC) == ()


def test_a_keypad_without_a_user_is_not_a_code() -> None:
    assert operation(0x01, 0, user_id=0xFFFF).method is Method.KEYPAD


class TestUserIds:
    @pytest.mark.parametrize(
        ("user_id", "facts", "slot"),
        [
            (3, PLAIN, 3),
            (0, PLAIN, None),
            (0xFFFF, PLAIN, None),
            (0, ModelFacts(slot_offset=-1), 1),
            (300, PLAIN, 300),
            (0x0300, ModelFacts(byte_swapped_user_id=True), 3),
            (3, ModelFacts(byte_swapped_user_id=True), 3),
            ("3", PLAIN, None),
        ],
    )
    def test_become_slots(self, user_id: object, facts: ModelFacts, slot: int | None) -> None:
        assert slot_of(user_id, facts) == slot


class TestProgramming:
    @pytest.mark.parametrize(
        ("code", "change"),
        [(2, SlotChange.ADDED), (3, SlotChange.REMOVED), (4, SlotChange.CHANGED)],
    )
    def test_changes(self, code: int, change: SlotChange) -> None:
        assert programming(code, 7) == SlotChanged(7, change, at_lock=True)
        assert programming(code, 7, source=1) == SlotChanged(7, change, at_lock=False)

    @pytest.mark.parametrize("everyone", [0xFF, 0xFFFF])
    def test_all_deleted(self, everyone: int) -> None:
        assert programming(3, everyone) == SlotChanged(None, SlotChange.REMOVED, at_lock=True)

    def test_user_255_can_be_added(self) -> None:
        assert programming(2, 0xFF) == SlotChanged(255, SlotChange.ADDED, at_lock=True)

    @pytest.mark.parametrize("code", [0, 1, 5, 6])
    def test_what_is_not_a_slots_matter(self, code: int) -> None:
        assert programming(code, 7) is None

    def test_the_masters_place_is_no_slot(self) -> None:
        assert programming(4, 0) is None


class TestAlarms:
    def alarm(self, code: int, cluster: int = 0x0101) -> list[object]:
        fields = {"alarm_code": code, "cluster_id": cluster}
        return list(translate(ClusterCommandReceived(ADDRESS, 1, 0x0009, 0, fields), PLAIN, UTC))

    @pytest.mark.parametrize(
        ("code", "type_"),
        [
            (0, EventType.LOCK_JAMMED),
            (4, EventType.ACCESS_LOCKOUT),
            (5, EventType.TAMPER),
            (6, EventType.DOOR_FORCED),
        ],
    )
    def test_of_the_lock(self, code: int, type_: EventType) -> None:
        (event,) = self.alarm(code)
        assert isinstance(event, Happening)
        assert event.type is type_

    def test_a_factory_reset_empties_every_slot(self) -> None:
        assert SlotChanged(None, SlotChange.REMOVED, at_lock=True) in self.alarm(1)

    def test_a_battery(self) -> None:
        assert Measured(battery_low=True) in self.alarm(0x10, cluster=0x0001)

    def test_of_others(self) -> None:
        assert self.alarm(0, cluster=0x0006) == []
        assert self.alarm(3) == []


class TestAttributes:
    def report(
        self, cluster: int, attribute: int, value: object, facts: ModelFacts = PLAIN
    ) -> list[object]:
        event = AttributeReported(ADDRESS, 1, cluster, attribute, value)
        return list(translate(event, facts, UTC))

    @pytest.mark.parametrize(("value", "locked"), [(0, False), (1, True), (2, False)])
    def test_lock_state_is_the_only_source_of_lock_state(self, value: int, locked: bool) -> None:
        assert self.report(0x0101, 0, value) == [Measured(locked=locked)]

    def test_an_undefined_state_says_nothing(self) -> None:
        assert self.report(0x0101, 0, 0xFF) == []

    def test_the_door(self) -> None:
        assert self.report(0x0101, 3, 0) == [Measured(door_open=True)]
        assert self.report(0x0101, 3, 1) == [Measured(door_open=False)]
        assert Happening(EventType.DOOR_FORCED) in self.report(0x0101, 3, 3)
        assert self.report(0x0101, 3, 0xFF) == []

    def test_battery_in_half_percent_or_not(self) -> None:
        whole = ModelFacts(battery_full_at_100=True)
        assert self.report(0x0001, 0x21, 150) == [Measured(battery_percent=75)]
        assert self.report(0x0001, 0x21, 75, whole) == [Measured(battery_percent=75)]
        assert self.report(0x0001, 0x21, 200, whole) == [Measured(battery_percent=100)]
        assert self.report(0x0001, 0x21, 0xFF) == []

    def test_digits_in_an_attribute_stay_out(self) -> None:
        assert self.report(0x0101, 0x0101, b"583920") == []

    def test_a_frame_alone(self) -> None:
        assert translate(Heard(ADDRESS), PLAIN, UTC) == ()


class TestCapabilities:
    def of(self, attributes: dict[int, object], facts: ModelFacts = PLAIN) -> Capabilities:
        return capabilities_of(
            {str(key): value for key, value in attributes.items()},
            facts,
            sleepy=False,
            has_clock=False,
            reads_slots=True,
        )

    def test_the_locks_word_goes_before_the_models_facts(self) -> None:
        facts = ModelFacts(names=("x",), slots=30)
        told = self.of({0x12: 250, 0x17: 10, 0x18: 6, 0x14: 7, 0x15: 2, 0x32: True}, facts)
        assert told.codes == CodeLimits(250, 6, 10, reads_back_digits=True)
        assert told.schedules == ScheduleSupport(7, 2)

    def test_the_models_facts_fill_the_gaps(self) -> None:
        facts = ModelFacts(names=("x",), slots=30, reserved_slots=frozenset({1}))
        assert self.of({}, facts).codes == CodeLimits(30, reserved_slots=frozenset({1}))

    def test_an_unknown_models_first_and_last_user_ids_are_left_alone(self) -> None:
        codes = self.of({0x12: 100}).codes
        assert codes is not None
        assert codes.slots == 99

    def test_a_lock_without_a_keypad(self) -> None:
        told = self.of({})
        assert told.codes is None
        assert told.can_program_online_access_codes is None
        assert told.can_remotely_unlock is True

    def test_a_promise_that_is_not_believed(self) -> None:
        facts = ModelFacts(names=("x",), keeps_schedules=False)
        assert self.of({0x12: 9, 0x14: 7, 0x15: 2}, facts).schedules == ScheduleSupport(0, 0)
