"""Waiting for an event or a moment: whichever comes first, and nothing is left behind."""

from __future__ import annotations

import asyncio

import pytest

from gateway.domain.instant import Instant
from gateway.kit.clock import ManualClock, settle
from gateway.kit.tasks import wait_or_sleep


def others() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


async def test_the_moment_comes_first() -> None:
    clock, event = ManualClock(Instant(0)), asyncio.Event()
    waiting = asyncio.create_task(wait_or_sleep(event, clock, 3))
    await settle()
    await clock.advance(2.9)
    assert not waiting.done()
    await clock.advance(0.1)
    assert waiting.done()
    await settle()
    assert others() == {waiting} or not others()


async def test_the_event_comes_first() -> None:
    clock, event = ManualClock(Instant(0)), asyncio.Event()
    waiting = asyncio.create_task(wait_or_sleep(event, clock, 3))
    await settle()
    event.set()
    await waiting
    await settle()
    assert not others()


async def test_an_event_that_is_set_waits_for_nothing() -> None:
    event = asyncio.Event()
    event.set()
    async with asyncio.timeout(5):
        await wait_or_sleep(event, ManualClock(Instant(0)), 3600)


async def test_without_a_moment_only_the_event_helps() -> None:
    clock, event = ManualClock(Instant(0)), asyncio.Event()
    waiting = asyncio.create_task(wait_or_sleep(event, clock, None))
    await clock.advance(1e9)
    assert not waiting.done()
    event.set()
    await waiting


async def test_a_cancellation_is_not_swallowed() -> None:
    waiting = asyncio.create_task(wait_or_sleep(asyncio.Event(), ManualClock(Instant(0)), 3))
    await settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await settle()
    assert not others()
