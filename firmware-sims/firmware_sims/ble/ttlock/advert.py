"""What a TTLock says to everybody: the manufacturer block of its advertisement.

Here: the block's bytes and the name. Not here: when it is silent (``peripheral``). The block has no
company id: what stands in its place is protocol type and version. Layout from roquerodrigo/
ttlock-ble, models/lock_advertisement.py, and jbergler/hass-ttlock, ble_protocol.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.ble.peripheral import Advertising

if TYPE_CHECKING:
    from firmware_sims.ble.ttlock.core import Core

SERVICE = "00001910-0000-1000-8000-00805f9b34fb"
UNLOCKED, NEW_RECORDS, SETTING_MODE, TOUCHED, DORMANT = 0x01, 0x02, 0x04, 0x08, 0x10


def flags(core: Core, *, touched: bool, dormant: bool) -> int:
    """The flag byte. A lock that sleeps does not say that it is open."""
    bits = DORMANT if dormant else 0
    if core.unlocked and not dormant:
        bits |= UNLOCKED
    if core.log.unread:
        bits |= NEW_RECORDS
    if core.setting_mode:
        bits |= SETTING_MODE
    if touched:
        bits |= TOUCHED
    return bits


def advertising(core: Core, *, touched: bool, dormant: bool, connectable: bool) -> Advertising:
    """The advertisement at this moment."""
    mac = bytes.fromhex(core.address.replace(":", ""))[::-1]
    version = core.version
    block = (
        bytes([version.scene, flags(core, touched=touched, dormant=dormant), core.battery])
        + bytes.fromhex(core.facts.variant)
        + mac
    )
    return Advertising(
        name=core.facts.name_prefix + mac[:3].hex(),
        service_uuids=(SERVICE,),
        manufacturer_data={version.protocol_version << 8 | version.protocol_type: block},
        connectable=connectable,
    )
