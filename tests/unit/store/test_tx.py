"""What a write function is given: queries within its own transaction, and the change counter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.store.tx import assignments
from tests.unit.store.build import scalar

if TYPE_CHECKING:
    from gateway.store.database import Store
    from gateway.store.tx import Tx


async def test_a_function_sees_what_it_wrote(store: Store) -> None:
    keys = scalar("SELECT key FROM meta WHERE key LIKE 'k%' ORDER BY key")

    def write(tx: Tx) -> tuple[list[str], str | None, str | None]:
        before = tx.one(keys)
        tx.executemany("INSERT INTO meta VALUES (?, 'x')", [("k1",), ("k2",)])
        tx.execute("UPDATE meta SET key = :new WHERE key = :old", {"old": "k2", "new": "k3"})
        return tx.all(keys), tx.one(keys), before

    assert await store.submit(write) == (["k1", "k3"], "k1", None)


def test_assignments() -> None:
    assert assignments({"a": 1, "b": None}) == "a = :a, b = :b"


async def test_the_change_counter_rises_once_per_transaction(store: Store) -> None:
    def twice(tx: Tx) -> tuple[int, int]:
        return tx.next_change(), tx.next_change()

    def fails(tx: Tx) -> None:
        tx.next_change()
        raise LookupError

    first = await store.submit(twice)
    with pytest.raises(LookupError):
        await store.submit(fails)
    second = await store.submit(twice)
    assert first[0] == first[1] < second[0] == second[1]
