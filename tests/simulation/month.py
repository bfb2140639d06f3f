"""A month without cloud: `python -m tests.simulation.month` lives through it and tells of it.

The cloud orders everything, then the link goes for a month: arrivals, departures, cleaners, the end
of summer time, three power cuts, one of them followed by a boot that does not know the time. Then
the link returns. Here: what happens to the machine and at the doors, day by day. Not here: who
comes when (`month_plan`), the two nights that are looked at closely (`month_nights`), what the
cloud has at the end (`month_end`), and what is right at the doors (`judge`).

Exit status 0: every promise was kept. 1: some was not.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from dataclasses import fields, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from rich.console import Console

import firmware_sims.profiles
from firmware_sims.demo.timeline import Timeline
from gateway.domain.instant import ClockTrust, Instant
from gateway.domain.wants import Policy
from tests.simulation import month_end, swarm
from tests.simulation.life import Ending
from tests.simulation.month_nights import BlindEvening, LongNight
from tests.simulation.month_plan import (
    BEGIN,
    CUTS,
    DARK,
    DOORS,
    FIRST,
    HOUR,
    LAST,
    LINK_GOES,
    LINK_RETURNS,
    MAIN,
    MEANWHILE,
    MINUTE,
    NO_TIME,
    SOON_MS,
    T_MS,
    ZONE,
    Plan,
    clock,
    day_of,
    local,
)
from tests.simulation.seeds import play
from tests.simulation.world import BOOT_S, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.timekeeping.view import ClockView
    from tests.simulation.month_plan import Cut, Visit
    from tests.simulation.radio import SimDoor
    from tests.simulation.swarm import Swarm
    from tests.simulation.world import Result

SEED = 2026
LOOK_S = 300.0
"""How often every door is inspected, besides the edges of windows."""
WEEKS_AGO_S = -21 * 86_400.0


def calm() -> Swarm:
    """A world in which nothing goes wrong but what this plot wants."""
    drawn = swarm.draw(Random(SEED))
    spared = drawn.without([f.name for f in fields(drawn) if f.type in {"float", "bool"}])
    return replace(
        spared, start=BEGIN, zone=ZONE, locks=len(DOORS), signed_time=True, drift_ppm=18.0
    )


class Month(World):
    """`run` once, inside a simulated loop. What it sees and finds goes to `line`."""

    policy = Policy()
    proven_share = 1.0

    def __init__(self, folder: Path, line: Timeline) -> None:
        super().__init__(SEED, folder, bad=calm())
        self.line = line
        self.plan = Plan(self._rng("plan"))
        self.day: Counter[str] = Counter()
        self.total: Counter[str] = Counter()
        self.amiss: list[str] = []
        self._uses: Counter[str] = Counter()
        self._acts = 0
        self._violations_told = 0

    def _hang_doors(self) -> Iterator[SimDoor]:
        for name, model in DOORS:
            profile = firmware_sims.profiles.load(model)
            yield self.air.add_lock(name.replace(" ", ""), profile=profile, zone=ZONE)

    # ── the plot ────────────────────────────────────────────────────────────────────────

    async def _story(self) -> None:
        with self.line.step(f"{day_of(BEGIN)}  four doors, no cloud from noon"):
            await self._install()
            for (name, model), door in zip(DOORS, self.doors, strict=True):
                kept = door.profile.schedules == "kept"
                how = "keeps windows itself, tested" if kept else "the gateway keeps windows"
                asleep = ", it sleeps" if door.profile.sleepy else ""
                self.line.note(f"{name}: {model}, {how}{asleep}")
            await self._order()
            self._arrange()
            await self._day_over(FIRST)
        day = FIRST + timedelta(days=1)
        while day <= LAST:
            with self.line.step(f"{day_of(local(day, 0))}"):
                await self._day_over(day)
            day += timedelta(days=1)
        with self.line.step(f"{day_of(LINK_RETURNS)}, {clock(LINK_RETURNS)}  the link returns"):
            await month_end.back(self)

    async def _order(self) -> None:
        """Everything before the link goes, and two changes of it."""
        devices = [self.witness.device(door) for door in self.doors]
        final = {person.name: person.credential(devices) for person in self.plan.people}
        moved, suspended = self.plan.changed.name, self.plan.suspended.name
        first = final | {
            moved: final[moved] | {"devices": [devices[MAIN], devices[3]]},
            suspended: final[suspended] | {"suspended": False},
        }
        self.cloud.change(first.values(), sure=True)
        await self._until(local(FIRST, 9))
        self.cloud.change([final[moved], final[suspended]], sure=True)
        await self._until(local(FIRST, 9.5))
        roles = Counter(person.role for person in self.plan.people)
        self.line.note("ordered: " + ", ".join(f"{count} {role}" for role, count in roles.items()))
        self.line.note("changed: one guest gets another flat, one of the staff is suspended")
        in_force = self.cloud.in_agreement
        self.line.check("cloud", "heard that all of it is in force", in_force)

    def _arrange(self) -> None:
        """Everything that is going to happen, at its time."""
        self.at(LINK_GOES, self._link_goes)
        for begin, end in NO_TIME:
            self.at(begin, partial(self._time_service, None))
            self.at(end, partial(self._time_service, 0.0))
        self.at(NO_TIME[0][1] + 2 * MINUTE, self.check_trusted)
        for cut in CUTS:
            self.at(cut.begin, partial(self._cut, cut))
            self.at(cut.end + round(BOOT_S * 1000) + 2 * MINUTE, partial(self._booted, cut))
        self.at(MEANWHILE, self._order_in_vain)
        BlindEvening(self)
        LongNight(self)
        for visit in self.plan.visits:
            self.at(visit.at, partial(self._come, visit))
        for edge in self.plan.edges():
            for after_ms in (-SOON_MS, 1_000, T_MS + 5_000):
                self.at(edge + after_ms, self.look)
        for number in range(round((LINK_RETURNS - LINK_GOES) / (6 * HOUR))):
            self.at(LINK_GOES + number * 6 * HOUR, self._drifted)

    def at(self, when: int, act: Callable[[], object]) -> None:
        """A loop's timers are not ordered between equals; what is past is left out."""
        loop = asyncio.get_running_loop()
        self._acts += 1
        delay_s = (when - self.true()) / 1000
        if delay_s >= 0:
            loop.call_at(loop.time() + delay_s + self._acts * 1e-6, act)

    async def _until(self, when: Instant) -> None:
        await asyncio.sleep(max(0.0, (when - self.true()) / 1000))

    async def _inspect(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        self.witness.look(self.doors)

    # ── the machine ─────────────────────────────────────────────────────────────────────

    def _link_goes(self) -> None:
        self.broker.up = False
        self._tell("the link to the cloud is gone")

    def _time_service(self, offset_s: float | None) -> None:
        self.machine.time_service(offset_s)
        silent = offset_s is None
        self._tell("the time service is gone" if silent else "a time service answers again")

    def _drifted(self) -> None:
        """The judge knows how wrong the machine's clock is; the gateway does not."""
        host = self.machine.host
        if host is not None and host.proven_honestly:
            self.witness.clock_error_ms = 2_000 + round(abs(host.error_ms()))
            self.witness.clock_changed()

    def _cut(self, cut: Cut) -> None:
        off_s = (cut.end - cut.begin) / 1000
        if cut.clockless:
            self.machine.wrong_at_next_boot(WEEKS_AGO_S)
        self.end_life(Ending.POWER, off_s)
        self._tell(f"power cut, {off_s / 60:.0f} minutes")

    def _booted(self, cut: Cut) -> None:
        host, view = self.machine.host, self.clock_view()
        assert host is not None
        assert view is not None
        self._tell(
            f"power is back; the wall clock says {day_of(host.wall())}, {clock(host.wall())}"
        )
        wanted = ClockTrust.UNTRUSTED if cut.clockless else ClockTrust.TRUSTED
        self.line.check("gateway", f"calls its time {wanted.value}", view.trust is wanted)

    def check_trusted(self) -> None:
        view = self.clock_view()
        trusted = view is not None and view.trust is ClockTrust.TRUSTED
        self.line.check("gateway", "trusts the time again", trusted)

    def clock_view(self) -> ClockView | None:
        life = self._life
        return None if life is None or life.keeper is None else life.keeper.view()

    def _order_in_vain(self) -> None:
        devices = [self.witness.device(door) for door in self.doors]
        self.cloud.revoke(self.plan.dismissed.name)
        self.cloud.put(self.plan.late.credential(devices), sure=True)
        self._tell("the cloud dismisses one of the staff and books a guest; nobody hears it")

    # ── at the doors ────────────────────────────────────────────────────────────────────

    def _come(self, visit: Visit, *, again: bool = False) -> None:
        person, door = visit.person, self.doors[visit.door]
        expected = self._expected(visit)
        opened = self.witness.typed(door, person.digits)
        if opened:
            asyncio.get_running_loop().call_later(20, door.shut)
            self._uses[person.name] += 1
        if expected and not opened and not again:
            # Others' wrong tries have locked the keypad for a minute.
            asyncio.get_running_loop().call_later(75, partial(self._come, visit, again=True))
            return
        if expected is None:
            self.day["either"] += 1
            self.day["either, opened"] += opened
        elif opened is expected:
            self.day["let in" if opened else f"no: {visit.why}"] += 1
        else:
            how = "got in" if opened else "stood at a closed door"
            self.amiss.append(f"{person.name} {how}: {DOORS[visit.door][0]}, {clock(self.true())}")

    def _expected(self, visit: Visit) -> bool | None:
        person = visit.person
        if person is self.plan.dismissed and self.true() >= MEANWHILE:
            return None  # nobody could tell the gateway
        if person.limit is not None and self._uses[person.name] >= person.limit:
            return False
        return self.plan.expected(person, visit.door, self.true(), DARK)

    # ── telling ─────────────────────────────────────────────────────────────────────────

    def _tell(self, what: str) -> None:
        self.line.note(f"{clock(self.true())}  {what}")

    async def _day_over(self, day: date) -> None:
        looks = self.witness.judge.figures.inspections
        await self._until(min(local(day + timedelta(days=1), 0), LINK_RETURNS))
        self._tell_of_people(day)
        judge = self.witness.judge
        fresh = judge.violations[self._violations_told :]
        self._violations_told = len(judge.violations)
        looks = (judge.figures.inspections - looks) // len(self.doors)
        told = "; ".join(f"{v.rule} {v.credential}: {v.sentence}" for v in fresh[:3])
        what = f"{looks} looks at the doors: no code is missing, none is too many"
        self.line.check("judge", what, not fresh, told)
        self._tell_of_the_clock()

    def _tell_of_people(self, day: date) -> None:
        moves = Counter(edge for p in self.plan.stays for edge in p.moves(day))
        refused = {key.removeprefix("no: "): n for key, n in self.day.items() if key[:3] == "no:"}
        what = (
            f"{moves['in']} arrive, {moves['out']} leave; {self.day['let in']} valid codes opened,"
            f" {sum(refused.values())} others did not"
        )
        detail = ", ".join(f"{n} {why}" for why, n in sorted(refused.items()))
        self.line.check("doors", what, not self.amiss, "; ".join(self.amiss[:3]) or detail)
        if self.day["either"]:
            opened = self.day["either, opened"]
            told = f"{self.day['either']} codes were due while nobody could act; {opened} opened"
            self.line.note(told)
        self.total += self.day
        self.total["amiss"] += len(self.amiss)
        self.day.clear()
        self.amiss.clear()

    def _tell_of_the_clock(self) -> None:
        view = self.clock_view()
        if view is None or view.trust is ClockTrust.TRUSTED:
            return
        off_s = (view.now - self.true()) / 1000
        bound_s = (view.error_ms or 0) / 1000
        what = (
            f"{view.trust.value}: the time is {off_s:+.1f} s off, by its own word ±{bound_s:.0f} s"
        )
        self.line.check("gateway", what, abs(off_s) <= bound_s)

    def _result(self) -> Result:
        result = super()._result()
        with self.line.step("what the cloud has of it, and what the doors hold"):
            month_end.verdict(self, result)
        return result


def live(line: Timeline) -> Result:
    """The whole month; `line.held` tells whether every promise was kept."""
    return play(lambda folder: Month(folder, line))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.month")
    parser.add_argument("--report", type=Path, metavar="FILE", help="what was checked, as JSON")
    options = parser.parse_args()
    console = Console(highlight=False)
    line = Timeline(console)
    finished = False
    try:
        live(line)
        finished = True
    except Exception as error:  # noqa: BLE001 - whatever stopped it is told
        console.print(f"\n[red]The month stopped:[/red] {type(error).__name__}: {error}")
    finally:
        if options.report:
            line.report(options.report)
    held = finished and line.held
    checks = sum(len(step.checks) for step in line.steps)
    failed = sum(not check.held for step in line.steps for check in step.checks)
    word = "[green]Every promise was kept[/green]" if held else "[red]Not every promise held[/red]"
    console.print(f"\n{word}: {len(line.steps)} steps, {checks} checks, {failed} failed.")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
