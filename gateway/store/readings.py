"""Rows of `readings`: what each meter and sensor told last, one row for each quantity.

Not here: how often one is written (`scheduler.meters`), and history: the ledger and the cloud keep
that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.ids import DeviceId
from gateway.domain.instant import Instant
from gateway.store.tx import Select, Tx

if TYPE_CHECKING:
    import sqlite3


@dataclass(frozen=True, slots=True)
class ReadingRow:
    """`value` is in `unit`, a base unit; of a state, which has none, it is 1 or 0."""

    device_id: DeviceId
    quantity: str
    value: int
    unit: str
    at: Instant


def of_device(device_id: DeviceId) -> Select[ReadingRow]:
    return Select(
        "SELECT * FROM readings WHERE device_id = ? ORDER BY quantity", (device_id,), _row
    )


def reading(device_id: DeviceId, quantity: str) -> Select[ReadingRow]:
    return Select(
        "SELECT * FROM readings WHERE device_id = ? AND quantity = ?", (device_id, quantity), _row
    )


def of_changed_devices(change: int) -> Select[ReadingRow]:
    """All readings of each device that changed since."""
    return Select(
        "SELECT r.* FROM readings r JOIN devices d ON d.device_id = r.device_id"
        " WHERE d.changed > ? ORDER BY r.device_id, r.quantity",
        (change,),
        _row,
    )


def put(tx: Tx, row: ReadingRow) -> None:
    """In place of the one before. The device counts as changed, so that the cloud is told."""
    tx.execute(
        "INSERT INTO readings (device_id, quantity, value, unit, at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (device_id, quantity) DO UPDATE SET"
        " value = excluded.value, unit = excluded.unit, at = excluded.at",
        (row.device_id, row.quantity, row.value, row.unit, row.at),
    )
    tx.execute(
        "UPDATE devices SET changed = ? WHERE device_id = ?", (tx.next_change(), row.device_id)
    )
    tx.touch(f"device:{row.device_id}")


def _row(row: sqlite3.Row) -> ReadingRow:
    return ReadingRow(
        DeviceId(row["device_id"]),
        row["quantity"],
        row["value"],
        row["unit"],
        Instant(row["at"]),
    )
