"""The store as everyone else sees it: submit a transaction, fetch rows, hear what changed.

Here: `open_store`, `Store`, and the read-only connections. Not here: how transactions are run
(`writer`), files and migrations (`files`), and the meaning of any table (its own module).
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar, overload
from urllib.parse import quote

import aiosqlite

from gateway.errors import StoreClosed, StoreError
from gateway.store.files import FileLock, OpenReport, prepare
from gateway.store.tx import Select, Tx
from gateway.store.writer import Batch, Job, ThreadWriter, Writer, translate

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.kit.clock import Clock

__all__ = ["OpenReport", "Select", "Store", "Tx", "open_store"]

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")

Listener = Callable[[frozenset[str]], None]

READERS = 2
"""One for a long listing, one for whoever must not wait for it."""


@asynccontextmanager
async def open_store(
    path: Path,
    clock: Clock,
    *,
    writer: Writer | None = None,
    new_epoch: Callable[[], str] = lambda: secrets.token_hex(8),
) -> AsyncIterator[Store]:
    """The database at `path`, created or migrated as needed; `store.opened` says how it was found.

    StoreUnreadable (newer schema, no permission), StoreBusy (another gateway), StoreFull.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(path.with_name(path.name + ".lock"))
    except OSError as error:
        raise StoreError(f"could not open the store: {error}") from error
    try:
        opened = await asyncio.to_thread(prepare, path, clock.now(), new_epoch)
        store = Store(opened, writer or ThreadWriter())
        try:
            await store.start(path)
            yield store
        finally:
            await store.close()
    finally:
        lock.release()


class Store:
    """See the module's docstring. Made by `open_store`."""

    def __init__(self, opened: OpenReport, writer: Writer) -> None:
        self.opened = opened
        self._writer = writer
        self._writing = False
        self._readers: list[aiosqlite.Connection] = []
        self._free: asyncio.LifoQueue[aiosqlite.Connection] = asyncio.LifoQueue()
        self._closed = False
        self._listeners: dict[object, Listener] = {}

    async def start(self, path: Path) -> None:
        await self._writer.start(path, self._settled)
        self._writing = True
        uri = f"file:{quote(str(path))}?mode=ro"
        for _ in range(READERS):
            reader = await aiosqlite.connect(uri, uri=True, isolation_level=None)
            self._readers.append(reader)
            self._free.put_nowait(reader)
            for pragma in ("busy_timeout = 5000", "trusted_schema = OFF", "mmap_size = 0"):
                await reader.execute_fetchall(f"PRAGMA {pragma}")

    async def close(self) -> None:
        """Run what was submitted, let reads end, close everything."""
        self._closed = True
        if self._writing:
            await self._writer.stop()
        for _ in self._readers:
            reader = await self._free.get()
            await reader.close()

    async def submit(self, fn: Callable[[Tx], T]) -> T:
        """Run `fn` whole in the writer's thread; return its result once it is on the disk.

        An exception of `fn` undoes its own work only and is raised here. A caller that is
        cancelled meanwhile does not stop it. StoreFull, StoreBusy: nothing was written.
        """
        result: T = await self._put(fn)
        return result

    async def scrub(self) -> None:
        """Overwrite what was deleted in the log as well: after revocations."""
        await self._put(None)

    async def fetch(self, select: Select[T]) -> list[T]:
        return (await self._read(select))[0]

    async def fetch_one(self, select: Select[T]) -> T | None:
        rows = (await self._read(select))[0]
        return rows[0] if rows else None

    @overload
    async def snapshot(self, first: Select[A], /) -> tuple[list[A]]: ...
    @overload
    async def snapshot(self, a: Select[A], b: Select[B], /) -> tuple[list[A], list[B]]: ...
    @overload
    async def snapshot(
        self, a: Select[A], b: Select[B], c: Select[C], /
    ) -> tuple[list[A], list[B], list[C]]: ...
    @overload
    async def snapshot(
        self, a: Select[A], b: Select[B], c: Select[C], d: Select[D], /
    ) -> tuple[list[A], list[B], list[C], list[D]]: ...
    async def snapshot(self, *selects: Select[Any]) -> tuple[list[Any], ...]:
        """Several queries that see the same commit."""
        return tuple(await self._read(*selects))

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` on the event loop after each commit that touched something.

        It hears of a commit before those who submitted to it go on. The returned function ends it.
        """
        key = object()
        self._listeners[key] = listener

        def leave() -> None:
            self._listeners.pop(key, None)

        return leave

    def _put(self, fn: Callable[[Tx], Any] | None) -> asyncio.Future[Any]:
        if self._closed:
            raise StoreClosed("could not write to the store: it is closed")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._writer.put(Job(fn, future))
        return future

    def _settled(self, batch: Batch) -> None:
        if batch.topics:
            topics = frozenset(batch.topics)
            loop = asyncio.get_running_loop()
            for key in tuple(self._listeners):
                loop.call_soon(self._tell, key, topics)  # a fault of one is not another's
        for job in batch.jobs:
            if job.future.done():  # its caller was cancelled
                continue
            if job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(job.value)

    def _tell(self, key: object, topics: frozenset[str]) -> None:
        listener = self._listeners.get(key)
        if listener is not None:
            listener(topics)

    async def _read(self, *selects: Select[Any]) -> list[list[Any]]:
        """A cancelled caller leaves; the read itself ends in order and frees its connection."""
        if self._closed:
            raise StoreClosed("could not read the store: it is closed")
        return await asyncio.shield(asyncio.ensure_future(self._read_whole(selects)))

    async def _read_whole(self, selects: tuple[Select[Any], ...]) -> list[list[Any]]:
        reader = await self._free.get()
        try:
            if len(selects) == 1:
                return [await _rows(reader, selects[0])]
            await reader.execute_fetchall("BEGIN")
            try:
                return [await _rows(reader, select) for select in selects]
            finally:
                await reader.execute_fetchall("ROLLBACK")
        except sqlite3.Error as error:
            raise translate(error, "read") or error from error
        finally:
            self._free.put_nowait(reader)


async def _rows(reader: aiosqlite.Connection, select: Select[Any]) -> list[Any]:
    """Rows become values in the reader's thread: a long listing does not hold up the loop."""
    reader.row_factory = lambda cursor, values: select.row(sqlite3.Row(cursor, values))  # type: ignore[assignment]
    return list(await reader.execute_fetchall(select.sql, select.params))
