"""What conversations with locks of a mesh share: what proves a write, and taking one back.

Sans-I/O. Not here: how a family writes, reads and erases (its session).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gateway.domain.actions import Confirmed, Outcome
from gateway.domain.devices import Evidence
from gateway.drivers.api import WriteResult
from gateway.errors import DeviceRefused, LinkError, OutcomeUnknown, ProtocolError, RadioError

if TYPE_CHECKING:
    from collections.abc import Generator

PROVEN: Final = Confirmed(frozenset({Evidence.ACKNOWLEDGED, Evidence.READ_BACK}))
FOUND: Final = Confirmed(frozenset({Evidence.READ_BACK}))
WITHDRAWAL: Final = 6
"""Exchanges to take back a code whose proof is missing, whatever the deadline of the write."""


@dataclass(frozen=True, slots=True)
class Extend:
    """Time for so many exchanges that must still be had, although the deadline may have passed."""

    exchanges: int


def take_back(
    erasing: Generator[Any, Any, WriteResult], slot: int, outcome: Outcome
) -> Generator[Any, Any, WriteResult]:
    """Erase what could not be proven. If that cannot be proven either, nobody knows: say so."""
    yield Extend(WITHDRAWAL)
    try:
        erased = yield from erasing
    except (LinkError, RadioError, ProtocolError, DeviceRefused) as error:
        raise OutcomeUnknown(f"could not take back the code in slot {slot}: {error}") from error
    if not isinstance(erased.outcome, Confirmed):
        raise OutcomeUnknown(f"could not take back the code in slot {slot}: it is still there")
    return WriteResult(outcome, erased.reading)
