"""Waiting for an event or a moment, whichever comes first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.kit.clock import Clock


async def wait_or_sleep(event: asyncio.Event, clock: Clock, seconds: float | None) -> None:
    """Until `event` is set or `seconds` have passed on `clock`; None waits for the event alone."""
    if event.is_set():
        return
    if seconds is None:
        await event.wait()
        return
    waiting = asyncio.ensure_future(event.wait())
    sleeping = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait((waiting, sleeping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        # Not awaited: a cancellation of the caller that arrives meanwhile must not be swallowed.
        waiting.cancel()
        sleeping.cancel()
