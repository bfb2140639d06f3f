"""A lock's clock is a hint: looked at once a day, corrected when it is off by more than 30 s."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.events import EventType
from gateway.domain.windows import Timed
from tests.flows.world import world

if TYPE_CHECKING:
    from pathlib import Path

DAY_S = 86_400


async def test_it_is_read_once_a_day_and_left_alone_within_thirty_seconds(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(keeps_windows=True, error_ms=-30_000)
        await house.start()
        assert lock.count("read_clock") == 1
        await house.advance(DAY_S - 60)
        assert lock.count("read_clock") == 1
        await house.advance(120)
        assert lock.count("read_clock") == 2
        assert lock.count("set_clock") == 0
        assert await house.told(EventType.DEVICE_TIME_WRONG) == []


async def test_what_was_wrong_is_told_with_the_error_that_was_found(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(keeps_windows=True, error_ms=-30_001)
        await house.start()
        assert lock.count("set_clock") == 1
        assert lock.error_ms == 0
        [wrong] = await house.told(EventType.DEVICE_TIME_WRONG)
        assert wrong.body == {"error_ms": -30_001, "zone_proven": True}
        [after] = await house.told(EventType.DEVICE_TIME_SET)
        assert after.body == {"error_ms": 0}


async def test_a_battery_lock_is_not_woken_for_its_clock(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(keeps_windows=True, sleepy=True)
        await house.start()
        read = lock.count("read_clock")
        lock.error_ms = 60_000
        await house.advance(3 * DAY_S)
        assert lock.count("read_clock") == read
        await house.want("c1", "135790", Timed(house.at(-60), house.at(3600)))
        await house.advance(60)
        assert lock.count("read_clock") == read + 1
        assert lock.error_ms == 0
