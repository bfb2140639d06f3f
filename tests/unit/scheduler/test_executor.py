"""One action, once: errors sorted, nothing spoken that is not journaled, except what must go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.domain.events import EventType
from gateway.domain.grants import GrantState
from gateway.domain.windows import Always
from tests.flows.world import World, world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PIN, OTHER = "483920", "719204"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as one:
        yield one


async def test_digits_that_cannot_be_unsealed_hold_up_no_other_code(house: World) -> None:
    lock = house.add_lock(delay_s=2.0)
    await house.start()
    await house.advance(120)
    lock.unreachable = True
    await house.want("bad", PIN, Always())
    await house.store.submit(
        lambda tx: tx.execute("UPDATE credentials SET sealed = x'01020304'") and None
    )
    lock.unreachable = False
    await house.want("good", OTHER, Always())
    house.hear()
    await house.advance(60)
    assert lock.opens(OTHER)
    assert (await house.grant("bad")).state is GrantState.REJECTED
    assert lock.count("erase") == 0


async def test_an_answer_against_a_reading_is_no_answer_about_codes(house: World) -> None:
    lock = house.add_lock()
    lock.faults.extend([("read", "say:not_authorised")] * 3)
    await house.start()
    await house.want("c1", PIN, Always())
    assert lock.opens(PIN)
    assert not await house.told(EventType.UNMANAGED_CODE_FOUND)


async def test_an_order_overtaken_by_an_edit_is_not_spoken(house: World) -> None:
    lock = house.add_lock(delay_s=3.0)
    await house.start()
    await house.advance(120)
    await house.want("first", OTHER, Always())
    await house.want("c1", PIN, Always())
    await house.want("c1", "602857", Always(), version=2)
    await house.advance(30)
    assert [s.digits for s in lock.spoken if s.what == "program"] == [OTHER, "602857"]


async def test_a_reading_that_cannot_be_written_down_changes_nothing_and_is_repeated(
    house: World,
) -> None:
    lock = house.add_lock()
    await house.start()
    await house.want("c1", PIN, Always())
    house.writer.full = True
    lock.holds.clear()
    await house.advance(600)
    assert lock.count("program") == 1
    house.writer.full = False
    await house.advance(3600)
    assert lock.opens(PIN)


async def test_the_time_is_written_down_with_each_attempt_that_begins(house: World) -> None:
    """Whoever starts next without a clock knows at least that it was due."""
    lock = house.add_lock()
    await house.start()
    await house.advance(120)
    assert house.timed == []
    await house.want("c1", PIN, Always())
    assert lock.opens(PIN)
    assert house.timed == [house.clock.now()]
