"""Moving the bolt, once, and asking how it stands. Sans-I/O.

`DoorLock.set(mode)` tells how the lock ended the command, if it is supervised; `get()` tells
`{currentMode, targetMode, duration, boltStatus, latchStatus, doorStatus, …}` (DoorLockCC.d.ts).
Only the mode proves anything: a supervised success may be told while the bolt is on its way, and
a lock without supervision tells nothing (CC:0062, CC:006C).
"""

from __future__ import annotations

from typing import Final

from gateway.domain.actions import Confirmed, Outcome, Refused, Unconfirmed
from gateway.domain.devices import Evidence
from gateway.drivers.zwave_lock import wire
from gateway.drivers.zwave_lock.dialogue import (
    Dialect,
    Dialogue,
    Pause,
    Said,
    Word,
    ask_fields,
    overheard,
    word_of,
)
from gateway.drivers.zwave_lock.wire import Access, Mode
from gateway.errors import LinkError, OutcomeUnknown, ProtocolError, RadioError, Refusal
from gateway.radios.command_classes import CcCall

LOOKS: Final = 4
"""How often the mode is asked for, while the bolt may be on its way."""
TRAVEL_S: Final = 1.5
"""Between two looks: a bolt takes two to four seconds."""

_BROKEN = (LinkError, RadioError, ProtocolError)


def operate(dialect: Dialect, wanted: Mode) -> Dialogue[Outcome]:
    """Sent once; raises what the way raised if the mode does not tell more either."""
    order = CcCall(
        wire.DOOR_LOCK, "set", (int(wanted),), endpoint=dialect.endpoint, acts_twice=True
    )
    lost: OutcomeUnknown | None = None
    word: Word = Said.NOTHING
    try:
        word = word_of((yield order).supervision)
    except OutcomeUnknown as error:
        lost = error
    try:
        mode = yield from _settled(dialect, wanted, word)
    except _BROKEN as error:
        if lost is not None:
            raise lost from error
        said = "acknowledged" if word is Said.DONE else "sent"
        return Unconfirmed(f"{said}, but the mode could not be read: {error}")
    if mode == wanted:
        read = {Evidence.READ_BACK}
        return Confirmed(frozenset(read | {Evidence.ACKNOWLEDGED} if word is Said.DONE else read))
    if (yield from overheard(Access.JAMMED)):
        return Refused(Refusal.JAMMED)
    if isinstance(word, Refusal):
        return Refused(word)
    if lost is not None:
        raise lost
    return Unconfirmed("the bolt has not moved yet")


def _settled(dialect: Dialect, wanted: Mode, word: Word) -> Dialogue[object]:
    """The mode; asked again while it is not the wanted one and nobody said no."""
    mode: object = None
    for look in range(LOOKS):
        told = yield from ask_fields(dialect.ask(wire.DOOR_LOCK, "get"))
        mode = told.get("currentMode")
        if mode == wanted or isinstance(word, Refusal):
            break
        if (yield from overheard(Access.JAMMED)):
            break
        if look < LOOKS - 1:
            yield Pause(TRAVEL_S)
    return mode
