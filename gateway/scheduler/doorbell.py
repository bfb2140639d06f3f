"""What happens at a door, written down: who it was, by slot history, and what it proves.

Happenings arrive in order and are committed in order, what has gathered together.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from gateway.domain.devices import (
    PURGED_AT_LOCK,
    Empty,
    Evidence,
    Opaque,
    OpaqueReason,
    Slot,
)
from gateway.domain.events import EventType, Fact, Method, Value
from gateway.domain.grants import Origin
from gateway.domain.ids import CredentialId, DeviceId, GrantId
from gateway.domain.instant import Instant
from gateway.domain.schedule import Tombstone
from gateway.drivers.access import short_id
from gateway.drivers.api import (
    DeviceEvent,
    Happening,
    Measured,
    Reading,
    SlotChange,
    SlotChanged,
)
from gateway.errors import StoreClosed, StoreError
from gateway.kit.tasks import wait_or_sleep
from gateway.scheduler import meters
from gateway.scheduler.doubts import doubt_slots
from gateway.store import desired, devices, events, history, media, meta, reported

if TYPE_CHECKING:
    from gateway.drivers.api import LogRead
    from gateway.kit.clock import Clock
    from gateway.store.database import Store
    from gateway.store.tx import Tx

log = structlog.get_logger()

KEEP = 10_000
"""Happenings kept in memory while the disk refuses; beyond that the oldest are given up, aloud."""
TOGETHER = 500
"""So many are committed at once, so that others get their turn at the disk."""
STORE_PAUSE_S = 2.0
LOG_DOUBT_MS = 5_000
"""A lock dates its records in whole seconds, by a clock that was compared with ours a while ago:
who comes to the door as soon as the code is written seems to have come before it, and who came
just before it was erased, after it."""
ECHO_MS = 10_000
"""A lock tells of our own write no later than this after we recorded it.

