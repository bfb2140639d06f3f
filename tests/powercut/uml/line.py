"""The host's end of the serial line: the daemon's connections reach the broker, its log a file.

Not here: the frames' layout and the other end (`guest`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections import deque
from typing import TYPE_CHECKING, Any

from tests.powercut.uml.guest import (
    CLOSE,
    COUNT,
    DATA,
    HEAD,
    LOG,
    NOTE,
    OPEN,
    OURSELVES,
    TAKEN,
    WINDOW,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_PIECE = 1024


class Line:
    """One boot's line. `theirs` is the kernel's end; close it here once the kernel has it."""

    def __init__(self, broker: tuple[str, int], log: Path) -> None:
        ours, self.theirs = socket.socketpair()
        self.notes: dict[str, Any] = {}
        """What the guest said of itself: `boot_id`, `ended`."""
        self._ours, self._broker, self._log = ours, broker, log
        self._writer: asyncio.StreamWriter | None = None
        self._channels: dict[int, asyncio.Queue[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = WINDOW
        self._unsent: deque[bytes] = deque()

    def clock(self, step_s: float, *, synchronised: bool) -> None:
        """Step the guest's clock, and say to its kernel whether it is kept from now on."""
        order = {"step_s": step_s, "synchronised": synchronised}
        self._send(OURSELVES, DATA, json.dumps(order).encode())

    async def run(self) -> None:
        """Until the guest is gone; the broker then sees every connection of it lost."""
        reader, self._writer = await asyncio.open_connection(sock=self._ours)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, OSError):
                async for channel, kind, data in _frames(reader):
                    self._frame(channel, kind, data)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._writer.close()

    def _frame(self, channel: int, kind: int, data: bytes) -> None:
        if kind == LOG:
            with self._log.open("ab") as log:
                log.write(data)
        elif kind == NOTE:
            self.notes |= json.loads(data)
        elif kind == TAKEN:
            self._room += COUNT.unpack(data)[0]
            self._write()
        elif kind == OPEN:
            self._channels[channel] = asyncio.Queue()
            task = asyncio.create_task(self._carry(channel, self._channels[channel]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif channel in self._channels:
            self._channels[channel].put_nowait(b"" if kind == CLOSE else data)

    async def _carry(self, channel: int, outgoing: asyncio.Queue[bytes]) -> None:
        """One connection to the broker, until either end closes it; empty bytes are the end."""
        try:
            reader, writer = await asyncio.open_connection(*self._broker)
        except OSError:
            self._send(channel, CLOSE)
            return
        incoming = asyncio.create_task(self._bring(channel, reader))
        try:
            while data := await outgoing.get():
                writer.write(data)
        finally:
            incoming.cancel()
            writer.close()

    async def _bring(self, channel: int, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_PIECE):
                self._send(channel, DATA, data)
        self._send(channel, CLOSE)
        self._channels[channel].put_nowait(b"")

    def _send(self, channel: int, kind: int, data: bytes = b"") -> None:
        self._unsent.append(HEAD.pack(channel, kind, len(data)) + data)
        self._write()

    def _write(self) -> None:
        while self._writer is not None and self._unsent and len(self._unsent[0]) <= self._room:
            frame = self._unsent.popleft()
            self._room -= len(frame)
            self._writer.write(frame)


async def _frames(reader: asyncio.StreamReader) -> AsyncIterator[tuple[int, int, bytes]]:
    while True:
        channel, kind, length = HEAD.unpack(await reader.readexactly(HEAD.size))
        yield channel, kind, await reader.readexactly(length)
