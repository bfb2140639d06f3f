"""The devices there are: which driver speaks for which device over which radio.

Radio events come in here and go out as wake-ups of lanes and rings of the doorbell. A device id
is given once to a piece of hardware and kept when it rejoins.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from gateway.domain.ids import DeviceId
from gateway.errors import GatewayError, RadioUnavailable, RequestError
from gateway.radios.api import (
    JoinOrder,
    JoinProgress,
    JoinStage,
    NodeLeft,
    NodeReady,
    RadioEvent,
    StateChanged,
    TakesLeave,
)
from gateway.scheduler.admission import Admission
from gateway.scheduler.members import HEARD_AGAIN_S, SPEAKING, Member, Members
from gateway.store import devices

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from gateway.domain.secret import Secret
    from gateway.drivers.api import Driver
    from gateway.drivers.claims import ClaimOrder, Found, PairProgress
    from gateway.kit.clock import Clock
    from gateway.scheduler.admission import DriverFor, MeshRadio
    from gateway.scheduler.claimed import Claimed
    from gateway.scheduler.members import FleetListener
    from gateway.store.database import Store
    from gateway.store.devices import DeviceRow
    from gateway.store.identities import Identities

log = structlog.get_logger()


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
        self._identities = identities
        self._members = Members(clock)
        self._admission = Admission(store, clock, self._members, driver_for, zone, identities)

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
            await asyncio.Event().wait()
        finally:
            for off in leave:
                off()
            for task in claimed:
                task.cancel()
            await asyncio.gather(self._admission.close(), *claimed, return_exceptions=True)

    def _list(self, radio: MeshRadio) -> None:
        """Meet the members that nobody speaks to yet."""
        for node in radio.nodes():
            member = self._members.at(radio, node.address)
            if member is None or member.driver is None:
                self._admission.admit(radio, node)

    # ── radio events ────────────────────────────────────────────────────────────────────

    def _first(self, radio: MeshRadio) -> Callable[[RadioEvent], None]:
        def on_event(event: RadioEvent) -> None:
            match event:
                case StateChanged(state) if state.status in SPEAKING:
                    self._list(radio)
                case NodeReady(node):
                    self._admission.admit(radio, node)
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

    async def join(self, order: JoinOrder, name: str | None) -> AsyncIterator[JoinProgress]:
        """Admit one device and see it stored; `READY` carries the device id in `detail`."""
        radio = self._network(order.radio)
        if radio.state.status not in SPEAKING:
            raise RadioUnavailable(f"could not open the network: {radio.state.reason}")
        if order.address is not None and name:
            self._admission.names[order.address] = name
        async with aclosing(radio.open_joining(order)) as progress:  # type: ignore[type-var]
            async for step in progress:
                if step.stage is not JoinStage.READY or step.address is None:
                    if step.stage is JoinStage.FOUND and step.address and name:
                        self._admission.names[step.address] = name
                    yield step
                    continue
                yield replace(step, stage=JoinStage.INTERVIEWING, detail="asking what it can do")
                device_id = await self._admission.registered_id(radio, step.address)
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
