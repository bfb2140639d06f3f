"""A simulated Bluetooth lock, our driver for it, and the air between them, in one loop's time.

Here: what is the same for every family: the lock and what people do at it, the slot numbers and the
keys agreed on as a store keeps them. Not here: a family's lock, and any expectation.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from firmware_sims import profiles
from firmware_sims.clock import ZoneRules
from firmware_sims.faults import Faults
from firmware_sims.firmware.lock import LockFirmware
from gateway.domain.devices import Numbered
from gateway.domain.instant import Instant
from gateway.domain.secret import KeyedHash, Secret
from gateway.drivers.claims import ClaimedDevice, ClaimOrder, PairStage
from gateway.errors import LinkError, StoreFull
from gateway.radios.api import Advertised
from tests.gatt_air import GattAir

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from gateway.drivers.api import DeviceEvent, Driver
    from gateway.drivers.claims import Claim, Family

ZONE = "Europe/Berlin"
START = 1_783_332_000.0
"""Monday, 6 July 2026, 12:00 in Berlin."""
DEADLINE_S = 60.0

F = TypeVar("F", bound="Family")
D = TypeVar("D", bound="Driver")


@dataclass
class MemoryNumbers:
    """`claims.Numbers` without a disk; `given` tells in which order."""

    rows: list[Numbered] = field(default_factory=list)
    given: list[tuple[int, KeyedHash]] = field(default_factory=list)

    def hash_of(self, digits: Secret) -> KeyedHash:
        return KeyedHash(hmac.new(b"test", digits.reveal().encode(), hashlib.sha256).hexdigest())

    async def load(self) -> Sequence[Numbered]:
        return tuple(sorted(self.rows, key=lambda row: (row.slot, row.hash)))

    async def give(self, slot: int, code: KeyedHash, handle: int | None = None) -> None:
        self.given.append((slot, code))
        rows = [
            replace(row, current=False) if row.slot == slot else row
            for row in self.rows
            if row.hash != code
        ]
        self.rows = [*rows, Numbered(slot, code, handle)]


class BleHouse(Generic[F, D]):
    """One lock. Made within a running loop. A family's house says what these are."""

    address: str
    made_by: tuple[str, str]
    """Manufacturer and model."""
    skin: Any
    family: F
    driver: D

    def __init__(
        self,
        sim: ModuleType,
        profile: str,
        settings: dict[str, Any],
        *,
        seed: int,
        start: float,
        overrides: dict[str, Any] | None,
    ) -> None:
        self.air = GattAir(random.Random(seed), start=start)
        time = self.air.timebase
        quiet = {"drift_ppm": 0.0, "auto_relock_s": 0, "wrong_code_limit": 0, **(overrides or {})}
        self.firmware = LockFirmware(profiles.load(profile).with_overrides(quiet), time)
        self.firmware.clock.zone = ZoneRules.of(ZONE, time.now())
        self.firmware.clock.set_utc(time.now())
        self.faults = Faults(random.Random(seed), sim.COMMANDS, lambda *_: None, lambda *_: None)
        self.skin = sim.build(
            self.firmware,
            self.faults,
            address=self.address,
            settings=settings,
            rng=random.Random(seed + 1),
        )
        self.skin.queue.restarted = self.skin.restarted
        self.air.add(self.skin.peripheral)
        self.numbers = MemoryNumbers()
        self.stages: list[PairStage] = []
        self.kept: list[Secret] = []
        self.full = False

    def now(self) -> Instant:
        return Instant(round(self.air.timebase.now() * 1000))

    def device(self, keys: Secret) -> ClaimedDevice:
        return ClaimedDevice(self.address, *self.made_by, keys, self.numbers, ZONE)

    async def _claim(self, secret: Secret | None, deadline_s: float) -> Claim:
        return await self.family.claim(
            self.air,
            ClaimOrder(self.address, secret),
            lambda stage, _: self.stages.append(stage),
            self.keep,
            deadline_s=deadline_s,
        )

    async def keep(self, keys: Secret) -> None:
        """`claims.KeepAgreed` without a disk."""
        if self.full:
            raise StoreFull("could not write: no space")
        self.kept.append(keys)

    async def resumed(self) -> Secret | None:
        """The claim that was cut off, finished; None when the lock knows none of the keys."""
        for keys in reversed(self.kept):
            with contextlib.suppress(LinkError):
                claim = await self.family.resume(
                    self.air, ClaimOrder(self.address), keys, self.keep, deadline_s=DEADLINE_S
                )
                if claim is not None:
                    return claim.keys
        return None

    def arm(self, fault: str, on: str, **more: Any) -> None:
        self.faults.arm(fault, on=on, **more)

    def opens(self, code: str) -> bool:
        """Somebody types it."""
        return self.firmware.keypad.type_code(code).opened

    def advertised(self) -> Sequence[DeviceEvent]:
        advertisement = self.air.advertisement(self.address)
        assert advertisement is not None
        return self.driver.translate(Advertised(self.address, advertisement))
