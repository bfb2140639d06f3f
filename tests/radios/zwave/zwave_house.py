"""A gateway's Z-Wave radio in a house of simulated locks. Not a test itself.

The radio is the real one over the unmodified Z-Wave JS server, a process of its own; the stick, the
air and the locks are simulated firmware. Where Node.js or its packages are missing, `needs_node`
skips and says what is missing.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from firmware_sims.world import parse_world
from firmware_sims.zwave.network import ZwaveUnavailable, node_command
from firmware_sims.zwave.running import run_zwave
from gateway.domain.instant import ClockTrust
from gateway.domain.secret import Secret
from gateway.kit.clock import SystemClock
from gateway.radios.api import JoinOrder, JoinStage, RadioEvent, RadioStatus
from gateway.radios.keeper import Pace
from gateway.radios.zwave import KEY_NAMES, Server, ZwaveRadio
from gateway.radios.zwave.process import PACKAGES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from firmware_sims.zwave.devices import ZwaveLock
    from firmware_sims.zwave.running import RunningZwave
    from gateway.radios.api import JoinProgress
    from gateway.radios.command_classes import CcCall, CcNode, CcReply

ZONE = "Europe/Berlin"
DEADLINE_S = 90.0
FAST = Pace(probe_interval_s=0.5, probe_timeout_s=5.0, first_wait_s=0.05, longest_wait_s=0.2)

PLAIN: dict[str, Any] = {"profile": "schlage-be469"}
SUPERVISED: dict[str, Any] = {
    "profile": "kwikset-620",
    "overrides": {"skin": {"product_id": 0x7777}},
}
"""As a model that Z-Wave JS does not know: it does without Supervision with the HC620 itself."""

E = TypeVar("E", bound=RadioEvent)


def missing() -> str:
    """What this machine lacks; empty where it has everything."""
    try:
        node_command()
    except ZwaveUnavailable as error:
        return str(error)
    if not (PACKAGES / "node_modules").is_dir():
        return (
            f"the Z-Wave server's packages are not installed in {PACKAGES.name}; see tools/setup.sh"
        )
    return ""


needs_node = pytest.mark.skipif(bool(missing()), reason=missing() or "it is there")


async def keys() -> Mapping[str, Secret]:
    return {name: Secret(f"{number + 1:032x}") for number, name in enumerate(KEY_NAMES)}


@dataclass
class House:
    radio: ZwaveRadio
    sim: RunningZwave
    events: list[RadioEvent] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, event: RadioEvent) -> None:
        self.events.append(event)
        self.heard.set()

    def lock(self, name: str) -> ZwaveLock:
        return self.sim.world.zwave[name]

    async def until(self, true: Callable[[], object]) -> None:
        """Wait for something that an event of the radio brings about."""
        async with asyncio.timeout(DEADLINE_S):
            while not true():
                self.heard.clear()
                await self.heard.wait()

    async def event(self, kind: type[E], *, after: int = 0, **fields: object) -> E:
        """The first event of that kind with these fields, past `after` or to come."""

        def found() -> E | None:
            for event in self.events[after:]:
                if isinstance(event, kind) and all(
                    getattr(event, name) == value for name, value in fields.items()
                ):
                    return event
            return None

        await self.until(found)
        event = found()
        assert event is not None
        return event

    async def up(self) -> None:
        await self.until(lambda: self.radio.state.status is RadioStatus.UP)

    async def down(self) -> None:
        await self.until(lambda: self.radio.state.status is RadioStatus.DOWN)

    async def progress(self, steps: AsyncIterator[JoinProgress]) -> list[JoinProgress]:
        """Its stages, each told once."""
        told: list[JoinProgress] = []
        async with asyncio.timeout(DEADLINE_S):
            async for step in steps:
                if not told or told[-1].stage is not step.stage:
                    told.append(step)
        return told

    async def join(self, name: str, order: JoinOrder | None = None) -> CcNode:
        """Let a lock in by the digits on its sticker."""
        label = self.lock(name).label
        self.lock(name).radio.start_joining()
        order = order or JoinOrder(dsk_pin=Secret(label.pin))
        told = await self.progress(self.radio.open_joining(order))
        assert told[-1].stage is JoinStage.READY, told[-1]
        return self.node(told[-1].address)

    def node(self, address: str | None) -> CcNode:
        return next(node for node in self.radio.nodes() if node.address == address)

    async def call(self, node: CcNode, call: CcCall, deadline_s: float = 30.0) -> CcReply:
        return await self.radio.call(node.address, call, deadline_s=deadline_s)

    async def told(self, node: CcNode, question: CcCall) -> object:
        """What a node answers. It is asked again where its report did not come in time: on a busy
        machine, and when the node has to agree on a nonce first."""
        async with asyncio.timeout(DEADLINE_S):
            while (value := (await self.call(node, question)).value) is None:
                pass
        return value


@contextlib.asynccontextmanager
async def house(
    state: Path, locks: Mapping[str, Mapping[str, Any]], **more: Any
) -> AsyncIterator[House]:
    """`locks`: by name, as in a world file. The radio is up, and nobody has joined."""
    spec = parse_world({"zwave": [{"name": name, **lock} for name, lock in locks.items()]})
    async with run_zwave(spec, state=state / "sim") as sim:
        radio = ZwaveRadio(
            Server(sim.serial, state / "zwave", keys, zone=ZONE, **more),
            clock=SystemClock(ClockTrust.TRUSTED),
            pace=FAST,
            rng=random.Random(7),
        )
        home = House(radio, sim)
        radio.listen(home.hear)
        running = asyncio.create_task(radio.run(), name="radio")
        try:
            await home.up()
            yield home
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
