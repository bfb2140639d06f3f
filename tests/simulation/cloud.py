"""The cloud at the other end of the contract, in virtual time: honest, patient, or confused.

Here: what is ordered of it, and how it answers what it is told. Not here: what it remembers
(`records`), commands and schedules on their way (`orders`, `pushing`), how it errs (`moods`), and
whether the gateway does right (`judge`). It decides nothing about doors.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.moods import MOODS
from tests.simulation.orders import Ordered, encode
from tests.simulation.pushing import Publisher

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from random import Random

    from tests.simulation.broker import Note, SimBroker

__all__ = ["Ordered", "SimCloud"]

Json = dict[str, Any]

ACK_PAUSE_S: Final = 0.05
"""Events arriving together are acknowledged together."""

ASK_PAUSE_S: Final = 1.0
"""Missing events are not asked for again within this time."""


class SimCloud(Publisher):
    """One gateway's cloud. Temper is in the attributes, to be set at any time."""

    def __init__(
        self,
        broker: SimBroker,
        gateway_id: str,
        rng: Random,
        clock: Callable[[], int],
        note: Note,
    ) -> None:
        super().__init__(broker, gateway_id, rng, clock, note)
        self.on_hello_time: Callable[[Json], Json | None] = lambda hello: None
        """The authenticated time for an answer to this hello (`ack.time`)."""
        self.on_message: Callable[[str, Json], None] = lambda leaf, message: None
        """Told of every message, after it was recorded."""
        self.buried_s = 300.0
        """The longest time until the schedule itself says what a command revoked."""
        self._asked_at = -1e9
        self._ack_due = False
        self._on: dict[str, Callable[[Json], None]] = {
            "presence": self._on_presence,
            "hello": self._on_hello,
            "events": self._on_events,
            "reported": self._on_reported,
            "results": self._on_result,
        }
        broker.listen(self._received)

    @property
    def away(self) -> bool:
        """Nobody listens at the broker, which says so to the gateway."""
        return self._away

    @away.setter
    def away(self, away: bool) -> None:
        self._away = away
        self._broker.listen(None if away else self._received)

    @property
    def in_agreement(self) -> bool:
        """As far as the last hello tells: nothing is missing on either side."""
        return self.agreed_but_for(())

    def agreed_but_for(self, commands: Collection[str]) -> bool:
        """The same, although these commands may not be answered."""
        return (
            self.applied
            and not self.hello["held_count"]
            and self.ledger.watermark >= self.hello["events"]["head"]
            and not self.report_missing
            and all(command in commands for command in self._asked)
        )

    def put(self, credential: Json, *, sure: bool = False) -> int:
        """Want a credential (as on the wire, without `version`), new or changed; its version."""
        self.change([credential], sure=sure)
        version: int = self.wanted.credentials[credential["credential_id"]]["version"]
        return version

    def revoke(
        self,
        credential_id: str,
        device_id: str | None = None,
        *,
        urgent: bool = False,
        buried_s: float | None = None,
    ) -> None:
        """By a tombstone. `urgent`: by command at once, the tombstone after `buried_s`; None: at
        once or later."""
        stone = {"credential_id": credential_id}
        if device_id is not None:
            stone["device_id"] = device_id
        if not urgent or device_id is not None:
            self.change([], [stone], sure=True)
            return
        self._order("gone", stone)
        version = self.wanted.credentials.get(credential_id, {}).get("version")
        meant = {} if version is None else {"version": version}
        self.command("revoke", credential_id=credential_id, **meant)
        if buried_s is None:
            buried_s = self._rng.choice((0.0, self._rng.uniform(1.0, self.buried_s)))
        self._loop.call_later(buried_s, self._bury, stone, version)

    def suspend(self, credential_id: str, suspended: bool) -> int:
        known = self.wanted.credentials[credential_id]
        return self.put(known | {"suspended": suspended})

    def change(
        self, credentials: Iterable[Json] = (), stones: Iterable[Json] = (), *, sure: bool = False
    ) -> int:
        """Several orders in one message; the new revision."""
        change = self.wanted.change(credentials, stones, sure=sure)
        for credential in change.credentials:
            self._order("put", credential, sure=sure)
            self._stop_revoking(credential["credential_id"])
        for stone in change.stones:
            self._order("gone", stone, sure=sure)
        self._push(change)
        return change.revision

    def misbehave(self, mood: str | None = None) -> str:
        """One act that must change nothing (see `moods`), drawn if not named; its name."""
        mood = mood or self._rng.choice(list(MOODS))
        self._note("cloud.mood", mood=mood)
        MOODS[mood](self, self._rng)
        return mood

    def _bury(self, stone: Json, version: int | None) -> None:
        """Unless it was wanted anew since."""
        known = self.wanted.credentials.get(stone["credential_id"])
        if known is not None and known["version"] == version:
            self._push(self.wanted.change([], [stone], sure=True))

    def _received(self, topic: str, payload: bytes) -> None:
        leaf = topic.rsplit("/", 1)[-1]
        message = json.loads(payload)
        self._on[leaf](message)
        self.on_message(leaf, message)

    def _on_presence(self, message: Json) -> None:
        if self.take_presence(message) and message["online"]:
            self._ack(want_hello=True, want_reported=self.reported_through == 0)

    def _on_hello(self, message: Json) -> None:
        if not self.take_hello(message):
            return
        wishes: Json = {}
        missing = self.ledger.missing(message["events"]["head"])
        if missing:
            wishes["want_events"] = missing[:32]
            self._asked_at = self._loop.time()
        time = self.on_hello_time(message)
        if time is not None:
            wishes["time"] = time
        self._ack(**wishes)
        if message["held_count"]:
            self._withheld(message["held_removals"])
        else:
            self._meant.clear()
        if self.wanted.revision:
            self._heal(message)
        self._say_again(message["clock"].get("boot", 0))

    def _on_events(self, message: Json) -> None:
        self.take_events(message)
        self._ack_soon()

    def _on_reported(self, message: Json) -> None:
        if self.take_report(message):
            self._ack_soon()

    def _on_result(self, message: Json) -> None:
        command_id = message["command_id"]
        if command_id not in self.commands:
            self.violation(f"an answer to {command_id}, which was never asked")
        self.take_result(message)
        self._asked.pop(command_id, None)

    def _ack_soon(self) -> None:
        if not self._ack_due:
            self._ack_due = True
            self._loop.call_later(ACK_PAUSE_S, self._ack_now)

    def _ack_now(self) -> None:
        self._ack_due = False
        missing = self.ledger.missing()
        now = self._loop.time()
        if missing and now >= self._asked_at + ASK_PAUSE_S:
            self._asked_at = now
            self._ack(want_events=missing[:32])
        else:
            self._ack()

    def _ack(self, **wishes: Any) -> None:
        through = {
            "epoch": self.epoch,
            "events_through": self.ledger.watermark,
            "reported_through": self.reported_through,
        }
        self.send_raw("ack", encode(through | wishes))
