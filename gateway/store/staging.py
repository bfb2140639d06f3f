"""A whole snapshot of the schedule: staged chunk by chunk, then merged in one short transaction.

Sealing and hashing are paid for per chunk; the merge is set-based and takes tens of milliseconds
for ten thousand grants, so that commands do not wait for it. Not here: whether the snapshot is
complete and its hash right (`sync`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.schedule import CredentialSpec, GrantLine, Tombstone
from gateway.store import codec
from gateway.store.rules import (
    DEVICE_DROPPED,
    RENEWED,
    REWANTED,
    TOMBSTONE,
    bury_revoked,
    destroy_digits,
    drop,
    insert,
    mark_orphans,
    sealed_columns,
    unshow,
)
from gateway.store.tx import Select, Tx, Value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.domain.instant import Instant
    from gateway.domain.windows import Window
    from gateway.store.keyring import Keyring

_TABLES = ("staged_credentials", "staged_grants", "staged_tombstones")

_SHARED = (
    "version, name, subject_id, subject_class, origin, group_id, window, use_limit, suspended,"
    " held, sealed, digits_hash, digits_length, digits_numeric, digits_weakness"
)


@dataclass(frozen=True, slots=True)
class AppliedSnapshot:
    """What a merge did. `superseded`: the store held a newer version and kept it."""

    changed: int
    superseded: int
    removed: int
    """Grants that are to go now and were not before."""
    orphans: int
    devices: frozenset[DeviceId]
    """Where anything changed."""


@dataclass(frozen=True, slots=True)
class StagedChange:
    """A grant in force that a staged snapshot would take away or alter, for the guard."""

    credential_id: CredentialId
    device_id: DeviceId
    gone: bool
    """By a tombstone, or because the credential no longer lists the device."""
    digits_changed: bool
    window: Window
    new_window: Window | None
    paused: bool = False
    """It would be suspended or held, and was not."""


def stage_chunk(
    tx: Tx,
    keyring: Keyring,
    revision: int,
    chunk: int,
    specs: Iterable[CredentialSpec],
    tombstones: Iterable[Tombstone],
) -> None:
    """Keep one chunk until the snapshot is complete; the same chunk sent again replaces itself."""
    for table in _TABLES:
        tx.execute(f"DELETE FROM {table} WHERE revision = ? AND chunk = ?", (revision, chunk))  # noqa: S608 - constant names
    place: dict[str, Value] = {"revision": revision, "chunk": chunk}
    credentials: list[dict[str, Value]] = []
    grants: list[tuple[Value, ...]] = []
    for spec in specs:
        credentials.append(sealed_columns(keyring, spec) | place)
        grants += [(revision, spec.credential_id, device, chunk) for device in spec.devices]
    if credentials:
        tx.executemany(
            insert("staged_credentials", credentials[0]).replace("INSERT", "INSERT OR REPLACE"),
            credentials,
        )
    tx.executemany("INSERT OR REPLACE INTO staged_grants VALUES (?, ?, ?, ?)", grants)
    tx.executemany(
        "INSERT OR REPLACE INTO staged_tombstones VALUES (?, ?, ?, ?)",
        [(revision, stone.credential_id, stone.device_id or "", chunk) for stone in tombstones],
    )


def clear_staged(tx: Tx) -> None:
    """Forget whatever is staged."""
    for table in _TABLES:
        tx.execute(f"DELETE FROM {table}")  # noqa: S608 - constant names


def staged_lines(revision: int) -> Select[GrantLine]:
    """What the snapshot wants, for its hash."""
    return Select(
        "SELECT credential_id, device_id, version FROM staged_grants"
        " JOIN staged_credentials USING (revision, credential_id) WHERE revision = ?"
        " ORDER BY credential_id, device_id",
        (revision,),
        lambda row: GrantLine(row[0], row[1], row[2]),
    )


def staged_changes(revision: int) -> Select[StagedChange]:
    """Grants in force that applying the snapshot would remove, or whose window or digits differ.

    One that was refused is not in force: nobody opens with it, and a changed PIN is its remedy.
    """
    return Select(
        "SELECT * FROM (SELECT g.credential_id, g.device_id, c.window,"  # noqa: S608 - constant text
        " CASE WHEN n.version > c.version THEN (n.window) END AS new_window,"
        " n.version > c.version AND n.digits_hash <> c.digits_hash AS digits_changed,"
        " n.version > c.version AND (n.suspended > c.suspended OR n.held > c.held) AS paused,"
        f" ({_TOMBSTONED}) OR (n.version >= c.version AND NOT {_LISTED}) AS gone"
        " FROM grants g JOIN credentials c USING (credential_id) LEFT JOIN staged_credentials n"
        " ON n.revision = :revision AND n.credential_id = g.credential_id"
        " WHERE g.removed IS NULL AND g.state <> 'rejected')"
        " WHERE gone OR digits_changed OR paused OR new_window <> window"
        " ORDER BY credential_id, device_id",
        {"revision": revision},
        lambda row: StagedChange(
            row["credential_id"],
            row["device_id"],
            bool(row["gone"]),
            bool(row["digits_changed"]),
            codec.decode_window(row["window"]),
            codec.decode_window(row["new_window"]) if row["new_window"] else None,
            bool(row["paused"]),
        ),
    )


_TOMBSTONED = (
    "EXISTS (SELECT 1 FROM staged_tombstones t WHERE t.revision = :revision"
    " AND t.credential_id = g.credential_id AND t.device_id IN (g.device_id, ''))"
)
_STONED = (
    "g.credential_id IN (SELECT credential_id FROM staged_tombstones WHERE revision = :revision)"
)
"""Implied by `_TOMBSTONED`; finds the few without looking at all."""
_LISTED = (
    "EXISTS (SELECT 1 FROM staged_grants l WHERE l.revision = :revision"
    " AND l.credential_id = g.credential_id AND l.device_id = g.device_id)"
)
_TAKEN = (
    "EXISTS (SELECT 1 FROM staged_credentials n JOIN credentials c USING (credential_id)"
    " WHERE n.revision = :revision AND n.credential_id = g.credential_id"
    " AND n.version = c.version)"
)
"""After the merge: the staged version of the credential is the one in force, not superseded."""


def apply_staged(tx: Tx, revision: int, now: Instant) -> AppliedSnapshot:
    """Merge the staged snapshot and forget it. The rules are those of single orders (`desired`).

    A snapshot that both lists and tombstones a grant removes it.
    """
    params: dict[str, Value] = {"revision": revision, "now": now, "change": tx.next_change()}
    before = _changes(tx)
    superseded, fresh = _merge_credentials(tx, params)
    nowhere = {
        CredentialId(row[0])
        for row in tx.execute(
            "SELECT credential_id FROM staged_credentials n WHERE revision = ? AND NOT EXISTS"
            " (SELECT 1 FROM staged_grants l WHERE l.revision = n.revision"
            " AND l.credential_id = n.credential_id) ORDER BY credential_id",
            (revision,),
        )
    }
    _merge_grants(tx, params)
    removed = drop(tx, f"NOT {_LISTED} AND {_TAKEN}", {**params, "reason": DEVICE_DROPPED})
    removed += drop(tx, f"{_STONED} AND {_TOMBSTONED}", {**params, "reason": TOMBSTONE})
    bury_revoked(tx, f"{_STONED} AND {_TOMBSTONED}", params)
    unshow(tx, params)
    for credential_id in sorted({grant_id.credential_id for grant_id in removed} | nowhere):
        destroy_digits(tx, credential_id)
    orphans = mark_orphans(tx, revision)
    clear_staged(tx)
    devices = frozenset(
        DeviceId(row[0])
        for row in tx.execute(
            "SELECT DISTINCT device_id FROM grants WHERE changed = ? ORDER BY device_id",
            (params["change"],),
        )
    )
    for device_id in sorted(devices):
        tx.touch(f"device:{device_id}")
    if _changes(tx) != before:
        tx.touch("schedule")
    return AppliedSnapshot(fresh, superseded, len(removed), orphans, devices)


def _merge_credentials(tx: Tx, params: dict[str, Value]) -> tuple[int, int]:
    """How many were superseded, and how many are new or newer. Marks renewed grants on the way."""
    superseded = tx.execute(
        "SELECT COUNT(*) FROM staged_credentials n JOIN credentials c USING (credential_id)"
        " WHERE n.revision = :revision AND c.version > n.version",
        params,
    ).fetchone()[0]
    tx.execute(
        f"UPDATE grants SET {RENEWED}, changed = :change WHERE removed IS NULL"  # noqa: S608 - constant text
        " AND credential_id IN (SELECT credential_id FROM staged_credentials n"
        " JOIN credentials c USING (credential_id)"
        " WHERE n.revision = :revision AND n.version > c.version)",
        params,
    )
    # What is named is in force, also when the rest of it is not taken over, and is told so.
    tx.execute(
        "UPDATE grants SET changed = :change WHERE credential_id IN"
        " (SELECT credential_id FROM staged_credentials n JOIN credentials c USING (credential_id)"
        " WHERE n.revision = :revision AND c.orphaned = 1)",
        params,
    )
    tx.execute(
        "UPDATE credentials SET revision = :revision, orphaned = 0 WHERE credential_id IN"
        " (SELECT credential_id FROM staged_credentials n JOIN credentials c USING (credential_id)"
        " WHERE n.revision = :revision AND n.version <= c.version)",
        params,
    )
    names = _SHARED.split(", ")
    updates = ", ".join(f"{name} = excluded.{name}" for name in names)
    fresh = tx.execute(
        f"INSERT INTO credentials (credential_id, {_SHARED}, revision, orphaned, accepted_at)"  # noqa: S608 - constant text
        f" SELECT credential_id, {_SHARED}, :revision, 0, :now FROM staged_credentials"
        " WHERE revision = :revision"
        f" ON CONFLICT (credential_id) DO UPDATE SET {updates}, revision = :revision, orphaned = 0,"
        " accepted_at = :now WHERE excluded.version > version"
        " OR (excluded.version = version AND sealed IS NULL AND EXISTS (SELECT 1 FROM staged_grants"
        " l WHERE l.revision = :revision AND l.credential_id = excluded.credential_id))",
        params,
    ).rowcount
    return superseded, fresh


def _merge_grants(tx: Tx, params: dict[str, Value]) -> None:
    tx.execute(
        "INSERT INTO grants AS g (credential_id, device_id, accepted_at, since, changed)"  # noqa: S608 - constant text
        " SELECT l.credential_id, l.device_id, :now, :now, :change FROM staged_grants l"
        " JOIN staged_credentials n USING (revision, credential_id)"
        " JOIN credentials c ON c.credential_id = l.credential_id AND c.version = n.version"
        " WHERE l.revision = :revision AND NOT EXISTS (SELECT 1 FROM grants w"
        " WHERE w.credential_id = l.credential_id AND w.device_id = l.device_id"
        " AND w.removed IS NULL)"
        f" ON CONFLICT DO UPDATE SET {REWANTED}, changed = :change WHERE removed IS NOT NULL",
        params,
    )


def _changes(tx: Tx) -> int:
    count: int = tx.execute("SELECT total_changes()").fetchone()[0]
    return count
