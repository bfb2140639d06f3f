"""Digits that their lock calls duplicates of themselves, where nobody can see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.domain.events import EventType
from gateway.domain.grants import GrantState
from gateway.domain.windows import Always
from tests.flows.world import Code, world

if TYPE_CHECKING:
    from pathlib import Path

PIN = "483920"
OTHER = "719204"


@pytest.mark.parametrize(
    "more",
    [(), ("erase", "answer_lost"), ("erase", "not_delivered"), ("program", "not_delivered")],
    ids=["good", "erase unheard", "not erased", "cut off"],
)
async def test_hidden_digits_that_may_be_duplicates_of_themselves_are_put_into_an_emptied_slot(
    tmp_path: Path, more: tuple[str, str]
) -> None:
    """The slot is occupied before and after, and nobody sees by what."""
    async with world(tmp_path) as house:
        lock = house.add_lock(masked=True)
        lock.own_duplicates = True
        await house.start()
        await house.want("c1", PIN, Always())
        assert lock.opens(PIN)
        lock.faults.append(("program", "doubled"))
        if more:
            lock.faults.append(more)
        await house.want("c1", OTHER, Always(), version=2)
        await house.advance(180)
        assert lock.holds == {1: Code(OTHER)}
        assert (await house.grant("c1")).state is GrantState.ACTIVE
        assert await house.told(EventType.CREDENTIAL_REJECTED) == []


async def test_a_duplicate_stays_final_where_the_emptied_slot_does_not_take_it_either(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(masked=True)
        await house.start()
        await house.want("c1", PIN, Always())
        lock.holds[3] = Code(OTHER)  # keyed in by hand
        await house.want("c1", OTHER, Always(), version=2)
        await house.advance(86_400)
        (rejected,) = await house.told(EventType.CREDENTIAL_REJECTED)
        assert rejected.body["reason"] == "conflicts_with:unmanaged"
        assert lock.holds == {3: Code(OTHER)}
        assert lock.count("program") == 3
