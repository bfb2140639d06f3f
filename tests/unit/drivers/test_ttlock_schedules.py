"""Windows to and from a TTLock's wall clock: to the minute, rounded inwards, across summer time."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.devices import WeekDay, YearDay
from gateway.domain.instant import MINUTE, Instant, from_datetime
from gateway.domain.secret import Secret
from gateway.domain.windows import zone_info
from gateway.drivers.ttlock.commands import Kind, ListedCode, Period
from gateway.drivers.ttlock.schedules import (
    ALWAYS,
    code_schedules,
    code_window,
    medium_window,
    period_of,
    stretch_of,
)
from gateway.errors import Refusal

BERLIN = zone_info("Europe/Berlin")
DIGITS = Secret("583920")
FROM, UNTIL = 1_767_225_600, 1_893_456_000
"""2026 to 2030."""


def at(*moment: int) -> Instant:
    return from_datetime(datetime(*moment, tzinfo=UTC))  # type: ignore[arg-type, misc]  # mypy counts no star


@given(st.integers(FROM, UNTIL), st.integers(1, 40 * 86_400))
def test_what_is_kept_is_never_longer_than_asked(start_s: int, length_s: int) -> None:
    asked = YearDay(Instant(start_s * 1000), Instant((start_s + length_s) * 1000))
    period = period_of(asked, BERLIN)
    if period is None:
        assert length_s < 2 * 3600 + 120
        return
    kept = stretch_of(period, BERLIN)
    assert kept is not None
    (window,) = kept
    assert isinstance(window, YearDay)
    assert window.opens_at % MINUTE == window.closes_at % MINUTE == 0
    told_twice = 3_600_000  # a wall time that is shown twice, read as the wider of the two
    assert asked.opens_at - told_twice <= window.opens_at <= asked.opens_at + MINUTE
    assert asked.closes_at - MINUTE <= window.closes_at <= asked.closes_at + told_twice


@given(st.integers(FROM * 1000, UNTIL * 1000), st.integers(1, 40 * 86_400_000))
def test_where_no_wall_time_happens_twice_it_is_within_what_was_asked(
    start_ms: int, length_ms: int
) -> None:
    asked = YearDay(Instant(start_ms), Instant(start_ms + length_ms))
    period = period_of(asked, UTC)
    kept = None if period is None else stretch_of(period, UTC)
    if kept is None:
        assert length_ms < 2 * MINUTE
        return
    (window,) = kept
    assert isinstance(window, YearDay)
    assert asked.opens_at <= window.opens_at < asked.opens_at + MINUTE
    assert asked.closes_at - MINUTE < window.closes_at <= asked.closes_at


def test_each_edge_has_its_own_offset() -> None:
    window = YearDay(at(2026, 10, 24, 12), at(2026, 10, 25, 12))
    period = period_of(window, BERLIN)
    assert period == Period(bytes((26, 10, 24, 14, 0)), bytes((26, 10, 25, 13, 0)))
    assert period is not None
    assert stretch_of(period, BERLIN) == (window,)


def test_an_hour_that_the_wall_clock_shows_twice_cannot_be_said() -> None:
    assert period_of(YearDay(at(2026, 10, 25, 0, 30), at(2026, 10, 25, 1, 15)), BERLIN) is None


def test_what_the_lock_cannot_keep() -> None:
    day = YearDay(at(2026, 7, 6), at(2026, 7, 7))
    week = WeekDay(frozenset({1}), 60, 120)
    assert code_window((), BERLIN) == (Kind.PERMANENT, ALWAYS)
    assert code_window((day, day), BERLIN) is Refusal.UNSUPPORTED
    assert code_window((week,), BERLIN) is Refusal.UNSUPPORTED
    assert code_window((YearDay(at(1999, 1, 1), at(1999, 1, 2)),), BERLIN) is Refusal.UNSUPPORTED
    assert medium_window((day, week), BERLIN) == (period_of(day, BERLIN), (week,))
    assert medium_window((week,), BERLIN) == (ALWAYS, (week,))
    assert medium_window((day, day), BERLIN) is Refusal.UNSUPPORTED
    century = YearDay(at(2000, 1, 2), at(2099, 6, 1))
    assert period_of(century, BERLIN) is None, "it would read as no window at all"


def test_the_probe_s_window_of_2001_can_be_kept() -> None:
    probe = YearDay(at(2001, 1, 1), at(2001, 1, 2))
    period = period_of(probe, BERLIN)
    assert period is not None
    assert stretch_of(period, BERLIN) == (probe,)


def test_what_a_listed_code_says() -> None:
    def told(kind: int, period: Period | None) -> object:
        return code_schedules(ListedCode(kind, DIGITS, DIGITS, period), BERLIN)

    day = Period(bytes((26, 7, 6, 0, 0)), bytes((26, 7, 7, 0, 0)))
    assert told(Kind.PERMANENT, Period(bytes((26, 7, 6, 0, 0)), b"")) == ()
    assert told(Kind.PERIOD, ALWAYS) == ()
    assert told(Kind.PERIOD, day) == (YearDay(at(2026, 7, 5, 22), at(2026, 7, 6, 22)),)
    assert told(Kind.CYCLIC, None) is None
    assert told(Kind.PERIOD, Period(b"\xff" * 5, b"\xff" * 5)) is None
