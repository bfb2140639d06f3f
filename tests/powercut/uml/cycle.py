"""The cycles: power on, hold the gateway to its word, use the house, power off at random.

Here: the order of things in one cycle, the ways a cycle may differ, and its report. Not here: the
figures over all cycles (`__init__`).
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from gateway.domain.instant import ClockTrust
from gateway.kit.clock import SystemClock
from tests.powercut.uml.house import House, house
from tests.powercut.uml.load import STAY, Load
from tests.powercut.uml.machine import Boot, Unsound
from tests.powercut.uml.witness import Finding, Kind, Witness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from random import Random

WRONG_BY_S: Final = 3 * STAY.total_seconds()
ONLINE_S: Final = 60.0
CONVERGE_S: Final = 90.0
_NOTICED_S: Final = 3.0
"""Within this, the gateway has noticed that its clock is kept now."""

_clock = SystemClock(ClockTrust.TRUSTED)


class Way(StrEnum):
    """How a cycle's clock is, or that the power is cut before the daemon is up."""

    KEPT = "clock kept"
    BEHIND = "clock behind, then set"
    AHEAD = "clock ahead, then set"
    UNKEPT = "clock never proven"
    LOST = "time source lost"
    FLICKER = "cut while starting"
    LAST = "clock kept, to rest"
    FIRST = "cut in the first start"
    SECOND = "the second start"


_WEIGHTS: Final = {
    Way.KEPT: 8, Way.BEHIND: 2, Way.AHEAD: 2, Way.UNKEPT: 1, Way.LOST: 2, Way.FLICKER: 4,
}  # fmt: skip
_STEP_S: Final = {Way.BEHIND: -WRONG_BY_S, Way.AHEAD: WRONG_BY_S}
_UNKEPT: Final = frozenset({Way.BEHIND, Way.AHEAD, Way.UNKEPT})


@dataclass(slots=True)
class Report:
    """`up_s`: from power to the gateway's word at the cloud; None when it was cut before."""

    way: Way
    seconds: float = 0.0
    up_s: float | None = None
    load_s: float = 0.0
    findings: list[Finding] = field(default_factory=list)

    def has(self, *kinds: Kind) -> bool:
        return any(finding.kind in kinds for finding in self.findings)


class Cycles:
    """One house over many power cuts."""

    def __init__(self, built: House, random: Random, preload: str = "") -> None:
        self.house = built
        self.witness = Witness()
        self.load = Load(built, self.witness, random)
        self._random, self._preload = random, preload
        self._boots: set[str] = set()
        built.cloud.listener = self.witness.hear

    async def one(self, way: Way) -> Report:
        """A whole cycle; whatever goes wrong in it is in the report."""
        report = Report(way)
        began = _clock.monotonic()
        try:
            await self.house.machine.power_on(
                Boot(_STEP_S.get(way, 0.0), way not in _UNKEPT, self._preload)
            )
            if way in (Way.FLICKER, Way.FIRST):
                await _clock.sleep(self._random.uniform(1.5, 8.0))
            else:
                await self._live(way, report, began)
        except TimeoutError as error:
            self.witness.found(Kind.CORRUPT, str(error))
        finally:
            await self.house.cut()
        self.witness.power_cut()
        try:
            found = await self.house.machine.examine()
            if found is not None:
                self.witness.see(found.epoch, found.counts)
            elif self.witness.epoch:
                self.witness.found(Kind.LOST, "the whole store")
        except Unsound as error:
            self.witness.found(Kind.CORRUPT, str(error))
        report.findings, self.witness.findings = self.witness.findings, []
        report.seconds = _clock.monotonic() - began
        return report

    @property
    def counts(self) -> dict[str, int]:
        """What was asked of the house, and what the cloud was told."""
        heard = {"events": len(self.witness.events), "answers": len(self.witness.results)}
        return {**self.load.counts, "revisions": self.witness.said.get("revision", 0), **heard}

    def way(self) -> Way:
        return self._random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]

    async def _live(self, way: Way, report: Report, began: float) -> None:
        await self._online()
        report.up_s = _clock.monotonic() - began
        if way is Way.SECOND:
            await self._radio_up()
            return
        if way in _UNKEPT:
            self._trust("untrusted")
        await self.load.events_again()
        await self.load.ask_again()
        if way is Way.LAST:
            await self.load.converge(CONVERGE_S)
            await self.load.events_again(most=1000)
            return
        if not self.load.staying:
            await self.load.stays()
        report.load_s = self._random.uniform(2.0, 6.0)
        half = report.load_s * self._random.uniform(0.2, 0.8)
        await self.load.run(half)
        if way in _STEP_S:
            self.house.machine.line.clock(-_STEP_S[way], synchronised=True)
            await self.load.run(max(_NOTICED_S, report.load_s - half))
            self._trust("trusted")
        else:
            if way is Way.LOST:
                self.house.machine.line.clock(0.0, synchronised=False)
            await self.load.run(report.load_s - half)

    def _trust(self, wanted: str) -> None:
        said = self.house.cloud.hello["clock"]["trust"]
        if said != wanted:
            self.witness.found(Kind.WRONG, f"its clock is {wanted} and it says {said}")

    async def _radio_up(self) -> None:
        log = self.house.machine.log
        await self.house.until(
            "the radio did not come up", lambda: b'"radio up"' in log.read_bytes(), ONLINE_S
        )

    async def _online(self) -> None:
        """Until this life of the gateway has said hello. TimeoutError."""
        cloud, machine = self.house.cloud, self.house.machine
        before = cloud.hello.get("connection", 0)
        await machine.until_up()
        boot_id = machine.line.notes["boot_id"]
        if boot_id in self._boots:
            self.witness.found(Kind.WRONG, f"boot id {boot_id} came twice")
        self._boots.add(boot_id)
        cloud.hello = {}

        def said() -> Any:
            if "ended" in machine.line.notes:
                raise TimeoutError(f"the daemon ended with {machine.line.notes['ended']}")
            return cloud.hello and cloud.hello["connection"] != before

        await self.house.until("the daemon did not come online", said, ONLINE_S)


async def first_start(folder: Path, random: Random) -> list[Report]:
    """The power goes in the very first start of a gateway; the second must come up."""
    folder.mkdir()
    async with house(folder, new=True) as built:
        running = Cycles(built, random)
        first = await running.one(Way.FIRST)
        built.machine.log.write_bytes(b"")  # a radio that was up then is not meant
        return [first, await running.one(Way.SECOND)]


@asynccontextmanager
async def cycles(folder: Path, random: Random, preload: str = "") -> AsyncIterator[Cycles]:
    """A house in which every door has its guest, watched all the time."""
    folder.mkdir()
    async with house(folder) as built:
        running = Cycles(built, random, preload)
        watching = asyncio.create_task(running.load.watch())
        try:
            yield running
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
