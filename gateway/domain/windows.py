"""When a grant is valid. Windows are half-open `[opens_at, closes_at)`.

`span_from` is the one question everything else is derived from. The rule for daylight saving is
written down there and nowhere else. Not here: when to look again (a lane of `gateway.scheduler`)
and how a lock is told (drivers).

Zones are those of the `tzdata` package, never the host's: two gateways of one release agree on
every edge, whatever their operating systems were last updated to.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from gateway.domain.instant import SECOND, Instant, from_datetime, to_datetime


@dataclass(frozen=True, slots=True)
class Span:
    """One stretch of validity. `None` means unbounded on that side."""

    opens_at: Instant | None
    closes_at: Instant | None

    @property
    def edged(self) -> bool:
        """Whether time decides about it: it begins or it ends."""
        return self.opens_at is not None or self.closes_at is not None

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
    """Weekly rules in an IANA zone, optionally bounded by instants (half-open as well).

    ValueError for a zone that `known_zone` does not know.
    """

    rules: tuple[Weekly, ...]
    zone: str
    not_before: Instant | None = None
    not_after: Instant | None = None

    def __post_init__(self) -> None:
        if not self.rules:
            raise ValueError("a recurring window needs at least one rule")
        if not known_zone(self.zone):
            raise ValueError(f"there is no time zone {self.zone!r}")
        if (
            self.not_before is not None
            and self.not_after is not None
            and self.not_before >= self.not_after
        ):
            raise ValueError("a bounded recurrence must begin before it ends")


Window = Always | Timed | Recurring


def known_zone(name: str) -> bool:
    """Whether `name` is an IANA zone of the tzdata this release ships, aliases included."""
    return name in _zone_names()


def span_from(window: Window, at: Instant) -> Span | None:
    """The earliest span that closes after `at` (it may already be open), or None when it is over.

    Daylight saving, for recurring windows: a start that falls into the gap moves forward to the
    first instant that exists; a start that happens twice takes the first, an end that happens
    twice takes the last occurrence; an end in the gap moves forward likewise. A span is never
    empty or inverted: one that the gap swallows whole is left out. Overlapping or touching spans
    of several rules are merged, so that no edge is reported where nothing changes. Rules that
    cover the whole week are one span from `not_before` to `not_after`, None where unbounded.

    The answer stays the same for every later `at` before the span's `closes_at`. Recurrences are
    followed to the end of the year 9998 and are over after that.
    """
    if isinstance(window, Timed):
        return Span(window.opens_at, window.closes_at) if at < window.closes_at else None
    if isinstance(window, Always):
        return _UNBOUNDED
    return _recurring_span(window, at)


def ended(window: Window, at: Instant) -> bool:
    """Nothing of the window lies after `at`: it will never open again."""
    if isinstance(window, Recurring) and window.not_after is None:
        return at >= _HORIZON
    return span_from(window, at) is None


@lru_cache(maxsize=4096)
def told_twice(window: Timed | Recurring, span: Span, zone: str) -> bool:
    """Whether an edge of the window is shown twice by clocks in `zone` around this span.

    Who has local time only, as a lock does, cannot tell the two apart: it would open again after
    the close, or refuse after the opening. An edge within a minute of such a time counts as one,
    because clocks are some seconds off.
    """
    info = zone_info(zone)
    edges = [_wall(at, info) for at in (span.opens_at, span.closes_at) if at is not None]
    if isinstance(window, Recurring):
        midnights = [wall.replace(hour=0, minute=0, second=0, microsecond=0) for wall in edges]
        edges += [
            midnight + minute * _MINUTE
            for midnight in midnights
            for rule in window.rules
            if midnight.isoweekday() in rule.weekdays
            for minute in (rule.start_minute, rule.end_minute)
        ]
    return any(_shown_twice(edge + nearly) for edge in edges for nearly in _NEARLY)


def _wall(at: Instant, zone: ZoneInfo) -> datetime:
    return to_datetime(at).astimezone(zone)


def _shown_twice(wall: datetime) -> bool:
    """In a gap the two offsets are the other way round (PEP 495)."""
    first, second = wall.replace(fold=0).utcoffset(), wall.replace(fold=1).utcoffset()
    return first is not None and second is not None and first > second


_UNBOUNDED = Span(None, None)
_MONDAY = datetime(1969, 12, 29, tzinfo=UTC)
"""The Monday from which local minutes and weeks are counted, on the wall clock of any zone."""
_MINUTE = timedelta(minutes=1)
_NEARLY = (-_MINUTE, timedelta(), _MINUTE)
_DAY_MINUTES = 1440
_WEEK_MINUTES = 7 * _DAY_MINUTES
_HORIZON = from_datetime(datetime(9999, 1, 1, tzinfo=UTC))


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


@cache
def zone_info(name: str) -> ZoneInfo:
    """`name` is known. `ZoneInfo(name)` would ask the host's files first, of another year maybe."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@lru_cache(maxsize=4096)
