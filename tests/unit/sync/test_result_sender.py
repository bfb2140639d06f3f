"""Answers, and where else they are wanted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gateway.store import journal
from gateway.store.database import open_store
from gateway.sync.connection import PublishRefused
from gateway.sync.result_sender import MARK_AGAIN_S
from tests.flows.world import InlineWriter
from tests.unit.sync.line import Exchange
from tests.unit.sync.linked import TOPICS, Link, running

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.kit.clock import ManualClock
    from tests.unit.sync.conftest import Until


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


async def test_an_answer_that_cannot_be_marked_as_told_keeps_the_connection_and_is_told_once(
    tmp_path: Path, clock: ManualClock, until: Until
) -> None:
    writer = InlineWriter(lambda: None)
    async with (
        open_store(tmp_path / "full.db", clock, writer=writer) as store,
        running(Link(store, clock, Exchange())) as link,
    ):
        await until(lambda: link.exchange.lines and link.exchange.lines[0].of("hello"))
        line = link.exchange.lines[0]

        def fill(topics: frozenset[str]) -> None:
            writer.full = "commands" in topics or writer.full

        store.subscribe(fill)  # the command and its answer were the last that the disk took
        link.order("commands", command_id="c", kind="nonsense")
        await until(lambda: line.of("results"))
        await clock.advance(3600)
        assert await store.fetch(journal.untold())
        writer.full = False
        await clock.advance(MARK_AGAIN_S)
        assert await store.fetch(journal.untold()) == []
        assert len(link.exchange.lines) == len(line.of("results")) == 1
