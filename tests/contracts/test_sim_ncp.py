"""The simulated coordinator against the unmodified zigpy and bellows, over TCP and a pty.

Here: what a host must be able to do with it, per EZSP version. Not here: bytes (``tests/wire``)
and door locks.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import TYPE_CHECKING, Any

import pytest
import zigpy.exceptions
import zigpy.types as t
from bellows.zigbee.application import (  # type: ignore[import-untyped]  # bellows has no types
    ControllerApplication,
)
from zigpy.zcl.clusters.general import Basic, OnOff

from firmware_sims.zigbee.application import EndpointDescriptor, NodeIdentity, NodeRadio
from firmware_sims.zigbee.aps import Air
from firmware_sims.zigbee.aps import Path as AirPath
from firmware_sims.zigbee.ezsp_commands import SUPPORTED_VERSIONS
from firmware_sims.zigbee.ncp import SimulatedNcp
from firmware_sims.zigbee.network import Network
from firmware_sims.zigbee.nvm import Nvm
from firmware_sims.zigbee.server import serve_pty, serve_tcp
from firmware_sims.zigbee.trust_centre import crc16_x25, install_code_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from firmware_sims.zigbee.node import SimulatedNode

HA, ON_OFF_LIGHT = 0x0104, 0x0100
DEADLINE_S = 20
# The example install code of Base Device Behavior 13-0402-13 §10.1, with its CRC
INSTALL_CODE = bytes.fromhex("83FED3407A939723A5C639B26916D505C3B5")
OTHER_CODE = bytes(16) + crc16_x25(bytes(16)).to_bytes(2, "little")


class Lamp:
    """The smallest firmware that can be interviewed, switched and that reports."""

    def __init__(self, ieee: int = 0x00124B0000000001, **identity: Any) -> None:
        self.identity = NodeIdentity(ieee=ieee, manufacturer_code=0x1234, **identity)
        self.endpoints = (EndpointDescriptor(1, HA, ON_OFF_LIGHT, (0x0000, 0x0006), ()),)
        self.on = False
        self.commands = 0
        self.left = 0
        self.radio: NodeRadio

    def attach(self, radio: NodeRadio) -> None:
        self.radio = radio

    def on_message(
        self,
        *,
        source_endpoint: int,
        destination_endpoint: int,
        profile_id: int,
        cluster_id: int,
        payload: bytes,
    ) -> None:
        control, sequence, command = payload[:3]
        if cluster_id == 0x0000 and command == 0x00:
            body = b"".join(
                self._attribute(number) for (number,) in struct.iter_unpack("<H", payload[3:])
            )
            self._send(cluster_id, bytes((0x18, sequence, 0x01)) + body)
        elif control & 0x01:  # a cluster command, answered by a default response
            self.commands += 1
            self.on = command == 1
            self._send(cluster_id, bytes((0x18, sequence, 0x0B, command, 0)))

    def report(self) -> None:
        """Report OnOff, as if switched by hand."""
        self._send(0x0006, bytes((0x18, 0x77, 0x0A)) + struct.pack("<HBB", 0, 0x10, self.on))

    def on_left(self) -> None:
        self.left += 1

    def _attribute(self, number: int) -> bytes:
        text = {4: b"Acme", 5: b"Lamp One"}.get(number)
        if text is None:
            return struct.pack("<HB", number, 0x86)
        return struct.pack("<HBBB", number, 0, 0x42, len(text)) + text

    def _send(self, cluster: int, payload: bytes) -> None:
        self.radio.send(
            source_endpoint=1,
            destination_endpoint=1,
            profile_id=HA,
            cluster_id=cluster,
            payload=payload,
        )


class Events:
    """What zigpy tells its listeners."""

    def __init__(self) -> None:
        self.initialized: asyncio.Queue[Any] = asyncio.Queue()
        self.left: asyncio.Queue[Any] = asyncio.Queue()
        self.lost: asyncio.Queue[Any] = asyncio.Queue()

    def device_initialized(self, device: Any) -> None:
        self.initialized.put_nowait(device)

    def device_left(self, device: Any) -> None:
        self.left.put_nowait(device)

    def connection_lost(self, error: Exception) -> None:
        self.lost.put_nowait(error)


@contextlib.asynccontextmanager
async def host(path: str, database: Path | None = None) -> AsyncIterator[tuple[Any, Events]]:
    config: dict[str, Any] = {
        "device": {"path": path},
        "database_path": None if database is None else str(database),
        "use_thread": False,
        "ota": {"enabled": False},
        "network": {"channel": 15},
        "backup_enabled": False,
        "topology_scan_enabled": False,
        "startup_energy_scan": False,
    }
    app = await ControllerApplication.new(config, auto_form=True)
    events = Events()
    app.add_listener(events)
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield app, events
    finally:
        await app.shutdown()


async def join(app: Any, events: Events, node: SimulatedNode) -> Any:
    """Open the network, let the node in, and return the interviewed device."""
    await app.permit(60)
    node.start_joining()
    return await events.initialized.get()


@pytest.fixture
def lamp() -> Lamp:
    return Lamp()


@pytest.mark.parametrize("line", ["tcp", "pty"])
@pytest.mark.parametrize("version", SUPPORTED_VERSIONS)
async def test_a_node_joins_is_interviewed_commanded_and_heard(
    version: int, line: str, lamp: Lamp
) -> None:
    network = Network()
    node = network.add(lamp, "lamp")
    ncp = SimulatedNcp(network, ezsp_version=version)
    async with contextlib.AsyncExitStack() as stack:
        if line == "tcp":
            path = (await stack.enter_async_context(serve_tcp(ncp))).url
        else:
            path = (await stack.enter_async_context(serve_pty(ncp))).path
        app, events = await stack.enter_async_context(host(path))
        device = await join(app, events, node)

        assert (device.manufacturer, device.model) == ("Acme", "Lamp One")
        assert device.nwk == node.node_id
        assert device.node_desc.manufacturer_code == 0x1234
        assert set(device.endpoints[1].in_clusters) == {Basic.cluster_id, OnOff.cluster_id}

        cluster = device.endpoints[1].on_off
        await cluster.on()
        assert lamp.on
        assert lamp.commands == 1
        assert device.lqi == node.lqi

        heard: asyncio.Queue[Any] = asyncio.Queue()
        cluster.on_event("attribute_report", heard.put_nowait)
        await cluster.bind()
        assert lamp.radio.bound(1, OnOff.cluster_id)
        lamp.report()
        assert bool((await heard.get()).value) is True

        await app.permit(0)
        await app.remove(device.ieee)
        await node.until(lambda: not node.joined)
        assert lamp.left == 1


@pytest.mark.parametrize("version", [13, 18])
async def test_after_a_power_cut_network_and_members_are_still_there(
    version: int, tmp_path: Path
) -> None:
    memory, database = tmp_path / "nvm.json", tmp_path / "zigbee.db"
    keys, counters = [], []
    for life in range(2):
        lamp = Lamp(sleepy=True, poll_interval_s=0.1, battery_powered=True)
        network = Network(nvm=Nvm(memory))
        node = network.add(lamp, "lamp")
        ncp = SimulatedNcp(network, ezsp_version=version)
        async with serve_tcp(ncp) as server, host(server.url, database) as (app, events):
            if life == 0:
                await join(app, events, node)
            assert node.joined
            device = app.get_device(ieee=t.EUI64.convert("00:12:4b:00:00:00:00:01"))
            await device.endpoints[1].on_off.on()
            assert lamp.commands == 1
            keys.append(app.state.network_info.network_key.key)
            counters.append(network.nvm.coordinator.nwk_counter)
    assert keys[0] == keys[1]
    assert counters[1] > counters[0]


async def test_a_warm_start_over_socket_does_not_wait(lamp: Lamp) -> None:
    network = Network()
    network.add(lamp, "lamp")
    ncp = SimulatedNcp(network)
    async with serve_tcp(ncp) as server:
        async with host(server.url):
            pass
        started = asyncio.get_running_loop().time()
        async with host(server.url.replace("tcp:", "socket:")):
            assert asyncio.get_running_loop().time() - started < 1.5


async def test_an_install_code_admits_its_device() -> None:
    network = Network()
    node = network.add(Lamp(install_code=INSTALL_CODE), "lamp")
    ncp = SimulatedNcp(network)
    async with serve_tcp(ncp) as server, host(server.url) as (app, events):
        key = t.KeyData(install_code_key(INSTALL_CODE))
        await app.permit_with_link_key(t.EUI64.convert("00:12:4b:00:00:00:00:01"), key, 60)
        node.start_joining()
        device = await events.initialized.get()
        assert device.model == "Lamp One"


@pytest.mark.parametrize("code", [None, OTHER_CODE])
async def test_a_device_without_the_announced_key_stays_out(code: bytes | None) -> None:
    network = Network()
    node = network.add(Lamp(install_code=code), "lamp")
    ncp = SimulatedNcp(network)
    async with serve_tcp(ncp) as server, host(server.url) as (app, events):
        key = t.KeyData(install_code_key(INSTALL_CODE))
        announced = 0x01 if code else 0x02
        await app.permit_with_link_key(
            t.EUI64.convert(f"00:12:4b:00:00:00:00:{announced:02x}"), key, 60
        )
        node.start_joining()
        await node.until(lambda: node.refusals > 0)
        assert not node.joined
        assert events.initialized.empty()


async def test_nobody_joins_a_closed_network(lamp: Lamp) -> None:
    network = Network()
    node = network.add(lamp, "lamp")
    ncp = SimulatedNcp(network)
    async with serve_tcp(ncp) as server, host(server.url) as (app, events):
        node.start_joining()
        await app.energy_scan(t.Channels.ALL_CHANNELS, duration_exp=1, count=1)
        assert node.pairing
        assert not node.joined
        await join(app, events, node)
        assert node.joined


async def test_out_of_range_fails_and_coming_back_heals(lamp: Lamp) -> None:
    network = Network(air=Air(unreachable_s=0.05))
    node = network.add(lamp, "lamp")
    ncp = SimulatedNcp(network)
    async with serve_tcp(ncp) as server, host(server.url) as (app, events):
        device = await join(app, events, node)
        node.in_range = False
        with pytest.raises(zigpy.exceptions.DeliveryError):
            await device.endpoints[1].on_off.on(retries=0)
        lamp.report()
        assert lamp.commands == 0
        node.in_range = True
        await device.endpoints[1].on_off.on()
        assert lamp.commands == 1


async def test_a_sleeper_is_reached_when_it_polls_and_not_otherwise() -> None:
    lamp = Lamp(sleepy=True, poll_interval_s=0.2, battery_powered=True)
    network = Network(air=Air(indirect_timeout_s=0.5))
    node = network.add(lamp, "lamp")
    ncp = SimulatedNcp(network)
    async with serve_tcp(ncp) as server, host(server.url) as (app, events):
        device = await join(app, events, node)
        assert device.is_initialized
        assert not device.node_desc.is_receiver_on_when_idle
        await device.endpoints[1].on_off.on()
        assert lamp.commands == 1
        node.in_range = False
        with pytest.raises(zigpy.exceptions.DeliveryError):
            await device.endpoints[1].on_off.on(retries=0)
        node.in_range = True
        await device.endpoints[1].on_off.on()
        assert lamp.commands == 2


async def test_a_bad_air_and_a_bad_line_lose_nothing_that_is_retried(lamp: Lamp) -> None:
    air = Air(
        AirPath(latency_s=0.002, jitter_s=0.002, loss=0.2),
        AirPath(latency_s=0.002, jitter_s=0.002, loss=0.2),
        seed=7,
        ack_timeout_s=0.02,
    )
    network = Network(air=air)
    node = network.add(lamp, "lamp")
    ncp = SimulatedNcp(network)
    async with serve_tcp(ncp) as server, host(server.url) as (app, events):
        device = await join(app, events, node)
        ncp.line.nak_rate = 0.1
        answered = 0
        for _ in range(20):
            with contextlib.suppress(TimeoutError, zigpy.exceptions.DeliveryError):
                await device.endpoints[1].on_off.on(timeout=0.5)
                answered += 1
        assert answered >= 18
        assert lamp.commands >= answered


async def test_what_a_sleeper_is_owed_it_gets_when_it_wakes_by_itself() -> None:
    lamp = Lamp(sleepy=True, poll_interval_s=3600, battery_powered=True)
    network = Network()
    node = network.add(lamp, "lamp")
    ncp = SimulatedNcp(network)
    async with serve_tcp(ncp) as server, host(server.url) as (app, events):
        device = await join(app, events, node)
        node.sleep_now()
        waiting = asyncio.create_task(device.endpoints[1].on_off.on(retries=0))
        while not node.pending:
            await app.permit_ncp(0)  # a turn of the line
        assert lamp.commands == 0
        lamp.report()
        await waiting
        assert lamp.commands == 1


async def test_an_air_that_doubles_frames_delivers_them_twice(lamp: Lamp) -> None:
    network = Network()
    node = network.add(lamp, "lamp")
    ncp = SimulatedNcp(network)
    async with serve_tcp(ncp) as server, host(server.url) as (app, events):
        device = await join(app, events, node)
        network.air.down.duplicate = 1.0
        await device.endpoints[1].on_off.on()
        assert lamp.commands == 2


async def test_a_rejoin_is_heard(lamp: Lamp) -> None:
    network = Network()
    node = network.add(lamp, "lamp")
    ncp = SimulatedNcp(network)
    async with serve_tcp(ncp) as server, host(server.url) as (app, events):
        device = await join(app, events, node)
        before = device.last_seen
        node.rejoin()
        await device.endpoints[1].on_off.on()
        assert device.last_seen >= before
        assert app.get_device(ieee=device.ieee) is device


async def test_a_node_that_leaves_says_so(lamp: Lamp) -> None:
    network = Network()
    node = network.add(lamp, "lamp")
    ncp = SimulatedNcp(network)
    async with serve_tcp(ncp) as server, host(server.url) as (app, events):
        device = await join(app, events, node)
        node.leave()
        assert (await events.left.get()).ieee == device.ieee
        assert lamp.left == 1


@pytest.mark.parametrize("how", ["drop", "reset"])
async def test_the_host_notices_a_lost_line_and_a_reset(how: str) -> None:
    ncp = SimulatedNcp(Network())
    async with serve_tcp(ncp) as server, host(server.url) as (_, events):
        if how == "drop":
            ncp.drop_connection()
        else:
            ncp.reset()
        await events.lost.get()


async def test_an_unplugged_stick_is_noticed() -> None:
    ncp = SimulatedNcp(Network())
    async with serve_pty(ncp) as server, host(server.path) as (_, events):
        ncp.drop_connection()
        await events.lost.get()


async def test_a_device_reset_by_hand_joins_again(lamp: Lamp) -> None:
    network = Network()
    node = network.add(lamp, "lamp")
    ncp = SimulatedNcp(network)
    async with serve_tcp(ncp) as server, host(server.url) as (app, events):
        device = await join(app, events, node)
        node.forget()
        assert lamp.left == 1
        node.start_joining()
        await node.until(lambda: node.joined)
        await device.endpoints[1].on_off.on()
        assert lamp.commands == 1
        assert app.get_device(ieee=device.ieee).nwk == node.node_id


async def test_a_mute_ezsp_still_receives(lamp: Lamp) -> None:
    network = Network()
    node = network.add(lamp, "lamp")
    ncp = SimulatedNcp(network)
    async with serve_tcp(ncp) as server, host(server.url) as (app, events):
        device = await join(app, events, node)
        ncp.mute_ezsp = True
        before = ncp.commands_received
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await device.endpoints[1].on_off.on(retries=0)
        assert ncp.commands_received == before + 1  # acknowledged: nothing was sent twice
        assert events.lost.empty()


@pytest.mark.parametrize("version", [13, 18])
async def test_a_backup_restores_onto_another_stick(version: int, lamp: Lamp) -> None:
    network = Network()
    node = network.add(lamp, "lamp")
    old = SimulatedNcp(network, ezsp_version=version)
    async with serve_tcp(old) as server, host(server.url) as (app, events):
        await join(app, events, node)
        backup = await app.backups.create_backup(load_devices=True)

    fresh = Nvm()
    fresh.coordinator.factory_eui64 = 0x0013A200DEC0DE02
    new = SimulatedNcp(network, ezsp_version=version, nvm=fresh)
    assert not node.reachable
    async with serve_tcp(new) as server, host(server.url) as (app, _):
        assert not node.reachable  # a network of its own, with another key
        await app.backups.restore_backup(backup)
        assert new.eui64 == old.eui64
        assert node.reachable
