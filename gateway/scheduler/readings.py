"""What a lock's word about a slot or its clock makes of our records, asked for or met as a proof.

Here too: a code proven on the lock, and one proven gone. Not here: what a word means (`judge`), and
attempts (`before`, `record`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gateway.domain.actions import Adopt, Erase
from gateway.domain.devices import (
    Empty,
    Evidence,
    Known,
    LockClock,
    Opaque,
    OpaqueReason,
    Slot,
)
from gateway.domain.events import EventType, Value
from gateway.domain.grants import Enforcement, GrantState
from gateway.domain.ids import CredentialId, GrantId
from gateway.domain.instant import ClockTrust, Instant
from gateway.scheduler.facts import QUARANTINE_MS, Facts, words
from gateway.scheduler.judge import Finding, Standing, interpret
from gateway.store import desired, devices, history, reported

if TYPE_CHECKING:
    from gateway.drivers.api import SlotReading
    from gateway.scheduler.executor import Order
    from gateway.store.tx import Tx


@dataclass(frozen=True, slots=True)
class Readings(Facts):
    """Takes down what was read."""

    def reading(self, tx: Tx, order: Order, reading: SlotReading, now: Instant) -> None:
        """A slot was read, for its own sake or as proof."""
        before = self._slot(tx, reading.slot)
        owner = before.owner if before else None
        grant = order.grant if order.grant and order.grant.credential_id == owner else None
        row = tx.one(reported.grant(GrantId(owner, self.device_id))) if owner else None
        if row is not None and before is not None and row.attempts == 0:
            # The desired value has changed since the write: occupied proves nothing of the new one.
            before = replace(before, evidence=before.evidence - {Evidence.ASSUMED})
        finding = interpret(
            reading,
            before=before,
            wanted=row.digits_hash if row else None,
            formerly_ours=self._formerly_ours(tx, before, now),
            hash_of=self.keyring.hash,
            at=now,
        )
        reported.put_slot(tx, self.device_id, finding.slot)
        if owner is None or before is None:
            self._unmanaged(tx, before, finding, now)
        elif finding.standing is Standing.NOTHING:
            self._found_empty(tx, order, owner, before, now)
        elif finding.standing is Standing.FOREIGN:
            history.free_slot(tx, self.device_id, reading.slot, now)
            self._tell(tx, EventType.OTHER_CONTROLLER_SUSPECTED, now, owner, {"slot": reading.slot})
        elif finding.standing is Standing.OURS and grant is not None and row is not None:
            news = row.programmed_at is None or _in_flight(before)
            if news and not _leaving(order):
                self._proved(tx, order, finding.slot, now)

    def unreadable(self, tx: Tx, number: int, now: Instant) -> None:
        """The lock declined to tell of a slot, or told nonsense. What is proven stays so."""
        slot = self._slot(tx, number)
        failed = Opaque(OpaqueReason.READ_FAILED)
        if slot is None or (slot.owner is None and isinstance(slot.content, Opaque)):
            self._put(tx, number, failed, None, (), observed_at=now)
        elif slot.content in {Opaque(OpaqueReason.UNREAD), Opaque(OpaqueReason.IN_FLIGHT)}:
            self._put(tx, number, failed, slot.owner, slot.schedules, slot.evidence, now)

    def adopt(self, tx: Tx, action: Adopt, now: Instant) -> None:
        """What was found on the lock after the database was lost is this credential's again."""
        before = self._slot(tx, action.slot)
        if before is None or before.owner is not None or not isinstance(before.content, Known):
            return
        grant_id = GrantId(action.credential_id, self.device_id)
        reported.put_slot(tx, self.device_id, replace(before, owner=action.credential_id))
        history.hold_slot(tx, self.device_id, action.slot, action.credential_id, now)
        reported.update_grant(
            tx, grant_id, now, slot=action.slot, programmed_at=now, evidence=before.evidence
        )
        body: dict[str, Value] = {"slot": action.slot, "evidence": words(before.evidence)}
        self._tell(tx, EventType.CREDENTIAL_FOUND, now, action.credential_id, body)

    def lock_clock(self, tx: Tx, wrong: LockClock | None, clock: LockClock, now: Instant) -> None:
        """A lock's clock was read, and set if `wrong`."""
        devices.update_device(
            tx,
            self.device_id,
            clock_error_ms=clock.error_ms,
            clock_bound_ms=clock.bound_ms,
            clock_read_at=clock.read_at,
            clock_zone_proven=clock.zone_proven,
        )
        if wrong is not None:
            body: dict[str, Value] = {"error_ms": wrong.error_ms, "zone_proven": wrong.zone_proven}
            self._tell(tx, EventType.DEVICE_TIME_WRONG, now, None, body)
            self._tell(tx, EventType.DEVICE_TIME_SET, now, None, {"error_ms": clock.error_ms})

    # ── proven ──────────────────────────────────────────────────────────────────────────────

    def _proved(self, tx: Tx, order: Order, slot: Slot, now: Instant) -> None:
        """It is on the lock: say so, and say how early."""
        grant_id = order.wanted.grant_id
        verdict = order.verdict
        opens_at = verdict.opens_at if verdict else None
        row = tx.one(reported.grant(grant_id))
        early = 0
        if not slot.schedules and opens_at is not None:
            early = max(0, opens_at - now)
            if now >= opens_at and row is not None and row.early_exposure_ms is not None:
                early = row.early_exposure_ms  # of the same stretch, measured when it began
        reported.update_grant(
            tx,
            grant_id,
            now,
            slot=slot.number,
            attempts=0,
            programmed_at=now,
            erased_at=None,
            next_attempt_at=None,
            early_exposure_ms=early,
            evidence=slot.evidence,
        )
        self._tell(
            tx,
            EventType.CREDENTIAL_PROGRAMMED,
            now,
            grant_id.credential_id,
            {
                "slot": slot.number,
                "evidence": words(slot.evidence),
                "window": "on_lock" if slot.schedules else "by_gateway",
                "early_exposure_ms": early,
            },
        )

    def _erased(
        self,
        tx: Tx,
        order: Order,
        owner: CredentialId,
        number: int,
        evidence: frozenset[Evidence],
        now: Instant,
    ) -> None:
        grant_id = GrantId(owner, self.device_id)
        row = tx.one(reported.grant(grant_id))
        before = self._slot(tx, number)
        self._put(tx, number, Empty(), None, (), evidence, now)
        history.free_slot(tx, self.device_id, number, now)
        if row is None:
            return
        history.quarantine(tx, self.device_id, row.digits_hash, Instant(now + QUARANTINE_MS))
        verdict = order.verdict
        late: int | None = max(0, now - row.erase_due_at) if row.erase_due_at is not None else 0
        if self.trust is ClockTrust.UNTRUSTED:
            late = None
        expired = verdict is not None and verdict.reason == "expired"
        on_lock = verdict is not None and verdict.closes is Enforcement.ON_LOCK
        if expired and on_lock and before is not None and before.schedules:
            late = 0  # the lock itself refused the code from the close on
        reported.update_grant(
            tx,
            grant_id,
            now,
            slot=None,
            attempts=0,
            erased_at=now,
            erase_due_at=None,
            erase_alarm_at=None,
            late_revocation_ms=late,
            next_attempt_at=None,
            evidence=evidence,
        )
        self._tell(
            tx,
            EventType.CREDENTIAL_ERASED,
            now,
            grant_id.credential_id,
            {"slot": number, "evidence": words(evidence), "late_revocation_ms": late},
        )
        # An edit may have arrived while the erase was in the air: then this is not the end of it.
        same = order.grant is not None and order.grant.version == row.version
        if verdict is not None and (row.removed is not None or (same and _over(verdict.reason))):
            reported.update_grant(tx, grant_id, now, state=GrantState.ERASED, reason=verdict.reason)
            if verdict.reason != "expired":  # housekeeping's, once nobody's clock can be wrong
                desired.destroy_digits(tx, grant_id.credential_id)

    def _found_empty(
        self, tx: Tx, order: Order, owner: CredentialId, before: Slot, now: Instant
    ) -> None:
        """The lock says a slot of ours is empty: an erase proven late, or a code that vanished.

        What vanished may have gone with everything else, the lock's clock included.
        """
        history.free_slot(tx, self.device_id, before.number, now)
        grant_id = GrantId(owner, self.device_id)
        row = tx.one(reported.grant(grant_id))
        if row is not None and row.removed_externally and row.removed is None:
            reported.update_grant(tx, grant_id, now, slot=None, evidence=frozenset())
            return  # told when the lock said so
        due = row.erase_due_at if row is not None else None
        going = row is not None and row.state is GrantState.ERASING
        if going or (due is not None and due <= now):
            self._erased(tx, order, owner, before.number, frozenset({Evidence.READ_BACK}), now)
        elif isinstance(before.content, Known):
            devices.doubt_clock(tx, self.device_id)
            reported.update_grant(tx, grant_id, now, slot=None)
            self._tell(
                tx,
                EventType.CREDENTIAL_UNCONFIRMED,
                now,
                owner,
                {"slot": before.number, "cause": "the code vanished from the lock"},
            )

    def _unmanaged(self, tx: Tx, before: Slot | None, finding: Finding, now: Instant) -> None:
        new = before is None or before.content != finding.slot.content
        if new and not isinstance(finding.slot.content, Empty):
            body: dict[str, Value] = {"slot": finding.slot.number}
            self._tell(tx, EventType.UNMANAGED_CODE_FOUND, now, None, body)


def _in_flight(slot: Slot | None) -> bool:
    return slot is not None and isinstance(slot.content, Opaque)


def _leaving(order: Order) -> bool:
    """It was to go when this was ordered: finding it there is no success."""
    verdict = order.verdict
    return isinstance(order.action, Erase) or (
        verdict is not None and verdict.state is GrantState.ERASING
    )


def _over(reason: str | None) -> bool:
    """Whether an erased grant stays erased: its digits are then of no more use."""
    return reason in {"expired", "use_limit_reached"}
