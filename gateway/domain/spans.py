"""Spans of recurring windows, kept until they close: planning asks for them far more often.

Saves work and nothing else: what it answers is what `windows.span_from` would.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from gateway.domain.windows import Recurring, Span, Window, span_from

if TYPE_CHECKING:
    from gateway.domain.instant import Instant

KeyT = TypeVar("KeyT", bound=Hashable)


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

    def keep(self, keys: Iterable[KeyT]) -> None:
        """Forget all but these: their grants are gone."""
        kept = set(keys)
        self._answers = {key: known for key, known in self._answers.items() if key in kept}
