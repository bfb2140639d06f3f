"""EARLY: a code may not open before it should, at doors it is not for, or once it has gone."""

from __future__ import annotations

import pytest

from tests.simulation.judge import Lock
from tests.simulation.judged import DOOR, HOUR, MIN, OTHER, Building, S, T


@pytest.fixture
def world() -> Building:
    return Building()


def test_a_code_may_open_within_the_lead(world: Building) -> None:
    world.order(opens=HOUR, closes=2 * HOUR)
    world.wait(0, until=HOUR - 290 * S)
    world.opens("483920")
    world.wait(0, until=2 * HOUR)
    world.shuts("483920")
    world.wait(HOUR)
    assert world.rules == []
    assert world.judge.figures.early_max_ms == 270 * S
    assert world.judge.figures.availability == 100.0


@pytest.mark.parametrize(
    ("keeps", "away", "found"),
    [(True, True, "LATE"), (True, False, "EARLY"), (False, True, "EARLY")],
)
def test_what_a_lock_opens_by_itself_could_not_be_taken_off_it(
    keeps: bool, away: bool, found: str
) -> None:
    world = Building(facts=Lock(keeps_windows=keeps))
    world.order(opens=2 * HOUR, closes=4 * HOUR)
    world.wait(HOUR)
    if away:
        world.judge.radio(world.now, DOOR, False)
    world.judge.revoked(world.now, "c1", None)
    world.wait(0, until=2 * HOUR)
    world.opens("483920")  # by the schedule that was written into it
    world.wait(HOUR)
    assert world.rules == [found] * (found == "EARLY")
    world.judge.radio(world.now, DOOR, True)
    world.wait(T + MIN)
    assert world.rules == [found]


def test_a_code_before_its_window_is_early_once(world: Building) -> None:
    world.order(opens=HOUR, closes=2 * HOUR)
    world.wait(0, until=HOUR - 8 * MIN)
    world.opens("483920")
    world.wait(0, until=HOUR)
    assert world.rules[0] == "EARLY"
    assert world.rules.count("EARLY") == 1
    assert world.judge.violations[0].credential == "c1"


def test_a_clock_that_is_ahead_excuses_as_much_as_it_is_ahead(world: Building) -> None:
    world.order(opens=HOUR, closes=2 * HOUR)
    world.judge.time_proven(world.now, True, 10 * MIN)
    world.wait(0, until=HOUR - 15 * MIN)
    world.opens("483920")
    world.wait(MIN)
    world.judge.time_proven(world.now, True, 0)
    world.wait(150 * S)
    assert world.rules == []
    world.wait(3 * MIN)  # the clock is right, and the code is still there
    assert world.rules == ["LATE"]


def test_a_code_at_a_door_it_was_never_ordered_for_is_early(world: Building) -> None:
    world.order(devices=(OTHER,))
    world.opens("483920", DOOR)
    world.wait(MIN)
    assert [(v.rule, v.device) for v in world.judge.violations] == [("EARLY", DOOR)]


def test_digits_that_nobody_ordered_do_not_open(world: Building) -> None:
    world.judge.door(world.now, DOOR, "999111", False)
    assert world.rules == []
    world.judge.door(world.now, DOOR, "999111", True)
    assert world.rules == ["EARLY"]


def test_a_code_that_comes_back_after_its_window_is_early_whatever_the_radio(
    world: Building,
) -> None:
    world.order(opens=0, closes=HOUR)
    world.opens("483920")
    world.wait(0, until=HOUR)
    world.shuts("483920")
    world.wait(10 * MIN)
    world.opens("483920")
    world.judge.radio(world.now, DOOR, False)
    world.wait(MIN)
    assert world.rules == ["EARLY"]


def test_the_older_of_two_windows_ordered_excuses_while_the_newer_may_be_unknown(
    world: Building,
) -> None:
    world.order(opens=HOUR, closes=2 * HOUR)
    world.wait(10 * MIN)
    world.judge.link(world.now, False)
    world.order(version=2, opens=5 * HOUR, closes=6 * HOUR)
    world.wait(0, until=HOUR)
    world.opens("483920")
    world.wait(30 * MIN)
    assert world.rules == []
    world.judge.link(world.now, True)
    world.wait(T)
    assert world.rules == []
    world.wait(40 * S)
    assert world.rules == ["LATE"]
