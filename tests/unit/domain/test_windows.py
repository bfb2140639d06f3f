"""Windows by example: each case is a door and a date that someone could ask about.

Wall times below are read off the zones by hand; the general claims are in `tests/properties`.
"""

from __future__ import annotations

import zoneinfo

import pytest

from gateway.domain.instant import DAY, HOUR, MINUTE, Instant, after, from_rfc3339, to_rfc3339
from gateway.domain.windows import (
    Always,
    Recurring,
    Span,
    Timed,
    Weekly,
    Window,
    ended,
    known_zone,
    span_from,
)

WORKDAYS = frozenset(range(1, 6))
EVERY_DAY = frozenset(range(1, 8))
SATURDAY, SUNDAY = frozenset({6}), frozenset({7})


def at(text: str) -> Instant:
    return from_rfc3339(text)


def minute(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def weekly(days: frozenset[int], start: str, end: str) -> Weekly:
    return Weekly(days, minute(start), minute(end))


def edges(window: Window, moment: str) -> tuple[str | None, str | None] | None:
    """The span's edges to the minute, as `MM-DDTHH:MM` in UTC."""
    span = span_from(window, at(moment))
    if span is None:
        return None
    opens, closes = (
        None if edge is None else to_rfc3339(edge)[5:16] for edge in (span.opens_at, span.closes_at)
    )
    return opens, closes


# ------------------------------------------------------------------ the plain kinds


def test_always_has_no_edges_and_never_ends() -> None:
    assert span_from(Always(), Instant(0)) == Span(None, None)
    assert not ended(Always(), Instant(10**15))


def test_timed_is_half_open() -> None:
    window = Timed(Instant(1_000), Instant(2_000))
    span = Span(Instant(1_000), Instant(2_000))
    assert [span_from(window, Instant(t)) for t in (0, 999, 1_000, 1_999)] == [span] * 4
    assert span_from(window, Instant(2_000)) is None
    assert [span.holds(Instant(t)) for t in (999, 1_000, 1_999, 2_000)] == [
        False,
        True,
        True,
        False,
    ]
    assert [ended(window, Instant(t)) for t in (0, 1_999, 2_000)] == [False, False, True]


def test_an_unbounded_span_holds_on_its_open_side() -> None:
    assert Span(None, Instant(5)).holds(Instant(-(10**12)))
    assert Span(Instant(5), None).holds(Instant(10**15))
    assert not Span(Instant(5), None).holds(Instant(4))


@pytest.mark.parametrize("closes_at", [1_000, 999])
def test_timed_refuses_to_close_before_it_opens(closes_at: int) -> None:
    with pytest.raises(ValueError, match="open before it closes"):
        Timed(Instant(1_000), Instant(closes_at))


@pytest.mark.parametrize(
    ("days", "start", "end"),
    [
        ((), 0, 60),
        ((0,), 0, 60),
        ((8,), 0, 60),
        ((1,), -1, 60),
        ((1,), 1440, 60),
        ((1,), 0, 0),
        ((1,), 0, 1441),
    ],
)
def test_weekly_refuses_what_no_calendar_has(days: tuple[int, ...], start: int, end: int) -> None:
    with pytest.raises(ValueError, match=r"weekdays|time of day"):
        Weekly(frozenset(days), start, end)


def test_recurring_refuses_no_rules_inverted_bounds_and_unknown_zones() -> None:
    rule = weekly(WORKDAYS, "08:00", "17:00")
    with pytest.raises(ValueError, match="at least one rule"):
        Recurring((), "UTC")
    with pytest.raises(ValueError, match="begin before it ends"):
        Recurring((rule,), "UTC", Instant(5), Instant(5))
    with pytest.raises(ValueError, match="no time zone 'Europe/Atlantis'"):
        Recurring((rule,), "Europe/Atlantis")


# ------------------------------------------------------------------ zones


@pytest.mark.parametrize(
    "name", ["UTC", "Europe/Berlin", "Asia/Calcutta", "America/Argentina/Ushuaia"]
)
def test_zones_and_their_aliases_are_known(name: str) -> None:
    assert known_zone(name)


@pytest.mark.parametrize(
    "name", ["", "europe/berlin", "Europe", "Europe/Berlin ", "../zones", "/etc/localtime", "CEST"]
)
def test_anything_else_is_no_zone(name: str) -> None:
    assert not known_zone(name)


def test_the_hosts_zones_are_not_asked() -> None:
    """A host without, or with other, zone files changes nothing."""
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=["/nonexistent"])
    try:
        window = Recurring((weekly(WORKDAYS, "08:00", "17:00"),), "Pacific/Chatham")
        assert edges(window, "2026-07-01T00:00:00Z") == ("06-30T19:15", "07-01T04:15")
    finally:
        zoneinfo.reset_tzpath(to=before)


