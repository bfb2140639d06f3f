"""A house whose door has a lock that is claimed on site, in virtual time. Not a test itself.

Real store, scheduler, fleet and driver above; the air is `tests.gatt_air`, below it a simulated
TTLock, or a Nuki. Who bears witness is the lock (`Door`) and the events that were written, never
the gateway's opinion. Run on `tests.simulation.loop`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from firmware_sims import profiles
from firmware_sims.ble import nuki, ttlock
from firmware_sims.clock import ZoneRules
from firmware_sims.faults import Faults
from firmware_sims.firmware.lock import LockFirmware
from gateway.domain.ids import CommandId, CredentialId, DeviceId, GrantId
from gateway.domain.instant import ClockTrust, Instant, after
from gateway.domain.schedule import CredentialSpec, Tombstone
from gateway.domain.secret import Secret
from gateway.domain.wants import Moment, Policy
from gateway.drivers.claims import ClaimOrder, PairProgress, PairStage
from gateway.drivers.nuki.family import NukiFamily
from gateway.drivers.ttlock.family import TtLockFamily
from gateway.radios.api import StateChanged
from gateway.radios.arbiter import Arbiter
from gateway.scheduler.claimed import Claimed
from gateway.scheduler.fleet import Fleet
from gateway.scheduler.loop import Scheduler, Settings
from gateway.store import desired, devices, events, journal, reported
from gateway.store.database import Store
from gateway.store.files import prepare
from gateway.store.identities import Identities
from gateway.store.keyring import Keyring
from tests.gatt_air import GattAir
from tests.simulation.disk import Disk, SimWriter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from firmware_sims.ble.peripheral import Peripheral
    from gateway.domain.events import EventType
    from gateway.domain.windows import Window
    from gateway.drivers.claims import Family
    from gateway.radios.api import RadioState
    from gateway.radios.gatt import Sighting
    from gateway.store.devices import DeviceRow
    from gateway.store.events import EventRow
    from gateway.store.reported import GrantRow
    from gateway.store.tx import Select, Tx

T = TypeVar("T")
ZONE = "Europe/Berlin"
START = 1_783_332_000.0
"""Monday, 6 July 2026, 12:00 in Berlin."""
ADDRESS = "38:38:E5:1D:71:FE"
STRANGER = Secret("7d" * 32)
ADVERT_S = 1.0


class LoopClock:
    """The loop's time as the gateway's clock."""

    trust = ClockTrust.TRUSTED

    def now(self) -> Instant:
        return Instant(round((START + self.monotonic()) * 1000))

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))  # noqa: TID251 - virtual time


class SimAir(GattAir):
    """An air whose radio remembers whom it heard, as the real one does, and can be gone."""

    down: RadioState | None = None

    def __init__(self, chance: random.Random, *, start: float) -> None:
        super().__init__(chance, start=start)
        self._seen: dict[str, Sighting] = {}

    def hear(self, address: str) -> None:
        if self.down is None:
            self._seen |= {seen.last.address: seen for seen in super().sightings()}
        super().hear(address)

    def sightings(self) -> Sequence[Sighting]:
        return [self._seen[address] for address in sorted(self._seen)]

    @property
    def state(self) -> RadioState:
        return self.down or super().state

    def switch(self, down: RadioState | None) -> None:
        """None: it is there again."""
        self.down = down
        for listener in tuple(self._listeners):
            listener(StateChanged(self.state))


class Door:
    """One simulated lock, fresh from the factory. What it holds is the truth.

    `profile`: a TTLock's, or with the prefix `nuki` a Nuki's.
    """

    def __init__(self, air: GattAir, address: str = ADDRESS, **traits: Any) -> None:
        skin = traits.pop("skin", {})
        profile = traits.pop("profile", "ttlock-deadbolt")
        maker: Any = nuki if profile.startswith("nuki") else ttlock
        time = air.timebase
        quiet = {"drift_ppm": 0.0, "auto_relock_s": 0, "wrong_code_limit": 0, **traits}
        self.address = address
        self.firmware = LockFirmware(profiles.load(profile).with_overrides(quiet), time)
        self.firmware.clock.zone = ZoneRules.of(ZONE, time.now())
        self.firmware.clock.set_utc(time.now())
        self.faults = Faults(random.Random(1), maker.COMMANDS, lambda *_: None, lambda *_: None)
        self.skin = maker.build(
            self.firmware,
            self.faults,
            address=address,
            settings=skin,
            rng=random.Random(address),
        )
        self.skin.queue.restarted = self.skin.restarted
        air.add(cast("Peripheral", self.skin.peripheral))  # its table is a tuple

    @property
    def claimed(self) -> bool:
        return bool(self.skin.state()["claimed"])

    def opens(self, code: str) -> bool:
        """Somebody types it now."""
        return self.firmware.keypad.type_code(code).opened

    def holds(self) -> list[str]:
        """Every code but the owner's own."""
        master = self.firmware.profile.master_slot
        users = self.firmware.users.users
        return sorted(user.code for slot, user in users.items() if slot != master)

    def done(self, command: str) -> int:
        """How often a command took effect."""
        return int(self.skin.queue.applied[command])


