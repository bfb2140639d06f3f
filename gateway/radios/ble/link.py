"""One open link to a device: bytes in and out, in order, each under a deadline.

Here: `GattLink` over a bleak client, and establishing one. Not here: who may have a link and how
long it stays open (`adapter`, `radio`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bleak.exc import BleakCharacteristicNotFoundError, BleakGATTProtocolError
from bleak_retry_connector import BleakClientWithServiceCache, establish_connection

from gateway.errors import RadioUnavailable, Unreachable
from gateway.radios.ble.plain import LIBRARY_ERRORS, cause_of, connecting_errors, lost, refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from bleak import BleakClient
    from bleak.backends.characteristic import BleakGATTCharacteristic
    from bleak.backends.device import BLEDevice

ATTEMPTS = 3
"""For each adapter and `connect`; errors known to pass by themselves are not counted."""
ATTEMPT_S = 15.0
"""One attempt: a lock that advertises every few seconds was met by then, and others wait."""
CLOSE_S = 12.0
"""bleak waits up to 10 s for BlueZ to say that a device is gone."""
INBOX = 1024
"""Notifications nobody has read. A lock's longest answer is a few hundred; more is a fault."""


@dataclass(slots=True)
class Gate:
    """What the attempts of one `establish` share. `turn`: the permission to connect, for one."""

    turn: Callable[[], AbstractAsyncContextManager[None]]
    attempt_s: float = ATTEMPT_S
    clients: list[BleakClient] = field(default_factory=list)


class _Client(BleakClientWithServiceCache):
    """bleak's client, which waits for its turn before each attempt and gives up after its time.

    bleak-retry-connector makes the attempts; the turn is taken for one of them, so that a device
    that does not answer keeps the others waiting no longer than that.
    """

    def __init__(self, device: BLEDevice, *, gate: Gate, **arguments: Any) -> None:
        super().__init__(device, **arguments)
        self._gate = gate
        gate.clients.append(self)

    async def connect(self, **arguments: Any) -> None:
        arguments["timeout"] = self._gate.attempt_s
        async with self._gate.turn(), asyncio.timeout(self._gate.attempt_s):
            await super().connect(**arguments)


