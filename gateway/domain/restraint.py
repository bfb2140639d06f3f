"""When writing has to wait, and whether what the lock holds may stay there meanwhile.

A write costs battery and wears memory, and a lock that forgets or alters what it is told would be
written for ever. Not limited is what somebody at the door waits for, nor is any erase ever. Not
here: what is written (`reconcile`), and how long to pause between two tries (`scheduler.policy`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.devices import (
    PURGED_AT_LOCK,
    Device,
    Evidence,
    Known,
    LockSchedule,
    Opaque,
    OpaqueReason,
    Slot,
    WeekDay,
    YearDay,
)
from gateway.domain.instant import DAY, ClockTrust, Instant, after

if TYPE_CHECKING:
    from gateway.domain.wants import Moment, Policy, Want

BUDGET_SPENT = "write_budget_spent"


def reason_to_wait(device: Device, want: Want, slot: Slot | None, policy: Policy) -> str | None:
    """Why neither the code nor its schedules may be written now; None: they may."""
    if device.repair_paused is not None and device.repair_paused != PURGED_AT_LOCK:
        return device.repair_paused
    if want.grant.identical_writes_today < policy.identical_writes_per_day:
        return None
    if want.urgent and not _serves(want, slot):
        return None
    return BUDGET_SPENT


def goes_on_at(want: Want, moment: Moment, policy: Policy) -> list[Instant]:
    """When the budget is worth another look: a new day, or the lead before the opening."""
    looks = [Instant((moment.effective // DAY + 1) * DAY)]
    if want.span is not None and want.span.opens_at is not None:
        looks.append(after(want.span.opens_at, -policy.lead_s))
    return looks


def must_go(want: Want, slot: Slot, moment: Moment) -> bool:
    """Whether what is in the slot would open when it should not before it can be put right.

    Too generous a schedule stays while its window is open: whoever it serves is to get in, and
    the gateway erases it at the close.
    """
    facts = want.grant.digits
    if slot.content == Opaque(OpaqueReason.DISABLED):
        return False
    if isinstance(slot.content, Known) and facts is not None and slot.content.hash != facts.hash:
        return True
    if want.urgent or moment.trust is ClockTrust.UNTRUSTED:
        return False
    return not within(slot.schedules, want.schedules)


def opens_wrongly(want: Want, slot: Slot, moment: Moment) -> bool:
    """The same, of a code that can be put right: then it is as urgent as an erase.

    A first write into an empty slot that is in doubt leaves nothing that opens too early: a code
    lies disabled until its schedules are there.
    """
    return Evidence.ASSUMED not in slot.evidence and must_go(want, slot, moment)


def within(inner: tuple[LockSchedule, ...], outer: tuple[LockSchedule, ...]) -> bool:
    """Whether `inner` opens only when `outer` does; no schedules open always.

    Never True by mistake; False also where only several of `outer` together cover one of `inner`.
    """
    if not outer:
        return True
    return bool(inner) and all(_covered(one, outer) for one in inner)


def _covered(one: LockSchedule, outer: tuple[LockSchedule, ...]) -> bool:
    if isinstance(one, YearDay):
        return any(
            isinstance(wide, YearDay)
            and wide.opens_at <= one.opens_at
            and one.closes_at <= wide.closes_at
            for wide in outer
        )
    return all(
        any(
            isinstance(wide, WeekDay)
            and day in wide.weekdays
            and wide.start_minute <= one.start_minute
            and one.end_minute <= wide.end_minute
            for wide in outer
        )
        for day in one.weekdays
    )


def _serves(want: Want, slot: Slot | None) -> bool:
    """The code opens whenever it should, though perhaps also when it should not."""
    facts = want.grant.digits
    return (
        slot is not None
        and facts is not None
        and slot.content == Known(facts.hash)
        and within(want.schedules, slot.schedules)
    )
