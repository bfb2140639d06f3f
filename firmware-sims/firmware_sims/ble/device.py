"""What a family of Bluetooth devices brings to a world, and what the world hands to it.

Here: the protocols between them and the list of families. Not here: any family, the air (`hub`),
and what carries a skin's bytes (`host`).

A family is a module with two names: `COMMANDS`, the names a fault can be armed on (a name with a
dot is housekeeping that only a pattern with a dot hits, see `faults`), and `build`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from firmware_sims.ble.peripheral import Peripheral
    from firmware_sims.clock import Timebase
    from firmware_sims.commands import CommandQueue
    from firmware_sims.faults import Faults
    from firmware_sims.firmware.lock import LockFirmware


class SettingsError(Exception):
    """A device's `settings` in the world file are not usable; the text says which and why."""


class LockSkin(Protocol):
    """A lock's protocol over its firmware: what `build` of a lock family returns."""

    peripheral: Peripheral
    queue: CommandQueue
    """Commands that concern the lock go through it, so that every fault of `commands` strikes."""

    @property
    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """What a person can do beside typing codes, by name, such as `touch_keypad` (wakes it),
        `press_pairing_button`. The answer is plain JSON or None."""
        ...

    def state(self) -> dict[str, Any]:
        """The truth that only this protocol has (claimed or not, its keys), as plain JSON.

        It is merged into the control interface's `state`.
        """
        ...

    def dump(self) -> dict[str, Any]:
        """What the protocol's own non-volatile memory keeps, beside `LockFirmware.dump`."""
        ...

    def load(self, data: dict[str, Any]) -> None:
        """Take up what `dump` wrote."""
        ...

    def restarted(self) -> None:
        """The lock has power again, or came back from the fault `reset`: links are gone."""
        ...

    def factory_reset(self) -> None:
        """The installer has reset it: keys and bonds are forgotten, it can be claimed anew."""
        ...


class LockFamily(Protocol):
    """A module such as `firmware_sims.ble.ttlock`."""

    COMMANDS: frozenset[str]

    def build(
        self,
        firmware: LockFirmware,
        faults: Faults,
        *,
        address: str,
        settings: Mapping[str, Any],
        rng: random.Random,
    ) -> LockSkin:
        """Make the skin; `SettingsError` for settings that are unknown or of no use.

        `settings` is the table `[ble.settings]` of the world file. Whatever must survive a restart
        calls `firmware.changed`. Time and timers are `firmware.timebase`, chance is `rng`.
        """
        ...


class SensorSkin(Protocol):
    """A device that only advertises: what `build` of a sensor family returns."""

    peripheral: Peripheral

    @property
    def actions(self) -> Mapping[str, Callable[..., Any]]: ...
    def state(self) -> dict[str, Any]: ...
    def dump(self) -> dict[str, Any]: ...
    def load(self, data: dict[str, Any]) -> None: ...


class SensorFamily(Protocol):
    """`firmware_sims.ble.bthome`."""

    MODELS: frozenset[str]

    def build(
        self,
        model: str,
        *,
        address: str,
        settings: Mapping[str, Any],
        timebase: Timebase,
        rng: random.Random,
        changed: Callable[[], None],
    ) -> SensorSkin: ...


LOCK_FAMILIES = {
    "august": "firmware_sims.ble.august",
    "ttlock": "firmware_sims.ble.ttlock",
    "nuki": "firmware_sims.ble.nuki",
}
SENSOR_FAMILIES = {"bthome": "firmware_sims.ble.bthome"}


def lock_family(name: str) -> LockFamily:
    """Import a family of locks; KeyError when there is none of that name."""
    return cast("LockFamily", import_module(LOCK_FAMILIES[name]))


def sensor_family(name: str) -> SensorFamily:
    """Import a family of sensors; KeyError when there is none of that name."""
    return cast("SensorFamily", import_module(SENSOR_FAMILIES[name]))
