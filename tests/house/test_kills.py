"""The daemon killed at random moments while codes come and go: nothing lost, nothing done twice."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.house.house import ALWAYS, Door, House, house, needs_broker, pause

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [*needs_broker, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

KILLS = 10
GRANTS = 20
DOORS = ("front", "side")


@pytest_asyncio.fixture(loop_scope="module", scope="module", name="house")
async def _house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    doors = (Door("front"), Door("side", "danalock-v3"))
    async with house(tmp_path_factory.mktemp("house"), *doors) as running:
        yield running


async def test_ten_kills_while_twenty_codes_come_and_go(house: House) -> None:
    random = Random(20)
    names = [f"code_{number:02}" for number in range(GRANTS)]
    doors = {name: random.choice(DOORS) for name in names}
    to_come, there = list(names), list[str]()
    before = {door: (await house.at(door, "state"))["total_writes"] for door in DOORS}
    for round_ in range(KILLS):
        coming = [to_come.pop(0) for _ in range(2)]
        leaving = [there.pop(random.randrange(len(there)))] if round_ % 2 and there else []
        there += coming
        house.cloud.push(
            [house.credential(name, [doors[name]], ALWAYS) for name in coming],
            [{"credential_id": name} for name in leaving],
            confirm_removals=True,
        )
        # From before it was sent anything to after it wrote everything.
        await pause(random.uniform(0, 0.15))
        await house.stage.daemon.kill()
        await house.stage.daemon.launch()
        await pause(random.uniform(0.6, 1.2))
    await house.stage.daemon.kill()
    await house.up()
    await house.cloud.wait_applied(90)

    for name in names:
        if name in there:
            await house.until_held(doors[name], name)
            assert len(await house.held(doors[name], name)) == 1
        else:
            await house.until_gone(doors[name], name)
    for door in DOORS:
        state = await house.at(door, "state")
        codes = [slot["code"] for slot in state["slots"].values() if slot["code"]]
        assert len(codes) == len([name for name in there if doors[name] == door])
        written = state["total_writes"] - before[door]
        came = len([name for name in names if doors[name] == door])
        left = came - len(codes)
        # An erase may safely be repeated; a code is written again only if it was not found. One
        # that came and went while the daemon was still starting need never have been written.
        assert len(codes) <= written <= came + left + KILLS
    await house.caught_up()
    house.dense()
    for name in there:
        grant = await house.grant(name, doors[name], "active")
        assert "read_back" in grant["evidence"]
    await house.works()
