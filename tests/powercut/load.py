"""A house whose gateway loses its power again and again while everybody is busy.

The daemon is the real process, recorded; doors, broker and cloud are the house tests' own. Each
life ends with a kill; the next one starts from one of the disks that a power cut at that moment may
have left. Not here: what every other possible disk must hold (`replay`).
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import errno
import io
import sqlite3
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console

from firmware_sims.demo.stage import stage
from firmware_sims.demo.steps import join, rfc, soon, start
from firmware_sims.demo.timeline import Timeline
from tests.house.house import ALWAYS, House, pause, world
from tests.house.house import Door as Lock
from tests.powercut import recorder
from tests.powercut.images import MAPPED, Disk, Fate, Image, Kind
from tests.powercut.promises import Door, Promises, nodes
from tests.powercut.recorder import Fault
from tests.powercut.wire import Utterance, utterances

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path
    from random import Random

    from tests.powercut.images import Op

LOCKS = (Lock("front"), Lock("side", "danalock-v3"))
DOORS = tuple(lock.name for lock in LOCKS)
OFFSET = -1
"""From a slot to the user id of these locks (gateway/drivers/quirks.toml)."""

CODES = 6
"""On the doors at any time, about."""

ANSWER_S = 5.0
HEALED_S = 60.0


def faults(random: Random) -> list[Fault]:
    """At the start and in the middle, once and for a while, as a full and as a failing disk."""
    return [
        Fault(of_sync=False, first=1, count=1_000_000, error=errno.ENOSPC),
        Fault(of_sync=True, first=random.randint(1, 8), count=1, error=errno.EIO),
        Fault(of_sync=False, first=random.randint(20, 300), count=40, error=errno.ENOSPC),
        Fault(of_sync=True, first=random.randint(10, 60), count=1, error=errno.EIO),
        Fault(of_sync=True, first=random.randint(10, 60), count=8, error=errno.EIO),
        Fault(of_sync=False, first=random.randint(20, 300), count=2, error=errno.EIO),
    ]


class Broken(Exception):
    """The house did not do what it must; the words say what."""


@dataclass(frozen=True, slots=True)
class Life:
    """From one power cut to the next."""

    base: Image
    ops: list[Op]
    said: list[tuple[int, Utterance]]
    before: Promises
    """What was promised in earlier lives."""
    fault: Fault | None


@dataclass
class Recording:
    """What was seen in all lives together."""

    lives: list[Life] = field(default_factory=list)
    promises: Promises = field(default_factory=Promises)
    wrong: list[str] = field(default_factory=list)
    """What the doors or the cloud's books showed that must not be."""
    struck: int = 0
    """Calls that were made to fail."""
    refused_starts: int = 0


class Busy:
    """Everybody at once: the cloud orders and revokes, people come and go, doors are opened."""

    def __init__(self, house: House, random: Random) -> None:
        self.house = house
        self.random = random
        self.wanted: dict[str, tuple[str, ...]] = {}
        """Codes without an end, by name, and their doors."""
        self.gone: dict[str, tuple[str, ...]] = {}
        """Codes that were taken back."""
        self.unsure: set[str] = set()
        """Codes whose revocation nobody confirmed: the order met a dead gateway, or was there
        before the code."""
        self.unlocks = dict.fromkeys(DOORS, 0)
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """While the context lasts. What they wait for in vain when it ends is given up."""
        for each in (self._schedule, self._guests, self._commands):
            self._spawn(each())
        try:
            yield
        finally:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception) and not isinstance(outcome, TimeoutError):
                    raise outcome

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _schedule(self) -> None:
        while True:
            self._number += 1
            name, stones = f"code_{self._number}", []
            doors = self.random.choice((("front",), ("side",), ("front", "side")))
            window = ALWAYS
            if self.random.random() < 0.3:
                ends = soon(self.random.uniform(1, 3))
                window = {"kind": "timed", "opens_at": rfc(soon(-60)), "closes_at": rfc(ends)}
                self.gone[name] = doors
            else:
                self.wanted[name] = doors
            while len(self.wanted) > CODES:
                oldest = next(iter(self.wanted))
                self.gone[oldest] = self.wanted.pop(oldest)
                stones.append({"credential_id": oldest})
            self.house.cloud.push(
                [self.house.credential(name, list(doors), window)], stones, confirm_removals=True
            )
            await pause(self.random.uniform(0.1, 0.5))

    async def _guests(self) -> None:
        while True:
            if known := [*self.wanted.items(), *list(self.gone.items())[-2:]]:
                name, doors = self.random.choice(known)
                door = self.random.choice(doors)
                await self.house.at(door, "thumb_turn", to="locked")
                await self.house.types(door, name)
            await pause(self.random.uniform(0.05, 0.25))

    async def _commands(self) -> None:
        while True:
            if len(self.wanted) > 2 and self.random.random() < 0.15:
                name = self.random.choice(list(self.wanted))
                self.gone[name] = self.wanted.pop(name)
                self.unsure.add(name)
                self._spawn(self._revoke(name))
            else:
                door = self.random.choice(DOORS)
                self.unlocks[door] += 1
                self._spawn(self._unlock(door))
            await pause(self.random.uniform(0.1, 0.4))

    async def _unlock(self, door: str) -> None:
        with contextlib.suppress(TimeoutError):
            await self.house.cloud.command("unlock", self.house.id_of(door), timeout_s=ANSWER_S)

    async def _revoke(self, name: str) -> None:
        with contextlib.suppress(TimeoutError):
            answer = await self.house.cloud.command(
                "revoke", timeout_s=ANSWER_S, credential_id=name
            )
            if answer["result"]["outcome"] == "confirmed":
                self.unsure.discard(name)


