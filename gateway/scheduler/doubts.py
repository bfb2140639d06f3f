"""What is believed of locks no longer: after a new join, and after a life that was cut off."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.domain.devices import Empty, Known, Opaque, OpaqueReason, Slot
from gateway.domain.ids import DeviceId
from gateway.domain.instant import Instant
from gateway.scheduler.record import QUARANTINE_MS
from gateway.store import history, reported

if TYPE_CHECKING:
    from gateway.store.database import Store
    from gateway.store.tx import Tx


def doubt_slots(tx: Tx, device_id: DeviceId, now: Instant) -> None:
    """Believe nothing of what is on a lock; what we put there stays recognisable as ours."""
    reported.forget_unmanaged(tx, device_id)
    for slot in tx.all(reported.slots_for(device_id)):
        if isinstance(slot.content, Known):
            until = Instant(now + QUARANTINE_MS)
            history.quarantine(tx, device_id, slot.content.hash, until)
        if not isinstance(slot.content, Empty):
            unread = Slot(slot.number, Opaque(OpaqueReason.UNREAD), slot.owner)
            reported.put_slot(tx, device_id, unread)


def doubt_slot(tx: Tx, device_id: DeviceId, number: int) -> None:
    """What became of this slot, if it is ours, is to be read."""
    slot = tx.one(reported.slot(device_id, number))
    if slot is not None and slot.owner is not None:
        flying = replace(slot, content=Opaque(OpaqueReason.IN_FLIGHT), observed_at=None)
        reported.put_slot(tx, device_id, flying)


async def reap_attempts(store: Store, now: Instant) -> int:
    """Attempts a former life left open: their slots stay in flight, to be read. Their number."""

    def write(tx: Tx) -> int:
        left = tx.all(history.open_attempts())
        for attempt in left:
            history.finish_attempt(tx, attempt.attempt_id, "unconfirmed", now)
            if attempt.slot is not None:
                doubt_slot(tx, DeviceId(attempt.device_id), attempt.slot)
        return len(left)

    return await store.submit(write)
