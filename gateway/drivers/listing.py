"""Codes of locks that list all of them at once: kept by slot, and writes proved by listing. Pure.

Here: what is the same for families that know codes by digits. Not here: how a family lists and what
it writes (its codes), and which number a code goes by (numbering).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from gateway.domain.actions import Confirmed, Refused, Unconfirmed
from gateway.domain.devices import Evidence
from gateway.drivers.api import SlotReading, WriteResult
from gateway.drivers.steps import Give, Keep
from gateway.errors import (
    DeviceRefused,
    LinkError,
    OutcomeUnknown,
    PeerProtocolError,
    ProtocolError,
    RadioError,
    Refusal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from datetime import tzinfo

    from gateway.domain.secret import KeyedHash, Secret
    from gateway.drivers.numbering import Listed, Numbering

PROVEN = Confirmed(frozenset({Evidence.ACKNOWLEDGED, Evidence.READ_BACK}))
FOUND = Confirmed(frozenset({Evidence.READ_BACK}))

_BROKEN = (LinkError, RadioError, ProtocolError, DeviceRefused)


class Code(Protocol):
    @property
    def digits(self) -> Secret | None: ...


C = TypeVar("C", bound=Code)
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class House:
    """What conversations need of the house. `hash_of` keys its hashes."""

    zone: tzinfo
    hash_of: Callable[[Secret], KeyedHash]


@dataclass(frozen=True, slots=True)
class Listing(Generic[C]):
    """All codes on the lock, by the slot number that each goes by here."""

    codes: Mapping[int, C]

    def slot_with(self, digits: Secret) -> int | None:
        return next((slot for slot, code in self.codes.items() if code.digits == digits), None)


def number(
    codes: Sequence[C], listed: Sequence[Listed], rows: Numbering, limit: int
) -> Generator[Give | Keep, Any, Listing[C]]:
    """Codes, with what each is known by; fresh numbers are written down before they are told."""
    placement = rows.place(listed, limit)
    for row in placement.fresh:
        yield Give(row.slot, row.hash, row.handle)
    listing = Listing(dict(zip(placement.slots, codes, strict=True)))
    yield Keep(listing)
    return listing


def prove(
    order: Generator[S, Any, Refusal | None],
    look: Generator[S, Any, tuple[SlotReading, bool]],
    before: SlotReading,
) -> Generator[S, Any, WriteResult]:
    """Say an order once, then look.

    `order` comes to the lock's "no", if any; `look` to the slot, and whether it is as wanted.
    """
    try:
        refusal = yield from order
    except (OutcomeUnknown, PeerProtocolError) as error:
        said, refusal = f"no answer was understood ({error})", None
    else:
        said = "acknowledged" if refusal is None else f"refused ({refusal.value})"
    heard = said == "acknowledged"
    try:
        after, as_wanted = yield from look
    except _BROKEN as error:
        if refusal is not None and refusal.definite:
            return WriteResult(Refused(refusal), before)
        if not heard:
            raise OutcomeUnknown(
                f"could not prove what became of slot {before.slot}: {said}, and not listed: "
                f"{error}"
            ) from error
        return WriteResult(Unconfirmed(f"{said}, but not listed: {error}"))
    if as_wanted:
        return WriteResult(PROVEN if heard else FOUND, after)
    if refusal is not None and after == before:
        return WriteResult(Refused(refusal), after)
    return WriteResult(Unconfirmed(f"{said}, but the lock lists otherwise"), after)
