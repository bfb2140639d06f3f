"""Trust follows the source; the floor rises with proven time and with time that passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.domain.instant import ClockTrust, Instant
from gateway.kit.clock import ManualClock
from gateway.scheduler.clock_trust import TrustKeeper, kernel_synchronised
from gateway.store import meta
from tests.flows.world import START, World, world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as one:
        yield one


class Source:
    def __init__(self) -> None:
        self.proven = False

    def __call__(self) -> bool:
        return self.proven


def keeper_of(house: World, source: Source, floor: Instant) -> TrustKeeper:
    return TrustKeeper(house.store, house.clock, floor, source)


async def test_untrusted_until_proven_then_never_less_than_holdover(house: World) -> None:
    house.clock.trust = ClockTrust.UNTRUSTED
    source, changes = Source(), []
    keeper = keeper_of(house, source, Instant(0))
    keeper.changed = lambda: changes.append(house.clock.trust)
    await keeper.look()
    assert house.clock.trust is ClockTrust.UNTRUSTED
    source.proven = True
    await keeper.look()
    source.proven = False
    await keeper.look()
    await keeper.look()
    assert changes == [ClockTrust.TRUSTED, ClockTrust.HOLDOVER]


async def test_the_floor_rises_with_time_that_passes_also_while_nothing_is_proven(
    house: World,
) -> None:
    house.clock.trust = ClockTrust.UNTRUSTED
    house.clock.jump(-86_400)
    keeper = keeper_of(house, Source(), START)
    await house.clock.advance(3600)
    await keeper.look()
    await house.clock.advance(3600)
    moment = keeper.moment()
    assert moment.effective == START + 7_200_000
    assert moment.now < START
    assert await house.store.fetch_one(meta.time_floor()) == START + 3_600_000


async def test_the_floor_is_written_as_it_is_proven_and_never_falls(house: World) -> None:
    source = Source()
    source.proven = True
    keeper = keeper_of(house, source, Instant(0))
    await keeper.look()
    assert await house.store.fetch_one(meta.time_floor()) == START
    house.clock.jump(-3600)
    await keeper.look()
    assert keeper.moment().effective == START
    assert await house.store.fetch_one(meta.time_floor()) == START


async def test_a_step_of_the_clock_is_told_and_its_running_is_not(house: World) -> None:
    source, told = Source(), []
    source.proven = True
    keeper = keeper_of(house, source, Instant(0))
    keeper.changed = lambda: told.append(house.clock.now())
    await keeper.look()
    await house.clock.advance(3600)
    await keeper.look()
    assert not told
    house.clock.jump(60)
    await keeper.look()
    assert len(told) == 1


async def test_a_full_disk_does_not_stop_the_watch(house: World) -> None:
    source = Source()
    source.proven = True
    keeper = keeper_of(house, source, Instant(0))
    house.writer.full = True
    await keeper.look()
    house.writer.full = False
    await keeper.look()
    assert await house.store.fetch_one(meta.time_floor()) == START


def test_the_kernel_answers() -> None:
    assert isinstance(kernel_synchronised(), bool)
    assert ManualClock(START).trust is ClockTrust.TRUSTED
