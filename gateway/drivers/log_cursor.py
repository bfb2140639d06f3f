"""How far a lock's own log was told, where it numbers its records by itself.

Not here: logs that are read from a place of theirs (TTLock's), and what a record means.
"""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last record told: its number, and what it was."""

    last: int = 0
    mark: str = ""

    def encode(self) -> str:
        return json.dumps({"last": self.last, "mark": self.mark}, separators=(",", ":"))


def cursor_of(text: str | None) -> Cursor:
    """The beginning for None, and for a text that is not ours."""
    try:
        told = json.loads(text or "")
        last, mark = told["last"], told["mark"]
    except (ValueError, KeyError, TypeError):
        return Cursor()
    return Cursor(last, str(mark)) if isinstance(last, int) and last > 0 else Cursor()
