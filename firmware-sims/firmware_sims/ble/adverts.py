"""Advertising payloads: what is on the air, byte by byte, in both directions.

Here: AD structures (Core Specification 6.0, Vol 3, Part C, 11; Supplement 12, Part A) to and from
values. Not here: when anything is sent (`controller`) or what a device says (the skins).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from firmware_sims.ble.peripheral import Advertising

ROOM = 31
"""Bytes in a legacy advertising or scan response PDU (Vol 6, Part B, 2.3.1)."""
_BASE = "-0000-1000-8000-00805f9b34fb"

_FLAGS, _TX_POWER, _MANUFACTURER = 0x01, 0x0A, 0xFF
_UUIDS = {0x02: 2, 0x03: 2, 0x04: 4, 0x05: 4, 0x06: 16, 0x07: 16}
_SHORT_NAME, _NAME = 0x08, 0x09
_DATA = {0x16: 2, 0x20: 4, 0x21: 16}

_GENERAL_DISCOVERABLE_NO_CLASSIC = 0x06
_NO_CLASSIC = 0x04


class RoomError(Exception):
    """What a device wants to say does not fit on the air."""


@dataclass(slots=True)
class Said:
    """What was heard in one advertising event, scan response included."""

    name: str | None = None
    service_uuids: list[str] = field(default_factory=list)
    manufacturer_data: dict[int, bytes] = field(default_factory=dict)
    service_data: dict[str, bytes] = field(default_factory=dict, repr=False)
    tx_power: int | None = None


def full_uuid(little_endian: bytes) -> str:
    """A UUID of 2, 4 or 16 bytes in its 128-bit form, lower case."""
    digits = little_endian[::-1].hex()
    if len(digits) < 32:
        return digits.rjust(8, "0") + _BASE
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def short_uuid(uuid: str) -> bytes:
    """The shortest form a UUID has on the air, little endian."""
    if uuid.endswith(_BASE):
        number = int(uuid[:8], 16)
        return number.to_bytes(2 if number < 0x10000 else 4, "little")
    return bytes.fromhex(uuid.replace("-", ""))[::-1]


def encode(said: Advertising) -> tuple[bytes, bytes]:
    """Advertising data and scan response; `RoomError` when they are too long.

    In the order of the fields, each into the advertisement while there is room, else into the scan
    response; a name that fits nowhere is shortened. A device nobody can connect to is not asked for
    a scan response either, and has only the advertisement.
    """
    fields = [_uuids(said.service_uuids, size) for size in (2, 4, 16)]
    fields += [
        bytes([_MANUFACTURER]) + company.to_bytes(2, "little") + data
        for company, data in said.manufacturer_data.items()
    ]
    for uuid, data in said.service_data.items():
        short = short_uuid(uuid)
        kind = next(kind for kind, size in _DATA.items() if size == len(short))
        fields.append(bytes([kind]) + short + data)
    flags = _GENERAL_DISCOVERABLE_NO_CLASSIC if said.connectable else _NO_CLASSIC
    packets = [bytearray([2, _FLAGS, flags])]
    if said.connectable:
        packets.append(bytearray())
    for item in filter(None, fields):
        _place(packets, item)
    if name := said.name.encode():
        room = max(ROOM - 2 - len(packet) for packet in packets)
        if room < len(name):
            name = name[: max(0, room)].decode(errors="ignore").encode()
            if name:
                _place(packets, bytes([_SHORT_NAME]) + name)
        else:
            _place(packets, bytes([_NAME]) + name)
    return bytes(packets[0]), bytes(packets[1]) if said.connectable else b""


def _uuids(uuids: tuple[str, ...], size: int) -> bytes:
    kind = next(kind for kind, length in _UUIDS.items() if kind & 1 and length == size)
    body = b"".join(short for short in map(short_uuid, uuids) if len(short) == size)
    return bytes([kind]) + body if body else b""


def _place(packets: list[bytearray], item: bytes) -> None:
    for packet in packets:
        if len(packet) + 1 + len(item) <= ROOM:
            packet += bytes([len(item)]) + item
            return
    raise RoomError(f"an advertisement has {ROOM} bytes; no room for a field of {len(item)}")


def decode(data: bytes) -> Said:
    """Read AD structures; a malformed rest is ignored, as radios do."""
    said = Said()
    while len(data) > 1 and data[0] and len(data) > data[0]:
        kind, body = data[1], data[2 : 1 + data[0]]
        data = data[1 + data[0] :]
        if size := _UUIDS.get(kind):
            for start in range(0, len(body) - size + 1, size):
                uuid = full_uuid(body[start : start + size])
                if uuid not in said.service_uuids:
                    said.service_uuids.append(uuid)
        elif kind in (_SHORT_NAME, _NAME):
            said.name = body.decode(errors="replace")
        elif kind == _MANUFACTURER and len(body) >= 2:
            said.manufacturer_data[int.from_bytes(body[:2], "little")] = body[2:]
        elif (size := _DATA.get(kind)) and len(body) >= size:
            said.service_data[full_uuid(body[:size])] = body[size:]
        elif kind == _TX_POWER and len(body) == 1:
            said.tx_power = int.from_bytes(body, signed=True)
    return said
