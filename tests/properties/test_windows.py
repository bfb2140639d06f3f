"""`span_from` against an oracle that knows nothing of folds, gaps or weeks.

The oracle walks UTC minute by minute, reads the wall clock, and takes the rule in another form: a
window from wall time S to wall time E is open when clocks have shown S or later by now, until they
have shown E, or anything before it, for the last time. With that, neither gap nor fold is a case.
The zones are listed, each beside a change of its clocks.
"""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.instant import DAY, MINUTE, Instant, from_datetime
from gateway.domain.spans import SpanCache
from gateway.domain.windows import Recurring, Span, Timed, Weekly, Window, ended, span_from

PLACES = [
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),  # half an hour back
    ("Australia/Lord_Howe", date(2026, 10, 4)),  # half an hour forward
    ("America/Sao_Paulo", date(2018, 11, 4)),  # midnight does not exist
    ("America/Sao_Paulo", date(2019, 2, 17)),  # the hour before midnight happens twice
    ("Africa/Casablanca", date(2026, 2, 15)),  # "daylight saving" is the winter half: back
    ("Africa/Casablanca", date(2026, 3, 22)),
    ("Asia/Kathmandu", date(2026, 6, 1)),  # +05:45, no changes
    ("Pacific/Apia", date(2011, 12, 30)),  # a Friday that never was
    ("America/Juneau", date(1867, 10, 18)),  # a whole day twice, and seconds in the offset
    ("UTC", date(2026, 11, 20)),
]
REACH = 28  # days the oracle sees on either side of a change
PROFILE = settings(
    max_examples=200 if os.environ.get("CI") else 25,
    deadline=None,  # the first example of a place builds its table
    suppress_health_check=[HealthCheck.too_slow],
)


@dataclass(frozen=True)
class Place:
    """Wall time of one zone, for each UTC minute of some weeks, as minutes since year 1."""

    zone: str
    middle: Instant
    start: Instant
    shown_so_far: list[int] = field(repr=False)
    """The latest wall time that clocks have shown by each minute."""
    shown_from_now: list[int] = field(repr=False)
    """The earliest wall time that clocks show in this minute or later."""


def wall_minute(moment: datetime) -> int:
    return (moment.toordinal() * 24 + moment.hour) * 60 + moment.minute


@cache
def place(index: int) -> Place:
    name, day = PLACES[index]
    zone = ZoneInfo(name)
    middle = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if middle.year < 1900:  # local mean time: the oracle's minutes begin where the zone's do
        middle -= timedelta(seconds=middle.astimezone(zone).second)
    start = middle - timedelta(days=REACH)
    walls = [
        wall_minute((start + timedelta(minutes=i)).astimezone(zone))
        for i in range(2 * REACH * 1440)
    ]
    so_far, from_now = list(walls), list(walls)
    for i in range(1, len(walls)):
        so_far[i] = max(so_far[i], so_far[i - 1])
        from_now[-1 - i] = min(from_now[-1 - i], from_now[-i])
    return Place(name, from_datetime(middle), from_datetime(start), so_far, from_now)


def oracle(where: Place, window: Recurring, at: Instant) -> Span | None:
    """What `span_from` should say, for windows and instants well within the place's weeks."""
    size = len(where.shown_so_far)
    is_open = bytearray(size)
    first_day, last_day = where.shown_so_far[0] // 1440 - 2, where.shown_so_far[-1] // 1440 + 2
    for rule in window.rules:
        for day in range(first_day, last_day):
            if date.fromordinal(day).isoweekday() not in rule.weekdays:
                continue
            end_day = day if rule.end_minute > rule.start_minute else day + 1
            opens = bisect_left(where.shown_so_far, day * 1440 + rule.start_minute)
            end = end_day * 1440 + rule.end_minute
            closes = bisect_right(where.shown_from_now, end) - 1
            if where.shown_from_now[closes] < end:
                closes += 1  # clocks pass over the end: closed once the minute before it is over
            closes = max(opens, closes)
            is_open[opens:closes] = b"\x01" * (closes - opens)

    def minute_of(instant: Instant) -> int:
        return (instant - where.start) // MINUTE

    if window.not_before is not None:
        until = minute_of(window.not_before)
        is_open[:until] = bytes(until)
    if window.not_after is not None:
        until = minute_of(window.not_after)
        is_open[until:] = bytes(size - until)
    now = minute_of(at)
    first_open = now if is_open[now] else is_open.find(1, now)
    if first_open < 0:
        return None
    opens = is_open.rfind(0, 0, first_open) + 1
    closes = is_open.find(0, first_open)
    return Span(
        None if opens == 0 else Instant(where.start + opens * MINUTE),
        None if closes < 0 else Instant(where.start + closes * MINUTE),
    )


def minutes_of_day(first: int, last: int) -> st.SearchStrategy[int]:
    """Any minute, but mostly the hours around midnight and around the usual changes."""
    notable = [0, 1, 15, 30, 60, 75, 90, 105, 119, 120, 121, 135, 150, 179, 180, 181, 195, 1380]
    notable += [1395, 1410, 1439, 1440]
    near = st.sampled_from([m for m in notable if first <= m <= last])
    return near | st.integers(first, last)


