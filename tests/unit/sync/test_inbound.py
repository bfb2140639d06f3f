"""From delivery to acknowledgement: stored first, in any weather."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.ids import CommandId
from gateway.errors import Retry, StoreFull
from gateway.store import journal
from gateway.sync import accept
from tests.unit.sync.linked import TOPICS, Link

if TYPE_CHECKING:
    import pytest

    from gateway.kit.clock import ManualClock
    from gateway.store.database import Store
    from tests.unit.sync.conftest import Until


async def test_the_acknowledgement_comes_after_the_commit(link: Link, until: Until) -> None:
    link.order("commands", command_id="c", kind="nonsense")
    await until(lambda: link.exchange.lines[0].of("results"))
    assert link.exchange.lines[0].acknowledged == [TOPICS.down("commands")]
    assert link.exchange.lines[0].of("results")[0]["result"]["reason"] == "unknown_kind"


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
