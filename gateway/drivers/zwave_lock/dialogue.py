"""Small talk with a lock: single questions and orders, as generators without I/O.

A conversation yields what it wants to say and is sent the answer; failures of the way are thrown
into it. Here: single exchanges. Not here: codes (codes, credentials) and schedules (entries), what
a write must prove (session), and who carries the words (driver).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeVar

from gateway.drivers.withdrawing import Extend
from gateway.drivers.zwave_lock import wire
from gateway.drivers.zwave_lock.schedules import Kind
from gateway.errors import PeerProtocolError, Refusal, Unreachable
from gateway.radios.command_classes import CcCall, CcReply, Supervision

if TYPE_CHECKING:
    from datetime import tzinfo


@dataclass(frozen=True, slots=True)
class Pause:
    """The bolt is on its way: so long, then ask again."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Overheard:
    """Has the lock told of this by itself since the conversation began? The answer is a bool.

    `event` of access control, about that user or about nobody by name.
    """

    event: wire.Access
    user_id: int | None = None


Step = CcCall | Extend | Pause | Overheard
T = TypeVar("T")
Dialogue = Generator[Step, CcReply, T]


class Store(Enum):
    """Which command class keeps the codes."""

    NONE = "none"
    USER_CODE = "user_code"
    CREDENTIALS = "credentials"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How this lock wants to be spoken to.

    `entries`: schedules per user by kind, those that the lock has. `weekly`: the kind that ours are
    written as. `disables`: a user can be there and be switched off.
    """

    zone: tzinfo
    endpoint: int = 0
    store: Store = Store.USER_CODE
    disables: bool = False
    year_day: int = 0
    week_day: int = 0
    daily: int = 0

    def count(self, kind: Kind) -> int:
        return {
            Kind.YEAR_DAY: self.year_day,
            Kind.WEEK_DAY: self.week_day,
            Kind.DAILY: self.daily,
        }[kind]

    def ids(self, kind: Kind) -> range:
        """Schedule slots count from 1 (ScheduleEntryLockCC.ts: "must be between 1 and …")."""
        return range(1, self.count(kind) + 1)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return tuple(kind for kind in Kind if self.count(kind))

    @property
    def weekly(self) -> Kind:
        return Kind.DAILY if self.daily else Kind.WEEK_DAY

    def ask(self, command_class: int, method: str, *arguments: object) -> CcCall:
        return CcCall(command_class, method, arguments, self.endpoint, asks_only=True)

    def order(self, command_class: int, method: str, *arguments: object) -> CcCall:
        return CcCall(command_class, method, arguments, self.endpoint)


class Said(Enum):
    """What became of an order, by the lock's own word."""

    DONE = "done"
    NOTHING = "nothing"
    """Delivered, and that is all: no supervision, or its report was lost."""


Word = Said | Refusal


ASKED: Final = 2
"""How often a question is asked: reports are lost more often than nodes are gone."""


def ask(call: CcCall) -> Dialogue[object]:
    """What the lock told; `Unreachable` where it did not answer."""
    for _ in range(ASKED):
        reply = yield call
        if reply.value is not None:
            return reply.value
    raise Unreachable(f"could not ask the lock ({call.method}): it does not answer")


def ask_fields(call: CcCall) -> Dialogue[dict[str, object]]:
    told = yield from ask(call)
    if not isinstance(told, dict):
        raise PeerProtocolError(f"could not ask the lock ({call.method}): no fields came")
    return told


def tell(call: CcCall) -> Dialogue[Word]:
    reply = yield call
    return word_of(reply.supervision)


def word_of(supervision: Supervision) -> Word:
    """`FAIL` says no more than that (CC:006C); `WORKING` is not yet anything."""
    if supervision is Supervision.SUCCESS:
        return Said.DONE
    if supervision is Supervision.FAIL:
        return Refusal.FAILED
    if supervision is Supervision.NO_SUPPORT:
        return Refusal.UNSUPPORTED
    return Said.NOTHING


def overheard(event: wire.Access, user_id: int | None = None) -> Dialogue[bool]:
    reply = yield Overheard(event, user_id)
    return bool(reply.value)


def value_id(dialect: Dialect, command_class: int, name: str, key: int) -> dict[str, object]:
    """A value as Z-Wave JS names it; the keys are those of `_CCValues.generated.d.ts`."""
    return {
        "commandClass": command_class,
        "endpoint": dialect.endpoint,
        "property": name,
        "propertyKey": key,
    }


def kept(dialect: Dialect, what: str, value: dict[str, object]) -> Dialogue[object]:
    """The `timestamp` or the `value` that Z-Wave JS keeps; None where it has none.

    No radio is used. A report renews the time of a value even if it stays the same
    (ValueDB.ts, `setValue`).
    """
    method = {"timestamp": "node.get_value_timestamp", "value": "node.get_value"}[what]
    reply = yield dialect.ask(wire.NO_CLASS, method, {"valueId": value})
    return reply.value.get(what) if isinstance(reply.value, dict) else None
