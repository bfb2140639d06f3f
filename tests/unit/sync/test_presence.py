"""Hello: when, and with what to answer it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.sync.presence import HELLO_PAUSE_S

DEADLINE_S = 15.0

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.kit.clock import ManualClock
    from gateway.store.database import Store
    from tests.unit.sync.conftest import Until
    from tests.unit.sync.linked import Link


async def said(store: Store, clock: ManualClock, what: Callable[[], bool]) -> None:
    """Let pauses pass until a hello says so; what it tells of is the work of the store's thread."""
    async with asyncio.timeout(DEADLINE_S):
        while not what():
            await clock.advance(HELLO_PAUSE_S)
            await store.submit(lambda tx: None)  # so that no time passes after the hello


async def test_hello_every_minute_with_a_new_nonce(
    link: Link, clock: ManualClock, until: Until
) -> None:
    line = link.exchange.lines[0]
    for count in (2, 3):
        await clock.advance(60.0)
        await until(lambda count=count: len(line.of("hello")) == count)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    assert len({hello["nonce"] for hello in line.of("hello")}) == 3


async def test_a_nonce_is_fresh_for_90_seconds(link: Link, clock: ManualClock) -> None:
    def momentary(nonce: str) -> None:
        link.order("commands", command_id=nonce, kind="unlock", device_id="d", nonce=nonce)

    async def outcome(nonce: str) -> object:
        momentary(nonce)
        async with asyncio.timeout(5):
            while not await link.known(nonce):
                pass
        return await link.answer(nonce)

    nonce = link.exchange.lines[0].of("hello")[0]["nonce"]
    await clock.advance(89.0)
    assert await outcome(nonce) is None  # journaled, nobody here to act
    assert await outcome("made-up") == {"outcome": "refused", "reason": "not_fresh"}
    await clock.advance(2.0)
    link.order("commands", command_id="late", kind="unlock", device_id="d", nonce=nonce)
    async with asyncio.timeout(5):
        while not await link.known("late"):
            pass
    assert await link.answer("late") == {"outcome": "refused", "reason": "not_fresh"}


async def test_what_is_wanted_is_said_until_it_came(
    link: Link, store: Store, clock: ManualClock, until: Until
) -> None:
    line = link.exchange.lines[0]
    await clock.advance(HELLO_PAUSE_S)
    link.order("desired", kind="delta", revision=5, previous=4, hash="0" * 64)
    await until(lambda: line.of("hello")[-1].get("want") == "snapshot")
    count = len(line.of("hello"))
    await clock.advance(60.0)
    await until(lambda: len(line.of("hello")) > count)
    assert line.of("hello")[-1]["want"] == "snapshot"
    empty = line.of("hello")[-1]["hash"]
    link.order("desired", kind="snapshot", revision=5, hash=empty, chunk=1, chunks=1)
    await said(store, clock, lambda: line.of("hello")[-1]["revision"] == 5)
    assert "want" not in line.of("hello")[-1]


async def test_many_reasons_for_a_hello_at_once_are_one(
    link: Link, store: Store, clock: ManualClock, until: Until
) -> None:
    """A schedule in many parts that is old news, and a cloud that answers each hello with it."""
    line = link.exchange.lines[0]
    empty = line.of("hello")[-1]["hash"]
    link.order("desired", kind="snapshot", revision=5, hash=empty, chunk=1, chunks=1)
    await said(store, clock, lambda: line.of("hello")[-1]["revision"] == 5)
    count, taken = len(line.of("hello")), len(line.acknowledged)
    for _ in range(20):
        link.order("desired", kind="snapshot", revision=5, hash=empty, chunk=1, chunks=1)
    await until(lambda: len(line.acknowledged) == taken + 20)
    assert len(line.of("hello")) == count
    await said(store, clock, lambda: len(line.of("hello")) > count)
    assert len(line.of("hello")) == count + 1


async def test_what_we_have_already_is_wanted_no_longer(
    link: Link, store: Store, clock: ManualClock, until: Until
) -> None:
    """A cloud that answers with what is applied means it: asking on would never end."""
    line = link.exchange.lines[0]
    empty = line.of("hello")[-1]["hash"]
    link.order("desired", kind="snapshot", revision=5, hash=empty, chunk=1, chunks=1)
    link.order("desired", kind="delta", revision=9, previous=8, hash=empty)
    await said(store, clock, lambda: line.of("hello")[-1].get("want") == "snapshot")
    link.order("desired", kind="snapshot", revision=5, hash=empty, chunk=1, chunks=1)
    await said(store, clock, lambda: "want" not in line.of("hello")[-1])
