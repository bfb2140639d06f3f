"""`lock-gateway clock` as processes: the screen, a challenge to pipe, tokens that leak nowhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gateway.domain.timebelief import Source
from tests.command_line import Ran, lock_gateway
from tests.local_house import EVERYBODY, NOW, House, open_house
from tests.signer import Signer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TECHNICIAN = Signer("gw_test", "tech-1")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    issuers = TECHNICIAN.issuers(Source.TECHNICIAN)
    async with open_house(tmp_path, EVERYBODY, issuers) as opened:
        await opened.keeper.begin()
        yield opened


async def cli(house: House, *arguments: str, stdin: str = "") -> Ran:
    return await lock_gateway(*arguments, stdin=stdin, LOCK_GATEWAY_SOCKET=str(house.socket))


async def token(house: House) -> str:
    asked = await cli(house, "clock", "challenge")
    assert asked.code == 0, asked.err
    return TECHNICIAN.sign(NOW, asked.out.strip(), Source.TECHNICIAN)


async def test_one_screen(house: House) -> None:
    ran = await cli(house, "clock")
    assert (ran.code, ran.err) == (0, "")
    assert "NOT PROVEN   Fri 20 Nov 2026 15:30 CET (20 Nov 14:30 UTC)" in ran.out
    assert "not newly written until the time is proven" in ran.out
    lines = ran.out.splitlines()
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in ran.out


async def test_json_is_the_apis_own_document(house: House) -> None:
    for arguments in (("clock", "--json"), ("clock", "challenge", "--json")):
        document = json.loads((await cli(house, *arguments)).out)
        assert document["schema"] == 1
    assert document["challenge"] == "challenge-1"
    ahead = await cli(house, "clock", "--json", "challenge")
    assert json.loads(ahead.out)["challenge"] == "challenge-2"


async def test_a_challenge_can_be_piped_and_says_what_to_do_with_it(house: House) -> None:
    ran = await cli(house, "clock", "challenge")
    assert ran.out == "challenge-1\n"
    assert "10 min" in ran.err
    assert "tech-1" in ran.err
    assert "clock set -" in ran.err


async def test_a_token_from_stdin_in_the_pieces_that_a_mail_made_of_it(house: House) -> None:
    signed = await token(house)
    ran = await cli(house, "clock", "set", "-", stdin=f"{signed[:70]}\r\n  {signed[70:]}\n")
    assert ran.code == 0, ran.err
    assert "PROVEN" in ran.out
    assert "a technician's signed token" in ran.out
    assert "Codes open and end when they should" in ran.out


async def test_a_token_as_arguments(house: House) -> None:
    signed = await token(house)
    ran = await cli(house, "clock", "set", signed[:70], signed[70:], "--json")
    assert json.loads(ran.out)["trust"] == "trusted"


@pytest.mark.parametrize(
    ("before", "exit_code"), [(("set", "-x"), 2), ((), 2), (("sett",), 2), (("set", "bad"), 1)]
)
async def test_nothing_wrong_repeats_a_token(
    house: House, before: tuple[str, ...], exit_code: int
) -> None:
    signed = await token(house)
    ran = await cli(house, "clock", *before, signed)
    assert ran.code == exit_code, ran.err
    assert ran.err
    assert all(part not in ran.err + ran.out for part in signed.split("."))


async def test_no_token_and_a_spent_one(house: House) -> None:
    ran = await cli(house, "clock", "set", "-", stdin=" \n")
    assert ran.code == 2
    assert "no token came" in ran.err
    signed = await token(house)
    assert (await cli(house, "clock", "set", signed)).code == 0
    again = await cli(house, "clock", "set", signed, "--json")
    assert again.code == 1
    assert json.loads(again.err)["error"]["code"] == "time_not_fresh"


async def test_status_tells_of_it_in_one_line(house: House) -> None:
    await cli(house, "clock", "set", await token(house))
    ran = await cli(house, "status")
    assert "trusted  technician, within" in ran.out
