"""A Z-Wave lock in a whole house: daemon, Z-Wave JS, stick, lock and broker are processes.

The lock joins by the PIN of its label before the first test. Witnesses are what the lock holds,
what its keypad did, and what the cloud received.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from firmware_sims.demo.over_zwave import missing
from tests.house.house import ALWAYS, Door, House, house, needs_broker, poll

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [
    *needs_broker,
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=missing() or "it is there"),
    pytest.mark.asyncio(loop_scope="module"),
]

DOOR = "cellar"


@pytest_asyncio.fixture(loop_scope="module", scope="module", name="house")
async def _house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    door = Door(DOOR, "kwikset-620", {"slots": 10}, family="zwave")
    async with house(tmp_path_factory.mktemp("h"), door, zwave__probe_interval_s=1) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def _nobody_is_suspected(house: House) -> AsyncIterator[None]:
    """Nothing is lost on the way to the cloud, and who was a member has not joined again."""
    yield
    await house.caught_up()
    house.dense()
    assert len([e for e in house.cloud.events() if e["type"] == "device.joined"]) == 1
    assert not [e for e in house.cloud.events() if e["type"] == "device.suspect"]


def _server_of(house: House) -> int:
    """The process id of the Z-Wave server: the daemon's child that runs Node.js."""
    daemon = house.stage.daemon.process.pid
    children = Path(f"/proc/{daemon}/task/{daemon}/children").read_text().split()
    [server] = [int(pid) for pid in children if _runs(int(pid))]
    return server


def _runs(pid: int) -> bool:
    """Whether this process is a Z-Wave server; one that has ended has no command line."""
    try:
        return b"@zwave-js/server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


async def _locked(house: House) -> None:
    """By hand, and the cloud has heard of it: nobody is speaking any more.

    A lock and a gateway that speak in the same instant spoil each other's nonce (CC:009F, SPAN).
    """
    before = house.head
    if (await house.at(DOOR, "state"))["bolt"] != "locked":
        await house.at(DOOR, "thumb_turn", to="locked")
        await house.event("lock.locked", before, device_id=house.id_of(DOOR))


async def _changed_meanwhile(house: House, case: str) -> None:
    """One code is taken back and another is given, and the lock hears of neither yet."""
    house.cloud.push(
        [house.credential(f"newcomer_{case}", [DOOR], ALWAYS)],
        [{"credential_id": f"leaving_{case}"}],
        confirm_removals=True,
    )
    await house.cloud.wait_applied()


async def _as_wanted(house: House, case: str) -> None:
    """Without anybody's doing: the one code is gone, the other opens, and is told of."""
    await house.until_gone(DOOR, f"leaving_{case}")
    await house.until_held(DOOR, f"newcomer_{case}")
    await house.grant(f"leaving_{case}", DOOR, "erased")
    await house.grant(f"newcomer_{case}", DOOR, "active")
    assert not (await house.types(DOOR, f"leaving_{case}"))["opened"]
    assert (await house.types(DOOR, f"newcomer_{case}"))["opened"]
    await house.used(f"newcomer_{case}", DOOR)
    await _locked(house)
    await house.take(f"newcomer_{case}", DOOR)


async def test_joined_with_keys_and_a_code_comes_opens_and_goes(house: House) -> None:
    assert (await house.at(DOOR, "state"))["secure"]
    await house.give("guest", DOOR)
    assert len(await house.held(DOOR, "guest")) == 1
    before = house.head
    assert (await house.types(DOOR, "guest"))["opened"]
    await house.used("guest", DOOR)
    opened = await house.event("lock.unlocked", before, device_id=house.id_of(DOOR))
    assert (opened["credential_id"], opened["body"]["method"]) == ("guest", "code")
    await house.take("guest", DOOR)
    await house.grant("guest", DOOR, "erased")
    await _locked(house)
    assert not (await house.types(DOOR, "guest"))["opened"]


async def test_the_cloud_opens_it(house: House) -> None:
    await _locked(house)
    before = await house.applied(DOOR, "unlock_door")
    answer = await house.cloud.command("unlock", house.id_of(DOOR))
    assert answer["result"]["outcome"] == "confirmed"
    assert (await house.at(DOOR, "state"))["bolt"] == "unlocked"
    assert await house.applied(DOOR, "unlock_door") == before + 1
    await _locked(house)


async def test_a_lock_that_dies_is_rid_of_the_code_when_it_is_back(house: House) -> None:
    await house.give("leaving_dead", DOOR)
    before = house.head
    await house.at(DOOR, "out_of_range")
    await _changed_meanwhile(house, "dead")
    await house.event("credential.erase_overdue", before, credential_id="leaving_dead")
    assert await house.held(DOOR, "leaving_dead")
    await house.at(DOOR, "in_range")
    await _as_wanted(house, "dead")
    grant = await house.grant("leaving_dead", DOOR, "erased")
    assert grant["late_revocation_s"] > 0


async def test_a_server_that_ends_is_started_again(house: House) -> None:
    await house.give("leaving_ended", DOOR)
    before = house.head
    first = _server_of(house)
    os.kill(first, signal.SIGKILL)
    await house.event("gateway.radio_down", before, radio="zwave")
    await _changed_meanwhile(house, "ended")
    await house.event("gateway.radio_up", before, radio="zwave")
    assert _server_of(house) != first
    await _as_wanted(house, "ended")


async def test_a_stick_that_goes_mute_is_noticed(house: House) -> None:
    await house.give("leaving_mute", DOOR)
    before = house.head
    await house.stage.sims.control.call("zwave", action="mute")
    await _changed_meanwhile(house, "mute")
    await house.event("credential.erase_overdue", before, credential_id="leaving_mute")
    await house.event("gateway.radio_down", before, radio="zwave")
    assert await house.held(DOOR, "leaving_mute")
    await house.stage.sims.control.call("zwave", action="unmute")
    await house.event("gateway.radio_up", before, radio="zwave")
    await _as_wanted(house, "mute")


async def test_a_killed_daemon_leaves_no_server_behind(house: House) -> None:
    await house.give("leaving_killed", DOOR)
    server = _server_of(house)
    await house.stage.daemon.kill()
    await poll("the server ends by itself", lambda: not _runs(server))
    await house.up()
    await _changed_meanwhile(house, "killed")
    await _as_wanted(house, "killed")
