"""What is written down after an attempt, and what the cloud is told of it.

`Record` is all of it: what is written down before (`before`), what was read (`readings`), and here
how the attempt ended. Every method runs inside one transaction of the store; facts and the events
that tell of them are committed together. No radio, no planning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.actions import (
    Confirmed,
    Erase,
    Program,
    Refused,
    Reschedule,
    Unconfirmed,
    Write,
)
from gateway.domain.devices import Evidence, Known, Opaque
from gateway.domain.events import EventType, Value
from gateway.domain.ids import GrantId
from gateway.domain.secret import KeyedHash
from gateway.drivers.api import SlotUse
from gateway.errors import Refusal, Retry
from gateway.scheduler.before import Before, Begun
from gateway.scheduler.facts import QUARANTINE_MS
from gateway.scheduler.readings import Readings
from gateway.store import devices, history, reported

if TYPE_CHECKING:
    from gateway.domain.grants import DesiredGrant
    from gateway.domain.instant import Instant
    from gateway.drivers.api import SlotReading, WriteResult
    from gateway.scheduler.executor import Order
    from gateway.store.tx import Tx

__all__ = ["QUARANTINE_MS", "Begun", "Record"]


@dataclass(frozen=True, slots=True)
class Record(Before, Readings):
    """Writes about one device."""

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


def _word(result: WriteResult) -> str:
    return type(result.outcome).__name__.lower()


def _may_come(action: Write, reading: SlotReading) -> bool:
    """Accepted, and empty at once: a slow lock stores it a moment later. It is read again."""
    return isinstance(action, Program) and reading.use is SlotUse.AVAILABLE
