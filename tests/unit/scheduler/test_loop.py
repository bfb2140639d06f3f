"""The house as a whole: lanes for whoever is known, woken by change and time."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from gateway.domain.actions import Program
from gateway.domain.events import EventType
from gateway.domain.ids import DeviceId
from gateway.domain.windows import Always, Timed
from gateway.errors import RequestError
from gateway.radios.api import RadioStatus
from tests.flows.world import World, world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PIN = "483920"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as one:
        one.add_lock()
        await one.start()
        yield one


async def test_a_plan_is_made_afresh_for_whoever_asks(house: World) -> None:
    lock = next(iter(house.locks.values()))
    lock.unreachable = True
    await house.want("c1", PIN, Always())
    await house.advance(6)
    plan = await house.scheduler.view(DeviceId("dev_1"))
    assert [type(action) for action in plan.actions] == [Program]
    with pytest.raises(RequestError, match="no device dev_9"):
        await house.scheduler.view(DeviceId("dev_9"))


async def test_a_scheduler_that_is_run_again_serves_its_locks_again(house: World) -> None:
    """The supervisor restarts a part that failed, and keeps the object."""
    assert house._run is not None  # noqa: SLF001 - the house has no door for this
    house._run.cancel()  # noqa: SLF001 - as above
    with contextlib.suppress(asyncio.CancelledError):
        await house._run  # noqa: SLF001 - as above
    house._run = asyncio.create_task(house.scheduler.run())  # noqa: SLF001 - as above
    await house.settle()
    await house.want("c1", PIN, Always())
    assert next(iter(house.locks.values())).opens(PIN)


async def test_radios_are_told_of_once_for_each_change(house: World) -> None:
    for status in (RadioStatus.DOWN, RadioStatus.OPENING, RadioStatus.UP, RadioStatus.UP):
        house.radio_is(status)
        await house.settle()
    kinds = [EventType.GATEWAY_RADIO_DOWN, EventType.GATEWAY_RADIO_UP]
    assert [t.type for t in await house.told(*kinds)] == kinds


async def test_what_waited_for_the_radio_goes_when_it_is_back(house: World) -> None:
    lock = next(iter(house.locks.values()))
    house.radio_is(RadioStatus.DOWN)
    await house.want("c1", PIN, Timed(house.at(0), house.at(3600)))
    await house.advance(600)
    assert not lock.opens(PIN)
    house.radio_is(RadioStatus.UP)
    await house.settle()
    assert lock.opens(PIN)
