"""A lock over Bluetooth in a whole house: daemon, adapter, lock and broker are real or processes.

Witnesses are what the lock holds, what its keypad did, and what the cloud received. The lock's log
is read no more often than once a minute, so what it tells of the beginning is asked for late: the
tests between fill that minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from firmware_sims.demo.steps import WAIT_S
from tests.house.house import ALWAYS, Door, House, house, needs_broker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from firmware_sims.demo.steps import Document

pytestmark = [*needs_broker, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

DOOR = "studio"
READ_WITHIN_S = 240
"""One minute, and whatever a busy machine adds to it."""


@pytest_asyncio.fixture(loop_scope="module", scope="module", name="house")
async def _house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    door = Door(DOOR, "ttlock-deadbolt", {"auto_relock_s": 0}, family="ttlock")
    async with house(tmp_path_factory.mktemp("h"), door) as running:
        yield running


@dataclass(frozen=True)
class Beginning:
    """What was done first. `visit`: what the keypad did; `mark`: the newest event before it."""

    visit: Document
    mark: int


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def beginning(house: House) -> Beginning:
    """A guest comes with a new code, and somebody keys one in by hand."""
    mark = house.head
    await house.give("guest", DOOR)
    visit = await house.types(DOOR, "guest")
    await house.at(DOOR, "set_code_by_hand", slot=9, code=house.code("by_hand"))
    return Beginning(visit, mark)


async def test_a_code_comes_opens_and_goes(house: House, beginning: Beginning) -> None:
    assert beginning.visit["opened"]
    await house.take("guest", DOOR)
    assert not (await house.types(DOOR, "guest"))["opened"]
    await house.grant("guest", DOOR, "erased")


async def test_a_lock_out_of_range_at_the_end_is_alarmed_and_rid_of_the_code_when_back(
    house: House,
) -> None:
    await house.give("friend", DOOR)
    before = house.head
    await house.at(DOOR, "out_of_range")
    house.cloud.push([], [{"credential_id": "friend"}], confirm_removals=True)
    await house.event("credential.erase_overdue", before, credential_id="friend")
    assert await house.held(DOOR, "friend")
    await house.at(DOOR, "in_range")
    await house.until_gone(DOOR, "friend")
    grant = await house.grant("friend", DOOR, "erased")
    assert grant["late_revocation_s"] > 0


async def test_a_write_that_was_cut_off_is_read_and_not_written_again(house: House) -> None:
    await house.at(DOOR, "arm", fault="withhold-answer", on="add_code", count=1)
    written = await house.applied(DOOR, "add_code")
    house.cloud.push([house.credential("late", [DOOR], ALWAYS)])
    await house.stage.sims.control.call(
        "wait", device=DOOR, fault="withhold-answer", timeout_s=READ_WITHIN_S
    )
    assert len(await house.held(DOOR, "late")) == 1
    await house.stage.daemon.kill()
    await house.at(DOOR, "release", drop=True)
    await house.up()
    grant = await house.grant("late", DOOR, "active")
    assert grant["evidence"] == ["read_back"]
    assert len(await house.held(DOOR, "late")) == 1
    assert await house.applied(DOOR, "add_code") == written + 1
    await house.take("late", DOOR)


async def test_an_adapter_that_vanishes_and_returns(house: House) -> None:
    before = house.head
    await house.stage.sims.control.call("adapter", adapter="hci0", action="vanish")
    await house.event("gateway.radio_down", before)
    house.cloud.push([house.credential("patient", [DOOR], ALWAYS)])
    await house.cloud.wait_applied(WAIT_S)
    assert not await house.held(DOOR, "patient")
    await house.stage.sims.control.call("adapter", adapter="hci0", action="return")
    await house.event("gateway.radio_up", before)
    await house.until_held(DOOR, "patient")
    await house.take("patient", DOOR)


async def test_a_visit_is_attributed_though_the_code_is_gone_since(
    house: House, beginning: Beginning
) -> None:
    assert beginning.visit["opened"]
    event = await house.used("guest", DOOR, within_s=READ_WITHIN_S)
    assert event["body"]["uses"] == 1


async def test_somebody_elses_code_is_told_of_and_left_alone(
    house: House, beginning: Beginning
) -> None:
    found = {"device_id": house.id_of(DOOR)}
    await house.event("codes.unmanaged_found", beginning.mark, READ_WITHIN_S, **found)
    await house.give("neighbour", DOOR)
    await house.take("neighbour", DOOR)
    assert await house.held(DOOR, "by_hand") == [9]
    assert (await house.types(DOOR, "by_hand"))["opened"]
    assert house.leaks() == ""


async def test_who_is_removed_belongs_to_nobody(house: House) -> None:
    assert (await house.at(DOOR, "state"))["claimed"]
    code, _, err = await house.stage.daemon.cli("remove", DOOR, "--yes")
    assert code == 0, err
    assert not (await house.at(DOOR, "state"))["claimed"]
