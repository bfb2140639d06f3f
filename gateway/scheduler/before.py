"""What is written down before a lock hears a word: an attempt, and doubt about the slot.

Here too: how the slot is put back when nothing was changed after all. Not here: what an answer
makes of it (`record`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.actions import Erase, Program, Reschedule, Write
from gateway.domain.devices import Empty, Evidence, Known, Opaque, OpaqueReason, Slot
from gateway.domain.ids import GrantId
from gateway.domain.instant import DAY, Instant
from gateway.scheduler.facts import QUARANTINE_MS, Facts
from gateway.store import history, reported

if TYPE_CHECKING:
    from gateway.domain.grants import DesiredGrant
    from gateway.domain.secret import KeyedHash
    from gateway.scheduler.executor import Order
    from gateway.store.tx import Tx


@dataclass(frozen=True, slots=True)
class Begun:
    """A journaled attempt, and what is put back if it turns out that nothing was sent."""

    attempt: int
    before: Slot | None
    writes: tuple[int | None, int] | None
    """`writes_day` and `writes_today` before this one."""
    wrote_before: bool
    """These digits had been written to this lock before."""


@dataclass(frozen=True, slots=True)
class Before(Facts):
    """Commits to an attempt, or puts its slot back."""

    def begin(self, tx: Tx, order: Order, now: Instant) -> Begun | None:
        """Commit to an attempt, or None when the world has moved on since the plan."""
        action = order.write
        before = self._slot(tx, action.slot)
        planned = order.device.slots.get(action.slot)
        moved = planned is not None and before is not None and not _alike(planned, before)
        if moved or not self._still_right(tx, action, before, order.grant):
            return None
        attempt = history.begin_attempt(
            tx,
            device_id=self.device_id,
            slot=action.slot,
            credential_id=action.credential_id,
            action=type(action).__name__.lower(),
            at=now,
        )
        schedules = before.schedules if before else ()
        self._put(
            tx,
            action.slot,
            Opaque(OpaqueReason.IN_FLIGHT),
            action.credential_id,
            schedules,
            # "Assumed" marks a slot that the lock had called empty before this write: occupied
            # afterwards can only mean that the write arrived.
            frozenset({Evidence.ASSUMED}) if _was_empty(before) else frozenset(),
            before.observed_at if before else None,
        )
        known = set(tx.all(history.quarantined(self.device_id, now)))
        wanted = order.grant.digits.hash if order.grant and order.grant.digits else None
        self._remember_digits(tx, before, wanted if isinstance(action, Program) else None, now)
        if isinstance(action, Program) and (before is None or before.owner is None):
            history.hold_slot(tx, self.device_id, action.slot, action.credential_id, now)
        writes = self._count(tx, action, now)
        return Begun(attempt, before, writes, wanted in known)

    def _still_right(
        self, tx: Tx, action: Write, before: Slot | None, grant: DesiredGrant | None
    ) -> bool:
        current = tx.one(reported.grant(GrantId(action.credential_id, self.device_id)))
        if isinstance(action, Erase):
            if grant is not None and current is not None:
                ordered_anew = (current.version, current.removed) != (grant.version, grant.removed)
                if ordered_anew:
                    return False
            return before is not None and before.owner == action.credential_id
        if grant is None or current is None:
            return False
        if current.version != grant.version or current.removed is not None:
            return False
        if isinstance(action, Reschedule) or action.overwrite:
            return before is not None and before.owner == action.credential_id
        return before is not None and before.owner is None and before.content == Empty()

    def _remember_digits(
        self, tx: Tx, before: Slot | None, written: KeyedHash | None, now: Instant
    ) -> None:
        """Old digits and new stay recognisable as ours, whatever the lock reads next."""
        until = Instant(now + QUARANTINE_MS)
        if before and before.owner and isinstance(before.content, Known):
            history.quarantine(tx, self.device_id, before.content.hash, until)
        if written is not None:
            history.quarantine(tx, self.device_id, written, until)

    def _count(self, tx: Tx, action: Write, now: Instant) -> tuple[int | None, int] | None:
        grant_id = GrantId(action.credential_id, self.device_id)
        row = tx.one(reported.grant(grant_id))
        if row is None:
            return None
        reported.update_grant(tx, grant_id, now, attempts=row.attempts + 1)
        if isinstance(action, Program | Reschedule):
            day = now // DAY
            today = row.writes_today + 1 if row.writes_day == day else 1
            reported.update_grant(tx, grant_id, now, writes_day=day, writes_today=today)
        return row.writes_day, row.writes_today

    def _as_before(self, tx: Tx, action: Write, begun: Begun, now: Instant) -> None:
        """Nothing was changed on the lock: what was known of the slot still holds."""
        slot = self._slot(tx, action.slot)
        if slot is None or slot.owner != action.credential_id:
            return  # something else was learned of it meanwhile
        nobodys = begun.before is None or begun.before.owner is None
        if slot.content == Opaque(OpaqueReason.IN_FLIGHT):
            if begun.before is not None:
                reported.put_slot(tx, self.device_id, begun.before)
        elif slot.content == Opaque(OpaqueReason.UNREAD) and nobodys:
            # The lock joined again meanwhile: what is there now was never ours.
            reported.put_slot(tx, self.device_id, Slot(action.slot, slot.content))
        else:
            return
        if nobodys:
            history.free_slot(tx, self.device_id, action.slot, now)


def _was_empty(slot: Slot | None) -> bool:
    return slot is not None and isinstance(slot.content, Empty)


def _alike(planned: Slot, now: Slot) -> bool:
    return (planned.content, planned.owner) == (now.content, now.owner)
