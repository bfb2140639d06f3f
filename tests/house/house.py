"""A whole house for end-to-end tests: the demo's stage, and what a test asks of its witnesses.

The daemon, the doors and the broker are processes; the cloud is the reference cloud. Witnesses are
the lock (what it holds, what its keypad did) and the cloud (what it received), never the gateway's
own belief. Not here: any expectation of a single fault.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from firmware_sims.cloud.broker import find_mosquitto
from firmware_sims.demo import over_zwave
from firmware_sims.demo.stage import stage
from firmware_sims.demo.steps import WAIT_S, Demo, Document, claim, join, start
from firmware_sims.demo.timeline import Timeline
from gateway.domain.instant import ClockTrust, to_datetime
from gateway.kit.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from firmware_sims.cloud.ledger import Event
    from firmware_sims.cloud.reference import ReferenceCloud

ALWAYS: Document = {"kind": "always"}
LATE_S = 8.0
"""How late an end may be here. The promise, 180 s, is the simulation's to judge; this is what a
busy machine with five processes a house takes for what is done in half a second."""

needs_broker = [
    pytest.mark.broker,
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
]

# Synthetic: 16 bytes and their CRC, as the demo's.
_INSTALL_CODES = (
    "1597a64166feb06265325a6f0b155275b499",
    "c640b8eefe7773b5de950a04c3d7fa4d8556",
    "232cf127046ad94bec0900ef229916ff9c77",
)


@dataclass(frozen=True, slots=True)
class Door:
    """One lock of the world. `facts`: what differs from its profile.

    `family`: of one that speaks Bluetooth and is claimed; "zwave"; None for Zigbee.
    """

    name: str
    profile: str = "kwikset-smartcode"
    facts: Mapping[str, Any] = field(default_factory=dict)
    family: str | None = None


def world(folder: Path, doors: tuple[Door, ...]) -> Path:
    """A world file. Nobody is locked out of a keypad by the mistakes that tests make."""
    lines = ["ezsp = 13", "seed = 7", "[air]", "latency_s = 0.002"]
    for number, (door, code) in enumerate(zip(doors, _INSTALL_CODES, strict=False), start=1):
        facts = {"wrong_code_limit": 0, **door.facts}
        if door.family == "zwave":
            lines += [
                "[[zwave]]",
                f'name = "{door.name}"',
                f'profile = "{door.profile}"',
                'timezone = "Europe/Zurich"',
                "[zwave.overrides]",
                *(f"{key} = {json.dumps(value)}" for key, value in facts.items()),
            ]
            continue
        if door.family is not None:
            lines += [
                "[[ble]]",
                f'name = "{door.name}"',
                f'family = "{door.family}"',
                f'profile = "{door.profile}"',
                f'address = "C0:11:22:33:55:{number:02X}"',
                'timezone = "Europe/Zurich"',
                "[ble.overrides]",
                *(f"{key} = {json.dumps(value)}" for key, value in facts.items()),
            ]
            continue
        lines += [
            "[[node]]",
            f'name = "{door.name}"',
            f'profile = "{door.profile}"',
            f'ieee = "00:0d:6f:00:0f:00:01:{number:02x}"',
            f'install_code = "{code}"',
            'timezone = "Europe/Zurich"',
            "[node.overrides]",
            *(f"{key} = {json.dumps(value)}" for key, value in facts.items()),
        ]
    path = folder / "world.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


_numbers = itertools.count(1)
_clock = SystemClock(ClockTrust.TRUSTED)


def now() -> datetime:
    return to_datetime(_clock.now())


class House(Demo):
    """A running stage whose doors are joined. Names of credentials are of one test each."""

    @property
    def cloud(self) -> ReferenceCloud:
        return self.stage.cloud

    def id_of(self, door: str) -> str:
        return self.stage.device_ids[door]

    @property
    def head(self) -> int:
        """The newest event that the cloud holds; `event` looks behind such a mark."""
        return max((event["seq"] for event in self.cloud.events()), default=0)

    async def event(
        self, kind: str, after: int = 0, within_s: float = WAIT_S, **fields: Any
    ) -> Event:
        """The first event of this type, newer than `after`, whose fields or body say so."""

        def fits(event: Event) -> bool:
            known = event["body"] | event
            return (
                event["seq"] > after
                and event["type"] == kind
                and all(known.get(name) == value for name, value in fields.items())
            )

        try:
            return await self.cloud.wait_event(fits, within_s)
        except TimeoutError:
            seen = [e["type"] for e in self.cloud.events() if e["seq"] > after][-20:]
            raise TimeoutError(f"no {kind} {fields}; last came {seen}") from None

    async def up(self) -> None:
        """Start the daemon, and wait until the cloud sees it: what is sent sooner is lost."""
        before = self.cloud.presence
        await self.stage.daemon.start()
        await self.cloud.until(
            lambda: self.cloud.presence is not before and self.cloud.presence["online"], WAIT_S
        )

    async def until_time(self, moment: datetime) -> None:
        await _clock.sleep((moment - now()).total_seconds())

    async def give(self, name: str, *doors: str, window: Document = ALWAYS, **more: Any) -> None:
        """Order a code and see it work: on the lock, and known to the cloud as active."""
        self.cloud.push([self.credential(name, list(doors), window, **more)])
        for door in doors:
            await self.until_held(door, name)
            await self.grant(name, door, "active")

    async def take(self, name: str, *doors: str) -> None:
        """Revoke a code and see it gone."""
        self.cloud.push([], [{"credential_id": name}], confirm_removals=True)
        for door in doors:
            await self.until_gone(door, name)

    async def works(self, door: str = "front") -> None:
        """The main job, once more: a new code opens and is attributed; the cloud opens the door."""
        name = f"proof_{next(_numbers)}"
        self.cloud.push([self.credential(name, [door], ALWAYS)])
        await self.until_held(door, name)
        assert (await self.types(door, name))["opened"]
        await self.used(name, door)
        before = await self.applied(door, "unlock_door")
        answer = await self.cloud.command("unlock", self.id_of(door))
        assert answer["result"]["outcome"] == "confirmed"
        assert await self.applied(door, "unlock_door") == before + 1
        self.cloud.push([], [{"credential_id": name}])
        await self.until_gone(door, name)

    async def applied(self, door: str, command: str) -> int:
        """How often a command took effect on the lock."""
        state = await self.at(door, "state")
        return int(state["commands_applied"].get(command, 0))

    async def status(self) -> Document:
        """`lock-gateway status --json`."""
        code, out, err = await self.stage.daemon.cli("status", "--json")
        assert code == 0, err
        document: Document = json.loads(out)
        return document

    def dense(self) -> None:
        """Nothing the gateway numbered is missing at the cloud, in any epoch."""
        for epoch, ledger in self.cloud.ledgers.items():
            assert sorted(ledger.events) == list(range(1, len(ledger.events) + 1)), epoch

    async def caught_up(self) -> None:
        """Until the cloud holds every event there is, and the gateway knows it."""
        epoch = self.cloud.presence["epoch"]

        def all_here() -> bool:
            said = self.cloud.hello.get("events", {})
            ledger = self.cloud.ledgers.get(epoch)
            here = ledger is not None and ledger.watermark == said.get("head")
            return here and said.get("through") == said.get("head")

        self.cloud.hello = {}
        async with asyncio.timeout(WAIT_S):
            while not all_here():
                self.cloud.ask(want_hello=True)
                before = self.cloud.hello
                await self.cloud.until(lambda before=before: self.cloud.hello is not before)  # type: ignore[misc]  # bound early


async def pause(seconds: float) -> None:
    """Where the moment itself is the test's subject; to wait for something, ask a witness."""
    await _clock.sleep(seconds)


async def poll(what: str, probe: Callable[[], bool], within_s: float = WAIT_S) -> None:
    """Until a file shows it; TimeoutError names what did not come."""
    try:
        async with asyncio.timeout(within_s):
            while not probe():
                await pause(0.02)
    except TimeoutError:
        raise TimeoutError(what) from None


@asynccontextmanager
async def house(folder: Path, *doors: Door, **settings: object) -> AsyncIterator[House]:
    """A house with these doors joined. `settings`: as `broker__port=1883`, over the stage's."""
    environ = {f"LOCK_GATEWAY_{key.upper()}": str(value) for key, value in settings.items()}
    async with stage(folder, world(folder, doors), environ) as everything:
        built = House(everything, Timeline(Console(file=io.StringIO())))
        await start(built)
        if everything.sims.nodes:
            await join(built)
        if everything.sims.bluetooth:
            await claim(built)
        async with over_zwave.joining(built) as joined:
            await over_zwave.join(built, joined)
        assert built.line.held, built.line.steps
        yield built
