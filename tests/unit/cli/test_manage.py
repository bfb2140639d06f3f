"""Commands about records and codes: what is asked first, what reaches the journal, what is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.store import devices, journal
from tests.command_line import Ran, lock_gateway
from tests.local_house import FRONT, SAUNA, House, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gateway.store.journal import CommandRow


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def cli(house: House, *arguments: str) -> Ran:
    return await lock_gateway(*arguments, LOCK_GATEWAY_SOCKET=str(house.socket))


async def journaled(house: House, command_id: str) -> CommandRow | None:
    return await house.store.fetch_one(journal.command(command_id))  # type: ignore[arg-type]  # an id


async def test_revoke_asks_or_is_told(house: House) -> None:
    house.answers["revoke"] = {"outcome": "confirmed", "grants": 2}
    asked = await cli(house, "revoke", "Bob", "--reason", "left early", "--id", "c1")
    assert asked.code == 2
    assert "--yes" in asked.err
    assert await journaled(house, "c1") is None
    done = await cli(house, "revoke", "Bob", "--reason", "left early", "--yes", "--id", "c1")
    assert done.code == 0, done.err
    assert done.out.startswith("Bob: revoked at Front door, Sauna.")
    assert "opens until it is erased" in done.out
    row = await journaled(house, "c1")
    assert row is not None
    assert (row.kind, row.device_id) == ("revoke", None)
    assert row.body == {"credential_id": "cred_bob", "reason": "left early"}


@pytest.mark.parametrize(
    ("credential", "lock", "device_id", "door"),
    [("Bob", "sauna", SAUNA, "Sauna"), ("Away", "dev_unjoined", "dev_unjoined", "dev_unjoined")],
)
async def test_revoke_at_one_lock(
    house: House, credential: str, lock: str, device_id: str, door: str
) -> None:
    house.answers["revoke"] = {"outcome": "confirmed", "grants": 1}
    done = await cli(house, "revoke", credential, lock, "--reason", "x", "-y", "--id", "c1")
    assert done.out.startswith(f"{credential}: revoked at {door}."), done.err
    row = await journaled(house, "c1")
    assert row is not None
    assert row.device_id == device_id


async def test_revoke_names_what_it_cannot_find(house: House) -> None:
    for arguments, words in (
        (["Bbo"], "Did you mean Bob"),
        (["Ada", "sauna"], "not for Sauna"),
        (["Ada", "cellar"], "could not find the device"),
    ):
        ran = await cli(house, "revoke", *arguments, "--reason", "x", "--yes")
        assert ran.code == 1
        assert words in ran.err
    house.answers["revoke"] = {"outcome": "refused", "reason": "unknown_credential"}
    ran = await cli(house, "revoke", "Gone", "--reason", "x", "--yes")
    assert (ran.code, ran.out) == (1, "")
    assert "nothing of it is left" in ran.err
    assert await house.store.fetch(journal.open_commands()) == []


async def test_the_same_id_does_not_revoke_another_code(house: House) -> None:
    house.answers["revoke"] = {"outcome": "confirmed", "grants": 1}
    await cli(house, "revoke", "Bob", "--reason", "x", "--yes", "--id", "c1")
    other = await cli(house, "revoke", "Ada", "--reason", "x", "--yes", "--id", "c1")
    assert other.code == 1
    assert "given for something else" in other.err


@pytest.mark.parametrize(
    ("arguments", "kind", "result", "words"),
    [
        (
            ["resume", "front", "--reason", "cleared by mistake"],
            "resume_repair",
            {"outcome": "confirmed", "grants": 2},
            "Front door: repair resumed, codes to put back: 2\n",
        ),
        (
            ["rename", "front", "Main door"],
            "rename",
            {"outcome": "confirmed"},
            "Front door: now called Main door\n",
        ),
        (
            ["refresh", "front"],
            "refresh",
            {"outcome": "confirmed"},
            "Front door: slots that are not ours are read anew\n",
        ),
    ],
)
async def test_a_device_is_resumed_renamed_refreshed(
    house: House, arguments: list[str], kind: str, result: dict[str, Any], words: str
) -> None:
    house.answers[kind] = result
    ran = await cli(house, *arguments)
    assert (ran.code, ran.out) == (0, words), ran.err
    house.answers[kind] = {"outcome": "refused", "reason": "unknown_device"}
    refused = await cli(house, *arguments)
    assert refused.code == 1
    assert "no such device" in refused.err


async def test_resume_and_revoke_say_why(house: House) -> None:
    for arguments in (["resume", "front"], ["revoke", "Bob", "--yes"]):
        ran = await cli(house, *arguments)
        assert ran.code == 2
        assert "--reason" in ran.err


async def test_a_name_that_is_none_is_refused_in_words(house: House) -> None:
    house.answers["rename"] = {"outcome": "refused", "reason": "invalid_name"}
    ran = await cli(house, "rename", "front", " ")
    assert ran.code == 1
    assert "1 to 64 letters" in ran.err
    door = await house.store.fetch_one(devices.device(FRONT))
    assert door is not None
    assert door.name == "Front door"
