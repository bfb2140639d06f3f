"""What can be told of an August or Yale by its advertisement. Pure.

Source: yalexs-ble `const.py` (service, company ids) and `push.py` (what changes when the lock's
state does: one byte, 0 or 1, under the company's id, or HomeKit's state number).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.radios.api import Advertisement

SERVICE = "0000fe24-0000-1000-8000-00805f9b34fb"
_COMPANIES = (465, 302)
"""Yale, ASSA ABLOY."""
_APPLE = 76
_HOMEKIT, _HOMEKIT_ENCRYPTED = 0x06, 0x11
_STATE_NUMBER = slice(11, 13)
_TOGGLES = (0, 1)
"""Other values are sent at random and mean nothing."""


def is_ours(advertisement: Advertisement) -> bool:
    return SERVICE in advertisement.service_uuids


def state_of(advertisement: Advertisement) -> bytes:
    """Something that is another value whenever the lock's state has changed; empty: not told."""
    data = advertisement.manufacturer_data
    for company in _COMPANIES:
        told = data.get(company, b"")
        if len(told) == 1 and told[0] in _TOGGLES:
            return told
    apple = data.get(_APPLE, b"")
    if apple[:1] == bytes([_HOMEKIT]) and len(apple) >= _STATE_NUMBER.stop:
        return apple[_STATE_NUMBER]
    return apple if apple[:1] == bytes([_HOMEKIT_ENCRYPTED]) else b""
