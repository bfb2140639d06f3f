"""What is shown of grants: due times by who keeps the close, next tries, and only differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.domain.grants import GrantState
from gateway.domain.ids import DeviceId
from gateway.domain.instant import Instant
from gateway.domain.windows import Always, Recurring, Timed, Weekly
from gateway.store import reported
from tests.flows.world import ZONE, World, world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PIN = "483920"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as one:
        yield one


async def test_a_code_is_due_off_the_lock_at_its_close_or_at_the_order(house: World) -> None:
    lock = house.add_lock()
    await house.start()
    closes = house.at(3600)
    await house.want("timed", PIN, Timed(house.at(0), closes))
    await house.want("always", "719204", Always())
    assert (await house.grant("timed")).erase_due_at == closes
    assert (await house.grant("always")).erase_due_at is None
    await house.advance(60)
    lock.unreachable = True
    await house.revoke("always")
    assert (await house.grant("always")).erase_due_at == house.clock.now()


async def test_a_weekly_code_that_the_lock_keeps_is_due_at_its_bound_only(house: World) -> None:
    house.add_lock(keeps_windows=True)
    await house.start()
    await house.prove_windows()
    bound = house.at(14 * 86_400)
    weekly = (Weekly(frozenset(range(1, 8)), 60, 120),)
    await house.want("bounded", PIN, Recurring(weekly, ZONE, not_after=bound))
    assert (await house.grant("bounded")).erase_due_at == bound
    await house.want("open", "719204", Recurring(weekly, ZONE))
    assert (await house.grant("open")).erase_due_at is None


async def test_the_next_try_is_shown_while_something_fails_and_gone_when_it_works(
    house: World,
) -> None:
    lock = house.add_lock()
    await house.start()
    lock.unreachable = True
    await house.want("c1", PIN, Always())
    await house.advance(6)
    row = await house.grant("c1")
    assert row.attempts >= 1
    assert row.next_attempt_at is not None
    assert house.clock.now() <= row.next_attempt_at <= house.at(60)
    lock.unreachable = False
    house.hear()
    await house.advance(10)
    row = await house.grant("c1")
    assert (row.state, row.attempts, row.next_attempt_at) == (GrantState.ACTIVE, 0, None)


async def test_nothing_is_written_when_nothing_differs(house: World) -> None:
    house.add_lock()
    await house.start()
    await house.want("c1", PIN, Always())
    await house.advance(300)
    commits = house.writer.commits
    for _ in range(20):
        house.scheduler.look_again()
        await house.settle()
    assert house.writer.commits == commits


async def test_many_grants_are_shown_in_few_commits(house: World) -> None:
    house.add_lock(slots=5)
    await house.start()
    await house.advance(10)
    commits = house.writer.commits
    opens = house.at(30 * 86_400)
    for number in range(250):
        await house.want(f"c{number}", str(520_011 + 37 * number), Timed(opens, Instant(opens + 1)))
    assert house.writer.commits - commits <= 2 * 250
    rows = await house.store.fetch(reported.grants_for(DeviceId("dev_1")))
    assert {row.state for row in rows} == {GrantState.PENDING}
