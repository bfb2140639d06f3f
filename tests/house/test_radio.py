"""A stick that is missing, unplugged, reset or silent: the house goes on, and it comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.house.house import ALWAYS, Door, House, house, needs_broker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from firmware_sims.demo.steps import Document

pytestmark = [*needs_broker, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def _nobody_is_suspected(house: House) -> AsyncIterator[None]:
    """The stick was away, not the locks: they did not join again, and are not read anew."""
    yield
    await house.caught_up()
    house.dense()
    assert not [e for e in house.cloud.events() if e["type"] == "device.suspect"]


@pytest_asyncio.fixture(loop_scope="module", scope="module", name="house")
async def _house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("house")
    async with house(folder, Door("front"), zigbee__probe_interval_s=1) as running:
        yield running


async def _live_meanwhile(house: House, case: str) -> None:
    """While the stick is away: a code is taken back, another is given, a door is to be opened."""
    house.cloud.push(
        [house.credential(f"newcomer_{case}", ["front"], ALWAYS)],
        [{"credential_id": f"leaving_{case}"}],
        confirm_removals=True,
    )
    await house.cloud.wait_applied()
    answer = await house.cloud.command("unlock", house.id_of("front"))
    assert (answer["result"]["outcome"], answer["result"]["reason"]) == (
        "refused",
        "radio_unavailable",
    )
    radio = await _radio(house)
    assert radio["status"] in {"down", "opening"}
    assert radio["reason"]


async def _radio(house: House) -> Document:
    status = await house.status()
    [radio] = status["radios"]
    if radio["status"] != "up":
        assert "radio_down" in {item["code"] for item in status["attention"]}
    found: Document = radio
    return found


async def _back_again(house: House, case: str, after: int) -> None:
    await house.event("gateway.radio_up", after)
    await house.until_gone("front", f"leaving_{case}")
    await house.until_held("front", f"newcomer_{case}")
    assert not (await house.types("front", f"leaving_{case}"))["opened"]
    assert (await house.types("front", f"newcomer_{case}"))["opened"]
    assert (await _radio(house))["status"] == "up"
    await house.works()


async def test_missing_at_the_start(house: House) -> None:
    await house.give("leaving_start", "front")
    await house.stage.daemon.stop()
    await house.stage.sims.stop()
    before = house.head
    await house.up()
    await house.event("gateway.started", before)
    await house.event("gateway.radio_down", before)
    await _live_meanwhile(house, "start")
    await house.event("credential.erase_overdue", before, credential_id="leaving_start")
    await house.stage.sims.start()
    await _back_again(house, "start", before)


async def test_unplugged_and_plugged_in_again(house: House) -> None:
    await house.give("leaving_unplugged", "front")
    before = house.head
    await house.stage.sims.stop()
    await house.event("gateway.radio_down", before)
    await _live_meanwhile(house, "unplugged")
    await house.stage.sims.start()
    await _back_again(house, "unplugged", before)


async def test_a_stick_that_hangs_is_noticed(house: House) -> None:
    """It takes bytes and answers nothing; only the probe can tell."""
    await house.give("leaving_mute", "front")
    before = house.head
    await house.stage.sims.control.call("radio", action="mute_ezsp")
    house.cloud.push(
        [house.credential("newcomer_mute", ["front"], ALWAYS)],
        [{"credential_id": "leaving_mute"}],
        confirm_removals=True,
    )
    await house.event("credential.erase_overdue", before, credential_id="leaving_mute")
    await house.event("gateway.radio_down", before)
    await house.stage.sims.control.call("radio", action="unmute")
    await _back_again(house, "mute", before)


async def test_short_breaks_in_the_middle_of_work(house: House) -> None:
    """The line drops while codes are written, the stick resets while they are erased."""
    names = [f"short_{number}" for number in range(6)]
    for action, push in (
        ("drop", ([house.credential(name, ["front"], ALWAYS) for name in names], [])),
        ("reset", ([], [{"credential_id": name} for name in names])),
    ):
        before = house.head
        house.cloud.push(*push, confirm_removals=True)
        await house.cloud.wait_applied()
        await house.stage.sims.control.call("radio", action=action)
        await house.event("gateway.radio_down", before)
        await house.event("gateway.radio_up", before)
        for name in names:
            await (house.until_gone if action == "reset" else house.until_held)("front", name)
    await house.works()
