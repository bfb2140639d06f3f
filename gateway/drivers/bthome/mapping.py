"""What BTHome's values mean to the house. Pure.

Names and units are bthome-ble's (its `const.py`, after bthome.io/format); ours are whole base
units. What has no line here is not told: nobody could say in what unit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.drivers.api import Measured, Nature, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.drivers.api import DeviceEvent
    from gateway.drivers.bthome.parser import Value

METER, SENSOR = "meter", "sensor"


@dataclass(frozen=True, slots=True)
class _Unit:
    """`factor`: base units in one of theirs."""

    name: str
    factor: float
    nature: Nature = Nature.LEVEL


_UNITS = {
    ("energy", "kWh"): _Unit("Wh", 1000, Nature.COUNTER),
    ("gas", "m³"): _Unit("ml", 1_000_000, Nature.COUNTER),
    ("water", "L"): _Unit("ml", 1000, Nature.COUNTER),
    ("volume", "L"): _Unit("ml", 1000),
    ("volume", "mL"): _Unit("ml", 1),
    ("volume_storage", "L"): _Unit("ml", 1000),
    ("volume_flow_rate", "m³/h"): _Unit("ml_per_hour", 1_000_000),
    ("power", "W"): _Unit("mW", 1000),
    ("voltage", "V"): _Unit("mV", 1000),
    ("current", "A"): _Unit("mA", 1000),
    ("temperature", "°C"): _Unit("centi_celsius", 100),
    ("dew_point", "°C"): _Unit("centi_celsius", 100),
    ("humidity", "%"): _Unit("centi_percent", 100),
    ("moisture", "%"): _Unit("centi_percent", 100),
    ("pressure", "mbar"): _Unit("pascal", 100),
    ("illuminance", "lx"): _Unit("centi_lux", 100),
    ("mass", "kg"): _Unit("g", 1000),
    ("mass", "lb"): _Unit("g", 453.59237),
    ("distance", "mm"): _Unit("mm", 1),
    ("distance", "m"): _Unit("mm", 1000),
    ("duration", "s"): _Unit("ms", 1000),
    ("carbon_dioxide", "ppm"): _Unit("ppm", 1),
    ("volatile_organic_compounds", "µg/m³"): _Unit("ug_per_m3", 1),
    ("pm25", "µg/m³"): _Unit("ug_per_m3", 1),
    ("pm10", "µg/m³"): _Unit("ug_per_m3", 1),
    ("count", None): _Unit("", 1),
}
_STATES = {"power": "power_on", "moisture": "wet", "gas": "gas_detected"}
"""States that are called as a quantity is."""
_BATTERY = "battery"
_SEVERAL = re.compile(r"_\d+$")
"""How bthome-ble tells several of a kind apart."""


def events_of(values: Sequence[Value]) -> tuple[DeviceEvent, ...]:
    """Battery as `Measured`, everything else as a `Reading` of its own."""
    percent = low = None
    for value in values:
        if value.name == _BATTERY:
            if isinstance(value.value, bool):
                low = value.value
            elif 0 <= value.value <= 100:
                percent = int(value.value)
    readings = tuple(_readings(values))
    if percent is None and low is None:
        return readings
    return (Measured(battery_percent=percent, battery_low=low), *readings)


def kind_of(values: Sequence[Value]) -> str:
    """A meter counts what somebody pays for."""
    counts = any(reading.nature is Nature.COUNTER for reading in _readings(values))
    return METER if counts else SENSOR


def _readings(values: Sequence[Value]) -> Iterator[Reading]:
    for value in values:
        base = _SEVERAL.sub("", value.name)
        if base == _BATTERY:
            continue
        if isinstance(value.value, bool):
            name = _STATES.get(base, base) + value.name[len(base) :]
            yield Reading(name, int(value.value), "", Nature.STATE)
            continue
        unit = _UNITS.get((base, value.unit))
        if unit is not None:
            yield Reading(value.name, round(value.value * unit.factor), unit.name, unit.nature)
