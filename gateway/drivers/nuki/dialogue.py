"""Small talk with a Nuki as generators without I/O: what may be said, and single questions.

A conversation yields what it wants and is sent the answer; failures of the link are thrown into it.
Not here: challenge, PIN and the link (link), which come of themselves.

What a conversation may rely on: a command that only asks is asked again over a new link while there
is time; any other is said once and ends in its answer, in `Unreachable` (nothing was delivered) or
in `OutcomeUnknown`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

from gateway.drivers.nuki.commands import Answer, Command
from gateway.drivers.nuki.keys import Keys
from gateway.drivers.nuki.mapping import refusal_of, why
from gateway.drivers.steps import Agree, Await, Become, Memory
from gateway.errors import DeviceRefused

Step = Command | Await[Command] | Memory | Become[Keys] | Agree[Keys]
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


def await_more(command: Command, within_s: float) -> Dialogue[Answer]:
    answer: Answer = yield Await(command, within_s)
    return answer


def done(answer: Answer, doing: str) -> Answer:
    if answer.error is not None:
        raise DeviceRefused(f"could not {doing}: {why(answer.error)}", refusal_of(answer.error))
    return answer
