"""Actions planning asks for, and the three results an attempt can have.

An `Outcome` cannot be built without evidence, and `ASSUMED` alone never confirms.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from gateway.domain.devices import Evidence, LockSchedule

if TYPE_CHECKING:
    from gateway.domain.ids import CredentialId
    from gateway.errors import Refusal


class Priority(IntEnum):
    """Order in a lane and in the air; lower goes first."""

    ERASE = 0
    MOMENTARY = 1
    PROGRAM = 2
    READ_BACK = 3
    HOUSEKEEPING = 4


@dataclass(frozen=True, slots=True)
class Program:
    """Put this credential's digits into `slot`, restricted to `schedules` (empty: unrestricted)."""

    slot: int
    credential_id: CredentialId
    schedules: tuple[LockSchedule, ...]
    overwrite: bool = False
    """The slot holds this credential's former digits; they are replaced in place."""
    priority: Priority = Priority.PROGRAM


@dataclass(frozen=True, slots=True)
class Reschedule:
    """Overwrite the schedules of a live code in place."""

    slot: int
    credential_id: CredentialId
    schedules: tuple[LockSchedule, ...]
    priority: Priority = Priority.PROGRAM


@dataclass(frozen=True, slots=True)
class Erase:
    """Take the code out of `slot`, then its schedules, with proof."""

    slot: int
    credential_id: CredentialId
    priority: Priority = Priority.ERASE


@dataclass(frozen=True, slots=True)
class ReadSlot:
    """Ask the lock what is in `slot`. `credential_id`: whose write is in doubt, if anyone's."""

    slot: int
    credential_id: CredentialId | None = None
    priority: Priority = Priority.READ_BACK


@dataclass(frozen=True, slots=True)
class CheckClock:
    """Read the lock's clock and correct it if it is off."""

    priority: Priority = Priority.HOUSEKEEPING


@dataclass(frozen=True, slots=True)
class ReadLog:
    """Read what the lock has written down of what happened at its door."""

    priority: Priority = Priority.HOUSEKEEPING


@dataclass(frozen=True, slots=True)
class Adopt:
    """Take a code that reads as this credential's own back into our records. No radio is used.

    Only after the database was lost: the lock kept what the gateway forgot.
    """

    slot: int
    credential_id: CredentialId
    priority: Priority = Priority.ERASE


Write = Program | Reschedule | Erase
Action = Adopt | Write | ReadSlot | CheckClock | ReadLog


@dataclass(frozen=True, slots=True)
class Confirmed:
    evidence: frozenset[Evidence]

    def __post_init__(self) -> None:
        if not self.evidence - {Evidence.ASSUMED}:
            raise ValueError("nothing is confirmed without evidence")


@dataclass(frozen=True, slots=True)
class Refused:
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """It may have happened. `cause` is for people, without secrets."""

    cause: str


Outcome = Confirmed | Refused | Unconfirmed
