"""A start is written down, and a full disk does not keep the house from starting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.events import EventType
from gateway.domain.instant import from_rfc3339
from gateway.kit.clock import ManualClock
from gateway.starting import note_start
from gateway.store import events
from gateway.store.database import open_store
from tests.flows.world import InlineWriter

if TYPE_CHECKING:
    from pathlib import Path

NOW = from_rfc3339("2026-11-20T12:00:00Z")


async def test_each_start_has_its_number_and_its_event(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    for number in (1, 2):
        async with open_store(tmp_path / "state.db", clock) as store:
            assert await note_start(store, clock) == number
            told = await store.fetch(events.events_after(0, 10))
    assert [event.type for event in told] == [EventType.GATEWAY_STARTED] * 2
    assert [event.body["boot"] for event in told] == [1, 2]


async def test_a_full_disk_does_not_keep_it_from_starting(tmp_path: Path) -> None:
    clock, writer = ManualClock(NOW), InlineWriter(lambda: None)
    async with open_store(tmp_path / "state.db", clock, writer=writer) as store:
        assert await note_start(store, clock) == 1
        writer.full = True
        assert await note_start(store, clock) == 2
        writer.full = False
        assert await note_start(store, clock) == 2
