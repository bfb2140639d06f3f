"""The control interface's client, for tests, the demo and the command line.

Here: requests over one connection, several at a time, and the stream of events. Not here: what the
operations mean (``operations``).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MAX_LINE = 1 << 24


class ControlError(Exception):
    """The simulator refused a request, or is gone; the text is its own."""


class ControlClient:
    """One connection to a simulator: ``async with ControlClient(address) as door: …``.

    ``address`` is the path of a unix socket or ``host:port``.
    """

    def __init__(self, address: str | Path) -> None:
        self._address = str(address)
        self._numbers = itertools.count(1)
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._streams: list[asyncio.Queue[dict[str, Any] | None]] = []
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        host, colon, port = self._address.rpartition(":")
        if colon and port.isdigit() and "/" not in host:
            reader, self._writer = await asyncio.open_connection(host, int(port), limit=MAX_LINE)
        else:
            reader, self._writer = await asyncio.open_unix_connection(self._address, limit=MAX_LINE)
        self._reading = asyncio.create_task(self._read(reader), name="sim control client")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()

    async def call(self, op: str, **arguments: Any) -> Any:
        """Ask for one operation and return its result; ``ControlError`` when it is refused."""
        if self._writer is None or self._reading is None or self._reading.done():
            raise ControlError(f"not connected to the simulator at {self._address}")
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[number] = answer
        try:
            request = {"id": number, "op": op, **arguments}
            self._writer.write(json.dumps(request).encode() + b"\n")
            return await answer
        finally:
            self._pending.pop(number, None)

    async def events(self, after: int | None = None) -> AsyncIterator[dict[str, Any]]:
        """Journal entries as they happen, those after ``after`` first; ends with the connection."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._streams.append(queue)
        try:
            await self.call("subscribe", **({} if after is None else {"after": after}))
            while (entry := await queue.get()) is not None:
                yield entry
        finally:
            self._streams.remove(queue)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                self._take(json.loads(line))
        except ConnectionError:
            pass  # the same as an end of the stream: told below
        finally:
            for answer in self._pending.values():
                if not answer.done():
                    answer.set_exception(ControlError("the simulator has gone away"))
            for queue in self._streams:
                queue.put_nowait(None)

    def _take(self, message: dict[str, Any]) -> None:
        if "event" in message:
            for queue in self._streams:
                queue.put_nowait(message["event"])
            return
        answer = self._pending.get(message["id"])
        if answer is None or answer.done():
            return
        if message["ok"]:
            answer.set_result(message["result"])
        else:
            answer.set_exception(ControlError(message["error"]))
