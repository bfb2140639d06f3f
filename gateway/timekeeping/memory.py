"""What survives of the time: the belief and the boot it was held in, one document beside the floor.

A document that is not ours is as good as none: then the floor is all that is known. Not here: when
it is written (`keeper`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gateway.domain.events import EventType, Fact, Value
from gateway.domain.instant import SECOND, ClockTrust, Instant
from gateway.domain.timebelief import Base, Belief, Bound, Proof, Source
from gateway.domain.timetrust import begin
from gateway.errors import StoreUnreadable
from gateway.store import codec, devices, events, meta

if TYPE_CHECKING:
    from gateway.domain.timebelief import Limits
    from gateway.store.tx import Tx


LOCK_CLOCKS_MS = 10 * SECOND
"""A belief that was wrong by this much has misled locks: a third of what is set right at all."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What was believed in which boot."""

    boot_id: str
    belief: Belief

    def write(self, tx: Tx, uptime_s: float, limits: Limits) -> None:
        """With whatever else the transaction is about: whoever boots next knows at least this."""
        belief = self.belief
        document = {
            "boot_id": self.boot_id,
            "uptime_s": uptime_s,
            "offset_ms": belief.offset_ms,
            "trust": belief.trust.value,
            "floor": _listed(belief.floor),
            "last": _listed(belief.last),
            "base": None if belief.base is None else asdict(belief.base),
            "proof": None
            if belief.proof is None
            else [belief.proof.source.value, belief.proof.uptime_s, belief.proof.error_ms],
            "contested": belief.contested,
            "doubted": belief.doubted,
        }
        meta.set_time(tx, belief.floor_at(uptime_s, limits), codec.dump(document))


def recall(text: str, boot_id: str, uptime_s: float) -> Belief | None:
    """What was believed in this boot; None if it knows nothing yet."""
    known = _read(text)
    if known is None or known.boot_id != boot_id or known.belief.seen_s > uptime_s:
        return None
    return known.belief


def begin_boot(
    text: str, floor: Instant | None, wall: Instant, uptime_s: float, limits: Limits
) -> Belief:
    """The first belief of a boot, by what is left of the one before."""
    known = _read(text)
    last, weak, doubted = None, False, False
    if known is not None:
        belief, seen_s = known.belief, known.belief.seen_s
        weak, doubted = belief.floor is not None and belief.floor.weak, belief.doubted
        if belief.base is not None:
            last = belief.now(seen_s)
        elif belief.last is not None:
            last = belief.last.risen(seen_s, limits)
    return begin(wall, uptime_s, floor, last, limits, weak=weak, doubted=doubted)


def _listed(bound: Bound | None) -> list[float | bool] | None:
    return None if bound is None else [bound.at, bound.uptime_s, bound.weak]


def _read(text: str) -> Memory | None:
    try:
        document: Any = codec.load(text)
        base, proof = document["base"], document["proof"]
        belief = Belief(
            int(document["offset_ms"]),
            float(document["uptime_s"]),
            _bound(document["floor"]),
            _bound(document["last"]),
            ClockTrust(document["trust"]),
            None if base is None else Base(**base),
            None if proof is None else Proof(Source(proof[0]), float(proof[1]), int(proof[2])),
            contested=bool(document.get("contested", False)),
            doubted=bool(document.get("doubted", False)),
        )
        return Memory(str(document["boot_id"]), belief)
    except (StoreUnreadable, KeyError, TypeError, ValueError, IndexError):
        return None


def _bound(listed: Any) -> Bound | None:
    if listed is None:
        return None
    return Bound(Instant(int(listed[0])), float(listed[1]), weak=any(listed[2:]))


@dataclass(frozen=True, slots=True)
class Correction:
    """A belief was wrong by `by_ms` while it was called `stamped`: so are its events, and what it
    told and heard of the locks' clocks."""

    by_ms: int
    stamped: list[ClockTrust]

    def write(self, tx: Tx, from_seq: int, now: Instant, trust: ClockTrust) -> int:
        """Mark those since `from_seq` and tell the cloud; the number of the next one to look at."""
        through = tx.one(events.head()) or 0
        if events.correct(tx, from_seq, through, self.by_ms, self.stamped):
            body: dict[str, Value] = {
                "from_seq": from_seq,
                "through_seq": through,
                "by_ms": self.by_ms,
                "stamped": [each.value for each in self.stamped],
            }
            events.append(tx, Fact(EventType.GATEWAY_TIME_CORRECTED, now, body=body), trust)
        if ClockTrust.TRUSTED in self.stamped and abs(self.by_ms) >= LOCK_CLOCKS_MS:
            devices.forget_clocks(tx)
        return through + 1
