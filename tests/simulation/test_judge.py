"""Each rule of the judge: a wrong world is caught, a right one passes; and its windows are right.

Worlds are made by hand, one call after the other. Not here: the simulated gateway and its doors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.grants import GrantState
from gateway.domain.instant import Instant, from_datetime, to_rfc3339
from gateway.domain.secret import weakness_of
from gateway.domain.windows import Recurring, Timed, Weekly, span_from
from tests.simulation.judge import Delivered, Findings, Judge, Lock, Promise
from tests.simulation.judging import secrets
from tests.simulation.judging.watch import weak
from tests.simulation.windows import EVER, NEVER, Calendar, instant

if TYPE_CHECKING:
    from collections.abc import Mapping

S = 1_000
MIN = 60 * S
HOUR = 60 * MIN
T = 180 * S
START = from_datetime(datetime(2026, 11, 20, 12, tzinfo=UTC))
DOOR, OTHER = "dev_1", "dev_2"


@dataclass
class Building:
    """A judge, a clock, and locks that do what the test says. `held`: digits that open, by door."""

    promise: Promise = field(default_factory=Promise)
    facts: Lock = field(default_factory=Lock)
    now: int = START
    held: dict[str, set[str]] = field(default_factory=dict)
    told: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.judge = Judge(self.promise, lambda kind, **facts: self.notes.append(f"{kind} {facts}"))
        self.judge.reported_state = lambda credential, device: self.told.get((credential, device))
        for door in (DOOR, OTHER):
            self.judge.lock(door, self.facts)
            self.held[door] = set()
        self.judge.power(self.now, True)
        self.judge.link(self.now, True)
        self.judge.time_proven(self.now, True)

    def wait(self, ms: int, *, until: int | None = None) -> None:
        """Time passes, and every door is inspected each 20 s."""
        end = self.now + ms if until is None else START + until
        while self.now < end:
            self.now = min(end, self.now + 20 * S)
            for door, held in self.held.items():
                self.judge.inspect(self.now, door, held.__contains__)

    def opens(self, digits: str, door: str = DOOR) -> None:
        self.held[door].add(digits)

    def shuts(self, digits: str, door: str = DOOR) -> None:
        self.held[door].discard(digits)

    def order(
        self,
        credential_id: str = "c1",
        version: int = 1,
        *,
        digits: str = "483920",
        opens: int | None = None,
        closes: int | None = None,
        devices: tuple[str, ...] = (DOOR,),
        sure: bool = True,
        **more: Any,
    ) -> None:
        window: dict[str, Any] = {"kind": "always"}
        if opens is not None and closes is not None:
            window = timed(START + opens, START + closes)
        wire = {
            "credential_id": credential_id,
            "version": version,
            "kind": "pin",
            "secret": {"digits": digits},
            "devices": list(devices),
            "window": window,
        }
        self.judge.ordered(self.now, wire | more, sure=sure)

    @property
    def rules(self) -> list[str]:
        return [violation.rule for violation in self.judge.violations]


def timed(opens: int, closes: int) -> dict[str, Any]:
    return {
        "kind": "timed",
        "opens_at": to_rfc3339(Instant(opens)),
        "closes_at": to_rfc3339(Instant(closes)),
    }


@pytest.fixture
def world() -> Building:
    return Building()


# ── EARLY ───────────────────────────────────────────────────────────────────────────────


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


# ── LATE ────────────────────────────────────────────────────────────────────────────────


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


# ── UNAVAILABLE ─────────────────────────────────────────────────────────────────────────


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


def test_a_guest_refused_is_counted(world: Building) -> None:
    world.order()
    world.opens("483920")
    world.wait(HOUR)
    world.judge.door(world.now, DOOR, "483920", False)
    world.judge.door(world.now, DOOR, "483920", True)
    figures = world.judge.figures
    assert (figures.typed, figures.typed_opened, figures.typed_refused_though_valid) == (2, 1, 1)
    assert world.rules == []


# ── SLOTS, BUDGET, UNMANAGED ────────────────────────────────────────────────────────────


def test_a_slot_is_cleared_before_another_credential_gets_it(world: Building) -> None:
    world.order()
    world.order("c2", digits="571038")
    write = world.judge.wrote
    write(world.now, DOOR, 1, "set", "483920")
    write(world.now, DOOR, 1, "clear")
    write(world.now, DOOR, 1, "set", "571038")
    assert world.rules == []
    write(world.now, DOOR, 1, "set", "483920")
    assert world.rules == ["SLOTS"]


def test_a_credentials_own_digits_may_be_replaced_in_place(world: Building) -> None:
    world.order()
    world.judge.wrote(world.now, DOOR, 1, "set", "483920")
    world.order(version=2, digits="571038")
    world.judge.wrote(world.now, DOOR, 1, "set", "571038")
    assert world.rules == []


def test_digits_of_nobody_are_not_written(world: Building) -> None:
    world.judge.wrote(world.now, DOOR, 1, "set", "483920")
    assert world.rules == ["SLOTS"]


@pytest.mark.parametrize("what", ["set", "clear", "schedule"])
def test_an_unmanaged_slot_is_not_touched(world: Building, what: str) -> None:
    world.order()
    world.judge.tampered(world.now, DOOR, 1, "set_by_hand", "777123")
    world.wait(T + S)
    world.judge.wrote(world.now, DOOR, 1, what, "483920" if what == "set" else None)
    assert "UNMANAGED" in world.rules


def test_a_strangers_code_in_our_own_slot_may_be_replaced(world: Building) -> None:
    world.order()
    world.judge.wrote(world.now, DOOR, 1, "set", "483920")
    world.judge.tampered(world.now, DOOR, 1, "foreign_write", "777123")
    world.wait(HOUR)
    world.judge.wrote(world.now, DOOR, 1, "clear")
    assert "UNMANAGED" not in world.rules
    assert world.judge.figures.excused["stranger_in_our_slot"] == 1


@pytest.mark.parametrize("known", [True, False])
def test_a_strangers_code_may_be_replaced_where_the_gateway_cannot_know_that_ours_is_gone(
    world: Building, known: bool
) -> None:
    """The answer to the erase was lost, and the disk is full."""
    world.order()
    world.judge.wrote(world.now, DOOR, 1, "set", "483920")
    world.judge.disk(world.now, good=known)
    world.judge.wrote(world.now, DOOR, 1, "clear")
    world.wait(HOUR)
    world.judge.tampered(world.now, DOOR, 1, "set_by_hand", "777123")
    world.wait(T + S)
    world.judge.disk(world.now, good=True)
    world.judge.wrote(world.now, DOOR, 1, "clear")
    assert ("UNMANAGED" in world.rules) is known


def test_identical_writes_ahead_of_a_window_are_limited() -> None:
    world = Building(promise=Promise(writes_per_day=3, battery_writes_per_day=12))
    world.order(opens=5 * HOUR, closes=6 * HOUR)
    for _ in range(3):
        world.judge.wrote(world.now, DOOR, 1, "set", "483920")
    world.order(version=2, opens=7 * HOUR, closes=8 * HOUR)
    for _ in range(3):
        world.judge.wrote(world.now, DOOR, 1, "set", "483920")
    assert world.rules == []
    world.judge.wrote(world.now, DOOR, 1, "set", "483920")
    assert world.rules == ["BUDGET"]
    world.wait(0, until=7 * HOUR)
    for _ in range(5):  # urgent: allowed for the code, though not for the battery
        world.judge.wrote(world.now, DOOR, 1, "set", "483920")
    assert world.rules.count("BUDGET") == 1
    world.judge.wrote(world.now, DOOR, 1, "schedule")
    assert world.rules.count("BUDGET") == 2


def test_writes_in_an_open_window_are_not_limited() -> None:
    world = Building(promise=Promise(writes_per_day=3))
    world.order()
    for _ in range(9):
        world.judge.wrote(world.now, DOOR, 1, "set", "483920")
        world.judge.wrote(world.now, DOOR, 1, "schedule")
    assert world.rules == []
    assert world.judge.figures.writes == 18


def test_schedules_ahead_of_a_window_are_limited_too() -> None:
    world = Building(promise=Promise(writes_per_day=3))
    write = world.judge.wrote
    world.order(opens=5 * HOUR, closes=6 * HOUR)
    write(world.now, DOOR, 1, "set", "483920")
    for _ in range(3):
        write(world.now, DOOR, 1, "schedule")
    assert world.rules == []
    write(world.now, DOOR, 1, "schedule")
    assert world.rules == ["BUDGET"]
    world.order(version=2, opens=7 * HOUR, closes=8 * HOUR)
    for _ in range(3):
        write(world.now, DOOR, 1, "schedule")
    write(world.now, DOOR, 1, "clear")
    write(world.now, DOOR, 1, "schedule")  # what an erase leaves behind is cleared
    assert world.rules == ["BUDGET"]


def test_each_schedule_of_a_code_is_written_by_itself() -> None:
    world = Building(promise=Promise(writes_per_day=3))
    rules = [{"weekdays": [day], "from": "08:00", "to": "08:01"} for day in ("mon", "tue")]
    window = {"kind": "recurring", "zone": "Europe/Berlin", "rules": rules}
    world.order(window=window)
    world.judge.wrote(world.now, DOOR, 1, "set", "483920")
    for _ in range(6):
        world.judge.wrote(world.now, DOOR, 1, "schedule")
    assert world.rules == []
    world.judge.wrote(world.now, DOOR, 1, "schedule")
    assert world.rules == ["BUDGET"]


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


# ── CONVERGED ───────────────────────────────────────────────────────────────────────────


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


# ── SECRETS ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "wrote 4839 to slot 1",
        "code=4839",
        "code=-4839",
        '{"digits": "4839"}',
        "frame 34383339",
        "set 571038.",
    ],
)
def test_digits_in_a_text_are_found(world: Building, text: str) -> None:
    world.order(digits="4839")
    world.order("c2", digits="571038")
    assert world.judge.scan(text, "a log")
    assert world.rules == ["SECRETS"]
    assert not any(digits in note for note in world.notes for digits in ("4839", "571038"))


@pytest.mark.parametrize(
    "text",
    [
        "at=4839 ms=4839",
        "boot wall_error_s=-4839",
        "no connection to the cloud broker=broker:4839",
        '{"seq": 4839}',
        "  4839.250 boot",
        "took 0.4839 s",
        "2026-11-20T19:46:00.483Z",
        "hash ab4839ff, id 1483901",
        "of cluster 0x4839 to",
        "year 4839-01-02",
    ],
)
def test_numbers_that_are_something_else_are_not(world: Building, text: str) -> None:
    world.order(digits="4839")
    assert not world.judge.scan(text)
    assert world.rules == []


def test_short_digits_are_not_looked_for() -> None:
    assert secrets.found("123 and 4839", {"123", "4839"}, 4, frozenset()) == ["4839"]


def test_nothing_the_judge_says_holds_digits(world: Building) -> None:
    world.order(devices=(OTHER,))
    world.opens("483920")
    world.judge.wrote(world.now, DOOR, 1, "set", "483920")
    world.wait(HOUR)
    assert world.judge.violations
    assert "483920" not in repr(world.judge.violations) + repr(world.notes)


# ── what the judge works out for itself ─────────────────────────────────────────────────


@given(st.text("0123456789", min_size=1, max_size=6))
def test_weak_codes_are_those_the_product_refuses(digits: str) -> None:
    assert weak(digits) == (weakness_of(digits) is not None)


WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PLACES = [
    ("Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC)),
    ("America/New_York", datetime(2027, 3, 14, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 5, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 4, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 11, 4, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2019, 2, 17, tzinfo=UTC)),
    ("Africa/Casablanca", datetime(2026, 2, 15, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, tzinfo=UTC)),
    ("Pacific/Chatham", datetime(2026, 9, 26, tzinfo=UTC)),
    ("Asia/Kolkata", datetime(2026, 11, 20, tzinfo=UTC)),
]


@st.composite
def recurring(draw: st.DrawFn) -> tuple[dict[str, Any], int]:
    """A window as on the wire, and an instant near a change of its zone's clocks."""
    zone, middle = draw(st.sampled_from(PLACES))
    near = from_datetime(middle)
    hours = st.integers(0, 23) | st.sampled_from([0, 1, 2, 3, 23])
    minutes = st.sampled_from([0, 15, 30, 45, 59])

    def rule() -> dict[str, Any]:
        days = draw(st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=7, unique=True))
        ends = f"{draw(hours):02}:{draw(minutes):02}" if draw(st.integers(0, 9)) else "24:00"
        return {"weekdays": days, "from": f"{draw(hours):02}:{draw(minutes):02}", "to": ends}

    window: dict[str, Any] = {
        "kind": "recurring",
        "zone": zone,
        "rules": [rule() for _ in range(draw(st.integers(1, 3)))],
    }
    around = st.integers(-20 * 24 * HOUR, 20 * 24 * HOUR)
    if draw(st.booleans()):
        window["not_before"] = to_rfc3339(Instant(near + draw(around)))
    if draw(st.booleans()):
        since = instant(window["not_before"]) if "not_before" in window else near
        later = since + draw(st.integers(1, 30 * 24 * HOUR))
        window["not_after"] = to_rfc3339(Instant(later))
    return window, near + draw(around | st.integers(-2 * 24 * HOUR, 2 * 24 * HOUR))


