"""The one writer: runs submitted functions whole, many to a commit, in a thread of its own.

Here: group commit, savepoints, what SQLite's errors mean, the thread. Not here: reading
(`database`) and opening or repairing files (`files`). A `Writer` may be replaced by one without
a thread (deterministic simulation) or with slower commits (benchmarks subclass `Transactor`).

Rules: a job runs in one savepoint of the batch's transaction, so a job that raises takes nothing
but itself with it. Nothing is delivered before COMMIT has returned. When the disk refuses, the
whole batch is rolled back and each of its jobs gets the same error; the next batch tries again.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from gateway.errors import StoreBusy, StoreClosed, StoreError, StoreFull, StoreUnreadable
from gateway.store.files import NO_ROOM, connect
from gateway.store.tx import Tx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

MAX_BATCH = 256
"""Jobs to one commit: bounds how long the first of a burst waits for the last."""


@dataclass(slots=True)
class Job:
    """One submitted function and where its result goes. `fn` None: a truncating checkpoint."""

    fn: Callable[[Tx], Any] | None
    future: asyncio.Future[Any]
    value: Any = None
    error: Exception | None = None


@dataclass(slots=True)
class Batch:
    """Jobs that were settled together, and the topics touched by those that succeeded."""

    jobs: list[Job]
    topics: set[str] = field(default_factory=set)

    def fail(self, error: Exception) -> None:
        self.topics.clear()
        for job in self.jobs:
            job.value, job.error = None, error


class Writer(Protocol):
    """Owns the one writing connection. `settled` is always called on the event loop."""

    async def start(self, path: Path, settled: Callable[[Batch], None]) -> None: ...

    def put(self, job: Job) -> None:
        """Queue a job; StoreClosed once `stop` was called."""
        ...

    async def stop(self) -> None:
        """Run what is queued, then close the connection."""
        ...


def translate(error: sqlite3.Error, verb: str) -> StoreError | None:
    """SQLite's word as ours, or None when the statement itself was at fault."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    match code & 0xFF:
        case sqlite3.SQLITE_FULL:
            return StoreFull(f"could not {verb} the store: no space left")
        case sqlite3.SQLITE_IOERR if code in NO_ROOM:
            return StoreFull(f"could not {verb} the store: {error}")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreBusy(f"could not {verb} the store: another process holds it")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return StoreUnreadable(f"could not {verb} the store: {error}")
        case (
            sqlite3.SQLITE_IOERR
            | sqlite3.SQLITE_READONLY
            | sqlite3.SQLITE_CANTOPEN
            | sqlite3.SQLITE_PERM
        ):
            return StoreError(f"could not {verb} the store: {error}")
    return None


class Transactor:
    """The synchronous half: batches over one connection, made and used in one thread."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path)

    def run(self, jobs: Iterable[Job]) -> Batch:
        """Run each job in a savepoint, then commit. `jobs` may grow until it is exhausted."""
        batch = Batch([])
        try:
            if self._connection.in_transaction:  # an earlier rollback was itself refused
                self._connection.execute("ROLLBACK")
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            batch.jobs.extend(jobs)
            batch.fail(translate(error, "write to") or StoreError(f"could not begin: {error}"))
            return batch
        failure: StoreError | None = None
        for job in jobs:
            batch.jobs.append(job)
            if failure is None:
                failure = self._run_one(job, batch.topics)
        if failure is None:
            try:
                self.commit()
            except sqlite3.Error as error:
                failure = translate(error, "write to") or StoreError(f"could not commit: {error}")
        if failure is not None:
            with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                self._connection.execute("ROLLBACK")
            batch.fail(failure)
        return batch

    def _run_one(self, job: Job, topics: set[str]) -> StoreError | None:
        """The error that ends the whole batch, if there is one."""
        assert job.fn is not None  # noqa: S101 - checkpoints never come here
        tx = Tx(self._connection)
        try:
            self._connection.execute("SAVEPOINT job")
            job.value = job.fn(tx)
            self._connection.execute("RELEASE job")
        except Exception as error:  # noqa: BLE001 - handed to the caller whose function it was
            if isinstance(error, sqlite3.Error):
                fatal = translate(error, "write to")
                if fatal is not None:
                    return fatal
            if not self._connection.in_transaction:
                return StoreError(f"could not write to the store: {error}")
            self._connection.execute("ROLLBACK TO job")
            self._connection.execute("RELEASE job")
            job.error = error
        else:
            topics |= tx.topics
        return None

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def checkpoint(self, job: Job) -> Batch:
        """Move everything into the database file and cut the log to nothing."""
        batch = Batch([job])
        try:
            busy = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.Error as error:
            batch.fail(translate(error, "scrub") or StoreError(f"could not scrub: {error}"))
        else:
            if busy:
                batch.fail(StoreBusy("could not scrub the store's log: a reader held it"))
        return batch

    def close(self) -> None:
        self._connection.close()


class ThreadWriter:
    """The writer used in production. Its thread starts and ends with `start` and `stop`."""

    def __init__(self, transactor: Callable[[Path], Transactor] = Transactor) -> None:
        self._transactor = transactor
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._flying: list[Job] = []
        self._next: list[Job | None] = []  # what ended a batch and belongs after it
        self._closing = False
        self._ended: asyncio.Future[None]

    async def start(self, path: Path, settled: Callable[[Batch], None]) -> None:
        loop = asyncio.get_running_loop()
        started: asyncio.Future[None] = loop.create_future()
        self._ended = loop.create_future()

        def run() -> None:
            try:
                transactor = self._transactor(path)
            except sqlite3.Error as error:
                reason = translate(error, "open") or StoreError(f"could not open: {error}")
                loop.call_soon_threadsafe(started.set_exception, reason)
                return
            loop.call_soon_threadsafe(started.set_result, None)
            try:
                self._work(transactor, lambda batch: loop.call_soon_threadsafe(settled, batch))
            finally:
                self._closing = True
                transactor.close()
                loop.call_soon_threadsafe(lambda: settled(self._rest()))
                loop.call_soon_threadsafe(self._ended.set_result, None)

        threading.Thread(target=run, name="store-writer", daemon=True).start()
        await started

    def put(self, job: Job) -> None:
        if self._closing:
            raise StoreClosed("could not write to the store: it is closed")
        self._queue.put(job)

    async def stop(self) -> None:
        if not self._closing:
            self._closing = True
            self._queue.put(None)
        await asyncio.shield(self._ended)

    def _work(self, transactor: Transactor, settled: Callable[[Batch], object]) -> None:
        while True:
            job = self._next.pop() if self._next else self._queue.get()
            if job is None:
                return
            self._flying.append(job)
            if job.fn is None:
                settled(transactor.checkpoint(job))
            else:
                settled(transactor.run(self._burst(job)))
            self._flying.clear()

    def _rest(self) -> Batch:
        """What nobody will run any more; nothing, unless a fault of ours ended the thread."""
        batch = Batch([*self._flying, *(job for job in self._next if job)])
        with suppress(queue.Empty):
            while True:
                job = self._queue.get_nowait()
                if job is not None:
                    batch.jobs.append(job)
        batch.fail(StoreClosed("could not write to the store: its writer has ended"))
        return batch

    def _burst(self, first: Job) -> Iterator[Job]:
        """`first` and whatever was or is being queued while the batch runs."""
        yield first
        for _ in range(MAX_BATCH - 1):
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return
            if job is None or job.fn is None:
                self._next.append(job)
                return
            self._flying.append(job)
            yield job
