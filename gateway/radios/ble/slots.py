"""An adapter's places for connections: how many are free, and who waits for one, in order.

A controller holds a handful of links; one too many fails with errors that look like bad radio
(bleak-retry-connector#65, home-assistant/core#81468). Not here: who gives way.
"""

from __future__ import annotations

import asyncio
from collections import deque

from gateway.errors import RadioUnavailable


class Slots:
    """First come, first served. Each `take` that returned needs one `give_back`."""

    def __init__(self, number: int) -> None:
        if number < 1:
            raise ValueError("an adapter carries at least one connection")
        self.number = number
        self.free = number
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        return sum(not turn.done() for turn in self._waiting)

    async def take(self) -> None:
        """Raises `RadioUnavailable` when the adapter goes away meanwhile."""
        if self.free and not self.waiting:
            self.free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give_back()  # the place came together with the cancellation: pass it on
            raise

    def give_back(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1

    def send_away(self, reason: str) -> None:
        """Nobody who waits now will get a place; they raise `RadioUnavailable`."""
        waiting, self._waiting = self._waiting, deque()
        for turn in waiting:
            if not turn.done():
                turn.set_exception(RadioUnavailable(f"could not connect: {reason}"))
