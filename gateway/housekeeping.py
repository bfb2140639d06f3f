"""Keeping the state directory in bounds: forget what nobody may need, tell of a full disk ahead.

Here: when old rows go, when `gateway.storage_low` is raised, and when the ledger gives way. Not
here: what may be deleted at all (each part of the store knows), a disk that is full (every writer
waits for it).
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from gateway.domain.events import EventType, Fact
from gateway.domain.instant import DAY, ClockTrust, Instant
from gateway.errors import StoreBusy, StoreFull
from gateway.store import desired, events, history, journal, rules

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.kit.clock import Clock
    from gateway.store.database import Store
    from gateway.store.tx import Tx

log = structlog.get_logger()

LOOK_S = 300.0
FORGET_EVERY_S = 3600.0

SPENT_DAYS = 2
"""How long the digits of a code whose window is over are kept, sealed: were that an error of the
clock, it would have been found by then, and the code is written again."""

LOW_BYTES = 64 * 1024 * 1024
"""Less than this is told, so that somebody can make room. On a small disk: a tenth of it."""
SHED_SHARE = 4
"""Below this part of the above the ledger gives way."""
SHED_ROWS = 10_000
"""What it comes down to: some weeks of a house, about 5 MB. Never less, however full the disk is:
the space may be another program's."""
SLICE_ROWS = 1000
"""So many in one transaction: on a nearly full disk the log of a large one would not fit."""


class Usage(Protocol):
    """Bytes, as `shutil.disk_usage` tells them; `free` is what this user may still take."""

    @property
    def total(self) -> int: ...

    @property
    def free(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Kept:
    """How much acknowledged history stays on site."""

    days: int
    rows: int


class Housekeeper:
    """`run` until cancelled. `folder` is the state directory."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        folder: Path,
        kept: Kept,
        disk: Callable[[Path], Usage] = shutil.disk_usage,
    ) -> None:
        self._store = store
        self._clock = clock
        self._folder = folder
        self._kept = kept
        self._disk = disk
        self._low = False

    async def run(self) -> None:
        due = self._clock.monotonic()
        while True:
            try:
                if self._clock.monotonic() >= due:
                    await self._forget()
                    due = self._clock.monotonic() + FORGET_EVERY_S
                await self.look()
            except (StoreFull, StoreBusy) as error:
                log.warning("housekeeping waits for the store", cause=str(error))
            await self._clock.sleep(LOOK_S)

    async def look(self) -> None:
        """Is there room on the disk? Told once when it is low, and once when it no longer is."""
        usage = await asyncio.to_thread(self._disk, self._folder)
        low = min(LOW_BYTES, usage.total // 10)
        if not self._low and usage.free < low:
            await self._tell(usage)  # first: what cannot be written now is told at the next look
            self._low = True
            free_mb = usage.free // 1_000_000
            log.error("the disk is nearly full", folder=str(self._folder), free_mb=free_mb)
        elif self._low and usage.free > low + low // 4:
            log.info("the disk has room again", free_mb=usage.free // 1_000_000)
            self._low = False
        if usage.free < low // SHED_SHARE:
            await self._shed()

    async def _tell(self, usage: Usage) -> None:
        now, trust = self._clock.now(), self._clock.trust
        body = {"free_bytes": usage.free, "total_bytes": usage.total}
        fact = Fact(EventType.GATEWAY_STORAGE_LOW, now, body=body)
        await self._store.submit(lambda tx: events.append(tx, fact, trust))

    async def _shed(self) -> None:
        """What the cloud has goes first, then telemetry; what it never saw is declared a gap."""
        now, trust = self._clock.now(), self._clock.trust

        def write(tx: Tx) -> int:
            rows = tx.one(events.rows()) or 0
            return events.shed(tx, max(SHED_ROWS, rows - SLICE_ROWS), now, trust)

        gone = 0
        while some := await self._store.submit(write):
            gone += some
        if gone:
            log.error("the disk is nearly full: old events were given up", rows=gone)

    async def _forget(self) -> None:
        """What is older than it must be kept."""
        now, trust = self._clock.now(), self._clock.trust
        before = Instant(now - self._kept.days * DAY)

        def write(tx: Tx) -> None:
            events.prune(tx, before, self._kept.rows)
            journal.prune(tx, now)
            history.prune_attempts(tx, before)
            history.prune_quarantine(tx, now)
            if trust is ClockTrust.TRUSTED:
                rules.destroy_spent(tx, Instant(now - SPENT_DAYS * DAY))
            desired.forget(tx, before)

        await self._store.submit(write)
