"""Claiming a device on site: what is in range, pairing, and the first talk with what is ours then.

Here: the steps of a claim, and when one that was cut off is taken up again. Not here: keys of which
it is not known yet whose they are (`pending`), devices that are ours already (`claimed`), any
family's protocol.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
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
from gateway.errors import (
    DeviceRefused,
    GatewayError,
    LinkError,
    ProtocolError,
    RadioUnavailable,
    RequestError,
    StoreFull,
    Unreachable,
)
from gateway.scheduler.members import SPEAKING
from gateway.scheduler.pending import PendingClaims
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
    from gateway.store.identities import Identities, Pending
    from gateway.store.keyring import Keyring
    from gateway.store.tx import Tx

log = structlog.get_logger()

CLAIM_DEADLINE_S = 60.0
INTERVIEW_DEADLINE_S = 30.0
INTERVIEW_TRIES = 3
RELEASE_DEADLINE_S = 30.0


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
        self._pending = PendingClaims(identities, keyring, clock, radio)
        self._pairing: dict[str, asyncio.Task[DeviceId]] = {}
        self._alone: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

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
                    self._told(sighting),
                    row.device_id if row else None,
                    row.name if row else None,
                )
            )
        return sorted(found, key=lambda item: (-item.sighting.rssi_dbm, item.sighting.last.address))

    def _told(self, sighting: Sighting) -> Recognised | None:
        recognised = self._recognise(sighting)
        pending = self._pending.of(sighting.last.address)
        if recognised is None or pending is None or pending.driver != recognised.family:
            return recognised
        return replace(
            recognised, ownership=Ownership.UNKNOWN, hint="its claim was cut off: pair it again"
        )

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
            pending = self._pending.of(address)
            begun = pending is not None and pending.driver == family.name
            if recognised.ownership is Ownership.CLAIMED and order.secret is None and not begun:
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
        address = order.address
        async with self._alone[address]:
            row = await self._store.fetch_one(devices.device_at(self._radio.name, address))
            if row is not None:
                return DeviceId(row.device_id)  # what was cut off ended well in this moment
            self._identities.check()
            pending = self._pending.of(address)
            name = name or (pending.name if pending is not None else None)
            claim = await self._become_owner(family, order, name, tell)
            tell(PairStage.SETTING_UP, "asking what it can do")
            return await self._take_in(family, address, claim, name, met)

    async def _become_owner(
        self,
        family: Family,
        order: ClaimOrder,
        name: str | None,
        tell: Callable[[PairStage, str], None],
    ) -> Claim:
        """By a claim that was cut off, else by a new one."""
        pending = self._pending.of(order.address)
        if pending is not None and pending.driver == family.name:
            tell(PairStage.CONNECTING, "finishing a claim that was cut off")
            try:
                claim = await self._pending.resume(family, order, pending)
            except (LinkError, ProtocolError) as error:
                # A lock that belongs to nobody need not answer to keys that it never had.
                if not self._says_free(family, order.address):
                    raise Unreachable(
                        f"could not finish the claim of {order.address} that was cut off: {error};"
                        " come nearer and pair it again; if it never answers, it has another owner"
                    ) from error
                log.info("a claim is begun anew", address=order.address, cause=str(error))
            else:
                if claim is not None:
                    return claim
        before = self._pending.of(order.address)
        keep = self._pending.keeper(family, order.address, name)
        try:
            return await family.claim(self._radio, order, tell, keep, deadline_s=CLAIM_DEADLINE_S)
        except DeviceRefused as refused:
            if refused.refusal.definite:
                self._pending.restore(order.address, before)
            raise

    def _says_free(self, family: Family, address: str) -> bool:
        for sighting in self._radio.sightings():
            if sighting.last.address == address:
                recognised = family.recognise(sighting.last)
                return recognised is not None and recognised.ownership is Ownership.CLAIMABLE
        return False

    async def _take_in(
        self,
        family: Family,
        address: str,
        claim: Claim,
        name: str | None,
        met: Callable[[DeviceId], Awaitable[None]],
    ) -> DeviceId:
        """What is ours gets an id and is asked what it can do."""
        name = name or f"{claim.model} {address[-5:]}"

        def seal(device_id: DeviceId) -> Keepsake:
            sealed = self._keyring.seal(claim.keys, context=kept.keys_context(device_id))
            return Keepsake(family.name, claim.manufacturer, sealed.hex(), claim.sleepy)

        try:
            device_id = self._identities.give(self._radio.name, address, claim.model, name, seal)
            await self.settle(family, address, device_id, name, claim)
        except GatewayError as error:
            if isinstance(error, StoreFull) and self._owned(address) is False:
                raise  # its key is the installer's, and nothing was changed at it
            raise RequestError(
                f"{address} is ours now and not set up yet; that is tried every minute: {error}",
                "not_set_up",
            ) from error
        await met(device_id)
        return device_id

    def _owned(self, address: str) -> bool:
        """Whether keys of it are on the disk, in one way or the other."""
        entrusted = self._identities.entrusted(self._radio.name)
        return self._pending.of(address) is not None or address in {x.address for x in entrusted}

    async def recover(self, pending: Pending, met: Callable[[DeviceId], Awaitable[None]]) -> None:
        """Finish a claim that was cut off, if the device is near and it is time to ask it again.

        `met` makes it a member. Raises what speaking to it raises.
        """
        address, family = pending.address, self._families.get(pending.driver)
        if family is None or self.under_way(address) or not self._pending.due(address):
            return
        async with self._alone[address]:
            claim = await self._pending.resume(family, ClaimOrder(address), pending)
            if claim is not None:
                await self._take_in(family, address, claim, pending.name, met)

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
