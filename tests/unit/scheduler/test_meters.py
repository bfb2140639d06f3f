"""What meters tell: written seldom, the last of it always, a fallen counter told."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from gateway.domain.events import EventType
from gateway.domain.ids import DeviceId
from gateway.domain.instant import Instant
from gateway.drivers.api import Nature, Reading
from gateway.kit.clock import ManualClock
from gateway.scheduler.meters import Meters
from gateway.store import devices, readings
from tests.flows.world import World, world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

DEVICE = DeviceId("dev_1")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as one:
        one.add_lock()
        await one.start()
        yield one


def power(value: int) -> Reading:
    return Reading("power", value, "mW")


def energy(value: int) -> Reading:
    return Reading("energy", value, "Wh", Nature.COUNTER)


def door(value: int) -> Reading:
    return Reading("door", value, "", Nature.STATE)


async def ring(house: World, reading: Reading) -> None:
    house.ring(reading)
    await house.settle()


async def held(house: World, quantity: str) -> readings.ReadingRow | None:
    return await house.store.fetch_one(readings.reading(DEVICE, quantity))


async def value(house: World, quantity: str) -> int:
    row = await held(house, quantity)
    assert row is not None
    return row.value


async def changed(house: World) -> int:
    row = await house.store.fetch_one(devices.device(DEVICE))
    assert row is not None
    return row.changed


async def test_what_changes_by_the_second_is_written_once_a_minute(house: World) -> None:
    await ring(house, power(100))
    first = await changed(house)
    for step in range(1, 60):
        await house.advance(1)
        await ring(house, power(100 + step))
    assert (await value(house, "power"), await changed(house)) == (100, first)
    heard_at = house.clock.now()
    await house.advance(1)
    row = await held(house, "power")
    assert row is not None
    assert (row.value, row.unit, row.at) == (159, "mW", heard_at)
    assert await changed(house) > first


async def test_the_last_word_of_a_device_that_falls_silent_is_kept(house: World) -> None:
    await ring(house, power(0))
    await house.advance(5)
    await ring(house, power(2300))
    await house.advance(3600)
    assert await value(house, "power") == 2300


async def test_what_came_and_went_within_the_minute_is_not_written(house: World) -> None:
    await ring(house, power(7))
    before = await changed(house)
    await ring(house, power(8))
    await ring(house, power(7))
    await house.advance(300)
    assert (await value(house, "power"), await changed(house)) == (7, before)


async def test_quantities_do_not_wait_for_each_other(house: World) -> None:
    await ring(house, power(5))
    await ring(house, energy(12))
    assert (await value(house, "power"), await value(house, "energy")) == (5, 12)


async def test_a_value_that_stays_is_written_every_ten_minutes(house: World) -> None:
    begun = house.clock.now()
    await ring(house, power(5))
    for _ in range(9):
        await house.advance(60)
        await ring(house, power(5))
    row = await held(house, "power")
    assert row is not None
    assert row.at == begun
    await house.advance(60)
    await ring(house, power(5))
    row = await held(house, "power")
    assert row is not None
    assert row.at == house.clock.now()


async def test_a_state_is_written_at_once(house: World) -> None:
    for now in (0, 1, 0, 1):
        await ring(house, door(now))
        assert await value(house, "door") == now


async def test_a_counter_that_falls_is_told(house: World) -> None:
    for reading in (energy(5000), power(5000)):
        await ring(house, reading)
    await house.advance(61)
    for reading in (energy(5001), power(1)):
        await ring(house, reading)
    assert not await house.told(EventType.METER_RESET_SUSPECTED)
    await house.advance(61)
    await ring(house, energy(3))
    (told,) = await house.told(EventType.METER_RESET_SUSPECTED)
    assert told.body == {"quantity": "energy", "unit": "Wh", "before": 5001, "after": 3}
    assert await value(house, "energy") == 3


async def test_a_full_disk_keeps_the_reading_waiting(house: World) -> None:
    house.writer.full = True
    await ring(house, energy(9))
    assert await held(house, "energy") is None
    house.writer.full = False
    await house.advance(5)
    assert await value(house, "energy") == 9


async def test_a_removed_device_has_no_readings(house: World) -> None:
    await ring(house, energy(9))
    now = house.clock.now()
    await house.store.submit(lambda tx: devices.remove_device(tx, DEVICE, now))
    await house.settle()
    assert await held(house, "energy") is None
    await house.advance(61)
    await ring(house, energy(10))
    assert await held(house, "energy") is None


async def test_what_is_held_is_due_when_its_wait_is_over_although_a_timer_fires_early() -> None:
    """asyncio's may, by its clock's resolution: the doorbell would wait for nothing for ever."""
    chance = random.Random(1)
    clock = ManualClock(Instant(1_800_000_000_000))
    meters = Meters(clock)
    for step in range(200):
        await clock.advance(chance.random() * 1000, settled=nothing)
        quantity = f"q{step}"
        assert meters.passes(DEVICE, Reading(quantity, 1, ""), clock.monotonic())
        await clock.advance(chance.random() * 59, settled=nothing)
        assert not meters.passes(DEVICE, Reading(quantity, 2, ""), clock.monotonic())
        wait_s = meters.wait_s()
        assert wait_s is not None
        await clock.advance(wait_s - 1e-6, settled=nothing)
        ((_, reading, _),) = meters.due()
        assert reading.value == 2
        assert meters.wait_s() is None


async def nothing() -> None:
    """Nobody waits for this clock."""
