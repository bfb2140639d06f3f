"""The real link over the simulated broker, to the simulated cloud: a gateway without doors."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from firmware_sims.cloud.reference import pin, timed
from gateway.domain.events import EventType, Fact
from gateway.domain.ids import CommandId
from gateway.domain.instant import HOUR, ClockTrust, Instant, to_rfc3339
from gateway.kit.clock import SystemClock
from gateway.store import desired, events, journal
from gateway.store.database import Store
from gateway.store.files import prepare
from gateway.store.keyring import Keyring
from gateway.sync.link import Broker, CloudLink
from gateway.sync.presence import Identity
from tests.flows.world import InlineWriter
from tests.simulation.broker import SimBroker
from tests.simulation.cloud import SimCloud
from tests.simulation.loop import run
from tests.simulation.moods import MOODS
from tests.simulation.trace import Trace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

START = 1_792_000_000_000
DOORS = ["dev-a", "dev-b"]


class Clock(SystemClock):
    """True time, and it is known."""

    def __init__(self) -> None:
        super().__init__(ClockTrust.TRUSTED)
        self._loop = asyncio.get_running_loop()

    def now(self) -> Instant:
        return Instant(START + round(self._loop.time() * 1000))

    def monotonic(self) -> float:
        return self._loop.time()


@dataclass
class Town:
    """A cloud, a broker and one gateway, which may die and come back."""

    path: Path
    seed: int = 1
    troubles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.trace = Trace()
        self.broker = SimBroker(Random(f"{self.seed}/broker"), self.trace.note)
        self.broker.on_trouble = self.troubles.append
        rng = Random(f"{self.seed}/cloud")
        self.cloud = SimCloud(self.broker, "gw", rng, self.clock.now, self.trace.note)
        self.life = 0
        self._nonces = itertools.count()

    @asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """One life of the gateway."""
        self.life += 1
        store = Store(
            prepare(self.path, self.clock.now(), lambda: "e1"), InlineWriter(lambda: None)
        )
        await store.start(self.path)
        self.store = store
        link = CloudLink(
            Broker("broker.example", 8883),
            Identity("gw", store.opened.epoch, "1.0"),
            store=store,
            keyring=Keyring(bytes(32)),
            clock=self.clock,
            random=Random(self.life),
            new_nonce=lambda: f"nonce-{next(self._nonces)}",
            accept_unsigned=True,
            connector=self.broker.connector(self.life),
        )
        running = asyncio.ensure_future(link.run())
        try:
            yield
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            await store.close()

    async def until(self, holds: Callable[[], object], within_s: float = 5.0) -> float:
        """Seconds that it took."""
        began = self.clock.monotonic()
        while not holds():
            assert self.clock.monotonic() < began + within_s, (
                "\n".join([*self.trace.lines][-30:]),
                self.cloud.hello,
            )
            await self.clock.sleep(0.5)
        return self.clock.monotonic() - began

    async def agreed(self, within_s: float = 5.0) -> float:
        """Until cloud and gateway have nothing left to tell one another."""
        return await self.until(lambda: self.cloud.in_agreement, within_s)

    async def happen(self) -> None:
        fact = Fact(EventType.LOCK_UNLOCKED, self.clock.now(), body={"at": self.clock.now()})
        await self.store.submit(partial(events.append, fact=fact, trust=ClockTrust.TRUSTED))

    async def lines(self) -> set[tuple[str, str, int]]:
        rows = await self.store.fetch(desired.grant_lines())
        return {(row.credential_id, row.device_id, row.version) for row in rows}

    def pins(self, count: int) -> list[dict[str, Any]]:
        return [pin(f"c{n}", f"{1000 + n}", DOORS, self.tomorrow()) for n in range(count)]

    def tomorrow(self) -> dict[str, Any]:
        opens = self.clock.now() + 24 * HOUR
        return timed(to_rfc3339(Instant(opens)), to_rfc3339(Instant(opens + HOUR)))


def in_town(path: Path, seed: int, story: Callable[[Town], Coroutine[Any, Any, None]]) -> Town:
    async def main() -> Town:
        town = Town(path, seed)
        async with town.living():
            await story(town)
        assert town.cloud.violations == []
        return town

    return run(main())


def everything(town: Town) -> set[tuple[str, str, int]]:
    return {
        (name, device, credential["version"])
        for name, credential in town.cloud.wanted.credentials.items()
        for device in credential["devices"]
    }


@pytest.mark.parametrize("mode", ["delta", "snapshot"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_schedule_arrives(tmp_path: Path, mode: str, packed: bool) -> None:
    async def story(town: Town) -> None:
        cloud = town.cloud
        await town.agreed()
        cloud.push_mode, cloud.packed, cloud.chunk_size, cloud.shuffle = mode, packed, 3, True
        cloud.change(town.pins(10))
        await town.agreed()
        assert cloud.put(town.pins(1)[0]) == 2
        cloud.revoke("c3")
        cloud.revoke("c4", DOORS[0])
        cloud.suspend("c5", True)
        await town.agreed(10)
        assert await town.lines() == everything(town)
        assert len(everything(town)) == 17

    assert in_town(tmp_path / "db", 1, story).troubles == []


@pytest.mark.parametrize("seed", range(6))
def test_half_of_everything_lost_still_converges(tmp_path: Path, seed: int) -> None:
    async def story(town: Town) -> None:
        cloud, broker = town.cloud, town.broker
        cloud.push_mode, cloud.chunk_size, cloud.shuffle = "mixed", 4, True
        await town.agreed()
        broker.loss_up = broker.loss_down = 0.5
        for credential in town.pins(10):
            cloud.put(credential)
            cloud.command("polish", DOORS[0])  # refused, and answered, by the link alone
            await town.happen()
            await town.clock.sleep(20)
        cloud.revoke("c1")
        await town.until(lambda: cloud.applied, 900)
        assert await town.lines() == everything(town)
        broker.loss_up = broker.loss_down = 0.0
        await town.agreed(700)
        assert {len(answers) for answers in cloud.results.values()} == {1}
        assert cloud.results.keys() == cloud.commands.keys()

    town = in_town(tmp_path / "db", seed, story)
    assert {"lost_up", "lost_down"} <= set(town.troubles)


@pytest.mark.parametrize("seed", range(6))
def test_events_come_dense_and_once_each(tmp_path: Path, seed: int) -> None:
    async def story(town: Town) -> None:
        cloud, broker = town.cloud, town.broker
        broker.loss_up, broker.loss_down = 0.1, 0.1
        broker.duplicate, broker.reorder, broker.half_open = 0.2, 0.2, 0.02
        rng = Random(seed)
        for number in range(150):
            await town.happen()
            await town.clock.sleep(rng.uniform(0, 20))
            if number % 50 == 49:
                broker.flap()
        broker.loss_up = broker.loss_down = broker.reorder = broker.half_open = 0.0
        head = await town.store.fetch_one(events.head()) or 0
        await town.until(lambda: cloud.ledger.watermark == head, 700)
        assert head >= 150
        assert sorted(cloud.ledger.events) == list(range(1, head + 1))
        assert len(cloud.received) == head
        stored = await town.store.fetch(events.events_between(1, head))
        assert [cloud.ledger.events[row.seq]["body"].get("at") for row in stored] == [
            row.body.get("at") for row in stored
        ]
        assert cloud.duplicates > 0

    town = in_town(tmp_path / "db", seed, story)
    assert {"late_up", "late_down", "flap"} <= set(town.troubles)


def test_reports_are_whole_although_one_was_lost(tmp_path: Path) -> None:
    """The report that follows a lost one must not make the cloud believe that it has everything."""

    async def story(town: Town) -> None:
        cloud, broker = town.cloud, town.broker
        await town.agreed()
        broker.loss_up = 1.0
        cloud.put(town.pins(1)[0])
        await town.clock.sleep(3)
        assert cloud.grants == {}
        broker.loss_up = 0.0
        cloud.put(town.pins(2)[1])
        await town.agreed(60)
        assert sorted(cloud.grants) == [(f"c{n}", door) for n in range(2) for door in DOORS]
        assert cloud.reported_state("c0", DOORS[0]) == "pending"

    in_town(tmp_path / "db", 1, story)


def test_a_new_report_is_not_replaced_by_an_older_one(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        cloud, broker = town.cloud, town.broker
        await town.agreed()
        broker.late_s, broker.reorder = (30.0, 30.0), 1.0
        cloud.put(town.pins(1)[0])
        await town.clock.sleep(33)  # the order came late; its report is on its way, late again
        broker.reorder = 0.0
        cloud.put(town.pins(1)[0])
        await town.until(lambda: cloud.grants and cloud.grants["c0", DOORS[0]].body["version"] == 2)
        await town.clock.sleep(40)
        assert cloud.grants["c0", DOORS[0]].body["version"] == 2

    in_town(tmp_path / "db", 1, story)


def test_birth_will_and_farewell(tmp_path: Path) -> None:
    async def main() -> None:
        town = Town(tmp_path / "db")
        cloud, broker = town.cloud, town.broker
        async with town.living():
            await town.until(lambda: cloud.presence.get("online"))
            broker.flap()
            assert await town.until(lambda: cloud.presence["connection"] == 2, 10) < 10
            assert cloud.presence["online"]  # back before the will was due
        await town.until(lambda: not cloud.presence["online"], 1)  # an orderly farewell
        async with town.living():
            await town.until(lambda: cloud.presence["online"], 10)
            broker.kill(town.life)
            took = await town.until(lambda: not cloud.presence["online"], 100)
            assert 70 < took < 80  # the broker misses it after 45 s, and waits 30 s more
            assert cloud.presence["connection"] == 3

    run(main())


@pytest.mark.parametrize("seed", range(4))
def test_a_dead_life_is_not_heard(tmp_path: Path, seed: int) -> None:
    async def main() -> None:
        town = Town(tmp_path / "db", seed)
        cloud, broker = town.cloud, town.broker
        async with town.living():
            await town.agreed()
            await town.happen()
            broker.kill(town.life)
            heard = len(cloud.received), cloud.hellos
            cloud.put(town.pins(1)[0])
            await town.clock.sleep(200)
            assert (len(cloud.received), cloud.hellos) == heard
            assert not broker.connected
            assert await town.lines() == set()
        async with town.living():
            await town.agreed(10)
            assert await town.lines() == everything(town)
        assert cloud.violations == []

    run(main())


def test_outage_amnesia_and_a_cloud_that_is_away(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        cloud, broker = town.cloud, town.broker
        await town.agreed()
        for trouble in ("outage", "amnesia", "away"):
            broker.up, cloud.away = trouble != "outage", trouble == "away"
            if trouble == "amnesia":
                broker.amnesia()
            cloud.put(town.pins(1)[0])
            await town.happen()
            await town.clock.sleep(200)
            broker.up, cloud.away = True, False
            await town.agreed(700)

    town = in_town(tmp_path / "db", 1, story)
    assert {"outage", "amnesia", "nobody_there"} <= set(town.troubles)


def test_withheld_removals_are_confirmed(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        cloud = town.cloud
        cloud.change(town.pins(6))
        await town.agreed()
        edited = [c | {"secret": {"digits": "9" + c["secret"]["digits"]}} for c in town.pins(2)]
        cloud.change(edited, [{"credential_id": f"c{n}"} for n in range(2, 6)])
        await town.until(lambda: cloud.hello.get("held_count"))
        assert len(await town.lines()) == 12
        await town.until(lambda: not cloud.hello["held_count"], 130)
        await town.agreed()
        assert await town.lines() == everything(town)
        assert [order.kind for order in cloud.ordered].count("confirm") == 1

    in_town(tmp_path / "db", 1, story)


def test_what_is_absent_by_mistake_is_kept(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        cloud = town.cloud
        cloud.change(town.pins(4))
        await town.agreed()
        cloud.lapse(["c0", "c1"], 100)
        await town.until(lambda: cloud.grants["c0", DOORS[0]].body["orphaned"])
        cloud.revoke("c1")
        await town.clock.sleep(110)
        await town.agreed()
        await town.clock.sleep(100)
        assert await town.lines() == everything(town)
        assert cloud.grants["c1", DOORS[0]].body["removed"] == "tombstone"
        assert not cloud.grants["c0", DOORS[0]].body["orphaned"]

    in_town(tmp_path / "db", 1, story)


def test_what_is_taken_back_by_mistake_is_withheld_until_it_is_mended(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        cloud = town.cloud
        cloud.confirm_after_s = (1.0, 2.0)
        codes = [code | {"window": {"kind": "always"}} for code in town.pins(4)]
        cloud.change(codes)
        await town.agreed()
        cloud.mistake(["c0", "c1"], 400)
        await town.until(lambda: cloud.hello.get("held_count"))
        cloud.revoke("c2")
        await town.clock.sleep(300)
        assert cloud.hello["held_count"] == 4
        assert await town.lines() == everything(town)
        await town.clock.sleep(110)
        await town.agreed()
        assert await town.lines() == everything(town)
        assert len(everything(town)) == 6
        assert "confirm" not in [order.kind for order in cloud.ordered]

    in_town(tmp_path / "db", 1, story)


def test_nobody_says_that_it_was_meant_as_long_as_it_is_withheld(tmp_path: Path) -> None:
    """The word that mends a mistake may come after one that confirms what else was withheld."""

    async def story(town: Town) -> None:
        cloud = town.cloud
        cloud.confirm_after_s = (60.0, 60.0)
        codes = [code | {"window": {"kind": "always"}} for code in town.pins(6)]
        cloud.change(codes)
        await town.agreed()
        cloud.change([], [{"credential_id": f"c{n}"} for n in range(2, 6)])
        await town.until(lambda: cloud.hello.get("held_count") == 8)
        cloud.mistake(["c0", "c1"], 30)
        await town.until(lambda: cloud.hello["held_count"] == 12, 20)
        town.broker.up = False
        await town.clock.sleep(70)
        assert not cloud.wanted.absent
        assert "confirm" not in [order.kind for order in cloud.ordered]
        town.broker.up = True
        await town.until(lambda: cloud.hello["held_count"] == 8, 130)
        await town.agreed(130)
        assert [order.kind for order in cloud.ordered].count("confirm") == 1
        assert await town.lines() == everything(town)
        assert len(everything(town)) == 4

    in_town(tmp_path / "db", 1, story)


@pytest.mark.parametrize("mood", MOODS)
@pytest.mark.parametrize("seed", range(3))
def test_a_mood_changes_nothing(tmp_path: Path, mood: str, seed: int) -> None:
    async def story(town: Town) -> None:
        cloud = town.cloud
        cloud.devices["dev-a"] = {"device_id": "dev-a"}
        cloud.put(town.pins(1)[0])
        cloud.change(town.pins(8))
        await town.agreed()
        before, hellos = await town.lines(), cloud.hellos
        for _ in range(5):
            assert cloud.misbehave(mood) == mood
            await town.clock.sleep(20)
        assert await town.lines() == before == everything(town)
        assert cloud.hellos - hellos < 20, "asking for the schedule again without end"
        assert await town.store.fetch(journal.untold()) == []
        due = [c for c in cloud.commands if await acted(town, c)]
        assert due == []
        await town.happen()
        await town.agreed(70)

    in_town(tmp_path / "db", seed, story)


async def acted(town: Town, command_id: str) -> bool:
    """Whether it is waiting to be carried out: there is no scheduler here that would."""
    row = await town.store.fetch_one(journal.command(CommandId(command_id)))
    return row is not None and row.result is None


def test_the_same_seed_tells_the_same_story(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        broker = town.broker
        broker.loss_up = broker.loss_down = broker.duplicate = broker.reorder = 0.2
        broker.half_open = 0.02
        for credential in town.pins(10):
            town.cloud.put(credential)
            await town.happen()
            town.cloud.misbehave()
            await town.clock.sleep(50)

    first, second, other = (
        in_town(tmp_path / f"db-{n}", seed, story).trace.digest for n, seed in enumerate((1, 1, 2))
    )
    assert first == second != other


def test_whoever_judges_the_link_is_told_when_it_is_bad_and_when_it_is_good_again(
    tmp_path: Path,
) -> None:
    async def story(town: Town) -> None:
        broker, told = town.broker, []

        def trouble(why: str) -> None:
            if why != "nobody_there":  # what was on its way to the connection that broke
                told.append((why, broker.connected))

        await town.agreed()
        broker.on_trouble = trouble
        broker.on_connected = lambda: told.append(("connected", broker.connected))
        broker.flap()
        await town.until(lambda: len(told) == 2, 30)
        broker.up = False
        await town.clock.sleep(60)
        broker.up = True
        await town.until(lambda: len(told) == 5, 900)
        broker.half_open = 1.0
        await town.until(lambda: len(told) == 6, 90)
        broker.half_open = 0.0
        await town.until(lambda: len(told) == 7, 900)
        assert told == [
            ("flap", False),
            ("connected", True),
            ("outage", False),
            ("outage_over", False),
            ("connected", True),
            ("half_open", False),
            ("connected", True),
        ]

    for seed in range(4):
        in_town(tmp_path / f"{seed}.db", seed, story)
