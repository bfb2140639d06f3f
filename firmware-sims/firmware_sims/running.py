"""A running world: its devices on their radios, a stick to plug into, a control socket.

Here: putting the parts together and taking them apart again, for the command and for tests in the
same process. Not here: any of the parts.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from firmware_sims.clock import LoopTimebase
from firmware_sims.control.operations import Operations
from firmware_sims.control.server import ControlServer
from firmware_sims.world import World, WorldError
from firmware_sims.zigbee.aps import Air
from firmware_sims.zigbee.aps import Path as AirPath
from firmware_sims.zigbee.ezsp_commands import SUPPORTED_VERSIONS
from firmware_sims.zigbee.ncp import SimulatedNcp
from firmware_sims.zigbee.network import Network
from firmware_sims.zigbee.nvm import Nvm
from firmware_sims.zigbee.server import serve_pty, serve_tcp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from firmware_sims.clock import Timebase
    from firmware_sims.control.operations import AdapterControl, RadioFault
    from firmware_sims.world import WorldSpec
    from firmware_sims.zwave.network import ZwaveNetwork


@dataclass(frozen=True, slots=True)
class RunningWorld:
    """``radio`` is the device path for the host's stack, ``control`` the client's address.

    ``adapters`` are the addresses of the Bluetooth adapters by name, ``zwave`` the serial path of
    the Z-Wave stick where the world has one.
    """

    world: World
    network: Network
    ncp: SimulatedNcp
    radio: str
    control: str
    adapters: Mapping[str, str] = field(default_factory=dict)
    zwave: str | None = None


class _Stick:
    """The coordinator as something that breaks."""

    def __init__(self, ncp: SimulatedNcp) -> None:
        self._ncp = ncp

    def fail(self, action: RadioFault) -> None:
        match action:
            case "mute_ezsp":
                self._ncp.mute_ezsp = True
            case "mute_ash":
                self._ncp.line.mute = True
            case "unmute":
                self._ncp.mute_ezsp = self._ncp.line.mute = False
            case "reset":
                self._ncp.reset()
            case "drop":
                self._ncp.drop_connection()


@contextlib.asynccontextmanager
async def run_zigbee(
    spec: WorldSpec,
    *,
    listen: tuple[str, int] | None = ("127.0.0.1", 0),
    control: Path | None = None,
    state: Path | None = None,
    timebase: Timebase | None = None,
) -> AsyncIterator[RunningWorld]:
    """Run the Zigbee locks of a world until left; see ``run_world``."""
    async with run_world(
        replace(spec, ble=(), zwave=()),
        listen=listen,
        control=control,
        state=state,
        timebase=timebase,
    ) as running:
        yield running


@contextlib.asynccontextmanager
async def run_world(
    spec: WorldSpec,
    *,
    listen: tuple[str, int] | None = ("127.0.0.1", 0),
    control: Path | None = None,
    state: Path | None = None,
    timebase: Timebase | None = None,
    sockets: Path | None = None,
    zwave_listen: tuple[str, int] = ("127.0.0.1", 0),
) -> AsyncIterator[RunningWorld]:
    """Run all devices of a world until left.

    ``listen`` is where the stick listens, None for a pseudo-terminal; ``control`` the path of the
    control socket, None for a loopback port; ``state`` the directory that remembers everything;
    ``timebase`` the locks' time, the host's when None; ``sockets`` the directory of the Bluetooth
    adapters' unix sockets, loopback ports when None; ``zwave_listen`` where the Z-Wave stick
    listens. ``WorldError`` when the world asks for what is
    not simulated.
    """
    if spec.ezsp not in SUPPORTED_VERSIONS:
        known = ", ".join(map(str, SUPPORTED_VERSIONS))
        raise WorldError(f"EZSP {spec.ezsp} is not simulated; known: {known}")
    world = World(spec, timebase or LoopTimebase(), state)
    nvm = Nvm(None if state is None else state / "coordinator.nvm.json")

    def path() -> AirPath:
        air = spec.air
        return AirPath(air.latency_s, air.jitter_s, air.loss, air.duplicate)

    network = Network(air=Air(down=path(), up=path(), seed=spec.seed), nvm=nvm)
    ncp = SimulatedNcp(network, ezsp_version=spec.ezsp, nvm=nvm)
    for lock in world.locks.values():
        node = network.add(lock.application, lock.name)
        lock.radio = node
        if lock.spec.pairing:
            node.start_joining()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(world.save)
        if listen is None:
            radio = (await stack.enter_async_context(serve_pty(ncp))).path
        else:
            radio = (await stack.enter_async_context(serve_tcp(ncp, *listen))).url
        adapters: Mapping[str, AdapterControl] = {}
        addresses: Mapping[str, str] = {}
        if world.ble:
            # A world without Bluetooth needs no library for it.
            from firmware_sims.ble.running import on_air

            hub, addresses = await stack.enter_async_context(on_air(world, sockets=sockets))
            adapters = hub.adapters
        mesh: ZwaveNetwork | None = None
        if world.zwave:
            # A world without Z-Wave needs no Node.
            from firmware_sims.zwave.running import zwave_network

            mesh = await stack.enter_async_context(
                zwave_network(world, listen=zwave_listen, state=state)
            )
        operations = Operations(world, _Stick(ncp), adapters, mesh)
        server = await stack.enter_async_context(ControlServer(operations, world.journal, control))
        zwave = None if mesh is None else mesh.address
        yield RunningWorld(world, network, ncp, radio, server.address, addresses, zwave)
