"""Claiming a device on site: what is in range, pairing, and the first talk with what is ours then.

Here: how it is made sure that keys which only we have are never lost on the way. Not here: devices
that are ours already (`claimed`), any family's protocol.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from gateway.domain.events import EventType, Fact, Value
from gateway.domain.ids import DeviceId
from gateway.drivers.claims import (
    Claim,
    ClaimedDevice,
    ClaimOrder,
    Family,
    Found,
    Ownership,
    PairProgress,
    PairStage,
    Recognised,
)
from gateway.errors import GatewayError, RadioUnavailable, RequestError, StoreFull
from gateway.scheduler.members import SPEAKING
from gateway.store import claimed as kept
from gateway.store import devices, events
from gateway.store.identities import Keepsake

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from gateway.domain.capabilities import Capabilities
    from gateway.drivers.api import Driver
    from gateway.kit.clock import Clock
    from gateway.radios.gatt import GattRadio, Sighting
    from gateway.store.database import Store
    from gateway.store.identities import Identities
    from gateway.store.keyring import Keyring
    from gateway.store.tx import Tx

log = structlog.get_logger()

CLAIM_DEADLINE_S = 60.0
INTERVIEW_DEADLINE_S = 30.0
INTERVIEW_TRIES = 3
RELEASE_DEADLINE_S = 30.0
KEEP_PAUSE_S = 5.0
"""Between tries to write down keys that nobody else has."""


class Claiming:
    """See the module's docstring. `families` by name, in the order in which they are asked."""

    def __init__(
        self,
        store: Store,
        keyring: Keyring,
        clock: Clock,
        radio: GattRadio,
        families: Mapping[str, Family],
        zone: str,
        identities: Identities,
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self._radio = radio
        self._families = families
        self._zone = zone
        self._identities = identities
        self._pairing: dict[str, asyncio.Task[DeviceId]] = {}

    def under_way(self, address: str) -> bool:
        return address in self._pairing

    async def stop(self) -> None:
        """Break off what is under way; keys that are written down are found at the next start."""
        left = list(self._pairing.values())
        for work in left:
            work.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def found(self) -> list[Found]:
        """Everything in range, strongest first."""
        rows = await self._store.fetch(devices.all_devices())
        ours = {row.address: row for row in rows if row.radio == self._radio.name}
        found = []
        for sighting in self._radio.sightings():
            row = ours.get(sighting.last.address)
            found.append(
                Found(
                    sighting,
                    self._recognise(sighting),
                    row.device_id if row else None,
                    row.name if row else None,
                )
            )
        return sorted(found, key=lambda item: (-item.sighting.rssi_dbm, item.sighting.last.address))

    def _recognise(self, sighting: Sighting) -> Recognised | None:
        for family in self._families.values():
            recognised = family.recognise(sighting.last)
            if recognised is not None:
                return recognised
        return None

    async def pair(
        self, order: ClaimOrder, name: str | None, met: Callable[[DeviceId], Awaitable[None]]
    ) -> AsyncGenerator[PairProgress]:
        """Progress until the device is ours and stored; `READY` carries its id in `detail`.

        `met` makes it a member.

        Raises `RequestError`, `RadioUnavailable`, `DeviceRefused`, and what a link raises.
        """
        if self._radio.state.status not in SPEAKING:
            raise RadioUnavailable(f"could not pair: {self._radio.state.reason}")
        family = await self._claimable(order)
        if order.address in self._pairing:
            raise RequestError(f"could not pair {order.address}: it is being paired", "busy")
        steps: asyncio.Queue[PairProgress | None] = asyncio.Queue()

        def tell(stage: PairStage, detail: str = "") -> None:
            steps.put_nowait(PairProgress(stage, detail))

        # In a task of its own: a caller who goes away does not leave a device half claimed.
        work = asyncio.create_task(
            self._claim(family, order, name, tell, met), name=f"pair {order.address}"
        )
        self._pairing[order.address] = work
        work.add_done_callback(partial(self._claim_ended, order.address, steps))
        while (step := await steps.get()) is not None:
            yield step
        yield PairProgress(PairStage.READY, await work)

    def _claim_ended(
        self,
        address: str,
        steps: asyncio.Queue[PairProgress | None],
        work: asyncio.Task[DeviceId],
    ) -> None:
        del self._pairing[address]
        steps.put_nowait(None)
        error = None if work.cancelled() else work.exception()
        if isinstance(error, GatewayError):
            log.info("a claim failed", address=address, cause=str(error))
        elif error is not None:
            log.error("a claim met a defect of ours", address=address, exc_info=error)

    async def _claimable(self, order: ClaimOrder) -> Family:
        address = order.address
        row = await self._store.fetch_one(devices.device_at(self._radio.name, address))
        if row is not None:
            raise RequestError(
                f"could not pair {address}: it is ours already, as {row.name}; if it was reset,"
                " remove it with --force first",
                "already_ours",
            )
        sighting = next((s for s in self._radio.sightings() if s.last.address == address), None)
        if sighting is None:
            raise RequestError(
                f"could not pair {address}: it is not heard; wake it up and come nearer",
                "not_heard",
            )
        for family in self._families.values():
            recognised = family.recognise(sighting.last)
            if recognised is None:
                continue
            free = recognised.ownership is Ownership.CLAIMABLE
            if not free and address in {
                identity.address for identity in self._identities.entrusted(self._radio.name)
            }:
                raise RequestError(
                    f"could not pair {address}: it was claimed before and is not set up yet; that"
                    " is tried every minute",
                    "already_ours",
                )
            if recognised.ownership is Ownership.CLAIMED and order.secret is None:
                raise RequestError(
                    f"could not pair {address}: it belongs to somebody; {recognised.hint}",
                    "claimed_by_others",
                )
            return family
        raise RequestError(
            f"could not pair {address}: it is of no kind that this gateway speaks", "unsupported"
        )

    async def _claim(
        self,
        family: Family,
        order: ClaimOrder,
        name: str | None,
        tell: Callable[[PairStage, str], None],
        met: Callable[[DeviceId], Awaitable[None]],
    ) -> DeviceId:
        self._identities.check()
        claim = await family.claim(self._radio, order, tell, deadline_s=CLAIM_DEADLINE_S)
        name = name or f"{claim.model} {order.address[-5:]}"
        # From here on only these keys open it: they are on the disk before another word is said.
        device_id = await self._keep(family, order.address, claim, name)
        tell(PairStage.SETTING_UP, "asking what it can do")
        try:
            await self.settle(family, order.address, device_id, name, claim)
        except GatewayError as error:
            raise RequestError(
                f"{order.address} is ours now and not set up yet; that is tried every minute:"
                f" {error}",
                "not_set_up",
            ) from error
        await met(device_id)
        return device_id

    async def _keep(self, family: Family, address: str, claim: Claim, name: str) -> DeviceId:
        """Keys that cannot be kept are given back, so that nobody needs to reset the device."""

        def seal(device_id: DeviceId) -> Keepsake:
            sealed = self._keyring.seal(claim.keys, context=kept.keys_context(device_id))
            return Keepsake(family.name, claim.manufacturer, sealed.hex(), claim.sleepy)

        full: StoreFull | None = None
        while True:
            try:
                return self._identities.give(self._radio.name, address, claim.model, name, seal)
            except StoreFull as error:
                if full is None:
                    log.error("keys of a device cannot be kept", address=address, cause=str(error))
                full = error
            try:
                device = self.device(DeviceId(""), address, claim)
                await family.release(device, self._radio, deadline_s=RELEASE_DEADLINE_S)
            except GatewayError:
                await self._clock.sleep(KEEP_PAUSE_S)
            else:
                raise StoreFull(f"could not pair {address}, which was given back: {full}")

    async def settle(
        self,
        family: Family,
        address: str,
        device_id: DeviceId,
        name: str,
        claim: Claim,
        *,
        recovering: bool = False,
    ) -> None:
        """Interview, and store what is known."""
        driver = family.driver(self.device(device_id, address, claim), self._radio)
        sealed = self._keyring.seal(claim.keys, context=kept.keys_context(device_id))
        capabilities = await self._interview(driver)
        capabilities = replace(capabilities, sleepy=claim.sleepy)
        now, trust = self._clock.now(), self._clock.trust

        def write(tx: Tx) -> None:
            devices.add_device(
                tx,
                device_id=device_id,
                radio=self._radio.name,
                address=address,
                driver=family.name,
                kind=driver.info.kind,
                manufacturer=claim.manufacturer,
                model=claim.model,
                name=name,
                capabilities=capabilities,
                quirks=tuple(driver.info.quirks),
                joined_at=now,
            )
            kept.put_keys(tx, device_id, sealed)
            devices.update_device(
                tx, device_id, reachable=True, reachable_since=now, recovering=recovering
            )
            body: dict[str, Value] = {
                "manufacturer": claim.manufacturer,
                "model": claim.model,
                "name": name,
            }
            events.append(tx, Fact(EventType.DEVICE_JOINED, now, device_id, body=body), trust)

        await self._store.submit(write)
        log.info("a device was claimed", device=device_id, model=claim.model)

    async def _interview(self, driver: Driver) -> Capabilities:
        for _ in range(INTERVIEW_TRIES - 1):
            try:
                return await driver.interview(deadline_s=INTERVIEW_DEADLINE_S)
            except GatewayError as error:
                log.info("an interview failed", cause=str(error))
                await self._clock.sleep(1.0)
        return await driver.interview(deadline_s=INTERVIEW_DEADLINE_S)

    def device(self, device_id: DeviceId, address: str, claim: Claim) -> ClaimedDevice:
        numbers = kept.StoredNumbers(self._store, self._keyring, device_id)
        return ClaimedDevice(
            address, claim.manufacturer, claim.model, claim.keys, numbers, self._zone
        )
