"""Bluetooth in a world file: adapters, devices, the air between them.

Here: `[[adapter]]`, `[[ble]]` and `[ble_air]` as values, and the checks of what was written. Not
here: anything that runs; this module needs no Bluetooth library.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import available_timezones

from firmware_sims import profiles
from firmware_sims.ble import device

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firmware_sims.profiles import Profile

AdapterFault = Literal["vanish", "hang", "return"]
"""`vanish`: pulled out; `hang`: takes commands and answers none; `return`: there, as new."""

USUAL_RSSI_DBM = -60
_ADDRESS = re.compile(r"(?:[0-9A-F]{2}:){5}[0-9A-F]{2}")
_DEVICE_KEYS = {
    "name",
    "family",
    "profile",
    "model",
    "address",
    "timezone",
    "rssi_dbm",
    "in_range",
    "mtu",
    "overrides",
    "settings",
    "fault",
}


class BleSpecError(Exception):
    """A table is not usable; the text says which and why."""


@dataclass(frozen=True, slots=True)
class BleAirSpec:
    """The air.

    `loss` is the chance that an advertisement, or the word that opens a link, is not heard; within
    a link it costs one more connection event. `connection_interval_s` of 0 models no connection
    events: what is sent arrives at once. `rssi_jitter_db` is the deviation of the signal strength.
    """

    loss: float = 0.0
    connection_interval_s: float = 0.0
    rssi_jitter_db: float = 2.0


@dataclass(frozen=True, slots=True)
class AdapterSpec:
    """One adapter of a host under test; `slots` is how many links it holds."""

    name: str = "hci0"
    slots: int = 8


@dataclass(frozen=True, slots=True)
class BleSpec:
    """One device: a lock has a `profile`, a sensor a `model`."""

    name: str
    family: str
    address: str
    profile: Profile | None = None
    model: str = ""
    timezone: str | None = None
    rssi_dbm: int = USUAL_RSSI_DBM
    in_range: bool = True
    mtu: int = 247
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    faults: tuple[Mapping[str, Any], ...] = ()


def parse_air(data: Mapping[str, Any]) -> BleAirSpec:
    """The table `[ble_air]`."""
    _only(data, set(BleAirSpec.__dataclass_fields__), "[ble_air]")
    for key, value in data.items():
        if type(value) not in (int, float) or value < 0:
            raise BleSpecError(f"[ble_air] {key} must be a number of at least 0, got {value!r}")
    if data.get("loss", 0) >= 1:
        raise BleSpecError("[ble_air] loss must be below 1: nothing would ever arrive")
    return BleAirSpec(**data)


def parse_adapters(entries: list[Mapping[str, Any]]) -> tuple[AdapterSpec, ...]:
    """All `[[adapter]]`; one `hci0` where none is written."""
    adapters = []
    for entry in entries:
        _only(entry, {"name", "slots"}, "an [[adapter]]")
        name, slots = entry.get("name"), entry.get("slots", 8)
        if not isinstance(name, str) or not name:
            raise BleSpecError("an [[adapter]] lacks its name")
        if type(slots) is not int or slots < 1:
            raise BleSpecError(f"adapter {name!r}: slots must be at least 1, got {slots!r}")
        adapters.append(AdapterSpec(name, slots))
    if len({adapter.name for adapter in adapters}) != len(adapters):
        raise BleSpecError("two adapters have the same name")
    return tuple(adapters) or (AdapterSpec(),)


def parse_device(entry: Mapping[str, Any]) -> BleSpec:
    """One `[[ble]]`."""
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise BleSpecError("a [[ble]] lacks its name")
    where = f"device {name!r}"
    _only(entry, _DEVICE_KEYS, where)
    for key, kind, default in (
        ("rssi_dbm", int, USUAL_RSSI_DBM),
        ("in_range", bool, True),
        ("mtu", int, 247),
        ("overrides", dict, {}),
        ("settings", dict, {}),
        ("fault", list, []),
    ):
        if type(entry.get(key, default)) is not kind:
            raise BleSpecError(f"{where}: {key} must be {kind.__name__}, got {entry[key]!r}")
    mtu = entry.get("mtu", 247)
    if not 23 <= mtu <= 517:
        raise BleSpecError(f"{where}: mtu must be between 23 and 517, got {mtu}")
    address = str(entry.get("address", "")).upper()
    if not _ADDRESS.fullmatch(address):
        raise BleSpecError(f"{where}: address must be AA:BB:CC:DD:EE:FF, got {address!r}")
    timezone = entry.get("timezone")
    if timezone is not None and timezone not in available_timezones():
        raise BleSpecError(f"{where}: {timezone!r} is not an IANA time zone")
    profile, model = _kind(entry, where)
    return BleSpec(
        name=name,
        family=entry["family"],
        address=address,
        profile=profile,
        model=model,
        timezone=timezone,
        rssi_dbm=entry.get("rssi_dbm", USUAL_RSSI_DBM),
        in_range=entry.get("in_range", True),
        mtu=mtu,
        settings=entry.get("settings", {}),
        faults=tuple(entry.get("fault", ())),
    )


def _kind(entry: Mapping[str, Any], where: str) -> tuple[Profile | None, str]:
    family = entry.get("family")
    if family in device.LOCK_FAMILIES:
        if "profile" not in entry:
            raise BleSpecError(f"{where} lacks 'profile'")
        profile = profiles.load(entry["profile"])
        return profile.with_overrides(entry.get("overrides", {})), ""
    if family in device.SENSOR_FAMILIES:
        models = device.sensor_family(family).MODELS
        if entry.get("model") not in models:
            raise BleSpecError(
                f"{where}: unknown model {entry.get('model')!r}; known: {', '.join(sorted(models))}"
            )
        for key in ("profile", "overrides", "timezone", "fault"):
            if key in entry:
                raise BleSpecError(f"{where}: a {family} device has no {key}")
        return None, entry["model"]
    known = ", ".join(sorted([*device.LOCK_FAMILIES, *device.SENSOR_FAMILIES]))
    raise BleSpecError(f"{where}: unknown family {family!r}; known: {known}")


def _only(data: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(data) - known)
    if unknown:
        raise BleSpecError(
            f"{where} has no {', '.join(map(repr, unknown))}; known: {', '.join(sorted(known))}"
        )
