"""Housekeeping: what is old goes, a disk that fills is told of once, and the ledger gives way."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from gateway.domain.events import EventType, Fact
from gateway.domain.grants import GrantState
from gateway.domain.ids import CredentialId, GrantId
from gateway.domain.instant import DAY, HOUR, ClockTrust, Instant, from_rfc3339
from gateway.errors import StoreFull
from gateway.housekeeping import (
    LOOK_S,
    LOW_BYTES,
    SHED_ROWS,
    SHED_SHARE,
    SPENT_DAYS,
    Housekeeper,
    Kept,
)
from gateway.kit.clock import ManualClock
from gateway.store import desired, events, reported
from gateway.store.database import Store, open_store
from gateway.store.keyring import Keyring
from gateway.store.writer import ThreadWriter, Transactor
from tests.unit.store.build import FRONT, spec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from gateway.store.tx import Tx

NOW = from_rfc3339("2026-11-20T14:30:00Z")
DEADLINE_S = 10.0
TRUSTED = ClockTrust.TRUSTED
KEPT = Kept(days=30, rows=0)
PLENTY = 8_000_000_000
SCARCE = LOW_BYTES - 1
NEARLY_NONE = LOW_BYTES // SHED_SHARE - 1


@dataclass
class Disk:
    """A disk of 32 GB, of which `free` is left."""

    free: int = PLENTY
    total: int = 32_000_000_000

    def __call__(self, folder: Path) -> Disk:
        assert folder.is_dir()
        return self


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "state.db", clock) as opened:
        yield opened


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def keeper(store: Store, clock: ManualClock, tmp_path: Path, disk: Disk) -> Housekeeper:
    return Housekeeper(store, clock, tmp_path, KEPT, disk)


async def kinds(store: Store) -> list[EventType]:
    return [row.type for row in await store.fetch(events.events_after(0, 100_000))]


def happened(kind: EventType, count: int = 1, at: int = NOW) -> Callable[[Tx], None]:
    def write(tx: Tx) -> None:
        for _ in range(count):
            events.append(tx, Fact(kind, Instant(at)), TRUSTED)

    return write


async def test_a_disk_that_fills_is_told_of_once_and_again_after_it_had_room(
    keeper: Housekeeper, store: Store, disk: Disk
) -> None:
    with capture_logs() as logs:
        for free in (PLENTY, SCARCE, SCARCE - 5, LOW_BYTES + 1, SCARCE, PLENTY, PLENTY, SCARCE):
            disk.free = free
            await keeper.look()
    assert await kinds(store) == [EventType.GATEWAY_STORAGE_LOW] * 2
    first = (await store.fetch(events.events_after(0, 1)))[0]
    assert first.body == {"free_bytes": SCARCE, "total_bytes": disk.total}
    assert [line["event"] for line in logs] == [
        "the disk is nearly full", "the disk has room again", "the disk is nearly full",
    ]  # fmt: skip


async def test_a_small_disk_is_low_at_a_tenth(
    keeper: Housekeeper, store: Store, disk: Disk
) -> None:
    disk.total = 100_000_000
    disk.free = 11_000_000
    await keeper.look()
    assert await kinds(store) == []
    disk.free = 9_000_000
    await keeper.look()
    assert await kinds(store) == [EventType.GATEWAY_STORAGE_LOW]


async def test_the_ledger_gives_way_telemetry_first_with_a_declared_gap(
    keeper: Housekeeper, store: Store, disk: Disk
) -> None:
    """None of it was acknowledged; what was said of doors outlives what was said of batteries."""
    await store.submit(happened(EventType.DEVICE_ONLINE, 2_500))
    await store.submit(happened(EventType.LOCK_UNLOCKED, SHED_ROWS - 100))
    disk.free = SCARCE
    await keeper.look()
    assert await store.fetch_one(events.rows()) == SHED_ROWS + 2_401
    disk.free = NEARLY_NONE
    with capture_logs() as logs:
        await keeper.look()
    left = await kinds(store)
    assert len(left) == SHED_ROWS
    assert left.count(EventType.LOCK_UNLOCKED) == SHED_ROWS - 100
    assert EventType.GATEWAY_EVENTS_GAP in left
    assert EventType.GATEWAY_STORAGE_LOW in left
    assert [line["rows"] for line in logs] == [2_401]
    await keeper.look()
    assert await store.fetch_one(events.rows()) == SHED_ROWS


async def test_never_less_than_a_house_needs_however_full_the_disk_is(
    keeper: Housekeeper, store: Store, disk: Disk
) -> None:
    await store.submit(happened(EventType.LOCK_UNLOCKED, 50))
    disk.free = 0
    await keeper.look()
    assert await store.fetch_one(events.rows()) == 51


async def test_what_is_old_and_acknowledged_goes_every_hour(
    keeper: Housekeeper, store: Store, clock: ManualClock
) -> None:
    async def past_and_gone() -> None:
        await store.submit(happened(EventType.LOCK_LOCKED, at=clock.now() - 31 * DAY))
        head = await store.fetch_one(events.head()) or 0
        await store.submit(lambda tx: events.set_watermark(tx, head) and None)
        async with asyncio.timeout(DEADLINE_S):
            while await store.fetch_one(events.rows()):
                await clock.advance(LOOK_S)

    running = asyncio.create_task(keeper.run())
    try:
        await past_and_gone()
        begun = clock.now()
        await past_and_gone()
        assert clock.now() - begun > HOUR // 2  # some looks pass before it is seen to be gone
    finally:
        running.cancel()


async def test_digits_of_what_is_over_go_only_by_a_time_that_is_proven(
    keeper: Housekeeper, store: Store, clock: ManualClock
) -> None:
    guest = GrantId(CredentialId("guest"), FRONT)

    def end(tx: Tx) -> None:
        desired.upsert_credential(tx, Keyring(bytes(32)), spec("guest"), 1, NOW)
        reported.update_grant(tx, guest, NOW, state=GrantState.ERASED)

    async def has_digits() -> bool:
        row = await store.fetch_one(reported.grant(guest))
        return row is not None and row.has_digits

    await store.submit(end)
    running = asyncio.create_task(keeper.run())
    try:
        clock.trust = ClockTrust.UNTRUSTED
        for _ in range(4):
            clock.jump(SPENT_DAYS * DAY // 1000)
            await clock.advance(HOUR // 1000)
            await store.submit(happened(EventType.LOCK_LOCKED))  # behind what was begun
            assert await has_digits()
        clock.trust = TRUSTED
        async with asyncio.timeout(DEADLINE_S):
            while await has_digits():
                await clock.advance(LOOK_S)
    finally:
        running.cancel()


class Tight(Transactor):
    """A disk with room for little more than the empty database."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        pages = self._connection.execute("PRAGMA page_count").fetchone()[0]
        self._connection.execute(f"PRAGMA max_page_count = {pages + 20}")


async def fill(store: Store) -> None:
    """Until not even one more event fits."""
    for at_once in (20, 1):
        with contextlib.suppress(StoreFull):
            while True:
                await store.submit(happened(EventType.LOCK_LOCKED, at_once))


async def test_what_a_full_disk_does_not_take_is_told_when_it_does(
    tmp_path: Path, clock: ManualClock, disk: Disk
) -> None:
    async with open_store(tmp_path / "state.db", clock, writer=ThreadWriter(Tight)) as store:
        await fill(store)
        disk.free = NEARLY_NONE
        keeper = Housekeeper(store, clock, tmp_path, KEPT, disk)
        running = asyncio.create_task(keeper.run())
        try:
            with capture_logs() as logs:
                async with asyncio.timeout(DEADLINE_S):
                    while not logs:
                        await clock.advance(LOOK_S)
            assert logs[0]["event"] == "housekeeping waits for the store"
            await store.submit(lambda tx: tx.execute("DELETE FROM events") and None)
            async with asyncio.timeout(DEADLINE_S):
                while not await kinds(store):
                    await clock.advance(LOOK_S)
        finally:
            running.cancel()
        assert await kinds(store) == [EventType.GATEWAY_STORAGE_LOW]
