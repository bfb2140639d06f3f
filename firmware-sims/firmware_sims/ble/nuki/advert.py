"""What a Nuki says to everybody: an iBeacon, and in pairing mode the pairing service.

Here: its bytes. Not here: when it is silent (``peripheral``). The beacon's transmit power is odd
while the state has changed since it was read (ronengr/pyNukiBT, nuki.py); a lock that can be paired
with has service data of the pairing service (I-Connect/NukiBleEsp32, NukiBle.cpp, onResult), whose
content is assumed to be the lock's id, and no room for its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.ble.peripheral import Advertising

if TYPE_CHECKING:
    from firmware_sims.ble.nuki.core import Core

_SUFFIX = "-5501-11e4-916c-0800200c9a66"
PAIRING_SERVICE, PAIRING = "a92ee100" + _SUFFIX, "a92ee101" + _SUFFIX
ULTRA_SERVICE, ULTRA_PAIRING = "a92ee300" + _SUFFIX, "a92ee301" + _SUFFIX
SERVICE, GDIO, USDIO = "a92ee200" + _SUFFIX, "a92ee201" + _SUFFIX, "a92ee202" + _SUFFIX

APPLE = 0x004C
_BEACON = bytes([0x02, 0x15])
_POWER, _CHANGED = 0xC4, 0x01


def advertising(core: Core, *, connectable: bool) -> Advertising:
    """The advertisement at this moment."""
    nuki_id = core.nuki_id.to_bytes(4, "big")
    power = _POWER | (_CHANGED if core.unread else 0)
    beacon = _BEACON + bytes.fromhex(SERVICE.replace("-", "")) + nuki_id + bytes([power])
    service = ULTRA_SERVICE if core.facts.ultra else PAIRING_SERVICE
    return Advertising(
        name="" if core.pairing else f"Nuki_{core.nuki_id:08X}",
        manufacturer_data={APPLE: beacon},
        service_data={service: nuki_id} if core.pairing else {},
        connectable=connectable,
        interval_s=core.facts.advertising_s,
    )
