"""What `open_store` and `Store` promise: durable, whole, told after the commit, consistent."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest

from gateway.errors import StoreBusy, StoreClosed, StoreError
from gateway.store.database import Store, open_store
from tests.unit.store.build import scalar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.kit.clock import ManualClock
    from gateway.store.tx import Tx

COUNT = scalar("SELECT COUNT(*) FROM meta WHERE key LIKE 'k%'")


def put(key: str) -> Callable[[Tx], str]:
    def write(tx: Tx) -> str:
        tx.execute("INSERT INTO meta VALUES (?, 'x')", (key,))
        tx.touch(key)
        return key

    return write


class Gate:
    """Holds the writer inside a job, so that what is submitted meanwhile shares its batch."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()

    def __call__(self, _: Tx) -> None:
        self.entered.set()
        assert self.open.wait(10)


async def test_what_was_submitted_is_there_after_reopening(path: Path, clock: ManualClock) -> None:
    async with open_store(path, clock) as store:
        assert store.opened.fresh
        assert store.opened.set_aside is None
        assert await store.submit(put("k1")) == "k1"
        epoch = store.opened.epoch
    async with open_store(path, clock) as store:
        assert not store.opened.fresh
        assert store.opened.epoch == epoch
        assert await store.fetch_one(COUNT) == 1


async def test_files_are_the_owners_alone(store: Store, path: Path) -> None:
    await store.submit(put("k1"))
    assert path.parent.stat().st_mode & 0o777 == 0o700
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file.name


async def test_settings_that_durability_rests_on(store: Store) -> None:
    def settings(tx: Tx) -> dict[str, object]:
        names = (
            "journal_mode", "synchronous", "foreign_keys", "secure_delete", "trusted_schema",
            "mmap_size", "journal_size_limit", "busy_timeout",
        )  # fmt: skip
        return {name: tx.execute(f"PRAGMA {name}").fetchone()[0] for name in names}

    assert await store.submit(settings) == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "trusted_schema": 0,
        "mmap_size": 0,
        "journal_size_limit": 4_194_304,
        "busy_timeout": 5000,
    }


async def test_a_failing_function_takes_only_itself_back(store: Store) -> None:
    gate = Gate()

    def half(tx: Tx) -> None:
        tx.execute("INSERT INTO meta VALUES ('k_half', 'x')")
        tx.touch("half")
        raise LookupError("in the middle")

    def broken(tx: Tx) -> None:
        tx.execute("INSERT INTO meta VALUES ('k1', 'again')")

    told: list[frozenset[str]] = []
    store.subscribe(told.append)
    first = asyncio.ensure_future(store.submit(gate))
    await asyncio.to_thread(gate.entered.wait, 10)
    good = [asyncio.ensure_future(store.submit(put("k1")))]
    bad = [asyncio.ensure_future(store.submit(fn)) for fn in (half, broken)]
    good.append(asyncio.ensure_future(store.submit(put("k2"))))
    await asyncio.wait([*good, *bad], timeout=0)
    gate.open.set()
    await asyncio.wait([first, *good, *bad], timeout=10)
    assert [task.result() for task in good] == ["k1", "k2"]
    assert isinstance(bad[0].exception(), LookupError)
    assert isinstance(bad[1].exception(), sqlite3.IntegrityError)
    assert await store.fetch_one(COUNT) == 2
    assert told == [frozenset({"k1", "k2"})]


async def test_a_cancelled_caller_splits_nothing(store: Store) -> None:
    gate = Gate()
    first = asyncio.ensure_future(store.submit(gate))
    await asyncio.to_thread(gate.entered.wait, 10)

    def two(tx: Tx) -> None:
        tx.execute("INSERT INTO meta VALUES ('k1', 'x')")
        tx.execute("INSERT INTO meta VALUES ('k2', 'x')")

    leaving = asyncio.ensure_future(store.submit(two))
    await asyncio.wait([leaving], timeout=0)
    leaving.cancel()
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await first
    assert await store.submit(lambda tx: tx.one(COUNT)) == 2


