"""A running link over lines without a network, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

from gateway.domain.ids import CommandId
from gateway.store import journal
from gateway.store.keyring import Keyring
from gateway.sync.link import Broker, CloudLink
from gateway.sync.presence import Identity
from gateway.sync.topics import Topics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.kit.clock import Clock
    from gateway.store.database import Store
    from gateway.timekeeping.witness import Witness
    from tests.unit.sync.line import Exchange

TOPICS = Topics("gw")


class Link:
    """A running link and the exchange it connects through."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        exchange: Exchange,
        *,
        witness: Witness | None = None,
        unsigned: bool = True,
    ) -> None:
        nonces = itertools.count()
        self._store = store
        self.exchange = exchange
        self.link = CloudLink(
            Broker("broker.example", 8883),
            Identity("gw", store.opened.epoch, "1.0"),
            store=store,
            keyring=Keyring(bytes(32)),
            clock=clock,
            random=Random(3),
            new_nonce=lambda: f"nonce-{next(nonces)}",
            accept_unsigned=unsigned,
            connector=exchange,
            witness=witness,
        )

    async def known(self, command_id: str) -> bool:
        """Whether the command is in the journal."""
        return await self._store.fetch_one(journal.command(CommandId(command_id))) is not None

    async def answer(self, command_id: str) -> object:
        row = await self._store.fetch_one(journal.command(CommandId(command_id)))
        return None if row is None else row.result

    def order(self, leaf: str, number: int = -1, *, retained: bool = False, **fields: Any) -> None:
        payload = json.dumps({"schema": 1, **fields}).encode()
        self.exchange.lines[number].feed(TOPICS.down(leaf), payload, retained=retained)


@asynccontextmanager
async def running(link: Link) -> AsyncIterator[Link]:
    task = asyncio.create_task(link.link.run())
    try:
        yield link
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
