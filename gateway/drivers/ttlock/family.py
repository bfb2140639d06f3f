"""TTLock as a row of the catalogue: told by its advertisement, paired, taken over, given back.

Here: becoming the owner and ceasing to be. Not here: using the lock (driver), the words (session).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.drivers.claims import Claim, Ownership, PairStage, Recognised
from gateway.drivers.ttlock import mapping, session
from gateway.drivers.ttlock.commands import Login
from gateway.drivers.ttlock.crypto import FACTORY_KEY
from gateway.drivers.ttlock.driver import FAMILY, TtLock
from gateway.drivers.ttlock.keys import Keys, keys_of
from gateway.drivers.ttlock.link import Talk
from gateway.drivers.ttlock.wire import Version
from gateway.errors import (
    DeviceRefused,
    GatewayError,
    LinkError,
    OutcomeUnknown,
    PeerProtocolError,
    ProtocolError,
    Refusal,
    Unreachable,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from gateway.domain.instant import Instant
    from gateway.domain.secret import Secret
    from gateway.drivers.claims import ClaimedDevice, ClaimOrder, KeepAgreed, Progress
    from gateway.drivers.ttlock.mapping import Told
    from gateway.drivers.ttlock.session import Met
    from gateway.radios.api import Advertisement
    from gateway.radios.gatt import GattRadio

MANUFACTURER = "TTLock"
_LOWEST, _HIGHEST = 10_000_000, 99_999_999
"""Eight decimal digits, as the vendor's app chooses them for the owner's two numbers."""
_ATTEMPTS = 3


class TtLockFamily:
    """`claims.Family`. `chance` must be unguessable: the lock's keys come from it."""

    name = FAMILY

    def __init__(self, chance: random.Random, now: Callable[[], Instant]) -> None:
        self._chance = chance
        self._now = now

    def recognise(self, advertisement: Advertisement) -> Recognised | None:
        told = mapping.told_by(advertisement)
        if told is None or told.scene == mapping.REMOTE_CONTROL:
            return None
        if told.setting_mode:
            ownership, hint = Ownership.CLAIMABLE, "can be paired now"
        else:
            ownership = Ownership.CLAIMED
            hint = (
                "take it over with its key from the vendor's account, or "
                "have its owner delete it, or reset it with its button; then touch its keypad"
            )
        return Recognised(
            self.name,
            "lock",
            f"{advertisement.name.rpartition('_')[0]} {mapping.kind_of(told.scene)}".strip(),
            ownership,
            hint,
            told.battery_percent,
        )

    async def claim(
        self,
        radio: GattRadio,
        order: ClaimOrder,
        progress: Progress,
        keep: KeepAgreed,
        *,
        deadline_s: float,
    ) -> Claim:
        told = self._last_told(radio, order.address)
        if order.secret is not None:
            try:
                keys = keys_of(order.secret)
            except ValueError as error:
                raise DeviceRefused(
                    f"could not take over {order.address}: {error}", Refusal.INVALID
                ) from None
            return await self._take_over(radio, order.address, keys, progress, deadline_s)
        if told is not None and not told.setting_mode:
            raise DeviceRefused(
                f"could not pair with {order.address}: it belongs to somebody; give its key from "
                "the vendor's account, or reset it with its button and touch its keypad",
                Refusal.NOT_AUTHORISED,
            )
        version = Version() if told is None else Version(told.type, told.version, told.scene)
        return await self._pair(radio, order.address, version, progress, keep, deadline_s)

    async def _take_over(
        self,
        radio: GattRadio,
        address: str,
        keys: Keys,
        progress: Progress,
        deadline_s: float,
    ) -> Claim:
        progress(PairStage.CONNECTING, "connecting to the lock; touch its keypad if it sleeps")
        async with Talk(radio, address, keys, deadline_s=deadline_s) as talk:
            met = await talk.converse(session.meet(keys))
        progress(PairStage.SETTING_UP, "the lock knows the key")
        return _claim_of(met)

    async def _pair(
        self,
        radio: GattRadio,
        address: str,
        version: Version,
        progress: Progress,
        keep: KeepAgreed,
        deadline_s: float,
    ) -> Claim:
        """A pairing that broke is judged by whether the lock knows the keys agreed on."""
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline_s
        nobodys = Keys(FACTORY_KEY, 0, None, version)
        admin_ps = self._chance.randint(_LOWEST, _HIGHEST)
        unlock_key = self._chance.randint(_LOWEST, _HIGHEST)
        agreed: list[Keys] = []
        for attempt in range(1, _ATTEMPTS + 1):
            progress(PairStage.CONNECTING, "connecting to the lock; touch its keypad if it sleeps")
            left_s = until - loop.time()
            talk = Talk(radio, address, nobodys, deadline_s=left_s, keep=keep)
            try:
                async with talk:
                    await talk.ready(Login.NONE)
                    progress(PairStage.PAIRING, "becoming the lock's owner")
                    await talk.converse(session.pair(version, admin_ps, unlock_key))
            except (LinkError, ProtocolError, DeviceRefused) as error:
                broken: GatewayError | None = error
            else:
                broken = None
            if talk.keys.admin_ps is not None:
                agreed.append(talk.keys)
            for keys in reversed(agreed):
                progress(PairStage.SETTING_UP, "proving the lock's new key")
                claim = await self._proved(radio, address, keys, until - loop.time())
                if claim is not None:
                    return claim
            last = attempt == _ATTEMPTS or loop.time() >= until
            if not agreed and broken is not None and (last or not isinstance(broken, LinkError)):
                # The lock has agreed on nothing, so it is as it was.
                if isinstance(broken, OutcomeUnknown):
                    raise Unreachable(str(broken)) from broken
                raise broken
            if last:
                break
        raise OutcomeUnknown(
            f"could not tell whether {address} was paired; stay near, or pair it again: what was "
            "agreed on is kept"
        )

    async def _proved(
        self, radio: GattRadio, address: str, keys: Keys, deadline_s: float
    ) -> Claim | None:
        """None where the lock does not know the keys, or where that cannot be told."""
        try:
            return await self._known(radio, address, keys, deadline_s)
        except (LinkError, ProtocolError, DeviceRefused):
            return None

    async def resume(
        self,
        radio: GattRadio,
        order: ClaimOrder,
        keys: Secret,
        keep: KeepAgreed,
        *,
        deadline_s: float,
    ) -> Claim | None:
        return await self._known(radio, order.address, keys_of(keys), deadline_s)

    async def _known(
        self, radio: GattRadio, address: str, keys: Keys, deadline_s: float
    ) -> Claim | None:
        """None where the lock says, by another key or in ours, that it does not know the keys."""
        known = False
        try:
            async with Talk(radio, address, keys, deadline_s=deadline_s) as talk:
                await talk.ready(Login.ADMIN)
                known = True
                return _claim_of(await talk.converse(session.get_to_know(keys)))
        except PeerProtocolError:
            if known:
                raise
        except DeviceRefused as refused:
            if known or refused.refusal is not Refusal.NOT_AUTHORISED:
                raise
        return None

    async def release(self, device: ClaimedDevice, radio: GattRadio, *, deadline_s: float) -> None:
        keys = keys_of(device.keys)
        async with Talk(radio, device.address, keys, deadline_s=deadline_s) as talk:
            await talk.converse(session.reset())

    def driver(self, device: ClaimedDevice, radio: GattRadio) -> TtLock:
        return TtLock(device, radio, self._now)

    @staticmethod
    def _last_told(radio: GattRadio, address: str) -> Told | None:
        for sighting in radio.sightings():
            if sighting.last.address == address:
                return mapping.told_by(sighting.last)
        return None


def _claim_of(met: Met) -> Claim:
    return Claim(MANUFACTURER, met.model or "V3", met.keys.to_secret())
