"""A signal is kept until somebody waits for it, and set at the start."""

from __future__ import annotations

import asyncio

from gateway.kit.clock import ManualClock, settle
from gateway.sync.signals import Signal


async def test_signals(clock: ManualClock) -> None:
    signal = Signal(clock)
    await signal.wait()  # set at the start
    waiting = asyncio.ensure_future(signal.wait(10.0))
    await settle()
    assert not waiting.done()
    signal.set()
    await waiting
    late = asyncio.ensure_future(signal.wait(10.0))
    await settle()
    await clock.advance(10.0)
    await late
    assert late.done()
