"""What was tried and who was where: attempts, slot history, digits in quarantine.

Not here: how a slot stands now (`reported`), and the ledger of events (`events`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.secret import KeyedHash
from gateway.store.tx import Select, Tx

if TYPE_CHECKING:
    import sqlite3

    from gateway.domain.instant import Instant


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One try. Open (`finished_at` None) at start means: outcome unknown."""

    attempt_id: int
    device_id: DeviceId
    slot: int | None
    credential_id: CredentialId | None
    action: str
    started_at: Instant
    finished_at: Instant | None
    outcome: str | None


# ── attempts ────────────────────────────────────────────────────────────────────────────


def begin_attempt(
    tx: Tx,
    *,
    device_id: DeviceId,
    slot: int | None,
    credential_id: CredentialId | None,
    action: str,
    at: Instant,
) -> int:
    """Written before the lock hears a word; the number is for `finish_attempt`."""
    return int(
        tx.execute(
            "INSERT INTO attempts (device_id, slot, credential_id, action, started_at)"
            " VALUES (?, ?, ?, ?, ?) RETURNING attempt_id",
            (device_id, slot, credential_id, action, at),
        ).fetchone()[0]
    )


def finish_attempt(tx: Tx, attempt_id: int, outcome: str, at: Instant) -> None:
    """`outcome`: confirmed, refused, unconfirmed or unreachable. The first word stands."""
    tx.execute(
        "UPDATE attempts SET finished_at = ?, outcome = ?"
        " WHERE attempt_id = ? AND finished_at IS NULL",
        (at, outcome, attempt_id),
    )


def open_attempts() -> Select[AttemptRow]:
    return Select("SELECT * FROM attempts WHERE finished_at IS NULL ORDER BY attempt_id", (), _row)


def last_attempt_at(device_id: DeviceId, slot: int) -> Select[Instant | None]:
    """When a slot was last written to, or was tried to; one row."""
    return Select(
        "SELECT MAX(COALESCE(finished_at, started_at)) FROM attempts"
        " WHERE device_id = ? AND slot = ?",
        (device_id, slot),
        lambda row: row[0],
    )


def prune_attempts(tx: Tx, before: Instant) -> int:
    """Delete finished attempts that began earlier."""
    return tx.execute(
        "DELETE FROM attempts WHERE finished_at IS NOT NULL AND started_at < ?", (before,)
    ).rowcount


# ── slot history ────────────────────────────────────────────────────────────────────────


def hold_slot(
    tx: Tx, device_id: DeviceId, slot: int, credential_id: CredentialId, at: Instant
) -> None:
    """From `at` on the slot is this credential's; whoever held it until now leaves it."""
    holder = tx.execute(
        "SELECT credential_id FROM slot_history WHERE device_id = ? AND slot = ? AND to_at IS NULL"
        " ORDER BY from_at DESC LIMIT 1",
        (device_id, slot),
    ).fetchone()
    if holder is not None and holder[0] == credential_id:
        return
    free_slot(tx, device_id, slot, at)
    tx.execute(
        "INSERT INTO slot_history (device_id, slot, credential_id, from_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET credential_id = excluded.credential_id, to_at = NULL",
        (device_id, slot, credential_id, at),
    )


def free_slot(tx: Tx, device_id: DeviceId, slot: int, at: Instant) -> None:
    """Nothing happens when nobody holds it. A clock that stepped back gives an empty stretch."""
    tx.execute(
        "UPDATE slot_history SET to_at = max(?, from_at)"
        " WHERE device_id = ? AND slot = ? AND to_at IS NULL",
        (at, device_id, slot),
    )


def holder_at(device_id: DeviceId, slot: int, at: Instant) -> Select[CredentialId]:
    """Whose slot it was at that moment; no row when it was nobody's."""
    return Select(
        "SELECT credential_id FROM slot_history WHERE device_id = ? AND slot = ? AND from_at <= ?"
        " AND (to_at IS NULL OR ? < to_at) ORDER BY from_at DESC LIMIT 1",
        (device_id, slot, at, at),
        lambda row: CredentialId(row[0]),
    )


def holder_near(
    device_id: DeviceId,
    slot: int,
    at: Instant,
    within_ms: int,
    told_at: Instant,
    code: KeyedHash | None,
) -> Select[CredentialId]:
    """Whose slot it was about then, for what was told later (`told_at`) by a clock that may err.

    Who had that code there, whenever it was; else who held the slot nearest to that moment.
    """
    return Select(
        "SELECT held.credential_id, coalesce(digits_hash = ?4, 0) AS by_code,"
        " max(from_at - ?3, ?3 - coalesce(to_at, ?3), 0) AS off_ms"
        " FROM slot_history AS held LEFT JOIN credentials USING (credential_id)"
        " WHERE device_id = ?1 AND slot = ?2 AND from_at <= ?6 AND (by_code OR off_ms <= ?5)"
        " ORDER BY by_code DESC, off_ms, from_at DESC LIMIT 1",
        (device_id, slot, at, code, within_ms, told_at),
        lambda row: CredentialId(row[0]),
    )


# ── quarantine ──────────────────────────────────────────────────────────────────────────


def quarantine(tx: Tx, device_id: DeviceId, digits_hash: KeyedHash, until: Instant) -> None:
    """Digits that were on this lock; they stay recognisable until then, at the least."""
    tx.execute(
        "INSERT INTO quarantine VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET until_at = max(until_at, excluded.until_at)",
        (device_id, digits_hash, until),
    )


def quarantined(device_id: DeviceId, now: Instant) -> Select[KeyedHash]:
    return Select(
        "SELECT digits_hash FROM quarantine WHERE device_id = ? AND until_at > ?"
        " ORDER BY digits_hash",
        (device_id, now),
        lambda row: KeyedHash(row[0]),
    )


def prune_quarantine(tx: Tx, now: Instant) -> int:
    """Delete what has served its time."""
    return tx.execute("DELETE FROM quarantine WHERE until_at <= ?", (now,)).rowcount


def _row(row: sqlite3.Row) -> AttemptRow:
    return AttemptRow(*row)
