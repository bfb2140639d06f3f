"""Answers to commands. A stored answer is told once, and again whenever its command comes again."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from gateway.errors import StoreBusy, StoreFull
from gateway.store import journal
from gateway.sync import telling
from gateway.sync.connection import Connection, PublishRefused
from gateway.sync.signals import Signal

if TYPE_CHECKING:
    from gateway.domain.ids import CommandId
    from gateway.kit.clock import Clock
    from gateway.store.database import Store
    from gateway.sync.topics import Topics

log = structlog.get_logger()

MARK_AGAIN_S: Final = 5.0
"""Pause before a full or busy store is asked again to note that an answer was told."""

REMEMBERED: Final = 256
"""Reply addresses kept; a command whose address is forgotten is still answered on `up/results`."""


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """Where MQTT's own request/response wants the answer (MQTT 5, 4.10)."""

    topic: str
    correlation: bytes | None


class ResultSender:
    def __init__(self, store: Store, clock: Clock, topics: Topics, epoch: str) -> None:
        self._store = store
        self._clock = clock
        self._topic = topics.up("results")
        self._epoch = epoch
        self._due = Signal(clock)
        self._replies: OrderedDict[str, ReplyTo] = OrderedDict()

    def wake(self) -> None:
        self._due.set()

    def reply_to(self, command_id: str, reply: ReplyTo) -> None:
        self._replies[command_id] = reply
        while len(self._replies) > REMEMBERED:
            self._replies.popitem(last=False)

    async def run(self, connection: Connection) -> None:
        self._due.set()
        while True:
            await self._due.wait()
            for row in await self._store.fetch(journal.untold()):
                await self._tell(connection, row)
                await self._mark(row.command_id)

    async def _mark(self, command_id: CommandId) -> None:
        """As told, whenever the disk takes it; the connection does not suffer for it."""
        write = partial(journal.told, command_ids=(command_id,), at=self._clock.now())
        while True:
            try:
                return await self._store.submit(write)
            except (StoreFull, StoreBusy):
                await self._clock.sleep(MARK_AGAIN_S)

    async def _tell(self, connection: Connection, row: journal.CommandRow) -> None:
        payload = telling.encode(telling.command_result(row, self._epoch))
        await connection.publish(self._topic, payload)
        reply = self._replies.pop(row.command_id, None)
        if reply is None:
            return
        try:
            await connection.publish(reply.topic, payload, correlation=reply.correlation)
        except PublishRefused as error:  # an address of somebody else's choosing
            log.warning("could not answer on the response topic", cause=str(error))
