"""What `explain` looks at, put together from rows and a plan. Pure.

Not here: reading the rows (`api`) and drawing conclusions (`explain`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gateway.domain.devices import LockClock
from gateway.domain.grants import DesiredGrant, Verdict
from gateway.local.explain import Door, Facts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.domain.devices import Slot
    from gateway.domain.instant import ClockTrust, Instant
    from gateway.local.operations import PlanView
    from gateway.local.queries import Code
    from gateway.radios.api import RadioState
    from gateway.store.devices import DeviceRow

_WORD = re.compile(r"[A-Za-z0-9_-]+")


def desired_grant(code: Code) -> DesiredGrant:
    """As planning sees it, without facts about its digits."""
    row = code.row
    return DesiredGrant(
        credential_id=row.credential_id,
        device_id=row.device_id,
        version=row.version,
        digits=None,
        window=row.window,
        accepted_at=row.accepted_at,
        name=row.name,
        origin=row.origin,
        subject_class=row.subject_class,
        use_limit=row.use_limit,
        uses=code.uses,
        first_used_at=row.first_used_at,
        suspended=row.suspended,
        held=row.held,
        removed=row.removed,
        refused=row.refused_reason if row.refused_version == row.version else None,
        removed_externally=row.removed_externally,
        programmed_once=row.programmed_at is not None,
    )


def recorded(code: Code) -> Verdict:
    """The verdict that was last written down."""
    row = code.row
    return Verdict(
        row.grant_id, row.state, row.reason, row.slot, row.opens, row.closes, row.evidence
    )


def gather(
    code: Code,
    *,
    device: DeviceRow | None,
    slots: Iterable[Slot],
    radio: RadioState | None,
    view: PlanView | None,
    now: Instant,
    trust: ClockTrust,
    zone: str,
) -> Facts:
    """`view` None: the device is not there to be planned for."""
    row = code.row
    slot = next((item for item in slots if item.owner == row.credential_id), None)
    return Facts(
        now=now,
        trust=trust,
        zone=zone,
        grant=desired_grant(code),
        verdict=_freshest(code, view),
        since=row.since,
        door=_door(device, radio),
        slot=slot,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        programmed_at=row.programmed_at,
        erased_at=row.erased_at,
        erase_due_at=row.erase_due_at,
        erase_alarm_at=row.erase_alarm_at,
        early_exposure_ms=row.early_exposure_ms,
        late_revocation_ms=row.late_revocation_ms,
        last_used_at=row.last_used_at,
        orphaned=row.orphaned,
        actions=_actions_for(code, view),
    )


def _freshest(code: Code, view: PlanView | None) -> Verdict:
    """What planning says now; what was recorded, where it no longer plans for the grant."""
    if view is None:
        return recorded(code)
    found = (v for v in view.verdicts if v.grant_id == code.row.grant_id)
    return next(found, recorded(code))


def _actions_for(code: Code, view: PlanView | None) -> tuple[str, ...]:
    """The plan's lines that name this credential as a word of its own."""
    if view is None:
        return ()
    name = code.row.credential_id
    return tuple(line for line in view.actions if name in _WORD.findall(line))


def _door(row: DeviceRow | None, radio: RadioState | None) -> Door | None:
    if row is None:
        return None
    clock = None
    if row.clock_read_at is not None:
        clock = LockClock(
            row.clock_error_ms or 0,
            row.clock_bound_ms or 0,
            row.clock_read_at,
            bool(row.clock_zone_proven),
        )
    return Door(
        name=row.name,
        radio=row.radio,
        radio_state=radio,
        reachable=row.reachable,
        reachable_since=row.reachable_since,
        last_heard_at=row.last_heard_at,
        removed=row.removed_at is not None,
        repair_paused=row.repair_paused,
        clock=clock,
    )
