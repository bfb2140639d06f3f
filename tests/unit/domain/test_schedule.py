"""The hash both ends compare, and the guard against a message that removes too much."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.schedule import GrantLine, Removal, removals_to_hold, schedule_hash

DOOR = DeviceId("dev_1")


def removals(count: int, *, door: DeviceId = DOOR, window_open: bool = False) -> list[Removal]:
    return [Removal(CredentialId(f"c{n}"), door, window_open) for n in range(count)]


def test_the_hash_is_the_contract_s() -> None:
    lines = [GrantLine("b", "dev_1", 2), GrantLine("a", "dev_2", 1), GrantLine("a", "dev_1", 10)]
    text = "a dev_1 10\na dev_2 1\nb dev_1 2\n"
    assert schedule_hash(lines) == hashlib.sha256(text.encode()).hexdigest()
    assert schedule_hash([]) == hashlib.sha256(b"").hexdigest()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(1, 99))))
def test_the_hash_does_not_depend_on_the_order(rows: list[tuple[str, str, int]]) -> None:
    lines = [GrantLine(*row) for row in rows]
    assert schedule_hash(lines) == schedule_hash(reversed(lines))


@pytest.mark.parametrize(
    ("removed", "of", "held"),
    [
        (0, 0, False),
        (1, 1, False),  # the last code of a lock may go
        (2, 2, True),  # all of several may not
        (2, 3, False),
        (3, 4, False),  # three are few, however many there were
        (4, 10, True),  # more than three and more than a fifth
        (4, 20, False),
        (20, 100, False),  # a fifth, and not more
        (21, 100, True),
    ],
)
def test_how_much_is_too_much(removed: int, of: int, held: bool) -> None:
    found = removals_to_hold(removals(removed), {DOOR: of})
    assert found == (frozenset({DOOR}) if held else frozenset())


def test_a_code_whose_window_is_open_is_never_taken_in_passing() -> None:
    assert removals_to_hold(removals(1, window_open=True), {DOOR: 100}) == {DOOR}


def test_each_lock_is_judged_alone() -> None:
    other = DeviceId("dev_2")
    found = removals_to_hold(removals(5) + removals(1, door=other), {DOOR: 10, other: 10})
    assert found == {DOOR}


def test_a_lock_without_grants_in_force_loses_nothing() -> None:
    assert removals_to_hold(removals(1), {}) == frozenset()