Some name the keypad as its source.
"""


_IN_DOUBT = {
    Opaque(OpaqueReason.IN_FLIGHT),
    Opaque(OpaqueReason.UNREAD),
    Opaque(OpaqueReason.READ_FAILED),
}
_BY_CODE = frozenset({Method.CODE, Method.KEYPAD})
_Rung = tuple[DeviceId, DeviceEvent, float]
"""Where, what, and when by the monotonic clock."""


class Doorbell:
    """Takes device events from the radios' listeners. `run` until cancelled."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._waiting: list[_Rung] = []
        self._meters = meters.Meters(clock)
        self._wake = asyncio.Event()

    def ring(self, device_id: DeviceId, event: DeviceEvent) -> None:
        """Called on the loop; returns at once."""
        heard_s = self._clock.monotonic()
        if not isinstance(event, Reading) or self._meters.passes(device_id, event, heard_s):
            self._waiting.append((device_id, event, heard_s))
        self._wake.set()

    async def run(self) -> None:
        refused = False
        while True:
            await wait_or_sleep(self._wake, self._clock, self._meters.wait_s())
            self._wake.clear()
            self._waiting += self._meters.due()
            if not self._waiting:
                continue
            # Whether the disk takes anything again, one tells as well as thousands.
            batch = self._waiting[: 1 if refused else TOGETHER]
            del self._waiting[: len(batch)]
            try:
                await self._store.submit(lambda tx, batch=batch: self._write_all(tx, batch))  # type: ignore[misc]  # bound early
            except StoreClosed:
                return
            except StoreError as error:
                if not refused:
                    log.error("events wait in memory", cause=str(error), waiting=len(batch))
                refused = True
                self._waiting[:0] = batch
                if len(self._waiting) > KEEP:
                    log.error("events were given up", count=len(self._waiting) - KEEP)
                    del self._waiting[:-KEEP]
                await self._clock.sleep(STORE_PAUSE_S)
            except Exception:  # a defect of ours: one by one, so that it costs no other event
                log.exception("an event of these cannot be written down", count=len(batch))
                await self._one_by_one(batch)
            else:
                if refused:
                    log.info("events are written down again")
                refused = False
            if self._waiting:
                self._wake.set()

    async def _one_by_one(self, batch: list[_Rung]) -> None:
        """A single event that breaks a rule of ours takes none of the others with it."""
        for item in batch:
            try:
                await self._store.submit(lambda tx, item=item: self._write_all(tx, [item]))  # type: ignore[misc]  # bound early
            except StoreError:
                self._waiting.append(item)
                self._wake.set()
            except Exception:  # a defect of ours costs this event alone
                log.exception("an event was given up", device=item[0], kind=type(item[1]).__name__)

    def write_log(
        self, tx: Tx, device_id: DeviceId, read: LogRead, at: Instant, clock_error_ms: int | None
    ) -> None:
        """As `executor.WriteEvents` has it."""
        if read.lost:
            self._tell(tx, EventType.DEVICE_LOG_LOST, at, device_id)
        for event in read.events:
            if isinstance(event, Happening) and event.from_log:
                happened_at = _when(event, at, clock_error_ms)
                self._happening(tx, device_id, event, happened_at, told_at=at)
            else:
                self._write(tx, device_id, event, at)

    def _write_all(self, tx: Tx, batch: list[_Rung]) -> None:
        """Each is dated now: what waited for the disk is stamped by the belief in the time that it
        is written under, which may have been proven since."""
        for device_id, event, heard_s in batch:
            ago_ms = round(self._clock.monotonic() * 1000) - round(heard_s * 1000)
            self._write(tx, device_id, event, Instant(self._clock.now() - ago_ms))

    def _write(self, tx: Tx, device_id: DeviceId, event: DeviceEvent, at: Instant) -> None:
        match event:
            case Happening(type=EventType.LOCK_JAM_CLEARED):
                self._freed(tx, device_id, at)
            case Happening():
                self._happening(tx, device_id, event, at)
            case SlotChanged():
                self._slot_changed(tx, device_id, event, at)
            case Measured():
                self._measured(tx, device_id, event, at)
            case Reading():
                row = tx.one(devices.device(device_id))
                if row is not None and row.removed_at is None:
                    meters.write(tx, device_id, event, at, self._clock.trust)

    def _tell(
        self,
        tx: Tx,
        kind: EventType,
        at: Instant,
        device_id: DeviceId,
        credential_id: CredentialId | None = None,
        body: dict[str, Value] | None = None,
        device_time: Instant | None = None,
    ) -> None:
        fact = Fact(kind, at, device_id, credential_id, device_time, body or {})
        events.append(tx, fact, self._clock.trust)

    # ── openings and refusals ───────────────────────────────────────────────────────────

    def _happening(
        self,
        tx: Tx,
        device_id: DeviceId,
        event: Happening,
        at: Instant,
        told_at: Instant | None = None,
    ) -> None:
        """`at`: when it happened; `told_at`: when the lock told it, if that was later."""
        credential_id = None
        told_at = told_at or at
        if event.slot is not None:
            holder = history.holder_at(device_id, event.slot, at)
            if event.from_log:
                holder = history.holder_near(
                    device_id, event.slot, at, LOG_DOUBT_MS, told_at, event.code
                )
            credential_id = tx.one(holder)
        body: dict[str, Value] = {"method": event.method.value}
        if event.slot is not None:
            body["slot"] = event.slot
            body["managed"] = credential_id is not None
        if event.reason is not None:
            body["reason"] = event.reason
        if event.medium is not None:
            known = tx.one(media.medium(device_id, event.medium))
            body["medium"] = short_id(event.medium)
            body["name"] = known.name if known is not None else None
        self._tell(tx, event.type, told_at, device_id, credential_id, body, event.device_time)
        self._learn_schedules(tx, device_id, credential_id, event, at)
        if event.from_log:
            pass  # how the door stands now is another matter
        elif event.type is EventType.LOCK_JAMMED:
            devices.update_device(tx, device_id, jammed=True)
        elif event.type in {EventType.LOCK_LOCKED, EventType.LOCK_UNLOCKED}:
            self._moved(tx, device_id, event, at)
        by_code = event.method in _BY_CODE
        if event.type is EventType.LOCK_UNLOCKED and by_code and credential_id is not None:
            self._used(tx, GrantId(credential_id, device_id), event.slot, at)

    def _learn_schedules(
        self,
        tx: Tx,
        device_id: DeviceId,
        credential_id: CredentialId | None,
        event: Happening,
        at: Instant,
    ) -> None:
        """A code refused for its schedule proves that this lock keeps them; a probe that opened,
        that it does not."""
        row = tx.one(reported.grant(GrantId(credential_id, device_id))) if credential_id else None
        probe = row is not None and row.origin is Origin.PROBE
        opened = event.type is EventType.LOCK_UNLOCKED and event.method in _BY_CODE
        if not event.schedule_refused and not (probe and opened):
            return
        if devices.update_device(tx, device_id, schedules_proven=event.schedule_refused):
            kind = (
                EventType.DEVICE_SCHEDULES_PROVEN
                if event.schedule_refused
                else EventType.DEVICE_SCHEDULES_NOT_KEPT
            )
            self._tell(tx, kind, at, device_id)
        elif probe and opened:
            self._tell(tx, EventType.DEVICE_SCHEDULES_NOT_KEPT, at, device_id)
        if probe and credential_id is not None:
            revision = tx.one(meta.revision()) or 0
            desired.tombstone(tx, Tombstone(credential_id), revision, at, reason="probe_over")

    def _freed(self, tx: Tx, device_id: DeviceId, at: Instant) -> None:
        """Told once for each jam, whoever tells it: the lock, or a bolt that moves."""
        row = tx.one(devices.device(device_id))
        if row is not None and row.jammed:
            devices.update_device(tx, device_id, jammed=False)
            self._tell(tx, EventType.LOCK_JAM_CLEARED, at, device_id)

    def _moved(self, tx: Tx, device_id: DeviceId, event: Happening, at: Instant) -> None:
        self._freed(tx, device_id, at)
        devices.update_device(
            tx, device_id, locked=event.type is EventType.LOCK_LOCKED, last_heard_at=at
        )

    def _used(self, tx: Tx, grant_id: GrantId, slot: int | None, at: Instant) -> None:
        row = tx.one(reported.grant(grant_id))
        if row is None:
            return
        first = row.first_used_at is None
        reported.update_grant(
            tx,
            grant_id,
            at,
            uses=row.uses + 1,
            first_used_at=at if first else row.first_used_at,
            last_used_at=at,
        )
        for kind in (EventType.CREDENTIAL_USED, EventType.CREDENTIAL_FIRST_USED)[: 1 + first]:
            body: dict[str, Value] = {"slot": slot, "uses": row.uses + 1}
            self._tell(tx, kind, at, grant_id.device_id, grant_id.credential_id, body)
        held = tx.one(reported.slot(grant_id.device_id, slot)) if slot else None
        if held is not None and held.owner == grant_id.credential_id:
            proven = Slot(
                held.number, held.content, held.owner, held.schedules,
                held.evidence | {Evidence.USED_AT_KEYPAD}, at,
            )  # fmt: skip
            reported.put_slot(tx, grant_id.device_id, proven)
        if row.use_limit is None:
            return
        # A limit counts over every lock of the credential, so each of them looks again.
        for other in tx.all(reported.grants_of(grant_id.credential_id)):
            tx.touch(f"device:{other.grant_id.device_id}")

    # ── codes changed by others ─────────────────────────────────────────────────────────

    def _slot_changed(self, tx: Tx, device_id: DeviceId, event: SlotChanged, at: Instant) -> None:
        if not event.at_lock:
            self._changed_over_the_air(tx, device_id, event.slot, at)
            return
        if event.slot is None:
            if event.change is SlotChange.REMOVED:
                self._purge(tx, device_id, at)
            return
        before = tx.one(reported.slot(device_id, event.slot))
        owner = before.owner if before else None
        if owner is not None and before is not None and before.content in _IN_DOUBT:
            return  # we are writing there ourselves, or shall read what is there
        if (
            owner is not None
            and before is not None
            and self._just_written(tx, device_id, event.slot, at)
        ):
            self._look_into(tx, device_id, before)
            return
        if event.change is SlotChange.REMOVED:
            self._emptied(tx, device_id, before or Slot(event.slot, Empty()), at)
            return
        content = Opaque(OpaqueReason.UNREAD)
        if owner is not None:
            history.free_slot(tx, device_id, event.slot, at)
            self._taken_away(tx, device_id, event.slot, owner, at)
        reported.put_slot(tx, device_id, Slot(event.slot, content, observed_at=at))
        devices.update_device(tx, device_id, inventory_done=False)

    def _changed_over_the_air(
        self, tx: Tx, device_id: DeviceId, number: int | None, at: Instant
    ) -> None:
        """The echo of our own write, or another controller's: unless it is ours, reading tells."""
        if number is None:  # all of them, which we never order
            doubt_slots(tx, device_id, at)
            devices.update_device(tx, device_id, inventory_done=False)
            return
        slot = tx.one(reported.slot(device_id, number))
        if slot is None or slot.content == Opaque(OpaqueReason.IN_FLIGHT):
            return
        if slot.observed_at is not None and at - slot.observed_at < ECHO_MS:
            return
        if slot.owner is None:
            unread = Slot(slot.number, Opaque(OpaqueReason.UNREAD))
            reported.put_slot(tx, device_id, unread)
            devices.update_device(tx, device_id, inventory_done=False)
        else:
            self._look_into(tx, device_id, slot)

    def _just_written(self, tx: Tx, device_id: DeviceId, number: int, at: Instant) -> bool:
        written = tx.one(history.last_attempt_at(device_id, number))
        return written is not None and at - written < ECHO_MS

    def _look_into(self, tx: Tx, device_id: DeviceId, slot: Slot) -> None:
        """Have the slot read soon; until then what was proven of it stands."""
        reported.put_slot(tx, device_id, replace(slot, observed_at=None))
        tx.touch(f"device:{device_id}")

    def _taken_away(
        self, tx: Tx, device_id: DeviceId, slot: int, owner: CredentialId, at: Instant
    ) -> None:
        history.free_slot(tx, device_id, slot, at)
        reported.update_grant(tx, GrantId(owner, device_id), at, removed_externally=True, slot=None)
        body: dict[str, Value] = {"slot": slot}
        self._tell(tx, EventType.CREDENTIAL_REMOVED_EXTERNALLY, at, device_id, owner, body)

    def _emptied(self, tx: Tx, device_id: DeviceId, slot: Slot, at: Instant) -> None:
        """By the lock's own word. One of ours is read before it is believed and reused.

        The number may be another's, and what is in the air may land later: a code that is still
        there is then taken off.
        """
        if slot.owner is None:
            reported.put_slot(tx, device_id, Slot(slot.number, Empty(), observed_at=at))
            return
        if slot.content != Opaque(OpaqueReason.IN_FLIGHT):
            unread = Slot(slot.number, Opaque(OpaqueReason.UNREAD), slot.owner)
            reported.put_slot(tx, device_id, unread)
        self._taken_away(tx, device_id, slot.number, slot.owner, at)

    def _purge(self, tx: Tx, device_id: DeviceId, at: Instant) -> None:
        """A clear code was used at the lock: respected, and the cloud is asked.

        Or the lock was reset, and has lost its clock as well.
        """
        gone = 0
        for slot in tx.all(reported.slots_for(device_id)):
            gone += slot.owner is not None
            self._emptied(tx, device_id, slot, at)
        devices.doubt_clock(tx, device_id)
        devices.update_device(tx, device_id, repair_paused=PURGED_AT_LOCK)
        self._tell(tx, EventType.CODES_CLEARED_AT_LOCK, at, device_id, None, {"managed": gone})

    # ── telemetry ───────────────────────────────────────────────────────────────────────

    def _measured(self, tx: Tx, device_id: DeviceId, event: Measured, at: Instant) -> None:
        row = tx.one(devices.device(device_id))
        if row is None:
            return
        if event.locked is not None:
            devices.update_device(tx, device_id, locked=event.locked)
        if event.door_open is not None and event.door_open != row.door_open:
            devices.update_device(tx, device_id, door_open=event.door_open)
            kind = EventType.DOOR_OPENED if event.door_open else EventType.DOOR_CLOSED
            self._tell(tx, kind, at, device_id)
        # Only a reading that is written down answers it: a lock takes its sign back as soon as it
        # was asked, and what it answered may be lost on the way or with us.
        if event.log_news:
            devices.update_device(tx, device_id, log_news=True)
        if event.battery_percent is not None:
            devices.update_device(tx, device_id, battery_percent=event.battery_percent)
        if event.battery_low is not None and event.battery_low != row.battery_low:
            devices.update_device(tx, device_id, battery_low=event.battery_low)
            if event.battery_low:
                body: dict[str, Value] = {"percent": event.battery_percent}
                self._tell(tx, EventType.BATTERY_LOW, at, device_id, None, body)
            elif row.battery_low is not None:
                self._tell(tx, EventType.BATTERY_REPLACED, at, device_id)


def _when(event: Happening, read_at: Instant, clock_error_ms: int | None) -> Instant:
    """When a record of the log happened: by the lock's clock, less what that was off."""
    if event.device_time is None:
        return read_at
    return min(read_at, Instant(event.device_time - (clock_error_ms or 0)))
