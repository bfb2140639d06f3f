"""Who may speak next on one radio. Here: a gate by priority. Not here: what is said, or deadlines.

A radio carries a handful of exchanges at once; behind them waits whoever has the best priority,
and among equals whoever came first. A grant is never taken back.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.domain.actions import Priority

ZIGBEE_EXCHANGES = 8
"""What a coordinator carries at once; beyond that it answers busy (zigpy's default as well)."""


class Arbiter:
    """`async with arbiter.airtime(priority)`: at most `exchanges` holders at a time."""

    def __init__(self, exchanges: int = ZIGBEE_EXCHANGES) -> None:
        if exchanges < 1:
            raise ValueError("a radio carries at least one exchange")
        self._free = exchanges
        self._order = itertools.count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def airtime(self, priority: Priority) -> AsyncIterator[None]:
        await self._acquire(priority)
        try:
            yield
        finally:
            self._release()

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return sum(not future.done() for _, _, future in self._waiting)

    async def _acquire(self, priority: Priority) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._order), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release()  # the grant came together with the cancellation: pass it on
            raise

    def _release(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
