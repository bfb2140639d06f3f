"""One device of a world: its memory on disk, its part in the journal; a lock with its firmware.

Here: what devices of every radio have in common. Not here: the radios' own devices (`world` for
Zigbee, `ble.devices` for Bluetooth).
"""

from __future__ import annotations

import json
import random
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

from firmware_sims.clock import ZoneRules
from firmware_sims.faults import ArmedFault, Fault, FaultError, Faults
from firmware_sims.firmware.lock import LockFirmware
from firmware_sims.journal import FAULT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from firmware_sims.clock import Timebase
    from firmware_sims.commands import CommandQueue
    from firmware_sims.firmware.model import FirmwareEvent
    from firmware_sims.journal import Journal
    from firmware_sims.profiles import Profile


class WorldError(Exception):
    """The world file, a name in it, or a memory file is not usable; the text says which."""


class Reach(Protocol):
    """Where a device stands."""

    in_range: bool


class SimulatedDevice(ABC):
    """Something with a name and a memory."""

    def __init__(
        self, name: str, timebase: Timebase, journal: Journal, memory: Path | None
    ) -> None:
        self.name = name
        self._timebase, self._journal, self._memory = timebase, journal, memory
        self._saving = False

    @abstractmethod
    def dump(self) -> dict[str, Any]:
        """What its memory keeps."""

    @abstractmethod
    def load(self, data: dict[str, Any]) -> None:
        """Take up what `dump` wrote."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What it is and how it is reached, for the list of devices."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What is true of it."""

    @property
    def reach(self) -> Reach | None:
        """None in a world without air."""
        return None

    def save(self) -> None:
        """Write the memory now, in one step; does nothing where there is no state directory."""
        self._saving = False
        if self._memory is None:
            return
        partial = self._memory.with_suffix(".new")
        partial.touch(mode=0o600, exist_ok=True)
        partial.write_text(json.dumps(self.dump()), encoding="utf-8")
        partial.replace(self._memory)

    def remember(self) -> None:
        """Take up the memory of the last run, if there is one."""
        if self._memory is None or not self._memory.exists():
            return
        try:
            self.load(json.loads(self._memory.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as cause:
            raise WorldError(
                f"memory of {self.name!r} in {self._memory} is not readable "
                f"({type(cause).__name__}); delete the file to start with an empty lock"
            ) from cause

    def changed(self) -> None:
        """Something that the memory keeps has changed; several changes at once are one write."""
        if self._memory is not None and not self._saving:
            self._saving = True
            self._timebase.call_later(0.0, self.save)


class AnyLock(SimulatedDevice):
    """A lock with its firmware and its faults; a radio's own class adds the skin."""

    queue: CommandQueue

    def __init__(
        self,
        name: str,
        profile: Profile,
        timebase: Timebase,
        journal: Journal,
        *,
        seed: int,
        commands: frozenset[str],
        timezone: str | None,
        memory: Path | None,
    ) -> None:
        super().__init__(name, timebase, journal, memory)
        self.profile = profile
        self.firmware = LockFirmware(profile, timebase)
        if timezone is not None:
            self.firmware.clock.zone = ZoneRules.of(timezone, timebase.now())
        self.firmware.clock.ever_set = timezone is not None
        # The name keeps one lock's chances apart from another's under the same seed.
        rng = random.Random(f"{seed}/{name}")
        self.faults = Faults(rng, commands, self._fault_hit, self._condition)

    def start(self, faults: Sequence[Mapping[str, Any]], kind: str) -> None:
        """Once the skin is there: listen, take up the memory, arm what the world file arms."""
        self.queue.restarted = self.restarted
        self.firmware.listeners.append(self._happened)
        self.remember()
        self.firmware.changed = self.changed
        for fault in faults:
            try:
                self.faults.arm(**fault)
            except (FaultError, TypeError) as cause:
                raise WorldError(f"{kind} {self.name!r}: fault: {cause}") from cause

    @abstractmethod
    def restarted(self) -> None:
        """The lock runs again: whatever its radio does then."""

    @abstractmethod
    def forget(self) -> None:
        """A factory reset: what the radio's side forgets, beyond the firmware."""

    def restore_power(self) -> None:
        """The lock runs again and announces itself."""
        if not self.firmware.powered:
            self.firmware.restore_power()
            self.restarted()

    def _happened(self, event: FirmwareEvent) -> None:
        self._journal.add(
            self.name,
            event.at,
            kind=event.kind.value,
            source=event.source.value,
            slot=event.slot,
            lock_local_s=event.lock_local_s,
            phantom=event.phantom,
        )

    def _fault_hit(self, armed: ArmedFault, command: str, slot: int | None) -> None:
        self._journal.add(
            self.name,
            self._timebase.now(),
            kind=FAULT,
            fault=armed.fault.value,
            number=armed.number,
            command=command,
            slot=slot,
        )

    def _condition(self, fault: Fault, on: bool) -> None:
        if fault is Fault.STUCK_JAM:
            if on:
                self.firmware.bolt.jam()
            else:
                self.firmware.bolt.unjam()
        elif fault is Fault.DEAD:
            if on:
                self.firmware.lose_power()
            else:
                self.restore_power()