# ------------------------------------------------------------------ recurrence


def test_a_cleaner_on_workdays() -> None:
    window = Recurring((weekly(WORKDAYS, "09:00", "12:00"),), "Europe/Berlin")
    friday = ("11-20T08:00", "11-20T11:00")
    assert edges(window, "2026-11-20T00:00:00Z") == friday
    assert edges(window, "2026-11-20T10:59:59.999Z") == friday
    assert edges(window, "2026-11-20T11:00:00Z") == ("11-23T08:00", "11-23T11:00")
    assert not ended(window, at("2099-01-01T00:00:00Z"))


@pytest.mark.parametrize("end", ["06:00", "22:00"])
def test_an_end_not_after_the_start_is_on_the_next_day(end: str) -> None:
    window = Recurring((weekly(SUNDAY, "22:00", end),), "UTC")
    span = ("11-22T22:00", f"11-23T{end}")
    assert edges(window, "2026-11-22T00:00:00Z") == span
    assert edges(window, "2026-11-23T05:00:00Z") == span  # on Monday, by Sunday's rule


def test_24_00_is_midnight_of_the_same_day() -> None:
    window = Recurring((weekly(SATURDAY, "00:00", "24:00"),), "UTC")
    assert edges(window, "2026-11-20T00:00:00Z") == ("11-21T00:00", "11-22T00:00")


def test_touching_and_overlapping_rules_have_no_edge_between_them() -> None:
    rules = (
        weekly(SATURDAY, "20:00", "24:00"),
        weekly(SUNDAY, "00:00", "02:00"),
        weekly(SUNDAY, "01:00", "04:00"),
        weekly(SUNDAY, "05:00", "06:00"),
    )
    window = Recurring(rules, "UTC")
    assert edges(window, "2026-11-20T00:00:00Z") == ("11-21T20:00", "11-22T04:00")
    assert edges(window, "2026-11-22T03:59:00Z") == ("11-21T20:00", "11-22T04:00")
    assert edges(window, "2026-11-22T04:00:00Z") == ("11-22T05:00", "11-22T06:00")


def test_a_span_across_the_end_of_the_week_is_one() -> None:
    window = Recurring(
        (weekly(SUNDAY, "18:00", "24:00"), weekly(frozenset({1}), "00:00", "12:00")), "UTC"
    )
    span = ("11-22T18:00", "11-23T12:00")
    assert edges(window, "2026-11-22T19:00:00Z") == span
    assert edges(window, "2026-11-23T11:00:00Z") == span


@pytest.mark.parametrize(
    "rules",
    [
        (weekly(EVERY_DAY, "00:00", "24:00"),),
        (weekly(EVERY_DAY, "08:00", "08:00"),),
        (weekly(EVERY_DAY, "07:00", "19:00"), weekly(EVERY_DAY, "19:00", "07:00")),
    ],
)
def test_rules_that_cover_the_week_are_bounded_only_by_instants(rules: tuple[Weekly, ...]) -> None:
    first, last = at("2026-03-01T00:00:00Z"), at("2026-12-01T00:00:00Z")
    assert span_from(Recurring(rules, "Europe/Berlin"), first) == Span(None, None)
    bounded = Recurring(rules, "Europe/Berlin", first, last)
    assert span_from(bounded, Instant(0)) == Span(first, last)
    assert span_from(bounded, Instant(last - 1)) == Span(first, last)
    assert span_from(bounded, last) is None
    assert span_from(Recurring(rules, "Europe/Berlin", first), Instant(0)) == Span(first, None)
    assert span_from(Recurring(rules, "Europe/Berlin", None, last), first) == Span(None, last)


