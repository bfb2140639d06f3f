"""A connection without a network: what was published can be looked at, what arrives is fed in."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.errors import CloudUnavailable
from gateway.sync.connection import Connection, Delivery, Endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

Json = dict[str, Any]


@dataclass
class Said:
    """One message that was published."""

    topic: str
    message: Json
    retain: bool
    correlation: bytes | None = None

    @property
    def leaf(self) -> str:
        return self.topic.rsplit("/", 1)[-1]


@dataclass
class Line:
    """A `Connection`. `heard`: whether the broker knows of a subscriber."""

    peer_address: str = "127.0.0.1"
    heard: bool = True
    said: list[Said] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    refuse: Callable[[str], Exception | None] = lambda topic: None
    _inbox: asyncio.Queue[Delivery | None] = field(default_factory=asyncio.Queue)
    _lost: bool = False

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        expiry_s: int | None = None,
        correlation: bytes | None = None,
    ) -> bool:
        if self._lost:
            raise CloudUnavailable("line cut")
        error = self.refuse(topic)
        if error is not None:
            raise error
        self.said.append(Said(topic, json.loads(payload), retain, correlation))
        return self.heard

    async def deliveries(self) -> AsyncIterator[Delivery]:
        while (delivery := await self._inbox.get()) is not None:
            yield delivery
        raise CloudUnavailable("line cut")

    def feed(self, topic: str, payload: bytes, *, retained: bool = False, **reply: Any) -> None:
        self._inbox.put_nowait(
            Delivery(topic, payload, retained, lambda: self.acknowledged.append(topic), **reply)
        )

    def cut(self) -> None:
        self._lost = True
        self._inbox.put_nowait(None)

    def of(self, leaf: str) -> list[Json]:
        return [said.message for said in self.said if said.leaf == leaf]


@dataclass
class Exchange:
    """A `Connector`: each connection it opens is a new `Line`; `down` refuses to open any."""

    lines: list[Line] = field(default_factory=list)
    endpoints: list[Endpoint] = field(default_factory=list)
    down: bool = False
    peer_address: str = "127.0.0.1"

    @asynccontextmanager
    async def __call__(self, endpoint: Endpoint) -> AsyncIterator[Connection]:
        self.endpoints.append(endpoint)
        if self.down:
            raise CloudUnavailable("could not connect: nobody there")
        self.lines.append(Line(self.peer_address))
        yield self.lines[-1]
