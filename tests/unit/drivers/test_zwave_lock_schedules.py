"""Windows in the lock's words and back: rounding, zones, days, what is nonsense."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.devices import WeekDay, YearDay
from gateway.domain.instant import MINUTE, Instant, from_datetime
from gateway.drivers.zwave_lock.schedules import (
    Kind,
    Offsets,
    Raw,
    from_raws,
    offsets,
    raw_of,
    to_raws,
)
from gateway.errors import PeerProtocolError

ZONE = ZoneInfo("Europe/Berlin")
UTC = ZoneInfo("UTC")
NOON = from_datetime(datetime(2026, 11, 20, 12, 0, tzinfo=ZONE))


def test_a_stretch_is_local_time_in_whole_minutes_rounded_inwards() -> None:
    window = YearDay(Instant(NOON + 1), Instant(NOON + 61 * MINUTE + 59_999))
    (raw,) = to_raws(window, ZONE, Kind.YEAR_DAY)
    assert raw.values == (26, 11, 20, 12, 1, 26, 11, 20, 13, 1)
    assert raw.fields()["startYear"] == 26


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.DAILY, [((0, 1), 8, 30, 9, 45)]),
        (Kind.WEEK_DAY, [(0, 8, 30, 18, 15), (1, 8, 30, 18, 15)]),
    ],
)
def test_hours_of_the_week_begin_with_sunday(kind: Kind, expected: list[object]) -> None:
    hours = WeekDay(frozenset({7, 1}), 8 * 60 + 30, 18 * 60 + 15)
    raws = to_raws(hours, ZONE, kind)
    assert [raw.values for raw in raws] == expected
    assert from_raws(raws, ZONE) == (hours,)


@given(
    st.frozensets(st.integers(1, 7), min_size=1),
    st.integers(0, 1438).flatmap(lambda a: st.tuples(st.just(a), st.integers(a + 1, 1439))),
    st.sampled_from([Kind.DAILY, Kind.WEEK_DAY]),
)
def test_every_week_comes_back(days: frozenset[int], times: tuple[int, int], kind: Kind) -> None:
    hours = WeekDay(days, *times)
    raws = [raw_of(kind, raw.fields()) for raw in to_raws(hours, ZONE, kind)]
    assert from_raws(raws, ZONE) == (hours,)


@given(
    st.integers(NOON // MINUTE, NOON // MINUTE + 400 * 1440),
    st.integers(121, 10_000),
    st.sampled_from([ZONE, UTC, ZoneInfo("America/St_Johns")]),
)
def test_every_stretch_comes_back_but_for_the_hour_that_is_shown_twice(
    start: int, minutes: int, zone: ZoneInfo
) -> None:
    window = YearDay(Instant(start * MINUTE), Instant((start + minutes) * MINUTE))
    (raw,) = to_raws(window, zone, Kind.YEAR_DAY)
    (found,) = from_raws([raw_of(Kind.YEAR_DAY, raw.fields())], zone)
    assert isinstance(found, YearDay)
    assert found.opens_at in (window.opens_at, window.opens_at - 60 * MINUTE)
    assert found.closes_at in (window.closes_at, window.closes_at + 60 * MINUTE)


def test_one_that_runs_past_midnight_is_told_as_two() -> None:
    raw = Raw(Kind.DAILY, ((6,), 22, 0, 4, 0))
    assert from_raws([raw], ZONE) == (
        WeekDay(frozenset({6}), 22 * 60, 1439),
        WeekDay(frozenset({7}), 0, 120),
    )


def test_the_same_twice_is_one() -> None:
    raws = to_raws(WeekDay(frozenset({2}), 60, 120), ZONE, Kind.DAILY)
    assert len(from_raws([*raws, *raws], ZONE)) == 1


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Kind.YEAR_DAY, {"startYear": 26}),
        (Kind.DAILY, {"weekdays": 3, "startHour": 1}),
        (Kind.WEEK_DAY, "nonsense"),
    ],
)
def test_what_is_no_entry(kind: Kind, told: object) -> None:
    with pytest.raises(PeerProtocolError):
        raw_of(kind, told)


def test_a_day_that_does_not_exist() -> None:
    with pytest.raises(PeerProtocolError):
        from_raws([Raw(Kind.YEAR_DAY, (26, 2, 30, 0, 0, 26, 3, 1, 0, 0))], ZONE)


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Europe/Berlin", Offsets(60, 120)),
        ("Asia/Kolkata", Offsets(330, 330)),
        ("Australia/Sydney", Offsets(600, 660)),
        ("America/St_Johns", Offsets(-210, -150)),
    ],
)
def test_offsets_of_a_zone(zone: str, expected: Offsets) -> None:
    assert offsets(NOON, ZoneInfo(zone)) == expected
