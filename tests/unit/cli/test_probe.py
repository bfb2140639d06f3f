"""`lock-gateway probe`: what the installer reads, and how each verdict ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gateway.domain.probe import ProbeStage
from gateway.errors import RequestError
from tests.command_line import Ran, lock_gateway
from tests.local_house import FRONT, House, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def probe(house: House, *arguments: str) -> Ran:
    return await lock_gateway("probe", FRONT, *arguments, LOCK_GATEWAY_SOCKET=str(house.socket))


async def test_the_installer_is_told_what_to_type_and_what_must_not_happen(house: House) -> None:
    ran = await probe(house)
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0].startswith("writing a code whose window is long over")
    assert lines[1].startswith("Type 404142 at the lock now. It must NOT open.")
    assert lines[2].startswith("proven")


@pytest.mark.parametrize(
    ("stage", "code", "said"),
    [
        (ProbeStage.OPENED, 1, "does not keep schedules"),
        (ProbeStage.UNANSWERED, 75, "nobody typed the code in time"),
        (ProbeStage.FAILED, 1, "could not put the probe's code on the lock"),
    ],
)
async def test_each_other_end_has_its_exit_code(
    house: House, stage: ProbeStage, code: int, said: str
) -> None:
    house.operations.probed = stage
    ran = await probe(house)
    assert (ran.code, "proven" in ran.out) == (code, False)
    assert said in ran.err


async def test_json_is_one_line_for_each_step(house: House) -> None:
    ran = await probe(house, "--json")
    assert [json.loads(line)["stage"] for line in ran.out.splitlines()] == [
        "writing",
        "type",
        "proven",
    ]


async def test_a_lock_that_cannot_be_probed_is_named(house: House) -> None:
    house.operations.refusal = RequestError("could not probe: no schedules", "unsupported")
    ran = await probe(house)
    assert ran.code == 1
    assert "no schedules" in ran.err
