"""What is written down around an attempt: before it, after it, and what the cloud is told of it.

Every method runs inside one transaction of the store. Facts and the events that tell of them are
committed together. No radio, no planning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gateway.domain.actions import (
    Adopt,
    Confirmed,
    Erase,
    Program,
    Refused,
    Reschedule,
    Unconfirmed,
    Write,
)
from gateway.domain.devices import (
    Empty,
    Evidence,
    Known,
    LockClock,
    LockSchedule,
    Opaque,
    OpaqueReason,
    Slot,
)
from gateway.domain.events import EventType, Fact, Value
from gateway.domain.grants import DesiredGrant, Enforcement, GrantState
from gateway.domain.ids import CredentialId, DeviceId, GrantId
from gateway.domain.instant import DAY, ClockTrust, Instant
from gateway.domain.secret import KeyedHash
from gateway.drivers.api import SlotUse
from gateway.errors import Refusal, Retry
from gateway.scheduler.judge import Finding, Standing, interpret
from gateway.store import desired, devices, events, history, reported

if TYPE_CHECKING:
    from gateway.drivers.api import SlotReading, WriteResult
    from gateway.scheduler.executor import Order
    from gateway.store.keyring import Keyring
    from gateway.store.tx import Tx

QUARANTINE_MS = 90 * DAY
"""How long erased digits are not given out again on the same lock."""


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
class Record:
    """Writes about one device. Stateless but for what every record needs."""

    device_id: DeviceId
    keyring: Keyring
    trust: ClockTrust

    # ── before ──────────────────────────────────────────────────────────────────────────

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
        flying = slot is not None and slot.content == Opaque(OpaqueReason.IN_FLIGHT)
        if slot is None or not flying or slot.owner != action.credential_id:
            return  # something else was learned of it meanwhile
        if begun.before is not None:
            reported.put_slot(tx, self.device_id, begun.before)
        if begun.before is None or begun.before.owner is None:
            history.free_slot(tx, self.device_id, action.slot, now)

    # ── after ───────────────────────────────────────────────────────────────────────────

    def end(
        self, tx: Tx, order: Order, begun: Begun | None, result: WriteResult, now: Instant
    ) -> None:
        """The lock answered: judge and tell. No `begun`: an erase that could not be journaled."""
        action = order.write
        if begun is None:
            slot = self._slot(tx, action.slot)
            if slot is None or slot.owner != action.credential_id:
                return  # recorded already
        else:
            history.finish_attempt(tx, begun.attempt, _word(result), now)
        match result.outcome:
            case Confirmed(evidence) if isinstance(action, Erase):
                self._erased(tx, order, action.credential_id, action.slot, evidence, now)
            case Confirmed(evidence) if not isinstance(action, Erase):
                self._programmed(tx, order, action, evidence, now)
            case Refused(refusal):
                self._refused(tx, order, begun, refusal, result.reading, now)
            case Unconfirmed(cause):
                if result.reading is not None and not _may_come(action, result.reading):
                    self.reading(tx, order, result.reading, now)
                self._unconfirmed(tx, action, cause, now)

    def silence(
        self, tx: Tx, order: Order, begun: Begun, word: str, cause: str, now: Instant
    ) -> None:
        """No answer to go by: `unconfirmed` leaves the slot in flight until it is read.

        Any other word means that nothing was delivered.
        """
        action = order.write
        history.finish_attempt(tx, begun.attempt, word, now)
        if word == "unconfirmed":
            self._unconfirmed(tx, action, cause, now)
            return
        self._as_before(tx, action, begun, now)
        if begun.writes is not None:
            day, today = begun.writes
            grant_id = GrantId(action.credential_id, self.device_id)
            reported.update_grant(tx, grant_id, now, writes_day=day, writes_today=today)

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
        body: dict[str, Value] = {"slot": action.slot, "evidence": _words(before.evidence)}
        self._tell(tx, EventType.CREDENTIAL_FOUND, now, action.credential_id, body)

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

    def _formerly_ours(self, tx: Tx, before: Slot | None, now: Instant) -> set[KeyedHash]:
        known = set(tx.all(history.quarantined(self.device_id, now)))
        if before is not None and isinstance(before.content, Known):
            known.add(before.content.hash)
        return known

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

    # ── results ─────────────────────────────────────────────────────────────────────────

    def _programmed(
        self,
        tx: Tx,
        order: Order,
        action: Program | Reschedule,
        evidence: frozenset[Evidence],
        now: Instant,
    ) -> None:
        slot = self._put(
            tx, action.slot, Known(order.facts.hash), action.credential_id, action.schedules,
            evidence, now,
        )  # fmt: skip
        self._proved(tx, order, slot, now)

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
                "evidence": _words(slot.evidence),
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
            {"slot": number, "evidence": _words(evidence), "late_revocation_ms": late},
        )
        # An edit may have arrived while the erase was in the air: then this is not the end of it.
        same = order.grant is not None and order.grant.version == row.version
        if verdict is not None and (row.removed is not None or (same and _over(verdict.reason))):
            reported.update_grant(tx, grant_id, now, state=GrantState.ERASED, reason=verdict.reason)
            desired.destroy_digits(tx, grant_id.credential_id)

    def _refused(
        self,
        tx: Tx,
        order: Order,
        begun: Begun | None,
        refusal: Refusal,
        reading: SlotReading | None,
        now: Instant,
    ) -> None:
        action = order.write
        occupied = reading is not None and reading.use is not SlotUse.AVAILABLE
        proof = refusal is Refusal.DUPLICATE and self._counts_as_proof(order, begun, reading)
        if proof and isinstance(action, Program):
            evidence = frozenset({Evidence.DUPLICATE_ANSWER})
            self._programmed(tx, order, action, evidence, now)
            return
        untouched = reading is None or self._taken(tx, order, reading, now)
        # New schedules leave the digits as they are: those need not be proven again.
        if begun is not None and (untouched or isinstance(action, Reschedule)):
            self._as_before(tx, action, begun, now)
        if reading is not None:
            self.reading(tx, order, reading, now)
        if not isinstance(action, Program) or order.grant is None:
            return
        if refusal is Refusal.INVALID and occupied:
            # Somebody took the slot between our reading and our write; planning finds another.
            return
        if refusal is Refusal.UNSUPPORTED and action.schedules:
            # It does not keep windows after all; the gateway can.
            devices.update_device(tx, self.device_id, schedules_proven=False)
            return
        if refusal.retry is not Retry.NEVER:
            return
        if refusal is Refusal.DUPLICATE and self._in_doubt_elsewhere(tx, action.slot):
            return  # it may be a code of ours that is about to go
        reason = refusal.value
        if refusal is Refusal.DUPLICATE:
            reason = self._conflict(tx, order.grant, action.slot)
        grant_id = order.grant.grant_id
        reported.update_grant(
            tx, grant_id, now, refused_version=order.grant.version, refused_reason=reason
        )
        body: dict[str, Value] = {"reason": reason, "said_by": "lock"}
        self._tell(tx, EventType.CREDENTIAL_REJECTED, now, grant_id.credential_id, body)

    def _taken(self, tx: Tx, order: Order, reading: SlotReading, now: Instant) -> bool:
        """A write into an empty slot found somebody's code there, which then is not ours."""
        action = order.action
        if not isinstance(action, Program) or action.overwrite:
            return False
        if reading.use is SlotUse.AVAILABLE or reading.digits is None:
            return reading.use is not SlotUse.AVAILABLE
        return self.keyring.hash(reading.digits) not in self._formerly_ours(tx, None, now)

    def _counts_as_proof(
        self, order: Order, begun: Begun | None, reading: SlotReading | None
    ) -> bool:
        """A duplicate is our own code if we wrote it to this slot before and the slot is occupied.

        It proves nothing of the window, so that has to be read.
        """
        action = order.action
        if not isinstance(action, Program) or begun is None or reading is None:
            return False
        if not (action.overwrite and begun.wrote_before and begun.before is not None):
            return False
        return (
            begun.before.owner == action.credential_id
            and isinstance(begun.before.content, Opaque)
            and reading.use is SlotUse.ENABLED
            and reading.digits is None
            and (reading.schedules or ()) == action.schedules
            and reading.restricted == bool(action.schedules)
        )

    def _in_doubt_elsewhere(self, tx: Tx, number: int) -> bool:
        return any(
            slot.number != number and slot.owner is not None and isinstance(slot.content, Opaque)
            for slot in tx.all(reported.slots_for(self.device_id))
        )

    def _conflict(self, tx: Tx, grant: DesiredGrant, number: int) -> str:
        """Name whose code stands in the way, as far as this lock lets us know."""
        wanted = grant.digits.hash if grant.digits else None
        for slot in tx.all(reported.slots_for(self.device_id)):
            if slot.number != number and slot.content == Known(wanted or KeyedHash("")):
                if slot.owner is not None:
                    return f"conflicts_with:{slot.owner}"
                return f"conflicts_with:unmanaged:slot_{slot.number}"
        return "conflicts_with:unmanaged"

    def _unconfirmed(self, tx: Tx, action: Write, cause: str, now: Instant) -> None:
        """The first of a row of failures is told; the state shows that it goes on."""
        row = tx.one(reported.grant(GrantId(action.credential_id, self.device_id)))
        if row is not None and row.attempts > 1:
            return
        self._tell(
            tx,
            EventType.CREDENTIAL_UNCONFIRMED,
            now,
            action.credential_id,
            {"slot": action.slot, "action": type(action).__name__.lower(), "cause": cause},
        )

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

    # ── small things ────────────────────────────────────────────────────────────────────

    def _slot(self, tx: Tx, number: int) -> Slot | None:
        return tx.one(reported.slot(self.device_id, number))

    def _put(
        self,
        tx: Tx,
        number: int,
        content: Known | Empty | Opaque,
        owner: CredentialId | None,
        schedules: tuple[LockSchedule, ...],
        evidence: frozenset[Evidence] = frozenset(),
        observed_at: Instant | None = None,
    ) -> Slot:
        slot = Slot(number, content, owner, schedules, evidence, observed_at)
        reported.put_slot(tx, self.device_id, slot)
        return slot

    def _tell(
        self,
        tx: Tx,
        kind: EventType,
        now: Instant,
        credential_id: CredentialId | None,
        body: dict[str, Value],
    ) -> None:
        events.append(tx, Fact(kind, now, self.device_id, credential_id, body=body), self.trust)


def _word(result: WriteResult) -> str:
    return type(result.outcome).__name__.lower()


def _words(evidence: frozenset[Evidence]) -> list[str]:
    return sorted(e.value for e in evidence)


def _was_empty(slot: Slot | None) -> bool:
    return slot is not None and isinstance(slot.content, Empty)


def _in_flight(slot: Slot | None) -> bool:
    return slot is not None and isinstance(slot.content, Opaque)


def _may_come(action: Write, reading: SlotReading) -> bool:
    """Accepted, and empty at once: a slow lock stores it a moment later. It is read again."""
    return isinstance(action, Program) and reading.use is SlotUse.AVAILABLE


def _alike(planned: Slot, now: Slot) -> bool:
    return (planned.content, planned.owner) == (now.content, now.owner)


def _leaving(order: Order) -> bool:
    """It was to go when this was ordered: finding it there is no success."""
    verdict = order.verdict
    return isinstance(order.action, Erase) or (
        verdict is not None and verdict.state is GrantState.ERASING
    )


def _over(reason: str | None) -> bool:
    """Whether an erased grant stays erased: its digits are then of no more use."""
    return reason in {"expired", "use_limit_reached"}
