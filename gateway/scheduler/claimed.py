"""Devices that are claimed on site: recognised in the air, paired, kept by their keys, given back.

Beside `fleet`, which holds every member, these and those of a mesh. Here: what is different about
a device that belongs to whoever holds its keys. Not here: any family's protocol.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
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
from gateway.errors import GatewayError, RadioUnavailable, RequestError, StoreUnreadable
from gateway.scheduler.members import SPEAKING, Member
from gateway.store import claimed as kept
from gateway.store import devices, events
from gateway.store.identities import Keepsake

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from gateway.domain.capabilities import Capabilities
    from gateway.drivers.api import Driver
    from gateway.kit.clock import Clock
    from gateway.radios.gatt import GattRadio, Sighting
    from gateway.scheduler.members import Members
    from gateway.store.database import Store
    from gateway.store.devices import DeviceRow
    from gateway.store.identities import Identities, Identity
    from gateway.store.keyring import Keyring
    from gateway.store.tx import Tx

log = structlog.get_logger()

CLAIM_DEADLINE_S = 60.0
INTERVIEW_DEADLINE_S = 30.0
INTERVIEW_TRIES = 3
RELEASE_DEADLINE_S = 30.0
RECOVER_PAUSE_S = 60.0
SILENT_S = 900.0
"""A device that has not advertised for so long is offline."""
WATCH_S = 30.0


class Claimed:
    """See the module's docstring. `families` by name, as the catalogue has them."""

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
        self.radio = radio
        self._families = families
        self._zone = zone
        self._identities = identities
        self._pairing: set[str] = set()

    async def driver(self, row: DeviceRow) -> Driver | None:
        """Who speaks for a device of ours; None, said aloud, when its keys cannot be had."""
        family = self._families.get(row.driver)
        sealed = await self._store.fetch_one(kept.keys_of(row.device_id))
        if family is None or sealed is None:
            log.error("nobody can speak to a device: no driver or no keys", device=row.device_id)
            return None
        try:
            keys = self._keyring.unseal(sealed, context=kept.keys_context(row.device_id))
        except StoreUnreadable as error:
            log.error("nobody can speak to a device", device=row.device_id, cause=str(error))
            return None
        numbers = kept.StoredNumbers(self._store, self._keyring, row.device_id)
        device = ClaimedDevice(row.address, row.manufacturer, row.model, keys, numbers, self._zone)
        driver = family.driver(device, self.radio)
        driver.restore(row.capabilities)
        return driver

    async def meet(self, row: DeviceRow, members: Members) -> None:
        """Make a device of ours a member, and listen to it."""
        driver = await self.driver(row)
        members.enlist(Member(DeviceId(row.device_id), self.radio, row.address, driver, met=True))
        self._listen_to(members)

    def _listen_to(self, members: Members) -> None:
        self.radio.watch(frozenset(member.address for member in members.of(self.radio)))

    async def run(self, members: Members) -> None:
        """Until cancelled: who falls silent is offline; who was claimed and got lost is met."""
        since = self._clock.monotonic()
        recover_at = since
        while True:
            now = self._clock.monotonic()
            if now >= recover_at:
                recover_at = now + RECOVER_PAUSE_S
                await self._recover(members)
            self._listen_to(members)
            if self.radio.state.status in SPEAKING:
                heard = {s.last.address: s.last.heard_at for s in self.radio.sightings()}
                for member in members.of(self.radio):
                    if now - max(heard.get(member.address, since), since) < SILENT_S:
                        member.left = False
                    else:
                        member.heard_at = float("-inf")
                        members.gone(member, "not_heard")
            else:
                since = now
            await self._clock.sleep(WATCH_S)

    async def found(self) -> list[Found]:
        """Everything in range, strongest first."""
        rows = await self._store.fetch(devices.all_devices())
        ours = {row.address: row for row in rows if row.radio == self.radio.name}
        found = []
        for sighting in self.radio.sightings():
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

    # ── claiming ────────────────────────────────────────────────────────────────────────

    async def pair(
        self, order: ClaimOrder, name: str | None, members: Members
    ) -> AsyncGenerator[PairProgress]:
        """Progress until the device is ours and stored; `READY` carries its id in `detail`.

        Raises `RequestError`, `RadioUnavailable`, `DeviceRefused`, and what a link raises.
        """
        if self.radio.state.status not in SPEAKING:
            raise RadioUnavailable(f"could not pair: {self.radio.state.reason}")
        family = await self._claimable(order)
        if order.address in self._pairing:
            raise RequestError(f"could not pair {order.address}: it is being paired", "busy")
        self._pairing.add(order.address)
        steps: asyncio.Queue[PairProgress | None] = asyncio.Queue()

        def tell(stage: PairStage, detail: str = "") -> None:
            steps.put_nowait(PairProgress(stage, detail))

        work = asyncio.create_task(
            self._claim(family, order, name, tell, members), name=f"pair {order.address}"
        )
        work.add_done_callback(lambda _: steps.put_nowait(None))
        try:
            while (step := await steps.get()) is not None:
                yield step
            yield PairProgress(PairStage.READY, await work)
        finally:
            # A caller who goes away does not leave a device half claimed: it is seen through.
            if not work.done():
                await asyncio.wait([work], timeout=CLAIM_DEADLINE_S)
                work.cancel()
            self._pairing.discard(order.address)

    async def _claimable(self, order: ClaimOrder) -> Family:
        address = order.address
        row = await self._store.fetch_one(devices.device_at(self.radio.name, address))
        if row is not None:
            raise RequestError(f"could not pair {address}: it is ours already, as {row.name}")
        sighting = next((s for s in self.radio.sightings() if s.last.address == address), None)
        if sighting is None:
            raise RequestError(
                f"could not pair {address}: it is not heard; wake it up and come nearer",
                "not_heard",
            )
        for family in self._families.values():
            recognised = family.recognise(sighting.last)
            if recognised is not None:
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
        members: Members,
    ) -> DeviceId:
        claim = await family.claim(self.radio, order, tell, deadline_s=CLAIM_DEADLINE_S)
        name = name or f"{claim.model} {order.address[-5:]}"
        # From here on only these keys open it: they are on the disk before another word is said.
        device_id = self._identities.give(self.radio.name, order.address, claim.model, name)
        sealed = self._keyring.seal(claim.keys, context=kept.keys_context(device_id))
        self._identities.entrust(
            device_id, Keepsake(family.name, claim.manufacturer, sealed.hex(), claim.sleepy)
        )
        tell(PairStage.SETTING_UP, "asking what it can do")
        await self._settle(family, order.address, device_id, name, claim, sealed)
        await self._meet_new(device_id, members)
        return device_id

    async def _meet_new(self, device_id: DeviceId, members: Members) -> None:
        for row in await self._store.fetch(devices.device(device_id)):
            await self.meet(row, members)
            members.joined(device_id)

    async def _settle(
        self,
        family: Family,
        address: str,
        device_id: DeviceId,
        name: str,
        claim: Claim,
        sealed: bytes,
        *,
        recovering: bool = False,
    ) -> None:
        """Interview, and store what is known."""
        numbers = kept.StoredNumbers(self._store, self._keyring, device_id)
        device = ClaimedDevice(
            address, claim.manufacturer, claim.model, claim.keys, numbers, self._zone
        )
        driver = family.driver(device, self.radio)
        capabilities = await self._interview(driver)
        capabilities = replace(capabilities, sleepy=claim.sleepy)
        now, trust = self._clock.now(), self._clock.trust

        def write(tx: Tx) -> None:
            devices.add_device(
                tx,
                device_id=device_id,
                radio=self.radio.name,
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

    # ── giving back, finding again ──────────────────────────────────────────────────────

    async def release(self, row: DeviceRow) -> None:
        """Have the device forget us. Raises what speaking to it raises: then it keeps our keys."""
        family = self._families.get(row.driver)
        sealed = await self._store.fetch_one(kept.keys_of(row.device_id))
        if family is None or sealed is None:
            return
        keys = self._keyring.unseal(sealed, context=kept.keys_context(row.device_id))
        numbers = kept.StoredNumbers(self._store, self._keyring, row.device_id)
        device = ClaimedDevice(row.address, row.manufacturer, row.model, keys, numbers, self._zone)
        await family.release(device, self.radio, deadline_s=RELEASE_DEADLINE_S)

    async def _recover(self, members: Members) -> None:
        """Settle what was claimed and is not in the database: it was lost, or the power went."""
        rows = await self._store.fetch(devices.all_devices())
        known = {row.device_id for row in rows}
        for identity in self._identities.entrusted(self.radio.name):
            lost = identity.device_id not in known and identity.address not in self._pairing
            if lost and await self._settled_again(identity):
                await self._meet_new(DeviceId(identity.device_id), members)

    async def _settled_again(self, identity: Identity) -> bool:
        keepsake = identity.keepsake
        family = self._families.get(keepsake.driver) if keepsake else None
        if keepsake is None or family is None:
            return False
        device_id = DeviceId(identity.device_id)
        sealed = bytes.fromhex(keepsake.sealed)
        try:
            keys = self._keyring.unseal(sealed, context=kept.keys_context(device_id))
            claim = Claim(keepsake.manufacturer, identity.model, keys, keepsake.sleepy)
            await self._settle(
                family, identity.address, device_id, identity.name, claim, sealed, recovering=True
            )
        except GatewayError as error:
            log.warning("a claimed device is not settled", device=device_id, cause=str(error))
            return False
        return True
