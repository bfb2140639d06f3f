"""Instants on the wire: one form in, one form out, and nothing that is not a moment."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.domain.instant import Instant, from_datetime
from gateway.sync.messages import CloudTime

moments = st.datetimes(
    min_value=datetime(1971, 1, 1),  # noqa: DTZ001 - Hypothesis wants naive bounds
    max_value=datetime(2199, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.integers(-23 * 60, 23 * 60).map(lambda m: timezone(timedelta(minutes=m))),
)


@given(moments)
def test_every_offset_means_the_same_moment(moment: datetime) -> None:
    read = CloudTime.model_validate_json(f'{{"now":"{moment.isoformat()}","nonce":"n"}}')
    assert read.now == from_datetime(moment)
    again = CloudTime.model_validate_json(read.model_dump_json())
    assert again == read
    assert read.model_dump()["now"].endswith("Z")


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20", "2026-11-20T12:00:00", "2026-11-20 12:00:00Z", "2026-W47-5T12:00:00Z",
        "20261120T120000Z", "2026-11-20T12:00:00+1", "2026-11-20T24:30:00Z", "9999-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00", "2026-11-20T12:00:61Z", "", "\uff12026-11-20T12:00:00Z",
    ],
)  # fmt: skip
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        CloudTime.model_validate_json(f'{{"now":"{text}","nonce":"n"}}')


def test_a_number_is_a_moment_only_within_the_program() -> None:
    assert CloudTime(now=Instant(0), nonce="n").model_dump()["now"] == "1970-01-01T00:00:00.000Z"
    with pytest.raises(ValidationError):
        CloudTime.model_validate_json('{"now":1795000000000,"nonce":"n"}')
