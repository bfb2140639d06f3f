"""The EZSP codec: frame headers, status values in three encodings, and field layouts.

Here: how a frame is cut into named fields and back, for any version. Not here: which commands
exist and what their fields are (``ezsp_commands``) and what they do (``ncp``).

Fact sources: Silicon Labs UG100 "EmberZNet API Reference: EZSP" (headers, statuses), read
together with the tables of bellows 1.2.1 (``bellows.types.named.SL_STATUS_MAP``).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

Fields = Mapping[str, Any]


class EzspError(Exception):
    """The host sent a frame that cannot be decoded; ``code`` is the EzspStatus to answer."""

    def __init__(self, code: int) -> None:
        super().__init__(f"EZSP frame refused with EzspStatus 0x{code:02X}")
        self.code = code


VERSION_NOT_SET, INVALID_FRAME_ID, TRUNCATED = 0x30, 0x31, 0x33


class Status(Enum):
    """A status as (EmberStatus, EzspStatus, sl_status_t).

    Up to EZSP 13 a command answers with one of the first two, by command; from 14 on with the
    third everywhere. The security manager commands use the third in every version.
    """

    OK = (0x00, 0x00, 0x0000)
    FAIL = (0x01, 0x36, 0x0001)
    INVALID_STATE = (0x70, 0x38, 0x0002)
    INVALID_PARAMETER = (0x02, 0x36, 0x0021)
    INVALID_INDEX = (0xB1, 0x37, 0x0027)
    NOT_FOUND = (0x03, 0x37, 0x002D)
    NOT_SUPPORTED = (0xB5, 0x37, 0x000E)
    NETWORK_UP = (0x90, 0x36, 0x0015)
    NETWORK_DOWN = (0x91, 0x36, 0x0016)
    NOT_JOINED = (0x93, 0x36, 0x0017)
    NETWORK_OPENED = (0x9C, 0x36, 0x0C18)
    NETWORK_CLOSED = (0x9D, 0x36, 0x0C19)
    MESSAGE_TOO_LONG = (0x74, 0x36, 0x0038)
    DELIVERY_FAILED = (0x66, 0x36, 0x0C02)
    MAX_MESSAGE_LIMIT_REACHED = (0x72, 0x36, 0x0C03)

    @property
    def ember(self) -> int:
        return int(self.value[0])

    @property
    def ezsp(self) -> int:
        return int(self.value[1])

    @property
    def sl(self) -> int:
        return int(self.value[2])


# Layout letters beyond those of ``struct``: K a 16-byte key; E an EmberStatus, Z an EzspStatus,
# S always sl_status_t; L bytes with an 8-bit length and R the rest of the frame, last only.
_PLAIN = {"K": "16s", "S": "I"}


@dataclass(frozen=True, slots=True)
class Layout:
    """Named little-endian fields of a fixed size, with at most one variable tail."""

    names: tuple[str, ...]
    packer: struct.Struct
    statuses: tuple[tuple[int, int], ...]  # (position in names, which encoding of Status)
    tail: str | None
    tail_kind: str
    defaults: tuple[Any, ...]

    def pack(self, fields: Fields) -> bytes:
        """Encode; a field that is missing is zero, as firmware leaves it after an error."""
        values = [fields.get(n, d) for n, d in zip(self.names, self.defaults, strict=True)]
        for position, encoding in self.statuses:
            value = values[position]
            values[position] = (value if isinstance(value, Status) else Status.OK).value[encoding]
        data = self.packer.pack(*values)
        if self.tail is None:
            return data
        tail: bytes = fields.get(self.tail, b"")
        return data + bytes((len(tail),)) + tail if self.tail_kind == "L" else data + tail

    def unpack(self, data: bytes) -> dict[str, Any]:
        """Decode; trailing fields the host left out read as zero.

        Hosts differ in what they append (importTransientKey.flags, the network index of a
        multicast entry), and firmware reads its zeroed buffer. Extra bytes are ignored.
        """
        size = self.packer.size
        if len(data) < size:
            data = data.ljust(size, b"\0")
        fields = dict(zip(self.names, self.packer.unpack_from(data), strict=True))
        if self.tail is not None:
            rest = data[size:]
            if self.tail_kind == "L":
                length = rest[0] if rest else 0
                rest = rest[1 : 1 + length]
                if len(rest) < length:
                    raise EzspError(TRUNCATED)
            fields[self.tail] = rest
        return fields


@lru_cache(maxsize=1024)
def layout(text: str, *, unified_status: bool) -> Layout:
    """Compile ``"name:letter …"``; ``unified_status`` says E and Z are sl_status_t (EZSP ≥ 14)."""
    names: list[str] = []
    statuses: list[tuple[int, int]] = []
    defaults: list[Any] = []
    form, tail, tail_kind = "<", None, ""
    for item in text.split():
        name, _, letter = item.partition(":")
        if letter in ("L", "R"):
            tail, tail_kind = name, letter
            continue
        if letter in "EZS":
            encoding = 2 if unified_status or letter == "S" else "EZ".index(letter)
            statuses.append((len(names), encoding))
            form += "I" if encoding == 2 else "B"
        else:
            form += _PLAIN.get(letter, letter)
        names.append(name)
        defaults.append(bytes(16) if letter == "K" else 0)
    return Layout(
        tuple(names), struct.Struct(form), tuple(statuses), tail, tail_kind, tuple(defaults)
    )


@dataclass(frozen=True, slots=True)
class Request:
    """A command from the host; ``extended`` is the header format it came in."""

    sequence: int
    frame_id: int
    extended: bool
    parameters: bytes


_RESPONSE, _ASYNCHRONOUS_CALLBACK, _FORMAT_1 = 0x80, 0x10, 0x01


def parse_request(data: bytes) -> Request:
    """Tell the extended header (EZSP ≥ 8) from the first, legacy one by its format byte.

    A legacy ``version`` has a frame id of 0 in the place where extended frames carry 0x01.
    """
    if len(data) >= 5 and data[2] == _FORMAT_1:
        return Request(data[0], int.from_bytes(data[3:5], "little"), True, data[5:])
    if len(data) >= 3:
        return Request(data[0], data[2], False, data[3:])
    raise EzspError(TRUNCATED)


def response(sequence: int, frame_id: int, parameters: bytes, *, extended: bool) -> bytes:
    """Build a response with the header format of its command."""
    if extended:
        header = struct.pack("<BBBH", sequence, _RESPONSE, _FORMAT_1, frame_id)
    else:
        header = bytes((sequence, _RESPONSE, frame_id & 0xFF))
    return header + parameters


def callback(sequence: int, frame_id: int, parameters: bytes) -> bytes:
    """Build an asynchronous callback; ``sequence`` is that of the last response, by contract."""
    control = _RESPONSE | _ASYNCHRONOUS_CALLBACK
    return struct.pack("<BBBH", sequence, control, _FORMAT_1, frame_id) + parameters
