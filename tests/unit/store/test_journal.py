"""Commands: one act and one answer per id, across restarts and repetitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.ids import CommandId
from gateway.domain.instant import Instant
from gateway.store import journal
from gateway.store.database import open_store
from tests.unit.store.build import FRONT, NOW

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.kit.clock import ManualClock
    from gateway.store.database import Store
    from gateway.store.tx import Tx

ONE = CommandId("cmd_1")


def receive(tx: Tx, command_id: CommandId = ONE, actor: str = "cloud", at: int = NOW) -> bool:
    return journal.receive(
        tx, command_id, "unlock", FRONT, {"why": "test"}, actor, Instant(at + 30_000), Instant(at)
    )


async def test_a_command_is_read_as_it_was_written(store: Store) -> None:
    told: list[frozenset[str]] = []
    store.subscribe(told.append)
    assert await store.submit(receive)
    assert told == [frozenset({"commands"})]
    row = await store.fetch_one(journal.command(ONE))
    assert row is not None
    assert (row.kind, row.device_id, row.body, row.actor) == (
        "unlock", FRONT, {"why": "test"}, "cloud"
    )  # fmt: skip
    assert (row.received_at, row.not_after, row.state) == (
        NOW, NOW + 30_000, journal.CommandState.RECEIVED
    )  # fmt: skip
    assert await store.fetch(journal.open_commands()) == [row]


async def test_the_same_id_gets_one_act_and_one_answer(path: Path, clock: ManualClock) -> None:
    async with open_store(path, clock) as store:
        assert await store.submit(receive)
        assert not await store.submit(lambda tx: receive(tx, actor="local:root"))
        assert await store.submit(lambda tx: journal.start(tx, ONE))
        assert not await store.submit(lambda tx: journal.start(tx, ONE))
    async with open_store(path, clock) as store:
        assert not await store.submit(lambda tx: journal.start(tx, ONE))
        (row,) = await store.fetch(journal.open_commands())
        assert row.state is journal.CommandState.STARTED
        later = Instant(NOW + 5)
        assert await store.submit(lambda tx: journal.finish(tx, ONE, {"outcome": "ok"}, later))
        assert not await store.submit(lambda tx: journal.finish(tx, ONE, {"outcome": "no"}, later))
        assert not await store.submit(receive)
        found = await store.fetch_one(journal.command(ONE))
        assert found is not None
        assert (found.result, found.finished_at, found.actor) == (
            {"outcome": "ok"}, later, "cloud"
        )  # fmt: skip
        assert await store.fetch(journal.open_commands()) == []


async def test_an_unknown_command_is_not_started(store: Store) -> None:
    assert not await store.submit(lambda tx: journal.start(tx, ONE))


async def test_a_result_is_due_until_told_and_again_when_asked(store: Store) -> None:
    def finish_both(tx: Tx) -> None:
        receive(tx)
        receive(tx, CommandId("cmd_2"), "local:root")
        for command_id in (ONE, CommandId("cmd_2")):
            journal.finish(tx, command_id, {}, NOW)

    await store.submit(finish_both)
    assert [row.command_id for row in await store.fetch(journal.untold())] == [ONE]
    await store.submit(lambda tx: journal.told(tx, [ONE], NOW))
    assert await store.fetch(journal.untold()) == []
    await store.submit(lambda tx: journal.tell_again(tx, ONE))
    assert [row.command_id for row in await store.fetch(journal.untold())] == [ONE]


async def test_pruning_keeps_a_week_ten_thousand_and_what_is_owed(store: Store) -> None:
    def fill(tx: Tx) -> None:
        for number in range(journal.KEEP_ROWS + 50):
            command_id = CommandId(f"cmd_{number}")
            receive(tx, command_id, at=NOW + number)
            if number != 1:
                journal.finish(tx, command_id, {}, NOW)
            if number != 2:
                journal.told(tx, [command_id], NOW)

    await store.submit(fill)
    week = Instant(NOW + journal.KEEP_MS)
    assert await store.submit(lambda tx: journal.prune(tx, week)) == 0
    assert await store.submit(lambda tx: journal.prune(tx, Instant(week + 20))) == 18
    assert await store.submit(lambda tx: journal.prune(tx, Instant(week + 100_000))) == 30
    kept = [await store.fetch(journal.command(CommandId(f"cmd_{n}"))) for n in (0, 1, 2, 49)]
    assert [bool(rows) for rows in kept] == [False, True, True, False]
