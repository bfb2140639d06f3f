"""A full disk: what is due at the doors is done, and what happened is told once there is room.

The state lives on a small file system of its own (tmpfs), which takes root.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from firmware_sims.demo.stage import Failed
from firmware_sims.demo.steps import rfc, soon
from tests.house.house import ALWAYS, LATE_S, Door, House, house, needs_broker, now, poll

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = [
    *needs_broker,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a tmpfs"),
    pytest.mark.asyncio(loop_scope="module"),
]


@contextlib.contextmanager
def _small_disk(place: Path) -> Iterator[Path]:
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a tmpfs may not be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)  # noqa: S607 - system tool


@pytest_asyncio.fixture(loop_scope="module", scope="module", name="house")
async def _house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with _small_disk(folder / "state"):
        async with house(folder, Door("front")) as running:
            await running.give("resident", "front")
            yield running


class _Ballast:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "ballast"

    def fill(self) -> None:
        """To the last page."""
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            while True:
                os.write(file, bytes(4096))
        except OSError:
            pass
        finally:
            os.close(file)

    def drop(self) -> None:
        self._path.unlink()


async def test_the_doors_are_served_and_nothing_is_lost(house: House) -> None:
    ballast = _Ballast(house.stage.folder / "state")
    closes = soon(15)
    window = {"kind": "timed", "opens_at": rfc(soon(-60)), "closes_at": rfc(closes)}
    await house.give("guest", "front", window=window)
    await house.give("leaver", "front")
    await house.take("leaver", "front")  # an erase empties the log, which then must grow
    await house.caught_up()
    before = house.head

    ballast.fill()
    for _ in range(3):
        await house.at("front", "thumb_turn", to="locked")
        assert (await house.types("front", "resident"))["opened"]
    log = house.stage.daemon.log
    await poll("a word about the disk", lambda: "no space left" in log.read_text())
    house.cloud.push([house.credential("newcomer", ["front"], ALWAYS)])
    await house.until_gone("front", "guest", 30)  # its end was known before
    assert (now() - closes).total_seconds() < LATE_S
    assert not (await house.types("front", "guest"))["opened"]
    assert house.head == before

    ballast.drop()
    await house.until_held("front", "newcomer")
    await house.event("credential.erased", before, credential_id="guest")
    await house.event("access.denied", before)
    told = [e for e in house.cloud.events() if e["seq"] > before]
    assert [e["type"] for e in told].count("credential.used") == 3
    grant = await house.grant("guest", "front", "erased")
    assert grant["late_revocation_s"] < LATE_S
    await house.works()


async def test_a_start_on_a_full_disk_costs_nothing(house: House) -> None:
    """It says why it does not start, and leaves the database for when there is room."""
    state = house.stage.folder / "state"
    ballast, epoch = _Ballast(state), house.cloud.presence["epoch"]
    await house.stage.daemon.stop()
    files = {path.name for path in state.iterdir()}
    ballast.fill()
    with pytest.raises(Failed, match="no space left"):
        await house.stage.daemon.start()
    ballast.drop()
    assert files <= {path.name for path in state.iterdir()}
    await house.up()
    assert house.cloud.presence["epoch"] == epoch
    await house.works()
    assert len(await house.held("front", "resident")) == 1
