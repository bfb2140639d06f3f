"""Commands, the cloud's and local ones: written down before acting, answered the same ever after.

received → started → done. A command found `started` after a restart has an unknown outcome: its
owner decides by reading the device, or reports `unknown`; nothing momentary is repeated. Not here:
what a command does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from gateway.domain.instant import DAY, Instant
from gateway.store import codec
from gateway.store.tx import Select, Tx

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from gateway.domain.ids import CommandId, DeviceId

KEEP_MS = 7 * DAY
KEEP_ROWS = 10_000


class CommandState(StrEnum):
    RECEIVED = "received"
    STARTED = "started"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class CommandRow:
    """One command. `actor`: "cloud" or "local:<user>". `result` is there when it is done."""

    command_id: CommandId
    kind: str
    device_id: DeviceId | None
    body: Mapping[str, Any]
    actor: str
    received_at: Instant
    not_after: Instant | None
    state: CommandState
    result: Mapping[str, Any] | None
    finished_at: Instant | None
    told_at: Instant | None


def receive(
    tx: Tx,
    command_id: CommandId,
    kind: str,
    device_id: DeviceId | None,
    body: Mapping[str, Any],
    actor: str,
    not_after: Instant | None,
    now: Instant,
) -> bool:
    """Write a command down. False if the id is known: nothing changes, whatever it says now."""
    written = tx.execute(
        "INSERT INTO commands"
        " (command_id, kind, device_id, body, actor, received_at, not_after, state)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 'received') ON CONFLICT DO NOTHING",
        (command_id, kind, device_id, codec.dump(dict(body)), actor, now, not_after),
    ).rowcount
    if written:
        tx.touch("commands")
    return bool(written)


def start(tx: Tx, command_id: CommandId) -> bool:
    """Claim it. False when it is unknown or was started before: then it must not be acted upon."""
    return bool(
        tx.execute(
            "UPDATE commands SET state = 'started' WHERE command_id = ? AND state = 'received'",
            (command_id,),
        ).rowcount
    )


def finish(tx: Tx, command_id: CommandId, result: Mapping[str, Any], now: Instant) -> bool:
    """Record its answer. False, and the first answer stands, when it had one."""
    done = tx.execute(
        "UPDATE commands SET state = 'done', result = ?, finished_at = ?"
        " WHERE command_id = ? AND state <> 'done'",
        (codec.dump(dict(result)), now, command_id),
    )
    tx.touch("commands")
    return bool(done.rowcount)


def told(tx: Tx, command_ids: Iterable[CommandId], at: Instant) -> None:
    """The cloud was sent these results."""
    tx.executemany(
        "UPDATE commands SET told_at = ? WHERE command_id = ?", [(at, i) for i in command_ids]
    )


def tell_again(tx: Tx, command_id: CommandId) -> None:
    """The cloud asked once more: its result, if there is one, is due again."""
    tx.execute("UPDATE commands SET told_at = NULL WHERE command_id = ?", (command_id,))
    tx.touch("commands")


def command(command_id: CommandId) -> Select[CommandRow]:
    return Select("SELECT * FROM commands WHERE command_id = ?", (command_id,), _row)


def open_commands() -> Select[CommandRow]:
    """Received or started, in order of arrival."""
    return Select(
        "SELECT * FROM commands WHERE state <> 'done' ORDER BY received_at, rowid", (), _row
    )


def untold() -> Select[CommandRow]:
    """The cloud's own commands whose result it has not been sent, in order of completion."""
    return Select(
        "SELECT * FROM commands WHERE state = 'done' AND told_at IS NULL AND actor = 'cloud'"
        " ORDER BY finished_at, rowid",
        (),
        _row,
    )


def prune(tx: Tx, now: Instant) -> int:
    """Delete commands done that are older than seven days and not among the newest 10,000.

    A result the cloud waits for stays.
    """
    return tx.execute(
        "DELETE FROM commands WHERE state = 'done' AND received_at < ?"
        " AND (told_at IS NOT NULL OR actor <> 'cloud')"
        " AND rowid NOT IN (SELECT rowid FROM commands ORDER BY received_at DESC LIMIT ?)",
        (now - KEEP_MS, KEEP_ROWS),
    ).rowcount


def _row(row: sqlite3.Row) -> CommandRow:
    return CommandRow(
        row["command_id"],
        row["kind"],
        row["device_id"],
        codec.load(row["body"]),
        row["actor"],
        row["received_at"],
        row["not_after"],
        CommandState(row["state"]),
        codec.load(row["result"]) if row["result"] is not None else None,
        row["finished_at"],
        row["told_at"],
    )
