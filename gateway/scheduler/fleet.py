"""The devices there are: which driver speaks for which device over which radio.

Radio events come in here and go out as wake-ups of lanes and rings of the doorbell. A device id
is given once to a piece of hardware and kept when it rejoins.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog

from gateway.domain.devices import Empty, Known, Opaque, OpaqueReason, Slot
from gateway.domain.events import EventType, Fact, Value
from gateway.domain.ids import DeviceId
from gateway.domain.instant import Instant
from gateway.drivers.api import Gauge
from gateway.errors import GatewayError, RadioUnavailable, RequestError, StoreError
from gateway.radios.api import (
    Commissioning,
    JoinOrder,
    JoinProgress,
    JoinStage,
    NodeLeft,
    NodeReady,
    Radio,
    RadioEvent,
    StateChanged,
    TakesLeave,
)
from gateway.scheduler.members import HEARD_AGAIN_S, SPEAKING, Member, Members
from gateway.scheduler.record import QUARANTINE_MS
from gateway.store import devices, events, history, reported

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence

    from gateway.domain.capabilities import Capabilities
    from gateway.domain.secret import Secret
    from gateway.drivers.api import Driver
    from gateway.drivers.claims import ClaimOrder, Found, PairProgress
    from gateway.kit.clock import Clock
    from gateway.radios.api import NodeInfo
    from gateway.radios.command_classes import CcNode
    from gateway.scheduler.claimed import Claimed
    from gateway.scheduler.members import FleetListener
    from gateway.store.database import Store
    from gateway.store.devices import DeviceRow
    from gateway.store.identities import Identities
    from gateway.store.tx import Tx

log = structlog.get_logger()

INTERVIEW_DEADLINE_S = 60.0
INTERVIEW_TRIES = 5
MEASURE_DEADLINE_S = 15.0
INTERVIEW_PAUSE_S = 5.0
INTERVIEW_AGAIN_S = 300.0
"""For a device that joined again and then fell silent."""
REGISTERED_WITHIN_S = 90.0
STORE_PAUSE_S = 5.0


class MeshRadio(Radio, Commissioning, Protocol):
    """A mesh of nodes that it can admit and dismiss; drivers speak to them."""

    def nodes(self) -> Sequence[NodeInfo | CcNode]: ...


class DriverFor(Protocol):
    """The catalogue: None for a node that no driver knows. `radio` is the one that has the node."""

    def __call__(self, node: NodeInfo | CcNode, radio: Radio, site_zone: str) -> Driver | None: ...


class Fleet:
    """See the module's docstring. `run` until cancelled."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        radios: list[MeshRadio],
        driver_for: DriverFor,
        zone: str,
        identities: Identities,
        claimed: Claimed | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self.radios = radios
        self._claimed = claimed
        self._driver_for = driver_for
        self._zone = zone
        self._identities = identities
        self._members = Members(clock)
        self._nodes: asyncio.Queue[tuple[MeshRadio, NodeInfo | CcNode]] = asyncio.Queue()
        self._registering: dict[str, asyncio.Task[None]] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._registered = asyncio.Condition()
        self._names: dict[str, str] = {}

    def listen(self, listener: FleetListener) -> None:
        self._members.listener = listener

    def driver(self, device_id: DeviceId) -> Driver | None:
        """Who can speak to the device now; None while its radio is not up."""
        return self._members.driver(device_id)

    def members(self) -> list[DeviceId]:
        return self._members.ids()

    async def run(self) -> None:
        """Load what is known, then follow the radios."""
        for row in await self._store.fetch(devices.all_devices()):
            radio = next((r for r in self.radios if r.name == row.radio), None)
            if radio is not None:
                self._members.enlist(Member(DeviceId(row.device_id), radio, row.address, None))
            elif self._claimed is not None and row.radio == self._claimed.radio.name:
                await self._claimed.meet(row, self._members)
            # Also while nobody can speak to it: what is due on it is shown and alarmed.
            self._members.joined(DeviceId(row.device_id))
        leave = [self._members.follow(radio, self._first(radio)) for radio in self.radios]
        claimed: list[asyncio.Task[None]] = []
        if self._claimed is not None:
            # It speaks every second whether or not it answers: each word hurries nothing.
            leave.append(self._members.follow(self._claimed.radio, heard_pause_s=HEARD_AGAIN_S))
            watch = self._claimed.run(self._members)
            claimed.append(asyncio.create_task(watch, name="claimed devices"))
        try:
            for radio in self.radios:
                self._list(radio)
            while True:
                radio, node = await self._nodes.get()
                running = self._registering.get(node.address)
                if running is None or running.done():
                    task = asyncio.create_task(
                        self._stored(node.address, partial(self._register, radio, node)),
                        name=f"register {node.address}",
                    )
                    self._registering[node.address] = task
        finally:
            for off in leave:
                off()
            ending = [*claimed, *self._registering.values(), *self._asking.values()]
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    def _list(self, radio: MeshRadio) -> None:
        """Meet the members that nobody speaks to yet."""
        for node in radio.nodes():
            member = self._members.at(radio, node.address)
            if member is None or member.driver is None:
                self._nodes.put_nowait((radio, node))

    async def _stored(self, address: str, register: Callable[[], Awaitable[None]]) -> None:
        """One device that cannot be registered keeps no other out; it is tried again."""
        while True:
            try:
                await register()
            except StoreError as error:
                log.error("could not register a device", address=address, cause=str(error))
                await self._clock.sleep(STORE_PAUSE_S)
            except Exception:
                log.exception("could not register a device", address=address)
                return
            else:
                return

    # ── radio events ────────────────────────────────────────────────────────────────────

    def _first(self, radio: MeshRadio) -> Callable[[RadioEvent], None]:
        def on_event(event: RadioEvent) -> None:
            match event:
                case StateChanged(state) if state.status in SPEAKING:
                    self._list(radio)
                case NodeReady(node):
                    self._nodes.put_nowait((radio, node))
                case NodeLeft(address):
                    self._left(radio, address)

        return on_event

    def _left(self, radio: MeshRadio, address: str) -> None:
        member = self._members.at(radio, address)
        if member is None or member.left:
            return
        log.warning("a device left the network by itself", device=member.device_id)
        member.driver = None
        self._members.gone(member, "left_network")

    # ── membership ──────────────────────────────────────────────────────────────────────

    async def _register(self, radio: MeshRadio, node: NodeInfo | CcNode) -> None:
        row = await self._store.fetch_one(devices.device_at(radio.name, node.address))
        known = row is not None and (row.manufacturer, row.model) == (
            node.manufacturer,
            node.model,
        )
        driver = self._driver_for(node, radio, self._zone)
        if driver is None:
            log.warning(
                "no driver for a device that joined",
                address=node.address,
                manufacturer=node.manufacturer,
                model=node.model,
            )
            return
        if row is not None and known:
            driver.restore(row.capabilities)
            before = self._members.at(radio, node.address)
            again = before is not None and before.met
            if again:
                await self._doubt(row)
            self._members.enlist(
                Member(DeviceId(row.device_id), radio, row.address, driver, met=True)
            )
            self._members.joined(DeviceId(row.device_id))
            if again or row.interview_due:
                self._ask_again(radio, node, driver, DeviceId(row.device_id))
        else:
            await self._welcome(radio, node, driver, row)
        async with self._registered:
            self._registered.notify_all()
        if row is None or not node.sleepy:
            await self._measure(radio, node, driver)

    async def _measure(self, radio: MeshRadio, node: NodeInfo | CcNode, driver: Driver) -> None:
        """How the door stands now. What does not answer tells by its next report."""
        if not isinstance(driver, Gauge):
            return
        with contextlib.suppress(GatewayError):
            found = await driver.measure(deadline_s=MEASURE_DEADLINE_S)
            member = self._members.at(radio, node.address)
            if member is not None:
                self._members.rang(member, found)

    async def _welcome(
        self, radio: MeshRadio, node: NodeInfo | CcNode, driver: Driver, before: DeviceRow | None
    ) -> None:
        capabilities = await self._interview(node, driver)
        if capabilities is None:
            return
        now, trust = self._clock.now(), self._clock.trust
        # Known by id but not by the database: the database was lost, the lock was not.
        lost = self._identities.known(radio.name, node.address, node.model) if not before else None
        name = self._names.pop(node.address, "") or (lost.name if lost else "")
        name = name or f"{node.model} {node.address[-5:]}"
        device_id = (
            DeviceId(lost.device_id)
            if lost
            else self._identities.give(radio.name, node.address, node.model, name)
        )

        def write(tx: Tx) -> None:
            if before is not None:
                # Other hardware under an old address never inherits the old id.
                devices.remove_device(tx, DeviceId(before.device_id), now)
            devices.add_device(
                tx,
                device_id=device_id,
                radio=radio.name,
                address=node.address,
                driver=driver.info.driver,
                kind=driver.info.kind,
                manufacturer=node.manufacturer,
                model=node.model,
                name=name,
                capabilities=capabilities,
                quirks=tuple(driver.info.quirks),
                joined_at=now,
                well_known_key=node.well_known_key,
            )
            devices.update_device(
                tx, device_id, reachable=True, reachable_since=now, recovering=lost is not None
            )
            body: dict[str, Value] = {
                "manufacturer": node.manufacturer,
                "model": node.model,
                "name": name,
                "well_known_key": node.well_known_key,
            }
            events.append(tx, Fact(EventType.DEVICE_JOINED, now, device_id, body=body), trust)

        await self._store.submit(write)
        self._members.enlist(Member(device_id, radio, node.address, driver, met=True))
        log.info("a device joined", device=device_id, model=node.model)
        self._members.joined(device_id)

    async def _interview(self, node: NodeInfo | CcNode, driver: Driver) -> Capabilities | None:
        for attempt in range(INTERVIEW_TRIES):
            try:
                capabilities = await driver.interview(deadline_s=INTERVIEW_DEADLINE_S)
            except GatewayError as error:
                log.info("an interview failed", address=node.address, cause=str(error))
                await self._clock.sleep(INTERVIEW_PAUSE_S * (attempt + 1))
            else:
                return replace(capabilities, sleepy=node.sleepy)
        log.error("a device could not be interviewed", address=node.address)
        return None

    async def _doubt(self, row: DeviceRow) -> None:
        """The same hardware joined once more, perhaps after a factory reset: believe nothing of it.

        Its codes are read anew before anything else is decided, and its reporting is set up again.
        """
        now, trust = self._clock.now(), self._clock.trust
        device_id = DeviceId(row.device_id)

        def write(tx: Tx) -> None:
            doubt_slots(tx, device_id, now)
            devices.update_device(
                tx, device_id, inventory_done=False, schedules_proven=False, interview_due=True
            )
            tx.touch(f"device:{device_id}")
            devices.doubt_clock(tx, device_id)
            body: dict[str, Value] = {"cause": "joined_again"}
            events.append(tx, Fact(EventType.DEVICE_SUSPECT, now, device_id, body=body), trust)

        await self._store.submit(write)
        log.warning("a known device joined again; its codes are read", device=device_id)

    def _ask_again(
        self, radio: MeshRadio, node: NodeInfo | CcNode, driver: Driver, device_id: DeviceId
    ) -> None:
        """Until it was asked what it can do and told to report, also after a restart."""

        async def ask() -> None:
            while (capabilities := await self._interview(node, driver)) is None:
                await self._clock.sleep(INTERVIEW_AGAIN_S)
                member = self._members.at(radio, node.address)
                if member is None or member.driver is not driver:
                    return
            await self._store.submit(
                lambda tx: devices.update_device(
                    tx, device_id, capabilities=capabilities, interview_due=False
                )
            )

        before = self._asking.get(node.address)
        if before is not None:
            before.cancel()
        self._asking[node.address] = asyncio.create_task(
            self._stored(node.address, ask), name=f"ask {node.address}"
        )

    async def join(self, order: JoinOrder, name: str | None) -> AsyncIterator[JoinProgress]:
        """Admit one device and see it stored; `READY` carries the device id in `detail`."""
        radio = self._network(order.radio)
        if radio.state.status not in SPEAKING:
            raise RadioUnavailable(f"could not open the network: {radio.state.reason}")
        if order.address is not None and name:
            self._names[order.address] = name
        async with aclosing(radio.open_joining(order)) as progress:  # type: ignore[type-var]
            async for step in progress:
                if step.stage is not JoinStage.READY or step.address is None:
                    if step.stage is JoinStage.FOUND and step.address and name:
                        self._names[step.address] = name
                    yield step
                    continue
                yield replace(step, stage=JoinStage.INTERVIEWING, detail="asking what it can do")
                device_id = await self._registered_id(radio, step.address)
                if device_id is None:
                    yield replace(
                        step, stage=JoinStage.FAILED,
                        detail="it joined but could not be interviewed; see the log, try again",
                    )  # fmt: skip
                else:
                    yield replace(step, detail=device_id)

    def leave(self, duration_s: int) -> AsyncIterator[JoinProgress]:
        """Let somebody take a node out at its door; who was a member is told as gone."""
        radio = next((radio for radio in self.radios if isinstance(radio, TakesLeave)), None)
        if radio is None:
            raise RequestError("could not let a device leave: Z-Wave is not enabled", "no_radio")
        return radio.open_leaving(duration_s)

    def _network(self, name: str | None) -> MeshRadio:
        found = next((radio for radio in self.radios if name in (None, radio.name)), None)
        if found is None:
            missing = "no radio is configured" if name is None else f"{name} is not enabled"
            raise RequestError(f"could not open the network: {missing}", "no_radio")
        return found

    async def _registered_id(self, radio: MeshRadio, address: str) -> DeviceId | None:
        def known() -> DeviceId | None:
            member = self._members.at(radio, address)
            return member.device_id if member is not None and member.driver else None

        try:
            async with asyncio.timeout(REGISTERED_WITHIN_S), self._registered:
                await self._registered.wait_for(lambda: known() is not None)
        except TimeoutError:
            return None
        return known()

    # ── claimed devices ─────────────────────────────────────────────────────────────────

    async def in_range(self) -> list[Found]:
        """What Bluetooth hears, strongest first."""
        return await self._claiming("look around").found()

    def pair(self, order: ClaimOrder, name: str | None) -> AsyncGenerator[PairProgress]:
        """Claim one device and see it stored; `READY` carries the device id in `detail`."""
        return self._claiming("pair").pair(order, name, self._members)

    def _claiming(self, what: str) -> Claimed:
        if self._claimed is None:
            raise RequestError(f"could not {what}: Bluetooth is not enabled", "no_radio")
        return self._claimed

    async def forget(self, device_id: DeviceId, *, force: bool = False) -> None:
        """Dismiss a device from its network and from here; its id is never used again.

        RequestError: a device that has to give us up, or to be taken out at its door, did not; it
        stays, unless `force`.
        """
        row = await self._store.fetch_one(devices.device(device_id))
        if self._claimed is not None and row is not None and row.radio == self._claimed.radio.name:
            await self._release(self._claimed, row, force=force)
        mesh = next((r for r in self.radios if row is not None and r.name == row.radio), None)
        may_stay = isinstance(mesh, TakesLeave)
        if row is not None and mesh is not None and may_stay:
            await self._drop(mesh, row, force=force)
            mesh = None
        member = self._members.drop(device_id)
        try:
            if member is not None:
                self._members.left(device_id)
                if mesh is not None:
                    await mesh.forget(member.address)
        finally:
            self._identities.forget(device_id)

    async def _drop(self, mesh: MeshRadio, row: DeviceRow, *, force: bool) -> None:
        try:
            await mesh.forget(row.address)
        except GatewayError as error:
            if not force:
                raise RequestError(str(error), "still_joined") from error
            log.warning("a device stays in its network", device=row.device_id, cause=str(error))

    async def _release(self, claimed: Claimed, row: DeviceRow, *, force: bool) -> None:
        device_id = DeviceId(row.device_id)
        member = self._members.at(claimed.radio, row.address)
        if member is not None:
            member.leaving = True
        try:
            await claimed.release(row)
        except GatewayError as error:
            if not force:
                if member is not None:
                    member.leaving = False
                raise RequestError(str(error), "not_released") from error
            log.warning("a device keeps our keys", device=device_id, cause=str(error))
        claimed.forgotten(device_id)

    async def keep_keys(self, device_id: DeviceId, keys: Secret) -> None:
        """Other keys of a claimed device, on the disk before it hears of them."""
        await self._claiming("keep keys").keep(device_id, keys)

    def keyless(self) -> frozenset[DeviceId]:
        """Members that nobody can speak to any more: their keys are lost."""
        return self._claimed.keyless() if self._claimed is not None else frozenset()


