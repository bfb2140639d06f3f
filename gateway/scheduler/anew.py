"""A code that its lock calls a duplicate, where it may be the duplicate of itself.

Some locks say so of digits that stand in the very slot they are written to, as when an order came
twice and only the answer to its copy was heard. Where digits are read back the driver sees that.
Where they are hidden, and our records name other digits, only an empty slot tells: what stands in
it was to go in any case. Not here: a duplicate that proves our own write (`record`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.actions import Confirmed, Program, Refused
from gateway.domain.devices import Known, Slot
from gateway.drivers.api import CredentialStore, SlotUse, WriteResult
from gateway.errors import (
    DeviceRefused,
    LinkError,
    OutcomeUnknown,
    PeerProtocolError,
    RadioError,
    Refusal,
)

if TYPE_CHECKING:
    from gateway.domain.secret import DigitsFacts, Secret

_BROKEN = (LinkError, RadioError, PeerProtocolError, DeviceRefused)


async def program(
    driver: CredentialStore,
    action: Program,
    digits: Secret,
    former: Slot | None,
    wanted: DigitsFacts,
    deadline_s: float,
) -> WriteResult:
    """`driver.program`, and where only that tells, once more into the slot emptied for it.

    `former`: the slot by our records. `deadline_s`: of each conversation. Errors as the driver's;
    `OutcomeUnknown` once the slot was emptied.
    """
    told = await driver.program(
        action.slot, digits, action.schedules, overwrite=action.overwrite, deadline_s=deadline_s
    )
    if not _may_be_itself(action, told, former, wanted):
        return told
    try:
        erased = await driver.erase(action.slot, deadline_s=deadline_s)
    except _BROKEN:
        return _AGAIN
    if not isinstance(erased.outcome, Confirmed):
        return _AGAIN
    try:
        anew = await driver.program(action.slot, digits, action.schedules, deadline_s=deadline_s)
    except _BROKEN as error:
        words = f"slot {action.slot} was erased, but not written anew: {error}"
        raise OutcomeUnknown(words) from error
    if isinstance(anew.outcome, Refused) and anew.reading is None:
        return WriteResult(anew.outcome, erased.reading)
    return anew


_AGAIN = WriteResult(Refused(Refusal.FAILED))
"""Nothing is known but that it is not done: the records stay, and it is tried again."""


def _may_be_itself(
    action: Program, told: WriteResult, former: Slot | None, wanted: DigitsFacts
) -> bool:
    reading = told.reading
    return (
        told.outcome == Refused(Refusal.DUPLICATE)
        and action.overwrite
        and reading is not None
        and reading.use is not SlotUse.AVAILABLE
        and reading.digits is None
        and former is not None
        and former.owner == action.credential_id
        and isinstance(former.content, Known)
        and former.content.hash != wanted.hash
    )
