"""Reading a lock's clock over the air: how wrong it is, and how far that may be believed.

Here: what the way there and back leaves uncertain, and wall times that happen twice. Not here: how
a family is asked (its session).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from gateway.domain.devices import LockClock
from gateway.domain.instant import MINUTE, Instant, after
from gateway.errors import PeerProtocolError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator
    from datetime import tzinfo

    from gateway.drivers.carrier import Carrier

RESOLUTION_MS = 1000
"""Locks tell whole seconds."""
ZONE_DOUBT_MS = 15 * MINUTE
"""A clock that is further off may keep another zone."""


class InstantOf(Protocol):
    """A family's date. `fold`: which of two instants a wall time means that happens twice."""

    def __call__(self, date: bytes, zone: tzinfo, *, fold: int = 0) -> Instant | None: ...


async def halfway(conversation: Awaitable[LockClock], now: Instant) -> LockClock:
    """Half of what the exchange took is the estimate of the way back, and its bound.

    `now` is when it began, and what the lock's answer is compared with in the conversation.
    """
    loop = asyncio.get_running_loop()
    begin = loop.time()
    found = await conversation
    took_s = loop.time() - begin
    middle_ms = round(took_s * 500)
    return replace(
        found,
        error_ms=found.error_ms - middle_ms,
        bound_ms=found.bound_ms + middle_ms,
        read_at=after(now, took_s),
    )


async def wall_clock(
    talk: Carrier[Any, Any, Any, Any],
    question: Generator[Any, Any, bytes],
    instant_of: InstantOf,
    zone: tzinfo,
    now: Instant,
    began: float,
) -> LockClock:
    """Over a link that is ready; `now` was at `began` on the loop's clock, before it was made."""
    loop = asyncio.get_running_loop()
    asked = loop.time()
    date = await talk.converse(question)
    middle_ms = round((loop.time() - asked) * 500)
    at = after(now, asked - began)
    read_at = Instant(at + middle_ms)
    told = [instant_of(date, zone, fold=fold) for fold in (0, 1)]
    # A wall time that happens twice a year is meant as the one that is nearer.
    lock_ms = min((t for t in told if t is not None), key=lambda t: abs(t - at), default=None)
    if lock_ms is None:
        raise PeerProtocolError("could not read the lock's clock: it tells no date")
    # The lock tells whole seconds, so the truth lies half a second later on average.
    error_ms = lock_ms + RESOLUTION_MS // 2 - read_at
    bound_ms = RESOLUTION_MS // 2 + middle_ms
    return LockClock(error_ms, bound_ms, read_at, abs(error_ms) < ZONE_DOUBT_MS)
