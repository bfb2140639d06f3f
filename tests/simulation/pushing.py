"""The schedule on its way to the gateway: changes, healing, and insisting on what was withheld.

Here: deltas, snapshots, when they are sent again. Not here: what is wanted (`wanted`), and what
anybody ordered (`cloud`).
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from firmware_sims.cloud.reference import pack
from tests.simulation.orders import Commander, Ordered, encode
from tests.simulation.wanted import Change, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

    from tests.simulation.broker import Note, SimBroker

Json = dict[str, Any]

HEAL_AFTER_S: Final = 2.0
"""A hello that shows an older schedule is believed only this long after the last push."""

MAX_PARTS: Final = 12
"""More parts teach nothing new, and cost most of the time a world takes."""

ASKED_AFTER_S: Final = 5.0
"""A whole schedule that was asked for is not sent again so soon: the last may be on its way."""

CONFIRM_AGAIN_S: Final = 60.0


class Publisher(Commander):
    """How changes are sent is in the attributes, to be set at any time."""

    def __init__(
        self,
        broker: SimBroker,
        gateway_id: str,
        rng: Random,
        clock: Callable[[], int],
        note: Note,
    ) -> None:
        super().__init__(broker, gateway_id, rng, clock, note)
        self.wanted = Wanted()
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
        self.deltas: deque[bytes] = deque(maxlen=16)
        """The last ones sent."""
        self._meant: dict[str, None] = {}
        """Credentials about which a withheld change needs no second thought."""
        self._mistaken: dict[str, None] = {}
        """Credentials that were taken back by mistake."""
        self._pushed_at = self._snapshot_at = self._confirmed_at = -1e9
        self._confirm_due = self._look_due = False

    @property
    def applied(self) -> bool:
        """The last hello shows the schedule as it is wanted."""
        hello, wanted = self.hello, self.wanted
        return bool(hello) and (hello["revision"], hello["hash"]) == (wanted.revision, wanted.hash)

    def lapse(self, names: Iterable[str], seconds: float) -> None:
        """A fault of ours: a schedule without these, though they are wanted; noticed later."""
        self.wanted.absent |= dict.fromkeys(n for n in names if n in self.wanted.credentials)
        self._note("cloud.lapse", absent=len(self.wanted.absent))
        self._say_absent()
        self.wanted.step([], [], sure=False)
        self._snapshot(sure=False)
        self._loop.call_later(seconds, self.mend)

    def mistake(self, names: Iterable[str], seconds: float) -> None:
        """A fault of ours: these are taken back, though they are wanted, and nobody said that it is
        meant; noticed later."""
        known = [name for name in names if name in self.wanted.credentials]
        self.wanted.absent |= dict.fromkeys(known)
        self._mistaken |= dict.fromkeys(known)
        self._note("cloud.mistake", absent=len(self.wanted.absent))
        self._say_absent()
        stones: list[Json] = [{"credential_id": name} for name in known]
        self._delta(self.wanted.step([], stones, sure=False))
        self._loop.call_later(seconds, self.mend)

    def chunks(self, credentials: list[Json], stones: list[Json], *, sure: bool) -> list[Json]:
        """A snapshot's messages at the present revision and hash."""
        size = max(self.chunk_size, math.ceil(len(credentials) / MAX_PARTS))
        parts = [credentials[i : i + size] for i in range(0, len(credentials), size)] or [[]]
        head = {"kind": "snapshot", "revision": self.wanted.revision, "hash": self.wanted.hash}
        return [
            head
            | {"chunk": number, "chunks": len(parts), "confirm_removals": sure}
            | ({"credentials_z": pack(part)} if self.packed else {"credentials": part})
            | {"tombstones": stones if number == 1 else []}
            for number, part in enumerate(parts, start=1)
        ]

    def _push(self, change: Change) -> None:
        mode = self.push_mode
        if mode == "mixed":
            mode = self._rng.choice(("delta", "snapshot"))
        if mode == "snapshot":
            self._snapshot(sure=change.sure)
        else:
            self._delta(change)

    def _delta(self, change: Change) -> None:
        payload = encode(
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
        self._pushed_at = self._snapshot_at = self._loop.time()
        stones = [s for change in self.wanted.unproven for s in change.stones]
        chunks = self.chunks(self.wanted.listed(), stones, sure=sure)
        if self.shuffle:
            self._rng.shuffle(chunks)
        for chunk in chunks:
            self.send_raw("desired", encode(chunk))

    def mend(self) -> None:
        """What was left out or taken back by mistake is wanted, and said, again."""
        self._mistaken.clear()
        if self.wanted.absent:
            missing = [self.wanted.credentials[name] for name in self.wanted.absent]
            self.wanted.absent.clear()
            self._say_absent()
            self._note("cloud.mended")
            self._push(self.wanted.step(missing, [], sure=False))

    def _say_absent(self) -> None:
        self.ordered.append(Ordered(self.clock(), "absent", {"names": list(self.wanted.absent)}))

    def _heal(self, hello: Json) -> None:
        """Send the whole schedule if the gateway asks for it or shows another one."""
        wanted = self.wanted
        asked = hello.get("want") == "snapshot"
        if self.applied:
            wanted.proven()
            if not asked:
                return
        elif hello["revision"] > wanted.revision:
            self.violation(f"revision {hello['revision']} was never sent")
            return
        soonest = self._snapshot_at + ASKED_AFTER_S if asked else self._pushed_at + HEAL_AFTER_S
        if (early := soonest - self._loop.time()) > 0:
            if not self._look_due:  # what would heal it is on its way
                self._look_due = True
                self._loop.call_later(early, self._look_again)
            return
        if self.heal_higher if self.applied else hello["revision"] == wanted.revision:
            wanted.step([], [], sure=False)  # a revision never stands for two schedules
        self._note("cloud.heal", asked=asked)
        self._snapshot(sure=bool(wanted.unproven) and all(c.sure for c in wanted.unproven))

    def _look_again(self) -> None:
        self._look_due = False
        self._heal(self.hello)

    def _withheld(self, held: list[Json]) -> None:
        """What was said with `confirm_removals` before needs no second thought, the rest does, and
        shows what was a mistake."""
        held = [
            item
            for item in held
            if item["credential_id"] not in self._mistaken and not self.wanted.has(item)
        ]
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
        if not held or self._mistaken or any(self.wanted.has(item) for item in held):
            # Of what is a mistake nobody says that it is meant: nor when it was mended, while the
            # gateway that withholds it does not show that it knows. It is asked about again.
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
