"""A simulated Bluetooth lock on a bench, in virtual time: what is the same for every family.

Here: the lock, its faults and its air, with everything it has done. Not here: a phone that speaks
to it (a family's bench), and any expectation.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from firmware_sims import profiles
from firmware_sims.clock import VirtualTimebase, ZoneRules
from firmware_sims.faults import ArmedFault, Fault, Faults
from firmware_sims.firmware.lock import LockFirmware

if TYPE_CHECKING:
    from types import ModuleType

    from firmware_sims.ble.peripheral import Advertising, Peripheral

MONDAY_NOON = datetime(2026, 7, 6, 10, 0, tzinfo=UTC).timestamp()
"""12:00 in Berlin."""


class LockBench:
    """A family's bench names its `family` and `address`, and says what its `skin` is."""

    family: ModuleType
    address: str
    skin: Any

    def __init__(
        self, profile: str, overrides: dict[str, Any], settings: dict[str, object]
    ) -> None:
        self.time = VirtualTimebase(MONDAY_NOON)
        self.hits: list[tuple[Fault, str, int | None]] = []
        self.profile = profiles.load(profile).with_overrides({"drift_ppm": 0.0, **overrides})
        self.settings = settings
        self.seen: list[Advertising | None] = []
        self.make()

    def make(self) -> None:
        """The simulator's process starts."""
        self.firmware = LockFirmware(self.profile, self.time)
        self.firmware.clock.zone = ZoneRules.of("Europe/Berlin", self.time.now())
        self.faults = Faults(random.Random(1), self.family.COMMANDS, self._hit, self._condition)
        self.skin = self.family.build(
            self.firmware,
            self.faults,
            address=self.address,
            settings=self.settings,
            rng=random.Random(7),
        )
        self.queue = self.skin.queue
        self.queue.restarted = self.skin.restarted
        self.peripheral: Peripheral = self.skin.peripheral
        self.peripheral.advertising_changed = self._advertised

    def restart(self) -> None:
        """The process ends and starts again with what its memory kept."""
        firmware, skin = self.firmware.dump(), self.skin.dump()
        self.make()
        self.firmware.load(firmware)
        self.skin.load(skin)

    def _hit(self, armed: ArmedFault, command: str, slot: int | None) -> None:
        self.hits.append((armed.fault, command, slot))

    def _condition(self, fault: Fault, on: bool) -> None:
        if fault is Fault.DEAD and on:
            self.firmware.lose_power()
        elif fault is Fault.DEAD:
            self.firmware.restore_power()
            self.skin.restarted()
        elif fault is Fault.STUCK_JAM and on:
            self.firmware.bolt.jam()
        elif fault is Fault.STUCK_JAM:
            self.firmware.bolt.unjam()

    def _advertised(self) -> None:
        self.seen.append(self.peripheral.advertising)

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.skin.state()
        return state

    @property
    def codes(self) -> set[str]:
        """The digits that the lock holds."""
        return {user.code for user in self.firmware.users.users.values()}

    def types(self, code: str) -> str:
        """Somebody types a code."""
        return self.firmware.keypad.type_code(code).reason
