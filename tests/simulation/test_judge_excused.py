"""UNAVAILABLE: what is published excuses where the truth bears it out, and so does want of room."""

from __future__ import annotations

import pytest

from tests.simulation.judge import Lock
from tests.simulation.judged import DOOR, HOUR, MIN, Building, T


@pytest.fixture
def world() -> Building:
    return Building()


@pytest.mark.parametrize(
    ("state", "reason", "excused"),
    [
        ("rejected", "conflicts_with:c2", True),
        ("rejected", "weak_code", False),
        ("rejected", "digits_destroyed", False),
        ("erased", "tombstone", True),
        ("erased", "tombstone", False),
        ("pending", "no_free_slot", False),
        ("programming", None, False),
        ("removed_externally", None, False),
    ],
)
def test_a_published_state_excuses_if_the_truth_bears_it_out(
    state: str, reason: str | None, excused: bool
) -> None:
    world = Building(facts=Lock(slots=4))
    world.order()
    if excused:
        world.order("c2", opens=5 * HOUR, closes=6 * HOUR)
    world.told["c1", DOOR] = {"state": state, "reason": reason, "version": 1}
    world.wait(HOUR)
    assert world.rules == ([] if excused else ["UNAVAILABLE"])
    assert any(why.startswith("told:") for why in world.judge.figures.excused) == (
        excused or reason == "no_free_slot"
    )


def test_no_room_excuses_where_there_is_none() -> None:
    world = Building(facts=Lock(slots=1))
    world.order("c0", digits="571038")
    world.opens("571038")
    world.judge.wrote(world.now, DOOR, 1, "set", "571038")
    world.order()
    world.told["c1", DOOR] = {"state": "pending", "reason": "no_free_slot", "version": 1}
    world.wait(HOUR)
    assert world.rules == []


@pytest.mark.parametrize(("opens", "rules"), [(75 * MIN, []), (10 * HOUR, ["UNAVAILABLE"])])
def test_room_is_not_kept_for_who_comes_much_later(opens: int, rules: list[str]) -> None:
    world = Building(facts=Lock(slots=1, keeps_windows=True))
    world.order("c0", digits="571038", opens=opens, closes=11 * HOUR)
    world.judge.wrote(world.now, DOOR, 1, "set", "571038")
    world.wait(0, until=HOUR)
    world.order()
    world.told["c1", DOOR] = {"state": "pending", "reason": "no_free_slot", "version": 1}
    world.wait(12 * MIN)
    assert world.rules == []  # making room takes its time
    world.wait(5 * MIN)
    assert world.rules == rules


def test_room_that_was_somebodys_a_moment_ago_is_not_kept_for_later() -> None:
    world = Building(facts=Lock(slots=1))
    week = {
        "kind": "recurring",
        "zone": "UTC",
        "rules": [{"weekdays": ["fri"], "from": "12:00", "to": "13:00"}],
    }
    world.order("c0", digits="571038", window=week)
    world.opens("571038")
    world.judge.wrote(world.now, DOOR, 1, "set", "571038")
    world.order()
    world.told["c1", DOOR] = {"state": "pending", "reason": "no_free_slot", "version": 1}
    world.wait(0, until=HOUR)
    world.shuts("571038")
    world.wait(2 * MIN)
    assert world.rules == []
    world.wait(20 * MIN)
    assert world.rules == ["UNAVAILABLE"]


def test_a_code_in_a_slot_that_no_gateway_uses_takes_no_room() -> None:
    for slot, rules in ((1, []), (9, ["UNAVAILABLE"])):
        world = Building(facts=Lock(slots=1, numbers=frozenset({1})))
        world.judge.tampered(world.now, DOOR, slot, "set_by_hand", "571038")
        world.order()
        world.told["c1", DOOR] = {"state": "pending", "reason": "no_free_slot", "version": 1}
        world.wait(HOUR)
        assert world.rules == rules


def test_who_waited_for_room_has_t_from_when_there_is_some() -> None:
    world = Building(facts=Lock(slots=1, numbers=frozenset({1})))
    world.judge.tampered(world.now, DOOR, 9, "set_by_hand", "902761")
    world.order("c0", digits="571038")
    world.opens("571038")
    world.judge.wrote(world.now, DOOR, 1, "set", "571038")
    world.order()
    world.told["c1", DOOR] = {"state": "pending", "reason": "no_free_slot", "version": 1}
    world.wait(HOUR)
    world.judge.revoked(world.now, "c0", None)
    world.shuts("571038")
    world.judge.wrote(world.now, DOOR, 1, "clear")
    world.told["c1", DOOR] = {"state": "programming", "version": 1}
    world.wait(T)
    assert world.rules == []
    world.wait(MIN)
    assert world.rules == ["UNAVAILABLE"]


def test_a_version_that_was_refused_for_another_code_stays_refused(world: Building) -> None:
    world.order("c2", devices=(DOOR,))
    world.wait(MIN)
    world.order()
    world.opens("483920")
    world.told["c1", DOOR] = {"state": "rejected", "reason": "conflicts_with:c2", "version": 1}
    world.judge.revoked(world.now, "c2", None)
    world.shuts("483920")
    world.wait(HOUR)
    assert world.rules == []
    world.order(version=2)
    world.told["c1", DOOR] = {"state": "rejected", "reason": "conflicts_with:c2", "version": 2}
    world.wait(T + MIN)
    assert world.rules == ["UNAVAILABLE"]


def test_also_where_the_other_code_was_a_strangers_and_gone_before_the_opening(
    world: Building,
) -> None:
    world.order(opens=HOUR, closes=5 * HOUR)
    world.order("c2", digits="571038")
    world.judge.wrote(world.now, DOOR, 2, "set", "571038")
    world.opens("571038")
    world.wait(10 * MIN)
    world.judge.tampered(world.now, DOOR, 2, "foreign_write", "483920")
    world.told["c1", DOOR] = {
        "state": "rejected",
        "reason": "conflicts_with:unmanaged",
        "version": 1,
    }
    world.judge.wrote(world.now, DOOR, 2, "set", "571038")
    world.wait(0, until=2 * HOUR)
    assert world.rules == []
    world.order(version=2, opens=0, closes=5 * HOUR)
    world.told["c1", DOOR]["version"] = 2
    world.wait(T + MIN)
    assert world.rules == ["UNAVAILABLE"]


def test_a_state_of_an_older_version_excuses_nothing(world: Building) -> None:
    world.order("c2")
    world.order(version=2)
    world.told["c2", DOOR] = {"state": "rejected", "reason": "conflicts_with:c1", "version": 1}
    world.told["c1", DOOR] = {"state": "rejected", "reason": "conflicts_with:c2", "version": 1}
    world.wait(HOUR)
    assert world.rules == ["UNAVAILABLE"]
