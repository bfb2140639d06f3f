"""A Z-Wave lock of a world: firmware, skin, sticker, and its radio as the building sees it.

Here: what a lock remembers of its network, learn mode, range. Not here: the air (`network`).
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Protocol

from firmware_sims.faults import Fault
from firmware_sims.simulated import AnyLock
from firmware_sims.zwave.application import COMMAND_NAMES, ZwaveApplication
from firmware_sims.zwave.commands import CC
from firmware_sims.zwave.keys import Label

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from firmware_sims.clock import Timebase
    from firmware_sims.journal import Journal
    from firmware_sims.simulated import Reach
    from firmware_sims.zwave.spec import ZwaveSpec

JOINED, LEFT = "joined", "left"
"""Kinds of journal entries: a lock has become a node of a network, or is none any more."""


class Air(Protocol):
    """The orders that reach the chip and the antennas; `network.ZwaveNetwork`."""

    def order(self, op: str, **arguments: object) -> None: ...


class NodeRadio:
    """The radio of one lock.

    `keys` are the network keys that it was granted, hex by the number of the security class.
    """

    def __init__(self, lock: ZwaveLock) -> None:
        self._lock = lock
        self._in_range = True
        self.air: Air | None = None
        self.node_id: int | None = None
        self.keys: Mapping[str, str] = {}
        self.pairing = False
        self.primes = False

    @property
    def joined(self) -> bool:
        return self.node_id is not None

    @property
    def secure(self) -> bool:
        return bool(self.keys)

    @property
    def in_range(self) -> bool:
        return self._in_range

    @in_range.setter
    def in_range(self, here: bool) -> None:
        self._in_range = here
        self.update()

    def update(self) -> None:
        """Something has changed that the air must know."""
        lock = self._lock
        self._order(
            "set",
            hears=self._in_range and lock.firmware.powered and not lock.queue.deaf,
            learning=self.pairing,
            primes=self.primes and not self.joined,
        )

    def start_joining(self) -> None:
        """Learn mode: the lock takes part in the inclusion or exclusion that goes on."""
        self.pairing = True
        self.update()

    def leave(self) -> None:
        """The same; what comes of it is what the controller is doing."""
        self.start_joining()

    def rejoin(self) -> None:
        """It runs again, as the node that it was."""
        self.update()

    def forget(self) -> None:
        """Reset by hand: it says so to its network, and is gone (CC:005A)."""
        self._lock.application.say(bytes((CC.DEVICE_RESET_LOCALLY, 0x01)))
        self._order("forget")

    def send(self, data: bytes, *, secure: bool) -> None:
        self._order("send", cc=data.hex(), secure=secure)

    def told(self, node_id: int | None, keys: Mapping[str, str]) -> None:
        """The air says what the lock's membership is now."""
        before = self.node_id, self.keys
        self.node_id, self.keys = node_id, dict(keys)
        if node_id != before[0]:
            self.pairing = False
            if node_id is None:
                self._lock.application.forget()
        if (node_id, self.keys) != before:
            self._lock.membership_changed()

    def _order(self, op: str, **arguments: object) -> None:
        if self.air is not None:
            self.air.order(op, node=self._lock.name, **arguments)


class ZwaveLock(AnyLock):
    """A lock with the skin of Z-Wave."""

    def __init__(
        self, spec: ZwaveSpec, timebase: Timebase, journal: Journal, seed: int, memory: Path | None
    ) -> None:
        super().__init__(
            spec.name,
            spec.profile,
            timebase,
            journal,
            seed=seed,
            commands=COMMAND_NAMES,
            timezone=spec.timezone,
            memory=memory,
        )
        self.spec = spec
        self.application = ZwaveApplication(self.firmware, self.faults)
        self.queue = self.application.queue
        rng = random.Random(f"{seed}/{spec.name}/zwave")
        self.label = Label.made(rng, self.application.fingerprint)
        self.radio = NodeRadio(self)
        self.radio.pairing, self.radio.primes = spec.pairing, spec.smart_start
        self.application.radio = self.radio
        self.firmware.power_lost = self.radio.update
        self.queue.stopped = self.radio.update
        self.start(spec.faults, "device")

    @property
    def reach(self) -> Reach | None:
        return self.radio if self.radio.air is not None else None

    def dump(self) -> dict[str, Any]:
        membership = {"node_id": self.radio.node_id, "keys": dict(self.radio.keys)}
        return {
            **self.firmware.dump(),
            "application": self.application.dump(),
            "membership": membership,
        }

    def load(self, data: dict[str, Any]) -> None:
        self.firmware.load(data)
        self.application.load(data["application"])
        self.radio.node_id = data["membership"]["node_id"]
        self.radio.keys = data["membership"]["keys"]
        self.radio.pairing = False

    def restarted(self) -> None:
        self.radio.rejoin()

    def forget(self) -> None:
        self.radio.forget()

    def membership_changed(self) -> None:
        """It has joined, was given keys, or has left."""
        radio = self.radio
        self._journal.add(
            self.name,
            self._timebase.now(),
            kind=LEFT if radio.node_id is None else JOINED,
            node_id=radio.node_id,
            secure=radio.secure,
        )
        self.save()

    def identity(self) -> dict[str, Any]:
        return {
            "profile": self.profile.name,
            "manufacturer": self.profile.manufacturer,
            "model": self.profile.model,
            "dsk": self.label.dsk,
            "qr_code": self.label.qr_code,
            "powered": self.firmware.powered,
            **self.state(),
        }

    def state(self) -> dict[str, Any]:
        radio = self.radio
        return {
            "joined": radio.joined,
            "pairing": radio.pairing,
            "in_range": radio.in_range,
            "node_id": radio.node_id,
            "secure": radio.secure,
        }

    def _condition(self, fault: Fault, on: bool) -> None:
        super()._condition(fault, on)
        if fault is Fault.DEAD:
            self.radio.update()
