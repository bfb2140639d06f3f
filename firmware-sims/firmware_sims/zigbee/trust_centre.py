"""The trust centre: which key a joining device is offered, and whether it is let in at all.

Here: the join policy, the transient and the installed link keys, and the hash that makes a link
key of an install code. Not here: radio, addresses and the commands that set all this (``ncp``).

Fact sources: Zigbee specification 05-3474-21 B.1.3 and B.6 (AES-MMO), Base Device Behavior
13-0402-13 §10.1 (install codes); decision bits from UG100 as read in bellows 1.2.1
(``EzspDecisionBitmask``, ``EmberJoinDecision``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

WELL_KNOWN_KEY = b"ZigBeeAlliance09"
ANY_DEVICE = 0xFFFFFFFFFFFFFFFF
TRANSIENT_KEY_LIFE_S = 300.0
USES_HASHED_LINK_KEY = 0x0080  # EmberInitialSecurityBitmask, with the trust centre's link key


class JoinPolicy(IntFlag):
    """The trust centre's decision bits."""

    ALLOW_JOINS = 0x01
    ALLOW_UNSECURED_REJOINS = 0x02
    JOINS_USE_INSTALL_CODE_KEY = 0x10


class JoinDecision(IntEnum):
    """What the trust centre did (``policyDecision`` of trustCenterJoinHandler)."""

    USE_PRECONFIGURED_KEY = 0
    SEND_KEY_IN_THE_CLEAR = 1
    DENY_JOIN = 2
    NO_ACTION = 3


def aes_mmo(data: bytes) -> bytes:
    """Matyas-Meyer-Oseas hash with AES-128, for data of less than 2^16 bits."""
    bits = len(data) * 8
    padded = data + b"\x80"
    padded += bytes(-(len(padded) + 2) % 16) + bits.to_bytes(2, "big")
    digest = bytes(16)
    for start in range(0, len(padded), 16):
        block = padded[start : start + 16]
        encryptor = Cipher(AES(digest), ECB()).encryptor()  # noqa: S305 - the hash is defined so
        sealed = encryptor.update(block) + encryptor.finalize()
        digest = bytes(a ^ b for a, b in zip(sealed, block, strict=True))
    return digest


def crc16_x25(data: bytes) -> int:
    """The CRC at the end of an install code (CRC-16/X-25)."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 if crc & 1 else crc >> 1
    return crc ^ 0xFFFF


def install_code_key(code: bytes) -> bytes:
    """Derive the link key from an install code with its CRC; ValueError when the CRC is wrong."""
    if len(code) not in (8, 10, 14, 18) or crc16_x25(code[:-2]).to_bytes(2, "little") != code[-2:]:
        raise ValueError("install code: wrong length or CRC; check the label of the device")
    return aes_mmo(code)


@dataclass(slots=True)
class TransientKey:
    """A key that admits a device for a while."""

    key: bytes = field(repr=False)
    expires: float


class TrustCentre:
    """Join decisions; times are those of the event loop."""

    def __init__(self) -> None:
        self.policy = JoinPolicy.ALLOW_JOINS
        self.transient_life_s = TRANSIENT_KEY_LIFE_S
        self._transient: dict[int, TransientKey] = {}

    def add_transient(self, eui64: int, key: bytes, now: float) -> None:
        """Offer ``key`` to one device, or with ``ANY_DEVICE`` to all that have none."""
        self._transient[eui64] = TransientKey(key, now + self.transient_life_s)

    def clear_transient(self) -> None:
        self._transient.clear()

    def transient(self, eui64: int, now: float) -> TransientKey | None:
        """Return the key offered to exactly this address, unless it has expired."""
        found = self._transient.get(eui64)
        return found if found is not None and found.expires > now else None

    def transients(self, now: float) -> list[tuple[int, TransientKey]]:
        return [(eui64, k) for eui64, k in self._transient.items() if k.expires > now]

    def judge(
        self, eui64: int, now: float, *, installed: bytes | None, fallback: bytes
    ) -> tuple[JoinDecision, bytes]:
        """Decide on a join and choose the key that will protect the network key.

        ``installed`` is the device's own entry in the key table, ``fallback`` the key of last
        resort. A device that holds another key cannot read the answer; the trust centre does
        not learn that, and neither does the host.
        """
        own = self.transient(eui64, now)
        if not self.policy & JoinPolicy.ALLOW_JOINS:
            return JoinDecision.DENY_JOIN, b""
        if self.policy & JoinPolicy.JOINS_USE_INSTALL_CODE_KEY and own is None:
            return JoinDecision.DENY_JOIN, b""
        offered = own or self.transient(ANY_DEVICE, now)
        if offered is not None:
            return JoinDecision.USE_PRECONFIGURED_KEY, offered.key
        return JoinDecision.USE_PRECONFIGURED_KEY, installed or fallback
