"""Devices of a world that speak Bluetooth: a lock of any family, and a sensor that advertises.

Here: skins put together with firmware, memory and journal, and where a device stands in the air.
Not here: the air itself, which is not needed to build a world.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Protocol

from firmware_sims.ble.device import SettingsError, lock_family, sensor_family
from firmware_sims.simulated import AnyLock, SimulatedDevice, WorldError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from firmware_sims.ble.device import LockSkin, SensorSkin
    from firmware_sims.ble.peripheral import Peripheral
    from firmware_sims.ble.spec import BleSpec
    from firmware_sims.clock import Timebase
    from firmware_sims.journal import Journal
    from firmware_sims.profiles import Profile
    from firmware_sims.simulated import Reach


class Place(Protocol):
    """A device's place in the air; `ble.running` makes it."""

    in_range: bool

    def set_rssi(self, dbm: int, adapter: str | None = None) -> None: ...
    def set_in_range(self, here: bool, adapter: str | None = None) -> None: ...
    def set_powered(self, powered: bool) -> None: ...
    def state(self) -> dict[str, Any]: ...


class BleLock(AnyLock):
    """A lock with the skin of its family."""

    def __init__(
        self, spec: BleSpec, timebase: Timebase, journal: Journal, seed: int, memory: Path | None
    ) -> None:
        family = lock_family(spec.family)
        super().__init__(
            spec.name,
            _profile(spec),
            timebase,
            journal,
            seed=seed,
            commands=family.COMMANDS,
            timezone=spec.timezone,
            memory=memory,
        )
        self.spec = spec
        self.place: Place | None = None
        try:
            self.skin: LockSkin = family.build(
                self.firmware,
                self.faults,
                address=spec.address,
                settings=spec.settings,
                rng=random.Random(f"{seed}/{spec.name}/skin"),
            )
        except SettingsError as cause:
            raise WorldError(f"device {spec.name!r}: {cause}") from cause
        self.queue = self.skin.queue
        skin_lost_power = self.firmware.power_lost

        def power_lost() -> None:
            skin_lost_power()
            if self.place is not None:
                self.place.set_powered(False)

        self.firmware.power_lost = power_lost
        self.start(spec.faults, "device")

    @property
    def peripheral(self) -> Peripheral:
        return self.skin.peripheral

    @property
    def actions(self) -> Mapping[str, Callable[..., Any]]:
        return self.skin.actions

    @property
    def reach(self) -> Reach | None:
        return self.place

    def dump(self) -> dict[str, Any]:
        return {**self.firmware.dump(), "skin": self.skin.dump()}

    def load(self, data: dict[str, Any]) -> None:
        self.firmware.load(data)
        self.skin.load(data["skin"])

    def restarted(self) -> None:
        if self.place is not None:
            self.place.set_powered(True)
        self.skin.restarted()

    def forget(self) -> None:
        self.skin.factory_reset()

    def identity(self) -> dict[str, Any]:
        return {
            "profile": self.profile.name,
            "manufacturer": self.profile.manufacturer,
            "model": self.profile.model,
            "family": self.spec.family,
            "address": self.spec.address,
            "powered": self.firmware.powered,
            **_place(self.place),
        }

    def state(self) -> dict[str, Any]:
        return {**self.skin.state(), **_place(self.place), "actions": sorted(self.skin.actions)}


class BleSensor(SimulatedDevice):
    """A device that advertises what it measures."""

    def __init__(
        self, spec: BleSpec, timebase: Timebase, journal: Journal, seed: int, memory: Path | None
    ) -> None:
        super().__init__(spec.name, timebase, journal, memory)
        self.spec = spec
        self.place: Place | None = None
        try:
            self.skin: SensorSkin = sensor_family(spec.family).build(
                spec.model,
                address=spec.address,
                settings=spec.settings,
                timebase=timebase,
                rng=random.Random(f"{seed}/{spec.name}/skin"),
                changed=self.changed,
            )
        except SettingsError as cause:
            raise WorldError(f"device {spec.name!r}: {cause}") from cause
        self.remember()

    @property
    def peripheral(self) -> Peripheral:
        return self.skin.peripheral

    @property
    def actions(self) -> Mapping[str, Callable[..., Any]]:
        return self.skin.actions

    @property
    def reach(self) -> Reach | None:
        return self.place

    def dump(self) -> dict[str, Any]:
        return self.skin.dump()

    def load(self, data: dict[str, Any]) -> None:
        self.skin.load(data)

    def identity(self) -> dict[str, Any]:
        return {
            "family": self.spec.family,
            "model": self.spec.model,
            "address": self.spec.address,
            **_place(self.place),
        }

    def state(self) -> dict[str, Any]:
        return {**self.skin.state(), **_place(self.place), "actions": sorted(self.skin.actions)}


def build(
    spec: BleSpec, timebase: Timebase, journal: Journal, seed: int, memory: Path | None
) -> BleLock | BleSensor:
    """The device that a table of the world file describes."""
    kind = BleSensor if spec.profile is None else BleLock
    return kind(spec, timebase, journal, seed, memory)


def _profile(spec: BleSpec) -> Profile:
    if spec.profile is None:
        raise WorldError(f"device {spec.name!r} lacks its profile")
    return spec.profile


def _place(place: Place | None) -> dict[str, Any]:
    return {"in_range": False} if place is None else place.state()
