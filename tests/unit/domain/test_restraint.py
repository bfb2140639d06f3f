"""What may be written once more today, and what may stay on the lock when nothing may."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain.actions import Erase, Priority, Program, ReadSlot, Reschedule
from gateway.domain.capabilities import Capabilities, CodeLimits, ScheduleSupport
from gateway.domain.devices import (
    Device,
    Empty,
    Evidence,
    Known,
    LockClock,
    LockSchedule,
    Opaque,
    OpaqueReason,
    Slot,
    SlotContent,
    WeekDay,
    YearDay,
)
from gateway.domain.grants import DesiredGrant, Enforcement, GrantState
from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.instant import DAY, HOUR, MINUTE, ClockTrust, Instant
from gateway.domain.reconcile import Plan, plan
from gateway.domain.restraint import within
from gateway.domain.secret import DigitsFacts, KeyedHash
from gateway.domain.wants import Moment, Policy
from gateway.domain.windows import Timed

NOW = Instant(1_790_000_000_000)
POLICY = Policy()
WHOSE = CredentialId("c")
MORNINGS = WeekDay(frozenset({1, 2}), 480, 600)
DIGITS, OLD = Known(KeyedHash("h")), Known(KeyedHash("old"))


def hours(first: float, last: float) -> YearDay:
    return YearDay(Instant(round(NOW + first * HOUR)), Instant(round(NOW + last * HOUR)))


def decide(
    first: float,
    last: float,
    held: tuple[LockSchedule, ...],
    *,
    writes: int = 10,
    content: SlotContent = DIGITS,
    paused: str | None = None,
    trust: ClockTrust = ClockTrust.TRUSTED,
    evidence: frozenset[Evidence] = frozenset(),
) -> Plan:
    """Wanted from `first` to `last`, hours from now; on the lock behind `held`."""
    owner = None if content == Empty() else WHOSE
    device = Device(
        DeviceId("dev_1"),
        Capabilities(codes=CodeLimits(1), schedules=ScheduleSupport(2, 2), has_clock=True),
        zone="Europe/Berlin",
        slots={1: Slot(1, content, owner, held, evidence, NOW)},
        clock=LockClock(0, 100, NOW, True),
        schedules_proven=True,
        repair_paused=paused,
        inventory_done=True,
    )
    window = hours(first, last)
    grant = DesiredGrant(
        WHOSE,
        device.device_id,
        1,
        DigitsFacts(KeyedHash("h"), 6, True),
        Timed(window.opens_at, window.closes_at),
        NOW,
        identical_writes_today=writes,
    )
    return plan(device, [grant], Moment(NOW, trust, NOW), POLICY)


def test_schedules_are_written_until_the_budget_is_spent() -> None:
    narrow = (hours(11, 12),)
    assert decide(10, 12, narrow, writes=9).actions == (Reschedule(1, WHOSE, (hours(10, 12),)),)
    spent = decide(10, 12, narrow)
    assert spent.actions == ()
    (verdict,) = spent.verdicts
    assert (verdict.state, verdict.reason) == (GrantState.PAUSED, "write_budget_spent")
    assert verdict.closes is Enforcement.BY_GATEWAY
    assert spent.next_look == min((NOW // DAY + 1) * DAY, NOW + 10 * HOUR - 5 * MINUTE)


def test_a_guest_before_a_shut_door_has_no_budget() -> None:
    held, wanted = (hours(1, 2),), (hours(-1, 2),)
    assert decide(-1, 2, held, writes=99).actions == (Reschedule(1, WHOSE, wanted),)


def test_a_guest_who_gets_in_is_not_written_for_again_and_goes_at_the_end() -> None:
    decided = decide(-1, 2, (hours(-1, 9),))
    assert decided.actions == ()
    assert decided.next_look == NOW + 2 * HOUR
    assert decided.verdicts[0].closes is Enforcement.BY_GATEWAY
    (over,) = decide(-3, -1, (hours(-3, 9),)).actions
    assert over == Erase(1, WHOSE)


@pytest.mark.parametrize("held", [(), (hours(9, 12),), (hours(10, 13),)])
def test_what_would_open_outside_its_window_does_not_stay(held: tuple[LockSchedule, ...]) -> None:
    decided = decide(10, 12, held)
    assert decided.actions == (Erase(1, WHOSE),)
    (verdict,) = decided.verdicts
    assert (verdict.state, verdict.reason) == (GrantState.ERASING, "write_budget_spent")


@pytest.mark.parametrize("held", [(MORNINGS,), (), (hours(9, 12),)])
def test_what_opens_outside_its_window_is_put_right_like_an_erase(
    held: tuple[LockSchedule, ...],
) -> None:
    """Written ahead it could wait; a door that opens to somebody too early cannot."""
    (action,) = decide(10, 12, held, writes=0).actions
    assert isinstance(action, Program | Reschedule)
    assert action.priority is Priority.ERASE
    in_doubt = decide(10, 12, held, writes=0, content=Opaque(OpaqueReason.IN_FLIGHT))
    assert in_doubt.actions == (ReadSlot(1, WHOSE, Priority.ERASE),)


def test_what_only_opens_too_seldom_is_put_right_in_its_time() -> None:
    (action,) = decide(10, 12, (hours(11, 12),), writes=0).actions
    assert action == Reschedule(1, WHOSE, (hours(10, 12),))
    (action,) = decide(-1, 12, (hours(-1, 13),), writes=0).actions
    assert action.priority is Priority.PROGRAM, "whoever it serves is to get in, and it is closed"
    first = decide(
        10,
        12,
        (),
        writes=1,
        content=Opaque(OpaqueReason.IN_FLIGHT),
        evidence=frozenset({Evidence.ASSUMED}),
    )
    assert first.actions == (ReadSlot(1, WHOSE),), "a first write leaves nothing that opens"


def test_digits_that_were_replaced_do_not_stay() -> None:
    right = (hours(-1, 2),)
    assert decide(10, 12, (hours(10, 12),), content=OLD).actions == (Erase(1, WHOSE),)
    renewed = Program(1, WHOSE, right, overwrite=True, priority=Priority.ERASE)
    assert decide(-1, 2, right, content=OLD).actions == (renewed,)
    assert decide(-1, 2, right, content=OLD, paused="asked").actions == (Erase(1, WHOSE),)


def test_a_disabled_code_may_stay_and_a_masked_one_behind_its_window() -> None:
    disabled, masked = Opaque(OpaqueReason.DISABLED), Opaque(OpaqueReason.MASKED)
    assert decide(10, 12, (), content=disabled).actions == ()
    assert decide(10, 12, (hours(10, 12),), content=masked).actions == ()
    assert decide(10, 12, (), content=masked).actions == (Erase(1, WHOSE),)


def test_a_paused_repair_holds_for_schedules_too() -> None:
    decided = decide(-1, 2, (hours(1, 2),), writes=0, paused="asked")
    assert decided.actions == ()
    assert (decided.verdicts[0].state, decided.verdicts[0].reason) == (GrantState.PAUSED, "asked")


def test_nothing_goes_for_want_of_a_write_by_a_clock_that_nobody_believes() -> None:
    """It could not be written again before the time is proven."""
    assert decide(10, 12, (hours(9, 12),), trust=ClockTrust.UNTRUSTED).actions == ()


def test_an_erased_code_waits_for_its_time() -> None:
    erased = decide(10, 12, (), content=Empty())
    assert erased.actions == ()
    assert erased.verdicts[0].reason == "write_budget_spent"


@pytest.mark.parametrize(
    ("inner", "outer", "is_within"),
    [
        ((hours(1, 2),), (hours(1, 2),), True),
        ((hours(1, 2),), (hours(0, 3),), True),
        ((hours(1, 2),), (), True),
        ((), (hours(1, 2),), False),
        ((hours(1, 4),), (hours(0, 3),), False),
        ((hours(1, 2), hours(5, 6)), (hours(0, 3),), False),
        ((MORNINGS,), (replace(MORNINGS, start_minute=470),), True),
        ((MORNINGS,), (replace(MORNINGS, end_minute=599),), False),
        ((MORNINGS,), (replace(MORNINGS, weekdays=frozenset({1})),), False),
        (
            (MORNINGS,),
            tuple(replace(MORNINGS, weekdays=frozenset({day})) for day in (1, 2)),
            True,
        ),
        ((MORNINGS,), (hours(0, 9),), False),
        ((hours(0, 9),), (MORNINGS,), False),
    ],
)
def test_one_set_of_schedules_within_another(
    inner: tuple[LockSchedule, ...], outer: tuple[LockSchedule, ...], is_within: bool
) -> None:
    assert within(inner, outer) is is_within
