"""A small house in virtual time: real store, real scheduler, locks that behave.

Here: how time passes (only when nothing can happen without it), orders, kills, full disks. The
witness of a flow is what a lock holds and which events were written, never the gateway's opinion.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.domain.ids import CommandId, CredentialId, DeviceId, GrantId
from gateway.domain.instant import Instant, after, from_datetime
from gateway.domain.schedule import CredentialSpec, Tombstone
from gateway.domain.secret import Secret
from gateway.domain.wants import Moment, Policy
from gateway.errors import StoreClosed, StoreFull
from gateway.kit.clock import ManualClock, settle
from gateway.radios.api import (
    ClusterReply,
    Heard,
    NodeInfo,
    NodeLeft,
    NodeReady,
    RadioState,
    RadioStatus,
    StateChanged,
)
from gateway.radios.arbiter import Arbiter
from gateway.scheduler.fleet import Fleet
from gateway.scheduler.loop import Scheduler, Settings
from gateway.store import desired, devices, events, journal, reported
from gateway.store.database import Store
from gateway.store.files import prepare
from gateway.store.identities import Identities
from gateway.store.keyring import Keyring
from gateway.store.writer import Batch, Job, Transactor
from tests.flows.sim_lock import Code, SimDriver, SimLock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from pathlib import Path

    from gateway.domain.events import EventType
    from gateway.domain.windows import Window
    from gateway.drivers.api import DeviceEvent
    from gateway.radios.api import JoinOrder, JoinProgress, Radio, RadioEvent, RadioListener
    from gateway.radios.command_classes import CcNode
    from gateway.store.reported import GrantRow
    from gateway.store.tx import Select, Tx

T = TypeVar("T")
ZONE = "Europe/Berlin"
START = from_datetime(datetime(2026, 10, 20, 8, 0, tzinfo=UTC))
QUIET = 14
"""Turns of the loop in which nothing reached the store: no chain of ready tasks is that long."""


class InlineWriter:
    """Runs each job at once, in the loop's thread. `crash_after`: die right after that commit."""

    def __init__(self, died: Callable[[], None]) -> None:
        self.full = False
        self.dead = False
        self.commits = 0
        self.crash_after: int | None = None
        self._died = died

    async def start(self, path: Path, settled: Callable[[Batch], None]) -> None:
        self._transactor = Transactor(path)
        self._settled = settled

    def put(self, job: Job) -> None:
        if job.fn is None:
            batch = Batch([job])  # it would wait for readers, which wait for this very thread
        elif self.dead:
            batch = Batch([job])
            batch.fail(StoreClosed("the power is off"))
        elif self.full:
            batch = Batch([job])
            batch.fail(StoreFull("could not write to the store: no space left"))
        else:
            batch = self._transactor.run([job])
            self.commits += job.error is None
            if self.commits == self.crash_after:
                # It is on the disk, and nobody hears of it any more.
                self.dead = True
                batch.fail(StoreClosed("the power is off"))
                self._died()
        asyncio.get_running_loop().call_soon(self._settled, batch)

    async def stop(self) -> None:
        self._transactor.close()


class WatchedStore(Store):
    """Knows whether somebody is waiting for it."""

    def watch(self) -> None:
        self.waiting = 0
        self.served = 0
        self.idle = asyncio.Event()
        self.idle.set()

    @contextlib.contextmanager
    def _asked(self) -> Iterator[None]:
        self.waiting += 1
        self.served += 1
        self.idle.clear()
        try:
            yield
        finally:
            self.waiting -= 1
            if not self.waiting:
                self.idle.set()

    async def submit(self, fn: Callable[[Tx], T]) -> T:
        with self._asked():
            return await super().submit(fn)

    async def scrub(self) -> None:
        with self._asked():
            await super().scrub()

    async def fetch(self, select: Select[T]) -> list[T]:
        with self._asked():
            return await super().fetch(select)

    async def fetch_one(self, select: Select[T]) -> T | None:
        with self._asked():
            return await super().fetch_one(select)

    async def snapshot(self, *selects: Select[Any]) -> Any:
        with self._asked():
            return await super().snapshot(*selects)


