"""What is printed on a lock: its device specific key, the PIN in it, the SmartStart QR text.

Here: the key pair a lock leaves the factory with (CC:009F, 3.1.2) and its ways of being written.
Not here: what is done with it (the Node process).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

if TYPE_CHECKING:
    import random

_SMART_START = 1
_REQUESTED_KEYS = 0b111
"""S2 Unauthenticated, Authenticated, Access Control."""
_DEVICE_TYPE, _PRODUCT = 0, 1
_DOOR_LOCK, _ICON = 0x4003, 0x0300


@dataclass(frozen=True, slots=True)
class Label:
    """The sticker of one lock."""

    private_key: bytes = field(repr=False)
    fingerprint: tuple[int, int, int]

    @classmethod
    def made(cls, rng: random.Random, fingerprint: tuple[int, int, int]) -> Label:
        """A new one; `fingerprint`: manufacturer, product type, product id."""
        return cls(rng.randbytes(32), fingerprint)

    @property
    def dsk(self) -> str:
        """Eight groups of five digits: the first 16 bytes of the public key (CC:009F, 3.1.2)."""
        key = X25519PrivateKey.from_private_bytes(self.private_key).public_key().public_bytes_raw()
        words = (int.from_bytes(key[at : at + 2], "big") for at in range(0, 16, 2))
        return "-".join(f"{word:05}" for word in words)

    @property
    def pin(self) -> str:
        """The first group, which a person types in."""
        return self.dsk[:5]

    @property
    def qr_code(self) -> str:
        """The digits in the QR code (SDS13937, 3.2: lead-in 90, version, checksum, keys, DSK, TLV).

        The checksum is the first two bytes of SHA-1 over everything behind it.
        """
        manufacturer, product_type, product_id = self.fingerprint
        body = f"{_REQUESTED_KEYS:03}{self.dsk.replace('-', '')}"
        body += _field(_DEVICE_TYPE, _DOOR_LOCK, _ICON)
        body += _field(_PRODUCT, manufacturer, product_type, product_id, 0x0100)
        checksum = hashlib.sha1(body.encode(), usedforsecurity=False).digest()[:2]
        return f"90{_SMART_START:02}{int.from_bytes(checksum, 'big'):05}{body}"


def _field(kind: int, *values: int) -> str:
    text = "".join(f"{value:05}" for value in values)
    return f"{kind << 1:02}{len(text):02}{text}"
