"""Frames, chunks and times of the TTLock V3 protocol: bytes, and nothing that decides.

Sources: kind3r/ttlock-sdk-js `src/api/CommandEnvelope.ts`, its "SDK-Analysis" and "Bad CRC
quest"; roquerodrigo/ttlock-ble `protocol/frame.py`, `commands/encoding.py`. Not here: what the
payload of a command holds (commands, media, settings, records) and its encryption (crypto).

    7F 5A | type version scene group2 organisation2 | command | AA | n | payload | CRC | 0D 0A
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.domain.instant import Instant, from_datetime, to_datetime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

SERVICE: Final = "00001910-0000-1000-8000-00805f9b34fb"
WRITE: Final = "0000fff2-0000-1000-8000-00805f9b34fb"
NOTIFY: Final = "0000fff4-0000-1000-8000-00805f9b34fb"

HEAD: Final = b"\x7f\x5a"
TAIL: Final = b"\x0d\x0a"
APP: Final = 0xAA
CHUNK: Final = 20
"""Octets in one write or notification, whatever the link could carry."""
_BEFORE_PAYLOAD: Final = 12
_AFTER_PAYLOAD: Final = 3
_MIN_TYPE: Final = 5
"""Older protocol types have another frame, which is not spoken here."""


class Code(IntEnum):
    """Command numbers. An answer's frame has `RESPONSE`; its plaintext repeats the number."""

    FEATURES = 0x01
    MANAGE_CODE = 0x03
    CARDS = 0x05
    FINGERPRINTS = 0x06
    LIST_CODES = 0x07
    STATUS = 0x14
    AES_KEY = 0x19
    LOG = 0x25
    CHECK_RANDOM = 0x30
    INIT_CODES = 0x31
    READ_CLOCK = 0x34
    AUTO_LOCK = 0x36
    REMOTE_UNLOCK = 0x37
    CHECK_ADMIN = 0x41
    SET_CLOCK = 0x43
    ERASE_CODE = 0x44
    INIT = 0x45
    UNLOCK = 0x47
    RESET = 0x52
    ADMIN_CODE = 0x53
    RESPONSE = 0x54
    CHECK_USER = 0x55
    ADD_ADMIN = 0x56
    FINISH = 0x57
    LOCK = 0x58
    SHOW_CODE = 0x59
    FREEZE = 0x61
    AUDIO = 0x62
    PASSAGE = 0x66
    LAMP = 0x67
    SWITCHES = 0x68
    CYCLIC = 0x70
    DEVICE_INFO = 0x90


class Version(NamedTuple):
    """Bytes 2 to 8 of each frame: what the lock is, and whose. The defaults are a room door's."""

    type: int = 5
    version: int = 3
    scene: int = 1
    group: int = 1
    organisation: int = 1

    def encode(self) -> bytes:
        return (
            bytes((self.type, self.version, self.scene))
            + self.group.to_bytes(2, "big")
            + self.organisation.to_bytes(2, "big")
        )


DEFAULT_VERSION: Final = Version()


@dataclass(frozen=True, slots=True)
class Frame:
    """`payload` is encrypted. Some firmware computes its CRC wrongly, always in the same way."""

    version: Version
    command: int
    payload: bytes
    crc_right: bool = True


_ODD_ENTRY: Final = 0x21


def crc8(data: bytes) -> int:
    """CRC-8/MAXIM (0x31 reflected, from 0) by the vendor's table, whose entry 0x21 is 7 and not 7D.

    Sources: kind3r/ttlock-sdk-js, issue #22; roquerodrigo/ttlock-ble, crypto.py. Captured answers
    that looked wrong ("Bad CRC quest") are right by it.
    """
    crc = 0
    for byte in data:
        crc ^= byte
        if crc == _ODD_ENTRY:
            crc = 0x07
            continue
        for _ in range(8):
            crc = crc >> 1 ^ (0x8C if crc & 1 else 0)
    return crc


def encode(version: Version, command: int, payload: bytes) -> bytes:
    """A frame with an encrypted payload of at most 255 octets."""
    body = HEAD + version.encode() + bytes((command, APP, len(payload))) + payload
    return body + bytes((crc8(body),)) + TAIL


def chunks(frame: bytes) -> Iterator[bytes]:
    for start in range(0, len(frame), CHUNK):
        yield frame[start : start + CHUNK]


class Reassembler:
    """Frames out of notifications: by their length, never by 0D 0A, which ciphertext may hold.

    What does not end in 0D 0A where it should was no frame, or has lost a part: the search goes on
    behind its head.
    """

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, chunk: bytes) -> list[Frame]:
        self._held += chunk
        found: list[Frame] = []
        while True:
            start = self._held.find(HEAD)
            if start < 0:
                del self._held[: max(0, len(self._held) - 1)]  # a head may be cut in two
                return found
            del self._held[:start]
            if len(self._held) < _BEFORE_PAYLOAD:
                return found
            end = _BEFORE_PAYLOAD + self._held[_BEFORE_PAYLOAD - 1] + _AFTER_PAYLOAD
            if self._held[2] < _MIN_TYPE:
                del self._held[: len(HEAD)]
                continue
            if len(self._held) < end:
                return found
            raw = bytes(self._held[:end])
            if raw[-2:] != TAIL:
                del self._held[: len(HEAD)]
                continue
            del self._held[:end]
            found.append(_decode(raw))


def _decode(raw: bytes) -> Frame:
    version = Version(
        raw[2], raw[3], raw[4], int.from_bytes(raw[5:7], "big"), int.from_bytes(raw[7:9], "big")
    )
    payload = raw[_BEFORE_PAYLOAD:-_AFTER_PAYLOAD]
    return Frame(version, raw[9], payload, crc8(raw[:-_AFTER_PAYLOAD]) == raw[-_AFTER_PAYLOAD])


# ── times: the plain number of each field, naive local time of the lock ─────────────────────


def date6(at: Instant, zone: tzinfo) -> bytes:
    """YY MM DD hh mm ss, rounded down to the second. ValueError outside 2000 to 2099."""
    wall = to_datetime(at).astimezone(zone)
    if not 2000 <= wall.year <= 2099:
        raise ValueError("the lock counts the years from 2000 to 2099")
    return bytes((wall.year - 2000, wall.month, wall.day, wall.hour, wall.minute, wall.second))


def date5(at: Instant, zone: tzinfo) -> bytes:
    """The same without seconds."""
    return date6(at, zone)[:5]


def instant_of(date: bytes, zone: tzinfo, *, fold: int = 0) -> Instant | None:
    """From five or six bytes; None where they are no date (a lock that lost its time has such).

    `fold`: which of two instants a wall time means that happens twice.
    """
    if len(date) < 5:
        return None
    year, month, day, hour, minute, second = (*date[:6], 0)[:6]
    try:
        wall = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return from_datetime(wall.replace(tzinfo=zone, fold=fold))


ALWAYS_FROM: Final = bytes((0, 1, 1, 0, 0))
ALWAYS_UNTIL: Final = bytes((99, 12, 1, 23, 59))
"""By convention "always" is 2000-01-01 to 2099-12-01 (vendor SDK; keys: from 31 January 2000)."""


def is_always(start: bytes, end: bytes) -> bool:
    """Whether a period is meant to be none: no guest stays from 2000 to 2099."""
    return bool(start and end) and start[0] == 0 and end[0] >= 99