def test_bounds_clip_spans() -> None:
    window = Recurring(
        (weekly(EVERY_DAY, "08:00", "20:00"),),
        "UTC",
        at("2026-11-20T10:00:00Z"),
        at("2026-11-21T09:00:00Z"),
    )
    assert edges(window, "2026-11-01T00:00:00Z") == ("11-20T10:00", "11-20T20:00")
    assert edges(window, "2026-11-20T20:00:00Z") == ("11-21T08:00", "11-21T09:00")
    assert edges(window, "2026-11-21T09:00:00Z") is None
    assert ended(window, at("2026-11-21T09:00:00Z"))


def test_a_recurrence_is_over_when_no_span_is_left_before_its_bound() -> None:
    """Not only at the bound: a stay that ends at noon has no more evenings after the last one."""
    window = Recurring(
        (weekly(EVERY_DAY, "18:00", "20:00"),), "UTC", None, at("2026-11-21T12:00:00Z")
    )
    assert not ended(window, at("2026-11-20T19:59:59Z"))
    assert ended(window, at("2026-11-20T20:00:00Z"))


def test_a_bound_at_an_edge_leaves_no_empty_span() -> None:
    rules = (weekly(EVERY_DAY, "08:00", "20:00"),)
    at_opening = Recurring(rules, "UTC", None, at("2026-11-21T08:00:00Z"))
    assert edges(at_opening, "2026-11-20T21:00:00Z") is None
    at_closing = Recurring(rules, "UTC", at("2026-11-20T20:00:00Z"))
    assert edges(at_closing, "2026-11-20T00:00:00Z") == ("11-21T08:00", "11-21T20:00")


@pytest.mark.parametrize("bound", ["9999-12-31T00:00:00Z", "9999-01-01T00:00:00Z"])
def test_the_end_of_the_calendar_is_the_end_of_a_recurrence(bound: str) -> None:
    window = Recurring((weekly(EVERY_DAY, "08:00", "20:00"),), "Europe/Berlin", at(bound))
    assert span_from(window, at("2026-11-20T00:00:00Z")) is None
    open_ended = Recurring(window.rules, window.zone)
    assert span_from(open_ended, Instant(at("9999-01-01T00:00:00Z") - 1)) is not None
    assert ended(open_ended, at(bound))


# ------------------------------------------------------------------ daylight saving

BERLIN_SPRING = "2026-03-28T12:00:00Z"  # 02:00 CET becomes 03:00 CEST at 01:00 UTC on the 29th
BERLIN_AUTUMN = "2026-10-24T12:00:00Z"  # 03:00 CEST becomes 02:00 CET at 01:00 UTC on the 25th


