"""How things stand: slots as the lock last proved them, and the right half of the grants.

Here: rows and their views. Attempts, slot history and the quarantine are in `history`, whose names
are given out here as well. Not here: what is wanted (`desired`) and what a reading means
(`scheduler.judge`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from gateway.domain.devices import (
    Device,
    Empty,
    Evidence,
    Known,
    LockClock,
    Opaque,
    OpaqueReason,
    Slot,
)
from gateway.domain.grants import Enforcement, GrantState, Origin, SubjectClass
from gateway.domain.ids import CredentialId, DeviceId, GrantId
from gateway.domain.secret import KeyedHash
from gateway.errors import StoreUnreadable
from gateway.store import codec
from gateway.store.devices import DeviceRow, devices_changed_since
from gateway.store.history import (
    AttemptRow,
    begin_attempt,
    finish_attempt,
    free_slot,
    hold_slot,
    holder_at,
    open_attempts,
    quarantine,
    quarantined,
)
from gateway.store.rules import destroy_digits
from gateway.store.tx import SHOWN, Select, Tx, Value, assignments

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from gateway.domain.instant import Instant
    from gateway.domain.windows import Window

__all__ = [
    "AttemptRow", "GrantColumns", "GrantRow", "ShownRow", "all_grants", "begin_attempt",
    "device_view", "devices_changed_since", "finish_attempt", "forget_unmanaged", "free_slot",
    "grant", "grants_changed_since", "grants_for", "grants_of", "grants_without_device",
    "hold_slot", "holder_at", "next_erase_due", "open_attempts", "overdue_erases", "put_slot",
    "quarantine", "quarantined", "shown_for", "slot", "slots_for", "update_grant",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class GrantRow:
    """One grant with everything that is shown of it, and its credential's own columns."""

    credential_id: CredentialId
    device_id: DeviceId
    accepted_at: Instant
    removed: str | None
    state: GrantState
    reason: str | None
    since: Instant
    slot: int | None
    opens: Enforcement
    closes: Enforcement
    evidence: frozenset[Evidence]
    attempts: int
    next_attempt_at: Instant | None
    erase_due_at: Instant | None
    erase_alarm_at: Instant | None
    refused_version: int | None
    refused_reason: str | None
    removed_externally: bool
    writes_day: int | None
    writes_today: int
    programmed_at: Instant | None
    erased_at: Instant | None
    early_exposure_ms: int | None
    late_revocation_ms: int | None
    uses: int
    first_used_at: Instant | None
    last_used_at: Instant | None
    changed: int

    version: int
    name: str
    subject_id: str | None
    subject_class: SubjectClass
    origin: Origin
    group: str | None
    window: Window
    use_limit: int | None
    suspended: bool
    held: bool
    orphaned: bool
    digits_hash: KeyedHash
    digits_length: int
    has_digits: bool
    """The digits are still kept (sealed)."""

    @property
    def grant_id(self) -> GrantId:
        return GrantId(self.credential_id, self.device_id)


@dataclass(frozen=True, slots=True)
class ShownRow:
    """As much of a `GrantRow` as planning compares with what it decides."""

    credential_id: CredentialId
    device_id: DeviceId
    state: GrantState
    reason: str | None
    slot: int | None
    opens: Enforcement
    closes: Enforcement
    evidence: frozenset[Evidence]
    erase_due_at: Instant | None
    erase_alarm_at: Instant | None
    refused_version: int | None
    changed: int
    version: int
    window: Window

    @property
    def grant_id(self) -> GrantId:
        return GrantId(self.credential_id, self.device_id)


class GrantColumns(TypedDict, total=False):
    """What `update_grant` may write."""

    state: GrantState
    reason: str | None
    slot: int | None
    opens: Enforcement
    closes: Enforcement
    evidence: Iterable[Evidence]
    attempts: int
    next_attempt_at: Instant | None
    erase_due_at: Instant | None
    erase_alarm_at: Instant | None
    refused_version: int | None
    refused_reason: str | None
    removed_externally: bool
    writes_day: int | None
    writes_today: int
    programmed_at: Instant | None
    erased_at: Instant | None
    early_exposure_ms: int | None
    late_revocation_ms: int | None
    uses: int
    first_used_at: Instant | None
    last_used_at: Instant | None


