"""Two lanes: the fresh at once, the backlog paced; and patience with a cloud that says nothing."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from gateway.domain.events import EventType, Fact
from gateway.domain.instant import ClockTrust
from gateway.store import events
from gateway.sync.event_sender import BATCH_BYTES, BATCH_EVENTS, EventSender, batches
from gateway.sync.reports import EventModel
from gateway.sync.topics import Topics
from tests.unit.sync.conftest import NOW, Until
from tests.unit.sync.line import Line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.kit.clock import ManualClock
    from gateway.store.database import Store
    from gateway.store.tx import Tx


async def happen(store: Store, count: int) -> None:
    def write(tx: Tx) -> None:
        for _ in range(count):
            events.append(tx, Fact(EventType.LOCK_UNLOCKED, NOW), ClockTrust.TRUSTED)

    await store.submit(write)


def numbers(line: Line) -> list[int]:
    return [event["seq"] for batch in line.of("events") for event in batch["events"]]


@pytest.fixture
def sender(store: Store, clock: ManualClock) -> EventSender:
    return EventSender(store, clock, Topics("gw"), "epoch", pace_per_s=20)


@asynccontextmanager
async def sending(sender: EventSender, store: Store, line: Line) -> AsyncIterator[Line]:
    leave = store.subscribe(lambda topics: sender.wake())
    task = asyncio.create_task(sender.run(line))
    try:
        yield line
    finally:
        leave()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_fresh_events_do_not_wait_for_the_backlog(
    sender: EventSender, store: Store, clock: ManualClock, until: Until
) -> None:
    await happen(store, 1000)
    async with sending(sender, store, Line()) as line:
        await until(lambda: 200 in numbers(line))  # the first paced batch, then a pause
        await happen(store, 1)
        await until(lambda: 1001 in numbers(line))
        assert 201 not in numbers(line)
        for last in (400, 600, 800, 1000):
            await clock.advance(0.05)
            await until(lambda last=last: last in numbers(line))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        assert sorted(numbers(line)) == list(range(1, 1002))


async def test_nobody_there_is_tried_again_with_growing_pauses(
    sender: EventSender, store: Store, clock: ManualClock, until: Until
) -> None:
    async with sending(sender, store, Line(heard=False)) as line:
        await happen(store, 3)
        await until(lambda: numbers(line) == [1, 2, 3])
        for times, pause in enumerate((10.0, 20.0, 40.0, 80.0), start=2):
            await clock.advance(pause - 0.5)
            assert len(numbers(line)) == 3 * (times - 1)
            await clock.advance(0.5)
            await until(lambda times=times: len(numbers(line)) == 3 * times)  # type: ignore[misc]  # as above


async def test_a_cloud_that_has_everything_is_left_in_peace(
    sender: EventSender, store: Store, clock: ManualClock, until: Until
) -> None:
    async with sending(sender, store, Line()) as line:
        await happen(store, 3)
        await until(lambda: len(numbers(line)) == 3)
        sender.acknowledged(3, [])
        await clock.advance(3600)
        await until(lambda: True)
        assert numbers(line) == [1, 2, 3]


async def test_what_is_asked_for_is_sent_again_even_if_it_was_acknowledged(
    sender: EventSender, store: Store, clock: ManualClock, until: Until
) -> None:
    async with sending(sender, store, Line()) as line:
        await happen(store, 9)
        await until(lambda: len(numbers(line)) == 9)
        sender.acknowledged(9, [(2, 3), (9, 40)])
        async with asyncio.timeout(5):
            while len(numbers(line)) < 12:
                await clock.advance(0.05)
                await until(lambda: True)
        assert numbers(line)[9:] == [2, 3, 9]


async def test_the_watermark_moves_while_the_backlog_is_sent(
    sender: EventSender, store: Store, clock: ManualClock, until: Until
) -> None:
    await happen(store, 450)
    async with sending(sender, store, Line()) as line:
        await until(lambda: 200 in numbers(line))
        sender.acknowledged(430, [])
        await clock.advance(0.05)
        await until(lambda: 450 in numbers(line))
        assert set(numbers(line)) == {*range(1, 201), *range(431, 451)}


def test_batches_respect_both_limits() -> None:
    small = [EventModel(seq=n, at=NOW, trust="trusted", type="t") for n in range(1, 500)]
    assert [len(batch) for batch in batches(small)] == [BATCH_EVENTS, BATCH_EVENTS, 99]
    large = [
        EventModel(seq=n, at=NOW, trust="trusted", type="t", body={"x": "y" * 40_000})
        for n in range(1, 6)
    ]
    assert [len(batch) for batch in batches(large)] == [2, 2, 1]
    huge = EventModel(seq=1, at=NOW, trust="trusted", type="t", body={"x": "y" * BATCH_BYTES})
    assert [len(batch) for batch in batches([huge, small[0]])] == [1, 1]
