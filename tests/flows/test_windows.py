"""A grant is on the lock when its window says so: on time, never earlier than the lead, gone after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.events import EventType
from gateway.domain.grants import GrantState
from gateway.domain.windows import Timed
from tests.flows.world import world

if TYPE_CHECKING:
    from pathlib import Path

PIN = "483920"


async def test_a_code_written_by_the_gateway_opens_from_the_lead_to_the_close(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Timed(house.at(3600), house.at(7200)))
        await house.advance(3600 - 301)
        assert not lock.opens(PIN)
        await house.advance(301)
        assert lock.opens(PIN)
        assert (await house.grant("c1")).state is GrantState.ACTIVE
        await house.advance(3599)
        assert lock.opens(PIN)
        await house.advance(1)
        assert not lock.opens(PIN)
        row = await house.grant("c1")
        assert (row.state, row.late_revocation_ms, row.has_digits) == (GrantState.ERASED, 0, False)
        assert row.early_exposure_ms == 300_000
        told = [t.type for t in await house.told() if t.credential == "c1"]
        assert told == [EventType.CREDENTIAL_PROGRAMMED, EventType.CREDENTIAL_ERASED]
