"""Slot numbers of codes: stable, distinct, and none that a code on its way may have."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.devices import Numbered
from gateway.domain.secret import KeyedHash
from gateway.drivers.numbering import Listed, Numbering

LIMIT = 10


def h(text: str) -> KeyedHash:
    return KeyedHash(text)


def listed(*texts: str) -> list[Listed]:
    return [Listed(h(text)) for text in texts]


def apply(rows: list[Numbered], fresh: tuple[Numbered, ...]) -> list[Numbered]:
    """As the store keeps them: a slot has one current code, a code one slot."""
    for new in fresh:
        rows = [
            replace(row, current=False) if row.slot == new.slot else row
            for row in rows
            if (row.slot, row.hash) != (new.slot, new.hash)
        ]
        rows.append(new)
    return rows


def test_an_empty_house_numbers_from_one_in_the_order_of_the_listing() -> None:
    placed = Numbering([]).place(listed("a", "b"), LIMIT)
    assert placed.slots == (1, 2)
    assert [(row.slot, row.hash) for row in placed.fresh] == [(1, "a"), (2, "b")]


def test_a_known_code_keeps_its_number_and_a_stranger_gets_the_lowest_free_one() -> None:
    numbering = Numbering([Numbered(1, h("ours")), Numbered(4, h("other"))])
    placed = numbering.place(listed("stranger", "other"), LIMIT)
    assert placed.slots == (2, 4)  # 1 is spared: its code may be on its way
    assert [row.slot for row in placed.fresh] == [2]


def test_after_a_lost_change_of_digits_the_old_ones_still_have_the_slot() -> None:
    numbering = Numbering([Numbered(3, h("old"), current=False), Numbered(3, h("new"))])
    undone = numbering.place(listed("old"), LIMIT)
    assert undone.slots == (3,)
    assert undone.fresh == (Numbered(3, h("old")),)
    assert numbering.place(listed("new"), LIMIT).slots == (3,)
    both = numbering.place(listed("old", "new"), LIMIT)
    assert both.slots == (1, 3)
    assert [(row.slot, row.hash) for row in both.fresh] == [(1, "old")]


def test_when_all_numbers_are_taken_one_whose_code_is_gone_is_used_again() -> None:
    rows = [Numbered(slot, h(f"c{slot}")) for slot in range(1, LIMIT + 1)]
    present = [f"c{slot}" for slot in range(1, LIMIT + 1) if slot != 6]
    assert Numbering(rows).place(listed(*present, "x"), LIMIT).slots[-1] == 6
    full = [f"c{slot}" for slot in range(1, LIMIT + 1)]
    assert Numbering(rows).place(listed(*full, "x"), LIMIT).slots[-1] == LIMIT + 1


def test_by_the_locks_own_id_when_the_digits_were_changed_by_somebody() -> None:
    numbering = Numbering([Numbered(5, h("old"), handle=901), Numbered(2, h("b"), handle=902)])
    placed = numbering.place([Listed(h("changed"), 901), Listed(h("b"), 902)], LIMIT)
    assert placed.slots == (5, 2)
    assert placed.fresh == (Numbered(5, h("changed"), 901),)
    assert numbering.slot_of_handle(902) == 2
    assert numbering.slot_of_handle(7) is None


def test_an_id_that_the_lock_told_later_is_written_down() -> None:
    placed = Numbering([Numbered(5, h("a"))]).place([Listed(h("a"), 77)], LIMIT)
    assert placed.fresh == (Numbered(5, h("a"), 77),)


def test_the_log_is_read_by_where_a_code_is_and_else_by_where_it_was() -> None:
    rows = [
        Numbered(3, h("gone"), current=False),
        Numbered(8, h("moved")),
        Numbered(4, h("moved"), current=False),
    ]
    numbering = Numbering(rows)
    assert numbering.slot_of(h("gone")) == 3
    assert numbering.slot_of(h("moved")) == 8
    assert numbering.slot_of(h("never")) is None
    assert numbering.code_in(3) is None
    assert numbering.code_in(8) == rows[1]


CODES = st.lists(st.sampled_from("abcdefghijklm"), unique=True, max_size=12)


@given(st.lists(CODES, max_size=6), st.integers(1, 8))
@example([["a", "b", "j"], ["a", "b", "c"], ["j"], list("abcdefghij")], 3)
def test_numbers_are_distinct_and_stay_while_a_code_is_listed(
    listings: list[list[str]], limit: int
) -> None:
    rows: list[Numbered] = []
    before: dict[str, int] = {}
    for listing in listings:
        placed = Numbering(rows).place(listed(*listing), limit)
        assert len(set(placed.slots)) == len(listing)
        assert all(slot >= 1 for slot in placed.slots)
        now = dict(zip(listing, placed.slots, strict=True))
        assert {c: s for c, s in now.items() if c in before} == {
            c: s for c, s in before.items() if c in now
        }
        rows = apply(rows, placed.fresh)
        again = Numbering(rows).place(listed(*listing), limit)
        assert (again.slots, again.fresh) == (placed.slots, ())
        assert all(Numbering(rows).slot_of(h(c)) == s for c, s in now.items())
        before = now
