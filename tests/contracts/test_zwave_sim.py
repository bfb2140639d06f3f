"""The simulated Z-Wave network with a host that is not ours: the unmodified Z-Wave JS.

Here: one network at a time, from inclusion to revocation, and what goes wrong on the way. The
truth that is compared with is the firmware's own.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from firmware_sims.firmware.model import BoltState
from firmware_sims.world import parse_world
from firmware_sims.zwave.running import RunningZwave, run_zwave
from tests.contracts.zwave_host import ZwaveHost, needs_node

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from firmware_sims.zwave.devices import ZwaveLock

pytestmark = pytest.mark.slow

S2_ACCESS_CONTROL = 2
KEYPAD_UNLOCK, JAMMED, CODE_ADDED, CODE_IS_DUPLICATE = 6, 11, 14, 15


@dataclass
class House:
    """One lock, its stick, and a host on it."""

    running: RunningZwave
    host: ZwaveHost
    door: ZwaveLock

    async def included(self) -> int:
        """Include the door by its PIN; returns its node id once it is interviewed."""
        before = len(self.host.events)
        await self.host.call("include", pin=self.door.label.pin)
        self.door.radio.start_joining()
        ready = await self.host.event("ready", after=before)
        node: int = ready["node"]
        return node


@asynccontextmanager
async def house(tmp_path: Path, profile: str, **device: Any) -> AsyncIterator[House]:
    needs_node()
    spec = parse_world({"zwave": [{"name": "front", "profile": profile, **device}]})
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(run_zwave(spec, state=tmp_path / "sim"))
        host = await stack.enter_async_context(ZwaveHost(running.serial, tmp_path / "cache"))
        yield House(running, host, running.world.zwave["front"])


async def test_a_lock_is_included_by_its_pin_programmed_and_used(tmp_path: Path) -> None:
    async with house(tmp_path, "schlage-be469") as site:
        host, door = site.host, site.door
        node = await site.included()
        added = await host.event("added")
        assert added["security"] == S2_ACCESS_CONTROL
        assert door.radio.secure

        await host.cc(node, "User Code", "set", 3, 1, "4711")
        assert (await host.notification(CODE_ADDED))["parameters"] == {"userId": 3}
        assert door.firmware.users.users[3].code == "4711"
        assert await host.cc(node, "User Code", "get", 3) == {
            "userIdStatus": 1,
            "userCode": "4711",
        }

        assert door.firmware.keypad.type_code("4711").opened
        assert (await host.notification(KEYPAD_UNLOCK))["parameters"] == {"userId": 3}

        await host.cc(node, "Door Lock", "set", 255)
        assert (await host.cc(node, "Door Lock", "get"))["currentMode"] == 255
        assert door.firmware.bolt.state is BoltState.LOCKED

        await host.cc(node, "User Code", "clear", 3)
        assert (await host.cc(node, "User Code", "get", 3))["userIdStatus"] == 0
        assert 3 not in door.firmware.users.users
        assert not door.firmware.keypad.type_code("4711").opened


async def test_a_wrong_pin_gives_no_key(tmp_path: Path) -> None:
    async with house(tmp_path, "schlage-be469") as site:
        wrong = f"{(int(site.door.label.pin) + 1) % 65536:05}"
        await site.host.call("include", pin=wrong)
        site.door.radio.start_joining()
        added = await site.host.event("added")
        assert added["security"] != S2_ACCESS_CONTROL
        assert not site.door.radio.secure


async def test_network_keys_and_codes_outlast_a_restart_of_both(tmp_path: Path) -> None:
    async with house(tmp_path, "schlage-be469") as site:
        node = await site.included()
        await site.host.cc(node, "User Code", "set", 3, 1, "4711")
        await site.host.cc(node, "User Code", "get", 3)
    async with house(tmp_path, "schlage-be469") as site:
        await site.host.event("ready")
        assert site.door.radio.node_id == node
        # The lock speaks first: neither end has a nonce of the other.
        assert site.door.firmware.keypad.type_code("4711").opened
        assert (await site.host.notification(KEYPAD_UNLOCK))["parameters"] == {"userId": 3}
        assert (await site.host.cc(node, "User Code", "get", 3))["userCode"] == "4711"


async def test_a_host_that_comes_back_is_understood(tmp_path: Path) -> None:
    async with house(tmp_path, "schlage-be469") as site:
        node = await site.included()
        before = len(site.host.events)
        site.running.network.fail("cut")
        await site.running.network.wait_for_host(connected=False)
        async with asyncio.timeout(60):
            await site.running.network.wait_for_host()
        site.door.firmware.keypad.set_code_by_hand(5, "1234")
        assert (await site.host.notification(CODE_ADDED, after=before))["event"] == CODE_ADDED
        assert (await site.host.cc(node, "User Code", "get", 5))["userCode"] == "1234"


async def test_membership_by_exclusion_smart_start_and_replacement(tmp_path: Path) -> None:
    async with house(tmp_path, "schlage-be469") as site:
        host, door = site.host, site.door
        node = await site.included()

        await host.call("exclude")
        door.radio.leave()
        assert (await host.event("removed"))["node"] == node
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


async def test_a_dead_lock_is_replaced_under_its_number(tmp_path: Path) -> None:
    async with house(tmp_path, "schlage-be469") as site:
        host, door = site.host, site.door
        node = await site.included()
        door.firmware.lose_power()
        assert not await host.call("ping", node=node)
        await host.event("dead")

        # The same lock comes back from the workshop with an empty memory.
        before = len(host.events)
        await host.call("replace", node=node, pin=door.label.pin)
        await site.running.network.sync()
        door.restore_power()
        door.forget()
        door.radio.start_joining()
        added = await host.event("added", after=before)
        assert (added["node"], added["security"]) == (node, S2_ACCESS_CONTROL)


async def test_faults_as_a_host_meets_them(tmp_path: Path) -> None:
    async with house(tmp_path, "schlage-be469") as site:
        host, door, network = site.host, site.door, site.running.network
        node = await site.included()
        users = door.firmware.users.users

        # A plaintext order to a lock that has keys is no order.
        before = door.queue.received["unlock_door"]
        await host.call("plain", node=node, command="620100")
        assert await host.call("ping", node=node)
        assert door.queue.received["unlock_door"] == before
        assert door.firmware.bolt.state is BoltState.LOCKED

        # A duplicate is not stored, and everybody hears of it.
        await host.cc(node, "User Code", "set", 3, 1, "4711")
        await host.cc(node, "User Code", "set", 4, 1, "4711")
        await host.notification(CODE_IS_DUPLICATE)
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


def _lock_state(value: dict[str, Any]) -> int | None:
    """The jam in a value of Notification, as Z-Wave JS names it; None in any other value."""
    if (value["property"], value["propertyKey"]) != ("Access Control", "Lock state"):
        return None
    told: int = value["newValue"]
    return told