_PLANNED_UPON = frozenset(
    {
        "refused_version", "refused_reason", "removed_externally", "writes_day", "writes_today",
        "programmed_at",
    }
)  # fmt: skip
"""What planning reads of a grant. Of `state` only whether it is `erased`; `uses` counts over every
lock of a credential, so whoever counts them wakes the lanes for which there is a limit."""


# ── slots ───────────────────────────────────────────────────────────────────────────────


def slots_for(device_id: DeviceId) -> Select[Slot]:
    return Select("SELECT * FROM slots WHERE device_id = ? ORDER BY slot", (device_id,), _slot)


def slot(device_id: DeviceId, number: int) -> Select[Slot]:
    return Select(
        "SELECT * FROM slots WHERE device_id = ? AND slot = ?", (device_id, number), _slot
    )


def put_slot(tx: Tx, device_id: DeviceId, slot: Slot) -> None:
    """Replace what is known of one slot; wakes the device's lane only if something differs."""
    kind, digits_hash, reason = _content(slot)
    columns: dict[str, Value] = {
        "device_id": device_id,
        "slot": slot.number,
        "content": kind,
        "digits_hash": digits_hash,
        "opaque": reason,
        "owner": slot.owner,
        "schedules": codec.encode_schedules(slot.schedules),
        "evidence": codec.encode_evidence(slot.evidence),
        "observed_at": slot.observed_at,
    }
    before = tx.execute(
        "SELECT * FROM slots WHERE device_id = ? AND slot = ?", (device_id, slot.number)
    ).fetchone()
    tx.execute(
        "INSERT OR REPLACE INTO slots VALUES (:device_id, :slot, :content, :digits_hash, :opaque,"
        " :owner, :schedules, :evidence, :observed_at)",
        columns,
    )
    columns.pop("observed_at")
    if before is None or any(before[name] != value for name, value in columns.items()):
        tx.touch(f"device:{device_id}")


def forget_unmanaged(tx: Tx, device_id: DeviceId) -> None:
    """Drop what was read of slots that are not ours, so that they are read anew."""
    tx.execute("DELETE FROM slots WHERE device_id = ? AND owner IS NULL", (device_id,))
    tx.touch(f"device:{device_id}")


def device_view(row: DeviceRow, slots: Iterable[Slot], zone: str) -> Device:
    """What planning looks at. `zone`: the site's, in which the lock's clock is kept."""
    clock = None
    if (
        row.clock_error_ms is not None
        and row.clock_bound_ms is not None
        and row.clock_read_at is not None
    ):
        clock = LockClock(
            row.clock_error_ms, row.clock_bound_ms, row.clock_read_at, bool(row.clock_zone_proven)
        )
    return Device(
        device_id=row.device_id,
        capabilities=row.capabilities,
        zone=zone,
        slots={slot.number: slot for slot in slots},
        clock=clock,
        schedules_proven=row.schedules_proven,
        repair_paused=row.repair_paused,
        recovering=row.recovering,
        inventory_done=row.inventory_done,
        log_news=bool(row.log_news),
        log_read_at=row.log_read_at,
    )


# ── grants ──────────────────────────────────────────────────────────────────────────────

_GRANTS = (
    "SELECT g.*, c.version, c.name, c.subject_id, c.subject_class, c.origin, c.group_id, c.window,"
    " c.use_limit, c.suspended, c.held, c.orphaned, c.digits_hash, c.digits_length,"
    " c.sealed IS NOT NULL AS has_digits FROM grants g JOIN credentials c USING (credential_id)"
)


def grant(grant_id: GrantId) -> Select[GrantRow]:
    return Select(f"{_GRANTS} WHERE g.credential_id = ? AND g.device_id = ?", grant_id, _grant)


