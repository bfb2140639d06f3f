"""Weekly hours in documents: there and back, and what is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from gateway.domain.devices import WeekDay
from gateway.domain.hours import hours_document, hours_of

HOURS = some.builds(
    lambda days, a, b: WeekDay(days, min(a, b), max(a, b)),
    some.frozensets(some.integers(1, 7), min_size=1),
    some.integers(0, 719),
    some.integers(720, 1439),
)


@given(some.lists(HOURS, max_size=4))
def test_there_and_back(hours: list[WeekDay]) -> None:
    assert hours_of(hours_document(hours)) == tuple(hours)


def test_as_people_write_them() -> None:
    office = WeekDay(frozenset({1, 5}), 8 * 60, 18 * 60 + 30)
    document = [{"weekdays": ["mon", "fri"], "from": "08:00", "to": "18:30"}]
    assert hours_document([office]) == document
    assert hours_of(document) == (office,)


def _with(**changed: Any) -> list[dict[str, Any]]:
    return [{"weekdays": ["mon"], "from": "08:00", "to": "18:00", **changed}]


@pytest.mark.parametrize(
    "document",
    [
        "mon 08:00-18:00",
        ["mon"],
        [{"weekdays": ["mon"], "from": "08:00"}],
        _with(weekdays=[]),
        _with(weekdays="mon"),
        _with(weekdays=["monday"]),
        _with(weekdays=[["mon"]]),
        _with(to="24:00"),
        _with(to="8:00"),
        _with(to=1080),
        _with(to="08:00"),
        _with(to="07:00"),
        _with(zone="UTC"),
    ],
)
def test_what_is_none(document: object) -> None:
    with pytest.raises(ValueError, match=r"hours|weekdays|time"):
        hours_of(document)
