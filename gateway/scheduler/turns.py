"""Plans of many lanes are made a few at a time. A line, and no more.

A large schedule makes every lane plan anew at once. If all of them read at once, each waits for all
the others, and with it whoever stands at a door; a lane that has a command waiting leaves the line.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.domain.ids import DeviceId


class Turns:
    """At most `at_once` turns are held, one by each lane. First come, first served."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._line: dict[DeviceId, asyncio.Future[bool]] = {}

    @asynccontextmanager
    async def turn(self, lane: DeviceId, *, hurried: bool) -> AsyncIterator[None]:
        """`hurried`: without waiting for it. So goes on, too, who waits when `hurry` is called."""
        held = not hurried and await self._wait(lane)
        try:
            yield
        finally:
            if held:
                self._pass_on()

    def hurry(self, lane: DeviceId) -> None:
        """A lane that stands in line goes on at once; any other is left alone."""
        turn = self._line.pop(lane, None)
        if turn is not None and not turn.done():
            turn.set_result(False)

    async def _wait(self, lane: DeviceId) -> bool:
        if self._free:
            self._free -= 1
            return True
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._line[lane] = turn
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self._pass_on()  # the turn came together with the cancellation
            raise

    def _pass_on(self) -> None:
        while self._line:
            turn = self._line.pop(next(iter(self._line)))
            if not turn.done():
                turn.set_result(True)
                return
        self._free += 1
