"""How devices and grants stand, to the cloud: what changed, or everything on request.

The cloud's word for what it has is a value of the change counter, kept in `meta`. The first change
goes out at once; what follows within the gap goes together.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from gateway.store import devices, meta, readings, reported
from gateway.sync import telling
from gateway.sync.backoff import Patience
from gateway.sync.reports import DeviceModel, GrantModel, Reported
from gateway.sync.signals import Signal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.domain.ids import DeviceId
    from gateway.kit.clock import Clock
    from gateway.store.database import Store
    from gateway.store.devices import DeviceRow
    from gateway.store.readings import ReadingRow
    from gateway.store.reported import GrantRow
    from gateway.store.tx import Tx
    from gateway.sync.connection import Connection
    from gateway.sync.topics import Topics

CHUNK_BYTES: Final = 100_000

REPORTED: Final = "reported_through"
"""Key in `meta`: the change up to which the cloud has everything."""

Item = DeviceModel | GrantModel


class ReportSender:
    """One for the life of the link; `run` once per connection."""

    def __init__(
        self, store: Store, clock: Clock, topics: Topics, epoch: str, *, gap_s: float
    ) -> None:
        self._store = store
        self._clock = clock
        self._topic = topics.up("reported")
        self._epoch = epoch
        self._gap_s = gap_s
        self._due = Signal(clock)
        self._patience = Patience(clock.monotonic())
        self._acknowledged = 0
        self._sent = 0
        self._whole = False

    def wake(self) -> None:
        self._due.set()

    def acknowledged(self, through: int | None, *, whole: bool) -> None:
        """The cloud's word (stored already), and whether it wants everything again."""
        self._patience.heard()
        if through is not None and through > self._acknowledged:
            self._acknowledged = through
            self._patience.progress(self._clock.monotonic())
        if whole:
            self._whole = True
            self._due.set()

    async def run(self, connection: Connection) -> None:
        self._acknowledged = await self._store.fetch_one(meta.integer(REPORTED)) or 0
        self._sent = self._acknowledged
        self._due.set()
        while True:
            unproven = self._acknowledged < self._sent
            remaining = self._patience.remaining(self._clock.monotonic())
            await self._due.wait(remaining if unproven else None)
            if not unproven:
                self._patience.progress(self._clock.monotonic())
            elif self._patience.exhausted(self._clock.monotonic()):
                self._sent = self._acknowledged
            whole, self._whole = self._whole, False
            if await self._report(connection, 0 if whole else self._sent, whole=whole):
                await self._clock.sleep(self._gap_s)

    async def _report(self, connection: Connection, since: int, *, whole: bool) -> bool:
        """Whether there was anything to say."""
        (change,), device_rows, grant_rows, told = await self._store.snapshot(
            meta.change(),
            devices.devices_changed_since(since),
            reported.grants_changed_since(since),
            readings.of_changed_devices(since),
        )
        if not (whole or device_rows or grant_rows):
            return False
        # Thousands of grants take most of a second: beside the loop.
        chunks = await asyncio.to_thread(
            lambda: list(_chunks(device_rows, grant_rows, told)) or [[]]
        )
        for number, chunk in enumerate(chunks, start=1):
            message = Reported(
                epoch=self._epoch,
                since=since,
                change=change,
                whole=whole,
                chunk=number,
                chunks=len(chunks),
                devices=tuple(item for item in chunk if isinstance(item, DeviceModel)),
                grants=tuple(item for item in chunk if isinstance(item, GrantModel)),
            )
            await connection.publish(self._topic, telling.encode(message))
        self._sent = max(self._sent, change)
        return True


def set_reported(tx: Tx, through: int) -> bool:
    """Keep the cloud's word; False for one that is not ahead of the last, or of what exists."""
    if not (tx.one(meta.integer(REPORTED)) or 0) < through <= (tx.one(meta.change()) or 0):
        return False
    meta.put(tx, REPORTED, through)
    return True


def _chunks(
    device_rows: list[DeviceRow], grant_rows: list[GrantRow], told: list[ReadingRow]
) -> Iterator[list[Item]]:
    by_device: dict[DeviceId, list[ReadingRow]] = defaultdict(list)
    for reading in told:
        by_device[reading.device_id].append(reading)
    items: list[Item] = [
        *(telling.device(row, by_device.get(row.device_id, ())) for row in device_rows),
        *map(telling.grant, grant_rows),
    ]
    chunk: list[Item] = []
    size = 0
    for item in items:
        length = len(telling.encode(item)) + 1
        if chunk and size + length > CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += length
    if chunk:
        yield chunk
