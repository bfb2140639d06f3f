"""Rows of `media`: the cards and fingers that somebody enrolled here, so that they have a name.

Known on site only: the cloud neither orders them nor is told of them. What a lock holds, the lock
tells; a row is what people called it. Not here: numbers, which are never kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.ids import DeviceId
from gateway.domain.instant import Instant
from gateway.domain.secret import KeyedHash
from gateway.store import codec
from gateway.store.tx import Select, Tx

if TYPE_CHECKING:
    import sqlite3

    from gateway.domain.devices import LockSchedule


@dataclass(frozen=True, slots=True)
class MediumRow:
    """`kind`: `card` or `finger`. `schedules`: what was ordered last; empty is at all times."""

    device_id: DeviceId
    kind: str
    id_hash: KeyedHash
    name: str
    schedules: tuple[LockSchedule, ...]
    added_at: Instant
    actor: str


def of_device(device_id: DeviceId, kind: str) -> Select[MediumRow]:
    return Select(
        "SELECT * FROM media WHERE device_id = ? AND kind = ? ORDER BY added_at, id_hash",
        (device_id, kind),
        _row,
    )


def medium(device_id: DeviceId, id_hash: KeyedHash) -> Select[MediumRow]:
    return Select(
        "SELECT * FROM media WHERE device_id = ? AND id_hash = ? ORDER BY kind",
        (device_id, id_hash),
        _row,
    )


def put(tx: Tx, row: MediumRow) -> None:
    """In place of the one before: enrolled again, it has a new name."""
    tx.execute(
        "INSERT INTO media VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " name = excluded.name, schedules = excluded.schedules,"
        " added_at = excluded.added_at, actor = excluded.actor",
        (
            row.device_id,
            row.kind,
            row.id_hash,
            row.name,
            codec.encode_schedules(row.schedules),
            row.added_at,
            row.actor,
        ),
    )


def reschedule(
    tx: Tx, device_id: DeviceId, id_hash: KeyedHash, schedules: tuple[LockSchedule, ...]
) -> None:
    """Nothing, for one that was not enrolled here."""
    tx.execute(
        "UPDATE media SET schedules = ? WHERE device_id = ? AND id_hash = ?",
        (codec.encode_schedules(schedules), device_id, id_hash),
    )


def forget(tx: Tx, device_id: DeviceId, id_hash: KeyedHash) -> None:
    tx.execute("DELETE FROM media WHERE device_id = ? AND id_hash = ?", (device_id, id_hash))


def _row(row: sqlite3.Row) -> MediumRow:
    return MediumRow(
        DeviceId(row["device_id"]),
        row["kind"],
        KeyedHash(row["id_hash"]),
        row["name"],
        codec.decode_schedules(row["schedules"]),
        Instant(row["added_at"]),
        row["actor"],
    )
