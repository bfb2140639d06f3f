"""Bluetooth devices in a world: the file, memory, the control interface, the process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bleak import BleakClient, BleakScanner

from firmware_sims.ble.bleak_backend import Backend
from firmware_sims.ble.running import run_ble
from firmware_sims.clock import VirtualTimebase
from firmware_sims.control import ControlClient, ControlError
from firmware_sims.profiles import ProfileError
from firmware_sims.running import run_world
from firmware_sims.world import World, WorldError, parse_world, read_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

SIMS = Path(__file__).parents[3] / "firmware-sims"
HOUSE = SIMS / "worlds" / "bluetooth-house.toml"
DEADLINE_S = 60.0
LOCK = {
    "name": "front",
    "family": "ttlock",
    "profile": "ttlock-keypad",
    "address": "C0:11:22:33:44:01",
}
METER = {
    "name": "meter",
    "family": "bthome",
    "model": "electricity-meter",
    "address": "A4:C1:38:00:00:01",
    "settings": {"interval_s": 0.1, "rate": 1000},
}


class Ears:
    """What one adapter hears."""

    def __init__(self) -> None:
        self.heard: dict[str, AdvertisementData] = {}
        self._news = asyncio.Event()

    def hear(self, device: BLEDevice, data: AdvertisementData) -> None:
        self.heard[device.address] = data
        self._news.set()

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not true():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def listening(adapter: str) -> AsyncIterator[Ears]:
    backend, ears = Backend(), Ears()
    await backend.open(adapter)
    try:
        async with BleakScanner(ears.hear, **backend.scanner(adapter)):
            yield ears
    finally:
        await backend.close(adapter)


# ---- the file


def test_the_example_world_is_usable() -> None:
    world = World(read_world(HOUSE), VirtualTimebase(1_790_000_000))
    assert list(world.devices) == ["front", "cellar", "electricity", "water", "living-room"]
    assert [adapter.slots for adapter in world.spec.adapters] == [8, 3]
    assert not world.locks


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"ble": [{}]}, "a \\[\\[ble\\]\\] lacks its name"),
        ({"ble": [{**METER, "colour": "red"}]}, "device 'meter' has no 'colour'"),
        (
            {"ble": [{**METER, "family": "zwave"}]},
            "unknown family 'zwave'; known: august, bthome, nuki",
        ),
        ({"ble": [{**METER, "model": "boiler"}]}, "unknown model 'boiler'; known: electricity"),
        ({"ble": [{**METER, "timezone": "Europe/Zurich"}]}, "bthome device has no timezone"),
        ({"ble": [{**METER, "address": "front"}]}, "address must be AA:BB:CC:DD:EE:FF"),
        ({"ble": [{**METER, "rssi_dbm": "loud"}]}, "rssi_dbm must be int"),
        ({"ble": [{**METER, "mtu": 20}]}, "mtu must be between 23 and 517, got 20"),
        ({"ble": [{**LOCK, "profile": "boiler"}]}, "unknown profile 'boiler'"),
        ({"ble": [{**LOCK, "timezone": "Mars/Base"}]}, "'Mars/Base' is not an IANA time zone"),
        ({"ble": [METER, {**METER, "name": "b"}]}, "two devices have the same address"),
        ({"ble": [METER, {**LOCK, "name": "meter"}]}, "two nodes have the same name"),
        ({"ble": [{**METER, "name": "hci0"}]}, "a device has the name of an adapter"),
        ({"adapter": [{"name": "a", "slots": 0}]}, "slots must be at least 1"),
        ({"adapter": [{"name": "a"}, {"name": "a"}]}, "two adapters have the same name"),
        ({"ble_air": {"loss": 1.5}}, "loss must be below 1"),
        ({"ble_air": {"fog": 1}}, r"\[ble_air\] has no 'fog'"),
    ],
)
def test_a_world_that_is_wrong_says_where(data: dict[str, Any], message: str) -> None:
    with pytest.raises((WorldError, ProfileError), match=message):
        parse_world(data)


def test_settings_and_faults_that_are_wrong_name_their_device() -> None:
    for entry, message in (
        ({**METER, "settings": {"bindkey": "x"}}, "device 'meter': settings: bindkey"),
        ({**LOCK, "fault": [{"fault": "slow", "onn": "x"}]}, "device 'front': fault"),
    ):
        with pytest.raises(WorldError, match=message):
            World(parse_world({"ble": [entry]}), VirtualTimebase(0))


def test_devices_remember_over_a_restart(tmp_path: Path) -> None:
    spec, time = parse_world({"ble": [LOCK, METER]}), VirtualTimebase(1_790_000_000)
    first = World(spec, time, tmp_path)
    time.advance(3600)
    first.save()
    counted = first.device("meter").state()["total"]
    assert counted == 1.0
    second = World(spec, time, tmp_path)
    assert second.device("meter").state()["total"] == counted
    assert second.device("front").dump() == first.device("front").dump()


# ---- in the air


async def test_someone_at_the_door() -> None:
    spec = parse_world({"ble": [LOCK, METER]})
    async with (
        run_ble(spec) as running,
        ControlClient(running.control) as door,
        listening(running.adapters["hci0"]) as ears,
    ):
        await ears.until(lambda: METER["address"] in ears.heard)
        listed = {entry["device"]: entry for entry in await door.call("devices")}
        assert listed["front"]["profile"] == "ttlock-keypad"
        assert listed["meter"]["in_range"]
        assert (await door.call("type_code", device="front", code="4711"))["opened"] is False
        state = await door.call("state", device="front")
        assert state["bolt"] == "locked"
        assert "touch_keypad" in state["actions"]
        await door.call("act", device="front", action="touch_keypad")
        await ears.until(lambda: LOCK["address"] in ears.heard)
        await door.call("rssi", device="meter", dbm=-90)
        await ears.until(lambda: ears.heard[str(METER["address"])].rssi < -80)


@pytest.mark.parametrize(
    ("op", "arguments", "message"),
    [
        ("type_code", {"device": "meter", "code": "4711"}, "'meter' is no lock"),
        ("join", {"device": "front"}, "'front' speaks Bluetooth"),
        ("act", {"device": "meter", "action": "dance"}, "known: measure, replace_battery"),
        ("act", {"device": "meter", "action": "set", "colour": 1}, "it takes total=None"),
        ("adapter", {"adapter": "hci7", "action": "hang"}, "unknown adapter 'hci7'; known: hci0"),
        ("adapter", {"adapter": "hci0", "action": "x"}, "known: vanish, hang, return"),
        ("radio", {"action": "reset"}, "this world has no coordinator"),
    ],
)
async def test_what_cannot_be_done_says_what_could(
    op: str, arguments: dict[str, Any], message: str
) -> None:
    async with (
        run_ble(parse_world({"ble": [LOCK, METER]})) as running,
        ControlClient(running.control) as door,
    ):
        with pytest.raises(ControlError, match=message):
            await door.call(op, **arguments)


async def test_out_of_range_of_one_adapter_and_without_power() -> None:
    adapters = [{"name": "hci0"}, {"name": "hci1"}]
    spec = parse_world({"ble": [LOCK, METER], "adapter": adapters})
    async with (
        run_ble(spec) as running,
        ControlClient(running.control) as door,
        listening(running.adapters["hci0"]) as near,
        listening(running.adapters["hci1"]) as far,
    ):
        await door.call("out_of_range", device="meter", adapter="hci1")
        far.heard.clear()
        for _ in range(5):
            near.heard.clear()
            await near.until(lambda: METER["address"] in near.heard)
        assert METER["address"] not in far.heard
        await door.call("in_range", device="meter", adapter="hci1")
        await far.until(lambda: METER["address"] in far.heard)
        await door.call("battery", device="front", inserted=False)
        assert (await door.call("state", device="front"))["advertising"] is False
        await door.call("battery", device="front", inserted=True)
        await door.call("act", device="front", action="touch_keypad")
        near.heard.clear()
        await near.until(lambda: LOCK["address"] in near.heard)


async def test_both_radios_in_one_world() -> None:
    node = {"name": "side", "profile": "yale-yrd", "ieee": "00:0d:6f:00:0f:00:00:01"}
    async with (
        run_world(parse_world({"node": [node], "ble": [METER]})) as running,
        ControlClient(running.control) as door,
        listening(running.adapters["hci0"]) as ears,
    ):
        assert running.radio.startswith("tcp://")
        assert [entry["device"] for entry in await door.call("devices")] == ["side", "meter"]
        await ears.until(lambda: METER["address"] in ears.heard)
        with pytest.raises(ControlError, match="'side' does not speak Bluetooth"):
            await door.call("rssi", device="side", dbm=-80)


async def test_a_link_is_in_the_journal() -> None:
    async with (
        run_ble(parse_world({"ble": [LOCK]})) as running,
        ControlClient(running.control) as door,
    ):
        adapter = running.adapters["hci0"]
        backend = Backend()
        await backend.open(adapter)
        await door.call("act", device="front", action="touch_keypad")
        client = BleakClient(LOCK["address"], **backend.client(adapter))
        await client.connect()
        began = await door.call("wait", device="front", kind="connected")
        assert (await door.call("state", device="front"))["connected"]
        await client.disconnect()
        ended = await door.call("wait", device="front", kind="disconnected")
        assert ended["n"] > began["n"]
        await backend.close(adapter)


# ---- the process


async def test_without_the_virtual_controllers_the_command_says_what_is_missing() -> None:
    code = (
        "import sys; sys.modules['bumble'] = None; from firmware_sims.__main__ import main; "
        f"sys.exit(main(['ble', '--world', {str(HOUSE)!r}]))"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SIMS)},
    )
    async with asyncio.timeout(DEADLINE_S):
        _, said = await process.communicate()
    assert process.returncode == 69
    assert said.decode() == "Bluetooth needs the package bumble, in the version of the dev extra\n"


async def test_the_command_says_where_its_adapters_are_and_ends_well(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-m", "firmware_sims", "ble", "--world", str(HOUSE)),
        *("--control", str(tmp_path / "control"), "--adapters", str(tmp_path)),
        *("--state", str(tmp_path / "state")),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SIMS)},
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            ready = json.loads(await process.stdout.readline())
        assert ready["adapters"] == [f"unix://{tmp_path}/hci{number}.sock" for number in (0, 1)]
        async with (
            ControlClient(ready["control"]) as door,
            listening(ready["adapters"][0]) as ears,
        ):
            assert (await door.call("state", device="electricity"))["total"] > 18234
            # It speaks when there is something to say, and that was a while ago.
            await door.call("act", device="water", action="measure")
            await ears.until(lambda: len(ears.heard) == 5)
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE_S):
            code = await process.wait()
    assert code == 0
    assert (tmp_path / "state" / "electricity.json").exists()


async def test_devices_of_another_process_join_by_the_door(tmp_path: Path) -> None:
    world = tmp_path / "world.toml"
    world.write_text(
        '[[ble]]\nname = "far"\nfamily = "bthome"\nmodel = "thermometer"\n'
        'address = "A4:C1:38:00:00:09"\n[ble.settings]\ninterval_s = 0.1\n',
        encoding="utf-8",
    )
    async with (
        run_ble(parse_world({"ble": [METER]})) as running,
        listening(running.adapters["hci0"]) as ears,
    ):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", "-m", "firmware_sims", "ble"),
            *("--world", str(world), "--join", str(running.door)),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(SIMS)},
        )
        assert process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            ready = json.loads(await process.stdout.readline())
        await ears.until(lambda: "A4:C1:38:00:00:09" in ears.heard)
        async with ControlClient(ready["control"]) as door:
            with pytest.raises(ControlError, match="known to the process of the air only"):
                await door.call("rssi", device="far", dbm=-80)
        process.kill()
        async with asyncio.timeout(DEADLINE_S):
            await process.wait()
        await ears.until(lambda: METER["address"] in ears.heard)


async def test_an_air_that_is_not_there_is_named() -> None:
    with pytest.raises(WorldError, match=r"there is no air at tcp://127\.0\.0\.1:1"):
        async with run_ble(parse_world({"ble": [METER]}), join="tcp://127.0.0.1:1"):
            pass
