"""LATE: a code is gone soon after its end, and what gives more time than that."""

from __future__ import annotations

import pytest

from tests.simulation.judge import Findings
from tests.simulation.judged import DOOR, HOUR, MIN, OTHER, START, Building, S, T


@pytest.fixture
def world() -> Building:
    return Building()


@pytest.mark.parametrize("over_s", [0, 60])
def test_a_code_is_gone_t_after_its_window(world: Building, over_s: int) -> None:
    world.order(opens=0, closes=HOUR)
    world.opens("483920")
    world.wait(0, until=HOUR + T - 20 * S + over_s * S)
    world.shuts("483920")
    world.wait(HOUR)
    assert world.rules == (["LATE"] if over_s else [])


@pytest.mark.parametrize("how", ["revoked", "suspended", "held", "dropped", "digits"])
def test_a_code_is_gone_t_after_the_order_that_ended_it(world: Building, how: str) -> None:
    world.order(devices=(DOOR, OTHER))
    world.wait(10 * MIN)
    world.opens("483920")
    world.opens("483920", OTHER)
    world.wait(10 * MIN)
    match how:
        case "revoked":
            world.judge.revoked(world.now, "c1", DOOR)
        case "suspended":
            world.order(version=2, suspended=True)
        case "held":
            world.order(version=2, held=True)
        case "dropped":
            world.order(version=2, devices=(OTHER,))
        case _:
            world.order(version=2, digits="571038")
    world.opens("571038")
    world.wait(T)
    assert "LATE" not in world.rules
    world.wait(60 * S)
    assert ("LATE", DOOR) in [(v.rule, v.device) for v in world.judge.violations]


NEEDED = {
    "revoked": ("power", "link", "radio", "stick", "disk"),
    "closed": ("power", "time", "radio", "stick"),
}


@pytest.mark.parametrize(
    ("ended", "what"), [(ended, what) for ended, needed in NEEDED.items() for what in needed]
)
def test_bad_conditions_give_another_t(world: Building, what: str, ended: str) -> None:
    world.order(opens=0, closes=13 * MIN if ended == "closed" else 99 * HOUR)
    world.wait(T)
    world.opens("483920")
    world.wait(10 * MIN)
    if ended == "revoked":
        world.judge.revoked(world.now, "c1", None)

    def turn(good: bool) -> None:
        match what:
            case "power":
                world.judge.power(world.now, good)
            case "link":
                world.judge.link(world.now, good)
            case "radio":
                world.judge.radio(world.now, DOOR, good)
            case "stick":
                world.judge.radio(world.now, None, good)
            case "time":
                # A gateway that was lied to; one that knew the time knows that it has passed.
                world.judge.time_proven(world.now, good, 0 if good else HOUR)
            case _:
                world.judge.disk(world.now, good)

    world.wait(MIN)
    turn(False)
    world.wait(HOUR)
    turn(True)
    world.wait(2 * MIN)
    turn(False)
    turn(True)
    world.wait(T)
    assert world.rules == []
    world.wait(MIN)
    assert world.rules == ["LATE"]


def test_a_link_that_goes_after_the_order_arrived_excuses_nothing(world: Building) -> None:
    world.order(opens=0, closes=HOUR)
    world.opens("483920")
    world.wait(T + MIN)
    world.judge.link(world.now, False)
    world.wait(0, until=HOUR + T + MIN)
    assert world.rules == ["LATE"]


def test_an_end_that_needs_a_clock_waits_for_one_and_a_revocation_does_not(
    world: Building,
) -> None:
    world.order(opens=0, closes=HOUR)
    world.order("c2", digits="571038", opens=0, closes=HOUR)
    world.opens("483920")
    world.opens("571038")
    world.wait(30 * MIN)
    world.judge.time_proven(world.now, False, HOUR)  # it was lied to
    world.wait(0, until=2 * HOUR)
    assert world.rules == []
    world.judge.revoked(world.now, "c2", None)
    world.wait(T + MIN)
    assert [(v.rule, v.credential) for v in world.judge.violations] == [("LATE", "c2")]
    world.judge.time_proven(world.now, True)
    world.wait(T + MIN)
    assert [(v.rule, v.credential) for v in world.judge.violations][1:] == [("LATE", "c1")]


def test_withheld_removals_count_from_their_confirmation(world: Building) -> None:
    world.order()
    world.opens("483920")
    world.wait(T)
    world.judge.revoked(world.now, "c1", None, sure=False)
    world.wait(HOUR)
    assert world.rules == []
    world.judge.confirmed(world.now)
    world.wait(T + MIN)
    assert world.rules == ["LATE"]


def test_an_older_version_changes_nothing(world: Building) -> None:
    world.order(version=2)
    world.opens("483920")
    world.wait(10 * MIN)
    world.judge.revoked(world.now, "c1", None)
    world.order(version=2)
    world.order(version=1)
    world.wait(T + MIN)
    assert world.rules == ["LATE"]
    world.shuts("483920")
    world.wait(MIN)
    world.order(version=3)
    world.opens("483920")
    world.wait(HOUR)
    assert world.rules == ["LATE"]
    world.judge.revoked(world.now, "c1", None)
    world.wait(HOUR)
    assert world.rules == ["LATE", "LATE"]


