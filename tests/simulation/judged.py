"""A world for the judge that is made by hand, one call after the other.

Not here: the judge's rules (`judging`), and what is asked of them (`test_judge_*`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway.domain.instant import Instant, from_datetime, to_rfc3339
from tests.simulation.judge import Judge, Lock, Promise

S = 1_000
MIN = 60 * S
HOUR = 60 * MIN
T = 180 * S
START = from_datetime(datetime(2026, 11, 20, 12, tzinfo=UTC))
DOOR, OTHER = "dev_1", "dev_2"


@dataclass
class Building:
    """A judge, a clock, and locks that do what the test says. `held`: digits that open, by door."""

    promise: Promise = field(default_factory=Promise)
    facts: Lock = field(default_factory=Lock)
    now: int = START
    held: dict[str, set[str]] = field(default_factory=dict)
    told: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.judge = Judge(self.promise, lambda kind, **facts: self.notes.append(f"{kind} {facts}"))
        self.judge.reported_state = lambda credential, device: self.told.get((credential, device))
        for door in (DOOR, OTHER):
            self.judge.lock(door, self.facts)
            self.held[door] = set()
        self.judge.power(self.now, True)
        self.judge.link(self.now, True)
        self.judge.time_proven(self.now, True)

    def wait(self, ms: int, *, until: int | None = None) -> None:
        """Time passes, and every door is inspected each 20 s."""
        end = self.now + ms if until is None else START + until
        while self.now < end:
            self.now = min(end, self.now + 20 * S)
            for door, held in self.held.items():
                self.judge.inspect(self.now, door, held.__contains__)

    def opens(self, digits: str, door: str = DOOR) -> None:
        self.held[door].add(digits)

    def shuts(self, digits: str, door: str = DOOR) -> None:
        self.held[door].discard(digits)

    def order(
        self,
        credential_id: str = "c1",
        version: int = 1,
        *,
        digits: str = "483920",
        opens: int | None = None,
        closes: int | None = None,
        devices: tuple[str, ...] = (DOOR,),
        sure: bool = True,
        **more: Any,
    ) -> None:
        window: dict[str, Any] = {"kind": "always"}
        if opens is not None and closes is not None:
            window = timed(START + opens, START + closes)
        wire = {
            "credential_id": credential_id,
            "version": version,
            "kind": "pin",
            "secret": {"digits": digits},
            "devices": list(devices),
            "window": window,
        }
        self.judge.ordered(self.now, wire | more, sure=sure)

    @property
    def rules(self) -> list[str]:
        return [violation.rule for violation in self.judge.violations]


def timed(opens: int, closes: int) -> dict[str, Any]:
    return {
        "kind": "timed",
        "opens_at": to_rfc3339(Instant(opens)),
        "closes_at": to_rfc3339(Instant(closes)),
    }
