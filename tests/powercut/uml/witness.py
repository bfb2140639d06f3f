"""Who remembers what the gateway said before the power went, and holds it to that afterwards.

Fed with every message the cloud receives; it knows nothing of how the gateway works and lives
outside the machine whose power is cut. Not here: the load (`load`) and the lock's own memory.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]

COUNTS_UP = ("revision", "change")
"""Fields of a hello that never go back."""

CORRECTION = "corrected_at"


class Kind(StrEnum):
    LOST = "lost"
    """What was acknowledged is gone or is otherwise."""
    CORRUPT = "corrupt"
    """The disk or a database on it is not sound, or the daemon does not come up on it."""
    WRONG = "wrong"
    """The doors: a revoked code is back, a valid one gone, a command acted twice."""


@dataclass(frozen=True, slots=True)
class Finding:
    kind: Kind
    what: str


@dataclass
class Witness:
    """Hears every message by `hear(leaf, message)`."""

    findings: list[Finding] = field(default_factory=list)
    epoch: str = ""
    said: dict[str, int] = field(default_factory=dict)
    """The highest value of each counter: `revision`, `change`, `head`."""
    promised: dict[str, int] = field(default_factory=dict)
    """`said` when the power last went: within one life messages may overtake each other."""
    events: dict[int, str] = field(default_factory=dict)
    corrected: set[int] = field(default_factory=set)
    results: dict[str, str] = field(default_factory=dict)
    again: set[int] = field(default_factory=set)
    """Numbers of events that came once more; cleared by whoever asks for them."""

    def hear(self, leaf: str, message: Json) -> None:
        self._belongs(message["epoch"])
        if leaf == "hello":
            counts = {name: message[name] for name in COUNTS_UP}
            self._count({**counts, "head": message["events"]["head"]})
        elif leaf == "events":
            for event in message["events"]:
                if event["seq"] in self.events:
                    self.again.add(event["seq"])
                self._event(event)
                self.said["head"] = max(event["seq"], self.said.get("head", 0))
        elif leaf == "results":
            self._same("answer to", self.results, message["command_id"], message)

    def see(self, epoch: str, counts: Mapping[str, int]) -> None:
        """What the disk says now."""
        self._belongs(epoch)
        self._count(counts)

    def power_cut(self) -> None:
        """What was said until now must hold from now on."""
        self.promised = dict(self.said)

    def _belongs(self, epoch: str) -> None:
        if epoch != self.epoch and self.epoch:
            self.found(Kind.CORRUPT, "a new epoch: the store was set aside")
            for known in (self.said, self.promised, self.events, self.corrected, self.results):
                known.clear()
        self.epoch = epoch

    def _count(self, counts: Mapping[str, int]) -> None:
        for name, value in counts.items():
            promised = self.promised.get(name, 0)
            if value < promised:
                self.found(Kind.LOST, f"{name} went back from {promised} to {value}")
                self.promised[name] = value
            self.said[name] = max(value, self.said.get(name, 0))

    def _event(self, event: Json) -> None:
        """As it was; only when it was may be told later, or better, once the time is proven."""
        number = event["seq"]
        fixed = {name: value for name, value in event.items() if name != CORRECTION}
        self._same("event", self.events, number, fixed)
        if CORRECTION in event:
            self.corrected.add(number)
        elif number in self.corrected:
            self.found(Kind.LOST, f"the correction of event {number}")

    def _same(self, what: str, known: dict[Any, str], key: object, content: Json) -> None:
        text = json.dumps(content, sort_keys=True)
        before = known.get(key)
        if before not in (None, text):
            self.found(Kind.LOST, f"{what} {key} was {before} and is {text}")
        known[key] = text

    def found(self, kind: Kind, what: str) -> None:
        """Once each, however often it is seen."""
        finding = Finding(kind, what)
        if finding not in self.findings:
            self.findings.append(finding)
