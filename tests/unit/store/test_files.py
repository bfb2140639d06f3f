"""Damaged, foreign, newer and half-made files: set aside or left alone, never half-used."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

import pytest

from gateway.errors import StoreUnreadable
from gateway.store.database import open_store
from gateway.store.files import prepare
from tests.unit.store.build import NOW, read, remove, scalar, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.kit.clock import ManualClock
    from gateway.store.tx import Tx

COUNT = scalar("SELECT COUNT(*) FROM meta WHERE key LIKE 'k%'")


def fill(tx: Tx) -> None:
    tx.executemany("INSERT INTO meta VALUES (?, ?)", [(f"k{n:04}", "x" * 500) for n in range(400)])


async def make(path: Path, clock: ManualClock) -> str:
    async with open_store(path, clock) as store:
        await store.submit(fill)
        return store.opened.epoch


def truncate_middle(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 100)


def truncate_page(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 3 * 4096)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def garbage_page(path: Path) -> None:
    """Every page but the first, so that no one page's luck decides."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(bytes((n * 37 + 11) % 256 for n in range(size - 4096)))


def garbage_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"not a database at all")


def garbage_all(path: Path) -> None:
    path.write_bytes(bytes((n * 37 + 11) % 256 for n in range(40_000)))


def no_tables(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE somebody_elses (x)")
    connection.commit()
    connection.close()


def no_epoch(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM meta WHERE key = 'epoch'")
    connection.commit()
    connection.close()


DAMAGES = [
    truncate_middle, truncate_page, empty, garbage_page, garbage_header, garbage_all, no_tables,
    no_epoch,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
async def test_a_damaged_database_is_set_aside(
    path: Path, clock: ManualClock, damage: Callable[[Path], None]
) -> None:
    epoch = await make(path, clock)
    damage(path)
    found = read(path)
    async with open_store(path, clock) as store:
        report = store.opened
        assert report.fresh
        assert report.epoch != epoch
        assert report.set_aside is not None
        assert report.set_aside.name.startswith("state.db.damaged-20270115T")
        assert read(report.set_aside) == found
        assert await store.fetch_one(COUNT) == 0
        await store.submit(fill)
    async with open_store(path, clock) as store:
        assert not store.opened.fresh
        assert await store.fetch_one(COUNT) == 400


async def test_damage_twice_in_a_second_keeps_both(path: Path, clock: ManualClock) -> None:
    for _ in range(2):
        await make(path, clock)
        garbage_all(path)
    async with open_store(path, clock):
        pass
    kept = sorted(p.name for p in path.parent.glob("state.db.damaged-*"))
    assert len(kept) == 2


async def test_a_log_without_its_database_is_not_replayed_into_a_new_one(
    path: Path, clock: ManualClock
) -> None:
    async with open_store(path, clock) as store:
        await store.submit(fill)
        log = read(path.with_name("state.db-wal"))
    remove(path)
    write(path.with_name("state.db-wal"), log)
    async with open_store(path, clock) as store:
        assert store.opened.fresh
        assert store.opened.set_aside is not None
        assert await store.fetch_one(COUNT) == 0
        kept = store.opened.set_aside.with_name(store.opened.set_aside.name + "-wal")
        assert read(kept) == log


async def test_a_garbled_log_costs_no_more_than_the_log(path: Path, clock: ManualClock) -> None:
    epoch = await make(path, clock)
    write(path.with_name("state.db-wal"), b"\x37\x7f\x06\x82" + bytes(range(256)) * 40)
    async with open_store(path, clock) as store:
        assert not store.opened.fresh
        assert store.opened.epoch == epoch
        assert await store.fetch_one(COUNT) == 400


async def test_a_torn_log_keeps_what_was_committed_before_the_tear(
    path: Path, clock: ManualClock
) -> None:
    async with open_store(path, clock) as store:
        await store.submit(lambda tx: tx.execute("INSERT INTO meta VALUES ('k1', 'x')") and None)
        await store.scrub()
        base = read(path)
        await store.submit(lambda tx: tx.execute("INSERT INTO meta VALUES ('k2', 'x')") and None)
        log = read(path.with_name("state.db-wal"))
        await store.submit(fill)
        longer = read(path.with_name("state.db-wal"))
    assert longer.startswith(log)
    write(path, base)
    write(path.with_name("state.db-wal"), longer[: len(log) + 5000])
    async with open_store(path, clock) as store:
        assert not store.opened.fresh
        assert await store.fetch_one(COUNT) == 2


async def test_a_newer_schema_is_left_exactly_as_it_was(path: Path, clock: ManualClock) -> None:
    await make(path, clock)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    found = read(path)
    with pytest.raises(StoreUnreadable, match="999 is from a newer release"):
        async with open_store(path, clock):
            pass
    assert read(path) == found
    assert list(path.parent.glob("*damaged*")) == []


def test_a_database_that_may_not_be_read_is_left_alone(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(StoreUnreadable, match="could not open"):
        prepare(path, NOW, lambda: "epoch")
    assert path.is_dir()


async def test_a_creation_that_was_cut_short_is_begun_again(path: Path, clock: ManualClock) -> None:
    path.parent.mkdir(mode=0o700)
    write(path.with_name("state.db.new"), b"SQLite format 3\x00 and then the power went")
    async with open_store(path, clock) as store:
        assert store.opened.fresh
        assert store.opened.set_aside is None
    assert not path.with_name("state.db.new").exists()


def test_a_mode_that_is_too_wide_is_narrowed(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    prepare(path, NOW, lambda: "epoch")
    path.chmod(0o644)
    assert prepare(path, NOW, lambda: "another").epoch == "epoch"
    assert path.stat().st_mode & 0o777 == 0o600
