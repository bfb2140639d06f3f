"""What happened in a world, line by line, and a hash over all of it.

The hash is the proof that a seed tells the same story twice. No line holds digits: whoever notes
something names credentials and slots.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, deque

KEPT = 100_000
"""Lines kept for the story; the hash is over all of them."""


class Trace:
    """`lines`: the last ones. `counts`: how often each kind was noted."""

    def __init__(self, *, keep: int = KEPT) -> None:
        self._hash = hashlib.sha256()
        self.lines: deque[str] = deque(maxlen=keep)
        self.counts: Counter[str] = Counter()

    def note(self, kind: str, /, **facts: object) -> None:
        told = " ".join(f"{name}={value}" for name, value in facts.items() if value is not None)
        line = f"{asyncio.get_running_loop().time():12.3f} {kind:<18} {told}"
        self._hash.update(line.encode())
        self.lines.append(line)
        self.counts[kind] += 1

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()[:16]
