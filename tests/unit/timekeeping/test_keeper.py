"""The keeper over a machine that lies: what it believes, remembers and tells."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gateway.domain.events import EventType, Fact
from gateway.domain.ids import DeviceId
from gateway.domain.instant import DAY, HOUR, ClockTrust, Instant, after
from gateway.domain.timebelief import Reason, Source
from gateway.store import devices, events, meta
from gateway.timekeeping.clock import HouseClock
from gateway.timekeeping.keeper import TimeKeeper
from tests.flows.world import START, World, world
from tests.machine import Machine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as one:
        yield one


class Life:
    """A keeper on a store and a machine, until the next `start`."""

    def __init__(self, house: World, **more: Any) -> None:
        self.house = house
        self.machine = Machine(START)
        self.more = more
        self.changes = 0

    async def start(self) -> TimeKeeper:
        self.clock = HouseClock(self.machine)
        self.keeper = TimeKeeper(self.machine, self.clock, self.house.store, **self.more)
        self.keeper.changed = self._changed
        await self.keeper.begin()
        return self.keeper

    def _changed(self) -> None:
        self.changes += 1

    async def pass_by(self, seconds: float) -> None:
        """With a look every 30 s."""
        while seconds > 0:
            await self.machine.advance(min(seconds, 30))
            await self.keeper.look()
            seconds -= 30

    async def note(self, number: int) -> None:
        """Something happens, stamped by the house's clock."""
        fact = Fact(EventType.DOOR_OPENED, self.clock.now(), body={"number": number})
        trust = self.clock.trust
        await self.house.store.submit(lambda tx: events.append(tx, fact, trust))

    async def noted(self) -> list[Instant]:
        rows = await self.house.store.fetch(events.events_after(0, 1000))
        return [row.corrected_at or row.at for row in rows if row.type is EventType.DOOR_OPENED]

    async def told(self, kind: EventType) -> list[dict[str, Any]]:
        return [told.body for told in await self.house.told(kind)]

    def trust(self) -> ClockTrust:
        return self.clock.trust

    def off_ms(self) -> int:
        """How far the house is from the truth."""
        return self.clock.now() - self.machine.true


@pytest.fixture
def life(house: World) -> Life:
    return Life(house)


async def prove(life: Life) -> None:
    """A service that says the same for a minute."""
    life.machine.synchronised = True
    await life.start()
    await life.pass_by(60)
    assert life.trust() is ClockTrust.TRUSTED


async def test_the_first_proof_ever_sets_the_floor(life: Life) -> None:
    await prove(life)
    assert life.keeper.moment().floor == life.machine.true - 20
    assert life.keeper.moment().effective == life.machine.true
    assert await life.told(EventType.GATEWAY_TIME_PROVEN) == [{"source": "kernel", "moved_ms": 0}]


async def test_a_lost_source_is_holdover_for_weeks_and_its_error_is_told(life: Life) -> None:
    await prove(life)
    life.machine.synchronised = False
    await life.keeper.look()
    await life.machine.advance(30 * 86_400)
    await life.keeper.look()
    assert life.trust() is ClockTrust.HOLDOVER
    assert life.keeper.view().error_ms == 20 + 30 * 86_400 // 10
    assert life.off_ms() == 0


async def test_a_spoofed_service_moves_nothing_and_is_told_once(life: Life) -> None:
    await prove(life)
    life.machine.set_wall(5 * 86_400)
    await life.pass_by(300)
    assert life.off_ms() == 0
    assert life.trust() is ClockTrust.HOLDOVER
    told = await life.told(EventType.GATEWAY_TIME_REFUSED)
    assert [one["reason"] for one in told] == [Reason.BEYOND_DRIFT.value]
    view = life.keeper.view()
    assert view.last_disbelief is not None
    assert view.last_disbelief.still
    assert view.wall_difference_ms == 5 * DAY
    life.machine.set_wall(0)
    await life.pass_by(30)
    assert life.trust() is ClockTrust.TRUSTED
    assert life.keeper.view().last_disbelief == replace(view.last_disbelief, still=False)


