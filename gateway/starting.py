"""What the ledger says of a start of the daemon. Not here: putting its parts together (`app`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from gateway import __version__
from gateway.domain.events import EventType, Fact, Value
from gateway.errors import StoreFull
from gateway.store import events, meta

if TYPE_CHECKING:
    from gateway.kit.clock import Clock
    from gateway.store.database import Store
    from gateway.store.tx import Tx

log = structlog.get_logger()


async def note_start(store: Store, clock: Clock) -> int:
    """The number of this start. A full disk does not count it: codes must go all the same."""
    now, trust, aside = clock.now(), clock.trust, store.opened.set_aside

    def write(tx: Tx) -> int:
        boot = meta.next_boot(tx)
        body: dict[str, Value] = {"version": __version__, "boot": boot}
        events.append(tx, Fact(EventType.GATEWAY_STARTED, now, body=body), trust)
        if aside is not None:
            told: dict[str, Value] = {"set_aside": aside.name}
            events.append(tx, Fact(EventType.GATEWAY_STORE_RESET, now, body=told), trust)
        return boot

    if aside is not None:
        log.error(
            "the database was damaged and is set aside; no lock is written to until a schedule"
            " arrives",
            set_aside=str(aside),
        )
    try:
        return await store.submit(write)
    except StoreFull as error:
        log.error("could not note this start", cause=str(error))
        return (await store.fetch_one(meta.boot_counter()) or 0) + 1
