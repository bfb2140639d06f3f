"""A network's keys outlive the database and each of the two places, and are never made anew."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from gateway.domain.instant import Instant
from gateway.domain.secret import Secret
from gateway.errors import StoreFull, StoreUnreadable
from gateway.kit.clock import ManualClock
from gateway.store.database import open_store
from gateway.store.keyring import KEY_BYTES, Keyring
from gateway.store.network_keys import NetworkKeys

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

OURS, THEIRS = Keyring(bytes(KEY_BYTES)), Keyring(b"\x01" * KEY_BYTES)
NAMES = ("s0", "s2_access_control")


class Site:
    """A gateway's folder; each `keys` is a life of the gateway."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "zwave-keys.json"
        self.database = folder / "state.db"
        self._chance = itertools.count(1)

    async def keys(
        self, keyring: Keyring = OURS, names: Sequence[str] = NAMES
    ) -> dict[str, Secret]:
        async with open_store(self.database, ManualClock(Instant(0))) as store:
            kept = NetworkKeys(store, keyring, self.file, "zwave", self._random)
            return await kept.load(names, 16)

    def _random(self, size: int) -> bytes:
        return next(self._chance).to_bytes(size, "big")

    def lose_database(self) -> None:
        for part in self.folder.glob("state.db*"):
            part.unlink()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


async def test_they_are_made_once_and_nobody_can_read_them(site: Site) -> None:
    made = await site.keys()
    assert made == {"s0": Secret(f"{1:032x}"), "s2_access_control": Secret(f"{2:032x}")}
    assert await site.keys() == made
    assert site.file.stat().st_mode & 0o777 == 0o600
    for path in site.folder.iterdir():
        for key in made.values():
            assert key.reveal().encode() not in path.read_bytes()


async def test_they_outlive_the_database(site: Site) -> None:
    made = await site.keys()
    site.lose_database()
    assert await site.keys() == made
    site.file.unlink()  # and by then they are in the new database again
    assert await site.keys() == made


async def test_they_outlive_the_file(site: Site) -> None:
    made = await site.keys()
    site.file.unlink()
    assert await site.keys() == made
    site.lose_database()
    assert await site.keys() == made


async def test_a_damaged_file_is_written_again_from_the_database(site: Site) -> None:
    made = await site.keys()
    site.file.write_text("{", encoding="utf-8")
    assert await site.keys() == made
    site.lose_database()
    assert await site.keys() == made


async def test_sealed_with_another_key_they_are_left_alone(site: Site) -> None:
    made = await site.keys()
    before = site.file.read_bytes()
    site.lose_database()
    with pytest.raises(StoreUnreadable, match="sealed with another key"):
        await site.keys(THEIRS)
    assert site.file.read_bytes() == before
    assert await site.keys() == made


async def test_a_name_that_comes_later_gets_a_key_and_the_others_keep_theirs(site: Site) -> None:
    made = await site.keys()
    more = await site.keys(names=(*NAMES, "long_range"))
    assert more == {**made, "long_range": Secret(f"{3:032x}")}
    assert await site.keys() == made


async def test_keys_that_cannot_be_kept_are_not_used(site: Site) -> None:
    site.file.with_name(site.file.name + ".new").mkdir()
    with pytest.raises(StoreFull):
        await site.keys()
