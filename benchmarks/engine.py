"""Figures of single parts, without any process: windows, transitions, durable events."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from benchmarks.report import Figure
from gateway.domain.events import EventType, Fact
from gateway.domain.ids import DeviceId
from gateway.domain.instant import DAY, HOUR, MINUTE, ClockTrust, Instant
from gateway.domain.spans import SpanCache
from gateway.domain.windows import Recurring, Timed, Weekly, span_from
from gateway.kit.clock import SystemClock
from gateway.store import events
from gateway.store.database import open_store
from gateway.store.writer import ThreadWriter, Transactor

if TYPE_CHECKING:
    from collections.abc import Callable

GRANTS = 50_000
WRITERS = 50
SD_CARD_SYNC_S = 0.015
NOW = Instant(1_790_000_000_000)


def windows() -> list[Figure]:
    """Every window looked at anew, as planning does; a plan itself names the next transition."""
    random = Random(1)
    timed = [_timed(random) for _ in range(GRANTS)]
    weekly = [_weekly(random) for _ in range(200)]
    recurring = [weekly[number % len(weekly)] for number in range(GRANTS)]
    cache: SpanCache[int] = SpanCache()
    for number, window in enumerate(recurring):
        cache.span_from(number, window, NOW)
    later = Instant(NOW + MINUTE)

    def all_timed() -> None:
        for window in timed:
            span_from(window, NOW)

    def all_recurring() -> None:
        for number, window in enumerate(recurring):
            cache.span_from(number, window, later)

    return [
        Figure("50,000 timed windows re-evaluated", 1000 * _median_s(all_timed, 9), "ms", 50),
        Figure(
            "50,000 recurring windows, from cached spans",
            1000 * _median_s(all_recurring, 9), "ms", 50,
        ),
    ]  # fmt: skip


def _median_s(act: Callable[[], None], times: int) -> float:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def _timed(random: Random) -> Timed:
    opens = NOW + random.randrange(-30 * DAY, 365 * DAY)
    return Timed(Instant(opens), Instant(opens + random.randrange(HOUR, 14 * DAY)))


def _weekly(random: Random) -> Recurring:
    start = random.randrange(0, 20 * 60)
    rule = Weekly(frozenset(random.sample(range(1, 8), random.randrange(1, 6))), start, start + 120)
    return Recurring((rule,), "Europe/Zurich")


class SdCard(Transactor):
    """Each sync takes as long as on a memory card."""

    def commit(self) -> None:
        super().commit()
        time.sleep(SD_CARD_SYNC_S)


async def writers(each: int) -> list[Figure]:
    """Durable events per second: each writer waits for its event before it writes the next."""
    clock = SystemClock(ClockTrust.TRUSTED)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.db"
        async with open_store(path, clock, writer=ThreadWriter(SdCard)) as store:

            async def write(number: int) -> None:
                fact = Fact(EventType.LOCK_UNLOCKED, NOW, DeviceId(f"dev_{number}"))
                for _ in range(each):
                    await store.submit(partial(events.append, fact=fact, trust=ClockTrust.TRUSTED))

            began = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for number in range(WRITERS):
                    group.create_task(write(number))
            took = time.perf_counter() - began
            assert await store.fetch_one(events.head()) == WRITERS * each
    rate = WRITERS * each / took
    return [
        Figure(
            "durable events, 50 writers, 15 ms per sync", rate, "/s", 1500, at_least=True,
            note=f"{WRITERS * each} events",
        )
    ]  # fmt: skip
