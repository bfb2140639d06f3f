"""What the cloud was told, against what happened: EVENTS and ONCE.

EVENTS: ledgers without holes or contradictions, and in them every frame of a lock that a living
gateway heard, once. ONCE: one radio unlock at most for each command, in time, and one answer.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tests.simulation.windows import EVER, instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tests.simulation.judging.conditions import Conditions
    from tests.simulation.judging.promise import Delivered, Figures, Findings, Json, Promise

    Violate = Callable[[int, str, str | None, str | None, str], None]

NEAR_MS = 120_000
"""How far from its frame an event may be stamped, beside the clock's error."""


# ── momentary commands ──────────────────────────────────────────────────────────────────


@dataclass(slots=True, eq=False)
class Command:
    at: int
    command_id: str
    device_id: str
    not_after: int | None
    acted: int = 0


@dataclass(slots=True)
class Unlocks:
    """Each radio unlock is laid at the door of the command that expires first."""

    promise: Promise
    conditions: Conditions
    figures: Figures
    violate: Violate
    commands: dict[str, Command] = field(default_factory=dict)
    done: list[tuple[int, str]] = field(default_factory=list)

    def commanded(
        self, at: int, command_id: str, kind: str, device_id: str, not_after: int | None
    ) -> None:
        """The first time counts; a repetition is the same command."""
        if kind == "unlock" and command_id not in self.commands:
            self.commands[command_id] = Command(at, command_id, device_id, not_after)

    def unlocked(self, at: int, device_id: str) -> None:
        self.figures.unlocks += 1
        self.done.append((at, device_id))
        here = [c for c in self.commands.values() if c.device_id == device_id]
        if self._lay(at, here) is None:
            if not here:
                words = "unlocked by radio, and nobody ever asked for it"
            elif any(not command.acted for command in here):
                words = "unlocked by radio after the command's not_after"
            else:
                words = "unlocked by radio more often than commanded"
            self.violate(at, "ONCE", device_id, None, words)

    def finish(self, at: int, found: Findings) -> None:
        refused = set()
        for command_id, told in sorted(found.answers.items()):
            if any(answer != told[0] for answer in told):
                self.violate(at, "ONCE", None, None, f"{command_id} was answered in two ways")
            if any(answer.get("outcome") == "refused" for answer in told):
                refused.add(command_id)
        self.figures.unanswered_commands = sum(not found.answers.get(c) for c in self.commands)
        left = [c for c in self.commands.values() if c.command_id not in refused]
        for command in self.commands.values():
            command.acted = 0
        for when, device_id in self.done:
            here = [c for c in left if c.device_id == device_id]
            everyone = [c for c in self.commands.values() if c.device_id == device_id]
            if self._lay(when, here) is None and self._lay(when, everyone) is not None:
                words = "unlocked by radio for a command that was answered as refused"
                self.violate(when, "ONCE", device_id, None, words)

    def _lay(self, at: int, commands: Iterable[Command]) -> Command | None:
        """The one that could have caused it, which is used up by it."""
        possible = [c for c in commands if not c.acted and c.at <= at <= self._until(c, at)]
        if not possible:
            return None
        command = min(possible, key=lambda c: (self._until(c, at), c.at, c.command_id))
        command.acted += 1
        return command

    def _until(self, command: Command, at: int) -> int:
        if command.not_after is None or not self.conditions.proven_at(at):
            return EVER
        error = self.conditions.error(at)
        return command.not_after + error + self.promise.command_ms


# ── events ──────────────────────────────────────────────────────────────────────────────


class _Heard(NamedTuple):
    at: int
    certain: bool
    copy: bool


class _Told(NamedTuple):
    at: int
    trusted: bool


def events(
    promise: Promise,
    conditions: Conditions,
    figures: Figures,
    violate: Violate,
    at: int,
    findings: Findings,
) -> None:
    """Rule EVENTS."""
    for words in findings.conflicts:
        violate(at, "EVENTS", None, None, words)
    for epoch, ledger in findings.ledgers.items():
        holes = _holes(ledger, findings.heads.get(epoch, 0))
        if holes:
            words = f"{len(holes)} events of epoch {epoch} never came, the first is {holes[0]}"
            violate(at, "EVENTS", None, None, words)
    heard = _heard(promise, conditions, findings.delivered)
    told = _told(promise, findings)
    figures.events = sum(len(ledger) for ledger in findings.ledgers.values())
    for device, kind, slot in sorted({*heard, *told}, key=repr):
        key = device, kind, slot
        frames, facts = heard.get(key, []), told.get(key, [])
        missing, extra, lost, copies = _align(conditions, frames, facts)
        figures.events_lost_at_cuts += lost
        figures.events_of_copies += copies
        what = f"{kind} of slot {slot}" if slot is not None else kind
        if missing:
            violate(missing[0], "EVENTS", device, None, f"{len(missing)} {what} not in the ledger")
        if extra:
            words = f"{len(extra)} {what} in the ledger that the lock did not tell, or told once"
            violate(extra[0], "EVENTS", device, None, words)


