"""One action, once: written ahead, spoken, judged, recorded.

The executor decides nothing; planning did. It makes sure that a crash between any two lines is
legible afterwards: the attempt and the slot's `in_flight` are committed before the lock hears a
word, and what the lock answered is committed with the events that tell of it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol

import structlog

from gateway.domain.actions import (
    Action,
    Adopt,
    CheckClock,
    Confirmed,
    Erase,
    Priority,
    Program,
    ReadLog,
    ReadSlot,
    Refused,
    Reschedule,
    Unconfirmed,
    Write,
)
from gateway.domain.devices import Device, Evidence, Known
from gateway.domain.grants import GrantState
from gateway.domain.ids import GrantId
from gateway.drivers.api import (
    ClockKeeper,
    CredentialStore,
    Driver,
    EventLog,
    Inventory,
    SlotReading,
    SlotUse,
    SparingEraser,
    WriteResult,
)
from gateway.errors import (
    DeviceRefused,
    GatewayError,
    LocalProtocolError,
    OutcomeUnknown,
    PeerProtocolError,
    RadioError,
    Refusal,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreUnreadable,
    Unreachable,
)
from gateway.scheduler import anew
from gateway.scheduler.judge import Standing, interpret
from gateway.scheduler.policy import deadline_for
from gateway.scheduler.record import Begun, Record
from gateway.store import devices, history, reported
from gateway.store.desired import digits_of
from gateway.store.keyring import Keyring, credential_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.domain.grants import DesiredGrant, Verdict
    from gateway.domain.ids import DeviceId
    from gateway.domain.instant import Instant
    from gateway.domain.secret import DigitsFacts
    from gateway.drivers.api import LogRead
    from gateway.kit.clock import Clock
    from gateway.radios.arbiter import Arbiter
    from gateway.store.database import Store
    from gateway.store.tx import Tx

log = structlog.get_logger()


class WriteEvents(Protocol):
    """Writes down what a lock's log tells, inside a transaction; `at`: when it was read.

    `clock_error_ms`: how wrong the lock's clock was then; None: nobody knows.
    """

    def __call__(
        self, tx: Tx, device_id: DeviceId, read: LogRead, at: Instant, clock_error_ms: int | None
    ) -> None: ...


class Ending(Enum):
    """How a try ended, as far as the next try is concerned."""

    DONE = "done"
    """The records changed; planning decides what is next."""
    STALE = "stale"
    """The plan was overtaken before anything was sent."""
    REFUSED = "refused"
    """The device said no; final or not is in the records."""
    UNCONFIRMED = "unconfirmed"
    NOT_DONE = "not_done"
    """The device answered and was read, and what was asked of it is not there."""
    UNREACHABLE = "unreachable"
    RADIO_DOWN = "radio_down"
    STORE = "store"
    """Nothing could be written down; says nothing of the device."""


@dataclass(frozen=True, slots=True)
class Order:
    """An action with everything it was decided upon."""

    device: Device
    driver: Driver
    action: Action
    grant: DesiredGrant | None
    verdict: Verdict | None

    @property
    def write(self) -> Write:
        """The action, where only writes come. TypeError: a defect of ours."""
        if not isinstance(self.action, Write):
            raise TypeError(f"{type(self.action).__name__} is no write")
        return self.action

    @property
    def wanted(self) -> DesiredGrant:
        """The grant, where there must be one. TypeError: a defect of ours."""
        if self.grant is None:
            raise TypeError(f"{type(self.action).__name__} without a grant")
        return self.grant

    @property
    def facts(self) -> DigitsFacts:
        """Of the digits that were written. TypeError: a defect of ours."""
        if self.wanted.digits is None:
            raise TypeError(f"{type(self.action).__name__} without digits")
        return self.wanted.digits


class _Owed(NamedTuple):
    """An erase that the lock confirmed and the store does not know of."""

    order: Order
    result: WriteResult
    at: Instant


class Executor:
    """Performs orders, one call at a time for each device; devices run side by side."""

    def __init__(
        self,
        store: Store,
        keyring: Keyring,
        clock: Clock,
        arbiter: Arbiter,
        clock_error_s: Callable[[], float],
        write_events: WriteEvents,
        write_time: Callable[[Tx], None] | None = None,
    ) -> None:
        """`write_events`: writes down what a lock's log tells. `write_time`: what is known of the
        time, with each attempt."""
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self._arbiter = arbiter
        self._clock_error_s = clock_error_s
        self._write_events = write_events
        self._write_time = write_time or (lambda _: None)
        self._owed: dict[DeviceId, list[_Owed]] = {}

    async def perform(self, order: Order) -> Ending:
        """Never raises for anything a device or a radio does, nor for a full disk."""
        action = order.action
        try:
            if self._is_done(order):
                return Ending.STORE
            if isinstance(action, Adopt):
                adopt = self._record(order).adopt
                now = self._clock.now()
                await self._store.submit(lambda tx: adopt(tx, action, now))
                return Ending.DONE
            if isinstance(action, ReadSlot | CheckClock | ReadLog):
                ending, cause, _ = await self._speak(order)
                if isinstance(action, ReadSlot) and ending in {Ending.REFUSED, Ending.UNCONFIRMED}:
                    await self._note_unreadable(order, action.slot)
            else:
                ending, cause = await self._write(order)
        except (StoreFull, StoreBusy) as error:
            ending, cause = Ending.STORE, str(error)
        if ending not in {Ending.DONE, Ending.STALE, Ending.RADIO_DOWN}:
            log.info(
                "attempt ended",
                device=order.device.device_id,
                action=type(action).__name__.lower(),
                slot=getattr(action, "slot", None),
                ending=ending.value,
                cause=cause,
            )
        return ending

    async def settle_up(self, device_id: DeviceId) -> bool:
        """Write down erases that were carried out while nothing could be; False: still cannot."""
        owed = self._owed.get(device_id, [])
        while owed:
            order, result, at = owed[0]
            record = self._record(order)
            try:
                await self._store.submit(
                    lambda tx, o=order, r=result, t=at, w=record: w.end(tx, o, None, r, t)  # type: ignore[misc]  # bound early
                )
            except (StoreFull, StoreBusy):
                return False
            del owed[0]
        self._owed.pop(device_id, None)
        return True

    async def _write(self, order: Order) -> tuple[Ending, str]:
        record = self._record(order)
        begun: Begun | None = None
        now = self._clock.now()
        try:
            begun = await self._store.submit(lambda tx: self._begin(tx, record, order, now))
        except (StoreFull, StoreBusy):
            if not isinstance(order.action, Erase):
                raise
            # A code that must go does not wait for the disk: an erase may safely be repeated.
        else:
            if begun is None:
                return Ending.STALE, ""
        ending, cause, result = await self._speak(order)
        ended = self._clock.now()
        if begun is not None and result is None:
            word = ending.value
            await self._store.submit(
                lambda tx: record.silence(tx, order, begun, word, cause, ended)
            )
        elif result is not None:
            try:
                await self._store.submit(lambda tx: record.end(tx, order, begun, result, ended))
            except (StoreFull, StoreBusy):
                if isinstance(order.action, Erase) and ending is Ending.DONE:
                    self._owe(order, result, ended)
                raise
            if isinstance(order.action, Erase) and ending is Ending.DONE:
                await self._scrub()
        return ending, cause

    async def _speak(self, order: Order) -> tuple[Ending, str, WriteResult | None]:
        """The conversation under its deadline, and its errors sorted."""
        deadline = deadline_for(order.action, sleepy=order.device.capabilities.sleepy)
        try:
            async with self._arbiter.airtime(order.action.priority):
                result = await self._converse(order, deadline)
        except Unreachable as error:
            return Ending.UNREACHABLE, str(error), None
        except (OutcomeUnknown, PeerProtocolError) as error:
            return Ending.UNCONFIRMED, str(error), None
        except DeviceRefused as error:
            return Ending.REFUSED, str(error), WriteResult(Refused(error.refusal))
        except RadioError as error:
            return Ending.RADIO_DOWN, str(error), None
        except StoreError:
            raise
        except GatewayError as error:
            log.exception("a conversation broke a rule of ours")
            return Ending.UNCONFIRMED, str(error), None
        except Exception as error:
            # A defect met by one action must not hold up the rest of the lane.
            log.exception("a conversation failed for a defect of ours")
            return Ending.UNCONFIRMED, type(error).__name__, None
        match result.outcome:
            case Confirmed():
                return Ending.DONE, "", result
            case Refused(refusal):
                return Ending.REFUSED, refusal.value, result
            case Unconfirmed(cause):
                heard = result.reading is not None
                return Ending.NOT_DONE if heard else Ending.UNCONFIRMED, cause, result

    async def _converse(self, order: Order, deadline_s: float) -> WriteResult:
        driver, action = order.driver, order.action
        if isinstance(action, CheckClock):
            return await self._check_clock(order, deadline_s)
        if isinstance(action, ReadLog):
            return await self._read_log(order, deadline_s)
        if not isinstance(driver, CredentialStore):
            raise DeviceRefused("the device holds no codes", Refusal.UNSUPPORTED)
        match action:
            case Program(slot, credential_id):
                blob = await self._store.fetch_one(digits_of(credential_id))
                if blob is None:
                    raise DeviceRefused("the digits were destroyed", Refusal.INVALID)
                try:
                    digits = self._keyring.unseal(blob, context=credential_context(credential_id))
                except StoreUnreadable as error:
                    # One damaged row must not hold up the rest of the lane.
                    raise DeviceRefused(str(error), Refusal.INVALID) from error
                former = order.device.slots.get(slot)
                return await anew.program(driver, action, digits, former, order.facts, deadline_s)
            case Reschedule(slot, _, schedules):
                return await driver.reschedule(slot, schedules, deadline_s=deadline_s)
            case Erase(slot) if isinstance(driver, SparingEraser):
                spared = await self._swapped(order, slot)
                return await driver.erase_unless(slot, spared, deadline_s=deadline_s)
            case Erase(slot):
                return await driver.erase(slot, deadline_s=deadline_s)
            case Adopt():
                raise LocalProtocolError("adopting needs no conversation")
            case ReadSlot(slot, None) if isinstance(driver, Inventory):
                return await self._take_stock(order, driver, slot, deadline_s)
            case ReadSlot(slot):
                return await self._read(order, driver, slot, deadline_s)

    async def _take_stock(
        self, order: Order, driver: Inventory, asked: int, deadline_s: float
    ) -> WriteResult:
        """One answer tells of every slot: note the one asked for, and all that are not ours."""
        taken = {r.slot: r for r in await driver.read_slots(deadline_s=deadline_s)}
        limits = order.device.capabilities.codes
        now, record = self._clock.now(), self._record(order)

        def write(tx: Tx) -> None:
            held = {slot.number: slot for slot in tx.all(reported.slots_for(record.device_id))}
            for number in sorted({asked, *taken, *range(1, (limits.slots if limits else 0) + 1)}):
                if number == asked or number not in held or held[number].owner is None:
                    told = taken.get(number, SlotReading(number, SlotUse.AVAILABLE))
                    record.reading(tx, order, told, now)

        await self._store.submit(write)
        return READ

    async def _read(
        self, order: Order, driver: CredentialStore, slot: int, deadline_s: float
    ) -> WriteResult:
        reading = await driver.read_slot(slot, deadline_s=deadline_s)
        now, record = self._clock.now(), self._record(order)
        try:
            await self._store.submit(lambda tx: record.reading(tx, order, reading, now))
        except (StoreFull, StoreBusy):
            # A code that stays may be right by now, which only the record can tell.
            leaves = order.verdict is not None and order.verdict.state is GrantState.ERASING
            if leaves and order.action.priority is Priority.ERASE:
                await self._erase_unrecorded(order, driver, reading, deadline_s)
            raise
        return READ

    async def _swapped(self, order: Order, slot: int) -> Callable[[SlotReading], bool]:
        """Tells whether somebody keyed in another code where ours was proven to be.

        A slot in doubt may hold any digits of ours, and is erased whatever it shows.
        """
        device_id, now = order.device.device_id, self._clock.now()
        before = order.device.slots.get(slot)
        if before is None or before.owner is None or not isinstance(before.content, Known):
            return lambda reading: False
        row = await self._store.fetch_one(reported.grant(GrantId(before.owner, device_id)))
        ours = {before.content.hash, *await self._store.fetch(history.quarantined(device_id, now))}
        if row is not None:
            ours.add(row.digits_hash)
        return lambda reading: (
            reading.digits is not None and self._keyring.hash(reading.digits) not in ours
        )

    async def _erase_unrecorded(
        self, order: Order, driver: CredentialStore, reading: SlotReading, deadline_s: float
    ) -> None:
        """What must go does not wait for the disk either when its slot had to be read first.

        Everything goes that would go once the reading were recorded; somebody else's code stays.
        """
        device_id, now = order.device.device_id, self._clock.now()
        before = await self._store.fetch_one(reported.slot(device_id, reading.slot))
        if before is None or before.owner is None:
            return
        row = await self._store.fetch_one(reported.grant(GrantId(before.owner, device_id)))
        finding = interpret(
            reading,
            before=before,
            wanted=row.digits_hash if row else None,
            formerly_ours=set(await self._store.fetch(history.quarantined(device_id, now))),
            hash_of=self._keyring.hash,
            at=now,
        )
        if finding.standing in {Standing.NOTHING, Standing.FOREIGN}:
            return
        result = await driver.erase(reading.slot, deadline_s=deadline_s)
        if isinstance(result.outcome, Confirmed):
            gone = replace(order, action=Erase(reading.slot, before.owner))
            self._owe(gone, result, self._clock.now())

    async def _check_clock(self, order: Order, deadline_s: float) -> WriteResult:
        driver = order.driver
        if not isinstance(driver, ClockKeeper):
            raise DeviceRefused("the device keeps no clock", Refusal.UNSUPPORTED)
        before = await driver.read_clock(self._clock.now(), deadline_s=deadline_s)
        wrong = abs(before.error_ms) > self._clock_error_s() * 1000 or not before.zone_proven
        after = before
        if wrong:
            after = await driver.set_clock(self._clock.now(), deadline_s=deadline_s)
        now, record = self._clock.now(), self._record(order)
        await self._store.submit(
            lambda tx: record.lock_clock(tx, before if wrong else None, after, now)
        )
        return READ

    async def _read_log(self, order: Order, deadline_s: float) -> WriteResult:
        """Records and the place to go on are one transaction, so that none is told twice."""
        driver, device_id = order.driver, order.device.device_id
        if not isinstance(driver, EventLog):
            raise DeviceRefused("the device keeps no log", Refusal.UNSUPPORTED)
        row = await self._store.fetch_one(devices.device(device_id))
        until = self._clock.monotonic() + deadline_s
        # Records tell the lock's own time, and whose a code was then depends on the true one.
        error_ms = row.clock_error_ms if row else None
        if isinstance(driver, ClockKeeper):
            with contextlib.suppress(DeviceRefused):
                told = await driver.read_clock(self._clock.now(), deadline_s=deadline_s)
                error_ms = told.error_ms
        read = await driver.read_log(
            row.log_cursor if row else None, deadline_s=until - self._clock.monotonic()
        )
        now = self._clock.now()

        def write(tx: Tx) -> None:
            self._write_events(tx, device_id, read, now, error_ms)
            devices.update_device(
                tx,
                device_id,
                log_cursor=read.cursor,
                # What is left is owed to us, whatever the lock's sign of news says now.
                log_read_at=None if read.more else now,
                log_news=read.more,
            )

        await self._store.submit(write)
        return READ

    # ── small things ────────────────────────────────────────────────────────────────────

    def _owe(self, order: Order, result: WriteResult, at: Instant) -> None:
        self._owed.setdefault(order.device.device_id, []).append(_Owed(order, result, at))

    def _is_done(self, order: Order) -> bool:
        """The slot was erased, which could not be written down yet."""
        action = order.action
        return isinstance(action, Erase | ReadSlot) and any(
            item.order.write.slot == action.slot
            for item in self._owed.get(order.device.device_id, [])
        )

    def _begin(self, tx: Tx, record: Record, order: Order, now: Instant) -> Begun | None:
        begun = record.begin(tx, order, now)
        if begun is not None:
            # Whoever starts next without a clock knows at least that this was due.
            self._write_time(tx)
        return begun

    def _record(self, order: Order) -> Record:
        return Record(order.device.device_id, self._keyring, self._clock.trust)

    async def _note_unreadable(self, order: Order, slot: int) -> None:
        now, record = self._clock.now(), self._record(order)
        await self._store.submit(lambda tx: record.unreadable(tx, slot, now))

    async def _scrub(self) -> None:
        try:
            await self._store.scrub()
        except (StoreFull, StoreBusy) as error:
            log.debug("erased digits stay in the log until the next scrub", cause=str(error))


READ = WriteResult(Confirmed(frozenset({Evidence.READ_BACK})))
"""What a reading returns: it has recorded itself."""
