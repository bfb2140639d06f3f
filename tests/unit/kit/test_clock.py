"""The clocks: the real one measures, the manual one moves only when told to."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway.domain.instant import ClockTrust, Instant
from gateway.kit.clock import ManualClock, SystemClock, settle

START = Instant(1_795_132_800_000)


async def test_the_system_s_clock_is_the_host_s() -> None:
    clock = SystemClock(ClockTrust.TRUSTED)
    before = time.time_ns() // 1_000_000  # noqa: TID251 - the host is the witness
    began = clock.monotonic()
    now = clock.now()
    await clock.sleep(0.002)
    assert before <= now <= time.time_ns() // 1_000_000  # noqa: TID251 - the host is the witness
    assert clock.monotonic() - began >= 0.002


async def test_a_pause_that_is_over_before_it_began_is_none() -> None:
    async with asyncio.timeout(5):
        await SystemClock(ClockTrust.TRUSTED).sleep(-3600)
        await ManualClock(START).sleep(-3600)


async def test_sleepers_wake_in_order_each_at_its_own_moment() -> None:
    clock = ManualClock(START)
    woken: list[tuple[str, int]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now() - START))

    tasks = [
        asyncio.create_task(sleeper(name, s))
        for name, s in (("c", 3), ("a", 1), ("b", 1), ("d", 9))
    ]
    await settle()
    await clock.advance(5)
    assert woken == [("a", 1000), ("b", 1000), ("c", 3000)]
    assert (clock.now() - START, clock.monotonic()) == (5000, 5.0)
    await clock.advance(4)
    assert woken[3:] == [("d", 9000)]
    await asyncio.gather(*tasks)


async def test_one_that_sleeps_again_meanwhile_is_woken_again() -> None:
    clock = ManualClock(START)
    beats: list[float] = []

    async def beat() -> None:
        while True:
            await clock.sleep(2)
            beats.append(clock.monotonic())

    task = asyncio.create_task(beat())
    await settle()
    await clock.advance(7)
    assert beats == [2.0, 4.0, 6.0]
    task.cancel()


async def test_a_cancelled_sleeper_stays_asleep() -> None:
    clock = ManualClock(START)
    task = asyncio.create_task(clock.sleep(1))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await clock.advance(2)
    assert clock.monotonic() == 2.0


def test_a_step_of_the_wall_clock_is_no_time_passing() -> None:
    clock = ManualClock(START)
    clock.jump(-3600)
    assert (clock.now(), clock.monotonic()) == (START - 3_600_000, 0.0)
