"""CONVERGED: when the troubles are over, locks hold what is wanted."""

from __future__ import annotations

import pytest

from gateway.domain.grants import GrantState
from gateway.domain.instant import Instant, to_rfc3339
from tests.simulation.judge import Findings, Lock
from tests.simulation.judged import DOOR, HOUR, MIN, START, Building, S, T


@pytest.fixture
def world() -> Building:
    return Building()


def test_after_healing_the_lock_holds_what_is_wanted(world: Building) -> None:
    world.order()
    world.order("c2", digits="571038", opens=0, closes=MIN)
    world.opens("483920")
    world.opens("571038")
    world.wait(20 * S)
    world.shuts("571038")
    world.wait(HOUR)
    world.judge.tampered(START, DOOR, 9, "set_by_hand", "777123")

    def finish(codes: dict[int, str]) -> list[str]:
        before = len(world.rules)
        world.judge.finish(world.now, Findings(codes={DOOR: codes}))
        return world.rules[before:]

    assert finish({1: "483920", 9: "777123"}) == []
    assert finish({1: "483920"}) == ["UNMANAGED"]
    assert finish({9: "777123"}) == ["CONVERGED"]
    assert finish({1: "483920", 2: "571038", 9: "777123"}) == ["CONVERGED"]
    assert finish({1: "483920", 2: "112358", 9: "777123"}) == ["CONVERGED"]
    assert finish({1: "483920", 2: "483920", 9: "777123"}) == ["CONVERGED"]


def test_only_a_lock_that_keeps_windows_holds_codes_long_before(world: Building) -> None:
    for keeps, rules in ((True, []), (False, ["CONVERGED"])):
        world = Building(facts=Lock(keeps_windows=keeps))
        world.order(opens=10 * HOUR, closes=11 * HOUR)
        world.wait(HOUR)
        world.judge.finish(world.now, Findings(codes={DOOR: {1: "483920"}}))
        assert world.rules == rules


def test_a_lock_that_keeps_windows_keeps_weekly_codes_all_week(world: Building) -> None:
    weekly = {
        "kind": "recurring",
        "zone": "Europe/Berlin",
        "rules": [{"weekdays": ["fri"], "from": "08:00", "to": "09:00"}],
        "not_before": to_rfc3339(Instant(START + 21 * 24 * HOUR)),
    }
    for keeps, rules in ((True, []), (False, ["CONVERGED"])):
        world = Building(facts=Lock(keeps_windows=keeps))
        world.order(window=weekly)
        world.wait(HOUR)
        world.judge.finish(world.now, Findings(codes={DOOR: {1: "483920"}}))
        assert world.rules == rules


def test_a_strangers_code_with_our_digits_may_be_taken_for_ours(world: Building) -> None:
    world.order(opens=5 * HOUR, closes=6 * HOUR)
    world.judge.tampered(world.now, DOOR, 7, "foreign_write", "483920")
    world.wait(2 * HOUR)
    world.judge.finish(world.now, Findings(codes={DOOR: {}}))
    assert world.rules == []


@pytest.mark.parametrize(
    ("opens", "over_ms", "found"),
    [(10 * HOUR, 0, ["CONVERGED"]), (0, T - S, []), (0, T + S, ["CONVERGED"])],
)
def test_a_code_reported_as_programmed_is_there(opens: int, over_ms: int, found: list[str]) -> None:
    world = Building()
    world.order(opens=opens, closes=opens + HOUR)
    world.opens("483920")
    world.wait(0, until=HOUR)
    world.shuts("483920")
    world.wait(over_ms)
    world.told["c1", DOOR] = {"state": GrantState.PROGRAMMED.value, "version": 1}
    world.judge.finish(world.now, Findings(codes={DOOR: {}}))
    assert [rule for rule in world.rules if rule != "EARLY"] == found
