"""The life of connections, without a network and in virtual time."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from gateway.store.database import open_store
from gateway.sync.link import STORE_RETRY_S
from tests.flows.world import InlineWriter
from tests.unit.sync.line import Exchange
from tests.unit.sync.linked import TOPICS, Link, running

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.kit.clock import ManualClock
    from gateway.store.database import Store
    from tests.unit.sync.conftest import Until


async def test_birth_comes_first_and_the_will_has_the_same_number(link: Link) -> None:
    line, endpoint = link.exchange.lines[0], link.exchange.endpoints[0]
    assert line.said[0].leaf == "presence"
    assert line.said[0].retain
    assert line.said[0].message["online"] is True
    will = json.loads(endpoint.will.payload)
    assert will == line.said[0].message | {"online": False}
    assert endpoint.will.topic == TOPICS.up("presence")
    assert endpoint.subscribe == "lockgw/v1/gw/dn/#"
    assert (endpoint.client_id, link.link.state.connected) == ("gw", True)


async def test_it_waits_between_1_and_5_s_and_numbers_its_connections(
    link: Link, clock: ManualClock, until: Until
) -> None:
    link.exchange.lines[0].cut()
    await until(lambda: not link.link.state.connected)
    assert link.link.state.reason == "line cut"
    await clock.advance(0.9)
    assert len(link.exchange.lines) == 1
    await clock.advance(4.2)
    await until(lambda: len(link.exchange.lines) == 2)
    await until(lambda: link.exchange.lines[1].of("presence"))
    assert [json.loads(e.will.payload)["connection"] for e in link.exchange.endpoints] == [1, 2]
    assert link.link.state.connected


async def test_a_broker_that_is_away_is_tried_for_ever(
    store: Store, clock: ManualClock, until: Until
) -> None:
    async with running(Link(store, clock, Exchange(down=True))) as link:
        await until(lambda: link.exchange.endpoints)
        since = link.link.state.since
        for tries in range(2, 12):
            while len(link.exchange.endpoints) < tries:
                await clock.advance(30.0)
                await until(lambda: True)
        assert link.link.state.reason == "could not connect: nobody there"
        assert link.link.state.since == since
        link.exchange.down = False
        while not link.exchange.lines:
            await clock.advance(30.0)
            await until(lambda: True)


async def test_an_orderly_end_says_so(store: Store, clock: ManualClock, until: Until) -> None:
    async with running(Link(store, clock, Exchange())) as link:
        await until(lambda: link.exchange.lines and link.exchange.lines[0].of("hello"))
    assert [m["online"] for m in link.exchange.lines[0].of("presence")] == [True, False]
    assert not link.link.state.connected


async def test_stopping_while_the_line_breaks_is_stopping(
    store: Store, clock: ManualClock, until: Until
) -> None:
    """A task group in which something failed swallows the cancellation that came meanwhile."""
    link = Link(store, clock, Exchange())
    task = asyncio.create_task(link.link.run())
    await until(lambda: link.exchange.lines and link.exchange.lines[0].of("hello"))
    link.exchange.lines[0].cut()
    task.cancel()
    await until(task.done)
    assert task.cancelled()


async def test_unsigned_orders_only_from_loopback(
    store: Store, clock: ManualClock, until: Until
) -> None:
    async with running(Link(store, clock, Exchange(peer_address="192.0.2.7"))) as link:
        await until(lambda: link.exchange.lines and link.exchange.lines[0].of("hello"))
        link.order("commands", command_id="c", kind="nonsense")
        await until(lambda: link.exchange.lines[0].of("events"))
        (event,) = link.exchange.lines[0].of("events")[0]["events"]
        assert event["body"]["code"] == "unsigned"
        assert link.exchange.lines[0].acknowledged == [TOPICS.down("commands")]


async def test_a_full_disk_is_a_reason_to_wait_and_no_failure_of_the_link(
    tmp_path: Path, clock: ManualClock
) -> None:
    writer = InlineWriter(lambda: None)
    async with (
        open_store(tmp_path / "full.db", clock, writer=writer) as store,
        running(Link(store, clock, Exchange())) as link,
    ):

        async def reason(part: str) -> None:
            async with asyncio.timeout(5):
                while part not in link.link.state.reason or link.link.state.connected == bool(part):
                    await clock.advance(1.0)

        await reason("")
        writer.full = True
        link.exchange.lines[0].cut()
        await reason("no space left")
        await clock.advance(3600)
        writer.full = False
        await clock.advance(STORE_RETRY_S)
        assert link.link.state.connected
