"""The writer: commits shared by many, and every way in which the disk can refuse."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
from typing import TYPE_CHECKING

import pytest

from gateway.errors import Retry, StoreBusy, StoreClosed, StoreError, StoreFull, StoreUnreadable
from gateway.store.database import open_store
from gateway.store.writer import Batch, ThreadWriter, Transactor, translate
from tests.unit.store.build import scalar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from gateway.kit.clock import ManualClock
    from gateway.store.tx import Tx
    from gateway.store.writer import Job

COUNT = scalar("SELECT COUNT(*) FROM meta WHERE key LIKE 'k%'")


def put(key: str, size: int = 1) -> Callable[[Tx], None]:
    return lambda tx: void(tx.execute("INSERT INTO meta VALUES (?, ?)", (key, "x" * size)))


def void(_: object) -> None:
    """A write function without a result."""


class Counting(Transactor):
    commits = 0

    def commit(self) -> None:
        super().commit()
        type(self).commits += 1


class Tight(Transactor):
    """A disk with room for little more than the empty database."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        pages = self._connection.execute("PRAGMA page_count").fetchone()[0]
        self._connection.execute(f"PRAGMA max_page_count = {pages + 20}")


class Impatient(Transactor):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._connection.execute("PRAGMA busy_timeout = 1")


class Mortal(Transactor):
    """Has a fault of ours in it."""

    def run(self, jobs: Iterable[Job]) -> Batch:
        for job in jobs:
            assert job.fn is not None
            raise RuntimeError("the writer's own fault")
        raise AssertionError


async def test_writers_at_the_same_time_share_commits(path: Path, clock: ManualClock) -> None:
    async with open_store(path, clock, writer=ThreadWriter(Counting)) as store:

        async def worker(number: int) -> None:
            for item in range(10):
                await store.submit(put(f"k{number}.{item}"))

        await asyncio.gather(*map(worker, range(50)))
        assert await store.fetch_one(COUNT) == 500
        assert Counting.commits < 250


async def test_a_full_disk_writes_nothing_half_and_is_tried_again(
    path: Path, clock: ManualClock
) -> None:
    async with open_store(path, clock, writer=ThreadWriter(Tight)) as store:
        await store.submit(put("k_before"))

        def large(tx: Tx) -> None:
            tx.execute("INSERT INTO meta VALUES ('k_small', 'x')")
            tx.execute("INSERT INTO meta VALUES ('k_large', ?)", ("x" * 500_000,))

        with pytest.raises(StoreFull) as refused:
            await store.submit(large)
        assert refused.value.retry is Retry.LATER
        assert await store.fetch_one(COUNT) == 1
        await store.submit(put("k_after"))
        assert await store.fetch_one(COUNT) == 2


async def test_a_full_disk_cannot_be_swallowed_by_the_function(
    path: Path, clock: ManualClock
) -> None:
    """Whatever the function makes of the error, either all of it is there or nothing."""
    async with open_store(path, clock, writer=ThreadWriter(Tight)) as store:

        def swallows(tx: Tx) -> str:
            tx.execute("INSERT INTO meta VALUES ('k_small', 'x')")
            try:
                tx.execute("INSERT INTO meta VALUES ('k_large', ?)", ("x" * 500_000,))
            except sqlite3.Error:
                return "as if nothing had happened"
            return "fits"

        outcome = await asyncio.gather(store.submit(swallows), return_exceptions=True)
        count = await store.fetch_one(COUNT)
        assert (outcome, count) in [(["as if nothing had happened"], 1), (outcome, 0)]
        if count == 0:
            assert isinstance(outcome[0], Exception)


async def test_a_write_that_fails_below_sqlite_is_undone_and_tried_again(
    path: Path, clock: ManualClock
) -> None:
    """A limit on the size of files stands in for the disk: the kernel refuses the write itself."""
    async with open_store(path, clock) as store:
        await store.submit(put("k1"))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
        try:
            with pytest.raises(StoreFull):
                await store.submit(put("k2", 1_000_000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert await store.fetch_one(COUNT) == 1
        await store.submit(put("k2", 1_000_000))
        assert await store.fetch_one(COUNT) == 2


async def test_another_process_holding_the_database_is_said_and_passes(
    path: Path, clock: ManualClock
) -> None:
    async with open_store(path, clock, writer=ThreadWriter(Impatient)) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy):
            await store.submit(put("k1"))
        other.execute("ROLLBACK")
        other.close()
        await store.submit(put("k1"))
        assert await store.fetch_one(COUNT) == 1


async def test_scrub_says_when_a_reader_is_in_the_way(path: Path, clock: ManualClock) -> None:
    async with open_store(path, clock, writer=ThreadWriter(Impatient)) as store:
        await store.submit(put("k1"))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN")
        other.execute("SELECT * FROM meta").fetchall()
        await store.submit(put("k2"))
        with pytest.raises(StoreBusy):
            await store.scrub()
        other.close()
        await store.scrub()


async def test_nobody_waits_for_a_writer_that_died(path: Path, clock: ManualClock) -> None:
    raised: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("threading.excepthook", raised.append)
        async with open_store(path, clock, writer=ThreadWriter(Mortal)) as store:
            tasks = [asyncio.ensure_future(store.submit(put(f"k{n}"))) for n in range(3)]
            done, pending = await asyncio.wait(tasks, timeout=10)
            assert not pending
            assert all(isinstance(task.exception(), StoreClosed) for task in done)
            with pytest.raises(StoreClosed):
                await store.submit(put("k"))
    assert len(raised) == 1


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_FULL, StoreFull),
        (sqlite3.SQLITE_IOERR_WRITE, StoreFull),
        (sqlite3.SQLITE_IOERR_FSYNC, StoreFull),
        (sqlite3.SQLITE_IOERR_READ, StoreError),
        (sqlite3.SQLITE_READONLY, StoreError),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, StoreBusy),
        (sqlite3.SQLITE_CORRUPT_INDEX, StoreUnreadable),
        (sqlite3.SQLITE_NOTADB, StoreUnreadable),
    ],
)
def test_sqlites_words_as_ours(code: int, expected: type[Exception]) -> None:
    error = sqlite3.OperationalError("as SQLite said")
    error.sqlite_errorcode = code
    assert type(translate(error, "write to")) is expected


def test_a_fault_of_the_statement_is_not_the_stores() -> None:
    error = sqlite3.IntegrityError("UNIQUE")
    error.sqlite_errorcode = sqlite3.SQLITE_CONSTRAINT_UNIQUE
    assert translate(error, "write to") is None
