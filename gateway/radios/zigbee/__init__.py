"""Zigbee through zigpy and bellows: the only package that imports either.

`radio` is what the rest of the house sees; `joining` adds and removes nodes; `stack` holds the
library's application and its settings; `plain` turns the library's types and errors into ours;
`register` remembers what the library has no place for.
"""

from gateway.radios.zigbee.radio import ZigbeeRadio, check_device

__all__ = ["ZigbeeRadio", "check_device"]
