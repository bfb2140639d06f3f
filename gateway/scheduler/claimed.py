"""Devices that were claimed on site: met by their keys, silent and back, found again, given back.

Beside `fleet`, which holds every member, these and those of a mesh. Here: what is different about
a device that belongs to whoever holds its keys. Not here: how it becomes ours (`claiming`), any
family's protocol.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

import structlog

from gateway.domain.ids import DeviceId
from gateway.drivers.claims import Claim
from gateway.errors import GatewayError, RequestError, StoreUnreadable
from gateway.scheduler.claiming import RELEASE_DEADLINE_S, Claiming
from gateway.scheduler.members import SPEAKING, Member
from gateway.store import claimed as kept
from gateway.store import devices

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Mapping

    from gateway.domain.secret import Secret
    from gateway.drivers.api import Driver
    from gateway.drivers.claims import ClaimedDevice, ClaimOrder, Family, Found, PairProgress
    from gateway.kit.clock import Clock
    from gateway.radios.gatt import GattRadio
    from gateway.scheduler.members import Members
    from gateway.store.database import Store
    from gateway.store.devices import DeviceRow
    from gateway.store.identities import Identities, Identity
    from gateway.store.keyring import Keyring

log = structlog.get_logger()

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
        self._identities = identities
        self._claiming = Claiming(store, keyring, clock, radio, families, zone, identities)
        self._keyless: set[DeviceId] = set()

    def keyless(self) -> frozenset[DeviceId]:
        """Devices of ours that nobody can speak to any more: their keys are lost."""
        return frozenset(self._keyless)

    def forgotten(self, device_id: DeviceId) -> None:
        """It is no device of ours any more."""
        self._keyless.discard(device_id)

    async def _driver(self, row: DeviceRow) -> Driver | None:
        """Who speaks for a device of ours; None, said aloud, when its keys cannot be had."""
        try:
            family, device = await self._keys(row)
            driver = family.driver(device, self.radio)
        except (RequestError, ValueError) as error:
            log.error("nobody can speak to a device", device=row.device_id, cause=str(error))
            self._keyless.add(row.device_id)
            return None
        driver.restore(row.capabilities)
        return driver

    async def _keys(self, row: DeviceRow) -> tuple[Family, ClaimedDevice]:
        """From the database, else from the file beside it. RequestError: they are lost."""
        family = self._families.get(row.driver)
        if family is None:
            raise RequestError(
                f"could not speak to {row.name}: no driver {row.driver} in this version",
                "no_driver",
            )
        at_rest = [await self._store.fetch_one(kept.keys_of(row.device_id))]
        at_rest += [
            bytes.fromhex(identity.keepsake.sealed)
            for identity in self._identities.entrusted(self.radio.name)
            if identity.device_id == row.device_id and identity.keepsake is not None
        ]
        for sealed in at_rest:
            if sealed is None:
                continue
            with contextlib.suppress(StoreUnreadable):
                keys = self._keyring.unseal(sealed, context=kept.keys_context(row.device_id))
                claim = Claim(row.manufacturer, row.model, keys)
                return family, self._claiming.device(row.device_id, row.address, claim)
        raise RequestError(
            f"could not speak to {row.name}: its keys are lost; reset it at the device, remove it"
            " with --force and pair it again",
            "keys_lost",
        )

    async def meet(self, row: DeviceRow, members: Members) -> None:
        """Make a device of ours a member, and listen to it."""
        driver = await self._driver(row)
        members.enlist(Member(DeviceId(row.device_id), self.radio, row.address, driver, met=True))
        self._listen_to(members)

    def _listen_to(self, members: Members) -> None:
        self.radio.watch(frozenset(member.address for member in members.of(self.radio)))

    async def run(self, members: Members) -> None:
        """Until cancelled: who falls silent is offline; who was claimed and got lost is met."""
        since = self._clock.monotonic()
        recover_at = since
        try:
            while True:
                now = self._clock.monotonic()
                if now >= recover_at:
                    recover_at = now + RECOVER_PAUSE_S
                    await self._recover(members)
                self._listen_to(members)
                if self.radio.state.status in SPEAKING:
                    self._note_silence(members, since)
                else:
                    since = self._clock.monotonic()
                await self._clock.sleep(WATCH_S)
        finally:
            await self._claiming.stop()

    def _note_silence(self, members: Members, since: float) -> None:
        """`since`: from when on the radio could have heard them."""
        now = self._clock.monotonic()
        heard = {s.last.address: s.last.heard_at for s in self.radio.sightings()}
        for member in members.of(self.radio):
            seldom = member.driver is not None and member.driver.info.seldom_heard
            if seldom or now - max(heard.get(member.address, since), since) < SILENT_S:
                member.left = False
            else:
                member.heard_at = float("-inf")
                members.gone(member, "not_heard")

    # ── becoming ours, and ceasing to be ────────────────────────────────────────────────

    async def found(self) -> list[Found]:
        """Everything in range, strongest first."""
        return await self._claiming.found()

    def pair(
        self, order: ClaimOrder, name: str | None, members: Members
    ) -> AsyncGenerator[PairProgress]:
        """As `Claiming.pair`; it is a member when `READY` comes."""
        return self._claiming.pair(order, name, partial(self._meet_new, members))

    async def _meet_new(self, members: Members, device_id: DeviceId) -> None:
        for row in await self._store.fetch(devices.device(device_id)):
            await self.meet(row, members)
            members.joined(device_id)

    async def keep(self, device_id: DeviceId, keys: Secret) -> None:
        """Other keys of a device of ours, on the disk in both places. StoreFull, StoreBusy."""
        sealed = self._keyring.seal(keys, context=kept.keys_context(device_id))
        self._identities.keep_instead(device_id, sealed.hex())
        await self._store.submit(lambda tx: kept.put_keys(tx, device_id, sealed))

    async def release(self, row: DeviceRow) -> None:
        """Have the device forget us. Raises what speaking to it raises: then it keeps our keys.

        RequestError: the keys with which to ask it are lost.
        """
        family, device = await self._keys(row)
        await family.release(device, self.radio, deadline_s=RELEASE_DEADLINE_S)

    async def _recover(self, members: Members) -> None:
        """Settle what was claimed and is not in the database: it was lost, or the power went.

        Then what was perhaps claimed, when the power went in the middle.
        """
        meet = partial(self._meet_new, members)
        for identity in self._identities.entrusted(self.radio.name):
            await self._try(identity.address, self._settle_again(identity, members))
        for pending in self._identities.unfinished(self.radio.name):
            await self._try(pending.address, self._claiming.recover(pending, meet))

    async def _try(self, address: str, work: Awaitable[None]) -> None:
        """What is wrong with one keeps no other from being found silent or again."""
        try:
            await work
        except GatewayError as error:
            log.warning("a claimed device is not set up", address=address, cause=str(error))
        except Exception:
            # A defect met by one claimed device must not keep the others from being set up.
            log.exception("a claimed device is not set up", address=address)

    async def _settle_again(self, identity: Identity, members: Members) -> None:
        device_id = DeviceId(identity.device_id)
        row = await self._store.fetch_one(devices.device(device_id))
        if row is not None and row.removed_at is not None:
            self._identities.forget(device_id)  # it could not be when it was removed
        family = self._families.get(identity.keepsake.driver) if identity.keepsake else None
        busy = row is not None or self._claiming.under_way(identity.address)
        if busy or family is None or identity.keepsake is None:
            return
        keepsake = identity.keepsake
        keys = self._keyring.unseal(
            bytes.fromhex(keepsake.sealed), context=kept.keys_context(device_id)
        )
        claim = Claim(keepsake.manufacturer, identity.model, keys, keepsake.sleepy)
        await self._claiming.settle(
            family, identity.address, device_id, identity.name, claim, recovering=True
        )
        await self._meet_new(members, device_id)
