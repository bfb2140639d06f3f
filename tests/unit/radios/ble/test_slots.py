"""Places for connections: first come, first served, and none is lost on the way."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import RadioUnavailable
from gateway.kit.clock import settle
from gateway.radios.ble.slots import Slots


async def test_first_come_first_served() -> None:
    slots = Slots(2)
    served: list[int] = []

    async def customer(number: int) -> None:
        await slots.take()
        served.append(number)

    tasks = [asyncio.create_task(customer(number)) for number in range(5)]
    await settle()
    assert (served, slots.free, slots.waiting) == ([0, 1], 0, 3)
    for expected in (3, 4, 5):
        slots.give_back()
        await settle()
        assert served == list(range(expected))
    slots.give_back()
    slots.give_back()
    assert slots.free == 2
    await asyncio.gather(*tasks)


async def test_a_place_given_together_with_a_cancellation_goes_to_the_next() -> None:
    slots = Slots(1)
    await slots.take()
    first = asyncio.create_task(slots.take())
    second = asyncio.create_task(slots.take())
    await settle()
    slots.give_back()
    first.cancel()
    await settle()
    assert first.cancelled()
    assert second.done()
    slots.give_back()
    assert slots.free == 1


async def test_who_no_longer_waits_gets_no_place() -> None:
    slots = Slots(1)
    await slots.take()
    impatient = asyncio.create_task(slots.take())
    await settle()
    impatient.cancel()
    await settle()
    slots.give_back()
    assert (slots.free, slots.waiting) == (1, 0)
    await slots.take()


async def test_all_are_sent_away_when_the_adapter_goes() -> None:
    slots = Slots(1)
    await slots.take()
    waiting = [asyncio.create_task(slots.take()) for _ in range(3)]
    await settle()
    slots.send_away("the adapter went away")
    for task in waiting:
        with pytest.raises(RadioUnavailable, match="the adapter went away"):
            await task
    slots.give_back()
    assert slots.free == 1


def test_an_adapter_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Slots(0)