def doubt_slots(tx: Tx, device_id: DeviceId, now: Instant) -> None:
    """Believe nothing of what is on a lock; what we put there stays recognisable as ours."""
    reported.forget_unmanaged(tx, device_id)
    for slot in tx.all(reported.slots_for(device_id)):
        if isinstance(slot.content, Known):
            until = Instant(now + QUARANTINE_MS)
            history.quarantine(tx, device_id, slot.content.hash, until)
        if not isinstance(slot.content, Empty):
            unread = Slot(slot.number, Opaque(OpaqueReason.UNREAD), slot.owner)
            reported.put_slot(tx, device_id, unread)


async def reap_attempts(store: Store, now: Instant) -> int:
    """Attempts a former life left open: their slots stay in flight, to be read. Their number."""

    def write(tx: Tx) -> int:
        left = tx.all(history.open_attempts())
        for attempt in left:
            history.finish_attempt(tx, attempt.attempt_id, "unconfirmed", now)
            if attempt.slot is None:
                continue
            slot = tx.one(reported.slot(DeviceId(attempt.device_id), attempt.slot))
            if slot is not None and slot.owner is not None:
                flying = Slot(
                    slot.number,
                    Opaque(OpaqueReason.IN_FLIGHT),
                    slot.owner,
                    slot.schedules,
                    slot.evidence,
                )
                reported.put_slot(tx, DeviceId(attempt.device_id), flying)
        return len(left)

    return await store.submit(write)
