"""The line between a Bluetooth host and a virtual controller: HCI packets over a stream socket.

Here: addresses of adapters (`tcp://HOST:PORT`, `unix:///PATH`) and the host's end of the line. Not
here: the controller's end (`hub`).
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bumble.transport.common import StreamPacketSink, StreamPacketSource

if TYPE_CHECKING:
    from collections.abc import Callable


class AddressError(ValueError):
    """An adapter's address is not usable; the text says what would do."""


class _Source(StreamPacketSource):
    def __init__(self, lost: Callable[[], None]) -> None:
        super().__init__()
        self._lost = lost

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._lost()


class HciLine:
    """An open line; `lost` is called once it is gone, whoever closed it."""

    def __init__(self, source: StreamPacketSource, transport: asyncio.Transport) -> None:
        self.source = source
        self.sink = StreamPacketSink(transport)
        self._transport = transport

    def close(self) -> None:
        """At once: what was not sent yet is not sent any more."""
        self._transport.abort()


async def open_line(address: str, lost: Callable[[], None]) -> HciLine:
    """Connect to a controller; `AddressError`, or OSError when nobody listens there."""
    loop = asyncio.get_running_loop()
    parts = urlsplit(address)

    def source() -> _Source:
        return _Source(lost)

    if parts.scheme == "tcp" and parts.hostname and parts.port:
        transport, protocol = await loop.create_connection(source, parts.hostname, parts.port)
    elif parts.scheme == "unix" and parts.path:
        transport, protocol = await loop.create_unix_connection(source, str(Path(parts.path)))
    else:
        raise AddressError(f"{address!r} is not tcp://HOST:PORT or unix:///PATH")
    return HciLine(protocol, transport)
