"""The power goes in the middle of a claim: before, at and after each word that is said.

Nobody has to reset the lock: what it holds and obeys bears witness. Real store, scheduler, fleet
and drivers, simulated TTLock and Nuki, virtual time.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

import pytest

from gateway.domain.events import EventType
from gateway.domain.secret import Secret
from gateway.domain.windows import Always
from gateway.drivers.claims import PairStage
from gateway.errors import DeviceRefused, RequestError
from tests.claimed_house import open_house
from tests.simulation.loop import run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from gateway.drivers.claims import PairProgress
    from tests.claimed_house import Door, House

ANSWERED_S = 2.0
"""By then a lock has done what it was told, and nobody has given up waiting for its answer."""
ALONE_S = 150.0
"""Twice as long as nobody asks a lock again."""
DIGITS = "583926"


class Cut(Enum):
    LOST = "the word does not arrive"
    ARRIVED = "the lock does it, and nobody hears so"


@dataclass(frozen=True)
class Lock:
    """`pin`: what the installer knows. `words`: how many a claim has at least."""

    profile: str
    words: int
    pin: str | None = None
    skin: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ultra(self) -> bool:
        return self.profile == "nuki-ultra"

    def whole(self, data: bytes) -> bool:
        """A TTLock hears nothing before the last part of a word; a Nuki's is in one piece."""
        return self.profile.startswith("nuki") or data.endswith(b"\r\n")


LOCKS = {
    "ttlock": Lock("ttlock-deadbolt", 10),
    "nuki without a PIN": Lock("nuki-smartlock-3", 16, skin={"security_pin": 0}),
    "nuki with a PIN": Lock("nuki-smartlock-3", 12, "4711"),
    "nuki ultra": Lock("nuki-ultra", 9, "482913"),
}


class Site:
    """A lock in the state that an installer brings it into, and the life of a gateway."""

    def __init__(self, house: House, lock: Lock) -> None:
        self.house, self.lock = house, lock
        self.door: Door = house.add_door(profile=lock.profile, skin=dict(lock.skin))

    def hold_button(self) -> None:
        if "press_pairing_button" in self.door.skin.actions:
            self.door.skin.actions["press_pairing_button"]()

    async def pair(self) -> list[PairProgress]:
        secret = None if self.lock.pin is None else Secret(self.lock.pin)
        return await self.house.pair(name="Front", secret=secret)

    def knows_somebody(self) -> bool:
        return self.door.claimed

    async def is_cut(self, word: int, cut: Cut) -> bool:
        """A claim, and the power goes at the word of this number. False: it had ended before."""
        house = self.house
        await house.start()
        self.hold_button()
        power = Power(house, self.lock, word, cut)
        claim = asyncio.create_task(self.pair())
        gone = asyncio.create_task(power.gone.wait())
        await asyncio.wait([claim, gone], return_when=asyncio.FIRST_COMPLETED)
        if claim.done():
            gone.cancel()
            assert claim.result()[-1].stage is PairStage.READY
            return False
        await power.end_of_life()
        claim.cancel()
        await asyncio.wait([claim])
        return True

    async def works(self) -> None:
        """The lock obeys, was not reset, and knows of nobody whom we forgot."""
        house, door = self.house, self.door
        (device,) = house.fleet.members()
        row = await house.device(device)
        assert row is not None
        assert (row.name, row.reachable) == ("Front", True)
        assert len(await house.told(EventType.DEVICE_JOINED)) == 1
        assert house.identities.unfinished("ble") == []
        assert door.done("factory_reset") == 0
        if door.skin.actions.get("press_pairing_button") and not self.lock.ultra:
            assert len(door.skin.state()["authorizations"]) == 1
        assert (await house.command("u1", "unlock", device))["outcome"] == "confirmed"
        await house.want("c1", DIGITS, Always(), devices=(device,))
        await house.advance(60)
        assert door.holds() == [DIGITS]


class Power:
    """Goes at the word of this number, for the gateway only."""

    def __init__(self, house: House, lock: Lock, word: int, cut: Cut) -> None:
        self.gone = asyncio.Event()
        self._house, self._lock, self._left, self._cut = house, lock, word, cut
        self._file = house.folder / "devices.json"
        self._held: bytes | None = None
        house.air.spoil_write = self._said
        house.air.spoil_notify = lambda *_: self.gone.is_set()

    def _said(self, _address: str, data: bytes) -> bool:
        if self.gone.is_set():
            return True
        if not self._lock.whole(data):
            return False
        self._left -= 1
        if self._left >= 0:
            return False
        self._held = self._file.read_bytes() if self._file.exists() else None
        self._house.writer.die()
        self.gone.set()
        return self._cut is Cut.LOST

    async def end_of_life(self) -> None:
        """What the disk had when the power went is what the next start finds."""
        house = self._house
        await house.advance(ANSWERED_S)
        await house.kill()
        if self._held is None:
            self._file.unlink(missing_ok=True)
        else:
            self._file.write_bytes(self._held)
        house.air.spoil_write = house.air.spoil_notify = None


async def at_every_word(
    folder: Path, lock: Lock, cut: Cut, then: Callable[[Site], Awaitable[None]]
) -> None:
    for word in itertools.count():
        place = folder / str(word)
        place.mkdir()
        async with open_house(place) as house:
            site = Site(house, lock)
            if not await site.is_cut(word, cut):
                break
            await house.start()
            await then(site)
            await site.works()
    assert word >= lock.words


async def pair_at_once(site: Site) -> None:
    """No reset, and no button either where the lock knows us already."""
    ours = site.knows_somebody()
    try:
        await site.pair()
    except (RequestError, DeviceRefused) as refused:
        if site.house.fleet.members():
            return  # it was faster than the installer
        if "hold its button" not in str(refused) or (ours and not site.lock.ultra):
            raise
        site.hold_button()
        await site.pair()


async def leave_alone(site: Site) -> None:
    """What the lock took is ours by itself; what it did not take is given up by nobody."""
    ours = site.knows_somebody()
    await site.house.advance(ALONE_S)
    if ours and not site.lock.ultra:
        assert site.house.fleet.members()
    if not site.house.fleet.members():
        await pair_at_once(site)


@pytest.mark.parametrize("cut", Cut)
@pytest.mark.parametrize("name", LOCKS)
def test_the_next_pair_succeeds_without_a_reset(tmp_path: Path, name: str, cut: Cut) -> None:
    run(at_every_word(tmp_path, LOCKS[name], cut, pair_at_once))


@pytest.mark.parametrize("name", ["ttlock", "nuki without a PIN"])
def test_left_alone_it_is_ours_as_soon_as_it_is_asked(tmp_path: Path, name: str) -> None:
    run(at_every_word(tmp_path, LOCKS[name], Cut.ARRIVED, leave_alone))
