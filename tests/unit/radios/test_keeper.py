"""Keeping a stick open, on virtual time: open, watch, back off, open again, say it once."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from gateway.domain.instant import Instant
from gateway.errors import RadioUnavailable
from gateway.kit.clock import ManualClock, settle
from gateway.radios.api import RadioState, RadioStatus
from gateway.radios.keeper import Keeper, Pace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PACE = Pace(probe_interval_s=10, probe_timeout_s=0.05, first_wait_s=1, longest_wait_s=8)


class FakeStick:
    """Hardware that can be unplugged (`present`) and that can hang (`hung`)."""

    def __init__(self) -> None:
        self.present = True
        self.hung = False
        self.opened = self.closed = self.probed = 0
        self.is_open = False

    async def open(self) -> None:
        if not self.present:
            raise RadioUnavailable("no such device")
        self.opened += 1
        self.is_open = True

    async def probe(self) -> None:
        self.probed += 1
        if self.hung:
            await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        self.closed += 1
        self.is_open = False


class House:
    def __init__(self) -> None:
        self.stick = FakeStick()
        self.clock = ManualClock(Instant(0))
        self.states: list[RadioState] = []
        self.keeper = Keeper(
            "stick", self.stick, self.states.append, self.clock, random.Random(1), PACE
        )

    @property
    def statuses(self) -> list[RadioStatus]:
        return [state.status for state in self.states]

    async def until(self, status: RadioStatus) -> None:
        """Real time passes only while a probe hangs."""
        async with asyncio.timeout(5):
            while self.keeper.state.status is not status:
                await settle()
        await settle()  # until it waits for the clock again


@asynccontextmanager
async def running() -> AsyncIterator[House]:
    house = House()
    task = asyncio.create_task(house.keeper.run())
    await settle()
    try:
        yield house
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


UP, DOWN, OPENING, DEGRADED = (
    RadioStatus.UP,
    RadioStatus.DOWN,
    RadioStatus.OPENING,
    RadioStatus.DEGRADED,
)


async def test_opens_and_probes() -> None:
    async with running() as house:
        assert house.statuses == [OPENING, UP]
        await house.clock.advance(35)
        assert house.stick.probed == 3
        assert house.statuses == [OPENING, UP]


async def test_a_lost_connection_is_noticed_at_once_and_opened_again() -> None:
    async with running() as house:
        house.keeper.lost("unplugged")
        await settle()
        assert house.states[-1] == RadioState(DOWN, "unplugged")
        assert not house.stick.is_open
        await house.clock.advance(1)
        assert house.statuses == [OPENING, UP, DOWN, UP]
        assert house.stick.opened == 2


async def test_a_hung_stick_is_found_by_two_missed_probes() -> None:
    async with running() as house:
        house.stick.hung = True
        await house.clock.advance(10)
        await house.until(DEGRADED)
        await house.clock.advance(10)
        await house.until(DOWN)
        assert house.states[-1].reason == "it does not answer"
        house.stick.hung = False
        await house.clock.advance(1)
        assert house.keeper.state.status is UP


async def test_one_missed_probe_is_forgiven() -> None:
    async with running() as house:
        house.stick.hung = True
        await house.clock.advance(10)
        await house.until(DEGRADED)
        house.stick.hung = False
        await house.clock.advance(10)
        assert house.statuses == [OPENING, UP, DEGRADED, UP]
        assert house.stick.opened == 1


async def test_waits_longer_and_longer_but_never_gives_up() -> None:
    house = House()
    house.stick.present = False
    task = asyncio.create_task(house.keeper.run())
    await settle()
    tries = []
    for _ in range(10):
        before = house.stick.closed
        await house.clock.advance(8)
        tries.append(house.stick.closed - before)
    assert tries[0] >= 2
    assert all(1 <= count <= 2 for count in tries[4:])
    house.stick.present = True
    await house.clock.advance(8)
    assert house.keeper.state.status is UP
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_says_a_failure_once_and_the_recovery_once() -> None:
    with capture_logs() as logs:
        async with running() as house:
            house.stick.present = False
            house.keeper.lost("unplugged")
            await house.clock.advance(100)
            house.stick.present = True
            await house.clock.advance(10)
            assert house.statuses == [OPENING, UP, DOWN, UP]
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("radio up", "info"),
        ("radio down", "warning"),
        ("radio up", "info"),
    ]


async def test_stopping_closes_the_stick_and_is_no_failure() -> None:
    with capture_logs() as logs:
        async with running() as house:
            pass
    assert not house.stick.is_open
    assert house.keeper.state == RadioState(DOWN, "stopped")
    assert [entry["event"] for entry in logs] == ["radio up"]


async def test_a_fault_of_ours_is_not_swallowed() -> None:
    house = House()

    async def broken() -> None:
        raise ZeroDivisionError

    house.stick.open = broken  # type: ignore[method-assign]  # a stick with a defect
    with pytest.raises(ZeroDivisionError):
        await house.keeper.run()
    assert not house.stick.is_open
