"""What a command answers with, from what a driver proved. Pure.

Not here: carrying a command out (`commands`, `errands`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.actions import Confirmed, Outcome, Refused, Unconfirmed
from gateway.domain.events import Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.store.tx import Tx

Result = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Ended:
    """`write`: what is written down in one transaction with the answer."""

    result: Result
    write: Callable[[Tx], None] | None = None


def result_of(outcome: Outcome) -> Result:
    match outcome:
        case Confirmed(evidence):
            return {"outcome": "confirmed", "evidence": sorted(e.value for e in evidence)}
        case Refused(refusal):
            return refused(refusal.value)
        case Unconfirmed(cause):
            return unconfirmed(cause)


def refused(reason: str, detail: str | None = None) -> Result:
    result: Result = {"outcome": "refused", "reason": reason}
    return result if detail is None else {**result, "detail": detail}


def unconfirmed(cause: str) -> Result:
    return {"outcome": "unconfirmed", "detail": cause}
