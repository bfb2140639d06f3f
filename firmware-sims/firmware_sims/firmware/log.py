"""The log ring of a lock: the last events, kept when nobody listens.

Here: the ring and its unread mark. Not here: how a protocol reads it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from firmware_sims.firmware.model import Kind, Source


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One entry; ``number`` rises from 1 and wraps never, ``local_s`` is the lock's wall clock."""

    number: int
    local_s: int
    kind: Kind
    source: Source
    slot: int | None


class LogRing:
    """Keeps the last ``depth`` records; ``unread`` tells that some were added since a reading."""

    def __init__(self, depth: int) -> None:
        self._records: deque[LogRecord] = deque(maxlen=depth)
        self._last = 0
        self.unread = False

    def __len__(self) -> int:
        return len(self._records)

    def add(self, local_s: int, kind: Kind, source: Source, slot: int | None) -> None:
        """Append, dropping the oldest when full; a lock without log keeps nothing."""
        if self._records.maxlen:
            self._last += 1
            self._records.append(LogRecord(self._last, local_s, kind, source, slot))
            self.unread = True

    def read(self, index: int) -> LogRecord | None:
        """The record at a place, 1 being the oldest still there, 0 the most recent one."""
        self.unread = False
        if not self._records or not 0 <= index <= len(self._records):
            return None
        return self._records[index - 1]

    def clear(self) -> None:
        """Forget everything but the numbering."""
        self._records.clear()
        self.unread = False

    def dump(self) -> dict[str, object]:
        """As plain values."""
        return {
            "last": self._last,
            "unread": self.unread,
            "records": [
                [record.number, record.local_s, record.kind, record.source, record.slot]
                for record in self._records
            ],
        }

    def load(self, last: int, records: list[tuple[int, int, str, str, int | None]]) -> None:
        """Take up what ``dump`` wrote."""
        self._last = last
        self._records.clear()
        for number, local_s, kind, source, slot in records:
            self._records.append(LogRecord(number, local_s, Kind(kind), Source(source), slot))
