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
KEYPAD_UNLOCK, CODE_ADDED = 6, 14


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
