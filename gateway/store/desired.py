"""What is wanted: credentials and the left half of their grants, as the cloud ordered them.

Here: single orders (a delta, a local action) and what planning reads. Whole snapshots are merged in
`staging`, whose names are given out here as well. Not here: how a grant stands (`reported`), and
whether an order is acceptable at all (`sync`).

Rules: an older version never replaces a newer one. A grant that goes keeps its row until the code
is proven off the lock; one of which nothing was ever written to a lock is `erased` at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.grants import DesiredGrant, Origin, SubjectClass
from gateway.domain.ids import CredentialId
from gateway.domain.schedule import CredentialSpec, GrantLine, Tombstone
from gateway.domain.secret import DigitsFacts, KeyedHash, Weakness
from gateway.store import codec
from gateway.store.rules import (
    DEVICE_DROPPED,
    ON_LOCK,
    RENEWED,
    REVOKED,
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
from gateway.store.staging import (
    AppliedSnapshot,
    StagedChange,
    apply_staged,
    clear_staged,
    stage_chunk,
    staged_changes,
    staged_lines,
)
from gateway.store.tx import Select, Tx, Value

if TYPE_CHECKING:
    import sqlite3

    from gateway.domain.ids import DeviceId, GrantId
    from gateway.domain.instant import Instant
    from gateway.store.keyring import Keyring

__all__ = [
    "AppliedSnapshot", "StagedChange", "WantedCount", "apply_staged", "clear_staged",
    "credentials_of_subject", "desired_for", "destroy_digits", "digits_of", "forget",
    "grant_lines", "mark_orphans", "stage_chunk", "staged_changes", "staged_lines", "tombstone",
    "upsert_credential", "wanted_counts",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class WantedCount:
    """How many grants are in force on one device."""

    device_id: DeviceId
    count: int


# ── orders ──────────────────────────────────────────────────────────────────────────────


def upsert_credential(
    tx: Tx, keyring: Keyring, spec: CredentialSpec, revision: int, now: Instant
) -> bool:
    """Take over one credential; False when that changed nothing.

    A newer version replaces everything. The stored version sent again only makes its grants what
    it lists, and restores destroyed digits. An older version is superseded.
    """
    stored = tx.execute(
        "SELECT version, orphaned, sealed IS NULL AS destroyed FROM credentials"
        " WHERE credential_id = ?",
        (spec.credential_id,),
    ).fetchone()
    if stored is not None and stored["version"] > spec.version:
        _name(tx, spec.credential_id, revision)
        return False
    newer = stored is None or spec.version > stored["version"]
    restored = not newer and bool(stored["destroyed"]) and bool(spec.devices)
    if newer or restored:
        _put_credential(tx, keyring, spec, revision, now)
    else:
        _name(tx, spec.credential_id, revision)
    params: dict[str, Value] = {
        "credential_id": spec.credential_id,
        "now": now,
        "change": tx.next_change(),
    }
    before = tx.execute("SELECT total_changes()").fetchone()[0]
    for device_id in spec.devices:
        tx.execute(
            "INSERT INTO grants AS g (credential_id, device_id, accepted_at, since, changed)"  # noqa: S608 - constant text
            " VALUES (:credential_id, :device_id, :now, :now, :change)"
            f" ON CONFLICT DO UPDATE SET {REWANTED}, changed = :change WHERE removed IS NOT NULL",
            {**params, "device_id": device_id},
        )
    if newer:
        tx.execute(
            f"UPDATE grants SET {RENEWED}, changed = :change"  # noqa: S608 - constant text
            " WHERE credential_id = :credential_id AND removed IS NULL",
            params,
        )
    dropped = drop(
        tx,
        "credential_id = :credential_id"
        " AND device_id NOT IN (SELECT value FROM json_each(:wanted))",
        {**params, "wanted": codec.encode_names(spec.devices), "reason": DEVICE_DROPPED},
    )
    moved = tx.execute("SELECT total_changes()").fetchone()[0] - before
    unshow(tx, params)
    changed = newer or restored or bool(stored["orphaned"]) or moved > 0
    if dropped or not spec.devices:
        destroy_digits(tx, spec.credential_id)
    if changed:
        _touch_credential(tx, spec.credential_id)
    return changed


def tombstone(
    tx: Tx, stone: Tombstone, revision: int, now: Instant, reason: str = TOMBSTONE
) -> list[GrantId]:
    """Let a credential go, from one device or from all; the grants that this newly removed."""
    condition = "credential_id = :credential_id"
    if stone.device_id is not None:
        condition += " AND device_id = :device_id"
    params: dict[str, Value] = {
        "credential_id": stone.credential_id,
        "device_id": stone.device_id,
        "reason": reason,
        "now": now,
        "change": tx.next_change(),
    }
    gone = drop(tx, condition, params)
    if reason == TOMBSTONE:
        bury_revoked(tx, condition, params)
    _name(tx, stone.credential_id, revision)
    for grant_id in gone:
        tx.touch(f"device:{grant_id.device_id}")
    if gone:
        tx.touch("schedule")
        destroy_digits(tx, stone.credential_id)
    return gone


def outdate(tx: Tx, credential_id: CredentialId, version: int, now: Instant) -> None:
    """Nothing of it is wanted any more, up to a version that need not have come here."""
    outdated = tx.execute(
        "UPDATE credentials SET version = ? WHERE credential_id = ? AND version < ?"
        " AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.credential_id = credentials.credential_id"
        " AND g.removed IS NULL)",
        (version, credential_id, version),
    )
    if outdated.rowcount:
        # A version that was on no lock is not shown as working until planning comes to it.
        tx.execute(
            "UPDATE grants SET state = 'erasing', reason = removed, since = ?"
            " WHERE credential_id = ? AND state IN ('programmed', 'active')",
            (now, credential_id),
        )


def forget(tx: Tx, before: Instant) -> int:
    """Delete credentials whose every grant was removed and is off its lock since `before`.

    What a command revoked stays while the cloud's schedule may list it: forgotten, it would be
    taken for a new code.
    """
    ids = [
        row[0]
        for row in tx.execute(
            "SELECT credential_id FROM credentials c WHERE sealed IS NULL"
            " AND NOT EXISTS (SELECT 1 FROM slots WHERE owner = c.credential_id)"
            " AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.credential_id = c.credential_id"
            " AND (g.removed IS NULL OR g.state <> 'erased' OR g.since >= ? OR (g.removed = ?"
            " AND c.orphaned = 0 AND c.origin NOT IN ('local', 'probe'))))"
            " ORDER BY credential_id",
            (before, REVOKED),
        )
    ]
    tx.executemany("DELETE FROM grants WHERE credential_id = ?", [(i,) for i in ids])
    tx.executemany("DELETE FROM credentials WHERE credential_id = ?", [(i,) for i in ids])
    return len(ids)


# ── what planning and the hash read ─────────────────────────────────────────────────────


def desired_for(device_id: DeviceId, day: int) -> Select[DesiredGrant]:
    """Every grant of the device that is wanted or not yet off the lock. `day`: UTC day number."""
    return Select(
        "SELECT g.*, c.version, c.name, c.subject_class, c.origin, c.window, c.use_limit,"  # noqa: S608 - constant text
        " c.suspended, c.held, c.sealed IS NOT NULL AS has_digits, c.digits_hash, c.digits_length,"
        " c.digits_numeric, c.digits_weakness, :day AS today,"
        " (SELECT SUM(x.uses) FROM grants x WHERE x.credential_id = g.credential_id) AS all_uses,"
        " (SELECT MIN(x.first_used_at) FROM grants x WHERE x.credential_id = g.credential_id)"
        "  AS first_use,"
        # A slot's history grows for years; whoever holds it now stands last in it.
        " (SELECT MAX((SELECT h.from_at FROM slot_history h"
        "   WHERE h.device_id = s.device_id AND h.slot = s.slot"
        "   AND h.credential_id = s.owner AND h.to_at IS NULL ORDER BY h.from_at DESC LIMIT 1))"
        "  FROM slots s WHERE s.owner = g.credential_id AND s.device_id = g.device_id)"
        "  AS held_since"
        " FROM grants g JOIN credentials c USING (credential_id) WHERE g.device_id = :device_id"
        f" AND (g.removed IS NULL OR g.state <> 'erased' OR {ON_LOCK})"
        " ORDER BY g.accepted_at, g.credential_id",
        {"device_id": device_id, "day": day},
        _desired,
    )


def grant_lines() -> Select[GrantLine]:
    """What the cloud wants, for the schedule hash: no orphans, nothing made on site."""
    return Select(
        "SELECT g.credential_id, g.device_id, c.version FROM grants g"
        " JOIN credentials c USING (credential_id)"
        " WHERE g.removed IS NULL AND c.orphaned = 0 AND c.origin NOT IN ('local', 'probe')"
        " ORDER BY g.credential_id, g.device_id",
        (),
        lambda row: GrantLine(row[0], row[1], row[2]),
    )


def version_of(credential_id: CredentialId) -> Select[int]:
    """The version in force; no row for a credential nobody knows."""
    sql = "SELECT version FROM credentials WHERE credential_id = ?"
    return Select(sql, (credential_id,), lambda row: int(row[0]))


def wanted_counts() -> Select[WantedCount]:
    """Grants in force on each device, for the guard against mass deletion."""
    return Select(
        "SELECT device_id, COUNT(*) FROM grants WHERE removed IS NULL GROUP BY device_id"
        " ORDER BY device_id",
        (),
        lambda row: WantedCount(row[0], row[1]),
    )


def credentials_of_subject(subject_id: str) -> Select[CredentialId]:
    """Every credential of a person, on whatever lock."""
    return Select(
        "SELECT credential_id FROM credentials WHERE subject_id = ? ORDER BY credential_id",
        (subject_id,),
        lambda row: CredentialId(row[0]),
    )


def digits_of(credential_id: CredentialId) -> Select[bytes | None]:
    """Sealed; None once destroyed."""
    return Select(
        "SELECT sealed FROM credentials WHERE credential_id = ?",
        (credential_id,),
        lambda row: row[0],
    )


def facts_from(row: sqlite3.Row) -> DigitsFacts:
    weakness = row["digits_weakness"]
    return DigitsFacts(
        KeyedHash(row["digits_hash"]),
        row["digits_length"],
        bool(row["digits_numeric"]),
        Weakness(weakness) if weakness else None,
    )


def _put_credential(
    tx: Tx, keyring: Keyring, spec: CredentialSpec, revision: int, now: Instant
) -> None:
    columns = sealed_columns(keyring, spec) | {
        "revision": revision,
        "orphaned": 0,
        "accepted_at": now,
    }
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns if name != "credential_id")
    tx.execute(
        f"{insert('credentials', columns)} ON CONFLICT (credential_id) DO UPDATE SET {updates}",
        columns,
    )


def _name(tx: Tx, credential_id: CredentialId, revision: int) -> None:
    """What an order names is in force: an orphan no longer, and that is told."""
    tx.execute(
        "UPDATE grants SET changed = ? WHERE credential_id ="
        " (SELECT credential_id FROM credentials WHERE credential_id = ? AND orphaned = 1)",
        (tx.next_change(), credential_id),
    )
    tx.execute(
        "UPDATE credentials SET revision = max(revision, ?), orphaned = 0 WHERE credential_id = ?",
        (revision, credential_id),
    )


def _touch_credential(tx: Tx, credential_id: CredentialId) -> None:
    tx.touch("schedule")
    for row in tx.execute(
        "SELECT device_id FROM grants WHERE credential_id = ? ORDER BY device_id", (credential_id,)
    ).fetchall():
        tx.touch(f"device:{row[0]}")


def _desired(row: sqlite3.Row) -> DesiredGrant:
    return DesiredGrant(
        credential_id=row["credential_id"],
        device_id=row["device_id"],
        version=row["version"],
        digits=facts_from(row) if row["has_digits"] else None,
        window=codec.decode_window(row["window"]),
        accepted_at=row["accepted_at"],
        name=row["name"],
        origin=Origin(row["origin"]),
        subject_class=SubjectClass(row["subject_class"]),
        use_limit=row["use_limit"],
        uses=row["all_uses"],
        first_used_at=row["first_use"],
        suspended=bool(row["suspended"]),
        held=bool(row["held"]),
        removed=row["removed"],
        refused=row["refused_reason"] if row["refused_version"] == row["version"] else None,
        removed_externally=bool(row["removed_externally"]),
        identical_writes_today=row["writes_today"] if row["writes_day"] == row["today"] else 0,
        programmed_once=row["programmed_at"] is not None,
        programmed_at=row["programmed_at"],
        held_since=row["held_since"],
    )
