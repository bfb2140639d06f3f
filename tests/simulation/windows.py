"""The judge's own arithmetic of windows, from the contract's rule alone; no code is shared.

A window is taken as on the wire (docs/sync/schemas/desired.json) and becomes a `Calendar`. Instants
are UTC milliseconds; spans are half-open. Each day of a recurrence is laid out by itself, turned
into instants, and only then joined with its neighbours; the product joins on the wall clock first.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

NEVER: Final = -(2**62)
"""Before everything: the opening of what was always open."""
EVER: Final = 2**62
"""After everything: the close of what is never over."""

_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_S: Final = 86_400
_CHUNK_MS: Final = 14 * _DAY_S * 1000
_MARGIN_DAYS: Final = 21
"""A weekly rule whose one hour is swallowed by a gap is silent for two weeks."""


class Span(NamedTuple):
    """`NEVER` and `EVER` where there is no edge."""

    opens: int
    closes: int


class _Rule(NamedTuple):
    """Seconds since local midnight; `to_s` may lie on the next day."""

    weekdays: tuple[int, ...]
    from_s: int
    to_s: int


class Calendar:
    """The spans of one window, disjoint and in order. `edged`: time matters to it at all.

    `entries`: how many schedules a lock needs to keep it.
    """

    def __init__(self, window: Mapping[str, Any]) -> None:
        self.edged = window["kind"] != "always"
        self.recurs = window["kind"] == "recurring"
        self._zone: ZoneInfo | None = None
        self._chunks: dict[int, list[Span]] = {}
        self._low, self._high = NEVER, EVER
        self.entries = 1
        if window["kind"] == "timed":
            self._low, self._high = instant(window["opens_at"]), instant(window["closes_at"])
        elif self.recurs:
            if window.get("not_before") is not None:
                self._low = instant(window["not_before"])
            if window.get("not_after") is not None:
                self._high = instant(window["not_after"])
            self._rules = [_rule(rule) for rule in window["rules"]]
            self.entries = len(self._rules)
            if not _cover_the_week(self._rules):
                self._zone = _zone(window["zone"])
        self._whole = [Span(self._low, self._high)]

    def latest(self, at: int) -> Span | None:
        """The span that opened last, at `at` or before it; maybe it is over."""
        spans = self._around(max(self._low, min(at, self._high)))
        index = bisect_right(spans, at, key=_opens)
        return spans[index - 1] if index else None

    def following(self, at: int) -> Span | None:
        """The first span that opens after `at`."""
        spans = self._around(max(self._low, min(at, self._high)))
        index = bisect_right(spans, at, key=_opens)
        return spans[index] if index < len(spans) else None

    def open_or_next(self, at: int) -> Span | None:
        """The first span that closes after `at`."""
        span = self.latest(at)
        return span if span is not None and at < span.closes else self.following(at)

    def _around(self, at: int) -> list[Span]:
        """What matters within a fortnight of `at`, and at least one span on each side if any."""
        if self._zone is None:
            return self._whole
        number = at // _CHUNK_MS
        if (known := self._chunks.get(number)) is None:
            known = self._chunks[number] = self._lay_out(number)
        return known

    def _lay_out(self, number: int) -> list[Span]:
        assert self._zone is not None
        first = date.fromordinal(719_163 + number * (_CHUNK_MS // 1000 // _DAY_S) - _MARGIN_DAYS)
        pieces = []
        for day in range(2 * _MARGIN_DAYS + _CHUNK_MS // 1000 // _DAY_S + 1):
            that_day = first + timedelta(days=day)
            midnight = (that_day.toordinal() - 719_163) * _DAY_S
            for rule in self._rules:
                if that_day.weekday() in rule.weekdays:
                    opens, _ = shown(self._zone, midnight + rule.from_s)
                    _, closes = shown(self._zone, midnight + rule.to_s)
                    pieces.append((opens * 1000, closes * 1000))
        joined: list[list[int]] = []
        for opens, closes in sorted(pieces):
            if joined and opens <= joined[-1][1]:
                joined[-1][1] = max(joined[-1][1], closes)
            else:
                joined.append([opens, closes])
        clipped = (Span(max(a, self._low), min(b, self._high)) for a, b in joined)
        return [span for span in clipped if span.opens < span.closes]


def instant(text: str) -> int:
    """RFC 3339 to UTC milliseconds, cut below."""
    moment = datetime.fromisoformat(text.upper())
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def shown(zone: ZoneInfo, wall_s: int) -> tuple[int, int]:
    """First and last second at which clocks in `zone` show `wall_s` (seconds since 1970, local).

    Where no clock ever shows it, both are the first second after the gap.
    """
    before, after = _offset(zone, wall_s - 30 * 3600), _offset(zone, wall_s + 30 * 3600)
    hits = [t for t in (wall_s - before, wall_s - after) if t + _offset(zone, t) == wall_s]
    if hits:
        return min(hits), max(hits)
    low, high = wall_s - 30 * 3600, wall_s + 30 * 3600
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, middle) == before:
            low = middle
        else:
            high = middle
    return high, high


def _opens(span: Span) -> int:
    return span.opens


def _offset(zone: ZoneInfo, utc_s: int) -> int:
    offset = (_EPOCH + timedelta(seconds=utc_s)).astimezone(zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds())


def _rule(rule: Mapping[str, Any]) -> _Rule:
    from_s, to_s = _seconds(rule["from"]), _seconds(rule["to"])
    days = tuple(_WEEKDAYS.index(day) for day in rule["weekdays"])
    return _Rule(days, from_s, to_s if to_s > from_s else to_s + _DAY_S)


def _seconds(text: str) -> int:
    hours, minutes = text.split(":")
    return (int(hours) * 60 + int(minutes)) * 60


def _cover_the_week(rules: list[_Rule]) -> bool:
    minutes = bytearray(7 * 1440)
    for rule in rules:
        for day in rule.weekdays:
            for minute in range(day * 1440 + rule.from_s // 60, day * 1440 + rule.to_s // 60):
                minutes[minute % len(minutes)] = 1
    return all(minutes)


@cache
def _zone(name: str) -> ZoneInfo:
    """Of the tzdata package, like the product: the data are not what is doubted here."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