@dataclass
class House:
    """`async with open_house(tmp_path) as house:`; times in seconds."""

    folder: Path
    air: SimAir
    clock: LoopClock = field(default_factory=LoopClock)
    disk: Disk = field(default_factory=Disk)
    policy: Policy = field(default_factory=Policy)
    doors: dict[str, Door] = field(default_factory=dict)
    families: Sequence[Callable[..., Family]] = (TtLockFamily, lambda chance, _: NukiFamily(chance))
    """What the next start speaks."""
    advert_s: float = ADVERT_S
    chance: random.Random = field(default_factory=lambda: random.Random(5))
    """Of all its lives: no key comes twice."""
    _ids: Any = field(default_factory=lambda: itertools.count(1))
    _adverts: asyncio.Task[None] | None = None
    _run: asyncio.Task[None] | None = None

    # ── life ────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Everything anew on what the disk and the locks hold."""
        self.writer = SimWriter(self.disk)
        path = self.folder / "state.db"
        epochs = itertools.count(1)
        opened = prepare(path, self.clock.now(), lambda: f"e{next(epochs)}")
        self.store = Store(opened, self.writer)
        await self.store.start(path)
        self.keyring = Keyring(b"k" * 32)
        self.identities = Identities(self.folder / "devices.json", self._new_id)
        known = [family(self.chance, self.clock.now) for family in self.families]
        self.claimed = Claimed(
            self.store, self.keyring, self.clock, self.air,
            {family.name: family for family in known}, ZONE, self.identities,
        )  # fmt: skip
        self.fleet = Fleet(
            self.store, self.clock, [], lambda *_: None, ZONE, self.identities, self.claimed
        )
        self.scheduler = Scheduler(
            self.store,
            self.keyring,
            self.clock,
            self.fleet,
            Settings(self.policy, ZONE),
            Arbiter(),
            lambda: Moment(self.clock.now(), self.clock.trust, Instant(0)),
        )
        self._run = asyncio.create_task(self.scheduler.run(), name="scheduler")
        if self._adverts is None:
            self._adverts = asyncio.create_task(self._advertise(), name="advertisements")
        await self.advance(1)

    async def _advertise(self) -> None:
        while True:
            await self.clock.sleep(self.advert_s)
            for address in self.doors:
                if not self.air.connected(address):
                    self.air.hear(address)

    async def kill(self) -> None:
        """As a power cut: what was committed stays, nothing else does."""
        self.writer.die()
        for address in self.doors:
            self.air.break_link(address)
        if self._run is not None:
            self._run.cancel()
            await asyncio.wait([self._run])
            self._run = None
        await self.store.close()

    async def restart(self) -> None:
        await self.kill()
        await self.start()

    async def lose_database(self) -> None:
        await self.kill()
        for path in sorted(self.folder.glob("state.db*")):
            path.unlink()
        await self.start()

    async def close(self) -> None:
        if self._adverts is not None:
            self._adverts.cancel()
        await self.kill()

    def _new_id(self) -> DeviceId:
        return DeviceId(f"dev_{next(self._ids)}")

    async def advance(self, seconds: float) -> None:
        await self.clock.sleep(seconds)

    async def until(self, what: Callable[[], object], within_s: float = 600.0) -> None:
        """Time passes until it is so."""
        async with asyncio.timeout(within_s):
            while not what():
                await self.clock.sleep(0.005)

    def at(self, seconds: float) -> Instant:
        return after(self.clock.now(), seconds)

    # ── doors ───────────────────────────────────────────────────────────────────────────

    def add_door(self, address: str = ADDRESS, **traits: Any) -> Door:
        door = self.doors[address] = Door(self.air, address, **traits)
        return door

    async def pair(
        self, address: str = ADDRESS, name: str | None = "front", secret: Secret | None = None
    ) -> list[PairProgress]:
        """Claim it; the whole of the progress."""
        progress = self.fleet.pair(ClaimOrder(address, secret), name)
        async with aclosing(progress) as steps:
            return [step async for step in steps]

    async def claimed_door(self, **traits: Any) -> Door:
        """A door of ours, looked into and at rest."""
        door = self.add_door(**traits)
        await self.start()
        steps = await self.pair()
        assert steps[-1] == PairProgress(PairStage.READY, "dev_1")
        await self.advance(300)
        return door

    # ── orders ──────────────────────────────────────────────────────────────────────────

    async def want(
        self, credential: str, digits: str, window: Window, *, version: int = 1, **more: Any
    ) -> None:
        devices = more.pop("devices", (DeviceId("dev_1"),))
        spec = CredentialSpec(
            CredentialId(credential), version, Secret(digits), devices, window, **more
        )
        now = self.clock.now()
        await self.store.submit(
            lambda tx: desired.upsert_credential(tx, self.keyring, spec, version, now)
        )

    async def revoke(self, credential: str) -> None:
        now = self.clock.now()
        await self.store.submit(
            lambda tx: desired.tombstone(tx, Tombstone(CredentialId(credential)), 1, now)
        )

    async def command(
        self, number: str, kind: str, device: str = "dev_1", **body: Any
    ) -> dict[str, Any]:
        """Its result."""
        now, target = self.clock.now(), DeviceId(device)
        await self.store.submit(
            lambda tx: journal.receive(
                tx, CommandId(number), kind, target, body, "cloud", None, now
            )
        )
        async with asyncio.timeout(600):
            while True:
                row = await self.store.fetch_one(journal.command(CommandId(number)))
                if row is not None and row.result is not None:
                    return dict(row.result)
                await self.clock.sleep(0.005)

    # ── what is written down ────────────────────────────────────────────────────────────

    async def write(self, fn: Callable[[Tx], T]) -> T:
        return await self.store.submit(fn)

    async def rows(self, select: Select[T]) -> list[T]:
        return await self.store.fetch(select)

    async def device(self, device: str = "dev_1") -> DeviceRow | None:
        return await self.store.fetch_one(devices.device(DeviceId(device)))

    async def grant(self, credential: str, device: str = "dev_1") -> GrantRow:
        row = await self.store.fetch_one(
            reported.grant(GrantId(CredentialId(credential), DeviceId(device)))
        )
        assert row is not None
        return row

    async def told(self, *kinds: EventType) -> Sequence[EventRow]:
        rows = await self.store.fetch(events.events_after(0, 100_000))
        return [row for row in rows if not kinds or row.type in kinds]


@contextlib.asynccontextmanager
async def open_house(folder: Path) -> AsyncIterator[House]:
    house = House(folder, SimAir(random.Random(7), start=START))
    try:
        yield house
    finally:
        await house.close()
