"""Forward only, one transaction a step, a copy before: every way in which a step can go wrong."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from gateway.domain.instant import Instant
from gateway.errors import StoreUnreadable
from gateway.store.files import migrations, prepare

if TYPE_CHECKING:
    from pathlib import Path

NOW = Instant(1_800_000_000_000)
NEXT = "CREATE TABLE next_release (x INTEGER) STRICT; INSERT INTO next_release VALUES (7);"
THEN = "ALTER TABLE next_release ADD COLUMN y INTEGER; UPDATE next_release SET y = x + 1;"


def open_as(path: Path, scripts: list[str]) -> str:
    return prepare(path, NOW, lambda: "epoch", scripts).epoch


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def test_the_shipped_schema_is_made_in_numbered_steps(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    open_as(path, migrations())
    assert query(path, "PRAGMA user_version") == [(len(migrations()),)]
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
    loose = query(path, "SELECT name FROM pragma_table_list WHERE schema = 'main' AND NOT strict")
    assert {name for (name,) in loose} <= {"sqlite_schema", "sqlite_sequence"}


def test_every_release_is_reached_from_every_earlier_one(tmp_path: Path) -> None:
    scripts = [*migrations(), NEXT, THEN]
    whole = tmp_path / "whole.db"
    open_as(whole, scripts)
    for start in range(1, len(scripts)):
        path = tmp_path / f"from_{start}.db"
        open_as(path, scripts[:start])
        assert open_as(path, scripts) == "epoch"
        assert query(path, "PRAGMA user_version") == [(len(scripts),)]
        for sql in ("SELECT name, sql FROM sqlite_schema ORDER BY name", "SELECT * FROM meta"):
            assert query(path, sql) == query(whole, sql)
        assert query(path, "SELECT x, y FROM next_release") == [(7, 8)]


def test_the_copy_is_the_former_database_until_the_next_good_start(tmp_path: Path) -> None:
    path, copy = tmp_path / "state.db", tmp_path / "state.db.before-migration"
    open_as(path, migrations())
    assert not copy.exists()
    open_as(path, [*migrations(), NEXT])
    assert query(copy, "PRAGMA user_version") == [(len(migrations()),)]
    assert query(copy, "SELECT value FROM meta WHERE key = 'epoch'") == [("epoch",)]
    assert copy.stat().st_mode & 0o777 == 0o600
    open_as(path, [*migrations(), NEXT])
    assert not copy.exists()


@pytest.mark.parametrize("fault", ["NOT EVEN SQL;", "INSERT INTO nowhere VALUES (1);"])
def test_a_step_that_fails_leaves_the_release_before_it(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "state.db"
    open_as(path, migrations())
    before = query(path, "SELECT name, sql FROM sqlite_schema")
    with pytest.raises(StoreUnreadable, match="could not open"):
        open_as(path, [*migrations(), NEXT + fault])
    assert query(path, "PRAGMA user_version") == [(len(migrations()),)]
    assert query(path, "SELECT name, sql FROM sqlite_schema") == before
    assert open_as(path, [*migrations(), NEXT]) == "epoch"


def test_steps_before_the_one_that_fails_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    open_as(path, migrations())
    with pytest.raises(StoreUnreadable):
        open_as(path, [*migrations(), NEXT, "NOT EVEN SQL;"])
    assert query(path, "PRAGMA user_version") == [(len(migrations()) + 1,)]
    assert open_as(path, [*migrations(), NEXT, THEN]) == "epoch"


def test_opening_twice_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    open_as(path, migrations())
    schema = query(path, "SELECT name, sql FROM sqlite_schema")
    assert not prepare(path, NOW, lambda: "other").fresh
    assert query(path, "SELECT name, sql FROM sqlite_schema") == schema
    assert query(path, "SELECT value FROM meta WHERE key = 'epoch'") == [("epoch",)]


def test_events_of_the_first_release_have_nothing_to_correct(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    open_as(path, migrations()[:1])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO events VALUES (1, 5, NULL, 'untrusted', 'door.opened', NULL, NULL, '{}')"
        )
    open_as(path, migrations())
    assert query(path, "SELECT seq, at, trust, correction_ms FROM events") == [
        (1, 5, "untrusted", None)
    ]