def shown_for(device_id: DeviceId) -> Select[ShownRow]:
    """How every grant of the device is shown, removed and erased ones included."""
    return Select(
        "SELECT g.credential_id, g.device_id, g.state, g.reason, g.slot, g.opens, g.closes,"
        " g.evidence, g.erase_due_at, g.erase_alarm_at, g.refused_version, g.changed, c.version,"
        " c.window FROM grants g JOIN credentials c USING (credential_id) WHERE g.device_id = ?"
        " ORDER BY g.accepted_at, g.credential_id",
        (device_id,),
        _shown,
    )


def grants_for(device_id: DeviceId) -> Select[GrantRow]:
    """Removed and erased ones included."""
    return Select(
        f"{_GRANTS} WHERE g.device_id = ? ORDER BY g.accepted_at, g.credential_id",
        (device_id,),
        _grant,
    )


def grants_of(credential_id: CredentialId) -> Select[GrantRow]:
    return Select(
        f"{_GRANTS} WHERE g.credential_id = ? ORDER BY g.device_id", (credential_id,), _grant
    )


def all_grants() -> Select[GrantRow]:
    return Select(f"{_GRANTS} ORDER BY g.device_id, g.accepted_at, g.credential_id", (), _grant)


def grants_changed_since(change: int, limit: int = -1) -> Select[GrantRow]:
    """Oldest change first. A limit is stretched to the end of the change it falls into.

    So nothing is missed by going on with the last row's `changed`. A negative limit is none.
    """
    return Select(
        f"{_GRANTS} WHERE g.changed > :change AND (:limit < 0 OR g.changed <= COALESCE((SELECT"  # noqa: S608 - constant text
        " changed FROM grants WHERE changed > :change ORDER BY changed LIMIT 1 OFFSET :limit - 1),"
        " g.changed)) ORDER BY g.changed, g.credential_id, g.device_id",
        {"change": change, "limit": limit},
        _grant,
    )


def overdue_erases(due_before: Instant) -> Select[GrantRow]:
    """Grants whose code should have been off the lock at or before this instant and is not."""
    return Select(
        f"{_GRANTS} WHERE g.erase_due_at <= ? AND g.state <> 'erased'"
        " ORDER BY g.erase_due_at, g.device_id, g.credential_id",
        (due_before,),
        _grant,
    )


def next_erase_due() -> Select[Instant | None]:
    """The earliest due time of an erase of which nobody was told that it is overdue; one row."""
    return Select(
        "SELECT MIN(erase_due_at) FROM grants WHERE erase_due_at IS NOT NULL"
        " AND erase_alarm_at IS NULL AND state <> 'erased'",
        (),
        lambda row: row[0],
    )


def grants_without_device() -> Select[GrantRow]:
    """Wanted, not concluded, for a device that never joined."""
    return Select(
        f"{_GRANTS} WHERE g.removed IS NULL AND g.state IN ('pending', 'held', 'suspended')"  # noqa: S608 - constant text
        " AND NOT EXISTS (SELECT 1 FROM devices d WHERE d.device_id = g.device_id)"
        " ORDER BY g.device_id, g.accepted_at, g.credential_id",
        (),
        _grant,
    )


def update_grant(tx: Tx, grant_id: GrantId, now: Instant, **columns: Unpack[GrantColumns]) -> bool:
    """Write what differs; False (and nobody is woken) when nothing does or the grant is unknown.

    `since` follows `state`. A grant that becomes `erased` for good takes its digits with it. The
    device's lane is woken only for what planning reads.
    KeyError for a column that may not be written.
    """
    new = _encode(columns)
    row = tx.execute(
        "SELECT * FROM grants WHERE credential_id = ? AND device_id = ?", grant_id
    ).fetchone()
    if row is None:
        return False
    differing = {name: value for name, value in new.items() if row[name] != value}
    if not differing:
        return False
    if "state" in differing:
        differing["since"] = now
    differing["changed"] = tx.next_change()
    tx.execute(
        f"UPDATE grants SET {assignments(differing)}"  # noqa: S608 - names from GrantColumns
        " WHERE credential_id = :credential_id AND device_id = :device_id",
        {**differing, "credential_id": grant_id[0], "device_id": grant_id[1]},
    )
    erased = GrantState.ERASED.value
    gone_or_back = "state" in differing and erased in {row["state"], differing["state"]}
    planned = gone_or_back or not _PLANNED_UPON.isdisjoint(differing)
    tx.touch(f"device:{grant_id.device_id}" if planned else SHOWN)
    if differing.get("state") == erased and row["removed"] is not None:
        destroy_digits(tx, grant_id.credential_id)
    return True


