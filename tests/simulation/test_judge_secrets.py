"""SECRETS: no text holds a code's digits."""

from __future__ import annotations

import pytest

from tests.simulation.judged import DOOR, HOUR, OTHER, Building
from tests.simulation.judging import secrets


@pytest.fixture
def world() -> Building:
    return Building()


@pytest.mark.parametrize(
    "text",
    [
        "wrote 4839 to slot 1",
        "code=4839",
        "code=-4839",
        '{"digits": "4839"}',
        "frame 34383339",
        "set 571038.",
    ],
)
def test_digits_in_a_text_are_found(world: Building, text: str) -> None:
    world.order(digits="4839")
    world.order("c2", digits="571038")
    assert world.judge.scan(text, "a log")
    assert world.rules == ["SECRETS"]
    assert not any(digits in note for note in world.notes for digits in ("4839", "571038"))


@pytest.mark.parametrize(
    "text",
    [
        "at=4839 ms=4839",
        "boot wall_error_s=-4839",
        "no connection to the cloud broker=broker:4839",
        '{"seq": 4839}',
        "  4839.250 boot",
        "took 0.4839 s",
        "2026-11-20T19:46:00.483Z",
        "hash ab4839ff, id 1483901",
        "of cluster 0x4839 to",
        "year 4839-01-02",
    ],
)
def test_numbers_that_are_something_else_are_not(world: Building, text: str) -> None:
    world.order(digits="4839")
    assert not world.judge.scan(text)
    assert world.rules == []


def test_short_digits_are_not_looked_for() -> None:
    assert secrets.found("123 and 4839", {"123", "4839"}, 4, frozenset()) == ["4839"]


def test_nothing_the_judge_says_holds_digits(world: Building) -> None:
    world.order(devices=(OTHER,))
    world.opens("483920")
    world.judge.wrote(world.now, DOOR, 1, "set", "483920")
    world.wait(HOUR)
    assert world.judge.violations
    assert "483920" not in repr(world.judge.violations) + repr(world.notes)
