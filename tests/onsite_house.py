"""A whole house around one simulated Bluetooth lock: store, scheduler, local API, in real time.

Above the radio everything is the product's own, put together as `gateway.app` does; below it the
lock's simulated firmware over an air without delay. Not a test itself.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import aiohttp

from gateway import app
from gateway.domain.ids import CommandId, DeviceId
from gateway.domain.instant import ClockTrust
from gateway.domain.wants import Moment, Policy
from gateway.drivers.catalog import driver_for
from gateway.drivers.claims import ClaimOrder, PairStage
from gateway.kit.clock import SystemClock
from gateway.local.api import LocalApi, Site
from gateway.local.server import LocalServer
from gateway.radios.arbiter import Arbiter
from gateway.scheduler.claimed import Claimed
from gateway.scheduler.fleet import Fleet
from gateway.scheduler.loop import Scheduler, Settings
from gateway.store import devices, events, journal
from gateway.store.database import Store, open_store
from gateway.store.identities import Identities
from gateway.store.keyring import Keyring
from gateway.timekeeping.clock import HouseClock
from gateway.timekeeping.keeper import TimeKeeper
from gateway.timekeeping.proof import Issuers
from gateway.timekeeping.witness import Witness
from tests.command_line import Ran, lock_gateway
from tests.local_house import DEADLINE_S, EVERYBODY, NOW, ZONE
from tests.machine import Machine
from tests.unit.drivers.ttlock_house import LockHouse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from firmware_sims.firmware.model import Source
    from gateway.domain.events import EventType
    from gateway.domain.secret import Secret
    from gateway.drivers.claims import Family
    from gateway.local.access import Access
    from gateway.store.journal import CommandRow
    from tests.gatt_air import GattAir
    from tests.unit.drivers.nuki_house import NukiHouse

CARD = 3_141_592_653


@dataclass
class OnSiteHouse:
    lock: LockHouse
    store: Store
    keyring: Keyring
    scheduler: Scheduler
    device_id: DeviceId
    folder: Path

    @property
    def socket(self) -> Path:
        return self.folder / "api.sock"

    # ── the local API and the command line ──────────────────────────────────────────────

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        async with self.request(method, path, body) as response:
            return response.status, json.loads(await response.text())

    async def lines(self, path: str, body: Any) -> list[dict[str, Any]]:
        async with self.request("POST", path, body) as response:
            assert response.status == 200, await response.text()
            return [json.loads(line) async for line in response.content]

    @asynccontextmanager
    async def request(
        self, method: str, path: str, body: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        connector = aiohttp.UnixConnector(str(self.socket))
        async with (
            asyncio.timeout(3 * DEADLINE_S),
            aiohttp.ClientSession(connector=connector) as session,
            session.request(method, f"http://local{path}", json=body) as response,
        ):
            yield response

    async def cli(self, *arguments: str, stdin: str = "") -> Ran:
        return await lock_gateway(*arguments, stdin=stdin, LOCK_GATEWAY_SOCKET=str(self.socket))

    # ── at the door ─────────────────────────────────────────────────────────────────────

    def comes(self, of: Source, number: int) -> None:
        """Somebody holds it to the lock whenever the lock is waiting for one."""
        reader = self.lock.firmware.reader

        def hold_up() -> None:
            if reader.learning:
                reader.present(of, number)

        def look(_address: str, _data: bytes) -> bool:
            if reader.learning:
                asyncio.get_running_loop().call_soon(hold_up)
            return False

        self.lock.air.spoil_notify = look

    def opens(self, of: Source, number: int) -> bool:
        return self.lock.firmware.reader.present(of, number).opened

    def numbers(self, of: Source) -> list[int]:
        return self.lock.firmware.tokens.numbers(of)

    # ── what was written down ───────────────────────────────────────────────────────────

    async def told(self, kind: EventType) -> list[events.EventRow]:
        rows = await self.store.fetch(events.events_after(0, 1000))
        return [row for row in rows if row.type is kind]

    async def until_told(self, kind: EventType) -> None:
        changed = asyncio.Event()
        leave = self.store.subscribe(lambda _: changed.set())
        try:
            async with asyncio.timeout(3 * DEADLINE_S):
                while not await self.told(kind):
                    await changed.wait()
                    changed.clear()
        finally:
            leave()

    async def journaled(self, command_id: str) -> CommandRow:
        row = await self.store.fetch_one(journal.command(CommandId(command_id)))
        assert row is not None
        return row

    async def order(self, kind: str, command_id: str = "c1", **body: Any) -> dict[str, Any]:
        """A command of the journal, and its result."""
        await self.store.submit(
            lambda tx: journal.receive(
                tx, CommandId(command_id), kind, self.device_id, {"reason": "test", **body},
                "local:ada", None, self.lock.now(),
            )
        )  # fmt: skip
        return await self.result(command_id)

    async def result(self, command_id: str) -> dict[str, Any]:
        done = asyncio.Event()
        leave = self.store.subscribe(lambda _: done.set())
        try:
            async with asyncio.timeout(3 * DEADLINE_S):
                while (row := await self.journaled(command_id)).result is None:
                    await done.wait()
                    done.clear()
        finally:
            leave()
        return dict(row.result)

    def everything_written(self) -> bytes:
        """Every byte of the state directory but the socket."""
        return b"".join(p.read_bytes() for p in sorted(self.folder.rglob("*")) if p.is_file())


class _Watched(Scheduler):
    """Knows when the lock is one of its members."""

    joined: asyncio.Event

    def member_joined(self, device_id: DeviceId) -> None:
        super().member_joined(device_id)
        self.joined.set()


@asynccontextmanager
async def onsite_house(
    folder: Path,
    lock: LockHouse | NukiHouse | None = None,
    secret: Secret | None = None,
    access: Access = EVERYBODY,
) -> AsyncIterator[OnSiteHouse]:
    """A lock that was paired on site as "Front door". `secret`: what pairing needs."""
    clock = SystemClock(ClockTrust.TRUSTED)
    lock = lock or LockHouse(claimed=False, start=clock.now() / 1000)
    keyring = Keyring(bytes(range(32)))
    async with open_store(folder / "state.db", clock) as store:
        ids = itertools.count(1)
        identities = Identities(folder / "devices.json", lambda: DeviceId(f"dev_{next(ids)}"))
        families: dict[str, Family] = {lock.family.name: lock.family}
        claimed = Claimed(store, keyring, clock, lock.air, families, ZONE, identities)
        fleet = Fleet(store, clock, [], driver_for, ZONE, identities, claimed)
        settings = Settings(Policy(), ZONE)
        moment = lambda: Moment(clock.now())  # noqa: E731 - one line of the house
        scheduler = _Watched(store, keyring, clock, fleet, settings, Arbiter(4), moment)
        scheduler.joined = asyncio.Event()
        api = _api(store, clock, keyring, fleet, scheduler, lock.air)
        server = LocalServer(api.application(access), folder / "api.sock", "no-such-group")
        tasks = [
            asyncio.create_task(scheduler.run(), name="scheduler"),
            asyncio.create_task(server.run(), name="server"),
        ]
        try:
            await asyncio.wait_for(server.started(), DEADLINE_S)
            row = await store.fetch_one(devices.device_at(lock.air.name, lock_address(lock)))
            if row is None:
                device_id = await _paired(fleet, ClaimOrder(lock_address(lock), secret))
            else:
                device_id = row.device_id
            await asyncio.wait_for(scheduler.joined.wait(), DEADLINE_S)
            yield OnSiteHouse(cast("LockHouse", lock), store, keyring, scheduler, device_id, folder)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def lock_address(lock: LockHouse | NukiHouse) -> str:
    return lock.skin.peripheral.address


async def _paired(fleet: Fleet, order: ClaimOrder) -> DeviceId:
    async with asyncio.timeout(6 * DEADLINE_S):
        steps = [step async for step in fleet.pair(order, "Front door")]
    assert steps[-1].stage is PairStage.READY
    return DeviceId(steps[-1].detail)


def _api(
    store: Store,
    clock: SystemClock,
    keyring: Keyring,
    fleet: Fleet,
    scheduler: Scheduler,
    air: GattAir,
) -> LocalApi:
    nothing = cast("Any", None)  # neither a probe nor the cloud is part of this house
    operations = app._Operations(  # noqa: SLF001 - what the API is given in the product
        [air], fleet, scheduler, nothing, nothing, ""
    )
    machine = Machine(NOW)
    keeper = TimeKeeper(machine, HouseClock(machine), store)
    witness = Witness(keeper, machine, Issuers("gw_test"), lambda: "challenge")
    return LocalApi(store, clock, keyring, operations, Site("gw_test", ZONE), witness)
