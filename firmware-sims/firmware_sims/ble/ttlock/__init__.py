"""A simulated TTLock "V3" (protocol 5.3): a family of Bluetooth locks, see `ble.device`.

Written from the public work of others on the protocol, never from their code: kind3r/ttlock-sdk-js,
domodom30/ttlock-sdk-js, roquerodrigo/ttlock-ble, jbergler/hass-ttlock, Fusseldieb/ttlock-reverse-
engineering, and the names in the vendor's CommandUtil_V3 and LockError. What none of them states is
marked "assumed" where it is decided.
"""

from firmware_sims.ble.ttlock.commands import COMMANDS
from firmware_sims.ble.ttlock.skin import TTLockSkin, build

__all__ = ["COMMANDS", "TTLockSkin", "build"]
