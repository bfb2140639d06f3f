"""The installation test of a lock's schedules: a code behind a closed window must be refused.

A model's promise to keep windows is believed only after this was seen at the very door. The probe
is an ordinary credential of origin `probe`, so that everything that guards codes guards it too:
it is written ahead, proven, and taken off when its time is over, also after a power cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from gateway.domain.devices import YearDay
from gateway.domain.instant import Instant
from gateway.domain.pin_rules import objection
from gateway.domain.secret import Secret, weakness_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.domain.capabilities import CodeLimits

PROBE_SCHEDULE: Final = YearDay(Instant(978_307_200_000), Instant(978_393_600_000))
"""2001-01-01 UTC, one day: over on any lock whose clock was ever set."""

PROBE_S: Final = 180.0
"""How long the code stays on the lock at most."""


class ProbeStage(Enum):
    """`PROVEN`, `OPENED`, `UNANSWERED` and `FAILED` end a probe."""

    WRITING = "writing"
    TYPE = "type"
    PROVEN = "proven"
    OPENED = "opened"
    UNANSWERED = "unanswered"
    FAILED = "failed"


ENDED: Final = frozenset(
    {ProbeStage.PROVEN, ProbeStage.OPENED, ProbeStage.UNANSWERED, ProbeStage.FAILED}
)


@dataclass(frozen=True, slots=True)
class ProbeProgress:
    """`digits` with `TYPE`: what to type at the door. `detail` is for people."""

    stage: ProbeStage
    remaining_s: float
    digits: Secret | None = None
    detail: str = ""


def draw_digits(limits: CodeLimits, below: Callable[[int], int]) -> Secret:
    """Fresh digits the lock takes and nobody guesses; `below(n)` is a secure 0 <= x < n."""
    length = min(max(6, limits.min_length), limits.max_length)
    while True:
        digits = Secret("".join(str(below(10)) for _ in range(length)))
        if weakness_of(digits.reveal()) is None and objection(digits, limits) is None:
            return digits
