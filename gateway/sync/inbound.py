"""What the broker delivers: checked, stored, then acknowledged. Nothing here acts or publishes.

A message that cannot be accepted is recorded and acknowledged, never retried. One that cannot be
*stored* is tried again until it can be, unacknowledged; what comes after it waits.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from gateway.domain.events import EventType, Fact, Value
from gateway.errors import MessageError, Retry, StoreClosed, StoreError
from gateway.store import events, staging
from gateway.sync import accept, orders, receiving, translate
from gateway.sync.accept import Moment
from gateway.sync.messages import Ack, CloudTime, Command, Delta, Snapshot
from gateway.sync.parse import MessageRefused, forms, inflate
from gateway.sync.receiving import Outcome
from gateway.sync.report_sender import ReportSender, set_reported
from gateway.sync.result_sender import ReplyTo, ResultSender
from gateway.sync.topics import Topics

if TYPE_CHECKING:
    from gateway.domain.schedule import CredentialSpec
    from gateway.kit.clock import Clock
    from gateway.store.database import Store
    from gateway.store.keyring import Keyring
    from gateway.store.tx import Tx
    from gateway.sync.connection import Connection, Delivery
    from gateway.sync.event_sender import EventSender
    from gateway.sync.presence import Herald, Identity
    from gateway.timekeeping.witness import Witness

log = structlog.get_logger()

STORE_RETRY_S: Final = 5.0
DESIRED_WAITING: Final = 32
"""Schedule messages in memory; while they are stored, commands pass them by."""

REFUSALS_AT_ONCE: Final = 20
REFUSAL_EVERY_S: Final = 10.0
"""Refusals recorded: a burst, then one per period. A flood must not fill the disk."""


class Inbound:
    """One for the life of the link; `run` once per connection."""

    def __init__(
        self,
        identity: Identity,
        store: Store,
        keyring: Keyring,
        clock: Clock,
        *,
        herald: Herald,
        events: EventSender,
        reports: ReportSender,
        results: ResultSender,
        witness: Witness | None = None,
    ) -> None:
        self._epoch = identity.epoch
        self._topics = Topics(identity.gateway_id)
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self._herald = herald
        self._events = events
        self._reports = reports
        self._results = results
        self._witness = witness
        self._budget = _Budget(clock)
        self.ignored_fields = 0
        """Unknown fields met so far."""

    async def run(self, connection: Connection, *, unsigned: bool) -> None:
        """`unsigned`: whether orders without a signature are accepted on this connection."""
        schedules: asyncio.Queue[Delivery] = asyncio.Queue(DESIRED_WAITING)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read(connection, schedules, unsigned=unsigned))
            group.create_task(self._read_schedules(schedules, unsigned=unsigned))

    async def _read(
        self, connection: Connection, schedules: asyncio.Queue[Delivery], *, unsigned: bool
    ) -> None:
        desired = self._topics.down("desired")
        async for delivery in connection.deliveries():
            if delivery.topic == desired:
                await schedules.put(delivery)
            else:
                await self._take(delivery, unsigned=unsigned)

    async def _read_schedules(self, schedules: asyncio.Queue[Delivery], *, unsigned: bool) -> None:
        while True:
            await self._take(await schedules.get(), unsigned=unsigned)

    async def _take(self, delivery: Delivery, *, unsigned: bool) -> None:
        """Until it is stored or refused; then the PUBACK."""
        told = False
        while True:
            try:
                try:
                    await self._handle(delivery, unsigned=unsigned)
                except MessageRefused as refusal:
                    await self._record(delivery, refusal)
            except StoreError as error:
                if error.retry is not Retry.LATER or isinstance(error, StoreClosed):
                    raise
                if not told:
                    log.error("could not store a message yet", cause=str(error))
                    told = True
                await self._clock.sleep(STORE_RETRY_S)
                continue
            delivery.ack()
            return

    async def _handle(self, delivery: Delivery, *, unsigned: bool) -> None:
        leaf = self._topics.down_leaf(delivery.topic)
        form = forms().get(leaf or "")
        if form is None:
            raise MessageRefused("no such topic here", "unknown_topic")
        if delivery.retained:
            raise MessageRefused("a retained message speaks of a stale world", "retained")
        message, ignored = form.read(delivery.payload)
        if not unsigned:
            if isinstance(message, Ack) and message.time is not None:
                await self._time(message.time, unsigned=False)  # it proves itself, or does not
            raise MessageRefused("unsigned orders are only taken on loopback", "unsigned")
        self._ignore(ignored)
        match message:
            case Command():
                await self._command(message, delivery)
            case Ack():
                await self._ack(message)
            case Delta():
                await self._delta(message)
            case Snapshot():
                await self._snapshot(message)

    # ------------------------------------------------------------------------------- by topic

    async def _command(self, command: Command, delivery: Delivery) -> None:
        if delivery.response_topic:
            reply = ReplyTo(delivery.response_topic, delivery.correlation)
            self._results.reply_to(command.command_id, reply)
        at = orders.Reception(
            self._clock.now(), self._clock.trust, fresh=self._herald.is_fresh(command.nonce)
        )
        await self._store.submit(
            lambda tx: orders.receive(tx, command, at, accept.confirm_removals)
        )

    async def _ack(self, ack: Ack) -> None:
        if ack.want_hello:
            self._herald.wake()
        if ack.epoch == self._epoch:
            through = await self._store.submit(lambda tx: _store_ack(tx, ack))
            self._events.acknowledged(through, ack.want_events)
            self._reports.acknowledged(ack.reported_through, whole=ack.want_reported)
        elif ack.epoch:  # a cloud that does not know us yet may still ask for a hello
            log.info("ignored an acknowledgement of another epoch", epoch=ack.epoch)
        if ack.time is not None:
            await self._time(ack.time, unsigned=True)

    async def _time(self, time: CloudTime, *, unsigned: bool) -> None:
        """MessageRefused for a proof that is none; what was stored before it stays."""
        if self._witness is None:
            return
        if time.proof is not None:
            try:
                await self._witness.cloud_signed(time.proof, self._herald.given_at)
            except MessageError as error:
                raise MessageRefused(str(error), error.code, path="time.proof") from error
        elif unsigned and (asked_s := self._herald.given_at(time.nonce)) is not None:
            await self._witness.cloud_unsigned(time.now, asked_s)

    async def _delta(self, message: Delta) -> None:
        specs = [translate.credential(item) for item in message.credentials]
        stones = [translate.tombstone(item) for item in message.tombstones]
        at = self._moment()
        self._settle(
            message,
            await self._store.submit(
                lambda tx: accept.delta(tx, self._keyring, message, specs, stones, at)
            ),
        )

    async def _snapshot(self, message: Snapshot) -> None:
        specs, ignored = await asyncio.to_thread(_unpacked, message)
        self._ignore(ignored)
        stones = [translate.tombstone(item) for item in message.tombstones]
        outcome = await self._store.submit(lambda tx: receiving.wants_chunk(tx, message))
        if outcome is None:
            for part in receiving.parts(message, specs, stones):
                await self._store.submit(partial(self._stage, message.revision, part))
            at = self._moment()
            outcome = await self._store.submit(lambda tx: accept.snapshot(tx, message, at))
        self._settle(message, outcome)

    def _stage(self, revision: int, part: receiving.Part, tx: Tx) -> None:
        staging.stage_chunk(tx, self._keyring, revision, *part)

    def _settle(self, message: Delta | Snapshot, outcome: Outcome) -> None:
        log.info(
            "schedule received",
            kind=message.kind,
            revision=message.revision,
            outcome=outcome.value,
        )
        match outcome:
            case Outcome.APPLIED:
                self._herald.want_snapshot(wanted=False)
                self._herald.wake()
            case Outcome.GAP | Outcome.HASH_MISMATCH:
                self._herald.want_snapshot(wanted=True)
            case Outcome.SUPERSEDED:
                if isinstance(message, Snapshot):  # it came, and is no news: asked and answered
                    self._herald.want_snapshot(wanted=False)
                self._herald.wake()  # the sender does not know where we are
            case Outcome.STAGED:
                pass

    # -------------------------------------------------------------------------------- the rest

    def _moment(self) -> Moment:
        return Moment(self._clock.now(), self._clock.trust)

    def _ignore(self, fields: int) -> None:
        if fields and not self.ignored_fields:
            log.warning("ignored fields this release does not know", count=fields)
        self.ignored_fields += fields

    async def _record(self, delivery: Delivery, refusal: MessageRefused) -> None:
        """To the ledger, without a word of the message itself."""
        leaf = self._topics.down_leaf(delivery.topic) or "?"
        known = leaf if leaf in forms() else "?"
        if not self._budget.take():
            return
        log.warning("refused a message", topic=known, refusal=refusal.code, cause=str(refusal))
        body: dict[str, Value] = {
            "topic": known,
            "code": refusal.code,
            "detail": str(refusal),
            "path": refusal.path or None,
            "bytes": len(delivery.payload),
            "not_recorded_before": self._budget.suppressed(),
        }
        if refusal.credential_id is not None:
            body["credential_id"] = refusal.credential_id
        kind = (
            EventType.SCHEDULE_REFUSED if known == "desired" else EventType.GATEWAY_MESSAGE_REFUSED
        )
        fact = Fact(kind, self._clock.now(), body=body)
        trust = self._clock.trust
        await self._store.submit(lambda tx: events.append(tx, fact, trust))


def _unpacked(message: Snapshot) -> tuple[list[CredentialSpec], int]:
    """A full chunk takes tens of milliseconds: beside the loop, where commands are waiting."""
    models, ignored = inflate(message)
    return [translate.credential(item) for item in models], ignored


class _Budget:
    """A bucket of refusals that may still be recorded."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left = float(REFUSALS_AT_ONCE)
        self._at = clock.monotonic()
        self._missed = 0

    def take(self) -> bool:
        now = self._clock.monotonic()
        self._left = min(float(REFUSALS_AT_ONCE), self._left + (now - self._at) / REFUSAL_EVERY_S)
        self._at = now
        if self._left < 1:
            self._missed += 1
            return False
        self._left -= 1
        return True

    def suppressed(self) -> int:
        """How many were left out since last asked."""
        missed, self._missed = self._missed, 0
        return missed


def _store_ack(tx: Tx, ack: Ack) -> int:
    """The event watermark after the acknowledgement. MessageRefused beyond what exists."""
    head = tx.one(events.head()) or 0
    through = ack.events_through
    if through is not None and through > head:
        raise MessageRefused(
            f"event {through} is acknowledged, {head} is the newest",
            "beyond_head",
            path="events_through",
        )
    if through is not None and through > (tx.one(events.watermark()) or 0):
        events.set_watermark(tx, through)
    if ack.reported_through is not None:
        set_reported(tx, ack.reported_through)
    return tx.one(events.watermark()) or 0