@pytest.mark.parametrize(
    ("zone", "rule", "moment", "expected"),
    [
        # Spring: a start or an end in the gap moves to the transition.
        (
            "Europe/Berlin",
            weekly(SUNDAY, "02:30", "04:00"),
            BERLIN_SPRING,
            ("03-29T01:00", "03-29T02:00"),
        ),
        (
            "Europe/Berlin",
            weekly(SUNDAY, "01:00", "02:30"),
            BERLIN_SPRING,
            ("03-29T00:00", "03-29T01:00"),
        ),
        (
            "Europe/Berlin",
            weekly(SUNDAY, "02:00", "03:30"),
            BERLIN_SPRING,
            ("03-29T01:00", "03-29T01:30"),
        ),
        (
            "Europe/Berlin",
            weekly(SATURDAY, "22:00", "06:00"),
            BERLIN_SPRING,
            ("03-28T21:00", "03-29T04:00"),
        ),
        # Swallowed whole: left out, and the week after is the next.
        (
            "Europe/Berlin",
            weekly(SUNDAY, "02:00", "03:00"),
            BERLIN_SPRING,
            ("04-05T00:00", "04-05T01:00"),
        ),
        (
            "Europe/Berlin",
            weekly(SUNDAY, "02:15", "02:45"),
            BERLIN_SPRING,
            ("04-05T00:15", "04-05T00:45"),
        ),
        # Autumn: a start takes the first, an end the last occurrence.
        (
            "Europe/Berlin",
            weekly(SUNDAY, "02:30", "04:00"),
            BERLIN_AUTUMN,
            ("10-25T00:30", "10-25T03:00"),
        ),
        (
            "Europe/Berlin",
            weekly(SUNDAY, "01:00", "02:30"),
            BERLIN_AUTUMN,
            ("10-24T23:00", "10-25T01:30"),
        ),
        (
            "Europe/Berlin",
            weekly(SUNDAY, "02:15", "02:45"),
            BERLIN_AUTUMN,
            ("10-25T00:15", "10-25T01:45"),
        ),
        # 02:00 itself happens twice, 03:00 once.
        (
            "Europe/Berlin",
            weekly(SUNDAY, "00:00", "02:00"),
            BERLIN_AUTUMN,
            ("10-24T22:00", "10-25T01:00"),
        ),
        (
            "Europe/Berlin",
            weekly(SUNDAY, "02:00", "03:00"),
            BERLIN_AUTUMN,
            ("10-25T00:00", "10-25T02:00"),
        ),
        # Half an hour forward at 02:00: 02:15 becomes 02:30 (+11).
        (
            "Australia/Lord_Howe",
            weekly(SUNDAY, "02:15", "03:00"),
            "2026-10-03T12:00:00Z",
            ("10-03T15:30", "10-03T16:00"),
        ),
        # Midnight does not exist: the day begins at 01:00 (-02).
        (
            "America/Sao_Paulo",
            weekly(SUNDAY, "00:00", "08:00"),
            "2018-11-04T00:00:00Z",
            ("11-04T03:00", "11-04T10:00"),
        ),
        # The hour before midnight happens twice: an end at 24:00 is the later one.
        (
            "America/Sao_Paulo",
            weekly(SATURDAY, "20:00", "24:00"),
            "2019-02-16T12:00:00Z",
            ("02-16T22:00", "02-17T03:00"),
        ),
        # Friday the 30th never was: Thursday's night ends where Saturday begins.
        (
            "Pacific/Apia",
            weekly(frozenset({4}), "22:00", "06:00"),
            "2011-12-29T12:00:00Z",
            ("12-30T08:00", "12-30T10:00"),
        ),
        (
            "Pacific/Apia",
            weekly(frozenset({5}), "08:00", "20:00"),
            "2011-12-29T12:00:00Z",
            ("01-05T18:00", "01-06T06:00"),
        ),
    ],
)
def test_clock_changes(zone: str, rule: Weekly, moment: str, expected: tuple[str, str]) -> None:
    assert edges(Recurring((rule,), zone), moment) == expected


def test_the_gap_joins_what_lies_on_either_side() -> None:
    """No edge at 02:00 on the one night when no minute passes between the two rules."""
    window = Recurring(
        (weekly(SUNDAY, "00:00", "02:00"), weekly(SUNDAY, "03:00", "05:00")), "Europe/Berlin"
    )
    assert edges(window, BERLIN_SPRING) == ("03-28T23:00", "03-29T03:00")
    assert edges(window, "2026-03-29T02:00:00Z") == ("03-28T23:00", "03-29T03:00")
    assert edges(window, "2026-03-29T03:00:00Z") == ("04-04T22:00", "04-05T00:00")


def test_the_fold_joins_spans_whose_hours_interleave() -> None:
    """02:00-02:20 lasts until its second end, and 02:40-03:00 begins at its first start."""
    window = Recurring(
        (weekly(SUNDAY, "02:00", "02:20"), weekly(SUNDAY, "02:40", "03:00")), "Europe/Berlin"
    )
    whole = ("10-25T00:00", "10-25T02:00")
    for moment in (BERLIN_AUTUMN, "2026-10-25T00:30:00Z", "2026-10-25T01:50:00Z"):
        assert edges(window, moment) == whole


def test_a_year_of_nights_has_one_long_and_one_short_one() -> None:
    window = Recurring((weekly(EVERY_DAY, "22:00", "06:00"),), "America/New_York")
    moment, end = at("2026-01-01T17:00:00Z"), at("2027-01-01T17:00:00Z")
    lengths = []
    while (span := span_from(window, moment)) is not None and span.opens_at is not None:
        if span.opens_at >= end or span.closes_at is None:
            break
        lengths.append((span.closes_at - span.opens_at) // HOUR)
        moment = span.closes_at
    assert sorted(lengths) == [7] + [8] * 363 + [9]


def test_milliseconds_at_an_edge() -> None:
    window = Recurring((weekly(EVERY_DAY, "09:00", "12:00"),), "UTC")
    noon = at("2026-11-20T12:00:00Z")
    assert span_from(window, Instant(noon - 1)) == Span(Instant(noon - 3 * HOUR), noon)
    assert span_from(window, noon) == Span(Instant(noon + 21 * HOUR), Instant(noon + DAY))
    assert after(noon, 60) == noon + MINUTE
