"""Everything at once between a cloud and a gateway, and then peace: they must agree.

Here: orders of every kind, several lives, a bad network and a cloud that errs, without doors. Not
here: single rules (`test_cloud`) and what happens at doors (`judge`).
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from firmware_sims.cloud.reference import pin
from gateway.store import events, reported
from tests.simulation.loop import run
from tests.simulation.test_cloud import DOORS, Town, everything

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Json = dict[str, Any]

ACTS: Mapping[str, float] = {
    "book": 6, "edit": 3, "revoke": 2, "revoke_one": 1, "revoke_urgently": 1, "suspend": 1,
    "clear_half": 0.5, "edit_half": 0.5, "lapse": 0.3, "mood": 0.5, "event": 5, "command": 1,
    "flap": 0.5, "amnesia": 0.2, "outage": 0.3, "away": 0.3,
}  # fmt: skip


class Storm:
    """One world of it."""

    def __init__(self, town: Town, rng: Random) -> None:
        self.town = town
        self.cloud = town.cloud
        self.broker = town.broker
        self.rng = rng
        self._booked = 0
        acts: dict[str, Callable[[str], None]] = {
            "edit": self._edit,
            "revoke": self.cloud.revoke,
            "revoke_one": self._revoke_one,
            "revoke_urgently": lambda name: self.cloud.revoke(name, urgent=True),
            "suspend": self._suspend,
            "clear_half": lambda _: self._half(clear=True),
            "edit_half": lambda _: self._half(clear=False),
            "lapse": lambda name: self.cloud.lapse([name], rng.uniform(5, 300)),
        }
        self._acts = acts

    def break_out(self) -> None:
        cloud, broker, rng = self.cloud, self.broker, self.rng
        cloud.push_mode = rng.choice(("delta", "snapshot", "mixed"))
        cloud.chunk_size = rng.choice((2, 5, 50))
        cloud.packed, cloud.shuffle = rng.random() < 0.5, rng.random() < 0.5

        def chance(worst: float) -> float:
            share: float = 50 ** (rng.random() - 1)
            return worst * share if rng.random() < 0.5 else 0.0

        broker.loss_up, broker.loss_down = chance(0.4), chance(0.4)
        broker.duplicate, broker.reorder = chance(0.3), chance(0.3)
        broker.half_open = chance(0.05)

    def calm(self) -> None:
        broker = self.broker
        broker.loss_up = broker.loss_down = broker.duplicate = broker.reorder = 0.0
        broker.half_open = 0.0

    async def act(self) -> None:
        kind = self.rng.choices(list(ACTS), list(ACTS.values()))[0]
        cloud, broker = self.cloud, self.broker
        match kind:
            case "book":
                self._booked += 1
                cloud.put(self._pin(f"c{self._booked}"))
            case "event":
                await self.town.happen()
            case "command":
                cloud.command("polish", DOORS[0], copies=self.rng.choice((1, 3)), late_s=10.0)
            case "mood":
                cloud.misbehave()
            case "flap":
                broker.flap()
            case "amnesia":
                broker.amnesia()
            case "outage" | "away":
                broker.up, cloud.away = kind != "outage", kind == "away"
                await self.town.clock.sleep(self.rng.uniform(1, 400))
                broker.up, cloud.away = True, False
            case _ if cloud.wanted.credentials:
                self._acts[kind](self.rng.choice(list(cloud.wanted.credentials)))
        await self.town.clock.sleep(self.rng.expovariate(1 / self.rng.choice((1, 20, 100))))

    def _pin(self, name: str) -> Json:
        doors = self.rng.sample(DOORS, self.rng.randint(1, 2))
        digits = str(self.rng.randint(1000, 9999))
        return pin(name, digits, doors, self.rng.choice((None, self.town.tomorrow())))

    def _edit(self, name: str) -> None:
        self.cloud.put(self._pin(name), sure=self.rng.random() < 0.5)

    def _revoke_one(self, name: str) -> None:
        devices = self.cloud.wanted.credentials[name]["devices"]
        self.cloud.revoke(name, self.rng.choice(devices))

    def _suspend(self, name: str) -> None:
        known = self.cloud.wanted.credentials[name]
        self.cloud.suspend(name, not known.get("suspended", False))

    def _half(self, *, clear: bool) -> None:
        """Of all codes in one message, with or without a word that this is meant."""
        names = list(self.cloud.wanted.credentials)
        some = self.rng.sample(names, (len(names) + 1) // 2)
        stones = [{"credential_id": name} for name in some] if clear else []
        put = [] if clear else [self._pin(name) for name in some]
        self.cloud.change(put, stones, sure=self.rng.random() < 0.3)


@pytest.mark.parametrize("seed", range(10))
def test_after_the_storm_they_agree(tmp_path: Path, seed: int) -> None:
    run(weather(tmp_path / "db", seed))


async def weather(path: Path, seed: int) -> Town:
    rng = Random(seed)
    town = Town(path, seed)
    storm = Storm(town, rng)
    storm.break_out()
    for _ in range(rng.randint(1, 4)):
        async with town.living():
            await town.clock.sleep(rng.uniform(0, 30))
            for _ in range(rng.randint(5, 40)):
                await storm.act()
            town.broker.kill(town.life)
    storm.calm()
    async with town.living():
        await town.clock.sleep(310)  # lapses are mended, late tombstones sent
        await town.until(lambda: agreed(town), 1200)
        await town.clock.sleep(700)  # the longest patience with a lost report
        await check(town)
    return town


def agreed(town: Town) -> bool:
    """But for revocations by command: a scheduler would carry those out."""
    cloud = town.cloud
    return cloud.agreed_but_for([c for c, x in cloud.commands.items() if x["kind"] == "revoke"])


async def check(town: Town) -> None:
    cloud = town.cloud
    assert cloud.violations == []
    assert await town.lines() == everything(town)
    grants = [row for row in await town.store.fetch(reported.all_grants()) if row.removed is None]
    assert [row.credential_id for row in grants if row.orphaned] == []
    for row in grants:
        told = cloud.grants[row.credential_id, row.device_id].body
        assert (told["state"], told["version"]) == (row.state.value, row.version)
        assert not told["orphaned"]
    head = await town.store.fetch_one(events.head()) or 0
    assert sorted(cloud.ledger.events) == list(range(1, head + 1))
    assert len(cloud.received) == head
