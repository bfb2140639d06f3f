"""Nuki as a row of the catalogue: told by its advertisement, paired, given back.

Here: being let in and leaving. Not here: using the lock (driver), the words (session).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.drivers.claims import Claim, Ownership, PairStage, Recognised
from gateway.drivers.nuki import mapping, session
from gateway.drivers.nuki.crypto import KEY_SIZE
from gateway.drivers.nuki.driver import FAMILY, NukiLock
from gateway.drivers.nuki.keys import Keys, keys_of, pin_of
from gateway.drivers.nuki.link import Talk
from gateway.drivers.nuki.session import NOBODY, Identity
from gateway.errors import (
    DeviceRefused,
    GatewayError,
    LinkError,
    OutcomeUnknown,
    ProtocolError,
    Refusal,
)

if TYPE_CHECKING:
    import random

    from gateway.domain.secret import Secret
    from gateway.drivers.claims import ClaimedDevice, ClaimOrder, KeepAgreed, Progress
    from gateway.drivers.nuki.mapping import Told
    from gateway.radios.api import Advertisement
    from gateway.radios.gatt import GattRadio

MANUFACTURER = "Nuki"
NAME = "Lock gateway"
"""As the owner's app lists us."""
HINT = "hold its button for five seconds until its light stays on"
NO_PIN = 0
"""What a lock takes to which its owner has given none."""
_ATTEMPTS = 3


