"""What a connection costs: counted by device and day, told once, refusing nothing."""

from __future__ import annotations

import pytest

from gateway.radios.ble.energy import KEEP_DAYS, Ledger
from gateway.radios.gatt import Budget, Usage

LOCK = "AA:BB:CC:00:00:01"
OTHER = "AA:BB:CC:00:00:02"


def test_connects_and_seconds_by_device_and_day() -> None:
    ledger = Ledger(Budget())
    ledger.ended(LOCK, 100, 3.0)
    ledger.ended(LOCK, 100, 4.5)
    ledger.ended(LOCK, 101, 1.0)
    ledger.ended(OTHER, 100, 9.0)
    assert ledger.usage(LOCK, 100) == Usage(LOCK, 100, 2, 7.5)
    assert ledger.usage(LOCK, 102) == Usage(LOCK, 102)
    assert ledger.usages(LOCK) == (Usage(LOCK, 100, 2, 7.5), Usage(LOCK, 101, 1, 1.0))


@pytest.mark.parametrize(
    ("budget", "each_s"), [(Budget(connects=3), 0.5), (Budget(connected_s=30.0), 10.0)]
)
def test_an_overrun_budget_is_told_once_a_day(budget: Budget, each_s: float) -> None:
    ledger = Ledger(budget)
    told = [ledger.ended(LOCK, 100, each_s) for _ in range(6)]
    assert [used is not None for used in told] == [False, False, False, True, False, False]
    assert told[3] == Usage(LOCK, 100, 4, 4 * each_s)
    assert ledger.usage(LOCK, 100).connects == 6
    assert [ledger.ended(LOCK, 101, each_s) for _ in range(3)] == [None] * 3
    assert ledger.ended(OTHER, 100, each_s) is None


def test_a_clock_that_steps_back_takes_nothing_away() -> None:
    ledger = Ledger(Budget())
    ledger.ended(LOCK, 100, -5.0)
    assert ledger.usage(LOCK, 100) == Usage(LOCK, 100, 1, 0.0)


def test_old_days_are_forgotten() -> None:
    ledger = Ledger(Budget(connects=1))
    for day in range(100, 100 + 3 * KEEP_DAYS):
        for address in (LOCK, OTHER):
            ledger.ended(address, day, 1.0)
            ledger.ended(address, day, 1.0)
    newest = 99 + 3 * KEEP_DAYS
    days = [used.day for used in ledger.usages(LOCK)]
    assert days == list(range(newest - KEEP_DAYS + 1, newest + 1))
    assert ledger.ended(LOCK, newest, 1.0) is None, "told already"