class TinyRadio:
    """A mesh with nothing but membership."""

    name = "air"
    kind = "sim"

    def __init__(self) -> None:
        self.state = RadioState(RadioStatus.UP)
        self.members: dict[str, NodeInfo] = {}
        self.forgotten: list[str] = []
        self._listeners: list[RadioListener] = []

    def listen(self, listener: RadioListener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def emit(self, event: RadioEvent) -> None:
        for listener in tuple(self._listeners):
            listener(event)

    async def run(self) -> None:
        await asyncio.Event().wait()

    def nodes(self) -> Sequence[NodeInfo]:
        return list(self.members.values())

    async def request(self, *_: object, **__: object) -> ClusterReply:
        raise AssertionError("drivers here speak to their locks themselves")

    read = request

    async def write(self, *_: object, **__: object) -> None:
        raise AssertionError("drivers here speak to their locks themselves")

    bind = write

    async def open_joining(self, order: JoinOrder) -> AsyncIterator[JoinProgress]:
        for _ in ():
            yield _
        raise AssertionError("nodes here are members from the start")

    async def forget(self, address: str) -> None:
        self.forgotten.append(address)
        self.members.pop(address, None)
        self.emit(NodeLeft(address))  # as the real radio does for a node it sends away


@dataclass(frozen=True, slots=True)
class Told:
    """An event, as short as a test wants to compare it."""

    at: Instant
    type: EventType
    device: str | None
    credential: str | None
    body: dict[str, Any]


@dataclass
class World:
    """`async with world(tmp_path) as house:`; times in seconds."""

    path: Path
    clock: ManualClock
    policy: Policy
    radio: TinyRadio = field(default_factory=TinyRadio)
    locks: dict[str, SimLock] = field(default_factory=dict)
    floor: Instant = field(default=Instant(0))
    commits: int = 0
    timed: list[Instant] = field(default_factory=list)
    """When the time was written down with an attempt."""
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _run: asyncio.Task[None] | None = None

    # ── life ────────────────────────────────────────────────────────────────────────────

    async def open(self) -> None:
        self.writer = InlineWriter(self._die)
        self.store = WatchedStore(prepare(self.path, self.clock.now(), lambda: "e1"), self.writer)
        self.store.watch()
        await self.store.start(self.path)
        self.keyring = Keyring(b"k" * 32)

    async def start(self) -> None:
        """Everything anew on what the disk and the locks hold."""
        self.fleet = Fleet(
            self.store,
            self.clock,
            [self.radio],
            self._driver_for,
            ZONE,
            Identities(self.path.with_name("devices.json"), self._new_id),
        )
        self.scheduler = Scheduler(
            self.store,
            self.keyring,
            self.clock,
            self.fleet,
            Settings(self.policy, ZONE),
            Arbiter(),
            lambda: Moment(self.clock.now(), self.clock.trust, self.floor),
            lambda _: self.timed.append(self.clock.now()),
        )
        self._run = asyncio.create_task(self.scheduler.run(), name="scheduler")
        await self.settle()

    def _die(self) -> None:
        if self._run is not None:
            self._run.cancel()

    async def kill(self) -> None:
        """Cut it off where it stands; the store is opened anew as after a power cut."""
        self._die()
        if self._run is not None:
            await asyncio.wait([self._run])
            if not self._run.cancelled():
                self._run.exception()
        self._run = None
        self.commits += self.writer.commits
        await self.store.close()
        await self.open()

    @property
    def dead(self) -> bool:
        return self._run is None or self._run.done() or self.writer.dead

    async def restart(self) -> None:
        await self.kill()
        await self.start()

    async def close(self) -> None:
        self._die()
        if self._run is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._run
        await self.store.close()

    def _driver_for(
        self, node: NodeInfo | CcNode, radio: Radio, site_zone: str
    ) -> SimDriver | None:
        lock = self.locks.get(node.address)
        return SimDriver(lock) if lock is not None else None

    def _new_id(self) -> DeviceId:
        return DeviceId(f"dev_{next(self._ids)}")

    # ── time ────────────────────────────────────────────────────────────────────────────

    async def settle(self) -> None:
        """Until nothing can happen any more without time passing."""
        quiet = 0
        while quiet < QUIET:
            served = self.store.served
            await self.store.idle.wait()
            await settle(1)
            quiet = quiet + 1 if self.store.served == served and not self.store.waiting else 0
        if not self.dead or self._run is None or self.writer.dead or self._run.cancelled():
            return
        self._run.result()

    async def turn(self) -> None:
        """One turn of the loop: to stop it somewhere in the middle."""
        await settle(1)

    async def advance(self, seconds: float) -> None:
        await self.settle()
        await self.clock.advance(seconds, self.settle)

    async def until(self, at: Instant) -> None:
        await self.advance((at - self.clock.now()) / 1000)

    def at(self, seconds: float) -> Instant:
        return after(self.clock.now(), seconds)

    # ── locks ───────────────────────────────────────────────────────────────────────────

    def add_lock(self, **traits: Any) -> SimLock:
        """A lock that is a member from the next start on; ids follow the order of their adding."""
        number = len(self.locks) + 1
        address = f"00:00:00:00:00:00:00:{number:02x}"
        lock = SimLock(self.clock, **traits)
        self.locks[address] = lock
        self.radio.members[address] = NodeInfo(
            address, "Sim", "lock", (), sleepy=lock.sleepy, mains_powered=not lock.sleepy
        )
        return lock

    def address(self, number: int = 1) -> str:
        return f"00:00:00:00:00:00:00:{number:02x}"

    def hear(self, number: int = 1) -> None:
        self.radio.emit(Heard(self.address(number)))

    def rejoin(self, number: int = 1) -> None:
        self.radio.emit(NodeReady(self.radio.members[self.address(number)]))

    def leave(self, number: int = 1) -> None:
        self.radio.emit(NodeLeft(self.address(number)))

    def radio_is(self, status: RadioStatus) -> None:
        self.radio.state = RadioState(status)
        self.radio.emit(StateChanged(self.radio.state))

    def ring(self, event: DeviceEvent, device: str = "dev_1") -> None:
        self.scheduler.member_rang(DeviceId(device), event)

    async def prove_windows(self, device: str = "dev_1") -> None:
        """The installation test: a closed code was refused."""
        await self.store.submit(
            lambda tx: devices.update_device(tx, DeviceId(device), schedules_proven=True)
        )
        await self.settle()

    # ── orders ──────────────────────────────────────────────────────────────────────────

    async def want(
        self,
        credential: str,
        digits: str,
        window: Window,
        *,
        devices: tuple[str, ...] = ("dev_1",),
        version: int = 1,
        **more: Any,
    ) -> None:
        spec = CredentialSpec(
            CredentialId(credential), version, Secret(digits), tuple(map(DeviceId, devices)),
            window, **more,
        )  # fmt: skip
        now = self.clock.now()
        await self.store.submit(
            lambda tx: desired.upsert_credential(tx, self.keyring, spec, version, now)
        )
        await self.settle()

    async def revoke(self, credential: str) -> None:
        now = self.clock.now()
        await self.store.submit(
            lambda tx: desired.tombstone(tx, Tombstone(CredentialId(credential)), 1, now)
        )
        await self.settle()

    async def command(
        self,
        number: str,
        kind: str,
        device: str | None = "dev_1",
        *,
        not_after: Instant | None = None,
        **body: Any,
    ) -> None:
        now = self.clock.now()
        target = DeviceId(device) if device else None
        await self.store.submit(
            lambda tx: journal.receive(
                tx, CommandId(number), kind, target, body, "cloud", not_after, now
            )
        )
        await self.settle()

    # ── what is written down ────────────────────────────────────────────────────────────

    async def result(self, number: str) -> dict[str, Any] | None:
        row = await self.store.fetch_one(journal.command(CommandId(number)))
        return dict(row.result) if row is not None and row.result is not None else None

    async def grant(self, credential: str, device: str = "dev_1") -> GrantRow:
        row = await self.store.fetch_one(
            reported.grant(GrantId(CredentialId(credential), DeviceId(device)))
        )
        assert row is not None
        return row

    async def told(self, *kinds: EventType) -> list[Told]:
        rows = await self.store.fetch(events.events_after(0, 100_000))
        return [
            Told(r.at, r.type, r.device_id, r.credential_id, dict(r.body))
            for r in rows
            if not kinds or r.type in kinds
        ]


@contextlib.asynccontextmanager
async def world(
    tmp_path: Path, start: Instant = START, policy: Policy | None = None
) -> AsyncIterator[World]:
    house = World(tmp_path / "gateway.db", ManualClock(start), policy or Policy())
    await house.open()
    try:
        yield house
    finally:
        await house.close()


__all__ = ["START", "ZONE", "Code", "SimLock", "Told", "World", "world"]
