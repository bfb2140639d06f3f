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

    from gateway.drivers.claims import ClaimedDevice, ClaimOrder, Progress
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
        self, radio: GattRadio, order: ClaimOrder, progress: Progress, *, deadline_s: float
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
        try:
            pin = None if order.secret is None else pin_of(order.secret, ultra=ultra)
        except ValueError as error:
            raise DeviceRefused(
                f"could not pair with {order.address}: {error}", Refusal.INVALID
            ) from None
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline_s
        keys = await self._pair(radio, order.address, pin if ultra else None, progress, until)
        progress(PairStage.SETTING_UP, "proving the lock's key")
        left_s = until - loop.time()
        async with Talk(radio, order.address, keys, self._chance, deadline_s=left_s) as talk:
            config = await talk.converse(session.get_config())
            if not ultra:
                keys = await self._settle_pin(talk, order.address, keys, pin, progress)
        model = mapping.MODELS.get(config.device_type, "Smart Lock")
        return Claim(MANUFACTURER, model, keys.to_secret())

    async def _settle_pin(
        self, talk: Talk, address: str, keys: Keys, pin: int | None, progress: Progress
    ) -> Keys:
        """The owner's PIN is kept, where there is one. It is asked about once.

        A new PIN is never lost: as long as its answer is, the keys hold both that it may be.
        """
        keys = replace(keys, pin=NO_PIN if pin is None else pin)
        talk.voice.become(keys)
        try:
            await talk.converse(session.verify_pin())
        except DeviceRefused as refused:
            wanted = (
                "it has a security PIN: give it" if pin is None else "its security PIN is another"
            )
            raise DeviceRefused(
                f"could not manage {address}: {wanted}, and hold its button again; the "
                f'authorisation "{NAME}" that was made now is of no use: remove it in its app',
                refused.refusal,
            ) from None
        if pin is not None:
            return keys
        fresh = self._chance.randint(1000, 9999)
        try:
            await talk.converse(session.change_pin(keys, fresh))
        except (LinkError, ProtocolError):
            return replace(talk.voice.keys, pin_is_ours=talk.voice.keys.other_pin is not None)
        except DeviceRefused:
            pass
        if talk.voice.pin != fresh:
            progress(PairStage.SETTING_UP, "the lock takes no PIN from us: set one in its app")
        return replace(keys, pin=talk.voice.pin, pin_is_ours=talk.voice.pin == fresh)

    async def _pair(
        self, radio: GattRadio, address: str, pin: int | None, progress: Progress, until: float
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
            nobodys = Keys(bytes(KEY_SIZE), NOBODY, us.app_id, ultra=pin is not None)
            left_s = until - loop.time()
            talk = Talk(radio, address, nobodys, self._chance, deadline_s=left_s, bound=True)
            try:
                async with talk:
                    await talk.ready()
                    progress(PairStage.PAIRING, "being let in")
                    return await talk.converse(session.pair(us, pin))
            except (LinkError, ProtocolError, DeviceRefused) as error:
                broken: GatewayError = error
            if talk.voice.keys.auth_id != NOBODY and await self._is_known(
                radio, address, talk.voice.keys, until
            ):
                return talk.voice.keys
            last = attempt == _ATTEMPTS or loop.time() >= until
            if last or not isinstance(broken, LinkError):
                raise broken
        raise OutcomeUnknown(f"could not tell whether {address} was paired")

    async def _is_known(self, radio: GattRadio, address: str, keys: Keys, until: float) -> bool:
        left_s = until - asyncio.get_running_loop().time()
        try:
            async with Talk(radio, address, keys, self._chance, deadline_s=left_s) as talk:
                await talk.converse(session.get_states())
        except (LinkError, ProtocolError, DeviceRefused):
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