def test_a_used_up_code_is_gone_when_its_last_use_was_heard(world: Building) -> None:
    world.order(use={"limit": 2}, devices=(DOOR, OTHER))
    for door in (DOOR, OTHER):
        world.opens("483920", door)
    world.wait(10 * MIN)
    world.judge.door(world.now, DOOR, "483920", True)
    world.wait(10 * MIN)
    world.judge.door(world.now, OTHER, "483920", True)
    world.wait(T)
    world.shuts("483920", OTHER)
    assert world.rules == []
    world.wait(MIN)
    assert [(v.rule, v.device) for v in world.judge.violations] == [("LATE", DOOR)]


def test_a_use_that_the_power_cut_may_have_lost_is_no_end(world: Building) -> None:
    world.order(use={"limit": 1})
    world.opens("483920")
    world.wait(10 * MIN)
    world.judge.door(world.now, DOOR, "483920", True)
    world.now += S
    world.judge.power(world.now, False)
    world.judge.power(world.now, True)
    world.wait(HOUR)
    assert world.rules == []


def test_a_use_that_nobody_heard_of_is_no_end(world: Building) -> None:
    world.order(use={"limit": 1})
    world.opens("483920")
    world.wait(10 * MIN)
    world.judge.door(world.now, DOOR, "483920", True)
    world.judge.unheard(world.now + S, DOOR)
    world.wait(HOUR)
    assert world.rules == []


@pytest.mark.parametrize(("hand", "found"), [(True, []), (False, ["LATE"])])
def test_an_opening_by_a_strangers_slot_is_no_use(
    world: Building, hand: bool, found: list[str]
) -> None:
    """Somebody keyed in the same digits at one door, where no slot is the gateway's own."""
    world.order(use={"limit": 1}, devices=(DOOR, OTHER))
    world.opens("483920", OTHER)
    if hand:
        world.judge.tampered(world.now, DOOR, 9, "set_by_hand", "483920")
    world.opens("483920", DOOR)
    world.wait(10 * MIN)
    world.judge.door(world.now, DOOR, "483920", True)
    world.shuts("483920", DOOR)
    world.wait(HOUR)
    assert world.rules == found


def test_only_the_door_that_was_not_heard_is_excused(world: Building) -> None:
    world.order(use={"limit": 1})
    world.opens("483920")
    world.wait(10 * MIN)
    world.judge.door(world.now, DOOR, "483920", True)
    world.judge.unheard(world.now + S, OTHER)
    world.wait(HOUR)
    assert world.rules == ["LATE"]


def test_late_figures_are_measured(world: Building) -> None:
    world.order(opens=0, closes=HOUR)
    world.opens("483920")
    world.wait(0, until=HOUR + MIN)
    world.shuts("483920")
    world.wait(HOUR)
    assert world.judge.figures.late_max_ms == 40 * S or world.judge.figures.late_max_ms == MIN


def test_an_order_does_not_arrive_on_a_full_disk(world: Building) -> None:
    world.order()
    world.opens("483920")
    world.wait(T)
    world.judge.disk(world.now, False)
    world.judge.revoked(world.now, "c1", None)
    world.wait(HOUR)
    world.judge.link(world.now, False)
    world.judge.disk(world.now, True)
    world.wait(HOUR)
    assert world.rules == []


def test_an_edit_that_opens_at_once_may_open_at_once(world: Building) -> None:
    world.order(opens=10 * HOUR, closes=11 * HOUR)
    world.wait(HOUR)
    world.order(version=2, opens=0, closes=11 * HOUR)
    world.opens("483920")
    world.wait(HOUR)
    assert world.rules == []


def test_a_clock_that_is_behind_closes_as_much_later(world: Building) -> None:
    world.order(opens=0, closes=HOUR)
    world.opens("483920")
    world.judge.time_proven(world.now, True, 10 * MIN)
    world.wait(0, until=HOUR + 10 * MIN + T)
    assert world.rules == []
    world.wait(MIN)
    assert world.rules == ["LATE"]


def test_what_nobody_looked_at_did_not_come_back(world: Building) -> None:
    world.order(opens=0, closes=HOUR)
    world.wait(MIN)
    world.judge.radio(START + 30 * MIN, DOOR, False)
    world.now = START + 2 * HOUR
    world.opens("483920")
    world.wait(HOUR)
    assert world.rules == []


def test_each_episode_is_told_once(world: Building) -> None:
    world.order(opens=0, closes=HOUR)
    for _ in range(2):
        world.wait(10 * MIN)
        world.opens("483920")
        world.wait(10 * MIN)
        world.shuts("483920")
    world.wait(0, until=2 * HOUR)
    for _ in range(2):
        world.opens("483920")
        world.wait(10 * MIN)
        world.shuts("483920")
        world.wait(10 * MIN)
    assert world.rules == ["UNAVAILABLE"] * 3 + ["EARLY"] * 2


def test_shared_digits_leave_it_open_whose_use_it_was(world: Building) -> None:
    world.order(use={"limit": 1})
    world.order("c2", use={"limit": 1})
    world.opens("483920")
    world.wait(10 * MIN)
    world.judge.door(world.now, DOOR, "483920", True)
    world.wait(HOUR)
    world.shuts("483920")
    world.wait(HOUR)
    assert world.rules == []
    world.judge.finish(world.now, Findings(codes={DOOR: {1: "483920"}}))
    assert world.rules == []
