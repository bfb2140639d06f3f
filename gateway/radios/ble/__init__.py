"""Bluetooth Low Energy through bleak: the only package that imports it.

`radio` is what the rest of the house sees; `adapter` keeps one adapter and its scan alive; `links`
has its places for connections and `link` is one of them; `airwaves` remembers who is in the air;
`energy` counts what connecting costs a battery; `slots` and `recovery` decide who waits and when an
adapter is reset; `system` is the stack below bleak; `plain` turns the libraries' types and errors
into ours.

Importing this brings bleak and D-Bus: do it only where Bluetooth is switched on.
"""

from gateway.radios.ble.radio import BleRadio
from gateway.radios.ble.recovery import Patience
from gateway.radios.ble.system import Backend, load

__all__ = [
    "Backend",
    "BleRadio",
    "Patience",
    "load",
]
