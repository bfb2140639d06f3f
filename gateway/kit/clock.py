"""The one door to time: every component is given a `Clock`, none asks the machine itself.

What lives here: the protocol, the machine's clock as it is, for tools, and the manual clock that
tests drive. Not here: the clock that the gateway lives by and who is believed about it
(`timekeeping`), and what time *means* (windows).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from typing import TYPE_CHECKING, Protocol

from gateway.domain.instant import ClockTrust, Instant

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Clock(Protocol):
    """Time as the gateway sees it."""

    @property
    def trust(self) -> ClockTrust: ...

    def now(self) -> Instant:
        """UTC milliseconds. May jump; never used to measure a duration."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump, from an arbitrary origin."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock, believed as far as whoever makes it says: for tools and tests."""

    def __init__(self, trust: ClockTrust) -> None:
        self.trust = trust

    def now(self) -> Instant:
        return Instant(time.time_ns() // 1_000_000)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


class ManualClock:
    """Time that moves only when told to: `advance` wakes sleepers in order of their deadline."""

    def __init__(self, start: Instant, trust: ClockTrust = ClockTrust.TRUSTED) -> None:
        self._wall = int(start)
        self._monotonic = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self.trust = trust

    def now(self) -> Instant:
        return Instant(self._wall)

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), future))
        await future

    def jump(self, seconds: float) -> None:
        """Step the wall clock without time passing, as an operator or NTP would."""
        self._wall += round(seconds * 1000)

    async def advance(
        self, seconds: float, settled: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Let `seconds` pass, waking each sleeper at its own moment.

        `settled` waits until nothing can happen any more without time passing (default: `settle`).
        """
        settled = settled or settle
        target = self._monotonic + seconds
        while self._sleepers and self._sleepers[0][0] <= target:
            deadline, _, future = heapq.heappop(self._sleepers)
            if future.done():  # its sleeper was cancelled
                continue
            self._move(deadline)
            future.set_result(None)
            await settled()
        self._move(target)
        await settled()

    def _move(self, monotonic: float) -> None:
        self._wall += round((monotonic - self._monotonic) * 1000)
        self._monotonic = monotonic


async def settle(rounds: int = 20) -> None:
    """Let every task that can run now run."""
    for _ in range(rounds):
        await asyncio.sleep(0)
