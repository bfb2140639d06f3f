"""The ledger, which is also the outbox: facts numbered in the transaction that made them true.

Numbers are dense within the epoch and are not used twice, also after rows were pruned: the head is
kept in `meta`. Rows up to the watermark are the cloud's already and stay as a local audit while
there is room. Above it nothing goes silently: a row of type `gateway.events_gap` in the place of
the first one missing declares the range in which numbers may be missing. Not here: sending.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.events import EventType, Fact, Value
from gateway.domain.instant import ClockTrust, Instant
from gateway.store import codec, meta
from gateway.store.tx import Select, Tx

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from gateway.domain.ids import CredentialId, DeviceId

TELEMETRY = frozenset(
    {
        EventType.BATTERY_LOW,
        EventType.BATTERY_REPLACED,
        EventType.DEVICE_ONLINE,
        EventType.DEVICE_OFFLINE,
        EventType.DEVICE_TIME_WRONG,
        EventType.DEVICE_TIME_SET,
        EventType.GATEWAY_STARTED,
        EventType.GATEWAY_STORAGE_LOW,
        EventType.GATEWAY_RADIO_DOWN,
        EventType.GATEWAY_RADIO_UP,
        EventType.GATEWAY_MESSAGE_REFUSED,
        EventType.GATEWAY_TIME_REFUSED,
        EventType.GATEWAY_TIME_UNTRUSTED,
        EventType.GATEWAY_TIME_PROVEN,
    }
)
"""What only informs: thinned first when storage must give."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """One numbered fact."""

    seq: int
    at: Instant
    device_time: Instant | None
    trust: ClockTrust
    type: EventType
    device_id: DeviceId | None
    credential_id: CredentialId | None
    body: Mapping[str, Value]
    corrected_at: Instant | None = None
    """When it was, by a time that was proven later."""


def append(tx: Tx, fact: Fact, trust: ClockTrust) -> int:
    """Number a fact; returns the number."""
    seq = int(
        tx.execute(
            "INSERT INTO meta (key, value) VALUES ('head', '1') ON CONFLICT (key)"
            " DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) RETURNING value"
        ).fetchone()[0]
    )
    tx.execute(
        "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        (
            seq,
            fact.at,
            fact.device_time,
            trust.value,
            fact.type.value,
            fact.device_id,
            fact.credential_id,
            codec.dump(dict(fact.body)),
        ),
    )
    tx.touch("events")
    return seq


def head() -> Select[int]:
    """The highest number given so far; 0 before the first."""
    return meta.integer(meta.HEAD)


def watermark() -> Select[int]:
    """Up to here the cloud has everything."""
    return meta.integer(meta.WATERMARK)


def set_watermark(tx: Tx, seq: int) -> bool:
    """False, and nothing changes, for a number beyond the head or not above the watermark."""
    if not (tx.one(watermark()) or 0) < seq <= (tx.one(head()) or 0):
        return False
    meta.put(tx, meta.WATERMARK, seq)
    tx.touch("events")
    return True


def events_after(seq: int, limit: int) -> Select[EventRow]:
    """In order of their numbers."""
    return Select("SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit), _row)


def events_between(first: int, last: int, limit: int = -1) -> Select[EventRow]:
    """Both ends included. A negative limit is none."""
    return Select(
        "SELECT * FROM events WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?",
        (first, last, limit),
        _row,
    )


def correct(tx: Tx, first: int, last: int, by_ms: int, stamped: Sequence[ClockTrust]) -> int:
    """Events in the range were stamped by a clock that was off: how many there are.

    `stamped`: only those with such a stamp. On top of what they were corrected by before.
    """
    marks = ", ".join("?" * len(stamped))
    changed = tx.execute(
        "UPDATE events SET correction_ms = COALESCE(correction_ms, 0) + ?"  # noqa: S608 - marks only
        f" WHERE seq BETWEEN ? AND ? AND trust IN ({marks})",
        (by_ms, first, last, *(each.value for each in stamped)),
    ).rowcount
    if changed:
        tx.touch("events")
    return changed


def prune(tx: Tx, before_at: Instant, keep_rows: int) -> int:
    """Delete what the cloud has, is older than `before_at`, and is not among the newest rows."""
    last = min(tx.one(watermark()) or 0, (tx.one(head()) or 0) - keep_rows)
    return tx.execute("DELETE FROM events WHERE seq <= ? AND at < ?", (last, before_at)).rowcount


def rows() -> Select[int]:
    """How many events are kept."""
    return Select("SELECT COUNT(*) FROM events", (), lambda row: int(row[0]))


def shed(tx: Tx, keep_rows: int, now: Instant, trust: ClockTrust) -> int:
    """When storage must give: come down to `keep_rows` rows, declaring what the cloud never saw.

    What the cloud has goes first, then telemetry, then everything, each oldest first. Returns how
    many rows went.
    """
    before = excess = (tx.one(rows()) or 0) - keep_rows
    known = tx.one(watermark()) or 0
    if excess > 0:
        excess -= tx.execute(
            "DELETE FROM events WHERE seq IN"
            " (SELECT seq FROM events WHERE seq <= ? ORDER BY seq LIMIT ?)",
            (known, excess),
        ).rowcount
    for condition in (_IS_TELEMETRY, "1"):
        if excess > 0:
            excess -= _thin(tx, known, condition, excess, now, trust)
    return max(0, before - excess) if before > 0 else 0


_IS_TELEMETRY = f"type IN ({', '.join(map(repr, sorted(kind.value for kind in TELEMETRY)))})"


def _thin(tx: Tx, known: int, condition: str, excess: int, now: Instant, trust: ClockTrust) -> int:
    """Put one gap declaration in the place of the oldest rows above the watermark."""
    rows = tx.execute(
        "SELECT seq, type, body FROM events WHERE seq > ?"  # noqa: S608 - one of two texts written here
        f" AND {condition} ORDER BY seq LIMIT ?",
        (known, excess + 1),  # one more than has to go: the declaration takes a row itself
    ).fetchall()
    if len(rows) < 2:
        return 0
    first, last, lost = rows[0]["seq"], rows[-1]["seq"], 0
    for row in rows:
        if row["type"] == EventType.GATEWAY_EVENTS_GAP.value:  # an earlier declaration is absorbed
            body = codec.load(row["body"])
            last, lost = max(last, body["through"]), lost + body["lost"]
        else:
            lost += 1
    tx.executemany("DELETE FROM events WHERE seq = ?", [(row["seq"],) for row in rows])
    tx.execute(
        "INSERT INTO events VALUES (?, ?, NULL, ?, ?, NULL, NULL, ?, NULL)",
        (
            first,
            now,
            trust.value,
            EventType.GATEWAY_EVENTS_GAP.value,
            codec.dump({"from": first, "through": last, "lost": lost}),
        ),
    )
    tx.touch("events")
    return len(rows) - 1


def _row(row: sqlite3.Row) -> EventRow:
    return EventRow(
        row["seq"],
        row["at"],
        row["device_time"],
        ClockTrust(row["trust"]),
        EventType(row["type"]),
        row["device_id"],
        row["credential_id"],
        codec.load(row["body"]),
        None if row["correction_ms"] is None else Instant(row["at"] + row["correction_ms"]),
    )
