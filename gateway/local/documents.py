"""Rows and explanations as the JSON of docs/local-api.md. Pure; no document here holds digits.

Times are RFC 3339 in UTC, durations seconds (`_s`) or milliseconds (`_ms`), absent values null.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gateway.domain.devices import Empty, Known, Opaque, OpaqueReason
from gateway.domain.instant import Instant, to_rfc3339
from gateway.domain.windows import Always, Recurring, Timed, Window, span_from
from gateway.local.walltime import window_short
from gateway.local.words import explain_reason
from gateway.radios.gatt import grade

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gateway.domain.devices import Slot
    from gateway.domain.grants import Verdict
    from gateway.domain.ids import DeviceId
    from gateway.domain.probe import ProbeProgress
    from gateway.drivers.claims import Found, PairProgress
    from gateway.local.explain import Explanation, Line
    from gateway.local.operations import CloudState, PlanView
    from gateway.local.queries import Code, StateCount
    from gateway.radios.api import JoinProgress, RadioState
    from gateway.store.devices import DeviceRow
    from gateway.store.readings import ReadingRow
    from gateway.store.reported import GrantRow

Document = dict[str, Any]

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def time(at: Instant | None) -> str | None:
    return None if at is None else to_rfc3339(at)


def seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def cloud(state: CloudState) -> Document:
    return {
        "connected": state.connected,
        "since": time(state.since),
        "broker": state.broker,
        "reason": state.reason,
    }


def radios(states: Mapping[str, RadioState]) -> list[Document]:
    return [
        {"name": name, "status": state.status.value, "reason": state.reason}
        for name, state in sorted(states.items())
    ]


def device_counts(rows: Iterable[DeviceRow]) -> Document:
    standing = Counter(row.reachable for row in rows)
    return {
        "total": standing.total(),
        "reachable": standing[True],
        "unreachable": standing[False],
        "unknown": standing[None],
    }


def code_counts(counts: Iterable[StateCount], device_id: DeviceId | None = None) -> Document:
    """By state, over all devices or one."""
    by_state: Counter[str] = Counter()
    for item in counts:
        if device_id in (None, item.device_id):
            by_state[item.state.value] += item.count
    return {"total": by_state.total(), "by_state": dict(sorted(by_state.items()))}


def device(
    row: DeviceRow, counts: Iterable[StateCount], keyless: frozenset[DeviceId] = frozenset()
) -> Document:
    """`keyless`: devices whose keys are lost."""
    return {
        "device_id": row.device_id,
        "name": row.name,
        "kind": row.kind,
        "manufacturer": row.manufacturer,
        "model": row.model,
        "driver": row.driver,
        "quirks": list(row.quirks),
        "radio": row.radio,
        "address": row.address,
        "joined_at": time(row.joined_at),
        "well_known_key": row.well_known_key,
        "simulated": row.simulated,
        "reachable": row.reachable,
        "reachable_since": time(row.reachable_since),
        "keys_lost": row.device_id in keyless,
        "last_heard_at": time(row.last_heard_at),
        "locked": row.locked,
        "door_open": row.door_open,
        "jammed": row.jammed,
        "battery_percent": row.battery_percent,
        "battery_low": row.battery_low,
        "clock": clock(row),
        "schedules_proven": row.schedules_proven,
        "repair_paused": row.repair_paused,
        "inventory_done": row.inventory_done,
        "codes": code_counts(counts, row.device_id),
    }


def clock(row: DeviceRow) -> Document | None:
    if row.clock_read_at is None:
        return None
    return {
        "error_ms": row.clock_error_ms,
        "bound_ms": row.clock_bound_ms,
        "read_at": time(row.clock_read_at),
        "zone_proven": bool(row.clock_zone_proven),
    }


def capabilities(row: DeviceRow) -> Document:
    """The instance's flags and limits; a flag that is null is never true of this device."""
    document = asdict(row.capabilities)
    if row.capabilities.codes is not None:
        document["codes"]["reserved_slots"] = sorted(row.capabilities.codes.reserved_slots)
    return document


def readings(rows: Iterable[ReadingRow]) -> list[Document]:
    return [
        {"quantity": row.quantity, "value": row.value, "unit": row.unit, "at": time(row.at)}
        for row in rows
    ]


def slot_counts(row: DeviceRow, slots: Iterable[Slot]) -> Document:
    """`free` counts slots that the lock itself called empty; one never read may be anything."""
    total = row.capabilities.codes.slots if row.capabilities.codes else 0
    managed = unmanaged = free = unread = seen = 0
    for slot in slots:
        seen += 1
        if isinstance(slot.content, Empty):
            free += 1
        elif slot.owner is not None:
            managed += 1
        elif slot.content in _UNREAD:
            unread += 1
        else:
            unmanaged += 1
    return {
        "total": total,
        "managed": managed,
        "unmanaged": unmanaged,
        "free": free,
        "unread": unread + max(0, total - seen),
    }


_UNREAD = frozenset({Opaque(OpaqueReason.UNREAD), Opaque(OpaqueReason.READ_FAILED)})


def slot(item: Slot) -> Document:
    match item.content:
        case Empty():
            content, reason = "empty", None
        case Known():
            content, reason = "known", None
        case Opaque(why):
            content, reason = "opaque", why.value
    return {
        "slot": item.number,
        "content": content,
        "reason": reason,
        "credential_id": item.owner,
        "restricted": bool(item.schedules),
        "evidence": sorted(evidence.value for evidence in item.evidence),
        "observed_at": time(item.observed_at),
    }