async def test_a_new_start_of_the_daemon_takes_up_what_was_believed(life: Life) -> None:
    await prove(life)
    life.machine.set_wall(40_000, synchronised=False)
    await life.machine.advance(3600)
    await life.start()
    assert life.trust() is ClockTrust.HOLDOVER
    assert life.off_ms() == 0


async def test_after_a_cut_the_floor_holds_until_the_time_is_proven(life: Life) -> None:
    await prove(life)
    await life.pass_by(600)
    life.machine.reboot(off_s=7200, wall_off_s=-14 * 86_400)
    keeper = await life.start()
    assert life.trust() is ClockTrust.UNTRUSTED
    effective = keeper.moment().effective
    assert after(START, 350) <= effective <= after(START, 671)
    assert keeper.moment().now >= effective
    await life.note(1)
    happened = life.machine.true
    life.machine.set_wall(0)
    await life.pass_by(30)
    assert life.trust() is ClockTrust.UNTRUSTED
    assert keeper.view().waiting_ms is not None
    await life.pass_by(60)
    assert life.trust() is ClockTrust.TRUSTED
    assert life.off_ms() == 0
    assert await life.noted() == [happened]
    [told] = await life.told(EventType.GATEWAY_TIME_CORRECTED)
    assert told["stamped"] == ["untrusted"]
    assert await life.told(EventType.GATEWAY_TIME_UNTRUSTED) == [{}]


async def test_what_was_stamped_before_the_proof_and_written_after_it_is_corrected_too(
    life: Life,
) -> None:
    await prove(life)
    life.machine.reboot(off_s=60, wall_off_s=-86_400)
    await life.start()
    happened, stamped, trust = life.machine.true, life.clock.now(), life.clock.trust
    life.machine.set_wall(0)
    await life.pass_by(30)
    assert life.trust() is ClockTrust.TRUSTED
    fact = Fact(EventType.DOOR_OPENED, stamped)
    await life.house.store.submit(lambda tx: events.append(tx, fact, trust))
    await life.note(2)
    later = life.machine.true
    await life.pass_by(30)
    assert await life.noted() == [happened, later]


async def test_a_daemon_that_starts_again_while_nothing_is_proven_goes_on_with_one_offset(
    life: Life,
) -> None:
    await prove(life)
    life.machine.reboot(off_s=60, wall_off_s=-86_400)
    await life.start()
    await life.note(1)
    first = life.machine.true
    life.machine.set_wall(999, synchronised=False)
    await life.machine.advance(100)
    await life.start()
    await life.note(2)
    second = life.machine.true
    life.machine.set_wall(0)
    await life.pass_by(30)
    assert await life.noted() == [first, second]
    assert len(await life.told(EventType.GATEWAY_TIME_UNTRUSTED)) == 1


async def test_a_battery_backed_clock_alone_is_holdover_until_the_service_speaks(
    life: Life,
) -> None:
    await prove(life)
    life.machine.reboot(off_s=7200, wall_off_s=-86_400)
    life.machine.rtc_off_s = 3
    keeper = await life.start()
    assert life.trust() is ClockTrust.HOLDOVER
    assert keeper.view().source is Source.RTC
    assert abs(life.off_ms()) < 4_000
    life.machine.set_wall(0)
    await life.pass_by(30)
    assert life.trust() is ClockTrust.TRUSTED
    assert life.off_ms() == 0


async def test_a_battery_backed_clock_that_the_kernel_has_set_proves_nothing(life: Life) -> None:
    """A forged time reaches it within seconds: only what it said before counts."""
    await prove(life)
    life.machine.reboot(off_s=7200, wall_off_s=13 * 86_400)
    life.machine.rtc_off_s = 13 * 86_400
    life.machine.synchronised = True
    await life.start()
    assert life.trust() is ClockTrust.UNTRUSTED


