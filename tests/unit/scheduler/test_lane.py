"""Order and pace in one lane: what goes first, what waits, and what must not wait."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from gateway.domain.events import EventType
from gateway.domain.instant import to_datetime
from gateway.domain.windows import Always, Recurring, Timed, Weekly
from gateway.radios.api import RadioStatus
from tests.flows.world import World, world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PIN, OTHER = "483920", "719204"
ZONE = "Europe/Berlin"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as one:
        yield one


async def test_a_changed_value_does_not_wait_out_the_pause_of_the_old(house: World) -> None:
    lock = house.add_lock()
    await house.start()
    lock.faults.extend([("program", "say:failed")] * 6)
    await house.want("c1", PIN, Always())
    await house.advance(200)
    tries = lock.count("program")
    assert tries == 6
    lock.faults.clear()
    await house.want("c1", OTHER, Always(), version=2)
    assert lock.opens(OTHER)


async def test_what_is_not_urgent_is_tried_patiently_until_the_door_is_near(house: World) -> None:
    lock = house.add_lock(keeps_windows=True)
    await house.start()
    await house.prove_windows()
    await house.advance(60)
    await house.want("c1", PIN, Timed(house.at(86_400), house.at(2 * 86_400)), suspended=True)
    lock.faults.extend([("program", "say:busy")] * 400)
    await house.want("c1", PIN, Timed(house.at(86_400), house.at(2 * 86_400)), version=2)
    await house.advance(43_200)
    patient = lock.count("program")
    assert patient <= 40
    await house.advance(43_200 - 300)
    before = lock.count("program")
    lock.faults.clear()
    await house.advance(150)
    assert lock.count("program") > before
    assert lock.slot_of(PIN) is not None


async def test_a_reading_before_an_erase_does_not_wait_because_the_next_opening_is_far(
    house: World,
) -> None:
    lock = house.add_lock()
    await house.start()
    await house.advance(60)
    wall = to_datetime(house.clock.now()).astimezone(ZoneInfo(ZONE))
    minute = wall.hour * 60 + wall.minute
    rule = Weekly(frozenset({wall.isoweekday()}), minute, minute + 2)
    lock.faults.append(("program", "answer_lost"))
    lock.faults.extend([("read", "not_delivered")] * 6)
    await house.want("c1", PIN, Recurring((rule,), ZONE))
    assert lock.opens(PIN)
    await house.advance(120 + 180)
    assert not lock.opens(PIN)


async def test_an_erase_goes_before_everything(house: World) -> None:
    lock = house.add_lock(delay_s=1.0)
    await house.start()
    await house.advance(60)
    await house.want("old", PIN, Always())
    await house.advance(10)
    said = len(lock.spoken)
    await house.want("new", OTHER, Always())
    await house.want("newer", "602857", Always())
    await house.revoke("old")
    await house.command("k1", "unlock", not_after=house.at(30))
    await house.advance(30)
    order = [s.what for s in lock.spoken[said:]]
    assert order[:4] == ["program", "erase", "unlock", "program"]


async def test_a_lock_is_offline_after_two_silences_and_online_when_heard(house: World) -> None:
    lock = house.add_lock()
    await house.start()
    await house.want("c1", PIN, Always())
    lock.unreachable = True
    await house.revoke("c1")
    await house.advance(6)
    assert not await house.told(EventType.DEVICE_OFFLINE)
    await house.advance(60)
    assert [t.body["cause"] for t in await house.told(EventType.DEVICE_OFFLINE)] == ["no_answer"]
    lock.unreachable = False
    house.hear()
    await house.advance(2)
    assert len(await house.told(EventType.DEVICE_ONLINE)) == 1
    assert not lock.opens(PIN)


async def test_a_lock_that_answers_and_does_not_obey_is_not_hammered(house: World) -> None:
    lock = house.add_lock(delay_s=1.0)
    await house.start()
    await house.advance(60)
    await house.want("c1", PIN, Always())
    await house.advance(10)
    lock.faults.extend([("erase", "say:failed")] * 1000)
    tries = lock.count("erase")
    await house.revoke("c1")
    for _ in range(600):
        house.hear()
        await house.advance(1)
    assert lock.count("erase") - tries < 30


async def test_a_lock_that_says_it_stored_a_code_and_did_not_is_neither_hammered_nor_offline(
    house: World,
) -> None:
    """Its own late and doubled frames are no reason to try again: it was there all the time."""
    lock = house.add_lock(delay_s=1.0)
    await house.start()
    await house.advance(60)
    lock.faults.extend([("program", "not_stored")] * 1000)
    await house.want("c1", PIN, Always())
    for _ in range(600):
        house.hear()
        await house.advance(1)
    assert lock.count("program") < 20
    assert not await house.told(EventType.DEVICE_OFFLINE)
    lock.faults.clear()
    await house.advance(180)
    assert lock.opens(PIN)


async def test_a_command_for_a_lock_whose_radio_went_down_is_answered_at_once(
    house: World,
) -> None:
    lock = house.add_lock(delay_s=5.0)
    await house.start()
    await house.advance(120)
    await house.want("c1", PIN, Always())
    await house.command("k1", "unlock", not_after=house.at(30))
    assert lock.count("unlock") == 0, "the lane is busy with the write"
    house.radio_is(RadioStatus.DOWN)
    await house.advance(6)
    result = await house.result("k1")
    assert result is not None
    assert (result["outcome"], result["reason"]) == ("refused", "radio_unavailable")
    assert lock.opened == 0
