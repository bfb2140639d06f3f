"""Ending a task that waits for bumble."""

from __future__ import annotations

import asyncio
from typing import Any

_AGAIN_S = 0.02


async def abandon(task: asyncio.Future[Any]) -> None:
    """Cancel until it is done, and forget what it raises.

    bumble waits by `asyncio.wait_for`, which in Python 3.11 swallows a cancellation that comes
    together with the answer (python/cpython#86296); the next command would then wait for ever.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_AGAIN_S)
    if not task.cancelled():
        task.exception()
