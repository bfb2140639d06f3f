"""What can be told of a BTHome v2 advertisement without its key. Pure.

The objects inside are read by bthome-ble (`parser`). Source: bthome.io/format (device information
byte) and bthome.io/encryption (counter and MIC at the end).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.radios.api import Advertisement

SERVICE = "0000fcd2-0000-1000-8000-00805f9b34fb"
VERSION = 2

_ENCRYPTED, _TRIGGERED = 0x01, 0x04
_VERSION_SHIFT = 5
_TAIL = 8
"""Of an encrypted one: counter u32 LE, then the MIC's 4 bytes."""


@dataclass(frozen=True, slots=True)
class Header:
    """`counter` of an encrypted advertisement, in clear. `triggered`: it speaks on events only."""

    encrypted: bool
    triggered: bool
    counter: int | None


def header_of(advertisement: Advertisement) -> Header | None:
    """None where it is not BTHome v2, or too short to be."""
    data = advertisement.service_data.get(SERVICE, b"")
    if not data or data[0] >> _VERSION_SHIFT != VERSION:
        return None
    encrypted = bool(data[0] & _ENCRYPTED)
    if encrypted and len(data) <= 1 + _TAIL:
        return None
    counter = int.from_bytes(data[-8:-4], "little") if encrypted else None
    return Header(encrypted, bool(data[0] & _TRIGGERED), counter)
