"""What a query and a write function look like: `Select` for readers, `Tx` for the writer's jobs.

Not here: threads, commits, files (`writer`, `files`), and what any table means (its own module).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")

SHOWN = "shown"
"""The topic of what people and the cloud are told and no lane plans upon."""

Value = str | int | float | bytes | None
Params = Sequence[Value] | Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Select(Generic[T]):
    """One query and how a row of it becomes a value. `row` runs in the reader's thread."""

    sql: str
    params: Params
    row: Callable[[sqlite3.Row], T]


def assignments(columns: Iterable[str]) -> str:
    """`a = :a, b = :b` for names that a module wrote itself, never ones that came from outside."""
    return ", ".join(f"{name} = :{name}" for name in columns)


class Tx:
    """One write function's view of the transaction it runs in. Not to be kept beyond the call."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._change: int | None = None
        self.topics: set[str] = set()

    def execute(self, sql: str, params: Params = ()) -> sqlite3.Cursor:
        return self._connection.execute(sql, params)

    def executemany(self, sql: str, params: Iterable[Params]) -> sqlite3.Cursor:
        return self._connection.executemany(sql, params)

    def all(self, select: Select[T]) -> list[T]:
        return [select.row(row) for row in self._connection.execute(select.sql, select.params)]

    def one(self, select: Select[T]) -> T | None:
        """The first row, or None."""
        row = self._connection.execute(select.sql, select.params).fetchone()
        return None if row is None else select.row(row)

    def touch(self, topic: str) -> None:
        """Name what changed; listeners are told after the commit, never before.

        Topics: "device:<id>" (what its lane plans upon), "devices", "events", "commands",
        "schedule", `SHOWN`.
        """
        self.topics.add(topic)

    def next_change(self) -> int:
        """This transaction's value of the change counter: one per `Tx`, above all earlier ones."""
        if self._change is None:
            row = self._connection.execute(
                "INSERT INTO meta (key, value) VALUES ('change', '1') ON CONFLICT (key)"
                " DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) RETURNING value"
            ).fetchone()
            self._change = int(row[0])
        return self._change
