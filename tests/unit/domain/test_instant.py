"""Instants on the wire and as datetimes: exact to the millisecond, strict about offsets."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.instant import (
    DAY,
    Instant,
    after,
    from_datetime,
    from_rfc3339,
    to_datetime,
    to_rfc3339,
)

MOMENT = Instant(1_795_203_960_123)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T19:46:00.123Z",
        "2026-11-20T19:46:00.123999Z",
        "2026-11-20t19:46:00.123z",
        "2026-11-20T20:46:00.123+01:00",
        "2026-11-20T14:16:00.123-05:30",
    ],
)
def test_one_instant_written_differently(text: str) -> None:
    assert from_rfc3339(text) == MOMENT
    assert to_rfc3339(from_rfc3339(text)) == "2026-11-20T19:46:00.123Z"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-20",
        "2026-11-20T19:46:00",  # no offset: no instant
        "2026-11-20 19:46:00Z",
        "2026-11-20T19:46Z",
        "20261120T194600Z",
        "2026-W47-5T19:46:00Z",
        "2026-11-20T19:46:00,123Z",
        "2026-11-20T19:46:00+0100",
        "2026-11-20T19:46:00+24:00",
        "2026-11-20T24:00:00Z",
        "2026-11-20T19:46:60Z",
        "2026-02-29T00:00:00Z",
        "2026-11-20T19:46:00Z\n",
        "٢٠٢٦-11-20T19:46:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - some messages are Python's own
        from_rfc3339(text)


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_instant_survives_the_wire(moment: datetime) -> None:
    instant = from_datetime(moment)
    assert from_rfc3339(to_rfc3339(instant)) == instant
    assert from_datetime(to_datetime(instant)) == instant


def test_a_wall_time_without_zone_is_no_instant() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        from_datetime(datetime(2026, 11, 20))  # noqa: DTZ001 - that is the case


def test_after_counts_seconds_both_ways() -> None:
    assert after(MOMENT, 86_400) == MOMENT + DAY
    assert after(MOMENT, -0.0015) == MOMENT - 2
    assert after(MOMENT, 0.25) == MOMENT + 250
