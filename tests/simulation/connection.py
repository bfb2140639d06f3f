"""One connection of the gateway to the simulated broker, as the gateway holds it.

Here: the `Connection` of `gateway.sync.connection`: what waits for a PUBACK, what arrived, how it
ends. Not here: whether and when a message arrives (`broker`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from gateway.errors import CloudUnavailable
from gateway.sync.connection import Delivery, Endpoint, Will
from gateway.sync.mqtt import RECEIVE_MAXIMUM, SEND_WINDOW

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.simulation.broker import SimBroker

MISSED_KEEPALIVES: Final = 1.5
"""After so many keepalive periods of silence both ends give a connection up (MQTT 5, 3.1.2.10)."""


class SimConnection:
    """A `Connection` of one life, and what the broker knows of it."""

    peer_address = "127.0.0.1"
    """So that unsigned orders are taken."""

    def __init__(self, broker: SimBroker, life: int, endpoint: Endpoint) -> None:
        self.life = life
        self.will: Will | None = endpoint.will
        self.limit_s = MISSED_KEEPALIVES * endpoint.keepalive_s
        self.lost: CloudUnavailable | None = None
        self.silent = False
        """Nothing that is on its way will arrive."""
        self.silent_until = 0.0
        self.last_up = 0.0
        self._broker = broker
        self._loop = asyncio.get_running_loop()
        self._window = asyncio.Semaphore(SEND_WINDOW)
        self._pending: dict[asyncio.Future[bool], None] = {}
        self._inbox: deque[Delivery] = deque()
        self._waiting: deque[tuple[str, bytes, bool]] = deque()
        self._unacknowledged = 0
        self._arrival: asyncio.Future[None] | None = None

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        expiry_s: int | None = None,
        correlation: bytes | None = None,
    ) -> bool:
        async with self._window:
            if self.lost is not None:
                raise self.lost
            answer: asyncio.Future[bool] = self._loop.create_future()
            self._pending[answer] = None
            try:
                self._broker.accept(self, topic, payload, retain, answer)
                return await answer
            finally:
                self._pending.pop(answer, None)

    async def deliveries(self) -> AsyncIterator[Delivery]:
        while True:
            if self.lost is not None:
                raise self.lost
            if self._inbox:
                yield self._inbox.popleft()
            else:
                self._arrival = self._loop.create_future()
                await self._arrival

    def take(self, topic: str, payload: bytes, retained: bool) -> None:
        """From the broker; beyond the client's Receive Maximum it waits there."""
        if self._unacknowledged >= RECEIVE_MAXIMUM:
            self._waiting.append((topic, payload, retained))
            return
        self._unacknowledged += 1
        self._inbox.append(Delivery(topic, payload, retained, self._acknowledged))
        self._wake()

    def _acknowledged(self) -> None:
        if self.lost is not None:
            return
        self._unacknowledged -= 1
        if self._waiting:
            self.take(*self._waiting.popleft())

    def lose(self, why: str) -> None:
        """The end: whoever waits learns at once."""
        self.lost = CloudUnavailable(why)
        for answer in self._pending:
            if not answer.done():
                answer.set_exception(self.lost)
                answer.exception()  # retrieved: whoever waited may have left already
        self._wake()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)


def answered(future: asyncio.Future[Any], value: object) -> None:
    if not future.done():
        future.set_result(value)
