"""From what people type to what is meant: never a guess between two doors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.local.queries import Named
from gateway.local.resolve import resolve
from gateway.local.server import RequestRefused

DOORS = [
    Named("dev_1", "Front door"),
    Named("dev_12", "Sauna"),
    Named("dev_3", "Saloon"),
    Named("dev_4", ""),
    Named("Sauna", "Odd one"),
]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("dev_1", "dev_1"),  # an id, though another begins with it
        ("Sauna", "Sauna"),  # an id wins over a name
        ("sauna", "dev_12"),  # a name wins over a beginning
        ("fr", "dev_1"),
        ("ODD ONE", "Sauna"),
        ("dev_4", "dev_4"),
    ],
)
def test_one_meaning(typed: str, meant: str) -> None:
    assert resolve(typed, DOORS, "device") == meant


@pytest.mark.parametrize("typed", ["dev_", "sa"])
def test_several_meanings_are_listed_and_none_is_taken(typed: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        resolve(typed, DOORS, "device")
    assert caught.value.code == "ambiguous"
    assert "dev_3" in caught.value.next_step or "dev_4" in caught.value.next_step


def test_no_meaning_suggests_the_nearest_or_the_list() -> None:
    with pytest.raises(RequestRefused) as caught:
        resolve("Frnt door", DOORS, "device")
    assert (caught.value.code, caught.value.next_step) == (
        "unknown_device",
        "Did you mean Front door?",
    )
    with pytest.raises(RequestRefused) as caught:
        resolve("zzz", DOORS, "credential")
    assert caught.value.code == "unknown_credential"
    assert "lock-gateway codes" in caught.value.next_step


def test_nothing_typed_means_nothing() -> None:
    with pytest.raises(RequestRefused):
        resolve("", DOORS, "device")


@given(st.text(max_size=12))
def test_whatever_is_typed_a_door_is_taken_only_for_its_own_beginning(typed: str) -> None:
    try:
        found = resolve(typed, DOORS, "device")
    except RequestRefused:
        return
    meant = next(door for door in DOORS if door.id == found)
    assert any(text.casefold().startswith(typed.casefold()) for text in (meant.id, meant.name))
