"""Windows on a lock's wall clock, held against the lock's own arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.domain.devices import WeekDay, YearDay
from gateway.domain.instant import HOUR, Instant, from_datetime, to_datetime
from gateway.drivers.zcl_lock.schedules import (
    EPOCH_2000_S,
    RawWeekDay,
    RawYearDay,
    SummerTime,
    device_time,
    from_raw,
    offset_s,
    summer_time,
    to_raw,
    week_day_from_fields,
    year_day_from_fields,
)
from gateway.drivers.zcl_lock.wire import NO_TIME

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [
    ZoneInfo(name)
    for name in (
        "UTC",
        "Europe/Berlin",
        "Europe/Dublin",
        "America/New_York",
        "America/St_Johns",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Pacific/Apia",
        "Africa/Casablanca",
    )
]
seconds = st.integers(1_600_000_000, 2_000_000_000)


def at(text: str) -> Instant:
    return from_datetime(datetime.fromisoformat(text))


def wall_s(instant: Instant, zone: ZoneInfo) -> int:
    """An independent way to local seconds since 2000: through the calendar."""
    wall = to_datetime(instant).astimezone(zone)
    return round((wall.replace(tzinfo=UTC) - datetime(2000, 1, 1, tzinfo=UTC)).total_seconds())


def test_each_edge_is_converted_with_the_offset_in_force_at_that_edge() -> None:
    """Over the night in which Berlin's clocks go back."""
    window = YearDay(at("2026-10-24T12:00:00Z"), at("2026-10-25T12:00:00Z"))
    raw = to_raw(window, BERLIN)
    assert isinstance(raw, RawYearDay)
    assert raw.local_end_time - raw.local_start_time == 23 * 3600


@given(seconds, st.integers(1, 400 * 86_400), st.sampled_from(ZONES))
def test_year_day_agrees_with_the_calendar_and_comes_back(
    start: int, length: int, zone: ZoneInfo
) -> None:
    window = YearDay(Instant(start * 1000), Instant((start + length) * 1000))
    raw = to_raw(window, zone)
    assert raw == (wall_s(window.opens_at, zone), wall_s(window.closes_at, zone))
    back = from_raw(raw, zone)
    assert isinstance(back, YearDay)
    assert to_raw(back, zone) == raw
    # Where the wall time happens twice, the reading is the widest it can mean.
    assert back.opens_at <= window.opens_at
    assert back.closes_at >= window.closes_at
    assert window.opens_at - back.opens_at in (0, HOUR, HOUR // 2)


@given(st.integers(1_600_000_000_000, 1_900_000_000_000), st.integers(2_000, 10**9))
def test_part_seconds_never_widen_a_window(start_ms: int, length_ms: int) -> None:
    window = YearDay(Instant(start_ms), Instant(start_ms + length_ms))
    raw = to_raw(window, UTC)
    assert isinstance(raw, RawYearDay)
    assert (raw.local_start_time + EPOCH_2000_S) * 1000 >= window.opens_at
    assert (raw.local_end_time + EPOCH_2000_S) * 1000 <= window.closes_at


@given(st.frozensets(st.integers(1, 7), min_size=1), st.integers(0, 1438), st.integers(1, 1439))
def test_week_day_comes_back(days: frozenset[int], start: int, end: int) -> None:
    assume(start < end)
    schedule = WeekDay(days, start, end)
    assert from_raw(to_raw(schedule, BERLIN), BERLIN) == schedule


def test_sunday_is_bit_zero() -> None:
    """ZCL revision 8, 7.3.2.16.12: bit 0 Sunday … bit 6 Saturday."""
    assert to_raw(WeekDay(frozenset({7}), 0, 61), UTC) == RawWeekDay(0x01, 0, 0, 1, 1)
    assert to_raw(WeekDay(frozenset({1, 6}), 0, 60), UTC) == RawWeekDay(0x42, 0, 0, 1, 0)


def test_missing_fields_are_no_schedule() -> None:
    assert week_day_from_fields({"days_mask": 1}) is None
    assert year_day_from_fields({"local_start_time": 1}) is None
    assert year_day_from_fields({"local_start_time": 1, "local_end_time": 2}) == (1, 2)


@pytest.mark.parametrize("nothing", [0, NO_TIME, None, "12:00"])
def test_an_event_without_a_time(nothing: object) -> None:
    assert device_time(nothing, BERLIN) is None


def test_the_time_of_an_event_is_in_the_sites_zone() -> None:
    moment = at("2026-07-01T10:00:00Z")
    assert device_time(wall_s(moment, BERLIN), BERLIN) == moment


class TestSummerTime:
    def test_berlin_in_winter_names_the_coming_one(self) -> None:
        assert summer_time(at("2026-12-01T00:00:00Z"), BERLIN) == SummerTime(
            3600, _zigbee("2027-03-28T01:00:00Z"), _zigbee("2027-10-31T01:00:00Z"), 3600
        )

    def test_berlin_in_summer_names_the_present_one(self) -> None:
        assert summer_time(at("2026-07-01T00:00:00Z"), BERLIN) == SummerTime(
            3600, _zigbee("2026-03-29T01:00:00Z"), _zigbee("2026-10-25T01:00:00Z"), 3600
        )

    @pytest.mark.parametrize(("zone", "offset"), [("UTC", 0), ("Asia/Kathmandu", 20_700)])
    def test_a_zone_without(self, zone: str, offset: int) -> None:
        rules = summer_time(at("2026-07-01T00:00:00Z"), ZoneInfo(zone))
        assert rules == SummerTime(offset, NO_TIME, NO_TIME, 0)

    @given(seconds, st.sampled_from(ZONES))
    def test_a_clock_that_follows_it_shows_local_time(self, now_s: int, zone: ZoneInfo) -> None:
        """By the rule of ZCL revision 8, 3.12.2.2: shifted from start to end."""
        now = Instant(now_s * 1000)
        rules = summer_time(now, zone)
        inside = rules.start_s <= now_s - EPOCH_2000_S < rules.end_s
        assert rules.zone_s + rules.shift_s * inside == offset_s(now, zone)


def _zigbee(text: str) -> int:
    return at(text) // 1000 - EPOCH_2000_S
