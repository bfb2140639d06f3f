"""Small talk with a TTLock as generators without I/O: what may be said, and single questions.

A conversation yields what it wants and is sent the answer; failures of the link are thrown into it.
Not here: writing (codes, media, settings), login and the link (link), which come of themselves.

What a conversation may rely on: a command that only asks is asked again over a new link while there
is time; any other is said once and ends in its answer, in `Unreachable` (nothing was delivered) or
in `OutcomeUnknown`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.drivers.steps import Agree, Await, Become, Memory
from gateway.drivers.ttlock.commands import Answer, Command, Login
from gateway.drivers.ttlock.keys import Keys
from gateway.drivers.ttlock.mapping import refusal_of, why
from gateway.errors import DeviceRefused, OutcomeUnknown, RadioError, Unreachable


@dataclass(frozen=True, slots=True)
class Prove:
    """Log in as at least that, if this link has not."""

    login: Login


@dataclass(frozen=True, slots=True)
class HeardVersion:
    """What the lock's last answer said of itself."""


Step = Command | Await[Command] | Memory | Prove | Become[Keys] | Agree[Keys] | HeardVersion
T = TypeVar("T")
Dialogue = Generator[Step, Any, T]


def say(command: Command) -> Dialogue[Answer]:
    """The answer, also when it is a refusal."""
    answer: Answer = yield command
    return answer


def ask(command: Command, doing: str) -> Dialogue[Answer]:
    """`DeviceRefused` for a refusal; `doing` is what could not be done, for people."""
    answer = yield from say(command)
    return done(answer, doing)


def await_more(command: Command, within_s: float, doing: str) -> Dialogue[Answer]:
    answer: Answer = yield Await(command, within_s)
    return done(answer, doing)


def done(answer: Answer, doing: str) -> Answer:
    if answer.error is not None:
        raise DeviceRefused(f"could not {doing}: {why(answer.error)}", refusal_of(answer.error))
    return answer


def since_an_order(rest: Dialogue[T]) -> Dialogue[T]:
    """What comes after an order: that the link is gone no longer means that nothing was changed."""
    try:
        return (yield from rest)
    except (Unreachable, RadioError) as error:
        raise OutcomeUnknown(f"could not prove what the lock did: {error}") from error
