"""A running Bluetooth world: adapters to plug a host into, devices in the air, a control socket.

Here: putting the parts together and taking them apart again, for the command and for tests in the
same process. Not here: any of the parts.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from firmware_sims.ble.adverts import RoomError, encode
from firmware_sims.ble.air import Air
from firmware_sims.ble.devices import BleLock
from firmware_sims.ble.far import far_air
from firmware_sims.ble.hub import Hub
from firmware_sims.clock import LoopTimebase
from firmware_sims.control.operations import Operations
from firmware_sims.control.server import ControlServer
from firmware_sims.journal import CONNECTED, DISCONNECTED
from firmware_sims.world import World, WorldError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from firmware_sims.clock import Timebase
    from firmware_sims.world import WorldSpec


@dataclass(frozen=True, slots=True)
class RunningAir:
    """`adapters` are the addresses a host's stack is given, by name; `control` the client's.

    `door` is where devices of other processes join; None, as `hub`, where these are the others.
    """

    world: World
    hub: Hub | None
    adapters: Mapping[str, str]
    control: str
    door: str | None = None


@contextlib.asynccontextmanager
async def on_air(
    world: World, *, sockets: Path | None = None
) -> AsyncIterator[tuple[Hub, dict[str, str]]]:
    """The adapters of a world, and its devices near them, until left.

    `sockets` is a directory for unix sockets named like the adapters; loopback ports when None.
    """
    spec = world.spec
    async with Hub(Air(spec.ble_air, seed=spec.seed)) as hub:
        addresses = {}
        for adapter in spec.adapters:
            addresses[adapter.name] = await hub.add_adapter(
                adapter.name, _listen(sockets, adapter.name), slots=adapter.slots
            )
        for device in world.ble.values():
            try:
                if device.peripheral.advertising is not None:
                    encode(device.peripheral.advertising)
            except RoomError as cause:
                raise WorldError(f"device {device.name!r}: {cause}") from cause
            hub.air.set_rssi(device.name, device.spec.rssi_dbm)
            hub.air.set_in_range(device.name, device.spec.in_range)
            device.place = place = await hub.add_device(
                device.name,
                device.peripheral,
                mtu=device.spec.mtu,
                told=partial(_told, world, device.name),
            )
            place.set_powered(not isinstance(device, BleLock) or device.firmware.powered)
        yield hub, addresses


def _told(world: World, device: str, connected: bool) -> None:
    kind = CONNECTED if connected else DISCONNECTED
    world.journal.add(device, world.timebase.now(), kind=kind)


@contextlib.asynccontextmanager
async def run_ble(
    spec: WorldSpec,
    *,
    sockets: Path | None = None,
    control: Path | None = None,
    state: Path | None = None,
    timebase: Timebase | None = None,
    join: str | None = None,
) -> AsyncIterator[RunningAir]:
    """Run the Bluetooth devices of a world until left.

    `control` is the path of the control socket, None for a loopback port; `state` the directory
    that remembers everything; `timebase` the devices' time, the host's when None. The air itself
    runs on the loop's time. `join` is the door of the air of another process: the devices are
    there then, and the adapters that this world names are not made.
    """
    world = World(replace(spec, nodes=(), zwave=()), timebase or LoopTimebase(), state)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(world.save)
        hub: Hub | None = None
        addresses: dict[str, str] = {}
        door = None
        if join is not None:
            await stack.enter_async_context(far_air(world, join, partial(_told, world)))
        else:
            near, addresses = await stack.enter_async_context(on_air(world, sockets=sockets))
            door = await near.add_door("door", _listen(sockets, "door"))
            hub = near
        adapters = {} if hub is None else hub.adapters
        server = await stack.enter_async_context(
            ControlServer(Operations(world, adapters=adapters), world.journal, control)
        )
        yield RunningAir(world, hub, addresses, server.address, door)


def _listen(sockets: Path | None, name: str) -> tuple[str, int] | Path:
    return ("127.0.0.1", 0) if sockets is None else sockets / f"{name}.sock"
