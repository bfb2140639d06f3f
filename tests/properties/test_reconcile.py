"""The rules of planning, for all worlds: a model lock that does what it is told, and its limits.

The model lock is a dictionary of what it holds; it knows nothing of grants. What planning
believes (`Device`) is kept apart and changes only by what the model lock says.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.actions import (
    CheckClock,
    Erase,
    Priority,
    Program,
    ReadLog,
    ReadSlot,
    Reschedule,
)
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
from gateway.domain.grants import DesiredGrant, GrantState, Origin
from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.instant import DAY, HOUR, MINUTE, ClockTrust, Instant
from gateway.domain.probe import PROBE_SCHEDULE
from gateway.domain.reconcile import Plan, plan
from gateway.domain.secret import DigitsFacts, KeyedHash
from gateway.domain.wants import Moment, Policy
from gateway.domain.windows import Always, Recurring, Timed, Weekly, span_from

NOW = Instant(1_790_000_000_000)
DEVICE = DeviceId("dev_1")
POLICY = Policy(lead_s=300, write_ahead_s=7 * 86_400)
SLOTS = 5


def facts(number: int) -> DigitsFacts:
    return DigitsFacts(KeyedHash(f"h{number}"), 6, True)


@dataclass
class ModelLock:
    """What the lock holds: slot -> (hash, schedules)."""

    holds: dict[int, tuple[KeyedHash, tuple[LockSchedule, ...]]] = field(default_factory=dict)
    foreign: frozenset[int] = frozenset()


windows = st.one_of(
    st.just(Always()),
    st.tuples(st.integers(-20, 20), st.integers(1, 30)).map(
        lambda t: Timed(Instant(NOW + t[0] * DAY // 2), Instant(NOW + (t[0] + t[1]) * DAY // 2))
    ),
    st.tuples(
        st.frozensets(st.integers(1, 7), min_size=1), st.integers(0, 1439), st.integers(1, 1440)
    ).map(lambda t: Recurring((Weekly(*t),), "Europe/Berlin")),
)


@st.composite
def grants(draw: st.DrawFn) -> list[DesiredGrant]:
    count = draw(st.integers(0, 7))
    return [
        DesiredGrant(
            CredentialId(f"c{n}"),
            DEVICE,
            1,
            facts(draw(st.integers(0, 6))),
            draw(windows),
            Instant(NOW - 1000 + n),
            suspended=draw(st.booleans()) and draw(st.booleans()),
            removed=draw(st.sampled_from([None, None, None, "tombstone"])),
            use_limit=draw(st.sampled_from([None, None, 1])),
            uses=draw(st.integers(0, 1)),
        )
        for n in range(count)
    ]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[ModelLock, Device, list[DesiredGrant]]:
    wanted = draw(grants())
    lock = ModelLock()
    slots: dict[int, Slot] = {}
    foreign: set[int] = set()
    owners = [g.credential_id for g in wanted]
    for number in range(1, SLOTS + 1):
        kind = draw(st.sampled_from(["unread", "empty", "foreign", "hidden", "ours", "flying"]))
        digits = KeyedHash(f"h{draw(st.integers(0, 9))}")
        taken = {h for h, _ in lock.holds.values()}
        if kind in {"foreign", "hidden", "ours", "flying"} and digits in taken:
            kind = "empty"
        if kind == "foreign":
            lock.holds[number] = (digits, ())
            foreign.add(number)
            slots[number] = Slot(number, Known(digits))
        elif kind == "hidden":  # a code that nobody has read yet
            lock.holds[number] = (digits, ())
            foreign.add(number)
        elif kind == "empty":
            slots[number] = Slot(number, Empty())
        elif kind in {"ours", "flying"} and owners:
            owner = owners.pop(draw(st.integers(0, len(owners) - 1)))
            grant = next(g for g in wanted if g.credential_id == owner)
            assert grant.digits is not None
            digits = grant.digits.hash
            if digits in taken:
                continue
            if kind == "ours" or draw(st.booleans()):
                lock.holds[number] = (digits, ())
            content = Known(digits) if kind == "ours" else Opaque(OpaqueReason.IN_FLIGHT)
            slots[number] = Slot(number, content, owner)
    keeps = draw(st.booleans())
    device = Device(
        DEVICE,
        Capabilities(
            codes=CodeLimits(SLOTS, 4, 8),
            schedules=ScheduleSupport(1, 1) if keeps else ScheduleSupport(),
            has_clock=keeps or None,
        ),
        zone="Europe/Berlin",
        slots=slots,
        clock=LockClock(0, 100, NOW, True) if keeps else None,
        schedules_proven=keeps,
    )
    lock.foreign = frozenset(foreign)
    return lock, device, wanted


def perform(
    lock: ModelLock, device: Device, wanted: list[DesiredGrant], decided: Plan, at: Instant
) -> Device:
    """The first action on the model lock, and what its answer makes us believe."""
    action = decided.actions[0]
    slots = dict(device.slots)
    evidence = frozenset({Evidence.READ_BACK})
    match action:
        case CheckClock():
            return replace(device, clock=LockClock(0, 100, at, True))
        case Program(slot, credential, schedules):
            assert slot not in lock.foreign, "an unmanaged slot was named in a write"
            grant = next(g for g in wanted if g.credential_id == credential)
            assert grant.digits is not None
            others = {n: h for n, (h, _) in lock.holds.items() if n != slot}
            if grant.digits.hash in others.values():
                # The lock answers "duplicate": final for this desired value.
                wanted[wanted.index(grant)] = replace(grant, refused="duplicate_code")
                return device
            lock.holds[slot] = (grant.digits.hash, schedules)
            slots[slot] = Slot(slot, Known(grant.digits.hash), credential, schedules, evidence, at)
        case Reschedule(slot, credential, schedules):
            assert slot not in lock.foreign
            held = lock.holds[slot]
            lock.holds[slot] = (held[0], schedules)
            slots[slot] = Slot(slot, Known(held[0]), credential, schedules, evidence, at)
        case Erase(slot):
            assert slot not in lock.foreign, "an unmanaged code was erased"
            lock.holds.pop(slot, None)
            slots[slot] = Slot(slot, Empty())
        case ReadSlot(slot, _):
            before = device.slots.get(slot)
            owner = before.owner if before else None
            if slot in lock.holds:
                digits, schedules = lock.holds[slot]
                slots[slot] = Slot(slot, Known(digits), owner, schedules, evidence, at)
            else:
                slots[slot] = Slot(slot, Empty())
    return replace(device, slots=slots)


def settle(
    lock: ModelLock, device: Device, wanted: list[DesiredGrant], at: Instant
) -> tuple[Device, Plan]:
    for _ in range(60):
        decided = plan(device, wanted, Moment(at), POLICY)
        check_plan(decided, device)
        if not decided.actions:
            return device, decided
        device = perform(lock, device, wanted, decided, at)
    raise AssertionError(f"no fixed point: {decided.actions}")


def check_plan(decided: Plan, device: Device) -> None:
    priorities = [a.priority for a in decided.actions]
    assert priorities == sorted(priorities), "an erase must outrank what comes after it"
    named = [a.slot for a in decided.actions if not isinstance(a, CheckClock | ReadLog)]
    assert len(named) == len(set(named)), "one action for each slot at most"
    for action in decided.actions:
        if isinstance(action, Program) and not action.overwrite:
            assert isinstance(device.slots[action.slot].content, Empty)
        if isinstance(action, Program | Erase | Reschedule) and (
            isinstance(action, Erase) or not isinstance(action, Program) or action.overwrite
        ):
            assert device.slots[action.slot].owner == action.credential_id


def allowed(grant: DesiredGrant, at: Instant) -> bool:
    """Independent of planning: may these digits be usable on a lock at `at`, lead included?"""
    if grant.removed or grant.suspended or grant.held:
        return False
    if grant.use_limit is not None and grant.uses >= grant.use_limit:
        return False
    span = span_from(grant.window, at)
    if span is None:
        return False
    return span.opens_at is None or span.opens_at - at <= POLICY.lead_s * 1000


@given(worlds())
@settings(max_examples=150, deadline=None)
def test_plans_lead_to_a_world_that_plans_nothing(
    world: tuple[ModelLock, Device, list[DesiredGrant]],
) -> None:
    lock, device, wanted = world
    before = {n: lock.holds[n] for n in lock.foreign}
    _, decided = settle(lock, device, wanted, NOW)
    assert {n: lock.holds[n] for n in lock.foreign} == before
    assert len(decided.verdicts) == len(wanted)


@given(worlds(), st.integers(0, 40))
@settings(max_examples=150, deadline=None)
def test_no_code_of_ours_stays_usable_outside_its_window(
    world: tuple[ModelLock, Device, list[DesiredGrant]], half_days: int
) -> None:
    lock, device, wanted = world
    at = NOW
    for moment in (NOW, Instant(NOW + half_days * DAY // 2)):
        device, decided = settle(lock, device, wanted, moment)
        at = moment
    by_slot = {s.number: s.owner for s in device.slots.values() if s.owner is not None}
    grants_by_id = {g.credential_id: g for g in wanted}
    for number, (_, schedules) in lock.holds.items():
        if number in lock.foreign:
            continue
        grant = grants_by_id[by_slot[number]]
        if not schedules:
            assert allowed(grant, at)
        else:  # the lock keeps the window: the grant itself must still be wanted
            assert grant.removed is None
            assert not grant.suspended
    for verdict in decided.verdicts:
        grant = grants_by_id[verdict.grant_id.credential_id]
        if verdict.state is GrantState.ACTIVE:
            span = span_from(grant.window, at)
            assert span is not None
            assert span.holds(at)
            assert verdict.slot is not None
            assert verdict.slot in lock.holds


@given(worlds())
@settings(max_examples=100, deadline=None)
def test_an_open_window_gets_its_code_wherever_there_is_room(
    world: tuple[ModelLock, Device, list[DesiredGrant]],
) -> None:
    lock, device, wanted = world
    _, decided = settle(lock, device, wanted, NOW)
    full = len(lock.holds) == SLOTS
    for verdict in decided.verdicts:
        grant = next(g for g in wanted if g.credential_id == verdict.grant_id.credential_id)
        span = span_from(grant.window, NOW)
        if allowed(grant, NOW) and span and span.holds(NOW) and not full:
            assert verdict.state in {GrantState.ACTIVE, GrantState.REJECTED}, verdict


@given(worlds())
@settings(max_examples=60, deadline=None)
def test_same_input_same_plan(world: tuple[ModelLock, Device, list[DesiredGrant]]) -> None:
    _, device, wanted = world
    again = plan(device, list(reversed(wanted)), Moment(NOW), POLICY)
    assert plan(device, wanted, Moment(NOW), POLICY) == again


@given(worlds())
@settings(max_examples=100, deadline=None)
def test_an_open_window_is_never_evicted(
    world: tuple[ModelLock, Device, list[DesiredGrant]],
) -> None:
    _, device, wanted = world
    decided = plan(device, wanted, Moment(NOW), POLICY)
    erased = {a.credential_id for a in decided.actions if isinstance(a, Erase)}
    for grant in wanted:
        span = span_from(grant.window, NOW)
        in_house = allowed(grant, NOW) and span is not None and span.holds(NOW)
        slot = next((s for s in device.slots.values() if s.owner == grant.credential_id), None)
        conflict = any(
            v.state is GrantState.REJECTED or "conflicts" in (v.reason or "")
            for v in decided.verdicts
            if v.grant_id.credential_id == grant.credential_id
        )
        if in_house and slot is not None and not conflict:
            assert grant.credential_id not in erased or _is_rejected(decided, grant)


def _is_rejected(decided: Plan, grant: DesiredGrant) -> bool:
    return any(
        v.grant_id.credential_id == grant.credential_id and "conflicts" in (v.reason or "")
        for v in decided.verdicts
    )


schedules_held = st.one_of(
    st.just(()),
    st.tuples(st.integers(-40, 40), st.integers(1, 60)).map(
        lambda t: (YearDay(Instant(NOW + t[0] * HOUR), Instant(NOW + (t[0] + t[1]) * HOUR)),)
    ),
    st.tuples(
        st.frozensets(st.integers(1, 7), min_size=1), st.integers(0, 1300), st.integers(1, 139)
    ).map(lambda t: (WeekDay(t[0], t[1], t[1] + t[2]),)),
)
kept_windows = st.one_of(
    st.tuples(st.integers(-40, 40), st.integers(1, 60)).map(
        lambda t: Timed(Instant(NOW + t[0] * HOUR), Instant(NOW + (t[0] + t[1]) * HOUR))
    ),
    st.tuples(
        st.frozensets(st.integers(1, 7), min_size=1), st.integers(0, 1300), st.integers(1, 139)
    ).map(lambda t: Recurring((Weekly(t[0], t[1], t[1] + t[2]),), "Europe/Berlin")),
)


def opens(schedules: tuple[LockSchedule, ...], at: int) -> bool:
    """What the keypad does: independent of planning."""
    wall = datetime.fromtimestamp(at / 1000, ZoneInfo("Europe/Berlin"))
    minute = wall.hour * 60 + wall.minute
    return not schedules or any(
        one.opens_at <= at < one.closes_at
        if isinstance(one, YearDay)
        else wall.isoweekday() in one.weekdays and one.start_minute <= minute < one.end_minute
        for one in schedules
    )


@given(kept_windows, schedules_held, st.booleans(), st.integers(0, 1))
@settings(max_examples=150, deadline=None)
def test_a_lock_that_keeps_what_it_has_is_not_written_for_ever_and_opens_to_nobody_else(
    window: Timed | Recurring, held: tuple[LockSchedule, ...], forgets: bool, digits: int
) -> None:
    """It acknowledges every write. Codes it takes (behind schedules of its own), schedules not."""
    lock = ModelLock({1: (KeyedHash(f"h{digits}"), held)})
    device = bare(
        capabilities=Capabilities(
            codes=CodeLimits(3), schedules=ScheduleSupport(1, 1), has_clock=True
        ),
        zone="Europe/Berlin",
        slots={1: Slot(1, Known(KeyedHash(f"h{digits}")), CredentialId("c"), held)},
        clock=LockClock(0, 100, NOW, True),
        schedules_proven=True,
    )
    grant, at, day, writes = lone(window), NOW, NOW // DAY, 0
    for _ in range(1_000):
        if at // DAY != day:
            day, writes = at // DAY, 0
        grant = replace(grant, identical_writes_today=writes)
        decided = plan(device, [grant], Moment(at), POLICY)
        check_plan(decided, device)
        if not decided.actions:
            until = min(decided.next_look or NOW + 10 * DAY, NOW + 10 * DAY)
            for _, behind in lock.holds.values():
                for later in range(at, until, 20 * MINUTE):
                    assert not opens(behind, later) or allowed(grant, Instant(later))
            if until == NOW + 10 * DAY:
                return
            at = Instant(until)
            continue
        action = decided.actions[0]
        device = perform(lock, device, [grant], decided, at)
        if isinstance(action, Program | Reschedule):
            writes += 1
            slot = device.slots[action.slot]
            behind = () if forgets and isinstance(action, Program) else held
            lock.holds[action.slot] = (lock.holds[action.slot][0], behind)
            device = replace(device, slots={action.slot: replace(slot, schedules=behind)})
            if allowed(grant, at):
                # No end of it while somebody stands at the door; the pauses are the caller's.
                at = Instant(at + 10 * MINUTE)
            else:
                assert writes <= POLICY.identical_writes_per_day
    raise AssertionError("no end of it")


def lone(window: object, **changes: object) -> DesiredGrant:
    base = DesiredGrant(CredentialId("c"), DEVICE, 1, facts(1), Always(), NOW)
    return replace(base, window=window, **changes)  # type: ignore[arg-type]


def bare(**changes: object) -> Device:
    base = Device(DEVICE, Capabilities(codes=CodeLimits(3)), slots={1: Slot(1, Empty())})
    return replace(base, **changes)  # type: ignore[arg-type]


def test_an_untrusted_clock_activates_nothing_and_erases_only_by_the_floor() -> None:
    floor = Instant(NOW - HOUR)
    timed = lone(Timed(Instant(NOW - MINUTE), Instant(NOW + HOUR)))
    moment = Moment(NOW, ClockTrust.UNTRUSTED, floor)
    waiting = plan(bare(), [timed], moment, POLICY)
    assert not any(isinstance(a, Program) for a in waiting.actions)
    assert waiting.verdicts[0].reason == "clock_untrusted"
    held = bare(slots={1: Slot(1, Known(KeyedHash("h1")), CredentialId("c"))})
    over_by_wall = lone(Timed(Instant(NOW - 2 * HOUR), Instant(NOW - MINUTE)))
    assert plan(held, [over_by_wall], moment, POLICY).actions[:1] != (Erase(1, CredentialId("c")),)
    over_by_floor = lone(Timed(Instant(NOW - 3 * HOUR), Instant(NOW - 2 * HOUR)))
    assert plan(held, [over_by_floor], moment, POLICY).actions[0] == Erase(1, CredentialId("c"))


@pytest.mark.parametrize("content", [Known(KeyedHash("h2")), Opaque(OpaqueReason.MASKED)])
def test_an_untrusted_clock_puts_no_code_with_an_end_in_place_of_one(content: SlotContent) -> None:
    """It may be over, and the code that it replaces gone from the lock since. Digits that are no
    longer ordered go all the same."""
    held = bare(slots={1: Slot(1, content, CredentialId("c"))})
    timed = lone(Timed(Instant(NOW - HOUR), Instant(NOW + HOUR)))
    moment = Moment(NOW, ClockTrust.UNTRUSTED, Instant(NOW - MINUTE))
    waiting = plan(held, [timed], moment, POLICY)
    assert not any(isinstance(a, Program) for a in waiting.actions)
    assert waiting.verdicts[0].reason == "clock_untrusted"
    proven = plan(held, [timed], Moment(NOW), POLICY)
    assert any(isinstance(a, Program) for a in proven.actions)
    endless = plan(held, [lone(Always())], moment, POLICY)
    assert any(isinstance(a, Program) for a in endless.actions)


def test_a_code_is_written_the_lead_before_its_opening() -> None:
    timed = lone(Timed(Instant(NOW + HOUR), Instant(NOW + 2 * HOUR)))
    early = plan(bare(), [timed], Moment(NOW), POLICY)
    assert not any(isinstance(a, Program) for a in early.actions)
    assert early.next_look == NOW + HOUR - 300_000
    due = plan(bare(), [timed], Moment(Instant(early.next_look)), POLICY)
    assert due.actions[0] == Program(1, CredentialId("c"), ())


def test_a_slot_in_doubt_is_read_before_it_is_written_and_erased_without_asking() -> None:
    doubtful = bare(slots={1: Slot(1, Opaque(OpaqueReason.IN_FLIGHT), CredentialId("c"))})
    assert plan(doubtful, [lone(Always())], Moment(NOW), POLICY).actions[0] == ReadSlot(
        1, CredentialId("c"), Priority.PROGRAM
    )
    gone = plan(doubtful, [lone(Always(), removed="tombstone")], Moment(NOW), POLICY)
    assert gone.actions[0] == Erase(1, CredentialId("c"))
    assert gone.verdicts[0].state is GrantState.ERASING


def test_the_same_digits_wait_for_the_erase_of_their_former_window() -> None:
    old = replace(lone(Timed(Instant(NOW - HOUR), Instant(NOW - MINUTE))), programmed_once=True)
    new = replace(lone(Always()), credential_id=CredentialId("d"))
    device = bare(
        slots={1: Slot(1, Known(KeyedHash("h1")), CredentialId("c")), 2: Slot(2, Empty())}
    )
    decided = plan(device, [old, new], Moment(NOW), POLICY)
    assert decided.actions[0] == Erase(1, CredentialId("c"))
    assert decided.verdicts[1].reason == "waiting_for_erase"


KEEPS = Capabilities(codes=CodeLimits(3), schedules=ScheduleSupport(0, 1), has_clock=True)


def stay(name: str, digits: int, opens: int, closes: int) -> DesiredGrant:
    grant = lone(Timed(Instant(NOW + opens), Instant(NOW + closes)))
    return replace(grant, credential_id=CredentialId(name), digits=facts(digits))


def on_lock(number: int, digits: int, name: str, opens: int, closes: int) -> Slot:
    behind = YearDay(Instant(NOW + opens), Instant(NOW + closes))
    return Slot(number, Known(KeyedHash(f"h{digits}")), CredentialId(name), (behind,))


def test_former_digits_do_not_stay_while_the_new_ones_wait_for_another_code() -> None:
    slots = {1: on_lock(1, 1, "c", -HOUR, HOUR), 2: on_lock(2, 2, "d", DAY, 2 * DAY)}
    wanted = [stay("c", 2, -HOUR, HOUR), stay("d", 2, DAY, 2 * DAY)]
    decided = plan(bare(capabilities=KEEPS, slots=slots), wanted, Moment(NOW), POLICY)
    assert decided.actions[0] == Erase(1, CredentialId("c"))
    told = decided.verdicts[0]
    assert (told.state, told.reason) == (GrantState.ERASING, "waiting_for_erase")


def test_two_codes_that_are_given_each_others_digits_do_not_wait_for_each_other() -> None:
    slots = {1: on_lock(1, 1, "c", -HOUR, HOUR), 2: on_lock(2, 2, "d", DAY, 2 * DAY)}
    wanted = [stay("c", 2, -HOUR, HOUR), stay("d", 1, DAY, 2 * DAY)]
    decided = plan(bare(capabilities=KEEPS, slots=slots), wanted, Moment(NOW), POLICY)
    erased = [action.slot for action in decided.actions if isinstance(action, Erase)]
    assert sorted(erased) == [1, 2]


def test_a_conflict_with_an_unmanaged_code_is_final_and_named() -> None:
    device = bare(slots={1: Slot(1, Empty()), 2: Slot(2, Known(KeyedHash("h1")))})
    decided = plan(device, [lone(Always())], Moment(NOW), POLICY)
    assert decided.verdicts[0].state is GrantState.REJECTED
    assert decided.verdicts[0].reason == "conflicts_with:unmanaged:slot_2"
    assert not any(isinstance(a, Program | Erase) for a in decided.actions)


def test_a_suspended_grant_leaves_the_lock_and_comes_back_with_the_same_window() -> None:
    window = Timed(Instant(NOW - HOUR), Instant(NOW + HOUR))
    device = bare(slots={1: Slot(1, Known(KeyedHash("h1")), CredentialId("c"))})
    off = plan(device, [lone(window, suspended=True)], Moment(NOW), POLICY)
    assert off.actions[0] == Erase(1, CredentialId("c"))
    on = plan(bare(), [lone(window)], Moment(NOW), POLICY)
    assert on.actions[0] == Program(1, CredentialId("c"), ())


def test_a_window_closed_before_it_could_be_programmed_is_missed() -> None:
    decided = plan(bare(), [lone(Timed(Instant(NOW - HOUR), NOW))], Moment(NOW), POLICY)
    assert decided.verdicts[0].state is GrantState.MISSED


def test_a_probe_is_written_behind_a_closed_window_and_taken_off_when_its_time_is_over() -> None:
    window = Timed(NOW, Instant(NOW + 3 * MINUTE))
    probe = lone(window, origin=Origin.PROBE)
    able = bare(capabilities=Capabilities(codes=CodeLimits(3), schedules=ScheduleSupport(0, 1)))
    assert plan(able, [probe], Moment(NOW), POLICY).actions[0] == Program(
        1, CredentialId("c"), (PROBE_SCHEDULE,)
    )
    on_lock = replace(
        able, slots={1: Slot(1, Known(KeyedHash("h1")), CredentialId("c"), (PROBE_SCHEDULE,))}
    )
    over = plan(on_lock, [probe], Moment(Instant(NOW + 3 * MINUTE)), POLICY)
    assert over.actions[0] == Erase(1, CredentialId("c"))
    unable = plan(bare(), [probe], Moment(NOW), POLICY)
    assert unable.verdicts[0].state is GrantState.REJECTED


def test_what_holds_no_codes_has_its_log_read_and_a_sensor_is_left_alone() -> None:
    without = Capabilities(keeps_log=True, sleepy=True)
    told = plan(bare(capabilities=without, log_news=True), [lone(Always())], Moment(NOW), POLICY)
    assert told.actions == (ReadLog(),)
    assert [verdict.reason for verdict in told.verdicts] == ["no_codes"]
    read = bare(capabilities=without, log_read_at=NOW)
    assert plan(read, [], Moment(NOW), POLICY).actions == ()
    sensor = plan(bare(capabilities=Capabilities()), [], Moment(NOW), POLICY)
    assert (sensor.actions, sensor.verdicts, sensor.next_look) == ((), (), None)
