"""ZCL frames and data types, as a device encodes them.

Here: the frame header, integers and strings, attribute values by type id, status codes. Not here:
what any cluster means (``zcl_server``, ``door_lock``). Written from the ZCL specification
(revision 8, 07-5123), chapter 2; it shares no code with zigpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Malformed(Exception):
    """A frame ends too early or has an impossible field; the sender's fault."""


class Status(IntEnum):
    """ZCL 8, 2.6.3."""

    SUCCESS = 0x00
    FAILURE = 0x01
    MALFORMED_COMMAND = 0x80
    UNSUP_CLUSTER_COMMAND = 0x81
    UNSUP_GENERAL_COMMAND = 0x82
    UNSUP_MANUF_CLUSTER_COMMAND = 0x83
    INVALID_FIELD = 0x85
    UNSUPPORTED_ATTRIBUTE = 0x86
    INVALID_VALUE = 0x87
    READ_ONLY = 0x88
    NOT_FOUND = 0x8B
    UNREPORTABLE_ATTRIBUTE = 0x8C
    INVALID_DATA_TYPE = 0x8D
    UNSUPPORTED_CLUSTER = 0xC3


class Type(IntEnum):
    """The data types that locks use; ZCL 8, 2.6.2."""

    BOOL = 0x10
    MAP8 = 0x18
    MAP16 = 0x19
    UINT8 = 0x20
    UINT16 = 0x21
    UINT32 = 0x23
    INT32 = 0x2B
    ENUM8 = 0x30
    STRING = 0x42
    UTC = 0xE2


class General(IntEnum):
    """Commands that every cluster understands; ZCL 8, 2.5."""

    READ_ATTRIBUTES = 0x00
    READ_ATTRIBUTES_RESPONSE = 0x01
    WRITE_ATTRIBUTES = 0x02
    WRITE_ATTRIBUTES_UNDIVIDED = 0x03
    WRITE_ATTRIBUTES_RESPONSE = 0x04
    WRITE_ATTRIBUTES_NO_RESPONSE = 0x05
    CONFIGURE_REPORTING = 0x06
    CONFIGURE_REPORTING_RESPONSE = 0x07
    READ_REPORTING_CONFIGURATION = 0x08
    READ_REPORTING_CONFIGURATION_RESPONSE = 0x09
    REPORT_ATTRIBUTES = 0x0A
    DEFAULT_RESPONSE = 0x0B
    DISCOVER_ATTRIBUTES = 0x0C
    DISCOVER_ATTRIBUTES_RESPONSE = 0x0D
    DISCOVER_COMMANDS_RECEIVED = 0x11
    DISCOVER_COMMANDS_RECEIVED_RESPONSE = 0x12
    DISCOVER_COMMANDS_GENERATED = 0x13
    DISCOVER_COMMANDS_GENERATED_RESPONSE = 0x14
    DISCOVER_ATTRIBUTES_EXTENDED = 0x15
    DISCOVER_ATTRIBUTES_EXTENDED_RESPONSE = 0x16


_SIZES = {
    0x00: 0,
    0x10: 1,
    **{0x08 + n: n + 1 for n in range(8)},  # data8 … data64
    **{0x18 + n: n + 1 for n in range(8)},  # map8 … map64
    **{0x20 + n: n + 1 for n in range(8)},  # uint8 … uint64
    **{0x28 + n: n + 1 for n in range(8)},  # int8 … int64
    0x30: 1,
    0x31: 2,
    0x38: 2,  # the floats are carried as their bits: no lock has one
    0x39: 4,
    0x3A: 8,
    0xE0: 4,
    0xE1: 4,
    0xE2: 4,
    0xE8: 2,
    0xE9: 2,
    0xEA: 4,
    0xF0: 8,
    0xF1: 16,
}
_STRINGS = {0x41: 1, 0x42: 1, 0x43: 2, 0x44: 2}
_SIGNED = range(0x28, 0x30)

# Types whose reports carry a reportable change: the analogue ones (ZCL 8, 2.6.2, table 2-11).
_ANALOGUE = frozenset({*range(0x20, 0x30), 0x38, 0x39, 0x3A, 0xE0, 0xE1, 0xE2})

Value = int | bytes


def analogue(type_id: int) -> bool:
    """Whether a value of this type can change by an amount."""
    return type_id in _ANALOGUE


