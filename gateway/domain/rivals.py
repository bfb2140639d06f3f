"""Who stands in whose way on one lock: the same digits, and more codes than slots.

Not here: whether a grant belongs on the lock at all (`wants`) and what is written (`reconcile`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.domain.devices import (
    Device,
    Empty,
    Known,
    Opaque,
    OpaqueReason,
    Slot,
)
from gateway.domain.grants import GrantState
from gateway.domain.pin_rules import check
from gateway.domain.windows import Always, Recurring, Timed, Window

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.domain.capabilities import CodeLimits
    from gateway.domain.ids import CredentialId
    from gateway.domain.instant import Instant
    from gateway.domain.secret import KeyedHash
    from gateway.domain.wants import Policy, Want


def without_conflicts(device: Device, wants: list[Want], policy: Policy) -> list[Want]:
    """Refuse what the lock would refuse, or two people would share, before any radio is used."""
    limits = device.capabilities.codes
    assert limits is not None  # noqa: S101 - told by plan()
    unmanaged: dict[KeyedHash, int] = {
        slot.content.hash: number
        for number, slot in sorted(device.slots.items())
        if slot.owner is None and isinstance(slot.content, Known)
    }
    managed: dict[KeyedHash, CredentialId] = {
        slot.content.hash: slot.owner
        for _, slot in sorted(device.slots.items())
        if slot.owner is not None and isinstance(slot.content, Known)
    }
    taken: dict[KeyedHash, list[Want]] = {}
    result: list[Want] = []
    # Whoever is proven on the lock with these digits keeps them; else first come, first served.
    for want in sorted(wants, key=lambda w: not _proven(w, managed)):
        if want.state not in {GrantState.PENDING, GrantState.PROGRAMMING}:
            result.append(want)
            continue
        facts = want.grant.digits
        if facts is None:
            result.append(_refuse(want, "digits_destroyed"))
            continue
        # A code in use is not taken away because a newer release is stricter.
        problem = None if _proven(want, managed) else check(facts, limits)
        rivals = taken.setdefault(facts.hash, [])
        rival = next(
            (r for r in rivals if _overlap(r.grant.window, want.grant.window, policy)), None
        )
        holder = managed.get(facts.hash)
        if problem is not None:
            want = _refuse(want, problem.value)
        elif facts.hash in unmanaged and device.recovering:
            want = replace(want, adopts=unmanaged.pop(facts.hash))
        elif facts.hash in unmanaged:
            want = _refuse(want, f"conflicts_with:unmanaged:slot_{unmanaged[facts.hash]}")
        elif rival is not None:
            want = _refuse(want, f"conflicts_with:{rival.grant.credential_id}")
        else:
            rivals.append(want)
            if want.present and holder not in {None, want.grant.credential_id}:
                # The same digits are still on the lock for a window that is over.
                want = replace(want, blocked="waiting_for_erase")
            elif device.recovering and not device.inventory_done:
                want = replace(want, blocked="reading_the_lock")
        result.append(want)
    order = {want.grant.credential_id: n for n, want in enumerate(wants)}
    return sorted(result, key=lambda w: order[w.grant.credential_id])


def _proven(want: Want, managed: dict[KeyedHash, CredentialId]) -> bool:
    facts = want.grant.digits
    return facts is not None and managed.get(facts.hash) == want.grant.credential_id


def _refuse(want: Want, reason: str) -> Want:
    return replace(want, present=False, state=GrantState.REJECTED, reason=reason, next_at=None)


def _overlap(a: Window, b: Window, policy: Policy) -> bool:
    """Whether two windows may be on the lock together; recurring ones by their hull."""
    lead = round(policy.lead_s * 1000)
    a_from, a_to = _hull(a)
    b_from, b_to = _hull(b)
    return (a_to is None or b_from is None or b_from - lead < a_to) and (
        b_to is None or a_from is None or a_from - lead < b_to
    )


def _hull(window: Window) -> tuple[Instant | None, Instant | None]:
    match window:
        case Always():
            return None, None
        case Timed(opens_at, closes_at):
            return opens_at, closes_at
        case Recurring(not_before=not_before, not_after=not_after):
            return not_before, not_after


def over_capacity(
    device: Device,
    wants: Iterable[Want],
    held: dict[CredentialId, Slot],
    limits: CodeLimits,
    policy: Policy,
    *,
    untrusted: bool,
) -> frozenset[CredentialId]:
    """Who goes without a slot: latest opening first, never one whose window is open.

    `untrusted`: nobody knows whose windows are, so whatever is on the lock stays.
    """
    present = [want for want in wants if want.present]
    foreign = sum(
        1
        for number, slot in device.slots.items()
        if slot.owner is None
        and not isinstance(slot.content, Empty)
        and slot.content != Opaque(OpaqueReason.UNREAD)
        and number in usable(limits, policy)
    )
    leaving = sum(1 for want in wants if not want.present and want.grant.credential_id in held)
    room = len(usable(limits, policy)) - foreign - leaving
    if len(present) <= room:
        return frozenset()

    def stays(want: Want) -> bool:
        return want.grant.credential_id in held and (want.urgent or untrusted)

    def rank(want: Want) -> tuple[bool, bool, int, bool, int, CredentialId]:
        on_lock = want.grant.credential_id in held
        assert want.span is not None  # noqa: S101 - told by the caller
        opens = want.span.opens_at or 0
        return (
            not stays(want),
            not want.urgent,
            opens,
            not on_lock,
            want.grant.accepted_at,
            want.grant.credential_id,
        )

    ranked = sorted(present, key=rank)
    return frozenset(want.grant.credential_id for want in ranked[max(room, 0) :] if not stays(want))


def usable(limits: CodeLimits, policy: Policy) -> frozenset[int]:
    return frozenset(range(1, limits.slots + 1)) - limits.reserved_slots - policy.reserved_slots
