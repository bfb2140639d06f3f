"""The store as everyone else sees it: submit a transaction, fetch rows, hear what changed.

Here: `open_store` and `Store`. Not here: running transactions (`writer`) and queries (`reader`),
files and migrations (`files`), and the meaning of any table (its own module).
"""

from __future__ import annotations

import asyncio
import secrets  # noqa: TID251 - the default of a parameter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar, overload

from gateway.errors import StoreClosed, StoreError
from gateway.store.files import FileLock, OpenReport, prepare
from gateway.store.reader import Readers
from gateway.store.tx import Select, Tx
from gateway.store.writer import Batch, Job, ThreadWriter, Writer

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
        self._readers: Readers | None = None
        self._closed = False
        self._listeners: dict[object, Listener] = {}

    async def start(self, path: Path) -> None:
        await self._writer.start(path, self._settled)
        self._writing = True
        self._readers = Readers(path)

    async def close(self) -> None:
        """Run what was submitted, let reads end, close everything.

        The writer's connection goes last: only then does SQLite leave one whole file behind.
        """
        self._closed = True
        if self._readers is not None:
            await self._readers.close()
        if self._writing:
            await self._writer.stop()

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

    def peek(self, select: Select[T]) -> list[T]:
        """`fetch` without a thread, for whoever is on the way to a lock or to the cloud.

        Only for a few rows by an index that were written moments ago: such rows are in memory, so
        that the loop waits for no disk. Readers of a write-ahead log wait for no writer.
        """
        if self._closed or self._readers is None:
            raise StoreClosed("could not read the store: it is closed")
        return self._readers.peek(select)

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
        if self._closed or self._readers is None:
            raise StoreClosed("could not read the store: it is closed")
        return await self._readers.read(*selects)
