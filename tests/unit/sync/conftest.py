"""A real database and a clock that only moves when told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from gateway.domain.instant import from_rfc3339
from gateway.kit.clock import ManualClock, settle
from gateway.store.database import Store, open_store
from tests.unit.sync.line import Exchange
from tests.unit.sync.linked import Link, running

if TYPE_CHECKING:
    from pathlib import Path

NOW = from_rfc3339("2026-11-20T12:00:00Z")

Until = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "state.db", clock) as opened:
        yield opened


@pytest.fixture
def until(store: Store) -> Until:
    """Wait for something that follows from work in the store's thread."""

    async def wait(predicate: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not predicate():
                await store.submit(lambda tx: None)  # one turn of the writer
        await settle()  # whoever is about to sleep does, before time moves on

    return wait


@pytest.fixture
async def link(store: Store, clock: ManualClock, until: Until) -> AsyncIterator[Link]:
    async with running(Link(store, clock, Exchange())) as up:
        await until(lambda: up.exchange.lines and up.exchange.lines[0].of("hello"))
        yield up