async def test_listeners_hear_after_the_commit_until_they_leave(store: Store) -> None:
    heard: list[frozenset[str]] = []
    leave = store.subscribe(heard.append)
    await store.submit(put("k1"))
    await store.submit(lambda tx: tx.execute("DELETE FROM meta WHERE key = 'nothing'") and None)
    leave()
    await store.submit(put("k2"))
    assert heard == [frozenset({"k1"})]


async def test_one_listener_that_fails_does_not_deafen_the_others(store: Store) -> None:
    heard: list[frozenset[str]] = []
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))

    def fail(_: frozenset[str]) -> None:
        raise RuntimeError("a fault of ours")

    store.subscribe(fail)
    store.subscribe(heard.append)
    await store.submit(put("k1"))
    assert heard == [frozenset({"k1"})]
    assert len(faults) == 1


async def test_a_snapshot_sees_one_commit(store: Store) -> None:
    async def writing() -> None:
        for number in range(100):
            await store.submit(put(f"k{number}"))

    task = asyncio.ensure_future(writing())
    seen: set[int] = set()
    while not task.done():
        a, b, c = await store.snapshot(COUNT, COUNT, COUNT)
        assert a == b == c
        seen.add(a[0])
    await task
    assert len(seen) > 1


async def test_a_cancelled_read_leaves_its_connection_usable(store: Store) -> None:
    await store.submit(put("k1"))
    for _ in range(20):
        task = asyncio.ensure_future(store.snapshot(COUNT, COUNT))
        await asyncio.wait([task], timeout=0)
        task.cancel()
    await store.submit(put("k2"))
    for _ in range(4):
        assert await store.snapshot(COUNT, COUNT) == ([2], [2])


async def test_readers_cannot_write(store: Store) -> None:
    with pytest.raises(StoreError, match="readonly"):
        await store.fetch(scalar("DELETE FROM meta RETURNING key"))


async def test_a_fault_in_a_query_is_its_callers(store: Store) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await store.fetch(scalar("SELECT 1 FROM nowhere"))
    assert await store.fetch(COUNT) == [0]


async def test_no_row_is_none(store: Store) -> None:
    assert await store.fetch_one(scalar("SELECT 1 FROM devices")) is None
    assert await store.submit(lambda tx: tx.one(scalar("SELECT 1 FROM devices"))) is None


async def test_closing_runs_what_was_submitted(path: Path, clock: ManualClock) -> None:
    async with open_store(path, clock) as store:
        gate = Gate()
        held = asyncio.ensure_future(store.submit(gate))
        pending = [asyncio.ensure_future(store.submit(put(key))) for key in ("k1", "k2")]
        await asyncio.to_thread(gate.entered.wait, 10)
        gate.open.set()
    assert held.done()
    assert [task.result() for task in pending] == ["k1", "k2"]
    with pytest.raises(StoreClosed):
        await store.submit(put("k3"))
    with pytest.raises(StoreClosed):
        await store.fetch(COUNT)


async def test_a_second_gateway_is_refused(store: Store, path: Path, clock: ManualClock) -> None:
    with pytest.raises(StoreBusy, match="another gateway"):
        async with open_store(path, clock):
            pass
    assert await store.submit(put("k1")) == "k1"


async def test_scrub_cuts_the_log(store: Store, path: Path) -> None:
    await store.submit(put("k1"))
    log = path.with_name(path.name + "-wal")
    assert log.stat().st_size > 0
    await store.scrub()
    assert log.stat().st_size == 0
    assert await store.fetch_one(COUNT) == 1


async def test_a_peek_sees_what_was_just_committed(store: Store) -> None:
    assert store.peek(COUNT) == [0]
    await store.submit(put("k1"))
    assert store.peek(COUNT) == [1]
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        store.peek(scalar("SELECT 1 FROM nowhere"))
    assert store.peek(COUNT) == [1]


async def test_nobody_peeks_into_a_closed_store(path: Path, clock: ManualClock) -> None:
    async with open_store(path, clock) as store:
        pass
    with pytest.raises(StoreClosed):
        store.peek(COUNT)
