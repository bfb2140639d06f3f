"""The simulated Z-Wave network with a host that is not ours: the unmodified Z-Wave JS.

Here: from inclusion to revocation, and what goes wrong on the way; locks of one network, most of
them. The truth that is compared with is the firmware's own.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from firmware_sims.firmware.model import BoltState
from firmware_sims.world import parse_world
from firmware_sims.zwave.running import RunningZwave, run_zwave
from tests.contracts.zwave_host import ZwaveHost, needs_node

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from firmware_sims.zwave.devices import ZwaveLock

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

S2_ACCESS_CONTROL = 2
ROUNDS = 12
NAMES = ("front", "side", "back")
KEYPAD_UNLOCK, JAMMED, CODE_ADDED, CODE_IS_DUPLICATE = 6, 11, 14, 15


@dataclass
class House:
    """Locks, their stick, and a host on it."""

    running: RunningZwave
    host: ZwaveHost

    def door(self, name: str) -> ZwaveLock:
        return self.running.world.zwave[name]

    async def included(self, name: str) -> int:
        """Include a door by its PIN; returns its node id once it is interviewed."""
        before = len(self.host.events)
        await self.host.call("include", pin=self.door(name).label.pin)
        self.door(name).radio.start_joining()
        ready = await self.host.event("ready", after=before)
        node: int = ready["node"]
        return node


@asynccontextmanager
async def house(state: Path, *names: str) -> AsyncIterator[House]:
    needs_node()
    locks = [{"name": name, "profile": "schlage-be469"} for name in names]
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(
            run_zwave(parse_world({"zwave": locks}), state=state / "sim")
        )
        host = await stack.enter_async_context(ZwaveHost(running.serial, state / "cache"))
        yield House(running, host)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Nobody has joined."""
    async with house(tmp_path_factory.mktemp("house"), *NAMES) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def front(site: House) -> int:
    """The node id of the front door, which stays in the network."""
    return await site.included("front")


async def test_a_lock_is_included_by_its_pin_programmed_and_used(site: House, front: int) -> None:
    host, door, before = site.host, site.door("front"), len(site.host.events)
    added = await host.event("added", lambda event: event["node"] == front)
    assert added["security"] == S2_ACCESS_CONTROL
    assert door.radio.secure

    await host.cc(front, "User Code", "set", 3, 1, "4711")
    assert (await host.notification(CODE_ADDED, after=before))["parameters"] == {"userId": 3}
    assert door.firmware.users.users[3].code == "4711"
    assert await host.cc(front, "User Code", "get", 3) == {
        "userIdStatus": 1,
        "userCode": "4711",
    }

    assert door.firmware.keypad.type_code("4711").opened
    assert (await host.notification(KEYPAD_UNLOCK, after=before))["parameters"] == {"userId": 3}

    await host.cc(front, "Door Lock", "set", 255)
    assert (await host.cc(front, "Door Lock", "get"))["currentMode"] == 255
    assert door.firmware.bolt.state is BoltState.LOCKED

    await host.cc(front, "User Code", "clear", 3)
    assert (await host.cc(front, "User Code", "get", 3))["userIdStatus"] == 0
    assert 3 not in door.firmware.users.users
    assert not door.firmware.keypad.type_code("4711").opened


async def test_two_that_speak_at_once_are_both_understood(site: House, front: int) -> None:
    """Each has used the nonce that the other uses, and the host says it again."""
    host, door = site.host, site.door("front")
    await host.cc(front, "User Code", "set", 3, 1, "4711")

    async def keyed_in() -> None:
        assert door.firmware.keypad.type_code("4711").opened

    for _ in range(ROUNDS):
        before = len(host.events)
        # A question: nobody can tell whether an order without Supervision was understood.
        answer, _ = await asyncio.gather(host.cc(front, "User Code", "get", 3), keyed_in())
        assert answer == {"userIdStatus": 1, "userCode": "4711"}
        assert (await host.notification(KEYPAD_UNLOCK, after=before))["parameters"] == {"userId": 3}
        await host.cc(front, "Door Lock", "set", 255)
        assert (await host.cc(front, "Door Lock", "get"))["currentMode"] == 255
    await host.cc(front, "User Code", "clear", 3)
    assert (await host.cc(front, "User Code", "get", 3))["userIdStatus"] == 0


async def test_network_keys_and_codes_outlast_a_restart_of_both(tmp_path: Path) -> None:
    async with house(tmp_path, "front") as site:
        node = await site.included("front")
        await site.host.cc(node, "User Code", "set", 3, 1, "4711")
        await site.host.cc(node, "User Code", "get", 3)
    async with house(tmp_path, "front") as site:
        door = site.door("front")
        await site.host.event("ready")
        assert door.radio.node_id == node
        # The lock speaks first: neither end has a nonce of the other.
        assert door.firmware.keypad.type_code("4711").opened
        assert (await site.host.notification(KEYPAD_UNLOCK))["parameters"] == {"userId": 3}
        assert (await site.host.cc(node, "User Code", "get", 3))["userCode"] == "4711"


