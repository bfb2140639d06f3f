"""Writing codes: the order that opens no door early, the proof, and what every failure becomes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.actions import Confirmed, Refused, Unconfirmed
from gateway.domain.devices import Evidence, LockSchedule, WeekDay, YearDay
from gateway.domain.instant import HOUR, Instant
from gateway.domain.secret import Secret
from gateway.drivers.api import SlotUse, WriteResult
from gateway.drivers.zcl_lock import session, wire
from gateway.drivers.zcl_lock.dialogue import Dialect, read_slot
from gateway.drivers.zcl_lock.schedules import to_raw
from gateway.drivers.zcl_lock.wire import Command
from gateway.errors import (
    DeviceRefused,
    GatewayError,
    OutcomeUnknown,
    PeerProtocolError,
    Refusal,
    Unreachable,
)
from gateway.radios.api import ClusterReply, ClusterRequest
from tests.unit.drivers.lock_double import (
    DISABLED,
    ENABLED,
    UNRESTRICTED,
    UNSUPPORTED,
    WEEK_DAY,
    YEAR_DAY,
    LockDouble,
    User,
    converse,
    default,
    status,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ZONE = ZoneInfo("Europe/Berlin")
DIALECT = Dialect(1, ZONE, week_day=3, year_day=3)
NOON = Instant(1_795_000_000_000)
WINDOW = YearDay(NOON, Instant(NOON + 2 * HOUR))
LATER = YearDay(Instant(NOON + HOUR), Instant(NOON + 3 * HOUR))
MORNINGS = WeekDay(frozenset({1, 3}), 8 * 60, 10 * 60)
EVENINGS = WeekDay(frozenset({5}), 18 * 60, 20 * 60)
DIGITS = Secret("583920")
PROVEN = frozenset({Evidence.ACKNOWLEDGED, Evidence.READ_BACK})


def program(
    lock: LockDouble,
    schedules: tuple[LockSchedule, ...] = (),
    *,
    slot: int = 4,
    overwrite: bool = False,
    digits: Secret = DIGITS,
    dialect: Dialect = DIALECT,
) -> WriteResult:
    return converse(session.program(dialect, slot, digits, schedules, overwrite=overwrite), lock)


def test_nonsense_before_a_write_is_no_doubtful_write() -> None:
    """Nothing was sent yet, so nothing of it can be on the lock."""

    dialogue = session.program(DIALECT, 4, DIGITS, ())
    next(dialogue)
    with pytest.raises(StopIteration) as end:
        dialogue.throw(PeerProtocolError("could not read"))
    assert end.value.value == WriteResult(Refused(Refusal.FAILED))


class TestUnrestricted:
    def test_is_enabled_and_read_back(self) -> None:
        lock = LockDouble()
        result = program(lock)
        assert result.outcome == Confirmed(PROVEN)
        assert lock.users == {4: User("583920", ENABLED, UNRESTRICTED)}
        assert result.reading is not None
        assert result.reading.digits == DIGITS

    def test_is_proven_without_digits_where_the_lock_masks_them(self) -> None:
        result = program(LockDouble(masked=True))
        assert result.outcome == Confirmed(PROVEN)
        assert result.reading is not None
        assert (result.reading.use, result.reading.digits) == (SlotUse.ENABLED, None)

    @pytest.mark.parametrize("mask", ["", "****", "\N{REPLACEMENT CHARACTER}" * 4])
    def test_knows_a_mask_from_digits(self, mask: str) -> None:
        lock = LockDouble(users={4: User(mask, ENABLED, UNRESTRICTED)})
        assert converse(read_slot(DIALECT, 4), lock).digits is None

    def test_other_digits_read_back_are_not_confirmed(self) -> None:
        lock = LockDouble(override=answering(Command.GET_PIN_CODE, 2, occupied("111222")))
        result = program(lock)
        assert isinstance(result.outcome, Unconfirmed)
        assert result.reading is not None
        assert result.reading.digits == Secret("111222")

    def test_acknowledged_but_not_there(self) -> None:
        lock = LockDouble(override=answering(Command.SET_PIN_CODE, 1, status(SET, 0)))
        result = program(lock)
        assert isinstance(result.outcome, Unconfirmed)
        assert result.reading is not None
        assert result.reading.use is SlotUse.AVAILABLE

    def test_writes_nothing_where_the_lock_holds_it_already(self) -> None:
        lock = LockDouble(users={4: User("583920", ENABLED, UNRESTRICTED)})
        assert program(lock, overwrite=True).outcome == Confirmed(frozenset({Evidence.READ_BACK}))
        assert lock.said == ["get_pin"]

    @pytest.mark.parametrize(
        ("code", "refusal"),
        [
            (1, Refusal.FAILED),
            (2, Refusal.FULL),
            (3, Refusal.DUPLICATE),
            (0x7E, Refusal.NOT_AUTHORISED),
            (0x81, Refusal.UNSUPPORTED),
            (0x85, Refusal.INVALID),
            (0xF7, Refusal.FAILED),
        ],
    )
    def test_refusals_have_reasons(self, code: int, refusal: Refusal) -> None:
        lock = LockDouble(override=answering(Command.SET_PIN_CODE, 1, status(SET, code)))
        assert program(lock).outcome == Refused(refusal)

    @pytest.mark.parametrize("schedules", [(), (WINDOW,)])
    def test_refused_over_other_digits_and_then_masked_proves_nothing(
        self, schedules: tuple[LockSchedule, ...]
    ) -> None:
        lock = LockDouble(users={4: User("111222", ENABLED, UNRESTRICTED)})

        def busy(request: ClusterRequest) -> ClusterReply | None:
            if request.command_id != Command.SET_PIN_CODE:
                return None
            lock.masked = True  # from here on it does not tell
            return status(SET, 1)

        lock.override = busy
        result = program(lock, schedules, overwrite=True)
        assert isinstance(result.outcome, Unconfirmed | Refused)
        assert result.reading is None or result.reading.digits == Secret("111222")
        assert lock.users[4].code == "111222"

    @pytest.mark.parametrize(
        ("schedules", "kind", "left"), [((), UNRESTRICTED, ["111222"]), ((WINDOW,), YEAR_DAY, [])]
    )
    def test_acknowledged_over_other_digits_and_then_masked_proves_nothing(
        self, schedules: tuple[LockSchedule, ...], kind: int, left: list[str]
    ) -> None:
        """A lock that did not store them reads the same. What has hours is taken back."""
        lock = LockDouble(users={4: User("111222", ENABLED, kind)})

        def pretends(request: ClusterRequest) -> ClusterReply | None:
            if request.command_id != Command.SET_PIN_CODE:
                return None
            lock.masked = True  # from here on it does not tell
            return status(SET, 0)

        lock.override = pretends
        result = program(lock, schedules, overwrite=True)
        assert isinstance(result.outcome, Unconfirmed)
        assert result.reading is None or result.reading.use is SlotUse.AVAILABLE
        assert [user.code for user in lock.users.values()] == left

    @pytest.mark.parametrize("carried_out", [False, True])
    @pytest.mark.parametrize("schedules", [(), (WINDOW,)])
    def test_over_digits_that_a_lock_hides_for_once_it_writes_into_the_emptied_slot(
        self, schedules: tuple[LockSchedule, ...], carried_out: bool
    ) -> None:
        """Else hidden digits before and after a yes pass for the new ones."""
        lock = LockDouble(users={4: User("111222", ENABLED, UNRESTRICTED)}, masked=True)
        shows = replace(DIALECT, shows_digits=True)

        def pretends(request: ClusterRequest) -> ClusterReply | None:
            unheeded = request.command_id == Command.SET_PIN_CODE and not carried_out
            return status(SET, 0) if unheeded else None

        lock.override = pretends
        result = program(lock, schedules, overwrite=True, dialect=shows)
        assert "clear_pin" in lock.said
        if carried_out:
            assert result.outcome == Confirmed(PROVEN)
            assert lock.users[4].code == "583920"
        else:
            assert not isinstance(result.outcome, Confirmed)
            assert lock.users == {}

    @pytest.mark.parametrize("schedules", [(), (WINDOW,)])
    def test_the_same_digits_need_not_be_shown_again(
        self, schedules: tuple[LockSchedule, ...]
    ) -> None:
        lock = LockDouble(users={4: User("583920", DISABLED, UNRESTRICTED)})

        def shy(request: ClusterRequest) -> ClusterReply | None:
            lock.masked = lock.masked or request.command_id == Command.SET_PIN_CODE
            return None

        lock.override = shy
        assert program(lock, schedules, overwrite=True).outcome == Confirmed(PROVEN)

    def test_a_default_response_counts_as_a_status(self) -> None:
        lock = LockDouble(refuses=frozenset({Command.SET_PIN_CODE}))
        assert program(lock).outcome == Refused(Refusal.UNSUPPORTED)


class TestRestricted:
    def test_is_written_disabled_then_scheduled_then_enabled_then_proven(self) -> None:
        lock = LockDouble()
        result = program(lock, (WINDOW,))
        assert result.outcome == Confirmed(PROVEN)
        assert lock.said == [
            "get_pin",
            "set_pin",
            "set_year_day",
            *["get_year_day"] * 3,
            "set_status",
            "get_pin",
            "get_year_day",
        ]
        assert lock.users == {4: User("583920", ENABLED, YEAR_DAY)}
        assert result.reading is not None
        assert result.reading.schedules == (WINDOW,)
        assert result.reading.restricted

    def test_weekly(self) -> None:
        lock = LockDouble()
        result = program(lock, (MORNINGS, EVENINGS))
        assert result.outcome == Confirmed(PROVEN)
        assert lock.users[4].type == WEEK_DAY
        assert lock.week_day == {(4, 0): (0b1010, 8, 0, 10, 0), (4, 1): (0b100000, 18, 0, 20, 0)}

    def test_a_leftover_schedule_of_someone_else_is_overwritten_not_cleared(self) -> None:
        lock = LockDouble(year_day={(4, 2): (0, 2**31)}, clearing_unrestricts=True)
        assert program(lock, (WINDOW,)).outcome == Confirmed(PROVEN)
        assert set(lock.year_day.values()) == {to_raw(WINDOW, ZONE)}
        assert "clear_year_day" not in lock.said

    def test_writes_nothing_where_the_lock_holds_it_already(self) -> None:
        lock = LockDouble()
        program(lock, (WINDOW,))
        lock.said.clear()
        result = program(lock, (WINDOW,), overwrite=True)
        assert result.outcome == Confirmed(frozenset({Evidence.READ_BACK}))
        assert not [said for said in lock.said if not said.startswith("get_")]

    def test_never_live_without_its_window(self) -> None:
        lock = LockDouble()
        program(lock, (WINDOW,))
        assert lock.open_moments == []

    def test_a_lock_that_ignores_the_type_is_left_empty(self) -> None:
        lock = LockDouble(ignores_type=True)
        result = program(lock, (WINDOW,))
        assert isinstance(result.outcome, Unconfirmed)
        assert lock.users == {}
        assert result.reading is not None
        assert result.reading.use is SlotUse.AVAILABLE

    def test_a_lock_that_loses_the_schedule_is_left_empty(self) -> None:
        lock = LockDouble(override=answering(Command.SET_YEAR_DAY, 1, status(SET, 0)))
        assert isinstance(program(lock, (WINDOW,)).outcome, Unconfirmed)
        assert lock.users == {}

    def test_a_refused_schedule_is_a_refusal_and_leaves_nothing(self) -> None:
        lock = LockDouble(override=answering(Command.SET_YEAR_DAY, 1, status(SET, 0x85)))
        assert program(lock, (WINDOW,)).outcome == Refused(Refusal.INVALID)
        assert lock.users == {}

    def test_a_lock_without_set_user_status_is_enabled_by_writing_again(self) -> None:
        lock = LockDouble(refuses=frozenset({Command.SET_USER_STATUS}))
        assert program(lock, (WINDOW,)).outcome == Confirmed(PROVEN)
        assert lock.users == {4: User("583920", ENABLED, YEAR_DAY)}

    def test_a_duplicate_is_told_before_anything_else_happens(self) -> None:
        lock = LockDouble(users={9: User("583920", ENABLED, UNRESTRICTED)})
        assert program(lock, (WINDOW,)).outcome == Refused(Refusal.DUPLICATE)
        assert lock.said == ["get_pin", "set_pin", "get_pin"]  # and whether that is true

    def test_more_schedules_than_the_lock_keeps(self) -> None:
        lock = LockDouble()
        four = tuple(replace(MORNINGS, end_minute=600 + i) for i in range(4))
        assert program(lock, four).outcome == Refused(Refusal.UNSUPPORTED)
        assert lock.said == []

    def test_a_mixture_of_kinds(self) -> None:
        lock = LockDouble()
        assert program(lock, (MORNINGS, WINDOW)).outcome == Refused(Refusal.INVALID)
        assert lock.said == []


class TestDuplicatesOfItself:
    """Some locks call digits a duplicate that are in the very slot they are written to."""

    @pytest.mark.parametrize("masked", [False, True])
    @pytest.mark.parametrize("schedules", [(), (WINDOW,), (MORNINGS,)])
    def test_a_half_written_code_is_written_again(
        self, schedules: tuple[LockSchedule, ...], masked: bool
    ) -> None:
        half = {4: User("583920", DISABLED, YEAR_DAY)}
        lock = LockDouble(users=half, masked=masked, own_duplicates=True)
        result = program(lock, schedules, overwrite=True)
        assert result.outcome == Confirmed(PROVEN)
        assert result.reading is not None
        assert (result.reading.schedules or ()) == schedules
        assert lock.users[4].status == ENABLED
        assert not schedules or lock.open_moments == []

    def test_a_code_that_opened_always_gets_its_window(self) -> None:
        live = {4: User("583920", ENABLED, UNRESTRICTED)}
        lock = LockDouble(users=live, own_duplicates=True)
        assert program(lock, (MORNINGS,), overwrite=True).outcome == Confirmed(PROVEN)
        assert lock.users == {4: User("583920", ENABLED, WEEK_DAY)}

    def test_another_slot_still_stands_in_the_way(self) -> None:
        """Where digits are hidden only an empty slot of ours shows whose they are."""
        others = User("583920", ENABLED, UNRESTRICTED)
        former = User("111222", DISABLED, YEAR_DAY)
        lock = LockDouble(users={4: former, 9: others}, masked=True)
        result = program(lock, (WINDOW,), overwrite=True)
        assert result.outcome == Refused(Refusal.DUPLICATE)
        assert lock.users == {9: others}

    def test_nothing_is_erased_where_other_digits_are_read(self) -> None:
        users = {4: User("111222", DISABLED, YEAR_DAY), 9: User("583920", ENABLED, UNRESTRICTED)}
        lock = LockDouble(users=dict(users), own_duplicates=True)
        assert program(lock, (WINDOW,), overwrite=True).outcome == Refused(Refusal.DUPLICATE)
        assert lock.users == users

    def test_what_reads_as_wanted_is_left_to_the_records(self) -> None:
        """Whether it is ours is known from what was written there before."""
        users = {4: User("583920", ENABLED, UNRESTRICTED)}
        lock = LockDouble(users=dict(users), masked=True, own_duplicates=True)
        result = program(lock, overwrite=True)
        assert result.outcome == Refused(Refusal.DUPLICATE)
        assert lock.said == ["get_pin", "set_pin", "get_pin"]
        assert lock.users == users

    def test_broken_off_between_the_two_it_is_no_mere_silence(self) -> None:
        half = {4: User("583920", DISABLED, UNRESTRICTED)}
        lock = LockDouble(users=half, own_duplicates=True)
        lock.override = failing(at=6, until=99)
        with pytest.raises(OutcomeUnknown):
            program(lock, overwrite=True)
        assert lock.users == {}

    def test_a_slot_that_cannot_be_erased_is_told_as_it_is(self) -> None:
        half = {4: User("583920", DISABLED, UNRESTRICTED)}
        lock = LockDouble(users=dict(half), own_duplicates=True)
        lock.refuses = frozenset({Command.CLEAR_PIN_CODE})
        assert isinstance(program(lock, overwrite=True).outcome, Unconfirmed)
        assert lock.users == half

    def test_a_lock_that_can_enable_nothing_keeps_no_windows(self) -> None:
        lock = LockDouble(own_duplicates=True, refuses=frozenset({Command.SET_USER_STATUS}))
        assert program(lock, (WINDOW,)).outcome == Refused(Refusal.UNSUPPORTED)
        assert lock.users == {}


class TestRefusedAndDoneAllTheSame:
    """A frame comes twice: one copy is refused, the other is carried out."""

    def test_the_code_is_found(self) -> None:
        lock = LockDouble()
        lock.override = twice(lock, Command.SET_PIN_CODE)
        result = program(lock)
        assert result.outcome == Confirmed(frozenset({Evidence.READ_BACK}))
        assert result.reading is not None
        assert result.reading.digits == DIGITS

    @pytest.mark.parametrize("masked", [False, True])
    def test_a_code_with_a_window_is_finished(self, masked: bool) -> None:
        lock = LockDouble(masked=masked)
        lock.override = twice(lock, Command.SET_PIN_CODE)
        assert program(lock, (WINDOW,)).outcome == Confirmed(PROVEN)
        assert lock.users == {4: User("583920", ENABLED, YEAR_DAY)}
        assert lock.open_moments == []

    def test_a_lock_that_enables_at_once_keeps_nothing_without_its_window(self) -> None:
        lock = LockDouble(enables_at_once=True)
        lock.override = twice(lock, Command.SET_PIN_CODE)
        assert isinstance(program(lock, (WINDOW,)).outcome, Unconfirmed)
        assert lock.users == {}

    @pytest.mark.parametrize("schedules", [(), (WINDOW,)])
    def test_without_a_reading_nobody_knows(self, schedules: tuple[LockSchedule, ...]) -> None:
        lock = LockDouble()
        refused, blind = twice(lock, Command.SET_PIN_CODE), failing(at=2, until=99)
        lock.override = lambda request: blind(request) or refused(request)
        result = program(lock, schedules)
        assert isinstance(result.outcome, Unconfirmed)
        assert result.reading is None
        assert lock.users[4].code == "583920"

    @pytest.mark.parametrize("schedules", [(), (WINDOW,)])
    def test_a_reason_is_believed_without_a_reading(
        self, schedules: tuple[LockSchedule, ...]
    ) -> None:
        lock = LockDouble()
        full, blind = (
            answering(Command.SET_PIN_CODE, 1, status(SET, wire.SET_PIN_FULL)),
            failing(at=2, until=99),
        )
        lock.override = lambda request: blind(request) or full(request)
        result = program(lock, schedules)
        assert result.outcome == Refused(Refusal.FULL)
        assert 4 not in lock.users

    @pytest.mark.parametrize("schedules", [(), (WINDOW,)])
    def test_a_duplicate_without_a_reading_may_be_the_code_itself(
        self, schedules: tuple[LockSchedule, ...]
    ) -> None:
        lock = LockDouble(own_duplicates=True)
        refused = twice(lock, Command.SET_PIN_CODE, wire.SET_PIN_DUPLICATE)
        blind = failing(at=2, until=99)
        lock.override = lambda request: blind(request) or refused(request)
        result = program(lock, schedules)
        assert isinstance(result.outcome, Unconfirmed)
        assert result.reading is None
        assert lock.users[4].code == "583920"

    @pytest.mark.parametrize("schedules", [(), (WINDOW,)])
    def test_what_somebody_else_put_there_meanwhile_is_left(
        self, schedules: tuple[LockSchedule, ...]
    ) -> None:
        lock = LockDouble()

        def overtaken(request: ClusterRequest) -> ClusterReply | None:
            if request.command_id != Command.SET_PIN_CODE:
                return None
            lock.users[4] = User("777888", ENABLED, UNRESTRICTED)
            return status(request, 1)

        lock.override = overtaken
        result = program(lock, schedules)
        assert isinstance(result.outcome, Unconfirmed)
        assert result.reading is not None
        assert result.reading.digits == Secret("777888")
        assert lock.users == {4: User("777888", ENABLED, UNRESTRICTED)}

    def test_new_schedules_are_found(self) -> None:
        lock = LockDouble()
        assert program(lock, (WINDOW,)).outcome == Confirmed(PROVEN)
        lock.override = twice(lock, Command.SET_YEAR_DAY)
        result = converse(session.reschedule(DIALECT, 4, (LATER,)), lock)
        assert result.outcome == Confirmed(frozenset({Evidence.READ_BACK}))
        assert result.reading is not None
        assert result.reading.schedules == (LATER,)

    def test_half_of_the_schedules_is_told_as_what_it_is(self) -> None:
        lock = LockDouble()
        assert program(lock, (MORNINGS, EVENINGS)).outcome == Confirmed(PROVEN)
        nights = WeekDay(frozenset({6}), 22 * 60, 23 * 60)
        lock.override = answering(Command.SET_WEEK_DAY, 2, status(SET, 1))
        result = converse(session.reschedule(DIALECT, 4, (EVENINGS, nights)), lock)
        assert result.outcome == Refused(Refusal.FAILED)
        assert result.reading is not None
        assert result.reading.schedules == (EVENINGS,)

    def test_an_erase_is_found(self) -> None:
        lock = LockDouble(users={4: User("583920", ENABLED, UNRESTRICTED)})
        lock.override = twice(lock, Command.CLEAR_PIN_CODE)
        result = converse(session.erase(DIALECT, 4), lock)
        assert result.outcome == Confirmed(frozenset({Evidence.READ_BACK}))

    @pytest.mark.parametrize("code", [0x01, 0x94])
    def test_an_erase_without_a_reading_is_in_doubt(self, code: int) -> None:
        lock = LockDouble(users={4: User("583920", ENABLED, UNRESTRICTED)})
        refused, blind = twice(lock, Command.CLEAR_PIN_CODE, code), failing(at=2, until=99)
        lock.override = lambda request: blind(request) or refused(request)
        assert isinstance(converse(session.erase(DIALECT, 4), lock).outcome, Unconfirmed)
        assert lock.users == {}

    def test_an_erase_that_is_not_allowed_was_not_done(self) -> None:
        lock = LockDouble(users={4: User("583920", ENABLED, UNRESTRICTED)})
        forbidden, blind = answering(Command.CLEAR_PIN_CODE, 1, status(SET, 0x7E)), failing(2, 99)
        lock.override = lambda request: blind(request) or forbidden(request)
        result = converse(session.erase(DIALECT, 4), lock)
        assert result == WriteResult(Refused(Refusal.NOT_AUTHORISED))


class TestBrokenLink:
    """Every write has a last moment at which nothing was changed; after it, nobody may say so."""

    def test_unreachable_before_anything_was_written(self) -> None:
        lock = LockDouble(override=failing(at=0))
        with pytest.raises(Unreachable):
            program(lock, (WINDOW,))

    def test_cut_off_in_the_middle_and_back_in_time_to_withdraw(self) -> None:
        lock = LockDouble(override=failing(at=2))
        assert isinstance(program(lock, (WINDOW,)).outcome, Unconfirmed)
        assert lock.users == {}

    def test_cut_off_for_good_is_outcome_unknown(self) -> None:
        lock = LockDouble(override=failing(at=2, until=99))
        with pytest.raises(OutcomeUnknown):
            program(lock, (WINDOW,))
        assert lock.users[4].status == DISABLED

    @given(
        first=st.integers(0, 14),
        many=st.integers(1, 20),
        lost_answer=st.booleans(),
        weekly=st.booleans(),
    )
    @settings(max_examples=200, deadline=None)
    def test_wherever_it_breaks_no_code_is_live_without_its_window(
        self, first: int, many: int, lost_answer: bool, weekly: bool
    ) -> None:
        """And whoever is told `Unreachable` finds the lock as it was."""
        lock = LockDouble(clearing_unrestricts=True)
        lock.override = failing(at=first, until=first + many, inner=lock if lost_answer else None)
        schedules: tuple[LockSchedule, ...] = (MORNINGS,) if weekly else (WINDOW,)
        try:
            result = program(lock, schedules)
        except Unreachable:
            assert lock.users == {}
        except (OutcomeUnknown, PeerProtocolError):
            pass  # "read it back": a disabled or a proven code, or none
        else:
            if isinstance(result.outcome, Confirmed):
                assert lock.users[4].status == ENABLED
            else:
                assert lock.users == {}
        assert lock.open_moments == []


class TestOccupied:
    FOREIGN = User("777888", ENABLED, UNRESTRICTED)

    @pytest.mark.parametrize("schedules", [(), (WINDOW,)])
    def test_somebody_elses_code_is_never_overwritten(
        self, schedules: tuple[LockSchedule, ...]
    ) -> None:
        lock = LockDouble(users={4: self.FOREIGN})
        result = program(lock, schedules)
        assert result.outcome == Refused(Refusal.INVALID)
        assert result.reading is not None
        assert result.reading.digits == Secret("777888")
        assert lock.users == {4: self.FOREIGN}

    def test_our_own_is_replaced_in_place(self) -> None:
        lock = LockDouble(users={4: self.FOREIGN})
        assert program(lock, (WINDOW,), overwrite=True).outcome == Confirmed(PROVEN)
        assert lock.users == {4: User("583920", ENABLED, YEAR_DAY)}
        assert "clear_pin" not in lock.said

    def test_a_slot_that_cannot_be_read_is_not_an_empty_one(self) -> None:
        blind = frozenset({Command.GET_PIN_CODE, Command.GET_USER_STATUS})
        lock = LockDouble(users={4: self.FOREIGN}, refuses=blind)
        with pytest.raises(DeviceRefused) as refused:
            program(lock)
        assert refused.value.refusal is Refusal.UNSUPPORTED
        assert lock.users == {4: self.FOREIGN}

    def test_an_answer_about_another_user_is_not_believed(self) -> None:
        lock = LockDouble(override=answering(Command.GET_PIN_CODE, 1, occupied("1", user_id=5)))
        assert program(lock).outcome == Refused(Refusal.FAILED)
        assert lock.users == {}

    def test_occupancy_by_user_status_where_codes_cannot_be_asked(self) -> None:
        lock = LockDouble(refuses=frozenset({Command.GET_PIN_CODE}))
        assert program(lock, (WINDOW,)).outcome == Confirmed(PROVEN)
        assert lock.said[:2] == ["get_pin", "get_status"]


class TestReschedule:
    def live(self, schedules: tuple[LockSchedule, ...]) -> LockDouble:
        lock = LockDouble(clearing_unrestricts=True)
        assert program(lock, schedules).outcome == Confirmed(PROVEN)
        lock.said.clear()
        return lock

    def test_in_place(self) -> None:
        lock = self.live((WINDOW,))
        result = converse(session.reschedule(DIALECT, 4, (LATER,)), lock)
        assert result.outcome == Confirmed(PROVEN)
        assert lock.year_day == {(4, 0): to_raw(LATER, ZONE)}
        assert {"clear_pin", "set_pin", "clear_year_day"}.isdisjoint(lock.said)
        assert lock.users[4].status == ENABLED

    def test_fewer_entries_leave_no_old_one_and_clear_nothing(self) -> None:
        lock = self.live((MORNINGS, EVENINGS))
        result = converse(session.reschedule(DIALECT, 4, (EVENINGS,)), lock)
        assert result.outcome == Confirmed(PROVEN)
        assert set(lock.week_day.values()) == {tuple(to_raw(EVENINGS, ZONE))}
        assert lock.users[4].type == WEEK_DAY
        reading = converse(read_slot(DIALECT, 4), lock)
        assert reading.schedules == (EVENINGS,)

    @pytest.mark.parametrize("schedules", [(), (MORNINGS,), (MORNINGS, WINDOW)])
    def test_another_kind_is_refused_and_changes_nothing(
        self, schedules: tuple[LockSchedule, ...]
    ) -> None:
        lock = self.live((WINDOW,))
        result = converse(session.reschedule(DIALECT, 4, schedules), lock)
        assert isinstance(result.outcome, Refused)
        assert lock.year_day == {(4, 0): to_raw(WINDOW, ZONE)}

    def test_an_empty_slot_is_refused(self) -> None:
        result = converse(session.reschedule(DIALECT, 4, (WINDOW,)), LockDouble())
        assert result.outcome == Refused(Refusal.INVALID)

    def test_a_guest_in_house_keeps_the_code_when_the_lock_refuses(self) -> None:
        lock = self.live((WINDOW,))
        lock.override = answering(Command.SET_YEAR_DAY, 1, status(SET, 0x01))
        result = converse(session.reschedule(DIALECT, 4, (LATER,)), lock)
        assert result.outcome == Refused(Refusal.FAILED)
        assert lock.users[4].status == ENABLED
        assert lock.year_day == {(4, 0): to_raw(WINDOW, ZONE)}

    def test_a_restriction_that_vanished_is_worse_than_a_code_too_few(self) -> None:
        lock = self.live((WINDOW,))

        def lifts(request: ClusterRequest) -> None:
            if request.command_id == Command.SET_YEAR_DAY:
                lock.users[4].type = UNRESTRICTED

        lock.override = lifts
        result = converse(session.reschedule(DIALECT, 4, (LATER,)), lock)
        assert isinstance(result.outcome, Unconfirmed)
        assert lock.users == {}


class TestErase:
    def test_code_first_then_schedules(self) -> None:
        lock = LockDouble()
        program(lock, (MORNINGS, EVENINGS))
        lock.said.clear()
        result = converse(session.erase(DIALECT, 4), lock)
        assert result.outcome == Confirmed(PROVEN)
        assert (lock.users, lock.week_day) == ({}, {})
        assert lock.said.index("clear_pin") < lock.said.index("clear_week_day")

    def test_an_empty_slot_is_a_success(self) -> None:
        result = converse(session.erase(DIALECT, 4), LockDouble())
        assert result.outcome == Confirmed(frozenset({Evidence.READ_BACK}))

    def test_acknowledged_but_still_there(self) -> None:
        lock = LockDouble(
            users={4: User("1234", ENABLED, UNRESTRICTED)},
            override=answering(Command.CLEAR_PIN_CODE, 1, status(SET, 0)),
        )
        result = converse(session.erase(DIALECT, 4), lock)
        assert isinstance(result.outcome, Unconfirmed)
        assert result.reading is not None
        assert result.reading.use is SlotUse.ENABLED

    def test_refused_and_still_there(self) -> None:
        lock = LockDouble(
            users={4: User("1234", ENABLED, UNRESTRICTED)},
            override=answering(Command.CLEAR_PIN_CODE, 1, status(SET, 1)),
        )
        assert converse(session.erase(DIALECT, 4), lock).outcome == Refused(Refusal.FAILED)

    def test_a_failure_to_clear_schedules_does_not_unprove_the_erase(self) -> None:
        lock = LockDouble()
        program(lock, (WINDOW,))
        lock.refuses = frozenset({Command.GET_YEAR_DAY})
        assert isinstance(converse(session.erase(DIALECT, 4), lock).outcome, Confirmed)

    def test_is_tried_on_a_slot_that_cannot_be_read(self) -> None:
        blind = frozenset({Command.GET_PIN_CODE, Command.GET_USER_STATUS})
        lock = LockDouble(users={4: User("1234", ENABLED, UNRESTRICTED)}, refuses=blind)
        result = converse(session.erase(DIALECT, 4), lock)
        assert lock.users == {}
        assert isinstance(result.outcome, Unconfirmed)


class TestOperate:
    def test_is_marked_as_acting_twice_when_repeated(self) -> None:
        seen: list[ClusterRequest] = []
        lock = LockDouble(override=lambda request: seen.append(request))
        outcome = converse(session.operate(DIALECT, Command.UNLOCK_DOOR), lock)
        assert outcome == Confirmed(frozenset({Evidence.ACKNOWLEDGED}))
        assert [request.acts_twice for request in seen] == [True]

    def test_a_refusal_is_not_a_success(self) -> None:
        lock = LockDouble(override=answering(Command.LOCK_DOOR, 1, status(SET, 1)))
        outcome = converse(session.operate(DIALECT, Command.LOCK_DOOR), lock)
        assert outcome == Refused(Refusal.FAILED)

    def test_no_command_of_this_lock(self) -> None:
        lock = LockDouble(override=lambda request: default(request, UNSUPPORTED))
        outcome = converse(session.operate(DIALECT, Command.UNLOCK_DOOR), lock)
        assert outcome == Refused(Refusal.UNSUPPORTED)


SET = DIALECT.request(Command.SET_PIN_CODE)


def occupied(code: str, user_id: int = 4) -> ClusterReply:
    fields = {"user_id": user_id, "user_status": ENABLED, "user_type": UNRESTRICTED, "code": code}
    return ClusterReply(Command.GET_PIN_CODE, fields)


class answering:  # noqa: N801  # reads as a word of the test
    """Answer the n-th such command (and only it) like this, without carrying it out."""

    def __init__(self, command: Command, nth: int, reply: ClusterReply) -> None:
        self.command, self.left, self.reply = command, nth, reply

    def __call__(self, request: ClusterRequest) -> ClusterReply | None:
        if request.command_id != self.command:
            return None
        self.left -= 1
        return self.reply if self.left == 0 else None


def twice(
    lock: LockDouble, command: Command, code: int = 0x01
) -> Callable[[ClusterRequest], ClusterReply | None]:
    """Carry out each such command, and answer with the refusal that its other copy met."""

    def override(request: ClusterRequest) -> ClusterReply | None:
        if request.command_id != command:
            return None
        whole, lock.override = lock.override, None
        try:
            lock.answer(request)
        finally:
            lock.override = whole
        return status(request, code)

    return override


class failing:  # noqa: N801  # reads as a word of the test
    """The link fails for requests `at` to `until`; with `inner` only the answers are lost."""

    def __init__(self, at: int, until: int | None = None, inner: LockDouble | None = None) -> None:
        self.at, self.until, self.inner = at, at + 1 if until is None else until, inner
        self.count = -1

    def __call__(self, request: ClusterRequest) -> GatewayError | None:
        self.count += 1
        if not self.at <= self.count < self.until:
            return None
        if request.asks_only or self.inner is None:
            return Unreachable("could not send: no answer in time")
        self.inner.override = None
        try:
            self.inner.answer(request)
        finally:
            self.inner.override = self
        return OutcomeUnknown("could not send: no answer in time")
