"""`lock-gateway sim …` against a real simulated world on its control socket."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from firmware_sims.running import run_zigbee
from firmware_sims.world import parse_world
from tests.command_line import Ran, lock_gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WORLD = {
    "node": [{"name": "front", "profile": "yale-yrd", "ieee": "00:0d:6f:00:00:00:00:01"}],
}


@pytest.fixture
async def control(tmp_path: Path) -> AsyncIterator[str]:
    async with run_zigbee(parse_world(WORLD), control=tmp_path / "sim.sock") as world:
        yield world.control


async def sim(control: str, *arguments: str) -> Ran:
    return await lock_gateway("sim", *arguments, LOCK_GATEWAY_SIM=control)


async def test_someone_sets_a_code_and_types_it(control: str) -> None:
    done = await sim(control, "call", "set_code_by_hand", "device=front", "slot=3", "code=0042")
    assert done.code == 0, done.err
    right = await sim(control, "type-code", "front", "0042")
    assert right.code == 0, right.err
    assert json.loads(right.out)["opened"] is True
    wrong = await sim(control, "type-code", "front", "0043")
    assert wrong.code == 1
    assert json.loads(wrong.out)["opened"] is False
    state = json.loads((await sim(control, "state", "front")).out)
    assert state["slots"]["3"]["code"] == "0042"
    assert state["bolt"] == "unlocked"


async def test_the_bolt_and_the_range(control: str) -> None:
    assert (await sim(control, "thumb-turn", "front", "--to", "locked")).code == 0
    assert (await sim(control, "jam", "front")).code == 0
    assert json.loads((await sim(control, "state", "front")).out)["jammed"] is True
    assert (await sim(control, "unjam", "front")).out == "done\n"
    assert (await sim(control, "out-of-range", "front")).code == 0
    assert json.loads((await sim(control, "state", "front")).out)["in_range"] is False
    assert (await sim(control, "in-range", "front")).code == 0
    assert (await sim(control, "join", "front")).code == 0


async def test_faults_are_armed_waited_for_and_released(control: str) -> None:
    armed = await sim(control, "arm", "front", "withhold-answer", "--on", "set_pin_code")
    assert armed.code == 0, armed.err
    assert json.loads(armed.out)["fault"] == "withhold-answer"
    released = await sim(control, "release", "front", "--drop")
    assert json.loads(released.out) == {"released": 0}
    await sim(control, "thumb-turn", "front", "--to", "unlocked")
    seen = await sim(control, "wait", "--device", "front", "--kind", "manual_unlocked")
    assert seen.code == 0, seen.err
    none = await sim(control, "wait", "--device", "front", "--kind", "jammed", "--timeout", "0.05")
    assert none.code == 1


async def test_refusals_are_told_in_the_simulators_words(control: str) -> None:
    unknown = await sim(control, "jam", "cellar")
    assert unknown.code == 1
    assert "cellar" in unknown.err
    fault = await sim(control, "arm", "front", "gremlins")
    assert fault.code == 1
    assert "gremlins" in fault.err
    assert (await sim(control, "call", "state", "front")).code == 2


async def test_no_simulator_there(tmp_path: Path) -> None:
    ran = await sim(str(tmp_path / "none.sock"), "state", "front")
    assert ran.code == 3
    assert "firmware_sims" in ran.err
    assert (await lock_gateway("sim", "state", "front")).code == 2
