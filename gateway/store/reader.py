"""Read-only connections, each used by one thread at a time; rows become values in that thread.

A read of several queries is one errand for one thread: they see the same commit, and the loop is
crossed once each way. Not here: writing (`writer`), and what any query means.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from gateway.store.writer import translate

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.store.tx import Select

READERS = 2
"""One for a long listing, one for whoever must not wait for it."""

CACHE_KIB = 512
"""For each connection. The kernel keeps the file's pages as well, once for all of them."""


class Readers:
    """Made on the loop, after the database exists. StoreError where SQLite refuses."""

    def __init__(self, path: Path) -> None:
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._free: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        uri = f"file:{quote(str(path))}?mode=ro"
        for _ in range(READERS):
            self._free.put(_connect(uri))
        self._near = _connect(uri)

    async def read(self, *selects: Select[Any]) -> list[list[Any]]:
        """A cancelled caller leaves; the read itself ends in order and frees its connection."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, self._run, selects)
        except sqlite3.Error as error:
            raise translate(error, "read") or error from error

    def peek(self, select: Select[Any]) -> list[Any]:
        """At once, in the thread of the caller, which is the loop's."""
        try:
            return _rows(self._near, select)
        except sqlite3.Error as error:
            raise translate(error, "read") or error from error

    async def close(self) -> None:
        """After the reads under way."""
        self._near.close()
        await asyncio.to_thread(self._pool.shutdown)
        for _ in range(self._free.qsize()):
            self._free.get().close()

    def _run(self, selects: tuple[Select[Any], ...]) -> list[list[Any]]:
        connection = self._free.get()
        try:
            if len(selects) == 1:
                return [_rows(connection, selects[0])]
            connection.execute("BEGIN")
            try:
                return [_rows(connection, select) for select in selects]
            finally:
                connection.execute("ROLLBACK")
        finally:
            self._free.put(connection)


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    for pragma in (
        "busy_timeout = 5000",
        "trusted_schema = OFF",
        "mmap_size = 0",
        f"cache_size = -{CACHE_KIB}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _rows(connection: sqlite3.Connection, select: Select[Any]) -> list[Any]:
    return [select.row(row) for row in connection.execute(select.sql, select.params)]
