"""Profiles: what each simulated model of lock can do, read from the TOML files next to this one.

Here: the shape of a profile and its loader, which refuses unknown keys. Not here: any behaviour.
A fact in a profile names its source in a comment there; "z2m" is zigbee-herdsman-converters,
src/devices, and "assumed" is what no source states.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields, replace
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


class ProfileError(Exception):
    """A profile or an override of one is not usable; the text names the profile and the key."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One model of lock. Times in seconds, voltages in millivolts."""

    name: str
    # What it says it is.
    manufacturer: str
    model: str
    manufacturer_code: int
    software: str = "1.0.0"
    lock_type: int = 0
    # Its radio.
    endpoint: int = 1
    input_clusters: tuple[int, ...] = (0x0000, 0x0001, 0x0003, 0x0009, 0x0101)
    output_clusters: tuple[int, ...] = (0x000A, 0x0019)
    sleepy: bool = False
    poll_interval_s: float = 0.0
    command_time_s: float = 0.0
    """How long it is busy with one command; commands queue behind each other."""
    # Its memory.
    slots: int = 30
    first_slot: int = 0
    code_memory: int = 0
    """How many codes fit at all, when fewer than slots; 0 means one for each slot."""
    min_code_length: int = 4
    max_code_length: int = 8
    master_slot: int = -1
    """The slot whose code set by hand is a master code; -1 when there is none."""
    duplicate_includes_own_slot: bool = False
    log_records: int = 0
    # Schedules: kept (and enforced), ignored (accepted and read back, never enforced), unsupported.
    schedules: Literal["kept", "ignored", "unsupported"] = "unsupported"
    week_day_schedules: int = 0
    year_day_schedules: int = 0
    holiday_schedules: int = 0
    clearing_schedule_unrestricts: bool = False
    clearing_code_clears_schedules: bool = False
    # Its clock.
    drift_ppm: float = 0.0
    clock_survives_power_loss: bool = True
    # What it tells.
    send_pin_over_the_air: bool = False
    pin_in_events: bool = False
    """Digits in events even where the attribute forbids it."""
    byte_swapped_user_id: bool = False
    reports_invalid_codes: bool = True
    battery_percent_is_whole: bool = False
    """Reports 100 for full, where ZCL counts half percents up to 200."""
    # Its mechanics and keypad.
    auto_relock_s: int = 0
    wrong_code_limit: int = 5
    lockout_s: int = 60
    has_door_sensor: bool = False
    one_touch_locking: bool = True
    requires_pin_for_radio: bool = False
    battery_full_mv: int = 6000
    battery_empty_mv: int = 4400
    # Its reader.
    cards: int = 0
    """How many cards fit; 0 means that it reads none."""
    fingers: int = 0
    skin: Mapping[str, Any] = field(default_factory=dict)
    """Facts that only one protocol has; its skin checks them. An override changes single ones."""

    def __post_init__(self) -> None:
        if self.schedules not in ("kept", "ignored", "unsupported"):
            raise ProfileError(
                f"profile {self.name!r}: schedules must be kept, ignored or unsupported"
            )
        if not 0 < self.min_code_length <= self.max_code_length:
            raise ProfileError(f"profile {self.name!r}: code lengths are out of order")

    @property
    def last_slot(self) -> int:
        """The highest user id."""
        return self.first_slot + self.slots - 1

    @property
    def has_clock(self) -> bool:
        """Whether the lock serves the Time cluster (0x000A)."""
        return 0x000A in self.input_clusters

    def with_overrides(self, overrides: Mapping[str, Any]) -> Profile:
        """The same model with single facts changed, as a world file may."""
        known = {item.name: item for item in fields(self)}
        unknown = sorted(set(overrides) - set(known))
        if unknown:
            raise ProfileError(
                f"profile {self.name!r} has no {', '.join(map(repr, unknown))}; "
                f"known: {', '.join(sorted(known))}"
            )
        changes: dict[str, Any] = {}
        for key, value in overrides.items():
            present = getattr(self, key)
            wanted = list if isinstance(present, tuple) else type(present)
            plain_number = wanted is float and type(value) is int
            if type(value) is not wanted and not plain_number:
                raise ProfileError(
                    f"profile {self.name!r}: {key} must be {wanted.__name__}, got {value!r}"
                )
            if wanted is dict:
                changes[key] = {**present, **value}
            else:
                changes[key] = tuple(value) if wanted is list else value
        return replace(self, **changes)


def names() -> list[str]:
    """The profiles that ship with the simulators."""
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in resources.files(__package__).iterdir()
        if entry.name.endswith(".toml")
    )


def load(name: str) -> Profile:
    """Read one shipped profile.

    Raises ``ProfileError`` naming the known profiles or the offending key.
    """
    if name not in names():
        raise ProfileError(f"unknown profile {name!r}; known: {', '.join(names())}")
    text = (resources.files(__package__) / f"{name}.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)
    try:
        base = Profile(
            name=name,
            manufacturer=data.pop("manufacturer"),
            model=data.pop("model"),
            manufacturer_code=data.pop("manufacturer_code"),
        )
    except KeyError as missing:
        raise ProfileError(f"profile {name!r} lacks {missing}") from missing
    return base.with_overrides(data)
