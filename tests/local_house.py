"""A house for tests of the local API: real store, real server on a unix socket, real planning.

Only what the app would bring is played here: radios, cloud link, joining, and whoever answers
commands. Not a test itself.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp

from gateway.domain.actions import Erase, Program, ReadSlot
from gateway.domain.capabilities import Capabilities, CodeLimits
from gateway.domain.devices import Empty, Evidence, Known, Slot
from gateway.domain.events import EventType, Fact
from gateway.domain.grants import Enforcement, GrantState
from gateway.domain.ids import CommandId, CredentialId, DeviceId, GrantId
from gateway.domain.instant import DAY, HOUR, ClockTrust, Instant, from_rfc3339
from gateway.domain.probe import ProbeProgress, ProbeStage
from gateway.domain.reconcile import plan
from gateway.domain.schedule import CredentialSpec
from gateway.domain.secret import Secret
from gateway.domain.wants import Moment, Policy
from gateway.domain.windows import Always, Recurring, Timed, Weekly, Window
from gateway.drivers.claims import PairProgress, PairStage
from gateway.errors import RequestError
from gateway.kit.clock import ManualClock
from gateway.local.access import Access
from gateway.local.api import LocalApi, Site
from gateway.local.operations import CloudState, PlanView
from gateway.local.server import LocalServer
from gateway.radios.api import JoinProgress, JoinStage, RadioState, RadioStatus
from gateway.store import desired, devices, events, journal, reported
from gateway.store.database import Store, open_store
from gateway.store.keyring import Keyring
from gateway.timekeeping.clock import HouseClock
from gateway.timekeeping.keeper import TimeKeeper
from gateway.timekeeping.proof import Issuers
from gateway.timekeeping.witness import Witness
from tests.machine import Machine

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from gateway.domain.actions import Action
    from gateway.drivers.access import EnrolStage, KeyHolder, Medium, MediumKind, Setting
    from gateway.drivers.claims import ClaimOrder, Found
    from gateway.radios.api import JoinOrder
    from gateway.radios.gatt import SignalKeeper
    from gateway.store.tx import Tx

NOW = from_rfc3339("2026-11-20T14:30:00Z")  # a Friday, 15:30 in Berlin
ZONE = "Europe/Berlin"
FRONT, SAUNA = DeviceId("dev_front"), DeviceId("dev_sauna")
CANARY = "845219637"
"""Digits that must show up nowhere but in an answer to `reveal`."""

DEADLINE_S = 40.0


def readable(action: Action) -> str:
    match action:
        case Program(slot, credential_id):
            return f"write {credential_id} to slot {slot}"
        case Erase(slot, credential_id):
            return f"erase slot {slot} ({credential_id})"
        case ReadSlot(slot):
            return f"read slot {slot}"
        case _:
            return type(action).__name__.lower()


@dataclass
class PlayedOperations:
    """The app's side, with knobs."""

    store: Store
    clock: ManualClock
    radios: dict[str, RadioState] = field(
        default_factory=lambda: {"zigbee": RadioState(RadioStatus.UP)}
    )
    cloud: CloudState = field(
        default_factory=lambda: CloudState(True, Instant(NOW - HOUR), "127.0.0.1:1883")
    )
    orders: list[tuple[JoinOrder, str | None]] = field(default_factory=list)
    stages: list[JoinProgress] = field(
        default_factory=lambda: [
            JoinProgress(JoinStage.OPEN, 180.0),
            JoinProgress(JoinStage.FOUND, 170.0, "00:11:22:33:44:55:66:77"),
            JoinProgress(JoinStage.READY, 160.0, "00:11:22:33:44:55:66:77", FRONT),
        ]
    )
    leaving: list[int] = field(default_factory=list)
    probed: ProbeStage = ProbeStage.PROVEN
    refusal: Exception | None = None
    lost_keys: frozenset[DeviceId] = frozenset()
    in_the_air: list[Found] = field(default_factory=list)
    claims: list[tuple[ClaimOrder, str | None]] = field(default_factory=list)
    signal_keeper: SignalKeeper | None = None
    hold_after: int | None = None
    """Stop after so many stages, until the caller goes away."""
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    def radio_states(self) -> Mapping[str, RadioState]:
        return self.radios

    def cloud_state(self) -> CloudState:
        return self.cloud

    async def join(self, order: JoinOrder, name: str | None) -> AsyncIterator[JoinProgress]:
        self.orders.append((order, name))
        try:
            if self.refusal is not None:
                raise self.refusal
            for number, stage in enumerate(self.stages):
                if number == self.hold_after:
                    await asyncio.get_running_loop().create_future()
                yield stage
        finally:
            self.closed.set()

    async def leave(self, duration_s: int) -> AsyncIterator[JoinProgress]:
        self.leaving.append(duration_s)
        yield JoinProgress(JoinStage.OPEN, duration_s)
        yield JoinProgress(JoinStage.LEFT, duration_s - 1, "c0ffee01:17")

    async def settings(self, device_id: DeviceId) -> Sequence[Setting]:
        raise RequestError("could not read its settings: this device has none", "unsupported")

    async def media(self, device_id: DeviceId, kind: MediumKind) -> Sequence[Medium]:
        raise RequestError(f"could not list its {kind.value}s: it has none", "unsupported")

    async def keys(self, device_id: DeviceId) -> Sequence[KeyHolder]:
        raise RequestError("could not list its keys: this device does not tell", "unsupported")

    def watch_enrolment(
        self, command_id: str, told: Callable[[EnrolStage], None]
    ) -> Callable[[], None]:
        return lambda: None

    def entrust(self, command_id: str, number: Secret) -> Callable[[], None]:
        return lambda: None

    def signals(self, radio: str) -> SignalKeeper | None:
        return self.signal_keeper

    def keyless(self) -> frozenset[DeviceId]:
        return self.lost_keys

    async def in_range(self) -> list[Found]:
        if self.refusal is not None:
            raise self.refusal
        return self.in_the_air

    async def pair(self, order: ClaimOrder, name: str | None) -> AsyncGenerator[PairProgress]:
        self.claims.append((order, name))
        if self.refusal is not None:
            raise self.refusal
        yield PairProgress(PairStage.CONNECTING, "touch its keypad")
        yield PairProgress(PairStage.READY, FRONT)

    async def probe(self, device_id: DeviceId, actor: str) -> AsyncGenerator[ProbeProgress]:
        if self.refusal is not None:
            raise self.refusal
        yield ProbeProgress(ProbeStage.WRITING, 180.0)
        yield ProbeProgress(ProbeStage.TYPE, 179.0, Secret("404142"))
        yield ProbeProgress(self.probed, 0.0)

    async def plan(self, device_id: DeviceId) -> PlanView:
        rows, slots, wanted = await self.store.snapshot(
            devices.device(device_id),
            reported.slots_for(device_id),
            desired.desired_for(device_id, self.clock.now() // DAY),
        )
        if not rows:
            raise RequestError(f"there is no device {device_id}", "unknown_device")
        device = reported.device_view(rows[0], slots, ZONE)
        found = plan(device, wanted, Moment(self.clock.now()), Policy())
        return PlanView(
            [readable(action) for action in found.actions], list(found.verdicts), found.next_look
        )


@dataclass
class House:
    store: Store
    clock: ManualClock
    keyring: Keyring
    operations: PlayedOperations
    socket: Path
    answers: dict[str, dict[str, Any]]
    """Results of commands by kind; a kind that is missing stays open."""
    machine: Machine
    keeper: TimeKeeper
    """Of the machine's time, and it has not begun: `clock` is what the API acts by."""

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        connector = aiohttp.UnixConnector(str(self.socket))
        async with (
            asyncio.timeout(DEADLINE_S),
            aiohttp.ClientSession(connector=connector) as session,
            session.request(method, f"http://local{path}", json=body) as response,
        ):
            return response.status, json.loads(await response.text())

    async def get(self, path: str) -> dict[str, Any]:
        status, document = await self.call("GET", path)
        assert status == 200, document
        return document

    async def append(self, fact: Fact) -> int:
        return await self.store.submit(lambda tx: events.append(tx, fact, self.clock.trust))

    async def ledger(self) -> list[events.EventRow]:
        return await self.store.fetch(events.events_after(0, 1000))


EVERYBODY = Access("nobody-reads", "nobody-acts")
"""The test's own user is the daemon's, so it is an operator."""
NOBODY = Issuers("gw_test")
"""No technician has a key."""


@asynccontextmanager
async def open_house(
    tmp_path: Path, access: Access = EVERYBODY, issuers: Issuers = NOBODY
) -> AsyncIterator[House]:
    """Two locks, a handful of codes in different states, and a running server."""
    clock = ManualClock(NOW)
    keyring = Keyring(bytes(range(32)))
    async with open_store(tmp_path / "state" / "state.db", clock) as store:
        await store.submit(lambda tx: furnish(tx, keyring))
        operations = PlayedOperations(store, clock)
        machine = Machine(NOW)
        keeper = TimeKeeper(machine, HouseClock(machine), store)
        numbers = itertools.count(1)
        witness = Witness(keeper, machine, issuers, lambda: f"challenge-{next(numbers)}")
        api = LocalApi(store, clock, keyring, operations, Site("gw_test", ZONE), witness)
        socket = tmp_path / "api.sock"
        house = House(store, clock, keyring, operations, socket, {}, machine, keeper)
        server = LocalServer(api.application(access), socket, "no-such-group")
        tasks = [
            asyncio.create_task(server.run(), name="server"),
            asyncio.create_task(_answer(house), name="answers"),
        ]
        try:
            await asyncio.wait_for(server.started(), DEADLINE_S)
            yield house
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _answer(house: House) -> None:
    """Finish each command with the result prepared for its kind, like the scheduler would."""
    changed = asyncio.Event()
    leave = house.store.subscribe(lambda topics: changed.set() if "commands" in topics else None)
    try:
        while True:
            changed.clear()
            for row in await house.store.fetch(journal.open_commands()):
                result = house.answers.get(row.kind)
                if result is not None:
                    finish = partial(
                        journal.finish,
                        command_id=CommandId(row.command_id),
                        result=result,
                        now=house.clock.now(),
                    )
                    await house.store.submit(finish)
            await changed.wait()
    finally:
        leave()


def credential(
    credential_id: str,
    digits: str,
    window: Window,
    *lock: DeviceId,
    name: str = "",
    use_limit: int | None = None,
) -> CredentialSpec:
    return CredentialSpec(
        credential_id=CredentialId(credential_id),
        version=1,
        digits=Secret(digits),
        devices=lock or (FRONT,),
        window=window,
        name=name,
        use_limit=use_limit,
    )


def furnish(tx: Tx, keyring: Keyring) -> None:
    lock = Capabilities(
        can_remotely_unlock=True, codes=CodeLimits(slots=10, max_length=9), has_clock=False
    )
    for device_id, name, address in (
        (FRONT, "Front door", "00:11:22:33:44:55:66:77"),
        (SAUNA, "Sauna", "00:11:22:33:44:55:66:88"),
    ):
        devices.add_device(
            tx,
            device_id,
            radio="zigbee",
            address=address,
            driver="zcl_lock",
            kind="lock",
            name=name,
            capabilities=lock,
            joined_at=Instant(NOW - 30 * DAY),
            manufacturer="Yale",
            model="YRD226",
            quirks=("yale_clock",),
        )
        for number in range(1, 11):
            reported.put_slot(tx, device_id, Slot(number, Empty(), observed_at=Instant(NOW - HOUR)))
        devices.update_device(
            tx, device_id, reachable=True, reachable_since=Instant(NOW - HOUR),
            locked=True, battery_percent=80, inventory_done=True,
        )  # fmt: skip
    for spec in (
        credential(
            "cred_ada", CANARY, Timed(Instant(NOW - HOUR), Instant(NOW + 2 * HOUR)), name="Ada"
        ),
        credential(
            "cred_bob", "482913", Timed(Instant(NOW + HOUR), Instant(NOW + DAY)), FRONT, SAUNA,
            name="Bob", use_limit=3,
        ),
        credential(
            "cred_clean", "771204",
            Recurring((Weekly(frozenset({1, 4}), 9 * 60, 11 * 60),), ZONE), name="Cleaner",
        ),
        credential("cred_away", "551973", Always(), DeviceId("dev_unjoined"), name="Away"),
        credential("cred_weak", "123456", Always(), name="Weak"),
        credential("cred_gone", "902817", Always(), name="Gone"),
    ):  # fmt: skip
        desired.upsert_credential(tx, keyring, spec, 1, Instant(NOW - 3 * HOUR))
    _on_lock(tx, keyring)
    reported.update_grant(
        tx, GrantId(CredentialId("cred_weak"), FRONT), NOW,
        state=GrantState.REJECTED, reason="weak_code",
    )  # fmt: skip
    reported.update_grant(
        tx, GrantId(CredentialId("cred_gone"), FRONT), NOW,
        state=GrantState.ERASED, reason="expired", erased_at=Instant(NOW - HOUR),
    )  # fmt: skip
    for kind, credential_id in (
        (EventType.CREDENTIAL_PROGRAMMED, "cred_ada"),
        (EventType.CREDENTIAL_USED, "cred_ada"),
        (EventType.LOCK_UNLOCKED, "cred_ada"),
    ):
        fact = Fact(kind, NOW, FRONT, CredentialId(credential_id), body={"slot": 1})
        events.append(tx, fact, ClockTrust.TRUSTED)


def _on_lock(tx: Tx, keyring: Keyring) -> None:
    ada = CredentialId("cred_ada")
    slot = Slot(
        1,
        Known(keyring.hash(Secret(CANARY))),
        ada,
        evidence=frozenset({Evidence.READ_BACK}),
        observed_at=Instant(NOW - HOUR),
    )
    reported.put_slot(tx, FRONT, slot)
    reported.update_grant(
        tx, GrantId(ada, FRONT), NOW,
        state=GrantState.ACTIVE, slot=1, evidence=frozenset({Evidence.READ_BACK}),
        opens=Enforcement.BY_GATEWAY, closes=Enforcement.BY_GATEWAY,
        programmed_at=Instant(NOW - HOUR), early_exposure_ms=300_000,
        uses=1, first_used_at=Instant(NOW - HOUR // 2), last_used_at=Instant(NOW - HOUR // 2),
    )  # fmt: skip
