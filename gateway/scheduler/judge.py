"""What an answer of the lock means for our records. Pure.

The one asymmetry everything here keeps: a wrong "opaque" costs one slot number or one more read,
a wrong "empty" overwrites somebody's code and a wrong "known" promises a door that will not open.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from gateway.domain.devices import (
    Empty,
    Evidence,
    Known,
    LockSchedule,
    Opaque,
    OpaqueReason,
    Slot,
    SlotContent,
)
from gateway.drivers.api import SlotReading, SlotUse

if TYPE_CHECKING:
    from collections.abc import Callable, Set

    from gateway.domain.ids import CredentialId
    from gateway.domain.instant import Instant
    from gateway.domain.secret import KeyedHash, Secret


class Standing(Enum):
    """Whose the code in a slot turned out to be."""

    NOTHING = "nothing"
    OURS = "ours"
    OURS_OLD = "ours_old"
    FOREIGN = "foreign"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Finding:
    """A reading, interpreted."""

    slot: Slot
    standing: Standing


def interpret(
    reading: SlotReading,
    *,
    before: Slot | None,
    wanted: KeyedHash | None,
    formerly_ours: Set[KeyedHash],
    hash_of: Callable[[Secret], KeyedHash],
    at: Instant,
) -> Finding:
    """Make a slot record of the lock's word.

    `before` is our record until now (its owner is whose write may be in doubt), `wanted` the
    owner's present digits, `formerly_ours` digits that we put on this lock at some time.
    """
    owner = before.owner if before else None
    if reading.use is SlotUse.AVAILABLE:
        return Finding(_slot(reading, Empty(), None, at), Standing.NOTHING)
    if reading.use is SlotUse.DISABLED:
        content: SlotContent = Opaque(OpaqueReason.DISABLED)
        standing = Standing.UNREADABLE if owner else Standing.FOREIGN
        return Finding(_slot(reading, content, owner, at), standing)
    if reading.restricted and reading.schedules is None:
        return Finding(
            _slot(reading, Opaque(OpaqueReason.READ_FAILED), owner, at), Standing.UNREADABLE
        )
    if reading.digits is None:
        content = Opaque(OpaqueReason.MASKED)
        if owner and before and isinstance(before.content, Known):
            # Occupied as it was when it was proven: nothing here contradicts the proof.
            content = before.content
            return Finding(_slot(reading, content, owner, at, before.evidence), Standing.OURS)
        if owner and wanted and before and Evidence.ASSUMED in before.evidence:
            # Empty before our write and occupied after it: nobody else can have been first.
            return Finding(_slot(reading, Known(wanted), owner, at), Standing.OURS)
        return Finding(
            _slot(reading, content, owner, at),
            Standing.UNREADABLE if owner else Standing.FOREIGN,
        )
    found = hash_of(reading.digits)
    if owner and found == wanted:
        same = before is not None and before.content == Known(found)
        evidence = before.evidence if before and same else frozenset[Evidence]()
        return Finding(_slot(reading, Known(found), owner, at, evidence), Standing.OURS)
    if owner and found in formerly_ours:
        return Finding(_slot(reading, Known(found), owner, at), Standing.OURS_OLD)
    return Finding(_slot(reading, Known(found), None, at), Standing.FOREIGN)


def _slot(
    reading: SlotReading,
    content: SlotContent,
    owner: CredentialId | None,
    at: Instant,
    evidence: frozenset[Evidence] = frozenset(),
) -> Slot:
    schedules: tuple[LockSchedule, ...] = ()
    if reading.restricted and reading.schedules is not None:
        schedules = reading.schedules
    return Slot(reading.slot, content, owner, schedules, evidence | {Evidence.READ_BACK}, at)
