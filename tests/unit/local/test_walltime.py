"""Times as people read them, in the site's zone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.instant import DAY, HOUR, MINUTE, SECOND, Instant, from_rfc3339
from gateway.domain.windows import Always, Recurring, Timed, Weekly
from gateway.local.walltime import (
    clock_time,
    duration,
    relative,
    short_time,
    window_short,
    window_text,
    with_utc,
)

NOW = from_rfc3339("2026-11-20T14:30:00Z")  # a Friday
ZONE = "Europe/Berlin"


def test_the_zones_own_abbreviation_tells_summer_from_winter() -> None:
    assert clock_time(NOW, ZONE) == "Fri 20 Nov 2026 15:30 CET"
    assert clock_time(from_rfc3339("2026-07-01T12:00:05Z"), ZONE) == "Wed 1 Jul 2026 14:00:05 CEST"


def test_utc_is_added_only_where_it_differs() -> None:
    assert with_utc(NOW, ZONE) == "Fri 20 Nov 2026 15:30 CET (20 Nov 14:30 UTC)"
    assert with_utc(NOW, "UTC") == "Fri 20 Nov 2026 14:30 UTC"
    assert with_utc(NOW, "Europe/London") == "Fri 20 Nov 2026 14:30 GMT"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1000, "1 s"),
        (5 * MINUTE + 3 * SECOND, "5 min 3 s"),
        (2 * HOUR, "2 h"),
        (2 * HOUR + 5 * SECOND, "2 h"),
        (3 * DAY + 4 * HOUR + MINUTE, "3 d 4 h"),
    ],
)
def test_durations_have_two_units_at_most(milliseconds: int, text: str) -> None:
    assert duration(milliseconds) == text


@given(st.integers(min_value=0, max_value=400 * DAY))
def test_a_duration_is_never_empty_and_never_long(milliseconds: int) -> None:
    text = duration(milliseconds)
    assert text
    assert len(text.split()) in (2, 4)


def test_relative_times() -> None:
    assert relative(NOW, NOW) == "now"
    assert relative(Instant(NOW + 5 * MINUTE), NOW) == "in 5 min"
    assert relative(Instant(NOW - 2 * HOUR), NOW) == "2 h ago"


@pytest.mark.parametrize(
    ("at", "text"),
    [
        ("2026-11-20T10:00:00Z", "11:00"),
        ("2026-11-22T10:00:00Z", "Sun 11:00"),
        ("2026-11-27T10:00:00Z", "27 Nov 11:00"),
        # A weekday would be taken for the coming one.
        ("2026-11-18T10:00:00Z", "18 Nov 11:00"),
        ("2027-11-18T10:00:00Z", "18 Nov 2027 11:00"),
        # Tomorrow at the site, though still today in UTC.
        ("2026-11-20T23:30:00Z", "Sat 00:30"),
    ],
)
def test_short_times_say_as_much_as_is_needed(at: str, text: str) -> None:
    assert short_time(from_rfc3339(at), NOW, ZONE) == text


def test_windows_in_words() -> None:
    stay = Timed(NOW, Instant(NOW + 2 * DAY))
    assert window_short(stay, NOW, ZONE) == "15:30 – Sun 15:30"
    assert " until Sun 22 Nov 2026 15:30 CET" in window_text(stay, ZONE)
    assert window_short(Always(), NOW, ZONE) == window_text(Always(), ZONE) == "always"
    weekly = Recurring(
        (Weekly(frozenset({1, 3}), 9 * 60, 12 * 60), Weekly(frozenset(range(1, 8)), 1320, 360)),
        "Europe/Rome",
        not_before=NOW,
        not_after=Instant(NOW + 10 * DAY),
    )
    short = window_short(weekly, NOW, ZONE)
    assert short.startswith("Mon Wed 09:00–12:00, every day 22:00–06:00 next day")
    assert short.endswith("from 15:30, until 30 Nov 15:30")
    long = window_text(weekly, ZONE)
    assert "(Europe/Rome)" in long
    assert "not before Fri 20 Nov" in long
    assert "not after Mon 30 Nov" in long
