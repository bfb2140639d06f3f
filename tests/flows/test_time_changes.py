"""The house's time moves when a source is believed: nobody waits for the next tick."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.events import EventType
from gateway.domain.instant import DAY
from gateway.domain.windows import Timed
from tests.flows.world import world

if TYPE_CHECKING:
    from pathlib import Path


PIN = "135790"


async def test_a_time_that_moved_ends_windows_and_raises_alarms_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock, silent = house.add_lock(), house.add_lock()
        await house.start()
        window = Timed(house.at(0), house.at(7200))
        await house.want("c1", PIN, window)
        await house.want("c2", "246801", window, devices=("dev_2",))
        assert lock.opens(PIN)
        silent.unreachable = True
        house.clock.jump(7200 + 60)
        house.scheduler.time_changed()
        await house.advance(6)
        assert not lock.opens(PIN)
        [alarm] = await house.told(EventType.CREDENTIAL_ERASE_OVERDUE)
        assert alarm.credential == "c2"


async def test_a_code_that_ended_by_a_lie_is_back_once_the_truth_is_told(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Timed(house.at(0), house.at(7200)))
        assert lock.opens(PIN)
        house.clock.jump(DAY // 1000)
        house.scheduler.time_changed()
        await house.advance(60)
        assert not lock.opens(PIN)
        house.clock.jump(-DAY // 1000)
        house.scheduler.time_changed()
        await house.advance(60)
        assert lock.opens(PIN)
