"""Frames of a Nuki, plain and sealed, and several messages as one answer.

Here: bytes to messages and back, CRC. Not here: keys (``crypto``) and commands. Layouts from
ronengr/pyNukiBT, nuki.py, and the Nuki Smart Lock API, "Message format": plain
``command u16 | payload | CRC u16``; sealed ``nonce 24 | authorisation 4 | length u16 | box`` with
``authorisation 4 | command u16 | payload | CRC u16`` in the box. The CRC is CRC-16/CCITT-FALSE over
everything before it.
"""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firmware_sims.ble.nuki import crypto
from firmware_sims.ble.nuki.fields import Error, Refused, u16

if TYPE_CHECKING:
    from collections.abc import Iterable

AUTH_SIZE = 4
_HEAD = crypto.NONCE_SIZE + AUTH_SIZE + 2
_WRONG = 0x5A5A


@dataclass(frozen=True, slots=True)
class Message:
    """One command or answer."""

    op: int
    payload: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What can be seen of a sealed frame."""

    nonce: bytes
    auth_id: bytes
    box: bytes = field(repr=False)


def crc(data: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 1021, from FFFF, not reflected."""
    return crc_hqx(data, 0xFFFF)


def _checked(data: bytes, *, wrong_crc: bool) -> bytes:
    return data + u16(crc(data) ^ (_WRONG if wrong_crc else 0))


def _read(data: bytes) -> Message:
    if len(data) < 4:
        raise Refused(Error.BAD_LENGTH)
    if crc(data[:-2]) != int.from_bytes(data[-2:], "little"):
        raise Refused(Error.BAD_CRC)
    return Message(int.from_bytes(data[:2], "little"), data[2:-2])


def plain(message: Message, *, wrong_crc: bool = False) -> bytes:
    """A frame anybody can read."""
    return _checked(u16(message.op) + message.payload, wrong_crc=wrong_crc)


def read_plain(raw: bytes) -> Message:
    """`Refused` (BAD_LENGTH, BAD_CRC) when it is no frame."""
    return _read(raw)


def seal(
    key: bytes, auth_id: bytes, message: Message, nonce: bytes, *, wrong_crc: bool = False
) -> bytes:
    """A frame for whoever has the key."""
    inside = _checked(auth_id + u16(message.op) + message.payload, wrong_crc=wrong_crc)
    box = crypto.seal(key, nonce, inside)
    return nonce + auth_id + u16(len(box)) + box


def envelope(raw: bytes) -> Envelope:
    """`Refused` (BAD_LENGTH) when the length does not fit."""
    if len(raw) < _HEAD or len(raw) != _HEAD + int.from_bytes(raw[_HEAD - 2 : _HEAD], "little"):
        raise Refused(Error.BAD_LENGTH)
    nonce_end = crypto.NONCE_SIZE
    return Envelope(raw[:nonce_end], raw[nonce_end : nonce_end + AUTH_SIZE], raw[_HEAD:])


def unseal(key: bytes, sealed: Envelope) -> Message:
    """`Refused`: NOT_AUTHORIZED with another key or name inside, BAD_CRC, BAD_LENGTH."""
    try:
        inside = crypto.unseal(key, sealed.nonce, sealed.box)
    except crypto.BadBox:
        raise Refused(Error.NOT_AUTHORIZED) from None
    if inside[:AUTH_SIZE] != sealed.auth_id:
        raise Refused(Error.NOT_AUTHORIZED)
    # The CRC covers the authorisation, too.
    if len(inside) < AUTH_SIZE + 4:
        raise Refused(Error.BAD_LENGTH)
    if crc(inside[:-2]) != int.from_bytes(inside[-2:], "little"):
        raise Refused(Error.BAD_CRC)
    return Message(int.from_bytes(inside[4:6], "little"), inside[6:-2])


def pack(messages: Iterable[Message]) -> bytes:
    """Several messages as the one answer that a command has (`commands.Command`)."""
    return b"".join(
        u16(message.op) + u16(len(message.payload)) + message.payload for message in messages
    )


def unpack(packed: bytes) -> list[Message]:
    """What ``pack`` has put together."""
    messages = []
    while packed:
        size = int.from_bytes(packed[2:4], "little")
        messages.append(Message(int.from_bytes(packed[:2], "little"), packed[4 : 4 + size]))
        packed = packed[4 + size :]
    return messages
