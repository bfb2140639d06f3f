"""Z-Wave locks in a world file: the tables `[[zwave]]` and `[zwave_air]`, checked.

Here: shapes, defaults, errors that name the device and the key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import available_timezones

from firmware_sims import profiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firmware_sims.profiles import Profile


ControllerFault = Literal["mute", "unmute", "cut", "jam", "clear"]
"""What `network.ZwaveNetwork.fail` can do to the stick."""


class ZwaveSpecError(Exception):
    """A table of the world file is not usable; the text says which and why."""


@dataclass(frozen=True, slots=True)
class ZwaveSpec:
    """One lock. `pairing`: in learn mode from the start; `smart_start`: announces itself."""

    name: str
    profile: Profile
    timezone: str | None = None
    pairing: bool = False
    smart_start: bool = False
    faults: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ZwaveAirSpec:
    """`air_s`: how long one frame is in the air; `loss_up`, `loss_down`: the share that is lost
    from a node and to it, after the retries of the network layer."""

    air_s: float = 0.002
    loss_up: float = 0.0
    loss_down: float = 0.0


_KEYS = {"name", "profile", "timezone", "pairing", "smart_start", "overrides", "fault"}


def parse_lock(entry: Mapping[str, Any]) -> ZwaveSpec:
    """One `[[zwave]]`."""
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise ZwaveSpecError("a [[zwave]] lacks its name")
    where = f"device {name!r}"
    _only(entry, _KEYS, where)
    for key, kind, default in (
        ("pairing", bool, False),
        ("smart_start", bool, False),
        ("overrides", dict, {}),
        ("fault", list, []),
    ):
        if type(entry.get(key, default)) is not kind:
            raise ZwaveSpecError(f"{where}: {key} must be {kind.__name__}, got {entry[key]!r}")
    if "profile" not in entry:
        raise ZwaveSpecError(f"{where} lacks 'profile'")
    profile = profiles.load(entry["profile"]).with_overrides(entry.get("overrides", {}))
    if "versions" not in profile.skin:
        raise ZwaveSpecError(f"{where}: {profile.name!r} is no model with Z-Wave")
    timezone = entry.get("timezone")
    if timezone is not None and timezone not in available_timezones():
        raise ZwaveSpecError(f"{where}: {timezone!r} is not an IANA time zone")
    return ZwaveSpec(
        name=name,
        profile=profile,
        timezone=timezone,
        pairing=entry.get("pairing", False),
        smart_start=entry.get("smart_start", False),
        faults=tuple(entry.get("fault", ())),
    )


def parse_air(entry: Mapping[str, Any]) -> ZwaveAirSpec:
    """`[zwave_air]`."""
    _only(entry, set(ZwaveAirSpec.__dataclass_fields__), "[zwave_air]")
    for key, value in entry.items():
        if type(value) not in (int, float) or value < 0:
            raise ZwaveSpecError(f"[zwave_air] {key} must be a number of at least 0, got {value!r}")
    return ZwaveAirSpec(**entry)


def _only(data: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(data) - known)
    if unknown:
        raise ZwaveSpecError(
            f"{where} has no {', '.join(map(repr, unknown))}; known: {', '.join(sorted(known))}"
        )
