"""Single values: absent ones have a meaning, and what must not fall back does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.domain.instant import Instant
from gateway.store import meta

if TYPE_CHECKING:
    from gateway.store.database import Store


async def test_values_never_set(store: Store) -> None:
    assert await store.snapshot(
        meta.revision(), meta.schedule_hash(), meta.time_floor(), meta.change()
    ) == ([0], [""], [0], [0])
    assert await store.fetch_one(meta.epoch()) == store.opened.epoch


async def test_the_revision_only_rises(store: Store) -> None:
    await store.submit(lambda tx: meta.set_revision(tx, 7))
    with pytest.raises(ValueError, match="revision 6"):
        await store.submit(lambda tx: meta.set_revision(tx, 6))
    assert await store.fetch_one(meta.revision()) == 7


async def test_the_time_is_kept_with_its_floor_which_may_be_lowered(store: Store) -> None:
    for floor in (5000, 4000):
        await store.submit(lambda tx, f=floor: meta.set_time(tx, Instant(f), "{}"))  # type: ignore[misc]  # bound early
        assert await store.fetch_one(meta.time_floor()) == floor
    assert await store.fetch_one(meta.text(meta.TIME_BELIEF)) == "{}"


async def test_starts_are_counted(store: Store) -> None:
    assert [await store.submit(meta.next_boot) for _ in range(3)] == [1, 2, 3]