def show_edges(tx: Tx, shown: Iterable[tuple[ShownRow, Enforcement, Enforcement]]) -> None:
    """Who keeps each edge, of many grants at once, unless a grant was changed since it was read.

    Nobody is woken to plan: it is what planning said.
    """
    change = tx.next_change()
    tx.executemany(
        "UPDATE grants SET opens = ?, closes = ?, changed = ?"
        " WHERE credential_id = ? AND device_id = ? AND changed = ?",
        [
            (opens.value, closes.value, change, *row.grant_id, row.changed)
            for row, opens, closes in shown
        ],
    )
    tx.touch(SHOWN)


# ── rows and values ─────────────────────────────────────────────────────────────────────


def _encode(columns: Mapping[str, Any]) -> dict[str, Value]:
    unknown = columns.keys() - GrantColumns.__annotations__.keys()
    if unknown:
        raise KeyError(f"could not write grants: no such columns: {sorted(unknown)}")
    encoded: dict[str, Value] = {}
    for name, value in columns.items():
        if name == "evidence":
            encoded[name] = codec.encode_evidence(value)
        elif isinstance(value, Enum):
            encoded[name] = value.value
        elif isinstance(value, bool):
            encoded[name] = int(value)
        else:
            encoded[name] = value
    return encoded


def _content(slot: Slot) -> tuple[str, str | None, str | None]:
    match slot.content:
        case Empty():
            return "empty", None, None
        case Known(digits_hash):
            return "known", digits_hash, None
        case Opaque(reason):
            return "opaque", None, reason.value


def _slot(row: sqlite3.Row) -> Slot:
    match row["content"]:
        case "empty":
            content: Empty | Known | Opaque = Empty()
        case "known":
            content = Known(KeyedHash(row["digits_hash"]))
        case "opaque":
            content = Opaque(OpaqueReason(row["opaque"]))
        case other:
            raise StoreUnreadable(f"could not read a slot: content {other!r}")
    return Slot(
        row["slot"],
        content,
        row["owner"],
        codec.decode_schedules(row["schedules"]),
        codec.decode_evidence(row["evidence"]),
        row["observed_at"],
    )


def _shown(row: sqlite3.Row) -> ShownRow:
    (
        credential_id, device_id, state, reason, slot, opens, closes, evidence,
        erase_due_at, erase_alarm_at, refused_version, changed, version, window,
    ) = row  # fmt: skip
    return ShownRow(
        credential_id,
        device_id,
        GrantState(state),
        reason,
        slot,
        Enforcement(opens),
        Enforcement(closes),
        codec.decode_evidence(evidence),
        erase_due_at,
        erase_alarm_at,
        refused_version,
        changed,
        version,
        codec.decode_window(window),
    )


def _grant(row: sqlite3.Row) -> GrantRow:
    columns: dict[str, Any] = dict(zip(row.keys(), row, strict=True))
    columns["group"] = columns.pop("group_id")
    columns["state"] = GrantState(columns["state"])
    columns["opens"] = Enforcement(columns["opens"])
    columns["closes"] = Enforcement(columns["closes"])
    columns["evidence"] = codec.decode_evidence(columns["evidence"])
    columns["subject_class"] = SubjectClass(columns["subject_class"])
    columns["origin"] = Origin(columns["origin"])
    columns["window"] = codec.decode_window(columns["window"])
    for name in ("removed_externally", "suspended", "held", "orphaned", "has_digits"):
        columns[name] = bool(columns[name])
    return GrantRow(**columns)
