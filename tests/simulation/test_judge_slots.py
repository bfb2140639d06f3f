"""SLOTS, BUDGET, UNMANAGED: what is written to which slot, and how often."""

from __future__ import annotations

import pytest

from tests.simulation.judge import Promise
from tests.simulation.judged import DOOR, HOUR, Building, S, T


@pytest.fixture
def world() -> Building:
    return Building()


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
        world.wait(S)
    world.order(version=2, opens=7 * HOUR, closes=8 * HOUR)
    for _ in range(3):
        world.judge.wrote(world.now, DOOR, 1, "set", "483920")
        world.wait(S)
    assert world.rules == []
    world.judge.wrote(world.now, DOOR, 1, "set", "483920")
    assert world.rules == ["BUDGET"]
    world.wait(0, until=7 * HOUR)
    for _ in range(5):  # urgent: allowed for the code, though not for the battery
        world.judge.wrote(world.now, DOOR, 1, "set", "483920")
        world.wait(S)
    assert world.rules.count("BUDGET") == 1
    world.judge.wrote(world.now, DOOR, 1, "schedule")
    assert world.rules.count("BUDGET") == 2


def test_an_order_that_the_air_doubled_counts_once() -> None:
    world = Building(promise=Promise(writes_per_day=3))
    world.order(opens=5 * HOUR, closes=6 * HOUR)
    for what, digits in (("set", "483920"), ("schedule", None)):
        for _ in range(3):
            world.judge.wrote(world.now, DOOR, 1, what, digits)
            world.judge.wrote(world.now, DOOR, 1, what, digits)
            world.wait(S)
        assert world.rules == []
    world.judge.wrote(world.now, DOOR, 1, "set", "483920")
    assert world.rules == ["BUDGET"]


def test_writes_in_an_open_window_are_not_limited() -> None:
    world = Building(promise=Promise(writes_per_day=3))
    world.order()
    for _ in range(9):
        world.judge.wrote(world.now, DOOR, 1, "set", "483920")
        world.wait(S)
        world.judge.wrote(world.now, DOOR, 1, "schedule")
        world.wait(S)
    assert world.rules == []
    assert world.judge.figures.writes == 18


def test_schedules_ahead_of_a_window_are_limited_too() -> None:
    world = Building(promise=Promise(writes_per_day=3))
    write = world.judge.wrote
    world.order(opens=5 * HOUR, closes=6 * HOUR)
    write(world.now, DOOR, 1, "set", "483920")
    for _ in range(3):
        write(world.now, DOOR, 1, "schedule")
        world.wait(S)
    assert world.rules == []
    write(world.now, DOOR, 1, "schedule")
    assert world.rules == ["BUDGET"]
    world.order(version=2, opens=7 * HOUR, closes=8 * HOUR)
    for _ in range(3):
        write(world.now, DOOR, 1, "schedule")
        world.wait(S)
    write(world.now, DOOR, 1, "clear")
    write(world.now, DOOR, 1, "schedule")  # what an erase leaves behind is cleared
    assert world.rules == ["BUDGET"]


def test_schedules_of_a_new_order_behind_digits_that_a_lock_kept_are_counted_anew() -> None:
    world = Building(promise=Promise(writes_per_day=3))
    write = world.judge.wrote
    world.order(opens=5 * HOUR, closes=6 * HOUR)
    write(world.now, DOOR, 1, "set", "483920")
    for version, digits in enumerate(("483920", "715302", "904417"), start=1):
        # The lock said yes to the digits, kept the first ones, and took the schedule.
        world.order(version=version, digits=digits, opens=5 * HOUR, closes=6 * HOUR)
        for _ in range(3):
            write(world.now, DOOR, 1, "schedule")
            world.wait(S)
    assert world.rules == []
    world.order("c2", digits="226081", opens=5 * HOUR, closes=6 * HOUR)
    write(world.now, DOOR, 1, "schedule")  # another credential's order changes nothing here
    assert world.rules == ["BUDGET"]


def test_each_schedule_of_a_code_is_written_by_itself() -> None:
    world = Building(promise=Promise(writes_per_day=3))
    rules = [{"weekdays": [day], "from": "08:00", "to": "08:01"} for day in ("mon", "tue")]
    window = {"kind": "recurring", "zone": "Europe/Berlin", "rules": rules}
    world.order(window=window)
    world.judge.wrote(world.now, DOOR, 1, "set", "483920")
    for _ in range(6):
        world.judge.wrote(world.now, DOOR, 1, "schedule")
        world.wait(S)
    assert world.rules == []
    world.judge.wrote(world.now, DOOR, 1, "schedule")
    assert world.rules == ["BUDGET"]
