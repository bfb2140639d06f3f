"""What all devices of a world have produced, in one numbered row that can be read and awaited.

Here: entries, waiting and subscribing. Not here: what an entry means, nor the devices' own logs,
which are as lossy as the real ones.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Entry = dict[str, Any]

FAULT, CONNECTED, DISCONNECTED = "fault", "connected", "disconnected"
"""Kinds of entries that are no event of a firmware: a fault struck, a Bluetooth link."""

KEPT = 100_000
"""Entries held in memory; a rehearsal reads them long before."""


class Journal:
    """Entries numbered from 1 in the order they happened, without gaps, in this process."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._waiting: list[tuple[Callable[[Entry], bool], asyncio.Future[Entry]]] = []
        self._subscribers: set[Callable[[Entry], None]] = set()
        self.last = 0

    def add(self, device: str, at: float, **fields: Any) -> Entry:
        """Append one entry and wake whoever waited for it."""
        self.last += 1
        entry: Entry = {"n": self.last, "device": device, "at": round(at, 6), **fields}
        self._entries.append(entry)
        for wanted, future in tuple(self._waiting):
            if not future.done() and wanted(entry):
                future.set_result(entry)
        for subscriber in tuple(self._subscribers):
            subscriber(entry)
        return entry

    def since(self, number: int) -> list[Entry]:
        """Entries after that number."""
        return [entry for entry in self._entries if entry["n"] > number]

    async def wait(self, wanted: Callable[[Entry], bool], *, after: int, timeout_s: float) -> Entry:
        """The first entry after ``after`` that is wanted, past or future; TimeoutError if none."""
        for entry in self.since(after):
            if wanted(entry):
                return entry
        future: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        pending = (wanted, future)
        self._waiting.append(pending)
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        finally:
            self._waiting.remove(pending)

    def subscribe(self, subscriber: Callable[[Entry], None]) -> Callable[[], None]:
        """Call ``subscriber`` with every new entry; returns what ends it."""
        self._subscribers.add(subscriber)
        return lambda: self._subscribers.discard(subscriber)
