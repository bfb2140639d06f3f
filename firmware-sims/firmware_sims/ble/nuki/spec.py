"""What a command of a Nuki is to the lock: its name, what it must carry, what it does.

Here: the shape of an entry in the tables of commands. Not here: any command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_sims.ble.nuki.fields import Error, Reader, u8, u16
from firmware_sims.ble.nuki.frames import Message
from firmware_sims.ble.nuki.words import Op, Status

if TYPE_CHECKING:
    from firmware_sims.ble.nuki.authorizations import Authorization
    from firmware_sims.ble.nuki.core import Core

Handler = Callable[["Core", "Authorization", Reader], list[Message]]
"""Takes the payload without challenge and PIN, does it, returns what is said, or `Refused`."""

COMPLETE = Message(Op.STATUS, u8(Status.COMPLETE))
ACCEPTED = Message(Op.STATUS, u8(Status.ACCEPTED))


def error(refused: Error, op: int) -> Message:
    """The report of an error, and of the command it is about."""
    return Message(Op.ERROR, u8(refused) + u16(op))


@dataclass(frozen=True, slots=True)
class Spec:
    """``slot`` tells faults whose code it is about.

    ``changes`` something, so that the fault *acknowledged-but-not-applied* makes sense; the answer
    of one that does not is ``pretended``.
    """

    name: str
    handler: Handler
    challenge: bool = True
    pin: bool = True
    changes: bool = True
    slot: Callable[[Core, Reader], int | None] | None = None
    pretended: Callable[[Core], list[Message]] = lambda _core: [COMPLETE]


Table = Mapping[tuple[int, int | None], Spec]
"""By command and what it asks for: of 01 the command requested, of 0D the action; else None."""
