"""One start of the daemon: the product's parts put together as `gateway.app` does, on other ports.

Replaced: the host's clock, randomness and ids, the radio, the connection to the broker, and the
thread of the store's writer. Everything else is the product. Not here: what happens to a life
(`house`) and the local API, which nobody in a simulation talks to.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import __version__
from gateway.domain.ids import DeviceId
from gateway.domain.timebelief import Source
from gateway.drivers.catalog import driver_for
from gateway.housekeeping import Housekeeper, Kept
from gateway.radios.arbiter import Arbiter
from gateway.scheduler.fleet import Fleet
from gateway.scheduler.loop import Scheduler, Settings
from gateway.starting import note_start
from gateway.store.database import Store
from gateway.store.files import prepare
from gateway.store.identities import Identities
from gateway.store.keyring import Keyring, bind_key
from gateway.supervisor import OnEnd, Supervisor
from gateway.sync.link import Broker, CloudLink
from gateway.sync.presence import Identity
from gateway.timekeeping.clock import HouseClock
from gateway.timekeeping.keeper import TimeKeeper
from gateway.timekeeping.proof import Issuers
from gateway.timekeeping.witness import Witness
from tests.simulation.disk import SimWriter
from tests.simulation.radio import SimRadio

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.domain.wants import Policy
    from tests.simulation.broker import SimBroker
    from tests.simulation.disk import Disk
    from tests.simulation.machine import Host
    from tests.simulation.radio import Air

GATEWAY_ID = "gw"
KEY = b"simulated key of thirty-two byte"[:32]
CONVERSATIONS = 16
KEPT = Kept(30, 200_000)
KID = "cloud"
CLOUD_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
"""With which a cloud signs the time."""


class Ending(Enum):
    """How a life ended."""

    POWER = "power"
    KILLED = "killed"
    FELL = "fell"
    """By itself: a fault of ours."""


@dataclass
class Site:
    """What outlives every life, and the choices of the site."""

    folder: Path
    zone: str
    policy: Policy
    disk: Disk
    air: Air
    broker: SimBroker
    seed: int
    kept: Kept = KEPT


class Life:
    """`run` until something ends it; `end` ends it where it stands."""

    def __init__(self, site: Site, number: int, host: Host) -> None:
        self._site = site
        self._number = number
        self._host = host
        self.keeper: TimeKeeper | None = None
        self._random = Random(f"{site.seed}/life/{number}")
        self._over = asyncio.Event()
        self.ending: Ending | None = None
        self.fell_of = ""
        self.writer = SimWriter(site.disk)
        self.radio = SimRadio(site.air, number)
        self.store: Store | None = None

    def end(self, ending: Ending) -> None:
        """Every port of this life is dead before its tasks are thrown away."""
        if self.ending is None:
            self.ending = ending
            self.writer.die()
            self.radio.kill()
            self._site.broker.kill(self._number)
            self._over.set()

    async def run(self) -> Ending:
        path = self._site.folder / "state.db"
        store = Store(prepare(path, self._host.wall(), self._new_epoch), self.writer)
        self.store = store
        await store.start(path)
        living = asyncio.ensure_future(self._daemon(store))
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((living, over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            self.end(Ending.FELL)
            living.cancel()
            ended = await asyncio.gather(living, return_exceptions=True)
            await store.close()
        if self.ending is Ending.FELL:
            self.fell_of = self.fell_of or repr(ended[0])
        assert self.ending is not None
        return self.ending

    async def _daemon(self, store: Store) -> None:
        supervisor = await self._compose(store)
        supervisor.start()
        await supervisor.run_until(asyncio.Event())
        fault = supervisor.fault
        self.fell_of = f"{fault.task}: {fault.error!r}" if fault else "it stopped unasked"

    async def _compose(self, store: Store) -> Supervisor:
        """As `gateway.app` does, without the local API and the watchdog."""
        site = self._site
        keyring = Keyring(KEY, self._random.randbytes)
        await store.submit(lambda tx: bind_key(tx, keyring))
        clock = HouseClock(self._host)
        keeper = TimeKeeper(self._host, clock, store)
        await keeper.begin()
        self.keeper = keeper
        boot = await note_start(store, clock)
        identities = Identities(site.folder / "devices.json", self._new_device_id)
        fleet = Fleet(store, clock, [self.radio], driver_for, site.zone, identities)
        scheduler = Scheduler(
            store,
            keyring,
            clock,
            fleet,
            Settings(site.policy, site.zone),
            Arbiter(CONVERSATIONS),
            keeper.moment,
            keeper.write_with,
        )
        keeper.changed = scheduler.time_changed
        issuers = Issuers(GATEWAY_ID, {Source.CLOUD: {KID: CLOUD_KEY.public_key()}})
        link = CloudLink(
            Broker("broker", 8883),
            Identity(GATEWAY_ID, store.opened.epoch, __version__, boot),
            store=store,
            keyring=keyring,
            clock=clock,
            random=self._random,
            new_nonce=self._new_nonce,
            accept_unsigned=True,
            connector=site.broker.connector(self._number),
            witness=Witness(keeper, self._host, issuers, self._new_nonce),
        )
        supervisor = Supervisor(clock)
        supervisor.add("clock trust", keeper.run, OnEnd.RESTART)
        supervisor.add("scheduler", scheduler.run)
        supervisor.add(self.radio.name, self.radio.run, OnEnd.RESTART)
        supervisor.add("cloud", link.run, OnEnd.RESTART)
        keeping = Housekeeper(store, clock, site.folder, self._site.kept, site.disk.usage)
        supervisor.add("housekeeping", keeping.run, OnEnd.RESTART)
        return supervisor

    def _new_nonce(self) -> str:
        return f"{self._random.getrandbits(96):024x}"

    def _new_epoch(self) -> str:
        return f"{self._random.getrandbits(64):016x}"

    def _new_device_id(self) -> DeviceId:
        return DeviceId(f"dev_{self._random.getrandbits(48):012x}")
