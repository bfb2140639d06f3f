"""A simulated TTLock, our driver for it, and the air between them, in one loop's time.

Here: the lock with its truth, the slot numbers as a store keeps them. Not here: any expectation.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from firmware_sims import profiles
from firmware_sims.ble import ttlock
from firmware_sims.clock import ZoneRules
from firmware_sims.faults import Faults
from firmware_sims.firmware.lock import LockFirmware
from gateway.domain.devices import Numbered
from gateway.domain.instant import Instant
from gateway.domain.secret import KeyedHash, Secret
from gateway.drivers.claims import ClaimedDevice, ClaimOrder, PairStage
from gateway.drivers.ttlock.family import TtLockFamily
from gateway.drivers.ttlock.keys import Keys
from gateway.drivers.ttlock.wire import Version
from gateway.errors import LinkError, StoreFull
from gateway.radios.api import Advertised
from tests.gatt_air import GattAir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_sims.ble.peripheral import Peripheral
    from gateway.drivers.api import DeviceEvent
    from gateway.drivers.ttlock.driver import TtLock

ZONE = "Europe/Berlin"
ADDRESS = "38:38:E5:1D:71:FE"
AES = bytes(range(0x10, 0x20))
ADMIN_PS, UNLOCK_KEY = 87654321, 98765432
START = 1_783_332_000.0
"""Monday, 6 July 2026, 12:00 in Berlin."""
DEADLINE_S = 60.0


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


class LockHouse:
    """One lock. Made within a running loop."""

    def __init__(
        self,
        profile: str = "ttlock-deadbolt",
        *,
        seed: int = 1,
        claimed: bool = True,
        start: float = START,
        overrides: dict[str, Any] | None = None,
        **skin: Any,
    ) -> None:
        self.air = GattAir(random.Random(seed), start=start)
        time = self.air.timebase
        quiet = {"drift_ppm": 0.0, "auto_relock_s": 0, "wrong_code_limit": 0, **(overrides or {})}
        self.firmware = LockFirmware(profiles.load(profile).with_overrides(quiet), time)
        self.firmware.clock.zone = ZoneRules.of(ZONE, time.now())
        self.firmware.clock.set_utc(time.now())
        self.faults = Faults(random.Random(seed), ttlock.COMMANDS, lambda *_: None, lambda *_: None)
        keys = {"aes_key": AES.hex(), "admin_ps": ADMIN_PS, "unlock_key": UNLOCK_KEY}
        self.skin = ttlock.build(
            self.firmware,
            self.faults,
            address=ADDRESS,
            settings={**(keys if claimed else {}), **skin},
            rng=random.Random(seed + 1),
        )
        self.skin.queue.restarted = self.skin.restarted
        self.air.add(cast("Peripheral", self.skin.peripheral))  # its table is a tuple
        self.numbers = MemoryNumbers()
        self.family = TtLockFamily(random.Random(seed + 2), self.now)
        self.stages: list[PairStage] = []
        self.kept: list[Secret] = []
        self.full = False
        version = Version(scene=self.skin.core.facts.scene)
        self.keys = Keys(AES, UNLOCK_KEY, ADMIN_PS, version, uid=4711)
        self.driver = self.driver_with(self.keys.to_secret())

    def now(self) -> Instant:
        return Instant(round(self.air.timebase.now() * 1000))

    def device(self, keys: Secret) -> ClaimedDevice:
        return ClaimedDevice(ADDRESS, "TTLock", "V3", keys, self.numbers, ZONE)

    def driver_with(self, keys: Secret) -> TtLock:
        return self.family.driver(self.device(keys), self.air)

    async def claim(self, secret: Secret | None = None, deadline_s: float = DEADLINE_S) -> Secret:
        """Pair, or take over with a key; what the store would seal."""
        claim = await self.family.claim(
            self.air,
            ClaimOrder(ADDRESS, secret),
            lambda stage, _: self.stages.append(stage),
            self.keep,
            deadline_s=deadline_s,
        )
        return claim.keys

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
                    self.air, ClaimOrder(ADDRESS), keys, self.keep, deadline_s=DEADLINE_S
                )
                if claim is not None:
                    return claim.keys
        return None

    def arm(self, fault: str, on: str, **more: Any) -> None:
        self.faults.arm(fault, on=on, **more)

    def gone_after(self, command: str) -> None:
        """Out of range as soon as the lock has been told that; its answer is lost, too."""

        def look(address: str, _data: bytes) -> bool:
            if self.skin.queue.received[command]:
                self.air.go_away(address)
                return True
            return False

        self.air.spoil_notify = look

    def holds(self) -> set[str]:
        """Digits of guests' codes, by the lock's own memory."""
        users = self.firmware.users.users
        master = self.firmware.profile.master_slot
        return {user.code for slot, user in users.items() if slot != master}

    def unlocked(self) -> bool:
        return self.skin.core.unlocked

    def opens(self, code: str) -> bool:
        """Somebody types it."""
        return self.firmware.keypad.type_code(code).opened

    def advertised(self) -> Sequence[DeviceEvent]:
        advertisement = self.air.advertisement(ADDRESS)
        assert advertisement is not None
        return self.driver.translate(Advertised(ADDRESS, advertisement))

    def sent(self) -> list[bytes]:
        """Chunks that reached the lock."""
        return [data for _, data in self.air.traffic[ADDRESS].written]
