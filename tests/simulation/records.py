"""What the cloud was told, kept so that a judge can hold it against the truth.

Here: ledgers, reports, answers, presence, by the rules of the contract (docs/sync). Not here: what
the cloud says (`cloud`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from firmware_sims.cloud.ledger import Event, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.simulation.broker import Note

Json = dict[str, Any]

KEPT_VIOLATIONS: Final = 100


class Received(NamedTuple):
    """An event at its first arrival; `at`: true time, Unix milliseconds."""

    at: int
    epoch: str
    event: Event


@dataclass(slots=True)
class Told:
    """How a grant stands, as last reported. `at`: true time, Unix milliseconds."""

    at: int
    change: int
    body: Json


class SimLedger(Ledger):
    """Knows when one number was given to two events, and quickly when nothing is missing."""

    newest = 0

    def add(self, events: Iterable[Event]) -> list[Event]:
        fresh = super().add(events)
        if fresh:
            self.newest = max(self.newest, fresh[-1]["seq"])
        return fresh

    def missing(self, head: int | None = None) -> list[tuple[int, int]]:
        if self.watermark >= (self.newest if head is None else head):
            return []
        return super().missing(head)

    def conflicts(self, events: Iterable[Event]) -> list[int]:
        """A correction of its time that came later changes nothing of an event itself."""

        def plain(event: Event) -> Event:
            return {name: value for name, value in event.items() if name != "corrected_at"}

        known = self.events
        return [
            e["seq"] for e in events if e["seq"] in known and plain(known[e["seq"]]) != plain(e)
        ]


class Records:
    """Everything a gateway said. A message of an epoch that is over counts for its ledger only."""

    def __init__(self, clock: Callable[[], int], note: Note) -> None:
        self.epochs: list[str] = []
        """In the order of their appearance."""
        self.ledgers: dict[str, SimLedger] = {}
        """By epoch."""
        self.received: list[Received] = []
        self.devices: dict[str, Json] = {}
        """As last reported."""
        self.grants: dict[tuple[str, str], Told] = {}
        """By credential and device."""
        self.results: dict[str, list[Json]] = {}
        """All distinct answers, by command; more than one is a violation."""
        self.hello: Json = {}
        self.hellos = 0
        self.presence: Json = {}
        self.violations: list[str] = []
        """What no gateway may ever say, in words."""
        self.reported_through = 0
        self.report_missing = False
        """A report came that follows upon one which did not."""
        self.clock = clock
        self._note = note
        self._device_changes: dict[str, int] = {}
        self._parts: dict[tuple[int, int, int], dict[int, None]] = {}

    @property
    def epoch(self) -> str:
        return self.epochs[-1] if self.epochs else ""

    @property
    def ledger(self) -> SimLedger:
        return self._ledger(self.epoch)

    @property
    def duplicates(self) -> int:
        """Events that came although they were here."""
        return sum(ledger.duplicates for ledger in self.ledgers.values())

    def reported_state(self, credential_id: str, device_id: str) -> str | None:
        """As last reported; None if it never was."""
        told = self.grants.get((credential_id, device_id))
        return None if told is None else str(told.body["state"])

    def take_presence(self, message: Json) -> bool:
        """Whether it says anything new."""
        known = self.presence
        fresh = not known or known["epoch"] != message["epoch"]
        if fresh and known and not message["online"]:
            return False  # the will of a former database
        if not self._current(message["epoch"]):
            return False
        if not fresh and message["connection"] < known["connection"]:
            return False  # the will of a former connection
        if not fresh and message["connection"] == known["connection"] and not known["online"]:
            return False  # a birth that was overtaken by its own end
        self.presence = message
        self._note("cloud.presence", online=message["online"])
        return True

    def take_hello(self, message: Json) -> bool:
        """False for one of an epoch that is over."""
        if not self._current(message["epoch"]):
            return False
        self.hello = message
        self.hellos += 1
        return True

    def take_events(self, message: Json) -> None:
        ledger = self._ledger(message["epoch"])
        for seq in ledger.conflicts(message["events"]):
            self.violation(f"event {seq} came with two contents")
        now = self.clock()
        fresh = ledger.add(message["events"])
        self.received += [Received(now, message["epoch"], event) for event in fresh]

    def take_report(self, message: Json) -> bool:
        """Whether everything up to its change is here now."""
        if not self._current(message["epoch"]):
            return False
        now, change = self.clock(), message["change"]
        # Reports overtake one another; the change they were made at tells which is newer.
        for device in message.get("devices", ()):
            name = device["device_id"]
            if self._device_changes.get(name, 0) <= change:
                self._device_changes[name] = change
                self.devices[name] = device
        for grant in message.get("grants", ()):
            key = grant["credential_id"], grant["device_id"]
            if key not in self.grants or self.grants[key].change <= change:
                self.grants[key] = Told(now, change, grant)
        return self._complete(message)

    def take_result(self, message: Json) -> None:
        answers = self.results.setdefault(message["command_id"], [])
        if message["result"] in answers:
            return
        answers.append(message["result"])
        if len(answers) > 1:
            self.violation(f"two answers to {message['command_id']}")

    def violation(self, words: str) -> None:
        if words not in self.violations and len(self.violations) < KEPT_VIOLATIONS:
            self._note("cloud.violation", words=words.replace(" ", "_"))
            self.violations.append(words)

    def _ledger(self, epoch: str) -> SimLedger:
        if epoch not in self.ledgers:
            self.ledgers[epoch] = SimLedger()
        return self.ledgers[epoch]

    def _current(self, epoch: str) -> bool:
        if epoch == self.epoch:
            return True
        if epoch in self.epochs:
            return False
        self._note("cloud.epoch")
        self.epochs.append(epoch)
        self.reported_through = 0
        self._parts.clear()
        self._device_changes.clear()  # of a database that is gone: anything is newer
        for told in self.grants.values():
            told.change = -1
        return True

    def _complete(self, message: Json) -> bool:
        """Once all chunks are here, and nothing is missing between this report and the last."""
        since, change = message["since"], message["change"]
        place = since, change, message["chunks"]
        have = self._parts.setdefault(place, {})
        have[message["chunk"]] = None
        self.report_missing = since > self.reported_through
        if len(have) < message["chunks"] or self.report_missing:
            return False
        self.reported_through = max(self.reported_through, change)
        self._parts = {p: have for p, have in self._parts.items() if p[1] > self.reported_through}
        return True
