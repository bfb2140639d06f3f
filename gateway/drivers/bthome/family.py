"""BTHome as a row of the catalogue: told by its service data, claimed by being understood.

There is nothing to pair. Who speaks in clear is claimed by being heard, who encrypts with its bind
key, which is proven by reading one advertisement with it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.drivers.bthome import mapping, parser, wire
from gateway.drivers.bthome.driver import FAMILY, BtHome
from gateway.drivers.bthome.keys import Keys, bindkey_of
from gateway.drivers.claims import Claim, Ownership, PairStage, Recognised
from gateway.errors import DeviceRefused, Refusal

if TYPE_CHECKING:
    from gateway.domain.secret import Secret
    from gateway.drivers.claims import ClaimedDevice, ClaimOrder, KeepAgreed, Progress
    from gateway.radios.api import Advertisement
    from gateway.radios.gatt import GattRadio


class BtHomeFamily:
    """`claims.Family`."""

    name = FAMILY

    def recognise(self, advertisement: Advertisement) -> Recognised | None:
        header = wire.header_of(advertisement)
        if header is None:
            return None
        model = advertisement.name or "BTHome sensor"
        if header.encrypted:
            hint = "give its bind key, which its own app or its label shows"
            return Recognised(self.name, mapping.SENSOR, model, Ownership.NEEDS_KEY, hint)
        hint = "can be added now; anybody can hear and forge what it says"
        return Recognised(self.name, mapping.SENSOR, model, Ownership.CLAIMABLE, hint)

    async def claim(
        self,
        radio: GattRadio,
        order: ClaimOrder,
        progress: Progress,
        keep: KeepAgreed,
        *,
        deadline_s: float,
    ) -> Claim:
        bindkey = None
        if order.secret is not None:
            try:
                bindkey = bindkey_of(order.secret)
            except ValueError as error:
                raise _refused(order, str(error), Refusal.INVALID) from None
        progress(PairStage.CONNECTING, "waiting for the sensor to speak; touch it if it is quiet")
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline_s
        heard = next((s.last for s in radio.sightings() if s.last.address == order.address), None)
        while True:
            claim = _understood(order, heard, bindkey) if heard is not None else None
            if claim is not None:
                return claim
            heard = await radio.overhear(order.address, deadline_s=max(0.0, until - loop.time()))

    async def resume(
        self,
        radio: GattRadio,
        order: ClaimOrder,
        keys: Secret,
        keep: KeepAgreed,
        *,
        deadline_s: float,
    ) -> Claim | None:
        """Nothing is agreed on: the key is the installer's, who gives it again."""
        return None

    async def release(self, device: ClaimedDevice, radio: GattRadio, *, deadline_s: float) -> None:
        """It never knew of us."""

    def driver(self, device: ClaimedDevice, radio: GattRadio) -> BtHome:
        return BtHome(device)


def _understood(order: ClaimOrder, heard: Advertisement, bindkey: bytes | None) -> Claim | None:
    """None for a word that says nothing, such as a scan response. Raises `DeviceRefused`."""
    header = wire.header_of(heard)
    if header is None:
        return None
    if header.encrypted and bindkey is None:
        raise _refused(order, "it encrypts what it says: give its bind key", Refusal.NOT_AUTHORISED)
    if not header.encrypted and bindkey is not None:
        raise _refused(order, "it speaks in clear: add it without a key", Refusal.INVALID)
    told = parser.read(heard, bindkey)
    if told is None:
        if bindkey is None:
            return None
        raise _refused(
            order, "what it says cannot be read with this bind key", Refusal.NOT_AUTHORISED
        )
    keys = Keys(bindkey, mapping.kind_of(told.values), header.triggered)
    return Claim(told.manufacturer, heard.name or told.model, keys.to_secret())


def _refused(order: ClaimOrder, why: str, refusal: Refusal) -> DeviceRefused:
    return DeviceRefused(f"could not add {order.address}: {why}", refusal)
