"""What is typed at the door in an installation test."""

from __future__ import annotations

import random

import pytest

from gateway.domain.capabilities import CodeLimits
from gateway.domain.instant import to_datetime
from gateway.domain.probe import PROBE_SCHEDULE, ProbeProgress, ProbeStage, draw_digits
from gateway.domain.secret import Secret, weakness_of


@pytest.mark.parametrize(
    ("shortest", "longest", "length"), [(4, 8, 6), (4, 4, 4), (8, 10, 8), (6, 6, 6)]
)
def test_digits_fit_the_lock_and_are_not_guessed(shortest: int, longest: int, length: int) -> None:
    limits = CodeLimits(slots=10, min_length=shortest, max_length=longest)
    rng = random.Random(1)
    for _ in range(200):
        digits = draw_digits(limits, rng.randrange)
        assert len(digits.reveal()) == length
        assert weakness_of(digits.reveal()) is None


def test_weak_digits_are_drawn_again() -> None:
    drawn = iter([1, 1, 1, 1, 7, 3, 9, 2])
    limits = CodeLimits(slots=10, min_length=4, max_length=4)
    assert draw_digits(limits, lambda _: next(drawn)).reveal() == "7392"


def test_digits_that_the_keypad_does_not_take_are_drawn_again() -> None:
    drawn = iter([1, 2, 7, 3, 7, 0, 3, 9, 7, 3, 9, 2])
    limits = CodeLimits(
        slots=10, min_length=4, max_length=4, forbidden_digits="0", forbidden_prefixes=("12",)
    )
    assert draw_digits(limits, lambda _: next(drawn)).reveal() == "7392"


def test_the_window_is_one_day_that_is_long_over() -> None:
    opens, closes = to_datetime(PROBE_SCHEDULE.opens_at), to_datetime(PROBE_SCHEDULE.closes_at)
    assert (opens.isoformat()[:10], (closes - opens).days) == ("2001-01-01", 1)


def test_progress_does_not_show_its_digits_by_accident() -> None:
    assert "739284" not in repr(ProbeProgress(ProbeStage.TYPE, 60, Secret("739284")))
