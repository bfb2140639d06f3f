"""When to look at what again: a queue of instants, and spans kept until they close.

Both only save work. They are rebuilt from the store at any time, hold nothing that must survive,
and know nothing of what happens at a transition. Pure: no clock, no asyncio.

Both assume that time moves forward. After the wall clock stepped, `Timeline` is filled anew;
`SpanCache` notices by itself.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from gateway.domain.windows import Recurring, Span, Window, span_from

if TYPE_CHECKING:
    from gateway.domain.instant import Instant

KeyT = TypeVar("KeyT", bound=Hashable)


class Timeline(Generic[KeyT]):
    """For each key the one instant at which it is worth looking at again."""

    def __init__(self) -> None:
        self._instants: dict[KeyT, Instant] = {}
        self._heap: list[tuple[Instant, int, KeyT]] = []
        self._order = 0

    def __len__(self) -> int:
        return len(self._instants)

    def put(self, key: KeyT, instant: Instant | None) -> None:
        """Replaces the key's instant; None removes it, as a key that needs no look by itself."""
        if instant is None:
            self.remove(key)
        elif self._instants.get(key) != instant:
            self._instants[key] = instant
            self._push(key, instant)

    def remove(self, key: KeyT) -> None:
        """Unknown keys are fine."""
        self._instants.pop(key, None)

    def clear(self) -> None:
        self._instants.clear()
        self._heap.clear()

    def next_transition(self) -> Instant | None:
        """The earliest instant of any key."""
        self._drop_stale()
        return self._heap[0][0] if self._heap else None

    def due(self, now: Instant) -> list[KeyT]:
        """Takes out the keys whose instant has come, earliest first.

        The caller looks at each and puts it back with its next instant.
        """
        keys: list[KeyT] = []
        while (instant := self.next_transition()) is not None and instant <= now:
            key = self._heap[0][2]
            del self._instants[key]
            keys.append(key)
        return keys

    def _push(self, key: KeyT, instant: Instant) -> None:
        self._order += 1  # keys need not be comparable
        heapq.heappush(self._heap, (instant, self._order, key))
        # Entries are not taken out of the heap when their key moves; a key that is put off again
        # and again must not fill the memory.
        if len(self._heap) > 2 * len(self._instants) + 64:
            self._heap = [(at, n, key) for n, (key, at) in enumerate(self._instants.items())]
            heapq.heapify(self._heap)

    def _drop_stale(self) -> None:
        while self._heap and self._instants.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What `span_from` said, and since when it would have said the same."""

    window: Recurring
    since: Instant
    span: Span | None


class SpanCache(Generic[KeyT]):
    """`span_from` for recurring windows, computed once per span instead of once per look."""

    def __init__(self) -> None:
        self._answers: dict[KeyT, _Answer] = {}

    def __len__(self) -> int:
        return len(self._answers)

    def span_from(self, key: KeyT, window: Window, at: Instant) -> Span | None:
        """Exactly `windows.span_from(window, at)`, whatever was asked before under this key."""
        if not isinstance(window, Recurring):
            return span_from(window, at)  # cheaper than remembering
        known = self._answers.get(key)
        if known is not None and known.since <= at and known.window == window:
            closes_at = known.span.closes_at if known.span else None
            if closes_at is None or at < closes_at:
                return known.span
        span = span_from(window, at)
        self._answers[key] = _Answer(window, at, span)
        return span

    def forget(self, key: KeyT) -> None:
        """The grant is gone. Unknown keys are fine."""
        self._answers.pop(key, None)

    def clear(self) -> None:
        """After a change of the zones themselves."""
        self._answers.clear()
