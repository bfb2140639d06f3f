"""How a node of a mesh becomes a member: known by its address, or asked what it is and stored.

Not here: who is a member (`members`), and what is claimed on site (`claimed`).
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog

from gateway.domain.events import EventType, Fact, Value
from gateway.domain.ids import DeviceId
from gateway.drivers.api import Gauge
from gateway.errors import GatewayError, StoreError
from gateway.radios.api import Commissioning, Radio
from gateway.scheduler.doubts import doubt_slots
from gateway.scheduler.members import Member, Members
from gateway.store import devices, events

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from gateway.domain.capabilities import Capabilities
    from gateway.drivers.api import Driver
    from gateway.kit.clock import Clock
    from gateway.radios.api import NodeInfo
    from gateway.radios.command_classes import CcNode
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


class Admission:
    """Each node in a task of its own; `close` ends them."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        members: Members,
        driver_for: DriverFor,
        zone: str,
        identities: Identities,
    ) -> None:
        self._store = store
        self._clock = clock
        self._members = members
        self._driver_for = driver_for
        self._zone = zone
        self._identities = identities
        self._registering: dict[str, asyncio.Task[None]] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._looking = asyncio.Lock()
        self._registered = asyncio.Condition()
        self.names: dict[str, str] = {}
        """By address: what whoever let it in called it."""

    def admit(self, radio: MeshRadio, node: NodeInfo | CcNode) -> None:
        """Returns at once."""
        running = self._registering.get(node.address)
        if running is None or running.done():
            self._registering[node.address] = asyncio.create_task(
                self._stored(node.address, partial(self._register, radio, node)),
                name=f"register {node.address}",
            )

    async def close(self) -> None:
        ending = [*self._registering.values(), *self._asking.values()]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def registered_id(self, radio: MeshRadio, address: str) -> DeviceId | None:
        def known() -> DeviceId | None:
            member = self._members.at(radio, address)
            return member.device_id if member is not None and member.driver else None

        try:
            async with asyncio.timeout(REGISTERED_WITHIN_S), self._registered:
                await self._registered.wait_for(lambda: known() is not None)
        except TimeoutError:
            return None
        return known()

    async def _stored(self, address: str, register: Callable[[], Awaitable[None]]) -> None:
        """One device that cannot be registered keeps no other out; it is tried again."""
        while True:
            try:
                await register()
            except StoreError as error:
                log.error("could not register a device", address=address, cause=str(error))
                await self._clock.sleep(STORE_PAUSE_S)
            except Exception:
                # A defect met by one device must keep no other out.
                log.exception("could not register a device", address=address)
                return
            else:
                return

    async def _register(self, radio: MeshRadio, node: NodeInfo | CcNode) -> None:
        async with self._looking:  # in turn: whoever came first is the first to be given an id
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
        name = self.names.pop(node.address, "") or (lost.name if lost else "")
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
