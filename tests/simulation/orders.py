"""What the cloud orders: commands on their way until they are answered, and the record of it all.

Here: every order as it was given, with the true time. Not here: the schedule (`pushing`), and how
a message travels (`broker`).
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gateway.domain.instant import Instant, to_rfc3339
from gateway.sync.topics import Topics
from tests.simulation.records import Records

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.simulation.broker import Note, SimBroker

Json = dict[str, Any]

SAY_AGAIN_S: Final = (20.0, 600.0)
"""A command without an answer is sent again after this long, doubling up to the second."""


class Ordered(NamedTuple):
    """An order as it was given. `at`: true time, Unix milliseconds.

    `kind`: `put` (`body` is the credential, with its digits), `gone` (a tombstone), `command`,
    `confirm` (the withheld removals that are meant after all), `hostile` (a command that must not
    act), `absent` (what is left out of the schedule by mistake from here on). `sure`: it was said
    in a way that the guard against mass deletion lets pass.
    """

    at: int
    kind: str
    body: Json
    sure: bool = True


class _Asked:
    """A command on its way: when it is worth saying again."""

    def __init__(self, payload: bytes, now: float) -> None:
        self.payload = payload
        self.left = now
        self.wait = SAY_AGAIN_S[0]
        self.due = now + self.wait

    def said(self, now: float) -> None:
        self.wait = min(SAY_AGAIN_S[1], 2 * self.wait)
        self.due = now + self.wait

    def afresh(self, now: float) -> None:
        """Due at once, unless it has not left yet."""
        if now >= self.left:
            self.wait, self.due = SAY_AGAIN_S[0], now


class Commander(Records):
    """`clock`: true time, Unix milliseconds."""

    def __init__(
        self,
        broker: SimBroker,
        gateway_id: str,
        rng: Random,
        clock: Callable[[], int],
        note: Note,
    ) -> None:
        super().__init__(clock, note)
        self.ordered: list[Ordered] = []
        self.commands: dict[str, Json] = {}
        """Every command ever sent, by id."""
        self.say_again = True
        """Whether a command without an answer is repeated."""
        self.on_command: Callable[[Json, float], None] = lambda command, late_s: None
        """Told of every command, and in how many seconds it will leave for the first time."""
        self.topics = Topics(gateway_id)
        self._away = False
        self._broker = broker
        self._rng = rng
        self._loop = asyncio.get_running_loop()
        self._numbers = 0
        self._boot = 0
        self._asked: dict[str, _Asked] = {}

    def command(
        self,
        kind: str,
        device_id: str | None = None,
        *,
        not_after: int | None = None,
        fresh: bool = False,
        copies: int = 1,
        late_s: float = 0.0,
        **args: Any,
    ) -> str:
        """Its id. `not_after`: true time, Unix milliseconds. `fresh`: echo the last hello's nonce.

        `copies`, up to half a minute apart, and `late_s` are how it travels, not what it says.
        """
        command = self.make_command(kind, device_id, not_after=not_after, fresh=fresh, **args)
        command_id: str = command["command_id"]
        self._order("command", command)
        payload = encode(command)
        self._asked[command_id] = _Asked(payload, self._loop.time() + late_s)
        self._later(late_s, payload)
        self.on_command(command, late_s)
        for _ in range(copies - 1):
            self._later(late_s + self._rng.uniform(0.0, 30.0), payload)
        return command_id

    def make_command(
        self,
        kind: str,
        device_id: str | None,
        *,
        not_after: int | None,
        fresh: bool = False,
        **args: Any,
    ) -> Json:
        """As on the wire, under a new id, not sent."""
        self._numbers += 1
        command: Json = {"command_id": f"cmd-{self._numbers}", "kind": kind, "args": args}
        if device_id is not None:
            command["device_id"] = device_id
        if not_after is not None:
            command["not_after"] = to_rfc3339(Instant(not_after))
        if fresh and self.hello:
            command["nonce"] = self.hello["nonce"]
        self.commands[command["command_id"]] = command
        return command

    def hostile(self, command: Json) -> None:
        """Write down that this command must not act."""
        self._order("hostile", command)

    def send_raw(self, leaf: str, payload: bytes, *, retain: bool = False) -> None:
        if not self._away:
            self._broker.send(self.topics.down(leaf), payload, retain=retain)

    def _order(self, kind: str, body: Json, *, sure: bool = True) -> None:
        self.ordered.append(Ordered(self.clock(), kind, body, sure))
        self._note(
            "cloud." + kind,
            what=body.get("kind") if kind in {"command", "hostile"} else None,
            credential=body.get("credential_id"),
            version=body.get("version"),
            device=body.get("device_id"),
        )

    def _stop_revoking(self, credential_id: str) -> None:
        """Wanted anew: what is not answered by now must not arrive afterwards. (It names no
        version, so that it would take the new one.)"""
        for command_id in list(self._asked):
            if self.commands[command_id]["args"] == {"credential_id": credential_id}:
                del self._asked[command_id]

    def _say_again(self, boot: int) -> None:
        """The gateway is there: time for what it did not answer; for all of it when it has started
        anew, whose former life may have taken it along."""
        now = self._loop.time()
        if boot != self._boot:
            self._boot = boot
            for asked in self._asked.values():
                asked.afresh(now)
        for asked in self._asked.values() if self.say_again else ():
            if now >= asked.due:
                asked.said(now)
                self.send_raw("commands", asked.payload)

    def _later(self, seconds: float, payload: bytes) -> None:
        if seconds:
            self._loop.call_later(seconds, partial(self.send_raw, "commands", payload))
        else:
            self.send_raw("commands", payload)


def encode(message: Json) -> bytes:
    return json.dumps({"schema": 1, **message}).encode()
