"""The database damaged, of another release, under another key, or on a full disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from firmware_sims.demo.stage import Failed
from tests.house.house import Door, House, house, needs_broker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [*needs_broker, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module", scope="module", name="house")
async def _house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(tmp_path_factory.mktemp("house"), Door("front", "danalock-v3")) as running:
        await running.give("resident", "front")
        yield running


async def _refuses_to_start(house: House) -> str:
    """Its words. It ends by itself, with a code that is not that of a wrong setting."""
    with pytest.raises(Failed) as failed:
        await house.stage.daemon.start()
    assert "ended with 1:" in str(failed.value)
    words = house.stage.daemon.log.read_text().splitlines()[-1]
    assert "the gateway cannot start" in words
    assert "Traceback" not in words
    return words


def _user_version(database: Path, number: int) -> None:
    """The schema's number is a field of the file's head (SQLite file format, offset 60)."""
    with database.open("r+b") as file:
        file.seek(60)
        file.write(number.to_bytes(4, "big"))


async def test_a_newer_schema_is_left_alone(house: House) -> None:
    database = house.stage.folder / "state" / "state.db"
    await house.stage.daemon.stop()
    version = int.from_bytes(database.read_bytes()[60:64], "big")
    _user_version(database, 99)
    before = database.read_bytes()
    words = await _refuses_to_start(house)
    assert "schema 99 is from a newer release" in words
    assert "install that release again" in words
    assert database.read_bytes() == before

    _user_version(database, version)
    await house.up()
    await house.works()
    assert len(await house.held("front", "resident")) == 1


async def test_another_key_changes_nothing(house: House) -> None:
    key = house.stage.folder / "state" / "store.key"
    kept = key.read_bytes()
    await house.stage.daemon.stop()
    writes = (await house.at("front", "state"))["total_writes"]
    key.write_text("ab" * 32)
    words = await _refuses_to_start(house)
    assert "sealed with another key" in words
    assert "put that key back" in words
    assert "abab" not in words

    key.write_bytes(kept)
    await house.up()
    assert (await house.at("front", "state"))["total_writes"] == writes
    await house.works()
    assert len(await house.held("front", "resident")) == 1


async def test_a_second_gateway_on_the_same_database_is_turned_away(house: House) -> None:
    code, _, err = await house.stage.daemon.cli("run", "--config", str(house.stage.daemon.config))
    assert code == 1
    assert "another gateway is running" in err
    await house.works()


@pytest.mark.parametrize("damage", ["noise", "emptied", "cut off"])
async def test_a_damaged_database_is_set_aside_and_the_cloud_heals_it(
    house: House, damage: str
) -> None:
    state = house.stage.folder / "state"
    database = state / "state.db"
    await house.stage.daemon.stop()
    for beside in ("state.db-wal", "state.db-shm"):
        (state / beside).unlink(missing_ok=True)
    whole = database.read_bytes()
    database.write_bytes(
        {"noise": b"\x5a" * len(whole), "emptied": b"", "cut off": whole[: len(whole) // 3]}[damage]
    )
    epoch = house.cloud.presence["epoch"]
    found = await house.held("front", "resident")
    writes = (await house.at("front", "state"))["total_writes"]
    house.cloud.ledgers.clear()
    house.cloud.grants.clear()
    wanted, house.cloud.revision = house.cloud.revision, 0  # a cloud that wants nothing yet
    await house.up()
    assert house.cloud.presence["epoch"] != epoch
    reset = await house.event("gateway.store_reset")
    assert (state / reset["body"]["set_aside"]).exists()

    # Nobody told it what is wanted: it looks, and touches nothing.
    await house.event("codes.unmanaged_found")
    assert (await house.at("front", "state"))["total_writes"] == writes
    assert (await house.types("front", "resident"))["opened"]

    house.cloud.revision = wanted
    house.cloud.push_snapshot()
    await house.grant("resident", "front", "active")
    await house.cloud.wait_applied()
    assert await house.held("front", "resident") == found
    assert (await house.at("front", "state"))["total_writes"] == writes
    await house.works()
    await house.caught_up()
    house.dense()