def window(value: Window) -> Document:
    """As in `desired` messages of the cloud (docs/sync)."""
    match value:
        case Always():
            return {"kind": "always"}
        case Timed(opens_at, closes_at):
            return {"kind": "timed", "opens_at": time(opens_at), "closes_at": time(closes_at)}
        case Recurring():
            return {
                "kind": "recurring",
                "rules": [
                    {
                        "weekdays": [_WEEKDAYS[day - 1] for day in sorted(rule.weekdays)],
                        "from": _minute(rule.start_minute),
                        "to": _minute(rule.end_minute),
                    }
                    for rule in value.rules
                ],
                "zone": value.zone,
                "not_before": time(value.not_before),
                "not_after": time(value.not_after),
            }


def _minute(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def grant(code: Code, now: Instant, zone: str) -> Document:
    row = code.row
    span = span_from(row.window, now)
    return {
        "credential_id": row.credential_id,
        "device_id": row.device_id,
        "name": row.name,
        "device_name": code.door,
        "joined": code.device_name is not None,
        "version": row.version,
        "origin": row.origin.value,
        "subject_class": row.subject_class.value,
        "group": row.group,
        **_standing(row),
        "reason_text": explain_reason(row.reason).text if row.reason else "",
        "since": time(row.since),
        "attempts": row.attempts,
        "next_attempt_at": time(row.next_attempt_at),
        "window": window(row.window),
        "window_text": window_short(row.window, now, zone),
        "opens_at": time(span.opens_at) if span else None,
        "closes_at": time(span.closes_at) if span else None,
        "over": span is None,
        "suspended": row.suspended,
        "held": row.held,
        "removed": row.removed,
        "orphaned": row.orphaned,
        "use_limit": row.use_limit,
        "uses": code.uses,
        "first_used_at": time(row.first_used_at),
        "last_used_at": time(row.last_used_at),
        "programmed_at": time(row.programmed_at),
        "erased_at": time(row.erased_at),
        "erase_due_at": time(row.erase_due_at),
        "early_exposure_s": seconds(row.early_exposure_ms),
        "late_revocation_s": seconds(row.late_revocation_ms),
        "has_digits": row.has_digits,
    }


def _standing(verdict: Verdict | GrantRow) -> Document:
    return {
        "state": verdict.state.value,
        "reason": verdict.reason,
        "slot": verdict.slot,
        "opens": verdict.opens.value,
        "closes": verdict.closes.value,
        "evidence": sorted(evidence.value for evidence in verdict.evidence),
    }


def probe(step: ProbeProgress) -> Document:
    return {
        "stage": step.stage.value,
        "remaining_s": round(step.remaining_s, 1),
        "digits": step.digits.reveal() if step.digits else None,
        "detail": step.detail,
    }


def plan(row: DeviceRow, view: PlanView) -> Document:
    return {
        "device_id": row.device_id,
        "name": row.name,
        "actions": list(view.actions),
        "verdicts": [
            {
                "credential_id": verdict.grant_id.credential_id,
                **_standing(verdict),
                "next_at": time(verdict.next_at),
            }
            for verdict in view.verdicts
        ],
        "next_look": time(view.next_look),
    }


def explanation(found: Explanation) -> Document:
    return {
        "credential_id": found.credential_id,
        "credential_name": found.credential_name,
        "device_id": found.device_id,
        "device_name": found.device_name,
        "state": found.state.value,
        "reason": found.reason,
        "opens_door": found.opens_door.value,
        "headline": found.headline,
        "wanted": [_line(line) for line in found.wanted],
        "proven": [_line(line) for line in found.proven],
        "planned": [_line(line) for line in found.planned],
        "obstacles": [asdict(obstacle) for obstacle in found.obstacles],
        "measured": [_line(line) for line in found.measured],
    }


def _line(line: Line) -> Document:
    return {"key": line.key, "text": line.text, "at": time(line.at)}


def found(item: Found, now: float) -> Document:
    """A device in range. `now`: monotonic, as its `heard_at`."""
    sighting, recognised = item.sighting, item.recognised
    return {
        "address": sighting.last.address,
        "advertised_name": sighting.last.name,
        "rssi_dbm": sighting.rssi_dbm,
        "worst_dbm": sighting.worst_dbm,
        "best_dbm": sighting.best_dbm,
        "grade": grade(sighting.rssi_dbm).value,
        "heard_s_ago": round(max(0.0, now - sighting.last.heard_at), 1),
        "adapter": sighting.last.adapter,
        "device_id": item.device_id,
        "device_name": item.name,
        "family": recognised.family if recognised else None,
        "kind": recognised.kind if recognised else None,
        "model": recognised.model if recognised else None,
        "ownership": recognised.ownership.value if recognised else None,
        "hint": recognised.hint if recognised else None,
        "battery_percent": recognised.battery_percent if recognised else None,
    }


def pairing(item: PairProgress) -> Document:
    """`detail` of the stage `ready` is the device's id."""
    return {"stage": item.stage.value, "detail": item.detail}


def progress(item: JoinProgress) -> Document:
    """`detail` of the stage `ready` is the device's id."""
    return {
        "stage": item.stage.value,
        "remaining_s": round(item.remaining_s, 1),
        "address": item.address,
        "detail": item.detail,
    }
