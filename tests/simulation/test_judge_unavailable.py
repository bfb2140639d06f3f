"""UNAVAILABLE: a valid code works soon after its opening, and while it lasts.

Not here: what a gateway may say of it instead (`test_judge_excused`).
"""

from __future__ import annotations

import pytest

from tests.simulation.judge import Findings, Lock
from tests.simulation.judged import DOOR, HOUR, MIN, Building, S, T


@pytest.fixture
def world() -> Building:
    return Building()


@pytest.mark.parametrize("late_s", [0, 40])
def test_a_valid_code_works_t_after_its_opening(world: Building, late_s: int) -> None:
    world.order(opens=HOUR, closes=2 * HOUR)
    world.wait(0, until=HOUR + T - 20 * S + late_s * S)
    world.opens("483920")
    world.wait(20 * MIN)
    assert world.rules == (["UNAVAILABLE"] if late_s else [])
    assert (world.judge.figures.availability < 100) == bool(late_s)


def test_a_code_ordered_after_its_opening_works_t_after_the_order(world: Building) -> None:
    world.wait(HOUR)
    world.order(opens=0, closes=2 * HOUR)
    world.wait(T - 20 * S)
    assert world.rules == []
    world.wait(40 * S)
    assert world.rules == ["UNAVAILABLE"]


def test_an_order_that_cannot_arrive_is_not_missed_and_one_that_did_is_kept_offline(
    world: Building,
) -> None:
    world.order("known", digits="571038", opens=HOUR, closes=20 * HOUR)
    world.wait(10 * MIN)
    world.judge.link(world.now, False)
    world.order("unknown", opens=HOUR, closes=20 * HOUR)
    world.wait(0, until=3 * HOUR)
    assert [(v.rule, v.credential) for v in world.judge.violations] == [("UNAVAILABLE", "known")]
    world.judge.link(world.now, True)
    world.wait(T + 40 * S)
    assert [v.credential for v in world.judge.violations] == ["known", "unknown"]


def test_an_addition_needs_no_confirmation(world: Building) -> None:
    world.order(sure=False)
    world.wait(T + MIN)
    assert world.rules == ["UNAVAILABLE"]


def test_a_code_may_be_edited_at_the_moment_of_its_opening(world: Building) -> None:
    world.order(opens=HOUR, closes=5 * HOUR)
    world.wait(10 * MIN)
    world.judge.link(world.now, False)
    world.order(version=2, opens=HOUR, closes=9 * HOUR)
    world.wait(0, until=HOUR + 2 * T)
    assert world.rules == []
    world.wait(MIN)
    assert world.rules == ["UNAVAILABLE"]


def test_a_reason_that_could_not_be_told_is_looked_for_in_the_truth(world: Building) -> None:
    world.order("c2", opens=5 * HOUR, closes=6 * HOUR)
    world.order()
    world.order("c3", digits="571038")
    world.wait(T)
    world.judge.link(world.now, False)
    world.wait(HOUR)
    assert [v.credential for v in world.judge.violations] == ["c3"]
    for _ in range(20):  # no better when it never stays
        world.judge.link(world.now, True)
        world.wait(2 * MIN)
        world.judge.link(world.now, False)
    assert world.rules == ["UNAVAILABLE"]
    assert world.judge.figures.excused["could not tell"] > 0
    world.judge.link(world.now, True)
    world.wait(T + MIN)
    assert world.rules == ["UNAVAILABLE"] * 2


def test_a_code_taken_once_is_not_excused_for_ever(world: Building) -> None:
    world.order()
    world.opens("483920")
    world.judge.wrote(world.now, DOOR, 3, "set", "483920")
    world.wait(10 * MIN)
    world.shuts("483920")
    world.judge.tampered(world.now, DOOR, 3, "foreign_erase", None)
    world.wait(10 * MIN)
    world.opens("483920")
    world.wait(10 * MIN)
    world.shuts("483920")
    assert world.rules == []
    world.wait(MIN)
    assert world.rules == ["UNAVAILABLE"]


def test_a_code_that_every_order_wants_stays_while_an_edit_waits(world: Building) -> None:
    world.order(opens=0, closes=5 * HOUR)
    world.opens("483920")
    world.wait(10 * MIN)
    world.judge.link(world.now, False)
    world.order(version=2, opens=0, closes=9 * HOUR)
    world.wait(HOUR)
    world.shuts("483920")
    world.wait(T)
    assert world.rules == []
    world.wait(MIN)
    assert world.rules == ["UNAVAILABLE"]


def test_a_code_may_blink_while_it_is_written_anew(world: Building) -> None:
    world.order()
    world.opens("483920")
    world.wait(HOUR)
    world.shuts("483920")
    world.wait(20 * S)
    world.opens("483920")
    world.wait(MIN)
    assert world.rules == []
    world.shuts("483920")
    world.wait(MIN)
    assert world.rules == ["UNAVAILABLE"]


