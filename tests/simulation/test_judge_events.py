"""ONCE, EVENTS: a command unlocks one time, and what a lock told is told on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.domain.instant import Instant, to_rfc3339
from tests.simulation.judge import Delivered, Findings, Promise
from tests.simulation.judged import DOOR, HOUR, MIN, OTHER, START, Building, S

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.fixture
def world() -> Building:
    return Building()


# ── ONCE ────────────────────────────────────────────────────────────────────────────────


def test_one_unlock_for_each_command(world: Building) -> None:
    judge = world.judge
    for number in (1, 2):
        judge.commanded(world.now, f"u{number}", "unlock", DOOR, world.now + 30 * S)
        judge.commanded(world.now, f"u{number}", "unlock", DOOR, world.now + 30 * S)
    judge.unlocked_by_radio(world.now + S, DOOR)
    judge.unlocked_by_radio(world.now + S, DOOR)
    assert world.rules == []
    judge.unlocked_by_radio(world.now + 2 * S, DOOR)
    assert world.rules == ["ONCE"]


@pytest.mark.parametrize(("after_s", "rules"), [(40, []), (50, ["ONCE"])])
def test_no_unlock_long_after_not_after(world: Building, after_s: int, rules: list[str]) -> None:
    world.judge.commanded(world.now, "u1", "unlock", DOOR, world.now + 30 * S)
    world.judge.unlocked_by_radio(world.now + after_s * S, DOOR)
    assert world.rules == rules


def test_nobody_unlocks_unasked(world: Building) -> None:
    world.judge.commanded(world.now, "u1", "unlock", OTHER, None)
    world.judge.commanded(world.now, "l1", "lock", DOOR, None)
    world.judge.unlocked_by_radio(world.now, DOOR)
    assert world.rules == ["ONCE"]
    world.judge.commanded(world.now + S, "u2", "unlock", DOOR, None)
    world.judge.unlocked_by_radio(world.now, DOOR)
    assert world.rules == ["ONCE", "ONCE"]


def test_what_was_refused_did_not_act_and_answers_agree(world: Building) -> None:
    world.judge.commanded(world.now, "u1", "unlock", DOOR, None)
    world.judge.commanded(world.now, "u2", "unlock", OTHER, None)
    world.judge.unlocked_by_radio(world.now, DOOR)
    world.judge.unlocked_by_radio(world.now, OTHER)
    confirmed, refused = {"outcome": "confirmed"}, {"outcome": "refused", "reason": "expired"}
    world.judge.finish(world.now, Findings(answers={"u1": [confirmed, confirmed]}))
    assert world.rules == []
    assert world.judge.figures.unanswered_commands == 1
    world.judge.finish(world.now, Findings(answers={"u1": [confirmed], "u2": [refused]}))
    assert world.rules == ["ONCE"]
    world.judge.finish(world.now, Findings(answers={"u1": [confirmed, {"outcome": "unconfirmed"}]}))
    assert world.rules == ["ONCE", "ONCE"]


# ── EVENTS ──────────────────────────────────────────────────────────────────────────────


def event(seq: int, at: int, kind: str = "lock.unlocked", **more: Any) -> dict[str, Any]:
    base = {"device_id": DOOR, "trust": "trusted", "body": {"slot": 1}}
    return {"seq": seq, "at": to_rfc3339(Instant(at)), "type": kind} | base | more


def ledger(*events: Mapping[str, Any]) -> dict[str, dict[int, Mapping[str, Any]]]:
    return {"e1": {event["seq"]: event for event in events}}


def test_every_frame_is_in_a_dense_ledger(world: Building) -> None:
    at = world.now
    frames = [Delivered(at, DOOR, "lock.unlocked", 1), Delivered(at + S, DOOR, "lock.unlocked", 1)]
    full = ledger(event(1, at), event(2, at + S), event(3, at, "gateway.started"))
    world.judge.finish(at, Findings(delivered=frames, ledgers=full, heads={"e1": 3}))
    assert world.rules == []
    for wrong in (
        Findings(delivered=frames, ledgers=full, heads={"e1": 4}),
        Findings(delivered=frames, ledgers=ledger(event(1, at), event(3, at + S))),
        Findings(delivered=frames, ledgers=ledger(event(1, at))),
        Findings(delivered=frames[:1], ledgers=full),
        Findings(delivered=frames, ledgers=ledger(event(1, at), event(2, at + HOUR))),
        Findings(conflicts=["event 3 came with two contents"]),
    ):
        before = len(world.rules)
        world.judge.finish(at, wrong)
        assert set(world.rules[before:]) == {"EVENTS"}, wrong


def test_a_gap_that_was_declared_is_none(world: Building) -> None:
    gap = event(4, world.now, "gateway.events_gap", body={"from": 2, "through": 3})
    world.judge.finish(
        world.now, Findings(ledgers=ledger(event(1, world.now, "gateway.started"), gap))
    )
    assert world.rules == []


def test_a_frame_may_be_lost_only_right_before_a_power_cut_or_on_a_full_disk(
    world: Building,
) -> None:
    at = world.now + HOUR
    world.judge.power(at, False)
    world.judge.power(at + MIN, True)
    world.judge.disk(at + HOUR, False)
    world.judge.power(at + 2 * HOUR, False)
    world.judge.power(at + 2 * HOUR, True)
    world.judge.disk(at + 3 * HOUR, True)
    frames = [
        Delivered(at - MIN, DOOR, "lock.unlocked", 1),
        Delivered(at - 2 * S, DOOR, "lock.unlocked", 1),
        Delivered(at + HOUR + MIN, DOOR, "lock.unlocked", 1),
        Delivered(at + 4 * HOUR, DOOR, "lock.unlocked", 1),
    ]
    told = [event(1, frames[0].at), event(2, frames[3].at - 99 * HOUR, trust="untrusted")]
    world.judge.finish(at + 5 * HOUR, Findings(delivered=frames, ledgers=ledger(*told)))
    assert world.rules == []
    assert world.judge.figures.events_lost_at_cuts == 2
    world.judge.finish(at, Findings(delivered=frames, ledgers=ledger(event(1, frames[1].at))))
    assert world.rules == ["EVENTS"]
    assert world.judge.violations[0].sentence.startswith("1 ")


def test_copies_of_a_frame_are_one_event_where_that_is_promised() -> None:
    for promise, rules in ((Promise(), []), (Promise(one_for_copies=True), ["EVENTS"])):
        world = Building(promise=promise)
        frames = [Delivered(world.now, DOOR, "lock.unlocked", 1, copies=2)]
        once, twice = ledger(event(1, START)), ledger(event(1, START), event(2, START))
        world.judge.finish(world.now, Findings(delivered=frames, ledgers=once))
        assert world.rules == []
        world.judge.finish(world.now, Findings(delivered=frames, ledgers=twice))
        assert world.rules == rules
