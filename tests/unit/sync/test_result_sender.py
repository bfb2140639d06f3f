"""Answers, and where else they are wanted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gateway.sync.connection import PublishRefused
from tests.unit.sync.linked import TOPICS, Link

if TYPE_CHECKING:
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