def _holes(ledger: Mapping[int, Json], head: int) -> list[int]:
    declared: set[int] = set()
    for event in ledger.values():
        if event["type"] == "gateway.events_gap":
            declared.update(range(event["body"]["from"], event["body"]["through"] + 1))
    last = max([head, *ledger])
    return [seq for seq in range(1, last + 1) if seq not in ledger and seq not in declared]


_Key = tuple[str, str, int | None]


def _heard(
    promise: Promise, conditions: Conditions, delivered: Sequence[Delivered]
) -> dict[_Key, list[_Heard]]:
    result: dict[_Key, list[_Heard]] = {}
    for frame in sorted(delivered, key=lambda d: d.at):
        certain = not conditions.may_be_lost(frame.at, promise.commit_ms)
        copies = 0 if promise.one_for_copies else frame.copies - 1
        entries = [_Heard(frame.at, certain, copy=False)]
        entries += [_Heard(frame.at, certain=False, copy=True)] * copies
        result.setdefault((frame.device, frame.kind, frame.slot), []).extend(entries)
    return result


def _told(promise: Promise, findings: Findings) -> dict[_Key, list[_Told]]:
    kinds = {*promise.door_kinds, *(frame.kind for frame in findings.delivered)}
    result: dict[_Key, list[_Told]] = {}
    for ledger in findings.ledgers.values():
        for _, event in sorted(ledger.items()):
            if event["type"] in kinds:
                slot = (event.get("body") or {}).get("slot")
                fact = _Told(instant(event["at"]), event["trust"] == "trusted")
                result.setdefault((event.get("device_id") or "", event["type"], slot), []).append(
                    fact
                )
    return result


def _align(
    conditions: Conditions, heard: list[_Heard], told: list[_Told]
) -> tuple[list[int], list[int], int, int]:
    """Frames and events in their orders, with as few left over as can be.

    When frames that must be in the ledger are missing, when events are that nobody told, how many
    were lost where they may be, and how many events copies made.
    """

    def match(frame: _Heard, fact: _Told) -> bool:
        if not fact.trusted or not conditions.proven_at(frame.at):
            return True
        error = conditions.error_since(frame.at - NEAR_MS)
        return abs(frame.at - fact.at) <= NEAR_MS + error

    if len(heard) == len(told) and all(map(match, heard, told)):
        return [], [], 0, sum(frame.copy for frame in heard)
    # best[i][j]: cost of what is left of `heard` from i and of `told` from j
    rows, columns = len(heard), len(told)
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for j in range(columns - 1, -1, -1):
        best[rows][j] = best[rows][j + 1] + 1
    for i in range(rows - 1, -1, -1):
        skip = _cost(heard[i])
        best[i][columns] = best[i + 1][columns] + skip
        for j in range(columns - 1, -1, -1):
            cost = min(best[i + 1][j] + skip, best[i][j + 1] + 1)
            if match(heard[i], told[j]):
                cost = min(cost, best[i + 1][j + 1])
            best[i][j] = cost
    left: Counter[str] = Counter()
    missing, extra = [], []
    i = j = 0
    while i < rows or j < columns:
        both = i < rows and j < columns and match(heard[i], told[j])
        if both and best[i][j] == best[i + 1][j + 1]:
            left["copies"] += heard[i].copy
            i, j = i + 1, j + 1
        elif i < rows and best[i][j] == best[i + 1][j] + _cost(heard[i]):
            if heard[i].certain:
                missing.append(heard[i].at)
            elif not heard[i].copy:
                left["lost"] += 1
            i += 1
        else:
            extra.append(told[j].at)
            j += 1
    return missing, extra, left["lost"], left["copies"]


def _cost(frame: _Heard) -> float:
    """Of leaving it out: a violation, a loss that is allowed, or nothing at all."""
    if frame.certain:
        return 1.0
    return 0.0 if frame.copy else 2**-20