async def test_a_host_that_comes_back_is_understood(site: House, front: int) -> None:
    before = len(site.host.events)
    site.running.network.fail("cut")
    await site.running.network.wait_for_host(connected=False)
    async with asyncio.timeout(60):
        await site.running.network.wait_for_host()
    site.door("front").firmware.keypad.set_code_by_hand(5, "1234")
    assert (await site.host.notification(CODE_ADDED, after=before))["event"] == CODE_ADDED
    assert (await site.host.cc(front, "User Code", "get", 5))["userCode"] == "1234"
    await site.host.cc(front, "User Code", "clear", 5)


async def test_membership_by_exclusion_and_smart_start(site: House) -> None:
    host, door = site.host, site.door("back")
    node = await site.included("back")

    before = len(host.events)
    await host.call("exclude")
    door.radio.leave()
    assert (await host.event("removed", after=before))["node"] == node
    await site.running.network.sync()
    assert not door.radio.joined
    assert not door.radio.secure

    # By the sticker: no button, no PIN.
    before = len(host.events)
    door.radio.primes = True
    door.radio.update()
    assert await host.call("provision", qr=door.label.qr_code) == door.label.dsk
    again = await host.event("added", after=before)
    assert again["security"] == S2_ACCESS_CONTROL
    assert again["node"] != node
    await host.event("ready", after=before)

    # A lock that is reset says so, and is taken off the list.
    before = len(host.events)
    door.firmware.factory_reset()
    door.forget()
    assert (await host.event("removed", after=before))["node"] == again["node"]


async def test_a_dead_lock_is_replaced_under_its_number(site: House) -> None:
    host, door = site.host, site.door("side")
    node = await site.included("side")
    before = len(host.events)
    door.firmware.lose_power()
    assert not await host.call("ping", node=node)
    await host.event("dead", after=before)

    # The same lock comes back from the workshop with an empty memory.
    before = len(host.events)
    await host.call("replace", node=node, pin=door.label.pin)
    await site.running.network.sync()
    door.restore_power()
    door.forget()
    door.radio.start_joining()
    added = await host.event("added", after=before)
    assert (added["node"], added["security"]) == (node, S2_ACCESS_CONTROL)


async def test_faults_as_a_host_meets_them(site: House, front: int) -> None:
    host, door, network, node = site.host, site.door("front"), site.running.network, front
    users = door.firmware.users.users

    # A plaintext order to a lock that has keys is no order.
    received = door.queue.received["unlock_door"]
    await host.call("plain", node=node, command="620100")
    assert await host.call("ping", node=node)
    assert door.queue.received["unlock_door"] == received
    assert door.firmware.bolt.state is BoltState.LOCKED

    # A duplicate is not stored, and everybody hears of it.
    await host.cc(node, "User Code", "set", 3, 1, "4711")
    before = len(host.events)
    await host.cc(node, "User Code", "set", 4, 1, "4711")
    await host.notification(CODE_IS_DUPLICATE, after=before)
    assert list(users) == [3]

    door.faults.arm("acknowledged-but-not-applied", on="set_pin_code")
    await host.cc(node, "User Code", "set", 5, 1, "5005")
    assert (await host.cc(node, "User Code", "get", 5))["userIdStatus"] == 0
    door.faults.arm("applied-but-answer-lost", on="get_pin_code")
    assert await host.cc(node, "User Code", "get", 3) is None
    assert (await host.cc(node, "User Code", "get", 3))["userCode"] == "4711"

    # A jam has a beginning and an end.
    before = len(host.events)
    door.firmware.bolt.jam()
    await host.cc(node, "Door Lock", "set", 0)
    await host.event("value", lambda value: _lock_state(value) == JAMMED, after=before)
    door.firmware.bolt.unjam()
    await host.event("value", lambda value: _lock_state(value) == 0, after=before)

    # Every transmission fails while something jams the air.
    network.fail("jam")
    await network.sync()
    assert not await host.call("ping", node=node)
    network.fail("clear")
    await network.sync()
    assert await host.call("ping", node=node)

    door.radio.in_range = False
    await network.sync()
    assert not await host.call("ping", node=node)
    door.radio.in_range = True
    await network.sync()
    assert await host.call("ping", node=node)


async def test_a_wrong_pin_gives_no_key(tmp_path: Path) -> None:
    async with house(tmp_path, "front") as site:
        door = site.door("front")
        wrong = f"{(int(door.label.pin) + 1) % 65536:05}"
        await site.host.call("include", pin=wrong)
        door.radio.start_joining()
        added = await site.host.event("added")
        assert added["security"] != S2_ACCESS_CONTROL
        assert not door.radio.secure


def _lock_state(value: dict[str, Any]) -> int | None:
    """The jam in a value of Notification, as Z-Wave JS names it; None in any other value."""
    if (value["property"], value["propertyKey"]) != ("Access Control", "Lock state"):
        return None
    told: int = value["newValue"]
    return told