def of_the_product(window: Mapping[str, Any]) -> Recurring:
    def minute(text: str) -> int:
        return int(text[:2]) * 60 + int(text[3:])

    def bound(name: str) -> Instant | None:
        return Instant(instant(window[name])) if name in window else None

    rules = tuple(
        Weekly(
            frozenset(WEEKDAYS.index(day) + 1 for day in rule["weekdays"]),
            minute(rule["from"]),
            minute(rule["to"]) or 1440,
        )
        for rule in window["rules"]
    )
    return Recurring(rules, window["zone"], bound("not_before"), bound("not_after"))


@settings(deadline=None)
@given(recurring())
def test_two_arithmetics_of_windows_agree(case: tuple[dict[str, Any], int]) -> None:
    window, at = case
    product = span_from(of_the_product(window), Instant(at))
    calendar = Calendar(window)
    span = calendar.open_or_next(at)
    if product is None:
        assert span is None
        return
    assert span is not None
    opens = NEVER if product.opens_at is None else product.opens_at
    closes = EVER if product.closes_at is None else product.closes_at
    assert span == (opens, closes)
    following = calendar.following(span.opens) if span.opens > NEVER else None
    if following is not None:
        again = span_from(of_the_product(window), Instant(span.closes))
        assert again is not None
        assert following == (again.opens_at, again.closes_at)


def test_timed_and_unlimited_windows_have_their_edges() -> None:
    calendar = Calendar(timed(START, START + HOUR))
    assert calendar.latest(START - 1) is None
    assert calendar.latest(START + HOUR) == (START, START + HOUR)
    assert calendar.open_or_next(START + HOUR) is None
    assert calendar.following(START - 1) == (START, START + HOUR)
    product = Timed(Instant(START), Instant(START + HOUR))
    assert span_from(product, Instant(START + HOUR)) is None
    assert Calendar({"kind": "always"}).latest(START) == (NEVER, EVER)


def test_an_instant_is_read_to_the_millisecond() -> None:
    moment = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC) + timedelta(hours=1)
    assert instant("2026-11-20T14:00:00.250999+01:00") == from_datetime(moment)