class Reader:
    """Takes fields from the front of a payload; ``Malformed`` when they are not there."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        """Whether anything is left."""
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        """So many raw bytes."""
        end = self._at + size
        if end > len(self._data):
            raise Malformed(f"wanted {size} bytes at offset {self._at} of {len(self._data)}")
        chunk = self._data[self._at : end]
        self._at = end
        return chunk

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(len(self._data) - self._at)

    def unsigned(self, size: int) -> int:
        """A little-endian unsigned integer."""
        return int.from_bytes(self.take(size), "little")

    def u8(self) -> int:
        return self.unsigned(1)

    def u16(self) -> int:
        return self.unsigned(2)

    def u32(self) -> int:
        return self.unsigned(4)

    def string(self) -> bytes:
        """A string with its length in front; 0xFF stands for an invalid one and reads as empty."""
        length = self.u8()
        return b"" if length == 0xFF else self.take(length)

    def value(self, type_id: int) -> Value:
        """An attribute value of the given type; collections are refused."""
        if type_id in _STRINGS:
            size = _STRINGS[type_id]
            length = self.unsigned(size)
            return b"" if length == (1 << 8 * size) - 1 else self.take(length)
        if type_id not in _SIZES:
            raise Malformed(f"data type 0x{type_id:02x} is not one that a lock takes")
        raw = self.take(_SIZES[type_id])
        return int.from_bytes(raw, "little", signed=type_id in _SIGNED)


def u8(value: int) -> bytes:
    """One byte."""
    return value.to_bytes(1, "little")


def u16(value: int) -> bytes:
    """Two bytes, little endian."""
    return value.to_bytes(2, "little")


def u32(value: int) -> bytes:
    """Four bytes, little endian."""
    return value.to_bytes(4, "little")


def wall_time(seconds: int) -> int:
    """Seconds since 2000 within what a time field holds; its highest value means "invalid"."""
    return max(0, min(seconds, 0xFFFF_FFFE))


def string(value: bytes) -> bytes:
    """A string with its length in front."""
    return u8(len(value)) + value


def encode(type_id: int, value: Value) -> bytes:
    """An attribute value without its type id."""
    if isinstance(value, bytes):
        return len(value).to_bytes(_STRINGS[type_id], "little") + value
    return value.to_bytes(_SIZES[type_id], "little", signed=type_id in _SIGNED)


_CLUSTER_SPECIFIC = 0x01
_MANUFACTURER_SPECIFIC = 0x04
_FROM_SERVER = 0x08
_NO_DEFAULT_RESPONSE = 0x10


@dataclass(frozen=True, slots=True)
class Frame:
    """One ZCL frame (ZCL 8, 2.4): header fields and the command's payload."""

    sequence: int
    command: int
    payload: bytes = b""
    cluster_specific: bool = False
    from_server: bool = False
    no_default_response: bool = False
    manufacturer: int | None = None

    @classmethod
    def parse(cls, data: bytes) -> Frame:
        """Read a frame; ``Malformed`` when it is shorter than its header or of a reserved type."""
        reader = Reader(data)
        control = reader.u8()
        if control & 0x03 > 1:
            raise Malformed(f"reserved frame type in control field 0x{control:02x}")
        manufacturer = reader.u16() if control & _MANUFACTURER_SPECIFIC else None
        return cls(
            sequence=reader.u8(),
            command=reader.u8(),
            payload=reader.rest(),
            cluster_specific=bool(control & _CLUSTER_SPECIFIC),
            from_server=bool(control & _FROM_SERVER),
            no_default_response=bool(control & _NO_DEFAULT_RESPONSE),
            manufacturer=manufacturer,
        )

    def encode(self) -> bytes:
        """The frame as bytes."""
        control = (
            (_CLUSTER_SPECIFIC if self.cluster_specific else 0)
            | (_MANUFACTURER_SPECIFIC if self.manufacturer is not None else 0)
            | (_FROM_SERVER if self.from_server else 0)
            | (_NO_DEFAULT_RESPONSE if self.no_default_response else 0)
        )
        manufacturer = b"" if self.manufacturer is None else u16(self.manufacturer)
        return u8(control) + manufacturer + u8(self.sequence) + u8(self.command) + self.payload

    def reply(self, command: int, payload: bytes, *, cluster_specific: bool) -> Frame:
        """An answer from the server side: same sequence number, no default response wanted."""
        return Frame(
            sequence=self.sequence,
            command=command,
            payload=payload,
            cluster_specific=cluster_specific,
            from_server=not self.from_server,
            no_default_response=True,
            manufacturer=self.manufacturer,
        )

    def default_response(self, status: Status) -> Frame:
        """The answer of last resort (ZCL 8, 2.5.12)."""
        return self.reply(
            General.DEFAULT_RESPONSE, u8(self.command) + u8(status), cluster_specific=False
        )