class Powercuts:
    """A house under `folder`; `run` it once."""

    def __init__(self, folder: Path, random: Random, progress: Callable[[str], None]) -> None:
        self._folder = folder
        self._state = folder / "state"
        self._random = random
        self._progress = progress
        self.recording = Recording()
        self._base: Image = {}
        self._log = folder / "life-0.log"

    @asynccontextmanager
    async def run(self, lives: int, seconds: float) -> AsyncIterator[House]:
        """All lives; then the house, its daemon dead, for whoever has more questions to it."""
        library = recorder.build(self._folder)
        environ = recorder.environment(library, self._state, self._log)
        async with stage(self._folder, world(self._folder, LOCKS), environ) as everything:
            house = House(everything, Timeline(Console(file=io.StringIO())))
            self._progress("the first start, and two locks join")
            await start(house)
            await join(house)
            if not house.line.held:
                raise Broken(f"the locks did not join: {house.line.steps}")
            self._learn(house)
            busy = Busy(house, self._random)
            for number in range(lives):
                if number:
                    await self._up(house)
                await self._live(house, busy, seconds, number, lives)
            for fault in faults(self._random):
                await self._failing(house, busy, seconds / 2, fault)
            self._progress("the last life: everything heals")
            await self._up(house)
            await self._healed(house, busy)
            await self._cut(house, None)
            yield house

    async def _live(
        self, house: House, busy: Busy, seconds: float, number: int, lives: int
    ) -> None:
        self._progress(f"life {number + 1} of {lives}")
        async with busy.going_on():
            await pause(self._random.uniform(0.7, 1.3) * seconds)
            await self._kill(house)
        await self._cut(house, None)

    async def _failing(self, house: House, busy: Busy, seconds: float, fault: Fault) -> None:
        what = "syncs" if fault.of_sync else "writes"
        named = errno.errorcode[fault.error]
        self._progress(
            f"a life in which {what} fail: {named}, {fault.count} from no. {fault.first}"
        )
        self.recording.promises.disk_may_fail = True
        async with busy.going_on():
            if await self._up(house, fault):
                await pause(seconds)
            else:
                self.recording.refused_starts += 1
            await self._kill(house)
        await self._cut(house, fault)
        self.recording.promises.disk_may_fail = False

    async def _kill(self, house: House) -> None:
        if house.stage.daemon.process.returncode is None:
            with recorder.between_calls(self._log):
                await house.stage.daemon.kill()

    async def _up(self, house: House, *faults: Fault) -> bool:
        """Until the cloud sees it; False if it ended first, which only a fault excuses."""
        daemon, cloud = house.stage.daemon, house.cloud
        self._log = self._folder / f"life-{len(self.recording.lives)}.log"
        library = self._folder / "recorder.so"
        daemon.environ.update(recorder.environment(library, self._state, self._log, *faults))
        before = cloud.presence
        await daemon.launch()
        ended = asyncio.create_task(daemon.process.wait())
        seen = asyncio.create_task(
            cloud.until(lambda: cloud.presence is not before and cloud.presence["online"], 20)
        )
        await asyncio.wait({ended, seen}, return_when=asyncio.FIRST_COMPLETED)
        up = not ended.done()
        ended.cancel()
        seen.cancel()
        outcomes = await asyncio.gather(ended, seen, return_exceptions=True)
        if not faults and (not up or isinstance(outcomes[1], TimeoutError)):
            tail = daemon.log.read_text(errors="replace")[-1500:]
            raise Broken(f"the daemon did not come up on a disk a power cut left: {tail}")
        return up

    def _learn(self, house: House) -> None:
        """How the locks are called on the air."""
        with closing(sqlite3.connect(f"file:{self._state}/zigbee.db?mode=ro", uri=True)) as radio:
            addresses = {address: node for node, address in nodes(radio).items()}
        sims = house.stage.sims.nodes
        self.recording.promises.doors = {
            addresses[sims[name]["ieee"]]: Door(house.id_of(name), sims[name]["ieee"], OFFSET)
            for name in DOORS
        }

    async def _cut(self, house: House, fault: Fault | None) -> None:
        """The power is off: keep the record, and leave one of the possible disks."""
        await self._kill(house)
        ops = list(recorder.read(self._log))
        said = list(
            utterances(
                ops,
                broker_port=house.stage.broker.port,
                stick_port=int(house.stage.sims.radio.rpartition(":")[2]),
            )
        )
        kept, promises = self.recording, self.recording.promises
        kept.lives.append(Life(self._base, ops, said, copy.deepcopy(promises), fault))
        kept.struck += sum(op.kind is Kind.FAILED for op in ops)
        for _, utterance in said:
            promises.hear(utterance)
        self._books(house)
        disk = Disk(self._base)
        for op in ops:
            disk.apply(op)
        self._recorded_all(disk)
        self._base = disk.image(self._random.choice(list(Fate)), self._random)
        for path in self._state.iterdir():
            path.unlink()
        for name, data in self._base.items():
            path = self._state / name
            path.touch(0o600)
            path.write_bytes(data)

    def _recorded_all(self, disk: Disk) -> None:
        """The record leads to what is really there; else it proves nothing."""
        told = {n: d for n, d in disk.contents().items() if not n.endswith(MAPPED)}
        real = {
            path.name: path.read_bytes()
            for path in self._state.iterdir()
            if not path.name.endswith(MAPPED)
        }
        if told != real:
            differ = sorted(n for n in told.keys() | real if told.get(n) != real.get(n))
            raise Broken(f"the record missed changes of {', '.join(differ)}")

    def _books(self, house: House) -> None:
        """What the cloud holds is promised as well, and must be what was heard on the wire."""
        promises = self.recording.promises
        for epoch, ledger in house.cloud.ledgers.items():
            events = [ledger.events[seq] for seq in sorted(ledger.events)]
            promises.said("events", {"epoch": epoch, "events": events})
        for answer in house.cloud.results.values():
            promises.said("results", answer)

    async def _healed(self, house: House, busy: Busy) -> None:
        wrong = self.recording.wrong
        stones = [{"credential_id": name} for name in sorted(busy.unsure)]
        house.cloud.push([], stones, confirm_removals=True)
        try:
            await house.cloud.wait_applied(HEALED_S)
            for name, doors in busy.wanted.items():
                for door in doors:
                    await house.until_held(door, name)
            for name, doors in busy.gone.items():
                for door in doors:
                    await house.until_gone(door, name)
            await house.caught_up()
            house.dense()
        except (TimeoutError, AssertionError) as error:
            wrong.append(f"did not heal: {error or type(error).__name__}")
        for door, ordered in busy.unlocks.items():
            done = await house.applied(door, "unlock_door")
            if done > ordered:
                wrong.append(f"{door} was opened {done} times for {ordered} orders")
        if leaked := house.leaks():
            wrong.append(f"a code is readable in {leaked}")
