"""Planning while days pass: on a lock that does as it is told, every code keeps to its window.

The model is that of `test_reconcile`. Between two plans only time passes, so that an instant at
which planning forgot to look again shows as a code that is usable when it must not be, or as a
guest who stands before a door that does not know him.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.actions import Erase, Program
from gateway.domain.capabilities import Capabilities, CodeLimits, ScheduleSupport
from gateway.domain.devices import (
    Device,
    Empty,
    Known,
    LockClock,
    LockSchedule,
    Slot,
    YearDay,
)
from gateway.domain.grants import DesiredGrant, GrantState
from gateway.domain.ids import CredentialId
from gateway.domain.instant import DAY, HOUR, Instant, to_datetime
from gateway.domain.reconcile import Plan, plan
from gateway.domain.wants import Moment
from gateway.domain.windows import Timed, span_from
from tests.properties.test_reconcile import (
    NOW,
    POLICY,
    SLOTS,
    ModelLock,
    allowed,
    bare,
    check_plan,
    facts,
    lone,
    perform,
    worlds,
)

World = tuple[ModelLock, Device, list[DesiredGrant]]


def in_time(schedules: tuple[LockSchedule, ...], at: Instant) -> bool:
    """What the lock itself makes of the code now."""
    wall = to_datetime(at).astimezone(ZoneInfo("Europe/Berlin"))
    minute = wall.hour * 60 + wall.minute
    return not schedules or any(
        entry.opens_at <= at < entry.closes_at
        if isinstance(entry, YearDay)
        else wall.isoweekday() in entry.weekdays and entry.start_minute <= minute < entry.end_minute
        for entry in schedules
    )


def settled(
    lock: ModelLock, device: Device, wanted: list[DesiredGrant], at: Instant, writes: Counter[str]
) -> tuple[Device, Plan]:
    for _ in range(80):
        decided = plan(device, wanted, Moment(at), POLICY)
        check_plan(decided, device)
        if not decided.actions:
            return device, decided
        action = decided.actions[0]
        if isinstance(action, Program):
            writes[action.credential_id] += 1
        device = perform(lock, device, wanted, decided, at)
    raise AssertionError(f"no fixed point: {decided.actions}")


def check_door(
    lock: ModelLock, device: Device, wanted: list[DesiredGrant], decided: Plan, at: Instant
) -> None:
    owners = {slot.number: slot.owner for slot in device.slots.values()}
    grants = {grant.credential_id: grant for grant in wanted}
    usable = set()
    for number, (_, schedules) in lock.holds.items():
        if number in lock.foreign or not in_time(schedules, at):
            continue
        owner = owners[number]
        assert owner is not None
        usable.add(owner)
        assert allowed(grants[owner], at), (grants[owner], at)
        if schedules:
            span = span_from(grants[owner].window, at)
            assert span is not None
            assert span.holds(at), "the lock was given more than the window"
    served = {GrantState.ACTIVE, GrantState.PROGRAMMED}
    for verdict in decided.verdicts:
        grant = grants[verdict.grant_id.credential_id]
        span = span_from(grant.window, at)
        if verdict.state in served and span is not None and span.holds(at):
            assert grant.credential_id in usable, "a guest stands before a closed door"


@given(worlds(), st.integers(1, 4), st.data())
@settings(max_examples=80, deadline=None)
def test_every_code_keeps_to_its_window_while_days_pass(
    world: World, days: int, data: st.DataObject
) -> None:
    lock, device, wanted = world
    foreign = {number: lock.holds[number] for number in lock.foreign}
    writes: Counter[str] = Counter()
    at, end = NOW, Instant(NOW + days * DAY)
    while at < end:
        device, decided = settled(lock, device, wanted, at, writes)
        check_door(lock, device, wanted, decided, at)
        later = min(decided.next_look or end, end)
        assert later > at
        between = data.draw(st.lists(st.integers(at, later - 1), max_size=3), label="between")
        for moment in (*between, later - 1):
            check_door(lock, device, wanted, decided, Instant(moment))
        at = later
    assert {number: lock.holds[number] for number in lock.foreign} == foreign
    for grant in wanted:
        edges, moment = 0, NOW
        while moment < end + HOUR and (span := span_from(grant.window, moment)) is not None:
            edges += 1
            if span.closes_at is None:
                break
            moment = span.closes_at
        # Once for each opening, and once more for each time that somebody else comes before.
        assert writes[grant.credential_id] <= edges + SLOTS, (grant, writes)


def test_who_only_makes_room_goes_after_who_has_to_go() -> None:
    """The slot of the one who leaves is room enough for the newcomer."""

    def stay(name: str, digits: int, day: int) -> DesiredGrant:
        window = Timed(Instant(NOW + day * DAY), Instant(NOW + (day + 1) * DAY))
        return lone(window, credential_id=CredentialId(name), digits=facts(digits))

    def held(number: int, grant: DesiredGrant, seen: int) -> Slot:
        assert grant.digits is not None
        assert isinstance(grant.window, Timed)
        schedule = YearDay(grant.window.opens_at, grant.window.closes_at)
        return Slot(
            number, Known(grant.digits.hash), grant.credential_id, (schedule,),
            observed_at=Instant(NOW - seen),
        )  # fmt: skip

    leaves = replace(stay("leaves", 1, 1), removed="tombstone")
    late, new = stay("late", 2, 5), stay("new", 3, 2)
    device = bare(
        capabilities=Capabilities(
            codes=CodeLimits(2), schedules=ScheduleSupport(0, 1), has_clock=True
        ),
        clock=LockClock(0, 100, NOW, True),
        schedules_proven=True,
        slots={1: held(1, leaves, 0), 2: held(2, late, DAY)},
        inventory_done=True,
    )
    decided = plan(device, [leaves, late, new], Moment(NOW), POLICY)
    assert decided.actions[0] == Erase(1, CredentialId("leaves"))
    freed = replace(device, slots={1: Slot(1, Empty()), 2: held(2, late, DAY)})
    after = plan(freed, [leaves, late, new], Moment(NOW), POLICY)
    assert not any(isinstance(action, Erase) for action in after.actions)
