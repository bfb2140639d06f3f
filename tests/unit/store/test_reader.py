"""Reading beside the writer: one commit for one errand, and nothing can be written."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

import pytest

from gateway.errors import StoreError
from gateway.store import meta
from gateway.store.reader import READERS, Readers
from gateway.store.tx import Select
from tests.unit.store.build import scalar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gateway.store.database import Store

VALUE = scalar("SELECT value FROM meta WHERE key = 'x'")


@pytest.fixture
async def readers(store: Store, path: Path) -> AsyncIterator[Readers]:
    await store.submit(lambda tx: meta.put(tx, "x", "1"))
    opened = Readers(path)
    yield opened
    await opened.close()


async def test_it_reads_what_was_committed_at_a_distance_and_near(
    store: Store, readers: Readers
) -> None:
    assert await readers.read(VALUE) == [["1"]]
    await store.submit(lambda tx: meta.put(tx, "x", "2"))
    assert await readers.read(VALUE) == [["2"]]
    assert readers.peek(VALUE) == ["2"]


async def test_the_queries_of_one_errand_see_the_same_commit(
    store: Store, readers: Readers
) -> None:
    """A commit that lands between two queries is seen by neither."""
    loop = asyncio.get_running_loop()
    landed: list[str] = []

    def meanwhile(row: object) -> str:
        if not landed:
            order = store.submit(lambda tx: meta.put(tx, "x", "2"))
            asyncio.run_coroutine_threadsafe(order, loop).result(timeout=10)
        landed.append(str(row[0]))  # type: ignore[index]  # a row of sqlite3
        return landed[-1]

    slow = Select(VALUE.sql, (), meanwhile)
    assert await readers.read(slow, VALUE) == [["1"], ["1"]]
    assert await readers.read(VALUE) == [["2"]]


async def test_nothing_can_be_written(readers: Readers) -> None:
    with pytest.raises(StoreError):
        await readers.read(scalar("UPDATE meta SET value = '9'"))
    with pytest.raises(StoreError):
        readers.peek(scalar("DELETE FROM meta"))
    assert readers.peek(VALUE) == ["1"]


async def test_a_query_that_fails_gives_its_connection_back(readers: Readers) -> None:
    for _ in range(READERS + 1):
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await readers.read(scalar("SELECT 1"), scalar("SELECT x FROM nowhere"))
    assert await readers.read(VALUE) == [["1"]]


async def test_more_readers_than_connections_wait_their_turn(readers: Readers) -> None:
    async with asyncio.timeout(10):
        found = await asyncio.gather(*(readers.read(VALUE) for _ in range(5 * READERS)))
    assert found == [[["1"]]] * (5 * READERS)
