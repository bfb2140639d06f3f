"""A day of the Bluetooth radio in virtual time: bad air, adapters that vanish and hang, locks away.

The radio, bleak, bumble's host and controllers and the sockets between them are real; only the
loop's time is not: it moves when no socket has anything to say. While nothing is broken every
visit must succeed, and at the end nothing may be left over. Four hours at a desk, a day in CI.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import selectors
from typing import TYPE_CHECKING, Any

import pytest

from firmware_sims.ble.spec import BleAirSpec
from gateway.domain.instant import ClockTrust, Instant
from gateway.errors import LinkError, RadioError
from gateway.radios.api import RadioStatus, StateChanged
from gateway.radios.keeper import Pace
from tests.contracts.ble_air import NOTIFY, WRITE, House, Parrot, house

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HOURS = 24 if os.environ.get("CI") else 4
LOCKS = 4
GRACE_S = 300.0
"""After a trouble is over: two minutes' waiting of the keeper, twice, and a minute to be heard."""


class _Impatient:
    """A selector that skips the waiting."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.passed = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = self._real.select(0)
        if not ready and timeout is None:
            return self._real.select(10)
        if not ready and timeout is not None and timeout > 0:
            self.passed += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._skipping = _Impatient()
        super().__init__(self._skipping)  # type: ignore[arg-type]  # it is one by delegation

    def time(self) -> float:
        return self._skipping.passed


class _LoopClock:
    trust = ClockTrust.TRUSTED

    def now(self) -> Instant:
        return Instant(round(self.monotonic() * 1000))

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        done = asyncio.get_running_loop().create_future()
        handle = asyncio.get_running_loop().call_later(seconds, done.cancel)
        try:
            await asyncio.wait({done})
        finally:
            handle.cancel()


class _Day:
    """What befell, and what was said."""

    def __init__(self, home: House, parrots: list[Parrot], clock: _LoopClock) -> None:
        self.home = home
        self.parrots = parrots
        self.clock = clock
        self.rng = random.Random(4)
        self.broken: set[str] = set()
        self.well_since = 0.0
        self.good = self.excused = 0
        self.wrong: list[str] = []

    async def troubles(self) -> None:
        """One at a time, half an hour apart: one adapter, both, one lock."""
        for what in itertools.cycle(("vanish", "hang", "both", "away", "deaf")):
            await self.clock.sleep(self.rng.uniform(900, 1800))
            self.broken.add(what)
            lock, adapter = self.rng.choice(self.parrots).address, self.rng.randrange(2)
            adapters = (0, 1) if what == "both" else (adapter,)
            match what:
                case "vanish" | "hang" | "both":
                    for each in adapters:
                        self.home.fail(each, "vanish" if what == "both" else what)
                case "away":
                    self.home.air.set_in_range(lock, False)
                case "deaf":
                    self.home.air.set_in_range(f"hci{adapter}", False)
            await self.clock.sleep(self.rng.uniform(60, 900))
            for each in adapters:
                self.home.fail(each, "return")
                self.home.air.set_in_range(f"hci{each}", True)
            self.home.air.set_in_range(lock, True)
            self.broken.discard(what)
            self.well_since = self.clock.monotonic()

    @property
    def well(self) -> bool:
        return not self.broken and self.clock.monotonic() - self.well_since > GRACE_S

    async def visits(self, parrot: Parrot) -> None:
        for number in itertools.count():
            await self.clock.sleep(self.rng.uniform(60, 1200))
            began_well = self.well
            word = f"{number}".encode()
            try:
                said = await self._visit(parrot, word)
            except (RadioError, LinkError) as error:
                if began_well and self.well:
                    self.wrong.append(f"{self.clock.monotonic():.0f} {error!r}")
                self.excused += 1
            else:
                self.good += 1
                if said != word or parrot.written[-1] != word:
                    self.wrong.append(
                        f"{self.clock.monotonic():.0f} {word!r} came back as {said!r}"
                    )

    async def _visit(self, parrot: Parrot, word: bytes) -> bytes:
        linger_s = self.rng.choice((0.0, 3.0, 30.0))
        async with self.home.radio.connect(
            parrot.address, deadline_s=60, linger_s=linger_s
        ) as link:
            link.drain()
            await link.listen(NOTIFY, deadline_s=10)
            await link.write(WRITE, word, response=True, deadline_s=10)
            return b"".join([(await link.receive(deadline_s=10))[1] for _ in word])


@pytest.mark.slow
def test_a_day(tmp_path: Path) -> None:
    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(_a_day(tmp_path))


async def _a_day(tmp_path: Path) -> None:
    clock = _LoopClock()
    parrots = [Parrot(number, interval_s=10.0) for number in range(LOCKS)]
    async with house(
        tmp_path,
        *parrots,
        adapters=2,
        connections=2,
        clock=clock,
        pace=Pace(),
        spec=BleAirSpec(loss=0.05),
    ) as home:
        day = _Day(home, parrots, clock)
        before = len(asyncio.all_tasks())
        lives = [asyncio.create_task(day.troubles())]
        lives += [asyncio.create_task(day.visits(parrot)) for parrot in parrots]
        await clock.sleep(HOURS * 3600)
        for life in lives:
            life.cancel()
        ended = await asyncio.gather(*lives, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended
        for each in (0, 1):
            home.fail(each, "return")
            home.air.set_in_range(f"hci{each}", True)
        for parrot in parrots:
            home.air.set_in_range(parrot.address, True)
        await clock.sleep(GRACE_S)
        assert day.wrong == []
        assert day.good > HOURS * LOCKS * 4
        assert day.excused > 0, "no trouble struck: this day proves nothing"
        assert home.radio.state.status is RadioStatus.UP
        statuses = [e.state.status for e in home.events if isinstance(e, StateChanged)]
        assert RadioStatus.DEGRADED in statuses
        assert RadioStatus.DOWN in statuses
        assert [parrot.line for parrot in parrots] == [None] * LOCKS
        assert not any(s.le_connections for s in home.air.stations if s.name.startswith("hci"))
        assert len(asyncio.all_tasks()) <= before + 2, asyncio.all_tasks()
        for parrot in parrots:
            async with home.radio.connect(parrot.address, deadline_s=60) as link:
                await link.write(WRITE, b"", response=True, deadline_s=10)
