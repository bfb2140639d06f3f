"""When a grant is valid. Windows are half-open `[opens_at, closes_at)`.

`span_from` is the one question everything else is derived from. The rule for daylight saving is
written down there and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.instant import Instant


@dataclass(frozen=True, slots=True)
class Span:
    """One stretch of validity. `None` means unbounded on that side."""

    opens_at: Instant | None
    closes_at: Instant | None

    def holds(self, at: Instant) -> bool:
        return (self.opens_at is None or self.opens_at <= at) and (
            self.closes_at is None or at < self.closes_at
        )


@dataclass(frozen=True, slots=True)
class Always:
    """No edges."""


@dataclass(frozen=True, slots=True)
class Timed:
    """One stretch between two instants; `opens_at < closes_at` or ValueError."""

    opens_at: Instant
    closes_at: Instant

    def __post_init__(self) -> None:
        if self.opens_at >= self.closes_at:
            raise ValueError("a window must open before it closes")


@dataclass(frozen=True, slots=True)
class Weekly:
    """Wall times on ISO weekdays (1 = Monday). `end_minute <= start_minute` wraps past midnight.

    Minutes since local midnight: start 0..1439, end 1..1440.
    """

    weekdays: frozenset[int]
    start_minute: int
    end_minute: int

    def __post_init__(self) -> None:
        if not self.weekdays or not self.weekdays <= set(range(1, 8)):
            raise ValueError("weekdays are a non-empty set of 1 (Monday) to 7 (Sunday)")
        if not 0 <= self.start_minute < 1440 or not 1 <= self.end_minute <= 1440:
            raise ValueError("a time of day lies between 00:00 and 24:00")


@dataclass(frozen=True, slots=True)
class Recurring:
    """Weekly rules in an IANA zone, optionally bounded by instants (half-open as well)."""

    rules: tuple[Weekly, ...]
    zone: str
    not_before: Instant | None = None
    not_after: Instant | None = None

    def __post_init__(self) -> None:
        if not self.rules:
            raise ValueError("a recurring window needs at least one rule")
        if (
            self.not_before is not None
            and self.not_after is not None
            and self.not_before >= self.not_after
        ):
            raise ValueError("a bounded recurrence must begin before it ends")


Window = Always | Timed | Recurring


def span_from(window: Window, at: Instant) -> Span | None:
    """The earliest span that closes after `at` (it may already be open), or None when it is over.

    Daylight saving, for recurring windows: a start that falls into the gap moves forward to the
    first instant that exists; a start that happens twice takes the first, an end that happens
    twice takes the last occurrence; an end in the gap moves forward likewise. A span is never
    empty or inverted: one that the gap swallows whole is left out. Overlapping or touching spans
    of several rules are merged, so that no edge is reported where nothing changes.
    """
    raise NotImplementedError
