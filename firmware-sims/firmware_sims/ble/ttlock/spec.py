"""What a command of a TTLock is to the lock: its name, who may give it, what it does.

Here: the shape of an entry in the tables of commands. Not here: any command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_sims.ble.ttlock.core import Core, Level
from firmware_sims.ble.ttlock.fields import Reader

if TYPE_CHECKING:
    from firmware_sims.ble.ttlock.facts import Feature

Handler = Callable[[Core, Reader], bytes]
"""Takes the payload after the operation byte, does it, returns the answer's data, or `Refused`."""


@dataclass(frozen=True, slots=True)
class Spec:
    """``level`` None: no claim and no login needed. ``slot`` tells faults whose code it is about.

    ``changes`` something, so that the fault *acknowledged-but-not-applied* makes sense.
    """

    name: str
    handler: Handler
    level: Level | None = Level.ADMIN
    changes: bool = True
    slot: Callable[[Core, Reader], int | None] | None = None
    feature: Feature | None = None


Table = Mapping[tuple[int, int | None], Spec]
"""By command and operation; the operation is None where a command has none."""