RULES = st.builds(
    Weekly,
    st.frozensets(st.integers(1, 7), min_size=1),
    minutes_of_day(0, 1439),
    minutes_of_day(1, 1440),
)
PLACE_NUMBERS = st.integers(0, len(PLACES) - 1)


@st.composite
def questions(draw: st.DrawFn) -> tuple[Place, Recurring, Instant]:
    where = place(draw(PLACE_NUMBERS))

    def near_the_change() -> Instant:
        minutes = draw(st.integers(-8 * 1440, 8 * 1440) | st.integers(-26 * 60, 26 * 60))
        return Instant(where.middle + minutes * MINUTE)

    bounds = sorted({near_the_change(), near_the_change()})
    window = Recurring(
        tuple(draw(st.lists(RULES, min_size=1, max_size=4))),
        where.zone,
        bounds[0] if draw(st.booleans()) else None,
        bounds[-1] if len(bounds) == 2 and draw(st.booleans()) else None,
    )
    return where, window, Instant(near_the_change() + draw(st.sampled_from([0, 1, 59_999])))


@settings(PROFILE)
@given(questions())
def test_the_span_is_what_walking_the_minutes_finds(
    question: tuple[Place, Recurring, Instant],
) -> None:
    where, window, at = question
    assert span_from(window, at) == oracle(where, window, at)


@settings(PROFILE)
@given(questions(), st.integers(0, 10 * DAY))
def test_the_answer_holds_until_it_closes_and_the_next_one_lies_beyond(
    question: tuple[Place, Recurring, Instant], later_by: int
) -> None:
    _, window, at = question
    span = span_from(window, at)
    later = Instant(at + later_by)
    if span is None:
        assert ended(window, at)
        assert span_from(window, later) is None
        return
    assert not ended(window, at)
    if span.closes_at is None:
        assert span_from(window, later) == span
        return
    assert at < span.closes_at
    assert span.opens_at is None or span.opens_at < span.closes_at
    assert not span.holds(span.closes_at)
    assert span_from(window, Instant(span.closes_at - 1)) == span
    following = span_from(window, span.closes_at)
    if following is not None:
        assert following.opens_at is not None
        assert following.opens_at > span.closes_at  # touching spans would have been one
    if later < span.closes_at:
        assert span_from(window, later) == span


@settings(PROFILE)
@given(questions())
def test_order_repetition_and_splitting_of_rules_change_nothing(
    question: tuple[Place, Recurring, Instant],
) -> None:
    _, window, at = question
    same: list[Weekly] = [*reversed(window.rules), window.rules[0]]
    for rule in window.rules:
        if rule.end_minute - rule.start_minute > 1:
            middle = (rule.start_minute + rule.end_minute) // 2
            same += [replace(rule, end_minute=middle), replace(rule, start_minute=middle)]
    assert span_from(replace(window, rules=tuple(same)), at) == span_from(window, at)


@settings(PROFILE)
@given(questions(), st.lists(st.integers(-10 * DAY, 10 * DAY), max_size=12))
def test_a_cache_never_changes_an_answer(
    question: tuple[Place, Recurring, Instant], steps: list[int]
) -> None:
    where, window, at = question
    other = Timed(where.middle, Instant(where.middle + DAY))
    cache: SpanCache[str] = SpanCache()
    for number, step in enumerate([0, *steps]):
        asked: Window = other if number % 5 == 4 else window
        when = Instant(at + step)
        assert cache.span_from("grant", asked, when) == span_from(asked, when)


@pytest.mark.parametrize("number", range(len(PLACES)), ids=lambda n: "{} {}".format(*PLACES[n]))
def test_every_quarter_hour_beside_the_change(number: int) -> None:
    """One rule over every pair of quarter hours from 22:45 to 03:15, on the day and before it."""
    where = place(number)
    day = PLACES[number][1].isoweekday()
    quarters = [*range(1365, 1440, 15), *range(0, 210, 15)]
    at = Instant(where.middle - 2 * DAY)
    for weekdays in (frozenset({day}), frozenset({(day - 2) % 7 + 1})):
        for start in quarters:
            for end in quarters:
                window = Recurring((Weekly(weekdays, start, end or 1440),), where.zone)
                assert span_from(window, at) == oracle(where, window, at), window


def test_the_listed_places_do_change_their_clocks() -> None:
    """A place that lost its change, by an edit or by newer tzdata, would test nothing."""
    changes = {
        PLACES[number]
        for number in range(len(PLACES))
        for where in (place(number),)
        if where.shown_so_far != where.shown_from_now
        or any(b - a > 1 for a, b in zip(where.shown_so_far, where.shown_so_far[1:], strict=False))
    }
    assert set(PLACES) - changes == {
        ("Asia/Kathmandu", date(2026, 6, 1)),
        ("UTC", date(2026, 11, 20)),
    }
