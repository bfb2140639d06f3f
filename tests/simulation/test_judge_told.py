"""The judge's rules about what a gateway says, and about one that nobody tells the time.

As in `judged`, worlds are made by hand. Here: SHOWN, alarms without a reason, the floor,
guesses, clocks of locks, a disk without room and locks that were admitted anew.
"""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain.instant import Instant, to_rfc3339
from tests.simulation.judge import Findings
from tests.simulation.judged import DOOR, HOUR, MIN, OTHER, START, Building, S, T

CODE = "483920"


@pytest.fixture
def world() -> Building:
    return Building()


def shown(state: str, version: int = 1) -> dict[str, Any]:
    return {"credential_id": "c1", "device_id": DOOR, "version": version, "state": state}


# ── what is shown ───────────────────────────────────────────────────────────────────────


def test_a_code_that_its_lock_never_had_is_not_shown_as_working(world: Building) -> None:
    world.order()
    world.judge.told(world.now, shown("unconfirmed"))
    assert world.rules == []
    world.judge.told(world.now, shown("active"))
    world.judge.told(world.now, shown("active"))
    assert world.rules == ["SHOWN"]


@pytest.mark.parametrize("removed", ["device_dropped", None])
def test_nor_is_one_that_is_on_its_way_off_the_lock(world: Building, removed: str | None) -> None:
    """Moved to another door and given other digits at once: the former ones are still here."""
    world.order()
    world.judge.wrote(world.now, DOOR, 1, "set", CODE)
    world.order(version=2, digits="583921", devices=(DOOR,))
    world.order(version=3, digits="583921", devices=(OTHER,))
    world.judge.told(world.now, shown("active", 2) | {"removed": removed})
    assert world.rules == ["SHOWN"]


def test_old_digits_prove_nothing_of_new_ones(world: Building) -> None:
    world.order()
    world.judge.wrote(world.now, DOOR, 1, "set", CODE)
    world.judge.told(world.now, shown("active"))
    world.order(version=2, digits="583921")
    world.judge.told(world.now, shown("active"))  # the report was made before
    assert world.rules == []
    world.judge.told(world.now, shown("active", 2))
    assert world.rules == ["SHOWN"]


def alarm(at: int) -> Findings:
    body = {"slot": 1, "due_at_ms": START + HOUR, "attempts": 0}
    event = {
        "type": "credential.erase_overdue",
        "seq": 1,
        "device_id": DOOR,
        "credential_id": "c1",
        "at": to_rfc3339(Instant(at)),
        "trust": "trusted",
        "body": body,
    }
    return Findings(ledgers={"e": {1: event}}, frames={DOOR: [START]})


@pytest.mark.parametrize(("trouble", "found"), [(False, ["LATE"]), (True, [])])
def test_an_alarm_needs_a_lock_that_did_not_do_its_part(
    world: Building, trouble: bool, found: list[str]
) -> None:
    world.wait(HOUR + 30 * S)
    if trouble:
        world.judge.radio(world.now, DOOR, False)
        world.judge.radio(world.now, DOOR, True)
    world.wait(MIN)
    world.judge.finish(world.now, alarm(world.now))
    assert world.rules == found


