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


async def test_the_time_floor_only_rises(store: Store) -> None:
    assert await store.submit(lambda tx: meta.set_time_floor(tx, Instant(5000)))
    assert not await store.submit(lambda tx: meta.set_time_floor(tx, Instant(4000)))
    assert await store.fetch_one(meta.time_floor()) == 5000


async def test_starts_are_counted(store: Store) -> None:
    assert [await store.submit(meta.next_boot) for _ in range(3)] == [1, 2, 3]
