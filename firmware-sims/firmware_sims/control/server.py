"""The control interface's server: JSON lines over a unix socket, or over TCP on loopback.

Here: connections, requests and answers, streams of journal entries. Not here: the operations.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import TYPE_CHECKING, Any, Self

from firmware_sims.control.arguments import OperationError, check_arguments

if TYPE_CHECKING:
    from pathlib import Path

    from firmware_sims.control.operations import Operations
    from firmware_sims.journal import Entry, Journal

MAX_LINE = 1 << 20

_log = logging.getLogger(__name__)


class ControlServer:
    """Serves one world until it is left; an async context manager.

    Give ``path`` for a unix socket (mode 600; one left over is replaced), or neither for TCP on a
    free port of 127.0.0.1. ``address`` is what a client wants: the path, or ``host:port``.
    """

    def __init__(self, operations: Operations, journal: Journal, path: Path | None = None) -> None:
        self._operations = operations
        self._journal = journal
        self._path = path
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.address = ""

    async def __aenter__(self) -> Self:
        if self._path is None:
            self._server = await asyncio.start_server(
                self._serve, host="127.0.0.1", port=0, limit=MAX_LINE
            )
            host, port = self._server.sockets[0].getsockname()[:2]
            self.address = f"{host}:{port}"
        else:
            if self._path.is_socket():
                self._path.unlink()
            self._server = await asyncio.start_unix_server(
                self._serve, path=self._path, limit=MAX_LINE
            )
            self._path.chmod(0o600)
            self.address = str(self._path)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:  # pragma: no cover - the server calls this as a task
            return
        self._tasks.add(task)
        connection = _Connection(self._operations, self._journal, writer)
        try:
            while line := await reader.readline():
                connection.take(line)
        except (ConnectionError, ValueError, asyncio.CancelledError):
            pass  # gone, a line beyond all measure, or the server closes
        finally:
            self._tasks.discard(task)
            await connection.close()


class _Connection:
    """One client: requests run beside each other, so that a ``wait`` holds up nobody."""

    def __init__(
        self, operations: Operations, journal: Journal, writer: asyncio.StreamWriter
    ) -> None:
        self._operations = operations
        self._journal = journal
        self._writer = writer
        self._running: set[asyncio.Task[None]] = set()
        self._unsubscribe = contextlib.ExitStack()

    def take(self, line: bytes) -> None:
        """Start on one request."""
        task = asyncio.create_task(self._answer(line))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Drop what still runs; whatever was asked for has nobody to hear it."""
        self._unsubscribe.close()
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def _answer(self, line: bytes) -> None:
        number: Any = None
        try:
            request = json.loads(line)
            number = request.pop("id", None)
            op = request.pop("op")
        except (ValueError, AttributeError, KeyError, TypeError):
            self._refuse(number, 'a request is one line of JSON: {"id": …, "op": …, arguments}')
            return
        try:
            if op == "subscribe":
                check_arguments(op, self._subscribe, request)
                result = self._subscribe(**request)
            else:
                result = await self._operations.call(str(op), request)
        except OperationError as cause:
            self._refuse(number, str(cause))
        except Exception:  # noqa: BLE001 - a fault of the simulator must not leave the client waiting
            _log.exception("control operation %s failed", op)
            self._refuse(number, f"{op}: the simulator has a fault; its log says more")
        else:
            self._write({"id": number, "ok": True, "result": result})

    def _refuse(self, number: Any, error: str) -> None:
        self._write({"id": number, "ok": False, "error": error})

    def _subscribe(self, after: int | None = None) -> dict[str, int]:
        """Stream entries as ``{"event": …}`` lines, those after ``after`` first."""
        last = self._journal.last

        def send(entry: Entry) -> None:
            self._write({"event": entry})

        self._unsubscribe.callback(self._journal.subscribe(send))
        if after is not None:
            for entry in self._journal.since(after):
                send(entry)
        return {"last": last}

    def _write(self, message: dict[str, Any]) -> None:
        if not self._writer.is_closing():
            self._writer.write(json.dumps(message).encode() + b"\n")
