"""Events to the cloud in two lanes: what just happened at once, what it missed paced.

The store's events are the outbox. Nothing leaves it because a broker acknowledged it: only the
cloud's own watermark does, and until then it is said again, with growing pauses, while somebody
is there to hear it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.store import events
from gateway.sync import telling
from gateway.sync.backoff import Patience
from gateway.sync.reports import EventBatch, EventModel
from gateway.sync.signals import Signal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway.kit.clock import Clock
    from gateway.store.database import Store
    from gateway.store.tx import Select
    from gateway.sync.connection import Connection
    from gateway.sync.topics import Topics

BATCH_EVENTS: Final = 200
BATCH_BYTES: Final = 100_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Events to send, both ends included. `again`: although the cloud said that it has some."""

    low: int
    high: int
    again: bool = False


class EventSender:
    """One for the life of the link; `run` once per connection."""

    def __init__(
        self, store: Store, clock: Clock, topics: Topics, epoch: str, *, pace_per_s: float
    ) -> None:
        self._store = store
        self._clock = clock
        self._topic = topics.up("events")
        self._epoch = epoch
        self._pause_s = 1.0 / pace_per_s
        self._fresh = Signal(clock)
        self._overdue = Signal(clock)
        self._patience = Patience(clock.monotonic())
        self._wanted: list[Wanted] = []
        self._sent_through = 0
        self._watermark = 0

    def wake(self) -> None:
        """There may be new events."""
        self._fresh.set()

    def acknowledged(self, through: int, wanted: Iterable[tuple[int, int]]) -> None:
        """The cloud's word: its watermark (stored already), and ranges it lacks."""
        self._patience.heard()
        if through > self._watermark:
            self._watermark = through
            self._patience.progress(self._clock.monotonic())
        asked = [Wanted(low, high, again=low <= self._watermark) for low, high in wanted]
        if asked:
            self._wanted = asked
        self._overdue.set()

    async def run(self, connection: Connection) -> None:
        self._watermark = await self._one(events.watermark())
        head = await self._one(events.head())
        self._sent_through = head
        self._wanted = [Wanted(self._watermark + 1, head)]
        self._patience.progress(self._clock.monotonic())
        self._fresh.set()
        self._overdue.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._live(connection), name="events-live")
            group.create_task(self._backlog(connection), name="events-backlog")

    async def _live(self, connection: Connection) -> None:
        """What happens from now on, at once."""
        while True:
            await self._fresh.wait()
            while rows := self._store.peek(events.events_after(self._sent_through, BATCH_EVENTS)):
                if self._sent_through <= self._watermark:
                    self._patience.progress(self._clock.monotonic())
                for batch in batches(map(telling.event, rows)):
                    await self._publish(connection, batch)
                self._sent_through = rows[-1].seq
                self._overdue.set()

    async def _backlog(self, connection: Connection) -> None:
        """What was asked for, and what nobody confirmed: oldest first, paced."""
        while True:
            while self._wanted:
                await self._resend(connection, self._wanted.pop(0))
            unproven = self._watermark < self._sent_through
            now = self._clock.monotonic()
            if unproven and self._patience.exhausted(now):
                self._wanted = [Wanted(self._watermark + 1, self._sent_through)]
                continue
            await self._overdue.wait(self._patience.remaining(now) if unproven else None)

    async def _resend(self, connection: Connection, wanted: Wanted) -> None:
        low, high = wanted.low, min(wanted.high, self._sent_through)
        while low <= high:
            if not wanted.again:
                low = max(low, self._watermark + 1)
            last = min(low + BATCH_EVENTS - 1, high)
            rows = await self._store.fetch(events.events_between(low, last))
            for batch in batches(map(telling.event, rows)):
                heard = await self._publish(connection, batch)
                await self._clock.sleep(self._pause_s)
                if not heard:
                    return  # the broker says that nobody listens: wait, then try again
            low = last + 1

    async def _publish(self, connection: Connection, batch: list[EventModel]) -> bool:
        message = EventBatch(epoch=self._epoch, events=tuple(batch))
        return await connection.publish(self._topic, telling.encode(message))

    async def _one(self, select: Select[int]) -> int:
        return await self._store.fetch_one(select) or 0


def batches(models: Iterable[EventModel]) -> Iterator[list[EventModel]]:
    """In order, none above `BATCH_EVENTS` or (unless a single event is) `BATCH_BYTES`."""
    batch: list[EventModel] = []
    size = 0
    for model in models:
        length = len(telling.encode(model)) + 1
        if batch and (len(batch) >= BATCH_EVENTS or size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(model)
        size += length
    if batch:
        yield batch