@pytest.mark.parametrize(("lie_s", "forgotten"), [(3 * 86_400, True), (-3600, True), (4, False)])
async def test_clocks_that_locks_were_given_by_a_wrong_time_are_looked_at_anew(
    life: Life, lie_s: float, forgotten: bool
) -> None:
    """Else a window that is left to the lock opens and shuts by the lie."""
    life.house.add_lock()
    await life.house.start()
    life.machine.wall_off_s = lie_s
    await prove(life)
    front = DeviceId("dev_1")
    read_at = life.clock.now()
    await life.house.store.submit(
        lambda tx: devices.update_device(
            tx, front, clock_error_ms=0, clock_bound_ms=500, clock_read_at=read_at
        )
    )
    life.machine.reboot(off_s=60, wall_off_s=lie_s)
    life.machine.rtc_off_s = lie_s
    await life.start()
    life.machine.set_wall(0)
    await life.pass_by(600)
    assert life.off_ms() == 0
    row = await life.house.store.fetch_one(devices.device(front))
    assert row is not None
    assert (row.clock_read_at is None) is forgotten


async def test_a_step_of_the_wall_clock_wakes_everybody_at_once(life: Life) -> None:
    await prove(life)
    running = asyncio.create_task(life.keeper.run())
    await life.house.settle()
    before = life.changes
    life.machine.set_wall(60, synchronised=False)
    await life.house.settle()
    assert life.changes > before
    jump = life.keeper.view().last_jump
    assert jump is not None
    assert jump.by_ms == 60_000
    await life.machine.advance(29, life.house.settle)
    life.machine.synchronised, life.machine.wall_off_s = True, 0.5
    await life.machine.advance(2, life.house.settle)
    assert life.trust() is ClockTrust.TRUSTED
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_a_clock_that_is_set_first_and_called_kept_later_is_believed_soon(life: Life) -> None:
    """As time services do it: nothing wakes us at the second step."""
    await prove(life)
    life.machine.reboot(off_s=60, wall_off_s=-90 * 86_400)
    await life.start()
    running = asyncio.create_task(life.keeper.run())
    await life.house.settle()
    life.machine.set_wall(0, synchronised=False)
    await life.house.settle()
    assert life.trust() is ClockTrust.UNTRUSTED
    life.machine.synchronised = True
    await life.machine.advance(2, life.house.settle)
    assert life.trust() is ClockTrust.TRUSTED
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_a_full_disk_owes_what_is_to_be_told(life: Life) -> None:
    await prove(life)
    life.machine.reboot(off_s=60, wall_off_s=-86_400)
    await life.start()
    await life.note(1)
    happened = life.machine.true
    life.house.writer.full = True
    life.machine.set_wall(0)
    await life.pass_by(30)
    assert life.trust() is ClockTrust.TRUSTED
    life.house.writer.full = False
    await life.pass_by(30)
    assert await life.noted() == [happened]
    assert len(await life.told(EventType.GATEWAY_TIME_PROVEN)) == 2


async def test_the_floor_rides_along_and_is_written_every_five_minutes(life: Life) -> None:
    await prove(life)
    await life.machine.advance(100)
    await life.house.store.submit(life.keeper.write_with)
    floor = await life.house.store.fetch_one(meta.time_floor())
    assert floor is not None
    assert -100 < floor - life.machine.true <= 0
    await life.pass_by(HOUR / 1000)
    floor = await life.house.store.fetch_one(meta.time_floor())
    assert floor is not None
    assert floor > after(life.machine.true, -301)


async def test_authenticated_service_raises_the_floor(house: World) -> None:
    life = Life(house, ntp_is_authenticated=True)
    await prove(life)
    life.machine.reboot(off_s=7200, wall_off_s=0)
    life.machine.synchronised = True
    keeper = await life.start()
    assert life.trust() is ClockTrust.TRUSTED
    assert keeper.moment().floor == life.machine.true - 20
    assert keeper.view().source is Source.NTS
