"""Events as a cloud keeps them: once each however often they come, and what is missing. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

GAP_EVENT: Final = "gateway.events_gap"

Event = dict[str, Any]


@dataclass
class Ledger:
    """The events of one (gateway, epoch), by their number."""

    events: dict[int, Event] = field(default_factory=dict)
    duplicates: int = 0
    watermark: int = 0
    """Up to here, everything that exists is here."""
    _declared: set[int] = field(default_factory=set)

    def add(self, events: Iterable[Event]) -> list[Event]:
        """Store what is new, and return it in order."""
        fresh = []
        for event in events:
            if event["seq"] in self.events:
                self.duplicates += 1
                continue
            self.events[event["seq"]] = event
            fresh.append(event)
            if event["type"] == GAP_EVENT:
                body = event["body"]
                self._declared.update(range(body["from"], body["through"] + 1))
        while self.watermark + 1 in self.events or self.watermark + 1 in self._declared:
            self.watermark += 1
        return sorted(fresh, key=lambda event: int(event["seq"]))

    def missing(self, head: int | None = None) -> list[tuple[int, int]]:
        """Ranges up to `head` (or the newest one here) that never came."""
        ranges: list[tuple[int, int]] = []
        last = max(self.events, default=0) if head is None else head
        for seq in range(self.watermark + 1, last + 1):
            if seq in self.events or seq in self._declared:
                continue
            if ranges and ranges[-1][1] == seq - 1:
                ranges[-1] = (ranges[-1][0], seq)
            else:
                ranges.append((seq, seq))
        return ranges
