"""Airtime by priority: at most so many at once, the best first, none lost to a cancellation."""

from __future__ import annotations

import asyncio

import pytest

from gateway.domain.actions import Priority
from gateway.kit.clock import settle
from gateway.radios.arbiter import Arbiter


class Talker:
    """Holds airtime until told to stop."""

    def __init__(self, arbiter: Arbiter, priority: Priority, order: list[Priority]) -> None:
        self._arbiter, self._priority, self._order = arbiter, priority, order
        self.done = asyncio.Event()
        self.task = asyncio.create_task(self._talk())

    async def _talk(self) -> None:
        async with self._arbiter.airtime(self._priority):
            self._order.append(self._priority)
            await self.done.wait()


async def test_the_best_priority_goes_first_among_those_who_wait() -> None:
    arbiter, order = Arbiter(exchanges=1), list[Priority]()
    first = Talker(arbiter, Priority.HOUSEKEEPING, order)
    await settle()
    waiting = [
        Talker(arbiter, priority, order)
        for priority in (Priority.READ_BACK, Priority.PROGRAM, Priority.ERASE, Priority.MOMENTARY)
    ]
    await settle()
    assert order == [Priority.HOUSEKEEPING]
    assert arbiter.waiting == 4
    for talker in (first, *waiting):
        talker.done.set()
    await asyncio.gather(first.task, *(talker.task for talker in waiting))
    assert order == [
        Priority.HOUSEKEEPING,
        Priority.ERASE,
        Priority.MOMENTARY,
        Priority.PROGRAM,
        Priority.READ_BACK,
    ]


async def test_no_more_than_the_radio_carries() -> None:
    arbiter, order = Arbiter(exchanges=3), list[Priority]()
    talkers = [Talker(arbiter, Priority.PROGRAM, order) for _ in range(5)]
    await settle()
    assert (len(order), arbiter.waiting) == (3, 2)
    for talker in talkers:
        talker.done.set()
    await asyncio.gather(*(talker.task for talker in talkers))
    assert len(order) == 5


async def test_equals_are_served_in_the_order_they_came() -> None:
    arbiter, seen = Arbiter(exchanges=1), list[int]()

    async def talk(number: int) -> None:
        async with arbiter.airtime(Priority.PROGRAM):
            seen.append(number)
            await settle(1)

    await asyncio.gather(*(talk(number) for number in range(10)))
    assert seen == list(range(10))


async def test_a_waiter_who_gives_up_costs_nobody_his_turn() -> None:
    arbiter, order = Arbiter(exchanges=1), list[Priority]()
    holder = Talker(arbiter, Priority.PROGRAM, order)
    await settle()
    quitter = Talker(arbiter, Priority.ERASE, order)
    last = Talker(arbiter, Priority.READ_BACK, order)
    await settle()
    holder.done.set()
    quitter.task.cancel()  # before or after the turn was handed over: both must be survived
    last.done.set()
    await asyncio.gather(holder.task, last.task)
    assert order == [Priority.PROGRAM, Priority.READ_BACK]


async def test_a_turn_that_meets_a_cancellation_is_passed_on() -> None:
    arbiter, order = Arbiter(exchanges=1), list[Priority]()
    holder = Talker(arbiter, Priority.PROGRAM, order)
    await settle()
    quitter = Talker(arbiter, Priority.ERASE, order)
    last = Talker(arbiter, Priority.READ_BACK, order)
    last.done.set()
    await settle()
    holder.done.set()
    while not holder.task.done():
        await settle(1)
        quitter.task.cancel()
    await last.task
    assert Priority.READ_BACK in order


async def test_an_exception_gives_the_airtime_back() -> None:
    arbiter = Arbiter(exchanges=1)
    with pytest.raises(RuntimeError):
        async with arbiter.airtime(Priority.PROGRAM):
            raise RuntimeError
    async with arbiter.airtime(Priority.PROGRAM):
        assert arbiter.waiting == 0


def test_a_radio_that_carries_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Arbiter(exchanges=0)
