"""Every error answers whether to try again, and its own table says the same."""

from __future__ import annotations

import inspect
import re

import pytest

from gateway import errors
from gateway.errors import DeviceRefused, GatewayError, Refusal, Retry

WORDS = {"NEVER": Retry.NEVER, "LATER": Retry.LATER, "AFTER_READ_BACK": Retry.AFTER_READ_BACK}
TABLE: dict[str, str] = {
    found[1]: found[2]
    for found in re.finditer(r"── (\w+) .*?\b([A-Z_]+)$", errors.__doc__ or "", re.MULTILINE)
    if found[2] in WORDS
}


def classes() -> list[type[GatewayError]]:
    return [
        found
        for _, found in inspect.getmembers(errors, inspect.isclass)
        if issubclass(found, GatewayError)
    ]


def test_the_table_names_every_kind_that_is_raised() -> None:
    bases = {base for found in classes() for base in found.__mro__[1:]}
    leaves = {found.__name__ for found in classes() if found not in bases}
    assert set(TABLE) == leaves - {"DeviceRefused"}


@pytest.mark.parametrize("name", sorted(TABLE))
def test_the_table_says_what_the_class_answers(name: str) -> None:
    assert getattr(errors, name).retry is WORDS[TABLE[name]]


@pytest.mark.parametrize("refusal", Refusal)
def test_a_refusal_decides_for_itself(refusal: Refusal) -> None:
    passing = {Refusal.FULL, Refusal.BUSY, Refusal.JAMMED, Refusal.FAILED}
    said = DeviceRefused("could not write", refusal)
    assert said.retry is (Retry.LATER if refusal in passing else Retry.NEVER)
    assert said.refusal is refusal


def test_messages_for_machines_keep_their_code() -> None:
    assert errors.MessageError("x", "too_large").code == "too_large"
    assert errors.RequestError("x").code == "bad_request"