class NukiFamily:
    """`claims.Family`. `chance` must be unguessable: keys, nonces and PINs come from it."""

    name = FAMILY

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def recognise(self, advertisement: Advertisement) -> Recognised | None:
        """A Nuki obeys many, so it can be paired with at any time, once its button was held."""
        told = mapping.told_by(advertisement)
        if told is None:
            return None
        pin = "; give the PIN of six digits from its box or its app" if told.ultra else ""
        return Recognised(
            self.name,
            "door lock",
            "Smart Lock Ultra" if told.ultra else "Smart Lock",
            Ownership.CLAIMABLE if told.pairing else Ownership.CLAIMED,
            f"can be paired now{pin}" if told.pairing else f"{HINT}, then pair",
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
        """`order.secret`: the security PIN; an Ultra always has one, others if their owner set it.

        A lock without a PIN gets one, known to the store only: else anybody whom it knows could
        manage its codes.
        """
        told = self._last_told(radio, order.address)
        if told is not None and not told.pairing:
            raise DeviceRefused(
                f"could not pair with {order.address}: it is not in pairing mode; {HINT}",
                Refusal.INVALID,
            )
        ultra = told is not None and told.ultra
        if ultra and order.secret is None:
            raise DeviceRefused(
                f"could not pair with {order.address}: it wants its PIN of six digits",
                Refusal.NOT_AUTHORISED,
            )
        pin = _pin_of(order, ultra=ultra)
        until = asyncio.get_running_loop().time() + deadline_s
        keys = await self._pair(radio, order.address, pin, progress, keep, until, ultra=ultra)
        progress(PairStage.SETTING_UP, "proving the lock's key")
        return await self._set_up(radio, order.address, keys, progress, keep, until)

    async def resume(
        self,
        radio: GattRadio,
        order: ClaimOrder,
        keys: Secret,
        keep: KeepAgreed,
        *,
        deadline_s: float,
    ) -> Claim | None:
        """An owner's PIN that is given now takes the place of one that was not proved yet."""
        agreed = keys_of(keys)
        if order.secret is not None and not (agreed.ultra or agreed.pin_is_ours):
            agreed = replace(agreed, pin=_pin_of(order, ultra=False))
        until = asyncio.get_running_loop().time() + deadline_s
        if not await self._is_known(radio, order.address, agreed, until):
            return None
        return await self._set_up(radio, order.address, agreed, lambda *_: None, keep, until)

    async def _set_up(
        self,
        radio: GattRadio,
        address: str,
        keys: Keys,
        progress: Progress,
        keep: KeepAgreed,
        until: float,
    ) -> Claim:
        """What is left to do at a lock that knows us."""
        left_s = until - asyncio.get_running_loop().time()
        async with Talk(radio, address, keys, self._chance, deadline_s=left_s) as talk:
            config = await talk.converse(session.get_config())
            if not keys.ultra:
                keys = await self._settle_pin(talk, address, keys, progress, keep)
        model = mapping.MODELS.get(config.device_type, "Smart Lock")
        return Claim(MANUFACTURER, model, keys.to_secret())

    async def _settle_pin(
        self, talk: Talk, address: str, keys: Keys, progress: Progress, keep: KeepAgreed
    ) -> Keys:
        """The owner's PIN is kept, where there is one. It is asked about once.

        A new PIN is never lost: it is on the disk before the lock is told, and as long as its
        answer is lost, the keys hold both that it may be.
        """
        nobodys = keys.pin is None
        if nobodys:
            keys = replace(keys, pin=NO_PIN)
        talk.voice.become(keys)
        try:
            await talk.converse(session.verify_pin())
        except DeviceRefused as refused:
            wanted = "it has a security PIN: give it" if nobodys else "its security PIN is another"
            raise DeviceRefused(
                f"could not manage {address}: {wanted}, and hold its button again; the "
                f'authorisation "{NAME}" that was made now is of no use: remove it in its app',
                refused.refusal,
            ) from None
        ours = keys.other_pin is not None and talk.voice.pin == keys.pin
        if ours or not (nobodys or keys.pin_is_ours):
            return replace(keys, other_pin=None)
        fresh = self._chance.randint(1000, 9999)
        keys = replace(keys, pin=NO_PIN, other_pin=None, pin_is_ours=False)
        told = replace(keys, pin=fresh, other_pin=NO_PIN, pin_is_ours=True)
        await keep(told.to_secret())
        talk.voice.become(keys)
        try:
            await talk.converse(session.change_pin(keys, fresh))
        except (LinkError, ProtocolError):
            return told
        except DeviceRefused:
            pass
        if talk.voice.pin != fresh:
            progress(PairStage.SETTING_UP, "the lock takes no PIN from us: set one in its app")
        return replace(keys, pin=talk.voice.pin, pin_is_ours=talk.voice.pin == fresh)

    async def _pair(
        self,
        radio: GattRadio,
        address: str,
        pin: int | None,
        progress: Progress,
        keep: KeepAgreed,
        until: float,
        *,
        ultra: bool,
    ) -> Keys:
        """A pairing that broke is judged by whether the lock knows the key agreed on."""
        loop = asyncio.get_running_loop()
        for attempt in range(1, _ATTEMPTS + 1):
            progress(PairStage.CONNECTING, "connecting to the lock")
            us = Identity(
                self._chance.randbytes(KEY_SIZE),
                self._chance.randbytes(32),
                self._chance.getrandbits(32),
                NAME,
            )
            nobodys = Keys(bytes(KEY_SIZE), NOBODY, us.app_id, ultra=ultra)
            left_s = until - loop.time()
            talk = Talk(radio, address, nobodys, self._chance, deadline_s=left_s, keep=keep)
            try:
                async with talk:
                    await talk.ready()
                    progress(PairStage.PAIRING, "being let in")
                    return await talk.converse(session.pair(us, pin, ultra=ultra))
            except (LinkError, ProtocolError, DeviceRefused) as error:
                broken: GatewayError = error
            agreed = talk.voice.keys
            if agreed.auth_id != NOBODY:
                try:
                    known = await self._is_known(radio, address, agreed, until)
                except (LinkError, ProtocolError, DeviceRefused) as error:
                    raise OutcomeUnknown(
                        f"could not tell whether {address} was paired; stay near, or pair it "
                        "again: what was agreed on is kept"
                    ) from error
                if known:
                    return agreed
            last = attempt == _ATTEMPTS or loop.time() >= until
            if last or not isinstance(broken, LinkError):
                raise broken
        raise OutcomeUnknown(f"could not tell whether {address} was paired")

    async def _is_known(self, radio: GattRadio, address: str, keys: Keys, until: float) -> bool:
        """False where the lock says so. Raises where that cannot be told."""
        left_s = until - asyncio.get_running_loop().time()
        try:
            async with Talk(radio, address, keys, self._chance, deadline_s=left_s) as talk:
                await talk.converse(session.get_states())
        except DeviceRefused as refused:
            if refused.refusal is not Refusal.NOT_AUTHORISED:
                raise
            return False
        return True

    async def release(self, device: ClaimedDevice, radio: GattRadio, *, deadline_s: float) -> None:
        """Codes and everybody else's authorisations stay. Where nobody is left, the lock belongs to
        whoever holds its button next: it has no PIN then, unless its owner gave it one."""
        keys = keys_of(device.keys)
        talk = Talk(radio, device.address, keys, self._chance, deadline_s=deadline_s)
        async with talk:
            await talk.converse(session.leave(keys))

    def driver(self, device: ClaimedDevice, radio: GattRadio) -> NukiLock:
        return NukiLock(device, radio, self._chance)

    @staticmethod
    def _last_told(radio: GattRadio, address: str) -> Told | None:
        for sighting in radio.sightings():
            if sighting.last.address == address:
                return mapping.told_by(sighting.last)
        return None


def _pin_of(order: ClaimOrder, *, ultra: bool) -> int | None:
    """`DeviceRefused` for what is no PIN of such a lock."""
    try:
        return None if order.secret is None else pin_of(order.secret, ultra=ultra)
    except ValueError as error:
        raise DeviceRefused(
            f"could not pair with {order.address}: {error}", Refusal.INVALID
        ) from None
