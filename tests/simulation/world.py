"""One world: a building, its people, and its end, all from one seed.

Here: what runs side by side, and how a world goes through installation, bad times and healing.
Not here: how bad it is (`swarm`), what is ordered (`bookings`), what troubles do (`troubles`), and
what is right (`judge`).
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any

import jwt

import firmware_sims.profiles
from gateway.domain.ids import DeviceId
from gateway.domain.instant import to_rfc3339
from gateway.domain.timebelief import Source
from gateway.domain.wants import Policy
from gateway.store import devices
from gateway.timekeeping.proof import TYPES
from tests.simulation import swarm
from tests.simulation.bookings import Bookings
from tests.simulation.broker import SimBroker
from tests.simulation.cloud import SimCloud
from tests.simulation.disk import Cut, Disk
from tests.simulation.judge import Violation
from tests.simulation.life import CLOUD_KEY, GATEWAY_ID, KID, Ending, Life, Site
from tests.simulation.machine import Machine
from tests.simulation.radio import Air
from tests.simulation.trace import Trace
from tests.simulation.troubles import Troubles
from tests.simulation.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence
    from pathlib import Path

    from gateway.domain.instant import Instant
    from tests.simulation.machine import Host
    from tests.simulation.radio import SimDoor
    from tests.simulation.swarm import Swarm

BOOT_S = 8.0
"""From power to the daemon's first line."""
RESTART_S = 5.0
"""systemd's RestartSec."""
LOOK_S = 20.0
"""How often every door is inspected."""
INSTALL_S = 1800.0
HEAL_AT_LEAST_S = 420.0
HEAL_AT_MOST_S = 5400.0
HOUR = 3600.0
CLOCK_CHECK_S = 900.0
ADMITTED_S = 180.0
"""From a lock's joining anew until the gateway has asked what it can do, on bad air too."""
DAY_S = 24 * HOUR
TROUBLES = {
    "broker.lost_up": "messages lost upwards",
    "broker.lost_down": "messages lost downwards",
    "broker.disconnected": "connections lost",
    "tamper": "memories changed behind our back",
    "fault": "faults of firmware",
    "out_of_range": "doors out of range",
    "clock_stepped": "clocks stepped",
    "time_service": "time services changed",
    "cloud.mood": "hostile messages",
    "jam": "jams",
}
"""Lines of the trace that are counted -> what they are called in a summary."""
KEEPS_WINDOWS = "yale-yrd"
FEW_SLOTS = 6
MODELS = (KEEPS_WINDOWS, "kwikset-smartcode", "danalock-v3", "nimly", "sleepy-deadbolt")


@dataclass
class Result:
    """What became of a seed."""

    seed: int
    digest: str
    violations: list[Violation]
    figures: dict[str, float]
    swarm: str
    story: list[str] = field(default_factory=list)


