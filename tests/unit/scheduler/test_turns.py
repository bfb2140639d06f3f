"""The line of lanes that want to plan."""

from __future__ import annotations

import asyncio

from gateway.domain.ids import DeviceId
from gateway.scheduler.turns import Turns

A, B, C, D = (DeviceId(f"dev_{name}") for name in "abcd")


class Stage:
    """Lanes that hold their turn until told to go."""

    def __init__(self, at_once: int) -> None:
        self.turns = Turns(at_once)
        self.holding: list[DeviceId] = []
        self._go: dict[DeviceId, asyncio.Event] = {}
        self._tasks: dict[DeviceId, asyncio.Task[None]] = {}

    async def enter(self, lane: DeviceId, *, hurried: bool = False) -> asyncio.Task[None]:
        self._go[lane] = asyncio.Event()
        self._tasks[lane] = asyncio.create_task(self._hold(lane, hurried=hurried))
        await self.settle()
        return self._tasks[lane]

    async def leave(self, lane: DeviceId) -> None:
        self._go[lane].set()
        await self._tasks[lane]
        await self.settle()

    async def settle(self) -> None:
        """Until nothing that is ready is left undone."""
        for _ in range(5):
            await asyncio.wait([asyncio.ensure_future(asyncio.to_thread(int))])

    async def _hold(self, lane: DeviceId, *, hurried: bool) -> None:
        async with self.turns.turn(lane, hurried=hurried):
            self.holding.append(lane)
            await self._go[lane].wait()
            self.holding.remove(lane)


async def test_first_come_first_served() -> None:
    stage = Stage(2)
    for lane in (A, B, C, D):
        await stage.enter(lane)
    assert stage.holding == [A, B]
    await stage.leave(B)
    assert stage.holding == [A, C]
    await stage.leave(A)
    assert stage.holding == [C, D]
    for lane in (C, D):
        await stage.leave(lane)


async def test_a_lane_in_a_hurry_neither_waits_nor_takes_a_turn_away() -> None:
    stage = Stage(1)
    for lane in (A, B, C):
        await stage.enter(lane)
    await stage.enter(D, hurried=True)
    stage.turns.hurry(C)
    stage.turns.hurry(A)  # holds one: nothing happens
    await stage.settle()
    assert stage.holding == [A, D, C]
    await stage.leave(D)
    await stage.leave(C)
    assert stage.holding == [A]
    await stage.leave(A)
    assert stage.holding == [B]
    await stage.leave(B)


async def test_a_lane_that_is_cancelled_leaves_the_line() -> None:
    stage = Stage(1)
    await stage.enter(A)
    waiting = await stage.enter(B)
    await stage.enter(C)
    waiting.cancel()
    await asyncio.wait([waiting])
    await stage.leave(A)
    assert waiting.cancelled()
    assert stage.holding == [C]
    await stage.leave(C)


async def test_a_turn_that_came_together_with_the_cancellation_goes_to_the_next() -> None:
    stage = Stage(1)
    async with stage.turns.turn(A, hurried=False):
        waiting = await stage.enter(B)
        await stage.enter(C)
    waiting.cancel()  # its turn has come, and it has not gone on yet
    await asyncio.wait([waiting])
    await stage.settle()
    assert waiting.cancelled()
    assert stage.holding == [C]
    await stage.leave(C)
