"""A gateway's cloud side without its doors: store and link, for tests of `gateway.sync`."""

from __future__ import annotations

import asyncio
import contextlib
import secrets  # noqa: TID251 - nonces of a real connection, which nobody repeats
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from gateway.domain.events import EventType, Fact
from gateway.domain.instant import ClockTrust
from gateway.kit.clock import SystemClock
from gateway.store import events
from gateway.store.database import Store, open_store
from gateway.store.keyring import Keyring
from gateway.sync.link import Broker, CloudLink, Pace
from gateway.sync.presence import Identity

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

GATEWAY = "gw-test"
KEY = Keyring(bytes(range(32)))
PACE = Pace(
    first_retry_s=(0.05, 0.2),
    retry_cap_s=0.5,
    hello_every_s=2.0,
    backlog_per_s=200.0,
    reported_gap_s=0.05,
)


@dataclass
class House:
    store: Store
    link: CloudLink
    clock: SystemClock

    async def happen(self, count: int = 1, kind: EventType = EventType.LOCK_UNLOCKED) -> None:
        """Write that many events, each in a transaction of its own."""
        for number in range(count):
            fact = Fact(kind, self.clock.now(), body={"number": number})
            await self.store.submit(partial(events.append, fact=fact, trust=self.clock.trust))


@asynccontextmanager
async def house(
    folder: Path,
    port: int,
    *,
    accept_unsigned: bool = True,
    trust: ClockTrust = ClockTrust.TRUSTED,
    pace: Pace = PACE,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[House]:
    """A gateway named `GATEWAY`, linked to the broker on `port` while the context lasts."""
    clock = SystemClock(trust)
    async with open_store(folder / "state.db", clock) as store:
        link = CloudLink(
            Broker("127.0.0.1", port, tls),
            Identity(GATEWAY, store.opened.epoch, "test"),
            store=store,
            keyring=KEY,
            clock=clock,
            random=Random(7),
            new_nonce=lambda: secrets.token_urlsafe(8),
            accept_unsigned=accept_unsigned,
            pace=pace,
        )
        running = asyncio.create_task(link.run(), name="link")
        try:
            yield House(store, link, clock)
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