class World:
    """`run` once."""

    policy = Policy(verify_every_s=1800.0)
    proven_share = 0.7
    """Of the locks that keep windows themselves: how many an installer has tested."""

    def __init__(
        self, seed: int, folder: Path, without: Sequence[str] = (), bad: Swarm | None = None
    ) -> None:
        """`bad`: instead of what the seed would draw."""
        self.seed = seed
        self.swarm = (bad or swarm.draw(self._rng("swarm"))).without(without)
        self.trace = Trace()
        self._folder = folder
        self._off_s = 0.0
        self._lives = 0
        self._life: Life | None = None
        self._mended = asyncio.Event()
        self.defects: list[str] = []
        """What no life of a daemon may show: that it ended by itself, that a task failed."""

    def _rng(self, name: str) -> Random:
        """One source for each part, so that more of one kind changes nothing of another."""
        return Random(f"{self.seed}/{name}")

    @property
    def alive(self) -> bool:
        """Whether what the gateway says now can be heard by anybody."""
        return self._life is not None and self._life.ending is None

    def true(self) -> Instant:
        return self.machine.true()

    # ── from beginning to end ───────────────────────────────────────────────────────────

    async def run(self) -> Result:
        asyncio.get_running_loop().set_exception_handler(self._unheard)
        self._build()
        story = asyncio.ensure_future(self._story())
        rest = [asyncio.ensure_future(part) for part in (self._live(), self._inspect())]
        try:
            await asyncio.wait((story, *rest), return_when=asyncio.FIRST_COMPLETED)
            for part in rest:
                if part.done():
                    part.result()
            story.result()
        finally:
            for part in (story, *rest):
                part.cancel()
            await asyncio.gather(story, *rest, return_exceptions=True)
        return self._result()

    def _unheard(self, _loop: asyncio.AbstractEventLoop, told: dict[str, Any]) -> None:
        """An exception nobody waited for. Of a life that is over nothing counts."""
        if self.alive:
            error = told.get("exception")
            self.defects.append(f"{told['message']}: {type(error).__name__ if error else ''}")

    async def _story(self) -> None:
        await self._install()
        troubles = Troubles(self, self._rng)
        troubles.begin()
        acting = [asyncio.ensure_future(part) for part in self._people()]
        await asyncio.sleep(self.swarm.hours * HOUR)
        for task in acting:
            task.cancel()
        for ended in await asyncio.gather(*acting, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
        troubles.heal()
        await self._heal()

    def _build(self) -> None:
        note, bad = self.trace.note, self.swarm
        self.machine = Machine(
            self._rng("machine"), bad.start, note, drift_ppm=bad.drift_ppm, has_rtc=bad.rtc
        )
        self.broker = SimBroker(self._rng("broker"), note)
        self.cloud = SimCloud(self.broker, GATEWAY_ID, self._rng("cloud"), self.true, note)
        self.air = Air(self._rng("air"), bad.start / 1000, note)
        self.disk = Disk()
        self.doors = list(self._hang_doors())
        self.site = Site(
            folder=self._folder,
            zone=bad.zone,
            policy=self._policy(),
            disk=self.disk,
            air=self.air,
            broker=self.broker,
            seed=self.seed,
        )
        self.witness = Witness(
            self.true,
            note,
            machine=self.machine,
            broker=self.broker,
            cloud=self.cloud,
            air=self.air,
        )
        temper = self._rng("temper")
        self.cloud.push_mode = temper.choice(("delta", "delta", "snapshot", "mixed"))
        self.cloud.chunk_size = temper.choice((1, 4, 50))
        self.cloud.packed = temper.random() < 0.5
        self.cloud.shuffle = temper.random() < 0.5
        if bad.signed_time:
            self.cloud.on_hello_time = self._signed_time
            self.witness.signed_time = True
        self.disk.on_cut = lambda _cut: self.end_life(Ending.POWER, self._off_s)

    def _policy(self) -> Policy:
        """Where the time is unknown for hours, a day is too long to wait for a clock's check."""
        return (
            replace(self.policy, clock_check_s=CLOCK_CHECK_S)
            if self.swarm.dark_per_h
            else self.policy
        )

    def _hang_doors(self) -> Iterator[SimDoor]:
        rng = self._rng("doors")
        for number in range(self.swarm.locks):
            model, slots = rng.choice(MODELS), rng.choice((6, 10, 20))
            if self.swarm.narrow:
                model, slots = model if number else KEEPS_WINDOWS, FEW_SLOTS
            profile = firmware_sims.profiles.load(model)
            kind: dict[str, Any] = {"slots": slots, "code_memory": 0}
            kind["duplicate_includes_own_slot"] = self.swarm.own_duplicates
            profile = profile.with_overrides(kind)
            yield self.air.add_lock(f"door{number}", profile=profile, zone=self.swarm.zone)

    def _signed_time(self, hello: dict[str, Any]) -> dict[str, Any]:
        """As docs/sync has it: the cloud's time, bound to the nonce of the hello it answers."""
        claims = {"aud": GATEWAY_ID, "now": to_rfc3339(self.true()), "nonce": hello["nonce"]}
        headers = {"typ": TYPES[Source.CLOUD], "kid": KID}
        proof = jwt.encode(claims, CLOUD_KEY, algorithm="EdDSA", headers=headers)
        return {"now": claims["now"], "nonce": claims["nonce"], "proof": proof}

    async def _install(self) -> None:
        """Nothing is wrong yet: the cloud knows every lock, whose schedules are then proven."""
        rng = self._rng("install")
        async with asyncio.timeout(INSTALL_S):
            while len(self.witness.device_of) < len(self.doors):
                await asyncio.sleep(5)
                self._meet()
            await self._agreed(5)
        for door in self.doors:
            proven = door.profile.schedules == "kept" and rng.random() < self.proven_share
            if proven:
                await self._prove_schedules(self.witness.device(door))
            self.witness.watch(door, schedules_proven=proven)
        self.trace.note("installed", doors=len(self.doors))

    def _meet(self) -> None:
        """Which door has which id: the gateway's table is the only place that knows both."""
        store = self._life.store if self._life is not None else None
        if store is None:
            return
        for row in store.peek(devices.all_devices()):
            if row.device_id in self.cloud.devices:
                self.witness.device_of[row.address] = row.device_id

    async def _prove_schedules(self, device_id: str) -> None:
        """The installer's test at the door."""
        store = self._life.store if self._life is not None else None
        assert store is not None
        await store.submit(
            lambda tx: devices.update_device(tx, DeviceId(device_id), schedules_proven=True)
        )

    async def _heal(self) -> None:
        """One more start in a good world; then everything must come right by itself."""
        self.trace.note("healing")
        self._mended.set()
        for door in self.doors:
            await self.admit(door)
        self.end_life(Ending.POWER, 1.0)
        await asyncio.sleep(HEAL_AT_LEAST_S)
        with contextlib.suppress(TimeoutError):  # the judge will say what is missing
            async with asyncio.timeout(HEAL_AT_MOST_S):
                await self._agreed(60)

    async def _agreed(self, every_s: float) -> None:
        """Until the cloud has heard that everything it wants is in force."""
        while not self.cloud.in_agreement:  # noqa: ASYNC110 - the cloud tells nobody; looking is free
            await asyncio.sleep(every_s)

    def good_again(self) -> None:
        """Whatever was bad for a while is good from now on."""
        self.witness.stick(up=True)
        self.witness.disk(full=False)
        for door in self.doors:
            self.witness.range_changed(door)

    async def admit(self, door: SimDoor) -> None:
        """Somebody opens the network for a door that left it, once there is room on the disk: what
        cannot be written down is forgotten with the power (ARCHITECTURE.md, *Known limits*)."""
        while not door.joined:
            radio = self.air.radio
            if radio is None or not radio.usable or not door.in_range or self.disk.full:
                await asyncio.sleep(5)
                continue
            door.join()
            radio.met(door)
            self.range_changed(door)
            life = self._life
            self.trace.note("joined_again", lock=door.name)
            await asyncio.sleep(ADMITTED_S)
            if self._life is life and self.alive:
                self.witness.rejoined(door)

    # ── lives ───────────────────────────────────────────────────────────────────────────

    async def _live(self) -> None:
        host: Host | None = None
        while True:
            if host is None:
                await asyncio.sleep(BOOT_S)
                host = self.machine.boot()
            self._lives += 1
            life = self._life = Life(self.site, self._lives, host)
            self.witness.power(on=True)
            ending = await life.run()
            self._life = None
            self.witness.power(on=False)
            self.trace.note("life_over", how=ending.value, why=life.fell_of or None)
            if ending is Ending.FELL:
                self.defects.append(f"the daemon ended by itself: {life.fell_of}")
            if ending is Ending.POWER:
                self.machine.cut()
                host = None
                await self._until_power()
            else:
                await asyncio.sleep(RESTART_S)

    def end_life(self, ending: Ending, off_s: float) -> None:
        """Where it stands, now. Without effect while nothing lives."""
        if self._life is not None:
            self._off_s = off_s
            self._life.end(ending)

    async def _until_power(self) -> None:
        """An outage ends by itself, or when everything is put right."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._off_s):
                await self._mended.wait()

    def cut_in(self, transactions: int, cut: Cut, off_s: float) -> None:
        self._off_s = off_s
        self.disk.plan_cut(transactions, cut)

    # ── people ──────────────────────────────────────────────────────────────────────────

    def _people(self) -> list[Coroutine[Any, Any, None]]:
        self.bookings = Bookings(
            self._rng("bookings"),
            self.cloud,
            self.swarm.zone,
            [self.witness.device(door) for door in self.doors],
            self.true,
            self.trace.note,
            urgent=0.8 if self.swarm.buried_s else 0.3,
        )
        return [self._book(), self._change(), self._visit(), self._command()]

    async def _book(self) -> None:
        rng = self._rng("book")
        for _ in range(rng.randint(0, 5)):
            self.bookings.book()
        while True:
            await asyncio.sleep(rng.expovariate(self.swarm.bookings_per_h / HOUR))
            self.bookings.book()

    async def _change(self) -> None:
        rng = self._rng("change")
        while self.swarm.changes_per_h:
            await asyncio.sleep(rng.expovariate(self.swarm.changes_per_h / HOUR))
            self.bookings.change()

    async def _visit(self) -> None:
        """Guests with codes of today, of yesterday, and of another door."""
        rng = self._rng("visit")
        while True:
            await asyncio.sleep(rng.expovariate(self.swarm.visits_per_h / HOUR))
            door, digits = rng.choice(self.doors), self.some_digits(rng)
            if self.witness.typed(door, digits) and rng.random() < 0.8:
                await asyncio.sleep(rng.uniform(2, 30))
                door.shut()

    async def _command(self) -> None:
        rng = self._rng("command")
        while self.swarm.commands_per_h:
            await asyncio.sleep(rng.expovariate(self.swarm.commands_per_h / HOUR))
            door = rng.choice(self.doors)
            life_s = rng.choice((10, 30, 30, 120))
            self.cloud.command(
                rng.choice(("unlock", "unlock", "lock")),
                self.witness.device(door),
                not_after=int(self.true()) + life_s * 1000,
                fresh=rng.random() < 0.7,
                copies=rng.choice((1, 1, 2, 3)),
                late_s=rng.choice((0.0, 0.0, 0.0, rng.uniform(0, 200))),
            )

    def some_digits(self, rng: Random) -> str:
        """Of somebody, mostly; now and then nobody's."""
        known = self.bookings.digits
        if known and rng.random() < 0.9:
            return rng.choice(known[-12:])
        return f"{rng.randrange(10_000):04}"

    # ── the judge ───────────────────────────────────────────────────────────────────────

    async def _inspect(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self.witness.look(self.doors)

    def range_changed(self, door: SimDoor) -> None:
        self.witness.range_changed(door)

    def stick(self, *, up: bool) -> None:
        self.air.stick_up = up
        self.witness.stick(up=up)

    def disk_full(self, *, full: bool) -> None:
        self.disk.full = full
        self.witness.disk(full=full)

    def _result(self) -> Result:
        judge = self.witness.judge
        judge.finish(self.true(), self.witness.findings(self.doors))
        judge.scan("\n".join(self.trace.lines), "the trace")
        figures = judge.figures.numbers() | {
            "days": asyncio.get_running_loop().time() / DAY_S,
            "trouble.power cuts": float(self.machine.boots - 1),
            "trouble.kills": float(self._lives - self.machine.boots),
        }
        for kind, name in TROUBLES.items():
            figures[f"trouble.{name}"] = float(self.trace.counts[kind])
        violations = judge.violations + [
            Violation(self.true(), "DEFECT", None, None, words) for words in self.defects
        ]
        return Result(self.seed, self.trace.digest, violations, figures, str(self.swarm))
