"""What the local API reads in one go: a grant with its credential and door, and small counts.

Read-only, over the store's tables. Not here: single devices, slots, events and commands, for which
the store has queries of its own, and JSON (`documents`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.grants import (
    DesiredGrant,
    Enforcement,
    GrantState,
    Origin,
    SubjectClass,
    Verdict,
)
from gateway.domain.ids import CredentialId, DeviceId
from gateway.store import codec
from gateway.store.tx import Select

if TYPE_CHECKING:
    import sqlite3

    from gateway.domain.instant import Instant
    from gateway.store.tx import Value

OVER = frozenset({GrantState.ERASED, GrantState.MISSED, GrantState.EXPIRED_UNUSED})
"""States of grants that are history; lists leave them out unless asked."""


@dataclass(frozen=True, slots=True)
class CodeRow:
    """One grant with everything a person may ask about it, digits excepted.

    `verdict` is what was last recorded; `grant.digits` is always None here.
    """

    grant: DesiredGrant
    verdict: Verdict
    device_name: str | None
    """None while the device has not joined."""
    has_digits: bool
    orphaned: bool
    group_id: str | None
    since: Instant
    attempts: int
    next_attempt_at: Instant | None
    erase_due_at: Instant | None
    erase_alarm_at: Instant | None
    programmed_at: Instant | None
    erased_at: Instant | None
    early_exposure_ms: int | None
    late_revocation_ms: int | None
    last_used_at: Instant | None


@dataclass(frozen=True, slots=True)
class Named:
    """An id with the name people use for it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class StateCount:
    device_id: DeviceId
    state: GrantState
    count: int


_CODE = (
    "SELECT g.*, c.version, c.name, c.subject_class, c.origin, c.window, c.use_limit, c.suspended,"
    " c.held, c.orphaned, c.group_id, c.sealed IS NOT NULL AS has_digits, d.name AS device_name,"
    " (SELECT SUM(x.uses) FROM grants x WHERE x.credential_id = g.credential_id) AS all_uses"
    " FROM grants g JOIN credentials c USING (credential_id)"
    " LEFT JOIN devices d ON d.device_id = g.device_id"
)
_ORDER = " ORDER BY COALESCE(d.name, g.device_id), g.accepted_at, g.credential_id"


def codes(
    *,
    device_id: DeviceId | None = None,
    credential_id: CredentialId | None = None,
    states: frozenset[GrantState] | None = None,
) -> Select[CodeRow]:
    """Grants by device name, oldest first. `states` None: all."""
    conditions: list[str] = []
    params: list[Value] = []
    if device_id is not None:
        conditions.append("g.device_id = ?")
        params.append(device_id)
    if credential_id is not None:
        conditions.append("g.credential_id = ?")
        params.append(credential_id)
    if states is not None:
        conditions.append(f"g.state IN ({', '.join('?' * len(states))})")
        params += sorted(state.value for state in states)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return Select(_CODE + where + _ORDER, params, _code)


def needing_attention(limit: int) -> Select[CodeRow]:
    """Grants that somebody should look at: overdue erases first, then what will not heal alone."""
    return Select(
        f"{_CODE} WHERE (g.state = 'erasing' AND g.erase_alarm_at IS NOT NULL)"
        " OR g.state IN ('rejected', 'paused')"
        " OR (g.state = 'pending' AND g.reason = 'no_free_slot')"
        " ORDER BY g.state <> 'erasing', g.since DESC LIMIT ?",
        (limit,),
        _code,
    )


def code_counts() -> Select[StateCount]:
    return Select(
        "SELECT device_id, state, COUNT(*) FROM grants GROUP BY device_id, state",
        (),
        lambda row: StateCount(DeviceId(row[0]), GrantState(row[1]), row[2]),
    )


def credential_names() -> Select[Named]:
    return Select(
        "SELECT credential_id, name FROM credentials ORDER BY credential_id",
        (),
        lambda row: Named(row[0], row[1]),
    )


def _code(row: sqlite3.Row) -> CodeRow:
    grant = DesiredGrant(
        credential_id=CredentialId(row["credential_id"]),
        device_id=DeviceId(row["device_id"]),
        version=row["version"],
        digits=None,
        window=codec.decode_window(row["window"]),
        accepted_at=row["accepted_at"],
        name=row["name"],
        origin=Origin(row["origin"]),
        subject_class=SubjectClass(row["subject_class"]),
        use_limit=row["use_limit"],
        uses=row["all_uses"] or 0,
        first_used_at=row["first_used_at"],
        suspended=bool(row["suspended"]),
        held=bool(row["held"]),
        removed=row["removed"],
        refused=row["refused_reason"] if row["refused_version"] == row["version"] else None,
        removed_externally=bool(row["removed_externally"]),
        programmed_once=row["programmed_at"] is not None,
    )
    verdict = Verdict(
        grant.grant_id,
        GrantState(row["state"]),
        row["reason"],
        row["slot"],
        Enforcement(row["opens"]),
        Enforcement(row["closes"]),
        codec.decode_evidence(row["evidence"]),
    )
    return CodeRow(
        grant=grant,
        verdict=verdict,
        device_name=row["device_name"],
        has_digits=bool(row["has_digits"]),
        orphaned=bool(row["orphaned"]),
        group_id=row["group_id"],
        since=row["since"],
        attempts=row["attempts"],
        next_attempt_at=row["next_attempt_at"],
        erase_due_at=row["erase_due_at"],
        erase_alarm_at=row["erase_alarm_at"],
        programmed_at=row["programmed_at"],
        erased_at=row["erased_at"],
        early_exposure_ms=row["early_exposure_ms"],
        late_revocation_ms=row["late_revocation_ms"],
        last_used_at=row["last_used_at"],
    )
