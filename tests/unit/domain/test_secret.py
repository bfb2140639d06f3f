"""Digits do not show themselves, and weak ones are told apart from the rest."""

from __future__ import annotations

import pytest

from gateway.domain.secret import DigitsFacts, KeyedHash, Secret, Weakness, weakness_of


def test_a_secret_shows_its_digits_only_when_revealed() -> None:
    secret = Secret("00731")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r:>20}", "%s" % secret]  # noqa: UP031 - one of the ways to leak
    shown += [repr([secret]), repr({"digits": secret})]
    assert not any("731" in text for text in shown)
    assert secret.reveal() == "00731"
    assert not hasattr(secret, "__dict__")


def test_secrets_compare_by_digits_leading_zeros_included() -> None:
    assert Secret("0731") == Secret("0731")
    assert hash(Secret("0731")) == hash(Secret("0731"))
    assert Secret("0731") != Secret("731")
    assert Secret("0731") != "0731"
    assert len(Secret("0731")) == 4


@pytest.mark.parametrize(
    ("digits", "weakness"),
    [
        ("7777", Weakness.REPEATED),
        ("000000", Weakness.REPEATED),
        ("1212", Weakness.REPEATED),
        ("123123", Weakness.REPEATED),
        ("90909090", Weakness.REPEATED),
        ("2020", Weakness.REPEATED),
        ("AAAA", Weakness.REPEATED),
        ("1234", Weakness.RUN),
        ("7890", Weakness.RUN),
        ("890123", Weakness.RUN),
        ("4321", Weakness.RUN),
        ("3210987", Weakness.RUN),
        ("abcd", Weakness.RUN),
        ("DCBA", Weakness.RUN),
        ("1987", Weakness.YEAR),
        ("2031", Weakness.YEAR),
        ("1900", Weakness.YEAR),
        ("2099", Weakness.YEAR),
    ],
)
def test_what_is_guessed_first(digits: str, weakness: Weakness) -> None:
    assert weakness_of(digits) is weakness


@pytest.mark.parametrize(
    "digits", ["1899", "2100", "19870", "012346", "12123", "1221", "1357", "2580", "749302", "ab12"]
)
def test_what_is_not(digits: str) -> None:
    assert weakness_of(digits) is None


def test_few_enough_codes_are_refused_to_choose_freely() -> None:
    assert sum(weakness_of(f"{n:04}") is not None for n in range(10_000)) == 318


@pytest.mark.parametrize(
    ("digits", "numeric"), [("0731", True), ("07A1", False), ("٠٧٣١", False), ("07²1", False)]
)
def test_numeric_is_what_a_keypad_has(digits: str, numeric: bool) -> None:
    facts = DigitsFacts.of(Secret(digits), KeyedHash("h"))
    assert (facts.length, facts.numeric) == (4, numeric)


def test_facts_do_not_narrow_the_digits_down_when_printed() -> None:
    facts = DigitsFacts.of(Secret("7777"), KeyedHash("h"))
    assert facts.weakness is Weakness.REPEATED
    assert "REPEATED" not in repr(facts)
