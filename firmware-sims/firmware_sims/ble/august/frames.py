"""Frames of 18 bytes: a block of 16, encrypted, and two bytes in clear. Checksums and ciphers.

Sources: yalexs-ble `const.py` (sizes), `secure_session.py` (checksum of the secure channel, sum of
three words; AES-ECB), `session.py` (checksum of the other, a byte that makes the sum 0; AES-CBC
from zeros, chained for as long as the link lasts), `util.py` (PINs as BCD).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import CipherContext

SIZE, BLOCK = 18, 16
PIN_BYTES = 7
_WORD = 0xFFFF_FFFF


class BadFrameError(Exception):
    """Not ours: a wrong length or a wrong checksum."""


def _words(frame: bytes) -> int:
    return -sum(int.from_bytes(frame[at : at + 4], "little") for at in (0, 4, 8)) & _WORD


class Secure:
    """The secure channel under one key, the offline key first and the session's after it."""

    def __init__(self, key: bytes) -> None:
        # ECB is what the lock speaks: two blocks of random bytes are all that passes here.
        cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305
        self._encrypt, self._decrypt = cipher.encryptor(), cipher.decryptor()

    def open(self, frame: bytes) -> bytes:
        if len(frame) != SIZE:
            raise BadFrameError("not 18 bytes")
        plain = self._decrypt.update(frame[:BLOCK]) + frame[BLOCK:]
        if int.from_bytes(plain[12:16], "little") != _words(plain):
            raise BadFrameError("a wrong checksum")
        return plain

    def seal(self, opcode: int, data: bytes = b"", *, tail: bytes = b"\x0f\x00") -> bytes:
        plain = (bytes([opcode, 0, 0, 0]) + data).ljust(12, b"\0")
        plain += _words(plain).to_bytes(4, "little")
        return self._encrypt.update(plain) + tail


class Plain:
    """The channel for everything else, under the session's key."""

    def __init__(self, key: bytes) -> None:
        self._out: CipherContext = _chain(key).encryptor()
        self._in: CipherContext = _chain(key).decryptor()

    def open(self, frame: bytes) -> bytes:
        if len(frame) != SIZE:
            raise BadFrameError("not 18 bytes")
        plain = self._in.update(frame[:BLOCK]) + frame[BLOCK:]
        if sum(plain) & 0xFF:
            raise BadFrameError("a wrong checksum")
        return plain

    def seal(self, frame: bytes) -> bytes:
        """`frame`: 18 bytes without their checksum at index 3."""
        plain = bytearray(frame)
        plain[3] = -sum(plain) & 0xFF
        return self._out.update(bytes(plain[:BLOCK])) + bytes(plain[BLOCK:])


def _chain(key: bytes) -> Cipher[modes.CBC]:
    return Cipher(algorithms.AES(key), modes.CBC(bytes(BLOCK)))


def frame(flag: int, opcode: int, **at: int | bytes) -> bytes:
    """``frame(0xBB, 0x02, x4=2, x8=b"..")``: bytes by their hexadecimal index."""
    made = bytearray(SIZE)
    made[0], made[1], made[BLOCK] = flag, opcode, 0x02
    for place, value in at.items():
        index, raw = int(place[1:], 16), bytes([value]) if isinstance(value, int) else value
        made[index : index + len(raw)] = raw
    return bytes(made)


def pin_of(raw: bytes) -> str | None:
    """BCD, filled up with F; None for no PIN. ValueError for what is none."""
    digits = raw.hex().rstrip("f")
    if digits and not digits.isdigit():
        raise ValueError("not a PIN")
    return digits or None


def pin_bytes(pin: str) -> bytes:
    return bytes.fromhex(pin.ljust(2 * PIN_BYTES, "f"))
