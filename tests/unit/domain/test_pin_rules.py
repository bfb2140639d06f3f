"""Which digits a lock is not even asked to take."""

from __future__ import annotations

import pytest

from gateway.domain.capabilities import CodeLimits
from gateway.domain.pin_rules import check, objection
from gateway.domain.secret import DigitsFacts, KeyedHash, Secret
from gateway.errors import Refusal, Retry

KEYPAD = CodeLimits(slots=30, min_length=4, max_length=8)
FULL_KEYBOARD = CodeLimits(slots=30, min_length=4, max_length=8, numeric_only=False)


def facts(digits: str) -> DigitsFacts:
    return DigitsFacts.of(Secret(digits), KeyedHash("h"))


@pytest.mark.parametrize(
    ("digits", "limits", "refusal"),
    [
        ("0731", KEYPAD, None),
        ("07310852", KEYPAD, None),
        ("073", KEYPAD, Refusal.LENGTH),
        ("073108524", KEYPAD, Refusal.LENGTH),
        ("", KEYPAD, Refusal.LENGTH),
        ("07A1", KEYPAD, Refusal.CHARSET),
        ("07A1", FULL_KEYBOARD, None),
        ("1234", KEYPAD, Refusal.WEAK),
        ("abcd", FULL_KEYBOARD, Refusal.WEAK),
    ],
)
def test_each_reason(digits: str, limits: CodeLimits, refusal: Refusal | None) -> None:
    assert check(facts(digits), limits) is refusal


@pytest.mark.parametrize(
    ("digits", "refusal"),
    [("111", Refusal.LENGTH), ("aaa", Refusal.LENGTH), ("aaaa", Refusal.CHARSET)],
)
def test_what_the_lock_cannot_hold_is_named_before_what_is_unwise(
    digits: str, refusal: Refusal
) -> None:
    assert check(facts(digits), KEYPAD) is refusal


def test_every_reason_is_final_until_the_digits_change() -> None:
    reasons = {check(facts(digits), KEYPAD) for digits in ("1", "07A1", "1234")} - {None}
    assert {reason.retry for reason in reasons if reason} == {Retry.NEVER}
    assert len(reasons) == 3


NUKI = CodeLimits(
    slots=30, min_length=6, max_length=6, forbidden_digits="0", forbidden_prefixes=("12",)
)


@pytest.mark.parametrize(
    ("digits", "limits", "refusal"),
    [
        ("583926", NUKI, None),
        ("58392", NUKI, Refusal.LENGTH),
        ("583920", NUKI, Refusal.CHARSET),
        ("123926", NUKI, Refusal.CHARSET),
        ("312926", NUKI, None),
        ("58392a", NUKI, Refusal.CHARSET),
        ("123456", KEYPAD, None),
        ("07A1", KEYPAD, Refusal.CHARSET),
        ("07A1", FULL_KEYBOARD, None),
        ("073", FULL_KEYBOARD, Refusal.LENGTH),
    ],
)
def test_what_a_keypad_does_not_take(
    digits: str, limits: CodeLimits, refusal: Refusal | None
) -> None:
    assert objection(Secret(digits), limits) is refusal
