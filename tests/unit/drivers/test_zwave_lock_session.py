"""Writing codes by User Code: the order that opens no door early, the proof, and every failure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from gateway.domain.actions import Confirmed, Refused, Unconfirmed
from gateway.domain.devices import Evidence, LockSchedule, WeekDay, YearDay
from gateway.domain.instant import HOUR, MINUTE, Instant
from gateway.domain.secret import Secret
from gateway.drivers.api import SlotUse, WriteResult
from gateway.drivers.zwave_lock import session
from gateway.drivers.zwave_lock.dialogue import Dialect
from gateway.drivers.zwave_lock.schedules import Kind, to_raws
from gateway.errors import (
    DeviceRefused,
    GatewayError,
    OutcomeUnknown,
    PeerProtocolError,
    Refusal,
    Unreachable,
)
from gateway.radios.command_classes import CcCall, CcReply, Supervision
from tests.unit.drivers.zwave_double import (
    DISABLED,
    ENABLED,
    SILENCE,
    CcLockDouble,
    Override,
    User,
    converse,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ZONE = ZoneInfo("Europe/Berlin")
V2 = Dialect(ZONE, disables=True, year_day=2, daily=3)
V1 = replace(V2, disables=False, daily=0, week_day=7)
NOON = Instant(1_795_000_000_000 // MINUTE * MINUTE)
WINDOW = YearDay(NOON, Instant(NOON + 2 * HOUR))
LATER = YearDay(Instant(NOON + HOUR), Instant(NOON + 3 * HOUR))
MORNINGS = WeekDay(frozenset({1, 3}), 8 * 60, 10 * 60)
DIGITS = Secret("583920")
PROVEN = Confirmed(frozenset({Evidence.ACKNOWLEDGED, Evidence.READ_BACK}))
FOUND = Confirmed(frozenset({Evidence.READ_BACK}))


def program(
    lock: CcLockDouble,
    *schedules: LockSchedule,
    dialect: Dialect = V2,
    slot: int = 4,
    overwrite: bool = False,
    digits: Secret = DIGITS,
) -> WriteResult:
    return converse(session.program(dialect, slot, digits, schedules, overwrite=overwrite), lock)


def on(method: str, what: CcReply | GatewayError, nth: int = 1) -> Override:
    """What happens at the nth call of that name."""
    seen = 0

    def override(call: CcCall) -> CcReply | GatewayError | None:
        nonlocal seen
        if call.method != method:
            return None
        seen += 1
        return what if seen == nth else None

    return override


def lock_with(
    method: str, what: CcReply | GatewayError, nth: int = 1, **more: object
) -> CcLockDouble:
    lock = CcLockDouble(**more)  # type: ignore[arg-type]  # fields by name
    lock.override = on(method, what, nth)
    return lock


class TestUnrestricted:
    def test_is_enabled_and_read_back_from_the_lock(self) -> None:
        lock = CcLockDouble()
        result = program(lock)
        assert result.outcome == PROVEN
        assert lock.users == {4: User("583920", ENABLED)}
        assert result.reading is not None
        assert result.reading.digits == DIGITS
        assert lock.said[:3] == ["get", "set", "get"]

    def test_without_supervision_the_reading_alone_is_the_proof(self) -> None:
        assert program(CcLockDouble(supervised=False)).outcome == FOUND

    def test_masked_digits_are_proven_by_the_locks_word(self) -> None:
        result = program(CcLockDouble(masked=True))
        assert result.outcome == PROVEN
        assert result.reading is not None
        assert (result.reading.use, result.reading.digits) == (SlotUse.ENABLED, None)

    def test_masked_digits_in_an_empty_slot_need_no_word(self) -> None:
        assert program(CcLockDouble(masked=True, supervised=False)).outcome == FOUND

    def test_masked_digits_over_others_do(self) -> None:
        lock = CcLockDouble({4: User("111222")}, masked=True, supervised=False)
        result = program(lock, overwrite=True)
        assert isinstance(result.outcome, Unconfirmed)

    def test_acknowledged_but_not_there(self) -> None:
        result = program(lock_with("set", CcReply(Supervision.SUCCESS)))
        assert isinstance(result.outcome, Unconfirmed)
        assert result.reading is not None
        assert result.reading.use is SlotUse.AVAILABLE

    def test_sent_and_lost_without_a_word(self) -> None:
        assert isinstance(program(lock_with("set", SILENCE)).outcome, Unconfirmed)

    def test_writes_nothing_where_the_lock_holds_it_already(self) -> None:
        lock = CcLockDouble({4: User("583920")})
        assert program(lock, overwrite=True).outcome == FOUND
        assert "set" not in lock.said

    def test_an_occupied_slot_is_left_alone(self) -> None:
        lock = CcLockDouble({4: User("111222")})
        result = program(lock)
        assert result.outcome == Refused(Refusal.INVALID)
        assert lock.users == {4: User("111222")}

    def test_a_no_without_a_reason(self) -> None:
        result = program(lock_with("set", CcReply(Supervision.FAIL)))
        assert result.outcome == Refused(Refusal.FAILED)

    def test_a_no_to_the_command_itself(self) -> None:
        result = program(lock_with("set", CcReply(Supervision.NO_SUPPORT)))
        assert result.outcome == Refused(Refusal.UNSUPPORTED)

    def test_a_no_to_what_is_there_all_the_same(self) -> None:
        lock = CcLockDouble()
        asked = 0

        def twice(call: CcCall) -> CcReply | None:
            """The frame came twice, and the second was refused."""
            nonlocal asked
            if call.method != "set" or asked:
                return None
            asked = 1
            lock.users[4] = User("583920")
            return CcReply(Supervision.FAIL)

        lock.override = twice
        assert program(lock).outcome == FOUND

    def test_silence_after_a_write_is_doubt(self) -> None:
        lock = CcLockDouble()
        lock.override = lambda call: SILENCE if call.method == "get" and lock.users else None
        assert isinstance(program(lock).outcome, Unconfirmed)

    def test_nothing_heard_of_the_order_is_an_unknown_outcome(self) -> None:
        with pytest.raises(OutcomeUnknown):
            program(lock_with("set", OutcomeUnknown("lost")))

    def test_nothing_delivered_is_nothing_changed(self) -> None:
        with pytest.raises(Unreachable):
            program(lock_with("set", Unreachable("gone")))

    def test_a_question_is_asked_again_before_the_lock_is_given_up(self) -> None:
        assert program(lock_with("get", SILENCE)).outcome == PROVEN

    def test_a_lock_that_does_not_answer_is_not_written_to(self) -> None:
        lock = CcLockDouble(override=lambda call: SILENCE if call.method == "get" else None)
        with pytest.raises(Unreachable):
            program(lock)
        assert "set" not in lock.said

    def test_nonsense_before_a_write_is_no_doubtful_write(self) -> None:
        lock = lock_with("get", CcReply(Supervision.NONE, {"userIdStatus": 9}))
        assert program(lock).outcome == Refused(Refusal.FAILED)


class TestDuplicates:
    @pytest.mark.parametrize("whose", [True, False])
    def test_are_refused_by_name_where_the_lock_tells_why(self, *, whose: bool) -> None:
        lock = CcLockDouble({9: User("583920")}, says_whose=whose)
        assert program(lock).outcome == Refused(Refusal.DUPLICATE)
        assert lock.users == {9: User("583920")}

    def test_also_where_nobody_ends_the_command(self) -> None:
        lock = CcLockDouble({9: User("583920")}, supervised=False)
        assert program(lock).outcome == Refused(Refusal.DUPLICATE)

    def test_have_no_name_where_it_does_not(self) -> None:
        lock = CcLockDouble({9: User("583920")}, says_why=False)
        assert program(lock).outcome == Refused(Refusal.FAILED)

    def test_of_another_slot_are_not_ours(self) -> None:
        lock = CcLockDouble(
            override=lambda call: CcReply(Supervision.FAIL) if call.method == "set" else None
        )
        lock.notify(0x0F, userId=7)
        assert program(lock).outcome == Refused(Refusal.FAILED)

    def test_of_the_very_slot_are_erased_and_written_again(self) -> None:
        """Masked, disabled, and the lock calls them a duplicate of themselves."""
        lock = CcLockDouble({4: User("583920", DISABLED)}, masked=True, own_duplicates=True)
        assert program(lock, overwrite=True).outcome == PROVEN
        assert lock.users == {4: User("583920", ENABLED)}

    def test_of_the_very_slot_as_wanted_prove_that_they_are_there(self) -> None:
        """The house takes the refusal for the proof (zwave-js/zwave-js#9188)."""
        lock = CcLockDouble({4: User("583920")}, masked=True, own_duplicates=True)
        result = program(lock, overwrite=True)
        assert result.outcome == Refused(Refusal.DUPLICATE)
        assert result.reading is not None
        assert result.reading.use is SlotUse.ENABLED
        assert lock.users == {4: User("583920")}


class TestRestricted:
    def test_is_written_disabled_then_scheduled_then_enabled_then_proven(self) -> None:
        lock = CcLockDouble()
        result = program(lock, WINDOW)
        assert result.outcome == PROVEN
        assert lock.users == {4: User("583920", ENABLED)}
        writes = [name for name in lock.said if name.startswith("set")]
        assert writes == ["set", "setYearDaySchedule", "setEnabled", "set"]
        assert lock.open_moments == []
        assert result.reading is not None
        assert (result.reading.restricted, result.reading.schedules) == (True, (WINDOW,))

    def test_weekly_as_daily_repeating(self) -> None:
        lock = CcLockDouble()
        result = program(lock, MORNINGS)
        assert result.outcome == PROVEN
        assert lock.schedules == {(Kind.DAILY, 4, 1): ((1, 3), 8, 0, 2, 0)}
        assert result.reading is not None
        assert result.reading.schedules == (MORNINGS,)

    def test_a_lock_that_cannot_disable_gets_the_schedules_first(self) -> None:
        lock = CcLockDouble(can_disable=False, counts={Kind.YEAR_DAY: 2, Kind.WEEK_DAY: 7})
        result = program(lock, WINDOW, dialect=V1)
        assert result.outcome == PROVEN
        writes = [name for name in lock.said if name.startswith("set")]
        assert writes == ["setYearDaySchedule", "setEnabled", "set"]
        assert lock.open_moments == []

    def test_week_days_are_written_one_by_one_and_told_as_one(self) -> None:
        lock = CcLockDouble(can_disable=False, counts={Kind.YEAR_DAY: 2, Kind.WEEK_DAY: 7})
        result = program(lock, MORNINGS, dialect=V1)
        assert result.outcome == PROVEN
        assert len(lock.schedules) == 2
        assert result.reading is not None
        assert result.reading.schedules == (MORNINGS,)

    def test_a_lock_that_wants_a_user_first_is_refused_before_it_has_one(self) -> None:
        lock = CcLockDouble(
            can_disable=False, needs_user=True, counts={Kind.YEAR_DAY: 2, Kind.WEEK_DAY: 7}
        )
        assert program(lock, WINDOW, dialect=V1).outcome == Refused(Refusal.UNSUPPORTED)
        assert lock.users == {}

    def test_a_lock_that_says_yes_to_schedules_and_keeps_none(self) -> None:
        lock = CcLockDouble(can_disable=False, forgets_schedules=True)
        assert program(lock, WINDOW, dialect=V1).outcome == Refused(Refusal.UNSUPPORTED)
        assert (lock.users, lock.open_moments) == ({}, [])

    def test_one_that_forgets_them_when_disabled_keeps_no_code(self) -> None:
        lock = CcLockDouble(forgets_schedules=True)
        assert isinstance(program(lock, WINDOW).outcome, Unconfirmed)
        assert (lock.users, lock.open_moments) == ({}, [])

    def test_one_that_enables_at_once_keeps_no_code(self) -> None:
        lock = CcLockDouble(can_disable=False)
        result = program(lock, WINDOW)
        assert isinstance(result.outcome, Unconfirmed)
        assert lock.users == {}

    def test_schedules_of_somebody_before_are_overwritten(self) -> None:
        lock = CcLockDouble()
        old = to_raws(LATER, ZONE, Kind.YEAR_DAY)[0].values
        lock.schedules = {(Kind.YEAR_DAY, 4, 2): old, (Kind.DAILY, 4, 1): ((1,), 8, 0, 1, 0)}
        result = program(lock, WINDOW)
        assert result.outcome == PROVEN
        assert {kind for kind, _, _ in lock.schedules} == {Kind.YEAR_DAY}
        assert old not in lock.schedules.values()
        assert result.reading is not None
        assert result.reading.schedules == (WINDOW,)

    def test_too_many_are_refused_before_anything_is_asked(self) -> None:
        lock = CcLockDouble()
        third = YearDay(Instant(NOON + 4 * HOUR), Instant(NOON + 5 * HOUR))
        assert program(lock, WINDOW, LATER, third).outcome == Refused(Refusal.UNSUPPORTED)
        assert program(lock, WINDOW, MORNINGS).outcome == Refused(Refusal.INVALID)
        assert lock.said == []

    def test_an_unrestricted_code_over_a_restricted_one_lifts_the_restriction(self) -> None:
        lock = CcLockDouble()
        program(lock, WINDOW)
        result = program(lock, overwrite=True, digits=Secret("111333"))
        assert result.outcome == PROVEN
        assert lock.schedules == {}
        assert lock.users == {4: User("111333", ENABLED)}

    def test_a_duplicate_among_restricted_codes(self) -> None:
        for dialect, disables in ((V2, True), (V1, False)):
            lock = CcLockDouble({9: User("583920")}, can_disable=disables)
            lock.counts = {Kind.YEAR_DAY: 2, Kind.DAILY: 3, Kind.WEEK_DAY: 7}
            lock.schedules[Kind.YEAR_DAY, 9, 1] = to_raws(LATER, ZONE, Kind.YEAR_DAY)[0].values
            assert program(lock, WINDOW, dialect=dialect).outcome == Refused(Refusal.DUPLICATE)
            assert set(lock.users) == {9}
            assert {user for _, user, _ in lock.schedules} == {9}


class TestReading:
    def test_an_empty_entry_is_told_from_silence(self) -> None:
        lock = CcLockDouble({4: User("583920")})
        reading = converse(session.read_slot(V2, 4), lock)
        assert (reading.restricted, reading.schedules) == (False, ())
        lock.override = lambda call: SILENCE if call.method == "getYearDaySchedule" else None
        with pytest.raises(Unreachable):
            converse(session.read_slot(V2, 4), lock)

    def test_a_lost_report_is_asked_for_again(self) -> None:
        lock = lock_with("getYearDaySchedule", SILENCE)
        lock.users[4] = User("583920")
        lock.schedules[Kind.YEAR_DAY, 4, 1] = to_raws(WINDOW, ZONE, Kind.YEAR_DAY)[0].values
        assert converse(session.read_slot(V2, 4), lock).schedules == (WINDOW,)

    def test_two_kinds_are_not_guessed_at(self) -> None:
        lock = CcLockDouble({4: User("583920")})
        lock.schedules[Kind.YEAR_DAY, 4, 1] = to_raws(WINDOW, ZONE, Kind.YEAR_DAY)[0].values
        lock.schedules[Kind.DAILY, 4, 1] = ((1,), 8, 0, 1, 0)
        reading = converse(session.read_slot(V2, 4), lock)
        assert (reading.restricted, reading.schedules) == (True, None)

    def test_a_user_that_does_not_exist(self) -> None:
        lock = lock_with("get", CcReply(Supervision.NONE, {"userIdStatus": 254, "userCode": ""}))
        with pytest.raises(DeviceRefused):
            converse(session.read_slot(V2, 4), lock)

    @pytest.mark.parametrize("code", ["****", b"\x00\x01\x02\x03", "", "12 4"])
    def test_a_mask_is_no_digits(self, code: object) -> None:
        told = CcReply(Supervision.NONE, {"userIdStatus": 1, "userCode": code})
        reading = converse(session.read_slot(V2, 4), lock_with("get", told))
        assert (reading.use, reading.digits) == (SlotUse.ENABLED, None)


class TestReschedule:
    def test_overwrites_in_place_and_never_opens(self) -> None:
        lock = CcLockDouble()
        program(lock, WINDOW, LATER)
        lock.open_moments.clear()
        result = converse(session.reschedule(V2, 4, (LATER,)), lock)
        assert result.outcome == PROVEN
        assert result.reading is not None
        assert result.reading.schedules == (LATER,)
        assert lock.open_moments == []
        assert lock.users == {4: User("583920", ENABLED)}

    @pytest.mark.parametrize("schedules", [(), (MORNINGS,)])
    def test_another_kind_is_for_programming(self, schedules: tuple[LockSchedule, ...]) -> None:
        lock = CcLockDouble()
        program(lock, WINDOW)
        result = converse(session.reschedule(V2, 4, schedules), lock)
        assert result.outcome == Refused(Refusal.UNSUPPORTED)

    def test_an_empty_slot(self) -> None:
        result = converse(session.reschedule(V2, 4, (WINDOW,)), CcLockDouble())
        assert result.outcome == Refused(Refusal.INVALID)

    def test_a_lock_that_refuses_says_what_it_holds(self) -> None:
        lock = CcLockDouble()
        program(lock, WINDOW)
        lock.override = on("setYearDaySchedule", CcReply(Supervision.FAIL))
        result = converse(session.reschedule(V2, 4, (LATER,)), lock)
        assert result.outcome == Refused(Refusal.FAILED)
        assert result.reading is not None
        assert result.reading.schedules == (WINDOW,)

    def test_a_broken_way_is_an_unknown_outcome(self) -> None:
        lock = CcLockDouble()
        program(lock, WINDOW)
        lock.override = on("setYearDaySchedule", Unreachable("gone"))
        with pytest.raises(OutcomeUnknown):
            converse(session.reschedule(V2, 4, (LATER,)), lock)


class TestErase:
    def test_code_first_then_its_schedules(self) -> None:
        lock = CcLockDouble()
        program(lock, WINDOW)
        lock.said.clear()
        result = converse(session.erase(V2, 4), lock)
        assert result.outcome == PROVEN
        assert (lock.users, lock.schedules) == ({}, {})
        assert lock.said[:3] == ["get", "clear", "get"]

    def test_an_empty_slot_is_a_success(self) -> None:
        lock = CcLockDouble()
        assert converse(session.erase(V2, 4), lock).outcome == FOUND
        assert lock.said == ["get"]

    def test_acknowledged_and_still_there(self) -> None:
        lock = lock_with("clear", CcReply(Supervision.SUCCESS))
        lock.users[4] = User("583920")
        assert isinstance(converse(session.erase(V2, 4), lock).outcome, Unconfirmed)

    def test_refused_and_still_there(self) -> None:
        lock = lock_with("clear", CcReply(Supervision.FAIL))
        lock.users[4] = User("583920")
        assert converse(session.erase(V2, 4), lock).outcome == Refused(Refusal.FAILED)

    def test_what_is_to_be_spared_is(self) -> None:
        lock = CcLockDouble({4: User("583920")})
        result = converse(session.erase(V2, 4, lambda found: found.digits == DIGITS), lock)
        assert result.outcome == Refused(Refusal.INVALID)
        assert lock.users == {4: User("583920")}

    def test_unreadable_is_no_reason_not_to_try(self) -> None:
        lock = lock_with("get", PeerProtocolError("nonsense"))
        lock.users[4] = User("583920")
        assert converse(session.erase(V2, 4), lock).outcome == PROVEN


@pytest.mark.parametrize("dialect", [V2, V1], ids=["disables", "schedules first"])
@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize(
    "error", [OutcomeUnknown("lost"), Unreachable("gone")], ids=["lost", "gone"]
)
def test_wherever_the_way_breaks_no_door_opens_early(
    dialect: Dialect, error: GatewayError, *, carried_out: bool
) -> None:
    """At each call in turn: never an open code, never a success that is none, and the truth of
    `Unreachable` is that the slot is as before."""
    counts = {Kind.YEAR_DAY: 2, Kind.DAILY: 3, Kind.WEEK_DAY: 7}
    clean = CcLockDouble(can_disable=dialect.disables, counts=dict(counts))
    program(clean, WINDOW, dialect=dialect)
    for nth in range(1, len(clean.said) + 1):
        lock = CcLockDouble(can_disable=dialect.disables, counts=dict(counts))
        breaking = _at(nth, error)
        if carried_out and isinstance(error, OutcomeUnknown):
            lock.after_error = breaking
        else:
            lock.override = breaking
        result: WriteResult | None = None
        try:
            result = program(lock, WINDOW, dialect=dialect)
        except OutcomeUnknown:
            pass
        except Unreachable:
            assert lock.users == {}, nth
        assert lock.open_moments == [], nth
        if result is not None and isinstance(result.outcome, Confirmed):
            assert lock.users == {4: User("583920", ENABLED)}
        if result is not None and isinstance(result.outcome, Refused):
            assert lock.users == {}


def _at(nth: int, error: GatewayError) -> Callable[[CcCall], GatewayError | None]:
    seen = 0

    def breaking(call: CcCall) -> GatewayError | None:
        nonlocal seen
        if call.method.startswith("node."):
            return None
        seen += 1
        return error if seen == nth else None

    return breaking
