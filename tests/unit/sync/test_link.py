"""The life of connections, without a network and in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import json
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from gateway.domain.ids import CommandId
from gateway.errors import Retry, StoreFull
from gateway.store import journal
from gateway.store.keyring import Keyring
from gateway.sync import accept
from gateway.sync.connection import PublishRefused
from gateway.sync.link import Broker, CloudLink
from gateway.sync.presence import Identity
from gateway.sync.topics import Topics
from tests.unit.sync.line import Exchange

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.kit.clock import ManualClock
    from gateway.store.database import Store
    from tests.unit.sync.conftest import Until

TOPICS = Topics("gw")


class Link:
    """A running link and the exchange it connects through."""

    def __init__(self, store: Store, clock: ManualClock, exchange: Exchange) -> None:
        nonces = itertools.count()
        self.exchange = exchange
        self.link = CloudLink(
            Broker("broker.example", 8883),
            Identity("gw", store.opened.epoch, "1.0"),
            store=store,
            keyring=Keyring(bytes(32)),
            clock=clock,
            random=Random(3),
            new_nonce=lambda: f"nonce-{next(nonces)}",
            accept_unsigned=True,
            connector=exchange,
        )

    def order(self, leaf: str, number: int = -1, *, retained: bool = False, **fields: Any) -> None:
        payload = json.dumps({"schema": 1, **fields}).encode()
        self.exchange.lines[number].feed(TOPICS.down(leaf), payload, retained=retained)


@asynccontextmanager
async def running(link: Link) -> AsyncIterator[Link]:
    task = asyncio.create_task(link.link.run())
    try:
        yield link
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def link(store: Store, clock: ManualClock, until: Until) -> AsyncIterator[Link]:
    async with running(Link(store, clock, Exchange())) as up:
        await until(lambda: up.exchange.lines and up.exchange.lines[0].of("hello"))
        yield up


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


async def test_hello_every_minute_with_a_new_nonce(
    link: Link, clock: ManualClock, until: Until
) -> None:
    line = link.exchange.lines[0]
    for count in (2, 3):
        await clock.advance(60.0)
        await until(lambda count=count: len(line.of("hello")) == count)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    assert len({hello["nonce"] for hello in line.of("hello")}) == 3


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


async def test_the_acknowledgement_comes_after_the_commit(link: Link, until: Until) -> None:
    link.order("commands", command_id="c", kind="nonsense")
    await until(lambda: link.exchange.lines[0].of("results"))
    assert link.exchange.lines[0].acknowledged == [TOPICS.down("commands")]
    assert link.exchange.lines[0].of("results")[0]["result"]["reason"] == "unknown_kind"


async def test_the_answer_goes_to_the_response_topic_too(link: Link, until: Until) -> None:
    line = link.exchange.lines[0]
    payload = json.dumps({"schema": 1, "command_id": "c", "kind": "nonsense"}).encode()
    line.feed(TOPICS.down("commands"), payload, response_topic="back/here", correlation=b"\x01")
    await until(lambda: any(said.topic == "back/here" for said in line.said))
    (answer,) = [said for said in line.said if said.topic == "back/here"]
    assert answer.correlation == b"\x01"
    assert answer.message == line.of("results")[0]


async def test_a_refused_response_topic_costs_nothing(link: Link, until: Until) -> None:
    line = link.exchange.lines[0]
    line.refuse = lambda topic: PublishRefused("no") if topic == "not/yours" else None
    payload = json.dumps({"schema": 1, "command_id": "c1", "kind": "nonsense"}).encode()
    line.feed(TOPICS.down("commands"), payload, response_topic="not/yours")
    link.order("commands", command_id="c2", kind="nonsense")
    await until(lambda: len(line.of("results")) == 2)
    assert link.link.state.connected


async def test_a_full_disk_keeps_the_message_until_it_is_stored(
    link: Link, store: Store, clock: ManualClock, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = StoreFull("could not write to the store: no space left")
    assert full.retry is Retry.LATER
    receive = journal.receive

    def no_space(*_: object) -> bool:
        raise full

    monkeypatch.setattr(journal, "receive", no_space)
    link.order("commands", command_id="c", kind="nonsense")
    line = link.exchange.lines[0]
    await clock.advance(5.0)
    await until(lambda: True)
    assert line.acknowledged == []
    monkeypatch.setattr(journal, "receive", receive)
    while not line.acknowledged:
        await clock.advance(1.0)
        await until(lambda: True)
    assert await store.fetch_one(journal.command(CommandId("c"))) is not None


async def test_commands_pass_a_schedule_that_cannot_be_stored_yet(
    link: Link, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object) -> None:
        raise StoreFull("could not write to the store: no space left")

    monkeypatch.setattr(accept, "delta", no_space)
    line = link.exchange.lines[0]
    link.order("desired", kind="delta", revision=1, previous=0, hash="0" * 64)
    link.order("commands", command_id="c", kind="nonsense")
    await until(lambda: line.of("results"))
    assert line.acknowledged == [TOPICS.down("commands")]


async def test_reports_come_at_once_then_together(
    link: Link, clock: ManualClock, until: Until
) -> None:
    def desired(revision: int, digest: str) -> None:
        credential = {
            "credential_id": f"c{revision}", "version": 1, "kind": "pin", "devices": ["d1"],
            "secret": {"digits": "483920"}, "window": {"kind": "always"},
        }  # fmt: skip
        link.order("desired", kind="delta", revision=revision, previous=revision - 1,
                   hash=digest, credentials=[credential])  # fmt: skip

    line = link.exchange.lines[0]
    lines: list[str] = []
    for revision in (1, 2, 3):
        lines.append(f"c{revision} d1 1\n")
        desired(revision, _sha("".join(sorted(lines))))
        if revision == 1:
            await until(lambda: line.of("reported"))
    await until(lambda: len(line.acknowledged) == 3)
    assert len(line.of("reported")) == 1
    await clock.advance(1.0)
    await until(lambda: len(line.of("reported")) == 2)
    assert [len(report["grants"]) for report in line.of("reported")] == [1, 2]


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
