"""How long to wait: pauses between tries and deadlines of conversations. Pure tables."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.actions import (
    Action,
    Adopt,
    CheckClock,
    Erase,
    Priority,
    Program,
    ReadLog,
    ReadSlot,
    Reschedule,
)


@dataclass(frozen=True, slots=True)
class Pause:
    """Doubling from `first_s` up to `most_s`."""

    first_s: float
    most_s: float

    def after(self, failures: int) -> float:
        """Seconds to wait after the n-th failure in a row (n >= 1)."""
        return min(self.most_s, self.first_s * 2.0 ** min(failures - 1, 20))


ERASE = Pause(5.0, 60.0)
"""An erase has no budget: a code that should be gone is live at a door."""
URGENT = Pause(5.0, 120.0)
"""Somebody stands, or will stand within the lead, at the door."""
PATIENT = Pause(30.0, 1800.0)
"""Everything that is written ahead."""

HEARD_AGAIN_S = 1.0
"""A device that was just heard is tried at once, but not more often than this."""

STORE_AGAIN_S = 15.0
"""What is urgent and failed for want of disk space is not put off for longer than this."""

OFFLINE_AFTER_FAILURES = 2
"""So many unanswered conversations in a row make a device `offline`."""

MOMENTARY_DEADLINE_S = 15.0


def pause_for(action: Action, *, urgent: bool) -> Pause:
    if action.priority is Priority.ERASE:
        return ERASE
    return URGENT if urgent else PATIENT


def deadline_for(action: Action, *, sleepy: bool) -> float:
    """Seconds for one whole conversation. A sleepy lock answers at its next poll (7.68 s queue)."""
    match action:
        case Program() | Reschedule():
            base = 30.0
        case Erase():
            base = 20.0
        case ReadSlot() | CheckClock() | Adopt():
            base = 12.0
        case ReadLog():
            base = 20.0
    return base * 3 if sleepy else base
