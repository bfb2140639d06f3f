"""Verdicts made visible: grant states, alarms and reachability, with the events that tell them.

Only differences are written, so that a lane that replans for nothing costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.actions import Adopt
from gateway.domain.events import EventType, Fact, Value
from gateway.domain.grants import Enforcement, GrantState, Verdict
from gateway.domain.instant import ClockTrust, Instant
from gateway.domain.windows import Recurring, ended
from gateway.scheduler.doubts import doubt_slot
from gateway.store import devices, events, reported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.domain.devices import Device
    from gateway.domain.grants import DesiredGrant
    from gateway.domain.ids import DeviceId, GrantId
    from gateway.domain.reconcile import Plan
    from gateway.domain.wants import Moment
    from gateway.store.database import Store
    from gateway.store.reported import GrantRow, ShownRow
    from gateway.store.tx import Tx

_EDGES = {
    GrantState.REJECTED: EventType.CREDENTIAL_REJECTED,
    GrantState.MISSED: EventType.CREDENTIAL_MISSED,
    GrantState.PAUSED: EventType.CREDENTIAL_PAUSED,
}


async def publish_verdicts(
    store: Store,
    device: Device,
    decided: Plan,
    wanted: Sequence[DesiredGrant],
    shown: Sequence[ShownRow],
    moment: Moment,
    *,
    seen: bool,
) -> None:
    """Write what the plan says of each grant where it differs from what is `shown`.

    `wanted`: what was planned upon; what was ordered anew since is left to the next plan.
    `seen`: every slot was looked into.
    """
    now, trust = moment.now, moment.trust
    ordered = {grant.grant_id: (grant.version, grant.removed) for grant in wanted}
    rows = {row.grant_id: row for row in shown}
    by = moment.effective
    stale = [v for v in decided.verdicts if _differs(rows.get(v.grant_id), v, by)]
    inventory = seen and not device.inventory_done
    recovered = (
        device.recovering
        and device.inventory_done
        and bool(decided.verdicts)
        and not any(isinstance(action, Adopt) for action in decided.actions)
    )
    if not stale and not inventory and not recovered:
        return

    edges = [v for v in stale if _only_edges(rows[v.grant_id], v)]
    whole = [v for v in stale if not _only_edges(rows[v.grant_id], v)]

    def write(tx: Tx) -> None:
        if edges:
            reported.show_edges(tx, [(rows[v.grant_id], v.opens, v.closes) for v in edges])
        for verdict in whole:
            row = tx.one(reported.grant(verdict.grant_id))
            if row is not None and (row.version, row.removed) == ordered[row.grant_id]:
                _write_verdict(tx, row, verdict, by, now, trust)
        if inventory:
            devices.update_device(tx, device.device_id, inventory_done=True)
        if recovered:
            devices.update_device(tx, device.device_id, recovering=False)

    await store.submit(write)


def _differs(row: ShownRow | None, verdict: Verdict, by: Instant) -> bool:
    if row is None:
        return False
    return (
        (row.state, row.reason, row.slot, row.opens, row.closes)
        != (verdict.state, verdict.reason, verdict.slot, verdict.opens, verdict.closes)
        or row.erase_due_at != _erase_due(row, verdict, by)
        or (verdict.slot is not None and row.evidence != verdict.evidence)
        or (verdict.state is GrantState.REJECTED and row.refused_version != row.version)
    )


def _only_edges(row: ShownRow, verdict: Verdict) -> bool:
    """Nothing to tell but who keeps the edges: so it is with thousands after a large schedule."""
    return (
        verdict.state in {GrantState.PENDING, GrantState.HELD, GrantState.SUSPENDED}
        and (row.state, row.reason, row.slot) == (verdict.state, verdict.reason, None)
        and verdict.slot is None
        and row.erase_due_at is None
        and row.erase_alarm_at is None
    )


def _erase_due(row: ShownRow | GrantRow, verdict: Verdict, by: Instant) -> Instant | None:
    """When what is on the lock must be gone: known while it is there, kept while it is erased.

    In the time that is acted upon (`by`), in which the alarm counts as well.
    """
    if verdict.state is GrantState.ERASING:
        return min(row.erase_due_at or by, by)
    if verdict.slot is None:
        return None
    if isinstance(row.window, Recurring) and verdict.closes is Enforcement.ON_LOCK:
        return row.window.not_after  # the lock keeps each close by itself
    return verdict.closes_at


def _may_be_off(tx: Tx, row: GrantRow, number: int, by: Instant) -> bool:
    """It was to go, and its slot was not seen since: a full disk keeps no record of an erase, and
    the power may have taken the only memory of one."""
    to_go_at = row.erase_due_at
    if to_go_at is None and row.state is GrantState.ERASING:
        to_go_at = row.since  # it is wanted anew
    if to_go_at is None or to_go_at > by:
        return False
    slot = tx.one(reported.slot(row.device_id, number))
    return slot is not None and slot.observed_at is not None and slot.observed_at < to_go_at


def _write_verdict(
    tx: Tx, row: GrantRow, verdict: Verdict, by: Instant, now: Instant, trust: ClockTrust
) -> None:
    changed = (row.state, row.reason) != (verdict.state, verdict.reason)
    due = _erase_due(row, verdict, by)
    if due is None or due > by:
        reported.update_grant(tx, verdict.grant_id, now, erase_alarm_at=None)
        if verdict.slot is not None and _may_be_off(tx, row, verdict.slot, by):
            doubt_slot(tx, row.device_id, verdict.slot)
            return  # told once it is read
    if verdict.slot is not None:
        reported.update_grant(tx, verdict.grant_id, now, evidence=verdict.evidence)
    reported.update_grant(
        tx,
        verdict.grant_id,
        now,
        state=verdict.state,
        reason=verdict.reason,
        slot=verdict.slot,
        opens=verdict.opens,
        closes=verdict.closes,
        erase_due_at=due,
    )
    if verdict.state is GrantState.REJECTED and row.refused_version != row.version:
        # Final until the desired value changes, whatever becomes of the reason meanwhile.
        reported.update_grant(
            tx,
            verdict.grant_id,
            now,
            refused_version=row.version,
            refused_reason=verdict.reason,
        )
    elif verdict.state is GrantState.REJECTED:
        return  # the lock's own refusal was told when it happened
    kind = _EDGES.get(verdict.state)
    if verdict.reason == "no_free_slot":
        kind = EventType.CREDENTIAL_NO_FREE_SLOT
        changed = row.reason != verdict.reason  # told once, whether it has to leave first or not
    if changed and kind is not None:
        body: dict[str, Value] = {"reason": verdict.reason}
        if verdict.opens_at is not None:
            body["opens_at_ms"] = verdict.opens_at
        events.append(
            tx,
            Fact(kind, now, row.grant_id.device_id, row.grant_id.credential_id, body=body),
            trust,
        )


async def publish_reachability(
    store: Store, device_id: DeviceId, cause: str | None, now: Instant, trust: ClockTrust
) -> None:
    """An edge. `cause`: why it cannot be reached; None: it can."""
    reachable = cause is None

    def write(tx: Tx) -> None:
        devices.update_device(tx, device_id, reachable=reachable, reachable_since=now)
        if reachable:
            devices.update_device(tx, device_id, last_heard_at=now)
        kind = EventType.DEVICE_ONLINE if reachable else EventType.DEVICE_OFFLINE
        body: dict[str, Value] = {} if reachable else {"cause": cause}
        events.append(tx, Fact(kind, now, device_id, body=body), trust)

    await store.submit(write)


async def publish_next_attempt(store: Store, grant_id: GrantId, at: Instant, now: Instant) -> None:
    """When a failed action is tried again, for whoever asks why."""
    await store.submit(lambda tx: reported.update_grant(tx, grant_id, now, next_attempt_at=at))


async def publish_strays(store: Store, now: Instant, trust: ClockTrust) -> None:
    """Say of grants for a device that is not here that they wait for it, or waited in vain."""
    rows = await store.fetch(reported.grants_without_device())
    missed = {row.grant_id for row in rows if ended(row.window, now)}
    stale = [
        row
        for row in rows
        if row.grant_id in missed
        or (row.state, row.reason) != (GrantState.PENDING, "unknown_device")
    ]
    if not stale:
        return

    def write(tx: Tx) -> None:
        for row in stale:
            if row.grant_id not in missed:
                reported.update_grant(
                    tx, row.grant_id, now, state=GrantState.PENDING, reason="unknown_device"
                )
                continue
            reported.update_grant(
                tx, row.grant_id, now, state=GrantState.MISSED, reason="unknown_device"
            )
            body: dict[str, Value] = {"reason": "unknown_device"}
            fact = Fact(
                EventType.CREDENTIAL_MISSED, now, row.device_id, row.credential_id, body=body
            )
            events.append(tx, fact, trust)

    await store.submit(write)


async def next_alarm(store: Store, alarm_after_ms: int) -> Instant | None:
    """When the next erase will have been overdue for so long, if it is not confirmed before."""
    due = await store.fetch_one(reported.next_erase_due())
    return None if due is None else Instant(due + alarm_after_ms)


async def raise_overdue_erases(
    store: Store, now: Instant, trust: ClockTrust, alarm_after_ms: int
) -> None:
    """Tell of every code that should be gone for longer than `alarm_after_ms` and is not."""
    late = [
        row
        for row in await store.fetch(reported.overdue_erases(Instant(now - alarm_after_ms)))
        if row.erase_alarm_at is None
    ]
    if not late:
        return

    def write(tx: Tx) -> None:
        for row in late:
            reported.update_grant(tx, row.grant_id, now, erase_alarm_at=now)
            body: dict[str, Value] = {
                "slot": row.slot,
                "due_at_ms": row.erase_due_at,
                "closed_by_lock": row.closes is Enforcement.ON_LOCK and row.reason == "expired",
                "attempts": row.attempts,
            }
            events.append(
                tx,
                Fact(
                    EventType.CREDENTIAL_ERASE_OVERDUE,
                    now,
                    row.grant_id.device_id,
                    row.grant_id.credential_id,
                    body=body,
                ),
                trust,
            )

    await store.submit(write)