@pytest.mark.parametrize("what", ["power", "radio", "time"])
def test_a_code_is_not_missed_while_it_could_not_be_written(world: Building, what: str) -> None:
    def turn(good: bool) -> None:
        match what:
            case "power":
                world.judge.power(world.now, good)
            case "radio":
                world.judge.radio(world.now, DOOR, good)
            case _:
                world.judge.time_proven(world.now, good)

    world.order(opens=HOUR, closes=9 * HOUR)
    world.wait(30 * MIN)
    turn(False)
    world.wait(HOUR)
    turn(True)
    world.wait(T - 20 * S)
    assert world.rules == []
    world.wait(40 * S)
    assert world.rules == ["UNAVAILABLE"]


def test_a_code_taken_behind_the_gateways_back_is_missed_once_it_must_know() -> None:
    for notices_ms, rules in ((None, []), (HOUR, ["UNAVAILABLE"])):
        world = Building(facts=Lock(notices_ms=notices_ms))
        world.order()
        world.opens("483920")
        world.judge.wrote(world.now, DOOR, 3, "set", "483920")
        world.wait(10 * MIN)
        world.shuts("483920")
        world.judge.tampered(world.now, DOOR, 3, "deleted-later", None)
        world.wait(50 * MIN)
        assert world.rules == []
        assert world.judge.figures.excused["shut: deleted-later"] > 0
        world.wait(HOUR)
        assert world.rules == rules


@pytest.mark.parametrize("reads_back", [True, False])
def test_a_write_that_was_not_done_excuses_where_it_cannot_be_seen(reads_back: bool) -> None:
    world = Building(facts=Lock(reads_back=reads_back))
    world.order()
    world.opens("483920")
    world.judge.wrote(world.now, DOOR, 1, "set", "483920")
    world.wait(10 * MIN)
    world.order(version=2, digits="571038")
    world.wait(20 * S)
    world.judge.tampered(world.now, DOOR, 1, "acknowledged-but-not-applied", "571038")
    world.wait(T)
    assert world.rules == []
    world.wait(MIN)
    assert sorted(world.rules) == (["LATE", "UNAVAILABLE"] if reads_back else [])
    world.judge.finish(world.now, Findings(codes={DOOR: {1: "483920"}}))
    assert world.rules.count("CONVERGED") == (2 if reads_back else 0)


def test_what_the_cloud_leaves_out_by_mistake_cannot_become_known(world: Building) -> None:
    world.judge.link(world.now, False)
    world.order()
    world.order("c2", digits="571038")
    world.judge.left_out(world.now, ["c1", "c2"])
    world.judge.link(world.now, True)
    world.wait(HOUR)
    assert world.rules == []
    world.order("c2", 2, digits="571038")
    world.wait(T)
    assert world.rules == []
    world.wait(MIN)
    assert world.rules == ["UNAVAILABLE"]
    world.opens("571038")
    world.judge.left_out(world.now, [])
    world.wait(T)
    assert world.rules == ["UNAVAILABLE"]
    world.wait(MIN)
    assert world.rules == ["UNAVAILABLE"] * 2


def test_what_was_known_before_it_was_left_out_must_go_on(world: Building) -> None:
    world.order()
    world.opens("483920")
    world.wait(2 * T)
    world.judge.left_out(world.now, ["c1"])
    world.wait(HOUR)
    assert world.rules == []
    world.judge.revoked(world.now, "c1", None)
    world.wait(2 * T)
    assert world.rules == ["LATE"]


def test_nobody_tampers_in_unknown_ways(world: Building) -> None:
    with pytest.raises(ValueError, match="nobody knows"):
        world.judge.tampered(world.now, DOOR, 1, "magic", None)
    with pytest.raises(ValueError, match="digits"):
        world.judge.tampered(world.now, DOOR, 1, "set_by_hand", None)


def test_a_strangers_code_may_open_at_any_time(world: Building) -> None:
    world.order(opens=5 * HOUR, closes=6 * HOUR)
    world.judge.tampered(world.now, DOOR, 7, "set_by_hand", "483920")
    world.opens("483920")
    world.wait(HOUR)
    assert world.rules == []
    assert world.judge.figures.excused["stranger_opens"] > 0


def test_a_lock_whose_clock_was_changed_excuses_until_it_is_noticed() -> None:
    world = Building(facts=Lock(keeps_windows=True, notices_ms=HOUR))
    world.order(opens=5 * HOUR, closes=6 * HOUR)
    world.judge.wrote(world.now, DOOR, 1, "set", "483920")
    world.wait(10 * MIN)
    world.judge.tampered(world.now, DOOR, None, "clock", None)
    world.opens("483920")
    world.wait(HOUR)
    assert world.rules == []
    world.wait(MIN)
    assert world.rules == ["LATE"]
    world.judge.tampered(world.now, DOOR, None, "clock", None)
    world.judge.finish(world.now, Findings(codes={DOOR: {1: "483920"}}))
    assert world.rules == ["LATE"]
    world.shuts("483920")
    world.wait(10 * MIN)
    world.opens("483920")
    world.wait(MIN)
    assert world.rules == ["LATE", "EARLY"]


def test_a_guest_refused_is_counted(world: Building) -> None:
    world.order()
    world.opens("483920")
    world.wait(HOUR)
    world.judge.door(world.now, DOOR, "483920", False)
    world.judge.door(world.now, DOOR, "483920", True)
    figures = world.judge.figures
    assert (figures.typed, figures.typed_opened, figures.typed_refused_though_valid) == (2, 1, 1)
    assert world.rules == []
