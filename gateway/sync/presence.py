"""Who we are, that we are there, and how far we have come: birth, will and hello.

Here: the messages and the nonces given out in them. Not here: when a connection is made (`link`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.store import events, meta, withhold
from gateway.sync import telling
from gateway.sync.connection import Connection, Will
from gateway.sync.messages import SCHEMA_RANGE
from gateway.sync.reports import (
    HeldRemoval,
    Hello,
    HelloClock,
    HelloEvents,
    Presence,
    SchemaRange,
)
from gateway.sync.signals import Signal
from gateway.sync.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.kit.clock import Clock
    from gateway.store.database import Store
    from gateway.timekeeping.witness import Witness

NONCE_LIFE_S: Final = 90.0
"""How long a command may echo a hello's nonce, by monotonic time."""

HELLO_PAUSE_S: Final = 1.0
"""From one hello to the next. What a hello brings, the whole schedule in a hundred parts, may ask
for the next: without a pause the two sides would talk of nothing else."""

HELD_LISTED: Final = 100
"""Held removals named in one hello; `held_count` has them all."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What does not change while the daemon runs."""

    gateway_id: str
    epoch: str
    software: str
    boot: int | None = None
    """Which start of the daemon this is."""


class Herald:
    """Says hello: every period, and when the schedule or our wish changes."""

    def __init__(
        self,
        identity: Identity,
        store: Store,
        clock: Clock,
        new_nonce: Callable[[], str],
        *,
        every_s: float,
        witness: Witness | None = None,
    ) -> None:
        self.identity = identity
        self._witness = witness
        self._store = store
        self._clock = clock
        self._new_nonce = new_nonce
        self._every_s = every_s
        self._topics = Topics(identity.gateway_id)
        self._due = Signal(clock)
        self._nonces: deque[tuple[float, str]] = deque(maxlen=round(NONCE_LIFE_S / HELLO_PAUSE_S))
        self._wants_snapshot = False

    def wake(self) -> None:
        self._due.set()

    def want_snapshot(self, wanted: bool) -> None:
        """Ask for the whole schedule, in each hello until it came."""
        if wanted or self._wants_snapshot:
            self._due.set()
        self._wants_snapshot = wanted

    def given_at(self, nonce: str | None) -> float | None:
        """When the nonce was given out, by monotonic time; None if longer ago than NONCE_LIFE_S."""
        oldest = self._clock.monotonic() - NONCE_LIFE_S
        return next((at for at, known in self._nonces if at >= oldest and nonce == known), None)

    def is_fresh(self, nonce: str | None) -> bool:
        """Whether the nonce was given out at most `NONCE_LIFE_S` ago."""
        return self.given_at(nonce) is not None

    def will(self, connection: int) -> Will:
        return Will(self._topics.up("presence"), self._presence(connection, online=False))

    async def birth(self, connection: Connection, number: int) -> None:
        await connection.publish(
            self._topics.up("presence"), self._presence(number, online=True), retain=True
        )

    async def farewell(self, connection: Connection, number: int) -> None:
        """An orderly end: the same as the will, without its delay."""
        await connection.publish(
            self._topics.up("presence"), self._presence(number, online=False), retain=True
        )

    async def run(self, connection: Connection, number: int) -> None:
        self._due.set()
        said_at = float("-inf")
        while True:
            await self._due.wait(self._every_s)
            if (early_s := said_at + HELLO_PAUSE_S - self._clock.monotonic()) > 0:
                await self._clock.sleep(early_s)
            hello = await self._hello(number)
            await connection.publish(
                self._topics.up("hello"), telling.encode(hello), expiry_s=round(self._every_s * 2)
            )
            said_at = self._clock.monotonic()

    def _presence(self, connection: int, *, online: bool) -> bytes:
        return telling.encode(
            Presence(online=online, connection=connection, epoch=self.identity.epoch)
        )

    def _time(self) -> HelloClock:
        if self._witness is None:
            return HelloClock(now=self._clock.now(), trust=self._clock.trust.value)
        view = self._witness.view()
        return HelloClock(
            now=view.now,
            trust=view.trust.value,
            source=None if view.source is None else view.source.value,
            error_ms=view.error_ms,
            floor=view.floor,
            boot=self.identity.boot,
            uptime_s=round(view.uptime_s, 1),
        )

    async def _hello(self, number: int) -> Hello:
        (revision,), (digest,), (head,), (through,) = await self._store.snapshot(
            meta.revision(), meta.schedule_hash(), events.head(), events.watermark()
        )
        (change,), (kept,) = await self._store.snapshot(meta.change(), withhold.held())
        removals = withhold.loads(kept)
        nonce = self._new_nonce()
        self._nonces.append((self._clock.monotonic(), nonce))
        return Hello(
            gateway_id=self.identity.gateway_id,
            epoch=self.identity.epoch,
            connection=number,
            software=self.identity.software,
            schemas=SchemaRange(min=SCHEMA_RANGE[0], max=SCHEMA_RANGE[1]),
            clock=self._time(),
            nonce=nonce,
            revision=revision,
            hash=digest or telling.EMPTY_HASH,
            held_removals=tuple(
                HeldRemoval(
                    credential_id=item.credential_id,
                    device_id=item.device_id,
                    revision=item.revision,
                    version=item.version,
                )
                for item in removals[:HELD_LISTED]
            ),
            held_count=len(removals),
            events=HelloEvents(head=head, through=through),
            change=change,
            want="snapshot" if self._wants_snapshot else None,
        )
