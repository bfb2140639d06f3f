"""A running Z-Wave world: locks on their network, a stick to plug a host into, a control socket.

Here: putting the parts together and taking them apart again, for the command and for tests in the
same process. Not here: any of the parts.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from firmware_sims.clock import LoopTimebase
from firmware_sims.control.operations import Operations
from firmware_sims.control.server import ControlServer
from firmware_sims.world import World
from firmware_sims.zwave.network import ZwaveNetwork

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from firmware_sims.clock import Timebase
    from firmware_sims.world import WorldSpec


@dataclass(frozen=True, slots=True)
class RunningZwave:
    """`serial` is the path for Z-Wave JS (`tcp://host:port`), `control` the client's address."""

    world: World
    network: ZwaveNetwork
    serial: str
    control: str


@contextlib.asynccontextmanager
async def zwave_network(
    world: World, *, listen: tuple[str, int] = ("127.0.0.1", 0), state: Path | None = None
) -> AsyncIterator[ZwaveNetwork]:
    """The stick of a world with its locks around it, until left; `state` remembers its nodes."""
    memory = None if state is None else state / "zwave-controller.json"
    spec = world.spec
    async with ZwaveNetwork(
        world.zwave, spec.zwave_air, seed=spec.seed, listen=listen, memory=memory
    ) as network:
        yield network


@contextlib.asynccontextmanager
async def run_zwave(
    spec: WorldSpec,
    *,
    listen: tuple[str, int] = ("127.0.0.1", 0),
    control: Path | None = None,
    state: Path | None = None,
    timebase: Timebase | None = None,
) -> AsyncIterator[RunningZwave]:
    """Run the Z-Wave locks of a world until left.

    `listen` is where the stick listens; `control` the path of the control socket, None for a
    loopback port; `state` the directory that remembers everything; `timebase` the locks' time, the
    host's when None. `ZwaveUnavailable` where Node or its packages are missing.
    """
    world = World(replace(spec, nodes=(), ble=()), timebase or LoopTimebase(), state)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(world.save)
        network = await stack.enter_async_context(zwave_network(world, listen=listen, state=state))
        server = await stack.enter_async_context(
            ControlServer(Operations(world, zwave=network), world.journal, control)
        )
        yield RunningZwave(world, network, network.address, server.address)
