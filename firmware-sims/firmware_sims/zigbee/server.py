"""The two ends a host can plug into: a TCP port and a pseudo-terminal.

Here: sockets and file descriptors. Not here: what is said on them (``ash``, ``ncp``).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import tty
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from firmware_sims.zigbee.ash import AshNcp, ResetCode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from firmware_sims.zigbee.ncp import SimulatedNcp

GREETING_DELAY_S = 0.1
"""How long after a connection the NCP restarts and says so, unless the host speaks first.

zigbeed restarts with each connection, and bellows waits 2 s for it. The host needs a moment to
start listening: bellows takes an RSTACK that comes earlier for a crash."""


class _TcpLine(asyncio.Protocol):
    def __init__(self, ncp: SimulatedNcp) -> None:
        self._ncp = ncp
        self._session: AshNcp | None = None
        self._greeting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        line = cast("asyncio.Transport", transport)
        self._session = self._ncp.connect(write=line.write, drop=line.abort)
        self._greeting = asyncio.get_running_loop().call_later(
            GREETING_DELAY_S, self._ncp.reset, ResetCode.POWER_ON
        )

    def data_received(self, data: bytes) -> None:
        self._cancel_greeting()
        if self._session is not None:
            self._session.receive(data)

    def connection_lost(self, _: Exception | None) -> None:
        self._cancel_greeting()
        if self._session is not None:
            self._ncp.disconnect(self._session)

    def _cancel_greeting(self) -> None:
        if self._greeting is not None:
            self._greeting.cancel()
            self._greeting = None


@dataclass(frozen=True, slots=True)
class TcpServer:
    """A listening NCP."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The device path for bellows.

        ``socket://`` works as well, but bellows 1.2.1 then waits 2 s for an unasked RSTACK at
        each reset: 4 s longer to form a network, for the same bytes on the same socket.
        """
        return f"tcp://{self.host}:{self.port}"


@contextlib.asynccontextmanager
async def serve_tcp(
    ncp: SimulatedNcp, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[TcpServer]:
    """Listen until left; port 0 picks a free one. Leaving cuts the host off."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _TcpLine(ncp), host, port)
    try:
        yield TcpServer(host, server.sockets[0].getsockname()[1])
    finally:
        server.close()
        ncp.drop_connection()


class _PtyLine:
    """The NCP's end of a pseudo-terminal; the other end stays open so that hosts come and go."""

    def __init__(self, ncp: SimulatedNcp) -> None:
        self._loop = asyncio.get_running_loop()
        self._ours, self._theirs = pty.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        self.path = os.ttyname(self._theirs)
        self._waiting = bytearray()
        self._ncp = ncp
        self._closed = False
        self._session = ncp.connect(write=self._write, drop=self.close)
        self._loop.add_reader(self._ours, self._readable)

    def close(self) -> None:
        """Unplug: the host reads an end of file, and the path is gone."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._ours)
        self._loop.remove_writer(self._ours)
        self._ncp.disconnect(self._session)
        os.close(self._ours)
        os.close(self._theirs)

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._session.receive(os.read(self._ours, 4096))

    def _write(self, data: bytes) -> None:
        self._waiting += data
        self._flush()

    def _flush(self) -> None:
        if self._closed:
            return
        try:
            written = os.write(self._ours, self._waiting)
        except BlockingIOError:
            written = 0
        del self._waiting[:written]
        if self._waiting:
            self._loop.add_writer(self._ours, self._flush)
        else:
            self._loop.remove_writer(self._ours)


@dataclass(frozen=True, slots=True)
class PtyServer:
    """An NCP behind a serial port; ``path`` is the device path for bellows."""

    path: str


@contextlib.asynccontextmanager
async def serve_pty(ncp: SimulatedNcp) -> AsyncIterator[PtyServer]:
    """Offer a pseudo-terminal until left."""
    line = _PtyLine(ncp)
    try:
        yield PtyServer(line.path)
    finally:
        line.close()