class Link:
    """`GattLink`. `ended` is called once, when the adapter's place is free again.

    A lost link stays lost. An operation that was not over in time, or was cancelled, loses it as
    well: BlueZ keeps the link's only channel for a cancelled operation for up to 30 s, and the
    answer to it would be taken for the next one's.
    """

    def __init__(
        self, address: str, ended: Callable[[Link], None], heard: Callable[[], None]
    ) -> None:
        self.address = address
        self._ended = ended
        self._heard = heard
        self._client: BleakClient | None = None
        self._clients: list[BleakClient] = []
        self._lost: str | None = None
        self._running: set[asyncio.Timeout] = set()
        self._closing: asyncio.Task[None] | None = None
        self._inbox: deque[tuple[str, bytes]] = deque()
        self._news = asyncio.Event()
        self._listening: set[str] = set()
        self.incomplete = False
        """The device did not show a characteristic that was asked for."""

    # ── for the adapter ─────────────────────────────────────────────────────────────────────

    async def establish(
        self, device: BLEDevice, arguments: Mapping[str, Any], gate: Gate, *, cached: bool
    ) -> None:
        """`cached`: services that the stack remembers may be believed.

        Raises `Unreachable` or `RadioUnavailable`; the caller then calls `end`.
        """
        what = f"connect to {self.address}"
        limit = asyncio.timeout(None)
        self._clients = gate.clients
        self._running.add(limit)
        try:
            with connecting_errors(what):
                async with limit:
                    client = await establish_connection(
                        _Client,
                        device,
                        self.address,
                        self._disconnected,
                        max_attempts=ATTEMPTS,
                        use_services_cache=cached,
                        gate=gate,
                        **arguments,
                    )
        except (Unreachable, RadioUnavailable) as error:
            if self._lost is None:
                raise
            # Only the adapter ends a link that is not established yet: it went away.
            raise RadioUnavailable(f"could not {what}: {self._lost}") from error
        finally:
            self._running.discard(limit)
        self._client = client
        if not client.is_connected:
            raise Unreachable(f"could not {what}: the device closed the connection at once")

    def end(self, reason: str) -> None:
        """From now on it is lost; the connection is closed in the background. Idempotent."""
        if self._lost is not None:
            return
        self._lost = reason
        self._news.set()
        now = asyncio.get_running_loop().time()
        for limit in self._running:
            if not limit.expired():
                limit.reschedule(now)  # whoever waits for the device has waited long enough
        self._closing = asyncio.create_task(self._close(), name=f"hang up {self.address}")

    async def closed(self) -> None:
        """Until the place is free, after `end`."""
        if self._closing is not None:
            await asyncio.wait({self._closing})

    def give_up(self) -> None:
        """Closing has taken too long: it is left to the system."""
        if self._closing is not None:
            self._closing.cancel()

    # ── GattLink ────────────────────────────────────────────────────────────────────────────

    @property
    def connected(self) -> bool:
        return self._lost is None and self._client is not None and self._client.is_connected

    async def write(
        self, characteristic: str, data: bytes, *, response: bool, deadline_s: float
    ) -> None:
        what = f"write to {self.address}"
        async with self._operation(what, deadline_s, changes=True) as client:
            await client.write_gatt_char(characteristic, data, response=response)

    async def read(self, characteristic: str, *, deadline_s: float) -> bytes:
        async with self._operation(f"read from {self.address}", deadline_s) as client:
            return bytes(await client.read_gatt_char(characteristic))

    async def listen(self, characteristic: str, *, deadline_s: float) -> None:
        if characteristic in self._listening and self.connected:
            return
        async with self._operation(f"listen to {self.address}", deadline_s) as client:
            await client.start_notify(characteristic, self._notified)
        self._listening.add(characteristic)

    async def receive(self, *, deadline_s: float) -> tuple[str, bytes]:
        what = f"hear from {self.address}"
        try:
            async with asyncio.timeout(deadline_s):
                while not self._inbox:
                    self._must_be_open(what)
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            raise Unreachable(f"could not {what}: nothing came in {deadline_s:g} s") from error
        return self._inbox.popleft()

    def drain(self) -> None:
        self._inbox.clear()

    # ── inside ──────────────────────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def _operation(
        self, what: str, deadline_s: float, *, changes: bool = False
    ) -> AsyncIterator[BleakClient]:
        client = self._must_be_open(what)
        limit = asyncio.timeout(deadline_s)
        self._running.add(limit)
        try:
            try:
                async with limit:
                    yield client
            finally:
                self._running.discard(limit)
        except BleakGATTProtocolError as error:
            self._heard()  # a refusal is an answer, and leaves the link as it was
            raise refused(what, error) from error
        except BleakCharacteristicNotFoundError as error:
            # BlueZ says "services resolved" too early at times (bluez/bluez#1489).
            self.incomplete = True
            self.end("it did not show all its services")
            raise Unreachable(
                f"could not {what}: it has no characteristic {error.char_specifier}"
            ) from error
        except LIBRARY_ERRORS as error:
            before = self._lost
            self.end("an operation failed, so the link cannot be trusted any more")
            raise lost(what, before or cause_of(error), changes=changes) from error
        except asyncio.CancelledError:
            self.end("an operation was broken off")
            raise
        self._heard()

    def _must_be_open(self, what: str) -> BleakClient:
        if self._lost is None and self._client is not None:
            if self._client.is_connected:
                return self._client
            self.end("the connection was lost")
        raise Unreachable(f"could not {what}: {self._lost or 'it is not connected'}")

    def _notified(self, sender: BleakGATTCharacteristic, data: bytearray) -> None:
        self._heard()
        if len(self._inbox) >= INBOX:
            self.end("it sends more than anybody reads")
            return
        self._inbox.append((sender.uuid.lower(), bytes(data)))
        self._news.set()

    def _disconnected(self, client: BleakClient) -> None:
        """Called by bleak, for attempts that failed as well."""
        if client is self._client and not client.is_connected:
            self.end("the connection was lost")

    async def _close(self) -> None:
        try:
            for client in self._clients:
                await _hang_up(client)
        finally:
            self._ended(self)


async def _hang_up(client: BleakClient) -> None:
    """Also after a loss: it is what releases the client's own connection to the system."""
    with suppress(*LIBRARY_ERRORS):
        async with asyncio.timeout(CLOSE_S):
            await client.disconnect()
