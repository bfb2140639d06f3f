"""Frames and times of the Nuki protocol: bytes, and nothing that decides.

Sources: the vendor's "Nuki Smart Lock API", Message format; ronengr/pyNukiBT `const.py` and
`nuki.py`; I-Connect/NukiBleEsp32 `NukiConstants.h`. Everything is little-endian. Not here: what the
payload of a command holds (commands, settings) and the boxes (crypto).

    plain:   command u16 | payload | CRC u16
    sealed:  nonce 24 | authorisation 4 | length u16 | box of inside
    inside:  authorisation 4 | command u16 | payload | CRC u16, of all before it
"""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from gateway.domain.instant import Instant, from_datetime, to_datetime
from gateway.drivers.nuki import crypto

if TYPE_CHECKING:
    from datetime import tzinfo

_SUFFIX: Final = "-5501-11e4-916c-0800200c9a66"
PAIRING_SERVICE: Final = "a92ee100" + _SUFFIX
PAIRING: Final = "a92ee101" + _SUFFIX
ULTRA_SERVICE: Final = "a92ee300" + _SUFFIX
ULTRA_PAIRING: Final = "a92ee301" + _SUFFIX
SERVICE: Final = "a92ee200" + _SUFFIX
DATA: Final = "a92ee202" + _SUFFIX
"""What belongs to one authorisation goes by here, sealed."""

AUTH_SIZE: Final = 4
_CRC: Final = 2
_HEAD: Final = crypto.NONCE_SIZE + AUTH_SIZE + 2


class Op(IntEnum):
    """Command numbers, of both directions."""

    REQUEST_DATA = 0x01
    PUBLIC_KEY = 0x03
    CHALLENGE = 0x04
    AUTHENTICATOR = 0x05
    AUTHORISATION_DATA = 0x06
    AUTHORISATION_ID = 0x07
    REMOVE_AUTHORISATION = 0x08
    LIST_AUTHORISATIONS = 0x09
    AUTHORISATION = 0x0A
    STATES = 0x0C
    LOCK_ACTION = 0x0D
    STATUS = 0x0E
    BATTERY_REPORT = 0x11
    ERROR = 0x12
    SET_CONFIG = 0x13
    REQUEST_CONFIG = 0x14
    CONFIG = 0x15
    SET_PIN = 0x19
    CONFIRM_AUTHORISATION = 0x1E
    VERIFY_PIN = 0x20
    SET_CLOCK = 0x21
    UPDATE_AUTHORISATION = 0x25
    AUTHORISATION_COUNT = 0x27
    REQUEST_LOG = 0x31
    LOG_ENTRY = 0x32
    LOG_COUNT = 0x33
    SET_ADVANCED = 0x35
    REQUEST_ADVANCED = 0x36
    ADVANCED = 0x37
    ADD_CODE = 0x41
    CODE_ID = 0x42
    LIST_CODES = 0x43
    CODE_COUNT = 0x44
    CODE = 0x45
    UPDATE_CODE = 0x46
    REMOVE_CODE = 0x47
    AUTHORISATION_INFO = 0x4C


@dataclass(frozen=True, slots=True)
class Message:
    """One command or answer. Payloads hold codes and keys, so they are not shown."""

    op: int
    payload: bytes = field(default=b"", repr=False)


def crc16(data: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 1021 from FFFF, not reflected; of "123456789" it is 29B1."""
    return crc_hqx(data, 0xFFFF)


def _closed(body: bytes) -> bytes:
    return body + crc16(body).to_bytes(_CRC, "little")


def _opened(body: bytes) -> Message | None:
    if len(body) < 2 + _CRC:
        return None
    return Message(int.from_bytes(body[:2], "little"), body[2:-_CRC])


def plain(message: Message) -> bytes:
    return _closed(message.op.to_bytes(2, "little") + message.payload)


def read_plain(raw: bytes) -> Message | None:
    """None for what is no frame, or is damaged."""
    if len(raw) < 2 + _CRC or crc16(raw[:-_CRC]) != int.from_bytes(raw[-_CRC:], "little"):
        return None
    return _opened(raw)


def sealed(message: Message, key: bytes, auth_id: bytes, nonce: bytes) -> bytes:
    inside = _closed(auth_id + message.op.to_bytes(2, "little") + message.payload)
    box = crypto.seal(key, nonce, inside)
    return nonce + auth_id + len(box).to_bytes(2, "little") + box


def read_sealed(raw: bytes, key: bytes, auth_id: bytes) -> Message | None:
    """None for what is not whole, damaged, for somebody else or sealed with another key."""
    if len(raw) < _HEAD or len(raw) - _HEAD != int.from_bytes(raw[_HEAD - 2 : _HEAD], "little"):
        return None
    inside = crypto.unseal(key, raw[: crypto.NONCE_SIZE], raw[_HEAD:])
    if inside is None or inside[:AUTH_SIZE] != auth_id:
        return None
    if crc16(inside[:-_CRC]) != int.from_bytes(inside[-_CRC:], "little"):
        return None
    return _opened(inside[AUTH_SIZE:])


# ── fields ──────────────────────────────────────────────────────────────────────────────────


def u16(value: int) -> bytes:
    return value.to_bytes(2, "little")


def u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")


def text(value: str, size: int) -> bytes:
    """UTF-8 with zeros behind it, cut between characters."""
    return value.encode()[:size].decode(errors="ignore").encode().ljust(size, b"\0")


def text_of(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode(errors="replace")


# ── times: year u16 and five single numbers, naive local time of the lock ───────────────────

NO_DATE: Final = bytes(7)
DATE_SIZE: Final = 7


def date7(at: Instant, zone: tzinfo) -> bytes:
    """Rounded down to the second."""
    wall = to_datetime(at).astimezone(zone)
    return u16(wall.year) + bytes((wall.month, wall.day, wall.hour, wall.minute, wall.second))


def wall_of(date: bytes) -> datetime | None:
    """The wall time, with UTC standing for no zone; None where it is no date."""
    if len(date) != DATE_SIZE:
        return None
    month, day, hour, minute, second = date[2:]
    try:
        return datetime(number(date, 0, 2), month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def instant_of(date: bytes, zone: tzinfo, *, fold: int = 0) -> Instant | None:
    """`fold`: which of two instants a wall time means that happens twice."""
    wall = wall_of(date)
    # What is next to the ends of the calendar has no instant in every zone.
    if wall is None or not 1970 <= wall.year <= 9000:
        return None
    return from_datetime(wall.replace(tzinfo=zone, fold=fold))
