"""Keeps one piece of radio hardware open: open, watch, close, wait, open again.

Here: the loop, its backing off and its two log lines (one when it breaks, one when it works
again). Not here: any radio library; a `Stick` is what a radio module gives us.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from gateway.errors import RadioError
from gateway.radios.api import RadioState, RadioStatus

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from gateway.kit.clock import Clock

log = structlog.get_logger(__name__)

_OPENING = "opening"
_STOPPED = "stopped"
_BY_INTENT = frozenset({_OPENING, _STOPPED})
"""Nothing is wrong, so nothing is logged."""


class Stick(Protocol):
    """Radio hardware behind a library. Each method raises `RadioError` and nothing else."""

    async def open(self) -> None:
        """Ready for use on return; a failure leaves nothing half open."""
        ...

    async def probe(self) -> None:
        """One cheap exchange with the hardware."""
        ...

    async def close(self) -> None:
        """Let go of everything; safe at any time, more than once; raises nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. Two missed probes in a row close the stick."""

    probe_interval_s: float = 10.0
    probe_timeout_s: float = 5.0
    open_timeout_s: float = 120.0
    first_wait_s: float = 0.5
    longest_wait_s: float = 60.0


class Keeper:
    """`run` never ends by itself; `report` hears each change of state exactly once."""

    def __init__(
        self,
        name: str,
        stick: Stick,
        report: Callable[[RadioState], None],
        clock: Clock,
        rng: random.Random,
        pace: Pace,
    ) -> None:
        self._stick = stick
        self._report = report
        self._clock = clock
        self._rng = rng
        self._pace = pace
        self._log = log.bind(radio=name)
        self._lost: asyncio.Future[str] | None = None
        self.state = RadioState(RadioStatus.DOWN, "not started")

    def lost(self, reason: str) -> None:
        """The library says that the connection is gone."""
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(reason)

    async def run(self) -> None:
        self._become(RadioStatus.OPENING, _OPENING)
        failures = 0
        try:
            while True:
                # Created before opening: a connection may break while it is being opened.
                self._lost = asyncio.get_running_loop().create_future()
                try:
                    async with asyncio.timeout(self._pace.open_timeout_s):
                        await self._stick.open()
                except (RadioError, TimeoutError) as error:
                    reason = str(error) or f"no answer within {self._pace.open_timeout_s:g} s"
                else:
                    failures = 0
                    self._become(RadioStatus.UP, "")
                    reason = await self._watch(self._lost)
                self._become(RadioStatus.DOWN, reason)
                await self._stick.close()
                await self._clock.sleep(self._wait(failures))
                failures += 1
        finally:
            await self._stick.close()
            self._become(RadioStatus.DOWN, _STOPPED)

    async def _watch(self, lost: asyncio.Future[str]) -> str:
        """Until the stick is gone; the reason."""
        while True:
            pause = asyncio.create_task(
                self._clock.sleep(self._pace.probe_interval_s), name="radio probe pause"
            )
            waits: tuple[asyncio.Future[None] | asyncio.Future[str], ...] = (pause, lost)
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                pause.cancel()
            if lost.done():
                return lost.result()
            try:
                async with asyncio.timeout(self._pace.probe_timeout_s):
                    await self._stick.probe()
            except (RadioError, TimeoutError) as error:
                reason = str(error) or "it does not answer"
                if self.state.status is RadioStatus.DEGRADED:
                    return reason
                self._become(RadioStatus.DEGRADED, reason)
            else:
                self._become(RadioStatus.UP, "")

    def _wait(self, failures: int) -> float:
        """Doubling, with half of it at random so that a site's gateways do not march in step."""
        longest = min(self._pace.first_wait_s * 2.0 ** min(failures, 30), self._pace.longest_wait_s)
        return longest * (0.5 + self._rng.random() / 2)

    def _become(self, status: RadioStatus, reason: str) -> None:
        before, self.state = self.state, RadioState(status, reason)
        if before == self.state:
            return
        if status is RadioStatus.DOWN and before.status is RadioStatus.DOWN:
            return  # still broken, in another way: the state tells, nobody is woken for it
        if status is RadioStatus.UP:
            self._log.info("radio up")
        elif reason not in _BY_INTENT:
            self._log.warning("radio " + status.value, reason=reason)
        self._report(self.state)
