"""Readings of meters and sensors as people say them: 12.345 kWh for 12345 Wh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def measured(reading: Mapping[str, Any]) -> str:
    """`reading` as the local API has it."""
    value, unit = reading["value"], reading["unit"]
    factor, decimals, shown = _UNITS.get(unit, (1, 0, unit.replace("_", " ")))
    return f"{value / factor:.{decimals}f} {shown}".rstrip()


_UNITS = {
    "Wh": (1000, 3, "kWh"),
    "ml": (1000, 3, "l"),
    "ml_per_hour": (1000, 3, "l/h"),
    "mW": (1000, 2, "W"),
    "mV": (1000, 3, "V"),
    "mA": (1000, 3, "A"),
    "centi_celsius": (100, 2, "°C"),
    "centi_percent": (100, 2, "%"),
    "centi_lux": (100, 2, "lx"),
    "pascal": (100, 2, "hPa"),
    "g": (1000, 3, "kg"),
    "mm": (1, 0, "mm"),
    "ms": (1000, 3, "s"),
}
"""Base unit -> how many make one of what people read, decimals, and its name."""
