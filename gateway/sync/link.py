"""The link to the cloud: connect, run the parts, lose it, wait, again. What the app composes.

Here: the life of connections and what `status` is told of them. Not here: any message.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from gateway.errors import CloudUnavailable, StoreBusy, StoreFull
from gateway.store import meta
from gateway.sync import mqtt
from gateway.sync.backoff import Reconnect
from gateway.sync.connection import Connection, Connector, Endpoint, is_loopback
from gateway.sync.event_sender import EventSender
from gateway.sync.inbound import Inbound
from gateway.sync.presence import Herald, Identity
from gateway.sync.report_sender import ReportSender
from gateway.sync.result_sender import ResultSender
from gateway.sync.topics import Topics

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from random import Random

    from gateway.domain.instant import Instant
    from gateway.kit.clock import Clock
    from gateway.store.database import Store
    from gateway.store.keyring import Keyring
    from gateway.store.tx import Tx
    from gateway.timekeeping.witness import Witness

log = structlog.get_logger()

CONNECTIONS: Final = "connections"
"""Key in `meta`: how many connections were ever made."""
STORE_RETRY_S: Final = 10.0
"""Until the store is asked again whether it can write: that troubles no broker."""


@dataclass(frozen=True, slots=True)
class LinkState:
    """`reason`: why it is down, for people; "" while connected."""

    connected: bool
    since: Instant
    reason: str


@dataclass(frozen=True, slots=True)
class Pace:
    """Tempers, as plain numbers so that tests and the demo can hurry."""

    first_retry_s: tuple[float, float] = (1.0, 5.0)
    retry_cap_s: float = 600.0
    hello_every_s: float = 60.0
    backlog_per_s: float = 20.0
    reported_gap_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the cloud's broker is, and how we prove who we are to it."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    keepalive_s: int = 30

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class CloudLink:
    """`run` until cancelled. `accept_unsigned`: take unsigned orders if the peer is loopback."""

    def __init__(
        self,
        broker: Broker,
        identity: Identity,
        *,
        store: Store,
        keyring: Keyring,
        clock: Clock,
        random: Random,
        new_nonce: Callable[[], str],
        accept_unsigned: bool = False,
        pace: Pace | None = None,
        connector: Connector | None = None,
        witness: Witness | None = None,
    ) -> None:
        pace = pace or Pace()
        topics = Topics(identity.gateway_id)
        self._broker = broker
        self._topics = topics
        self._store = store
        self._clock = clock
        self._connector = connector or functools.partial(mqtt.connect, clock=clock)
        self._accept_unsigned = accept_unsigned
        self._reconnect = Reconnect(random, pace.first_retry_s, pace.retry_cap_s)
        self._herald = Herald(
            identity, store, clock, new_nonce, every_s=pace.hello_every_s, witness=witness
        )
        self._events = EventSender(
            store, clock, topics, identity.epoch, pace_per_s=pace.backlog_per_s
        )
        self._reports = ReportSender(
            store, clock, topics, identity.epoch, gap_s=pace.reported_gap_s
        )
        self._results = ResultSender(store, clock, topics, identity.epoch)
        self._inbound = Inbound(
            identity,
            store,
            keyring,
            clock,
            herald=self._herald,
            events=self._events,
            reports=self._reports,
            results=self._results,
            witness=witness,
        )
        self._state = LinkState(connected=False, since=clock.now(), reason="not connected yet")

    @property
    def state(self) -> LinkState:
        return self._state

    async def run(self) -> None:
        """Forever. Only faults of ours and an unusable store come out."""
        leave = self._store.subscribe(self._on_change)
        try:
            while True:
                began = self._clock.monotonic()
                try:
                    await self._one_life()
                except CloudUnavailable as error:
                    self._down(str(error))
                except (StoreFull, StoreBusy) as error:
                    self._down(str(error))
                    await self._clock.sleep(STORE_RETRY_S)
                    continue
                self._reconnect.lasted(self._clock.monotonic() - began)
                await self._clock.sleep(self._reconnect.next_wait())
        finally:
            leave()
            self._down("the gateway is stopping")

    def _on_change(self, topics: frozenset[str]) -> None:
        if "events" in topics:
            self._events.wake()
        if "commands" in topics:
            self._results.wake()
        if "schedule" in topics:
            self._herald.wake()
        if topics - {"events", "commands"}:
            self._reports.wake()

    async def _one_life(self) -> None:
        number = await self._store.submit(_next_connection)
        endpoint = Endpoint(
            host=self._broker.host,
            port=self._broker.port,
            client_id=self._topics.gateway_id,
            subscribe=self._topics.down_filter,
            will=self._herald.will(number),
            tls=self._broker.tls,
            username=self._broker.username,
            password=self._broker.password,
            keepalive_s=self._broker.keepalive_s,
        )
        async with self._connector(endpoint) as connection:
            unsigned = self._accept_unsigned and is_loopback(connection.peer_address)
            self._up(connection, unsigned=unsigned)
            try:
                await self._herald.birth(connection, number)
                await self._work(connection, number, unsigned=unsigned)
            except asyncio.CancelledError:
                with contextlib.suppress(CloudUnavailable, TimeoutError):
                    async with asyncio.timeout(1):  # we are asked to stop: no longer than this
                        await self._herald.farewell(connection, number)
                raise

    async def _work(self, connection: Connection, number: int, *, unsigned: bool) -> None:
        """Until the connection ends.

        In a task of its own: a group in which something failed forgets that it was cancelled
        meanwhile, and a link that is to stop would connect again.
        """
        working = asyncio.create_task(self._parts(connection, number, unsigned=unsigned))
        try:
            await asyncio.wait((working,))
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        working.result()

    async def _parts(self, connection: Connection, number: int, *, unsigned: bool) -> None:
        """Until the connection ends; the first failure ends every part."""
        lost: CloudUnavailable | None = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._inbound.run(connection, unsigned=unsigned), name="inbound")
                group.create_task(self._herald.run(connection, number), name="hello")
                group.create_task(self._events.run(connection), name="events")
                group.create_task(self._reports.run(connection), name="reported")
                group.create_task(self._results.run(connection), name="results")
        except* CloudUnavailable as group_of_losses:
            lost = _first(group_of_losses)
        # Raised here: before 3.11.4 Python wraps what leaves `except*` (python/cpython#103590).
        if lost is not None:
            raise lost

    def _up(self, connection: Connection, *, unsigned: bool) -> None:
        self._state = LinkState(connected=True, since=self._clock.now(), reason="")
        log.info(
            "connected to the cloud's broker",
            broker=str(self._broker),
            peer=connection.peer_address,
            unsigned_accepted=unsigned,
        )

    def _down(self, reason: str) -> None:
        """One line when it breaks; the attempts that follow only change the reason."""
        broke = self._state.connected
        since = self._clock.now() if broke else self._state.since
        if broke or self._state.reason == "not connected yet":
            log.warning("no connection to the cloud", broker=str(self._broker), cause=reason)
        self._state = LinkState(connected=False, since=since, reason=reason)


def _next_connection(tx: Tx) -> int:
    number = (tx.one(meta.integer(CONNECTIONS)) or 0) + 1
    meta.put(tx, CONNECTIONS, number)
    return number


def _first(group: BaseExceptionGroup[CloudUnavailable]) -> CloudUnavailable:
    """One of them: they all tell of the same end."""
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
