"""No broker, from the start and for long: the building lives on, and nothing of it is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from firmware_sims.demo.steps import rfc, soon
from tests.house.house import LATE_S, Door, House, house, needs_broker, now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [*needs_broker, pytest.mark.asyncio(loop_scope="module")]

LEAD_S = 1.0


@pytest_asyncio.fixture(loop_scope="module", scope="module", name="house")
async def _house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("house")
    async with house(folder, Door("front"), policy__lead_s=LEAD_S) as running:
        yield running


async def test_windows_are_kept_without_a_broker(house: House) -> None:
    """The proof is at the door; afterwards every event is at the cloud, in order."""
    await house.give("resident", "front")
    opens, closes = soon(20), soon(23)  # a restart comes before
    window = {"kind": "timed", "opens_at": rfc(opens), "closes_at": rfc(closes)}
    house.cloud.push([house.credential("guest", ["front"], window)])
    await house.cloud.wait_applied()
    await house.caught_up()

    await house.stage.daemon.stop()
    await house.stage.broker.stop()
    before = house.head
    await house.stage.daemon.start()
    broker = (await house.status())["cloud"]
    assert not broker["connected"]
    assert broker["reason"]

    assert not (await house.types("front", "guest"))["opened"]
    await house.until_held("front", "guest")
    assert now() < opens
    await house.until_time(opens)
    assert (await house.types("front", "guest"))["opened"]
    await house.until_gone("front", "guest")
    assert (now() - closes).total_seconds() < LATE_S
    assert not (await house.types("front", "guest"))["opened"]
    for _ in range(12):
        await house.at("front", "thumb_turn", to="locked")
        assert (await house.types("front", "resident"))["opened"]
    assert house.head == before

    await house.stage.broker.start()
    await house.cloud.wire.connected()
    await house.cloud.until(lambda: _uses(house, before).count("resident") == 12, 30)
    await house.caught_up()
    house.dense()
    assert _uses(house, before) == ["guest", *["resident"] * 12]
    door = [
        e["at"] for e in house.cloud.events() if e["seq"] > before and e["type"].startswith("lock.")
    ]
    assert len(door) > 12
    assert door == sorted(door)
    house.cloud.ask(want_reported=True)  # or it comes by itself, in its time
    grant = await house.grant("guest", "front", "erased")
    assert grant["early_exposure_s"] <= LEAD_S
    assert grant["late_revocation_s"] < LATE_S
    await house.works()


def _uses(house: House, after: int) -> list[str]:
    return [
        e["credential_id"]
        for e in house.cloud.events()
        if e["seq"] > after and e["type"] == "credential.used"
    ]


async def test_a_broker_that_dies_again_and_again_loses_nothing(house: House) -> None:
    before = house.head
    for _ in range(3):
        await house.stage.broker.kill()
        await house.at("front", "thumb_turn", to="locked")
        await house.types("front", "resident")
        await house.stage.broker.start()
        await house.at("front", "thumb_turn", to="locked")
        await house.types("front", "resident")
    await house.cloud.until(lambda: len(_uses(house, before)) == 6, 30)
    await house.works()
    await house.caught_up()
    house.dense()
