"""The cloud at the other end of the contract, in virtual time: honest, patient, or confused.

Here: what it says and when. Not here: what it remembers (`records`), the schedule it means
(`wanted`), how it errs (`moods`), and whether the gateway does right (`judge`). It decides nothing
about doors, and it keeps every order as it gave it, with the true time.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from firmware_sims.cloud.reference import pack
from gateway.domain.instant import Instant, to_rfc3339
from gateway.sync.topics import Topics
from tests.simulation.moods import MOODS
from tests.simulation.records import Records
from tests.simulation.wanted import Change, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

    from tests.simulation.broker import Note, SimBroker

Json = dict[str, Any]

ACK_PAUSE_S: Final = 0.05
"""Events arriving together are acknowledged together."""

ASK_PAUSE_S: Final = 1.0
"""Missing events are not asked for again within this time."""

HEAL_AFTER_S: Final = 2.0
"""A hello that shows an older schedule is believed only this long after the last push."""

SAY_AGAIN_S: Final = (20.0, 600.0)
"""A command without an answer is sent again after this long, doubling up to the second."""

CONFIRM_AGAIN_S: Final = 60.0


class Ordered(NamedTuple):
    """An order as it was given. `at`: true time, Unix milliseconds.

    `kind`: `put` (`body` is the credential, with its digits), `gone` (a tombstone), `command`,
    `confirm` (the withheld removals that are meant after all), `hostile` (a command that must not
    act). `sure`: it was said in a way that the guard against mass deletion lets pass.
    """

    at: int
    kind: str
    body: Json
    sure: bool = True


class _Asked:
    """A command on its way: when it is worth saying again."""

    def __init__(self, payload: bytes, now: float) -> None:
        self.payload = payload
        self.wait = SAY_AGAIN_S[0]
        self.due = now + self.wait

    def said(self, now: float) -> None:
        self.wait = min(SAY_AGAIN_S[1], 2 * self.wait)
        self.due = now + self.wait


class SimCloud(Records):
    """`clock`: true time, Unix milliseconds. Temper is in the attributes, to be set at any time."""

    def __init__(
        self,
        broker: SimBroker,
        gateway_id: str,
        rng: Random,
        clock: Callable[[], int],
        note: Note,
    ) -> None:
        super().__init__(clock, note)
        self.wanted = Wanted()
        self.ordered: list[Ordered] = []
        self.commands: dict[str, Json] = {}
        """Every command ever sent, by id."""
        self.push_mode = "delta"
        """`delta`, `snapshot`, or `mixed`: how a change is sent. Healing is by snapshot."""
        self.chunk_size = 50
        self.packed = False
        self.shuffle = False
        """Whether a snapshot's chunks leave in any order."""
        self.confirm_after_s = (5.0, 60.0)
        """After withheld removals were reported: somebody looks at it first."""
        self.heal_higher = rng.random() < 0.5
        """Whether a gateway that asks for what it has gets it under a new revision. Both are
        allowed."""
        self.say_again = True
        """Whether a command without an answer is repeated."""
        self.on_hello_time: Callable[[Json], Json | None] = lambda hello: None
        """The authenticated time for an answer to this hello (`ack.time`)."""
        self.on_message: Callable[[str, Json], None] = lambda leaf, message: None
        """Told of every message, after it was recorded."""
        self.topics = Topics(gateway_id)
        self.deltas: deque[bytes] = deque(maxlen=16)
        """The last ones sent."""
        self._away = False
        self._broker = broker
        self._rng = rng
        self._loop = asyncio.get_running_loop()
        self._numbers = 0
        self._asked: dict[str, _Asked] = {}
        self._meant: dict[str, None] = {}
        """Credentials about which a withheld change needs no second thought."""
        self._pushed_at = self._asked_at = self._confirmed_at = -1e9
        self._ack_due = self._confirm_due = self._look_due = False
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
    def applied(self) -> bool:
        """The last hello shows the schedule as it is wanted."""
        hello, wanted = self.hello, self.wanted
        return bool(hello) and (hello["revision"], hello["hash"]) == (wanted.revision, wanted.hash)

    @property
    def in_agreement(self) -> bool:
        """As far as the last hello tells: nothing is missing on either side."""
        return (
            self.applied
            and not self.hello["held_count"]
            and self.ledger.watermark >= self.hello["events"]["head"]
            and not self.report_missing
            and not self._asked
        )

    # ---------------------------------------------------------------------------------- orders

    def put(self, credential: Json, *, sure: bool = False) -> int:
        """Want a credential (as on the wire, without `version`), new or changed; its version."""
        self.change([credential], sure=sure)
        version: int = self.wanted.credentials[credential["credential_id"]]["version"]
        return version

    def revoke(
        self, credential_id: str, device_id: str | None = None, *, urgent: bool = False
    ) -> None:
        """By a tombstone. `urgent`: by command at once, the tombstone at once or minutes later."""
        stone = {"credential_id": credential_id}
        if device_id is not None:
            stone["device_id"] = device_id
        if not urgent or device_id is not None:
            self.change([], [stone], sure=True)
            return
        self._order("gone", stone)
        self.command("revoke", credential_id=credential_id)
        version = self.wanted.credentials.get(credential_id, {}).get("version")
        later = self._rng.choice((0.0, self._rng.uniform(1.0, 300.0)))
        self._loop.call_later(later, self._bury, stone, version)

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

    def lapse(self, names: Iterable[str], seconds: float) -> None:
        """A fault of ours: a schedule without these, though they are wanted; noticed later."""
        self.wanted.absent |= dict.fromkeys(n for n in names if n in self.wanted.credentials)
        self._note("cloud.lapse", absent=len(self.wanted.absent))
        self.wanted.step([], [], sure=False)
        self._snapshot(sure=False)
        self._loop.call_later(seconds, self._mend)

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
        payload = _encode(command)
        self._asked[command_id] = _Asked(payload, self._loop.time() + late_s)
        self._later(late_s, payload)
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

    def misbehave(self, mood: str | None = None) -> str:
        """One act that must change nothing (see `moods`), drawn if not named; its name."""
        mood = mood or self._rng.choice(list(MOODS))
        self._note("cloud.mood", mood=mood)
        MOODS[mood](self, self._rng)
        return mood

    def hostile(self, command: Json) -> None:
        """Write down that this command must not act."""
        self._order("hostile", command)

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

    def _bury(self, stone: Json, version: int | None) -> None:
        """Unless it was wanted anew since."""
        known = self.wanted.credentials.get(stone["credential_id"])
        if known is not None and known["version"] == version:
            self._push(self.wanted.change([], [stone], sure=True))

    def _mend(self) -> None:
        if self.wanted.absent:
            missing = [self.wanted.credentials[name] for name in self.wanted.absent]
            self.wanted.absent.clear()
            self._note("cloud.mended")
            self._push(self.wanted.step(missing, [], sure=False))

    # ------------------------------------------------------------------------------- schedules

    def _push(self, change: Change) -> None:
        mode = self.push_mode
        if mode == "mixed":
            mode = self._rng.choice(("delta", "snapshot"))
        if mode == "snapshot":
            self._snapshot(sure=change.sure)
        else:
            self._delta(change)

    def _delta(self, change: Change) -> None:
        payload = _encode(
            {
                "kind": "delta",
                "revision": change.revision,
                "previous": change.previous,
                "hash": self.wanted.hash,
                "credentials": change.credentials,
                "tombstones": change.stones,
                "confirm_removals": change.sure,
            }
        )
        self.deltas.append(payload)
        self._pushed_at = self._loop.time()
        self.send_raw("desired", payload)

    def _snapshot(self, *, sure: bool) -> None:
        """The whole at the present revision, with every tombstone that is not proven yet."""
        self._pushed_at = self._loop.time()
        stones = [s for change in self.wanted.unproven for s in change.stones]
        chunks = self.chunks(self.wanted.listed(), stones, sure=sure)
        if self.shuffle:
            self._rng.shuffle(chunks)
        for chunk in chunks:
            self.send_raw("desired", _encode(chunk))

    def chunks(self, credentials: list[Json], stones: list[Json], *, sure: bool) -> list[Json]:
        """A snapshot's messages at the present revision and hash."""
        size = self.chunk_size
        parts = [credentials[i : i + size] for i in range(0, len(credentials), size)] or [[]]
        head = {"kind": "snapshot", "revision": self.wanted.revision, "hash": self.wanted.hash}
        return [
            head
            | {"chunk": number, "chunks": len(parts), "confirm_removals": sure}
            | ({"credentials_z": pack(part)} if self.packed else {"credentials": part})
            | {"tombstones": stones if number == 1 else []}
            for number, part in enumerate(parts, start=1)
        ]

    def _heal(self, hello: Json) -> None:
        """Send the whole schedule if the gateway asks for it or shows another one."""
        wanted = self.wanted
        asked = hello.get("want") == "snapshot"
        if self.applied:
            wanted.proven()
            if not asked:
                return
            if self.heal_higher:
                wanted.step([], [], sure=False)
        elif hello["revision"] > wanted.revision:
            self.violation(f"revision {hello['revision']} was never sent")
            return
        elif not asked and (early := self._pushed_at + HEAL_AFTER_S - self._loop.time()) > 0:
            if not self._look_due:  # what would heal it is on its way
                self._look_due = True
                self._loop.call_later(early, self._look_again)
            return
        elif hello["revision"] == wanted.revision:
            wanted.step([], [], sure=False)  # a revision never stands for two schedules
        self._note("cloud.heal", asked=asked)
        self._snapshot(sure=bool(wanted.unproven) and all(c.sure for c in wanted.unproven))

    def _look_again(self) -> None:
        self._look_due = False
        if not self.applied:
            self._heal(self.hello)

    def _withheld(self, held: list[Json]) -> None:
        """What was said with `confirm_removals` before needs no second thought, the rest does."""
        self._meant |= dict.fromkeys(
            name
            for change in self.wanted.unproven
            if change.sure
            for name in (*change.names, *(stone["credential_id"] for stone in change.stones))
        )
        self._insist([item for item in held if item["credential_id"] in self._meant])
        if not self._confirm_due and any(i["credential_id"] not in self._meant for i in held):
            self._confirm_due = True
            at = max(self._loop.time(), self._confirmed_at + CONFIRM_AGAIN_S)
            self._loop.call_at(at + self._rng.uniform(*self.confirm_after_s), self._confirm)

    def _confirm(self) -> None:
        """All that is withheld still is meant."""
        self._confirm_due = False
        held = self.hello.get("held_removals", [])
        if not held:
            return
        self._confirmed_at = self._loop.time()
        self._order("confirm", {"held": held})
        gone = [item["revision"] for item in held if "version" not in item]
        if gone:
            self.command("confirm_removals", revision=max(gone))
        self._insist([item for item in held if "version" in item])

    def _insist(self, held: list[Json]) -> None:
        """Send edits again, and removals one by one: none of these is withheld."""
        wanted = self.wanted
        edited = dict.fromkeys(i["credential_id"] for i in held if "version" in i)
        again = [wanted.credentials[name] for name in edited if name in wanted.credentials]
        if again:
            self._delta(wanted.step(again, [], sure=True))
        for item in held:
            if "version" not in item and item["credential_id"] not in edited:
                stone = {name: item[name] for name in ("credential_id", "device_id")}
                self._delta(wanted.step([], [stone], sure=True))

    # ------------------------------------------------------------------------- what it is told

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
        self._say_again()

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

    def _say_again(self) -> None:
        """The gateway is there: time for what it did not answer."""
        now = self._loop.time()
        for asked in self._asked.values() if self.say_again else ():
            if now >= asked.due:
                asked.said(now)
                self.send_raw("commands", asked.payload)

    # ----------------------------------------------------------------------------- on the wire

    def send_raw(self, leaf: str, payload: bytes, *, retain: bool = False) -> None:
        if not self._away:
            self._broker.send(self.topics.down(leaf), payload, retain=retain)

    def _later(self, seconds: float, payload: bytes) -> None:
        if seconds:
            self._loop.call_later(seconds, partial(self.send_raw, "commands", payload))
        else:
            self.send_raw("commands", payload)

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
        self.send_raw("ack", _encode(through | wishes))


def _encode(message: Json) -> bytes:
    return json.dumps({"schema": 1, **message}).encode()
