"""Wake-ups between the parts of sync: set from anywhere on the loop, waited for by one task."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.kit.tasks import wait_or_sleep

if TYPE_CHECKING:
    from gateway.kit.clock import Clock


class Signal:
    """Starts set, so that whoever waits looks once before the first wake-up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._event = asyncio.Event()
        self._event.set()

    def set(self) -> None:
        self._event.set()

    async def wait(self, seconds: float | None = None) -> None:
        """Until set, or `seconds` by the injected clock; clears it."""
        await wait_or_sleep(self._event, self._clock, seconds)
        self._event.clear()
