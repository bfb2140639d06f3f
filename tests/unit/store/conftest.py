"""A real database in a temporary folder for every test of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.domain.instant import Instant
from gateway.kit.clock import ManualClock
from gateway.store.database import Store, open_store
from gateway.store.keyring import Keyring
from tests.unit.store.build import NOW

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(Instant(NOW))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "state.db"


@pytest.fixture
async def store(path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    async with open_store(path, clock) as opened:
        yield opened


@pytest.fixture
def keyring() -> Keyring:
    return Keyring(bytes(range(32)))
