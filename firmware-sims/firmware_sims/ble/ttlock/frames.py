"""TTLock V3 frames: header, encrypted payload, checksum, and how they are put together from chunks.

Here: bytes of a frame and nothing of its meaning. Not here: payloads (``fields``, ``commands``).
Layout from kind3r/ttlock-sdk-js, src/api/CommandEnvelope.ts, and roquerodrigo/ttlock-ble,
protocol/frame.py:

    7F 5A | protocol type, version, scene | group u16 | organisation u16 | command | AA | n
    | n bytes of ciphertext | CRC-8 of everything before | 0D 0A
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

HEADER = b"\x7f\x5a"
TRAILER = b"\r\n"
HEADER_LENGTH = 12
CHUNK = 20
"""Bytes in one write or notification, both ways: ATT's smallest MTU, which these locks keep to."""
MARKER = 0xAA
RESPONSE = 0x54
"""The command in the header of everything a lock says; what it answers is in the payload."""
LONGEST_PLAINTEXT = 239
"""One byte counts the ciphertext, which is whole blocks of 16 and padded by at least one byte."""

FACTORY_KEY = bytes.fromhex("987623e8a923a1bb3d9e7d0378124588")
"""What a lock speaks before it has been claimed: the same for all (kind3r, src/constant)."""


class BadFrame(Exception):
    """The bytes are no frame that can be understood; the text says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Version:
    """The five numbers of a lock in every header; V3 is type 5, version 3."""

    protocol_type: int = 5
    protocol_version: int = 3
    scene: int = 1
    group: int = 1
    organisation: int = 1

    def encode(self) -> bytes:
        """The seven bytes after the frame's first two."""
        return (
            bytes([self.protocol_type, self.protocol_version, self.scene])
            + self.group.to_bytes(2, "big")
            + self.organisation.to_bytes(2, "big")
        )

    @classmethod
    def decode(cls, data: bytes) -> Version:
        """From the seven bytes."""
        return cls(
            data[0],
            data[1],
            data[2],
            int.from_bytes(data[3:5], "big"),
            int.from_bytes(data[5:7], "big"),
        )


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; ``payload`` as it is in the air, encrypted."""

    version: Version
    command: int
    payload: bytes

    def encode(self, *, wrong_crc: bool = False) -> bytes:
        """The bytes; ``wrong_crc`` alters the checksum, always in the same way."""
        body = HEADER + self.version.encode() + bytes([self.command, MARKER, len(self.payload)])
        body += self.payload
        crc = crc8(body) ^ (0xFF if wrong_crc else 0)
        return body + bytes([crc]) + TRAILER

    @classmethod
    def decode(cls, data: bytes, *, strict: bool = True) -> Frame:
        """One whole frame with its trailer; ``BadFrame`` when the checksum is wrong.

        Not ``strict``: the checksum of the catalogues will do, which is what many clients compute.
        """
        end = HEADER_LENGTH + data[11]
        right = {crc8(data[:end])} if strict else {crc8(data[:end]), maxim(data[:end])}
        if data[end] not in right:
            raise BadFrame("checksum")
        return cls(Version.decode(data[2:9]), data[9], data[HEADER_LENGTH:end])


def crc8(data: bytes) -> int:
    """The checksum of the vendor's app and of real locks: CRC-8/MAXIM by a table with one slip.

    Entry 21 of the table is 07 and not 7D (kind3r/ttlock-sdk-js, issue #22; ttlock-ble, crypto.py).
    So one frame in ten or so looks wrong to whoever computes it as it should be, and always in the
    same way: all frames of kind3r's "Bad CRC quest" are right by this one.
    """
    crc = 0
    for byte in data:
        crc = 0x07 if crc ^ byte == 0x21 else _step(crc ^ byte)
    return crc


def maxim(data: bytes) -> int:
    """CRC-8/MAXIM: polynomial 31 reflected, from 0, nothing added at the end."""
    crc = 0
    for byte in data:
        crc = _step(crc ^ byte)
    return crc


def _step(crc: int) -> int:
    for _ in range(8):
        crc = crc >> 1 ^ (0x8C if crc & 1 else 0)
    return crc


def encrypt(plaintext: bytes, key: bytes) -> bytes:
    """AES-128-CBC with PKCS#7 padding; the key is the initialisation vector, too."""
    padder = padding.PKCS7(128).padder()
    padded = padder.update(plaintext) + padder.finalize()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key)).encryptor()
    return encryptor.update(padded) + encryptor.finalize()


def decrypt(ciphertext: bytes, key: bytes) -> bytes:
    """The reverse; nothing at all stands for nothing. ``BadFrame`` under another key."""
    if not ciphertext:
        return b""
    try:
        decryptor = Cipher(algorithms.AES(key), modes.CBC(key)).decryptor()
        padded = decryptor.update(ciphertext) + decryptor.finalize()
        unpadder = padding.PKCS7(128).unpadder()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        raise BadFrame("padding") from None


def chunks(data: bytes) -> list[bytes]:
    """As the radio carries it."""
    return [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]


class Reassembler:
    """Puts chunks together by the length a header states, as ciphertext may contain a trailer.

    What is not a frame is skipped up to the next thing that begins like one.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """Whole frames that are complete with this chunk, trailer included."""
        self._buffer += chunk
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> bytes | None:
        buffer = self._buffer
        while True:
            start = buffer.find(HEADER)
            if start < 0:
                # The first half of a header may be the last byte.
                del buffer[: len(buffer) - buffer.endswith(HEADER[:1])]
                return None
            del buffer[:start]
            if len(buffer) < HEADER_LENGTH:
                return None
            length = HEADER_LENGTH + buffer[11] + 1 + len(TRAILER)
            if len(buffer) < length:
                return None
            frame = bytes(buffer[:length])
            if frame.endswith(TRAILER):
                del buffer[:length]
                return frame
            del buffer[: len(HEADER)]
