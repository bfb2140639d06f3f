"""August and Yale as a row of the catalogue: told by their service, claimed with their offline key.

There is no pairing on site: the key was made with the lock, and only the vendor's account tells it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.drivers.claims import Claim, Ownership, PairStage, Recognised
from gateway.drivers.yale_august import wire
from gateway.drivers.yale_august.driver import FAMILY, YaleAugust
from gateway.drivers.yale_august.keys import keys_of
from gateway.drivers.yale_august.talk import talk
from gateway.errors import DeviceRefused, Refusal

if TYPE_CHECKING:
    from gateway.domain.secret import Secret
    from gateway.drivers.claims import ClaimedDevice, ClaimOrder, KeepAgreed, Progress
    from gateway.radios.api import Advertisement
    from gateway.radios.gatt import GattRadio

MANUFACTURER = "Yale/August"


class YaleAugustFamily:
    """`claims.Family`."""

    name = FAMILY

    def recognise(self, advertisement: Advertisement) -> Recognised | None:
        if not wire.is_ours(advertisement):
            return None
        hint = (
            "give its offline key and the key's slot, as exported from the vendor's account: "
            '{"key": "…", "slot": 1}'
        )
        model = f"August or Yale {advertisement.name}".strip()
        return Recognised(self.name, "lock", model, Ownership.NEEDS_KEY, hint)

    async def claim(
        self,
        radio: GattRadio,
        order: ClaimOrder,
        progress: Progress,
        keep: KeepAgreed,
        *,
        deadline_s: float,
    ) -> Claim:
        if order.secret is None:
            raise DeviceRefused(
                f"could not add {order.address}: its offline key from the vendor's account is "
                "needed; it cannot be paired on site",
                Refusal.NOT_AUTHORISED,
            )
        try:
            keys = keys_of(order.secret)
        except ValueError as error:
            raise DeviceRefused(
                f"could not add {order.address}: {error}", Refusal.INVALID
            ) from None
        progress(PairStage.CONNECTING, "connecting to the lock")
        async with talk(radio, order.address, keys, deadline_s=deadline_s) as link:
            progress(PairStage.SETTING_UP, "the lock knows the key")
            info = await link.ask(link.lock.lock_info)
        return Claim(MANUFACTURER, info.model or "lock", keys.to_secret())

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
        """It never knew of us: the key stays the vendor's account's."""

    def driver(self, device: ClaimedDevice, radio: GattRadio) -> YaleAugust:
        return YaleAugust(device, radio)
