"""A gateway's Zigbee radio in a house of simulated locks. Not a test itself.

The radio is the real one over unmodified zigpy and bellows; the stick, the air and the locks are
simulated firmware. `door` is what somebody standing there can do and see.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from firmware_sims.control.client import ControlClient
from firmware_sims.running import RunningWorld, run_zigbee
from firmware_sims.world import parse_world
from gateway.domain.instant import ClockTrust
from gateway.kit.clock import SystemClock
from gateway.radios.api import JoinOrder, JoinStage, NodeInfo, RadioEvent, RadioStatus
from gateway.radios.keeper import Pace
from gateway.radios.zigbee import ZigbeeRadio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

ZONE = "Europe/Berlin"
DEADLINE_S = 30.0
FAST = Pace(probe_interval_s=0.3, probe_timeout_s=0.3, first_wait_s=0.05, longest_wait_s=0.2)
# The example of Base Device Behavior 13-0402-13, 10.1, with its CRC.
INSTALL_CODE = bytes.fromhex("83FED3407A939723A5C639B26916D505C3B5")

E = TypeVar("E", bound=RadioEvent)


def ieee(number: int) -> str:
    return f"00:11:22:33:44:55:66:{number:02x}"


@dataclass
class House:
    radio: ZigbeeRadio
    door: ControlClient
    world: RunningWorld
    events: list[RadioEvent] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, event: RadioEvent) -> None:
        self.events.append(event)
        self.heard.set()

    async def until(self, true: Callable[[], object]) -> None:
        """Wait for something that an event of the radio brings about."""
        async with asyncio.timeout(DEADLINE_S):
            while not true():
                self.heard.clear()
                await self.heard.wait()

    async def event(self, kind: type[E], **fields: object) -> E:
        """The first event of that kind with these fields, past or to come."""

        def found() -> E | None:
            for event in self.events:
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

    async def join(self, name: str, address: str, code: bytes | None = None) -> NodeInfo:
        await self.door.call("join", device=name)
        order = JoinOrder(address, code, allow_well_known_key=code is None)
        stages = [progress async for progress in self.radio.open_joining(order)]
        assert stages[-1].stage is JoinStage.READY, stages[-1]
        return self.node(address)

    def node(self, address: str) -> NodeInfo:
        return next(node for node in self.radio.nodes() if node.address == address)

    async def state(self, name: str) -> dict[str, Any]:
        """What the lock really holds."""
        found: dict[str, Any] = await self.door.call("state", device=name)
        return found


@contextlib.asynccontextmanager
async def house(
    directory: Path,
    nodes: Sequence[Mapping[str, Any]],
    *,
    ezsp: int = 13,
    pace: Pace = FAST,
) -> AsyncIterator[House]:
    """A running world and an opened radio; both remember in `directory`."""
    spec = parse_world({"ezsp": ezsp, "air": {"latency_s": 0.001}, "node": list(nodes)})
    (directory / "world").mkdir(exist_ok=True)
    async with (
        run_zigbee(spec, state=directory / "world") as world,
        ControlClient(world.control) as door,
    ):
        radio = ZigbeeRadio(
            world.radio,
            directory / "zigbee.db",
            channel=15,
            clock=SystemClock(ClockTrust.TRUSTED),
            zone=ZONE,
            pace=pace,
            rng=random.Random(1),
        )
        home = House(radio, door, world)
        radio.listen(home.hear)
        running = asyncio.create_task(radio.run(), name="zigbee radio")
        try:
            await home.up()
            yield home
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