@pytest.mark.parametrize(("lie", "found"), [(2 * HOUR, []), (HOUR // 2, ["LATE"])])
def test_an_alarm_by_a_clock_that_was_lied_to_says_not_when_it_was(
    world: Building, lie: int, found: list[str]
) -> None:
    """It is dated within a time that came later, when nothing kept the gateway from its work."""
    world.judge.time_proven(world.now, False, lie)
    world.wait(MIN)
    world.judge.time_proven(world.now, True)
    world.wait(2 * HOUR)
    world.judge.finish(world.now, alarm(START + HOUR + MIN))
    assert world.rules == found


def test_an_alarm_after_a_try_is_none_of_the_gateways_fault(world: Building) -> None:
    world.wait(HOUR + MIN)
    told = alarm(world.now)
    world.judge.finish(world.now, Findings(ledgers=told.ledgers, frames={DOOR: [START + HOUR]}))
    assert world.rules == []


# ── without room on the disk ────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("restarted", "found"), [(False, ["LATE"]), (True, [])])
def test_what_is_over_goes_without_room_on_the_disk(
    world: Building, restarted: bool, found: list[str]
) -> None:
    world.order(opens=0, closes=HOUR)
    world.opens(CODE)
    world.wait(0, until=HOUR - MIN)
    world.judge.disk(world.now, False)
    if restarted:
        world.judge.power(world.now, False)
        world.judge.power(world.now, True)
        world.judge.time_proven(world.now, True)
    world.wait(MIN + T + 30 * S)
    assert world.rules == found


def test_an_order_that_could_not_be_stored_waits_for_the_disk(world: Building) -> None:
    world.order()
    world.opens(CODE)
    world.wait(HOUR)
    world.judge.disk(world.now, False)
    world.judge.revoked(world.now, "c1", None)
    world.wait(HOUR)
    assert world.rules == []


# ── without the time ────────────────────────────────────────────────────────────────────


def reboot(world: Building, off_ms: int) -> None:
    world.judge.power(world.now, False)
    world.judge.time_proven(world.now, False)
    world.wait(off_ms)
    world.judge.power(world.now, True)
    world.judge.time_proven(world.now, False)


def test_what_is_over_by_the_floor_goes_though_nobody_tells_the_time(world: Building) -> None:
    world.order(opens=0, closes=HOUR)
    world.opens(CODE)
    world.wait(0, until=HOUR - 5 * MIN)
    reboot(world, HOUR)
    world.wait(11 * MIN + T - 30 * S)  # what was not written down, what was left, and T
    assert world.rules == []
    world.wait(MIN)
    assert world.rules == ["LATE"]


def test_the_floor_of_one_who_was_lied_to_is_worth_nothing(world: Building) -> None:
    world.order(opens=0, closes=HOUR)
    world.opens(CODE)
    world.judge.time_proven(world.now, False, 3 * HOUR)
    world.judge.time_proven(world.now, True)
    world.wait(0, until=HOUR - 5 * MIN)
    reboot(world, HOUR)
    world.wait(HOUR)
    assert world.rules == []


@pytest.mark.parametrize(
    ("proven", "written", "found"),
    [(False, False, ["UNAVAILABLE"]), (True, False, []), (False, True, [])],
)
def test_a_guess_takes_nobody_off_a_lock(
    world: Building, proven: bool, written: bool, found: list[str]
) -> None:
    world.order(opens=0, closes=3 * HOUR)
    world.judge.wrote(world.now, DOOR, 1, "set", CODE)
    world.opens(CODE)
    world.wait(HOUR)
    reboot(world, MIN)
    if proven:
        world.judge.time_proven(world.now, True)
    if written:  # what it cannot prove it takes back
        world.judge.wrote(world.now, DOOR, 1, "set", CODE)
    world.judge.wrote(world.now, DOOR, 1, "clear")
    assert world.rules == found


def test_a_code_may_go_for_a_moment_to_be_written_anew(world: Building) -> None:
    """A lock that calls digits in their own slot duplicates has to be rid of them first."""
    world.order(opens=0, closes=3 * HOUR)
    world.judge.wrote(world.now, DOOR, 1, "set", CODE)
    world.opens(CODE)
    world.wait(HOUR)
    reboot(world, MIN)
    world.judge.asked(world.now, DOOR, 1)
    world.judge.wrote(world.now, DOOR, 1, "clear")
    assert world.rules == []


def test_a_revoked_code_needs_no_clock_to_go(world: Building) -> None:
    world.order(opens=0, closes=3 * HOUR)
    world.judge.wrote(world.now, DOOR, 1, "set", CODE)
    world.opens(CODE)
    world.wait(HOUR)
    world.judge.revoked(world.now, "c1", None)
    reboot(world, MIN)
    world.judge.wrote(world.now, DOOR, 1, "clear")
    assert world.rules == []


def test_a_locks_clock_is_not_set_wrong(world: Building) -> None:
    world.judge.clock_set(world.now, DOOR, 90 * S)
    assert world.rules == []
    world.judge.clock_set(world.now, DOOR, -HOUR)
    assert world.rules == ["CLOCK"]


def test_who_is_lied_to_passes_the_lie_on(world: Building) -> None:
    world.judge.time_proven(world.now, False, HOUR)
    world.judge.clock_set(world.now, DOOR, -HOUR)
    assert world.rules == []


# ── admitted anew ───────────────────────────────────────────────────────────────────────


def test_a_lock_that_was_admitted_anew_is_put_right_at_once(world: Building) -> None:
    world.order()
    world.judge.wrote(world.now, DOOR, 1, "set", CODE)
    world.opens(CODE)
    world.wait(HOUR)
    world.judge.tampered(world.now, DOOR, None, "factory_reset", None)
    world.shuts(CODE)
    world.wait(HOUR)
    assert world.rules == []  # nobody told the gateway
    world.judge.rejoined(world.now, DOOR)
    world.wait(3 * T)
    assert world.rules == []
    world.wait(MIN)
    assert world.rules == ["UNAVAILABLE"]


# ── batteries ───────────────────────────────────────────────────────────────────────────


def test_a_lock_that_stores_nothing_is_given_a_pause(world: Building) -> None:
    for number in range(40):
        world.judge.asked(START + number * 30 * S, DOOR, 1)
    assert world.rules == []
    for number in range(26):
        world.judge.asked(START + HOUR + number * 10 * S, DOOR, 1)
    assert world.rules == ["BUDGET"]
