"""bthome-ble, and nothing else here imports it: one advertisement in, plain values out.

The library is new for each advertisement: it keeps what it said before and says it again with the
next, and after two forged packets it forgets which counters are past (bthome-ble 3.25). What is
a repetition or a replay is decided in `driver`. It is imported when the first sensor is there: with
what it brings it costs 11 MB.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from gateway.drivers.bthome import wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.radios.api import Advertisement

MANUFACTURER = "BTHome"


_NO_VALUES = frozenset({"signal_strength", "packet_id", "timestamp"})
"""Of the radio, of the packet, and a date."""


@dataclass(frozen=True, slots=True)
class Value:
    """`name` as BTHome has it, with `_2` and so on behind the first of several.

    `unit` is the library's; None for a state and for a plain number.
    """

    name: str
    unit: str | None
    value: float | bool


@dataclass(frozen=True, slots=True)
class Told:
    """One advertisement in clear. `packet_id` rises by one with each measurement, 255 to 0."""

    values: tuple[Value, ...]
    packet_id: int | None
    manufacturer: str
    model: str


def read(advertisement: Advertisement, bindkey: bytes | None) -> Told | None:
    """None where it says nothing: a wrong key, no key, clear although there is a key, garbage."""
    header = wire.header_of(advertisement)
    if header is None or header.encrypted is not (bindkey is not None):
        return None
    parser = _library()(bindkey=bindkey)
    update = parser.update(_ServiceInfo.of(advertisement))
    understood = parser.bindkey_verified if bindkey else parser.last_service_info is not None
    if not understood:
        return None
    values = [
        Value(key.key, _unit(update, key), entry.native_value)
        for key, entry in update.entity_values.items()
        if isinstance(entry.native_value, int | float) and key.key not in _NO_VALUES
    ]
    values += [
        Value(key.key, None, bool(entry.native_value))
        for key, entry in update.binary_entity_values.items()
    ]
    device = update.devices.get(None)
    return Told(
        tuple(values),
        None if parser.packet_id is None else int(parser.packet_id),
        (device and device.manufacturer) or MANUFACTURER,
        (device and device.model) or "sensor",
    )


def _unit(update: Any, key: Any) -> str | None:
    unit = update.entity_descriptions[key].native_unit_of_measurement
    return None if unit is None else str(unit.value)


@dataclass(frozen=True, slots=True)
class _ServiceInfo:
    """What the library reads of Home Assistant's type of this name, which would bring bleak."""

    name: str
    address: str
    rssi: int
    manufacturer_data: Mapping[int, bytes]
    service_data: Mapping[str, bytes]
    service_uuids: tuple[str, ...]
    source: str
    time: float

    @classmethod
    def of(cls, heard: Advertisement) -> _ServiceInfo:
        return cls(
            heard.name or heard.address,
            heard.address,
            heard.rssi_dbm,
            heard.manufacturer_data,
            heard.service_data,
            heard.service_uuids,
            heard.adapter,
            heard.heard_at,
        )


@cache
def _library() -> Any:
    from bthome_ble import BTHomeBluetoothDeviceData

    # It warns of each packet that it cannot read, and at DEBUG it logs what was decrypted.
    logging.getLogger("bthome_ble").setLevel(logging.CRITICAL)
    return BTHomeBluetoothDeviceData