def _stretches(rules: tuple[Weekly, ...]) -> tuple[tuple[int, int], ...]:
    """The week's wall time covered by any rule: disjoint stretches that do not touch, in order.

    Each is (start, end) in minutes since Monday 00:00, start within the week, end maybe in the
    next. None at all means that every minute is covered. Merging on the wall clock is exact,
    because the mapping from wall time to instants in `_occurrences` never turns two times round.
    """
    merged: list[list[int]] = []
    for start, end in sorted(_three_weeks(rules)):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    # Only in the middle week are both neighbours present, and so start and end complete. Rules that
    # cover the week are one stretch that begins in the first.
    return tuple(
        (start - _WEEK_MINUTES, end - _WEEK_MINUTES)
        for start, end in merged
        if _WEEK_MINUTES <= start < 2 * _WEEK_MINUTES
    )


def _three_weeks(rules: tuple[Weekly, ...]) -> list[tuple[int, int]]:
    spans = []
    for rule in rules:
        wraps = _DAY_MINUTES if rule.end_minute <= rule.start_minute else 0
        for day in range(3 * 7):
            if day % 7 + 1 in rule.weekdays:
                midnight = day * _DAY_MINUTES
                spans.append((midnight + rule.start_minute, midnight + rule.end_minute + wraps))
    return spans


def _occurrences(zone: ZoneInfo, minute: int) -> tuple[int, int]:
    """The first and the last instant at which a clock in `zone` shows `minute` since `_MONDAY`.

    Both are the first instant after the gap where no clock ever shows it.
    """
    wall = _MONDAY.replace(tzinfo=zone) + timedelta(minutes=minute)
    first, last = from_datetime(wall), from_datetime(wall.replace(fold=1))
    if first <= last:
        return first, last
    # In a gap `fold` swaps the two offsets (PEP 495), so the transition lies between the results.
    # Zone transitions happen on whole seconds.
    candidates = range(last, first + 1, SECOND)
    index = bisect_left(
        candidates,
        True,
        key=lambda instant: to_datetime(Instant(instant)).astimezone(zone) >= wall,
    )
    return candidates[index], candidates[index]


class _Pieces:
    """The stretches of every week as numbered pieces of time, before clock changes join them.

    Opening and closing instants never decrease from one piece to the next.
    """

    __slots__ = ("_cache", "_stretches", "_zone")

    def __init__(self, stretches: tuple[tuple[int, int], ...], zone: ZoneInfo) -> None:
        self._stretches = stretches
        self._zone = zone
        self._cache: dict[int, tuple[int, int]] = {}

    def __getitem__(self, number: int) -> tuple[int, int]:
        if (piece := self._cache.get(number)) is None:
            week, index = divmod(number, len(self._stretches))
            start, end = self._stretches[index]
            opens, _ = _occurrences(self._zone, week * _WEEK_MINUTES + start)
            _, closes = _occurrences(self._zone, week * _WEEK_MINUTES + end)
            piece = self._cache[number] = (opens, closes)
        return piece

    def closing_after(self, instant: Instant) -> int:
        """The number of a piece with `closes > instant`; any earlier such piece reaches into it."""
        wall = to_datetime(instant).astimezone(self._zone).replace(tzinfo=UTC)
        week, minute = divmod((wall - _MONDAY) // _MINUTE, _WEEK_MINUTES)
        index = bisect_right(self._stretches, (minute, _WEEK_MINUTES * 2)) - 1
        number = week * len(self._stretches) + index
        while self[number][1] <= instant:
            number += 1
        return number


def _recurring_span(window: Recurring, at: Instant) -> Span | None:
    begin = at if window.not_before is None else max(at, window.not_before)
    if begin >= _HORIZON or (window.not_after is not None and begin >= window.not_after):
        return None
    stretches = _stretches(window.rules)
    if not stretches:
        return Span(window.not_before, window.not_after)
    opens, closes = _run(_Pieces(stretches, zone_info(window.zone)), begin)
    if window.not_before is not None:
        opens = max(opens, window.not_before)
    if window.not_after is not None:
        if opens >= window.not_after:
            return None
        closes = min(closes, window.not_after)
    return Span(Instant(opens), Instant(closes))


def _run(pieces: _Pieces, begin: Instant) -> tuple[int, int]:
    """The earliest pieces closing after `begin`, with all that clock changes join to them.

    Both loops end: some minute of the week is uncovered, and no zone skips it every week.
    """
    number = last = pieces.closing_after(begin)
    while True:
        opens, closes = pieces[number]
        while pieces[number - 1][1] >= opens:
            number -= 1
            opens, _ = pieces[number]
        while pieces[last + 1][0] <= closes:
            last += 1
            _, closes = pieces[last]
        if opens < closes:
            return opens, closes
        number = last = last + 1  # the gap swallowed it whole
