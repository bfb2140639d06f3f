"""The line into the machine: connections arrive whole, and it is never filled."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

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
from tests.powercut.uml.line import Line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

DEADLINE_S = 10.0


class Guest:
    """The other end, by hand."""

    def __init__(
        self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.line, self.reader, self._writer = line, reader, writer

    def say(self, channel: int, kind: int, data: bytes = b"") -> None:
        self._writer.write(HEAD.pack(channel, kind, len(data)) + data)

    async def frame(self) -> tuple[int, int, bytes]:
        channel, kind, length = HEAD.unpack(await self.reader.readexactly(HEAD.size))
        data = await self.reader.readexactly(length)
        self.say(OURSELVES, TAKEN, COUNT.pack(HEAD.size + length))
        return channel, kind, data

    async def heard(self) -> None:
        """Until the host has heard everything said so far: its echo comes after it."""
        self.say(255, OPEN)
        self.say(255, DATA, b"\n")
        assert await self.frame() == (255, CLOSE, b"")


@asynccontextmanager
async def guest(log: Path) -> AsyncIterator[Guest]:
    """A line to a server that sends back what it gets, and closes after an empty line."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (data := await reader.readline()) not in (b"", b"\n"):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    line = Line(server.sockets[0].getsockname(), log)
    reader, writer = await asyncio.open_connection(sock=line.theirs)
    running = asyncio.create_task(line.run())
    async with server, asyncio.timeout(DEADLINE_S):
        yield Guest(line, reader, writer)
        writer.close()
        await running


async def test_a_connection_of_the_daemon_reaches_the_broker_and_back(tmp_path: Path) -> None:
    async with guest(tmp_path / "log") as it:
        it.say(7, OPEN)
        it.say(7, DATA, b"hello\n")
        assert await it.frame() == (7, DATA, b"hello\n")
        it.say(7, DATA, b"\n")
        assert await it.frame() == (7, CLOSE, b"")


async def test_no_more_is_sent_than_the_guest_has_room_for(tmp_path: Path) -> None:
    whole = b"x" * (5 * WINDOW) + b"\n"
    async with guest(tmp_path / "log") as it:
        it.say(1, OPEN)
        for start in range(0, len(whole), 500):
            it.say(1, DATA, whole[start : start + 500])
        got = b""
        seen = 0
        while len(got) < len(whole):
            # Nothing is taken yet: what has arrived by now is all that may.
            head = await it.reader.readexactly(HEAD.size)
            _, kind, length = HEAD.unpack(head)
            got += await it.reader.readexactly(length)
            seen += HEAD.size + length
            assert kind == DATA
            assert seen <= WINDOW
            if seen > WINDOW - 1100:  # less than one more frame fits
                it.say(OURSELVES, TAKEN, COUNT.pack(seen))
                seen = 0
        assert got == whole


async def test_what_the_guest_notes_and_logs_is_kept(tmp_path: Path) -> None:
    async with guest(tmp_path / "log") as it:
        it.say(OURSELVES, LOG, b"a line\n")
        it.say(OURSELVES, NOTE, json.dumps({"boot_id": "one"}).encode())
        await it.heard()
        assert it.line.notes == {"boot_id": "one"}
        assert (tmp_path / "log").read_bytes() == b"a line\n"


async def test_orders_about_the_clock_reach_the_guest(tmp_path: Path) -> None:
    async with guest(tmp_path / "log") as it:
        await it.heard()
        it.line.clock(-90.0, synchronised=True)
        channel, kind, data = await it.frame()
        assert (channel, kind) == (OURSELVES, DATA)
        assert json.loads(data) == {"step_s": -90.0, "synchronised": True}
