"""A simulated TTLock, our driver for it, and the air between them, in one loop's time.

Here: the lock with its truth, and its keys. Not here: any expectation.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from firmware_sims.ble import ttlock
from gateway.drivers.ttlock.family import TtLockFamily
from gateway.drivers.ttlock.keys import Keys
from gateway.drivers.ttlock.wire import Version
from tests.unit.drivers.ble_house import DEADLINE_S, START, BleHouse

if TYPE_CHECKING:
    from gateway.domain.secret import Secret
    from gateway.drivers.ttlock.driver import TtLock

ADDRESS = "38:38:E5:1D:71:FE"
AES = bytes(range(0x10, 0x20))
ADMIN_PS, UNLOCK_KEY = 87654321, 98765432


class LockHouse(BleHouse[TtLockFamily, "TtLock"]):
    """`driver` has the keys of a lock that is claimed."""

    address = ADDRESS
    made_by = ("TTLock", "V3")
    skin: ttlock.TTLockSkin

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
        keys = {"aes_key": AES.hex(), "admin_ps": ADMIN_PS, "unlock_key": UNLOCK_KEY}
        settings = {**(keys if claimed else {}), **skin}
        super().__init__(ttlock, profile, settings, seed=seed, start=start, overrides=overrides)
        self.family = TtLockFamily(random.Random(seed + 2), self.now)
        version = Version(scene=self.skin.core.facts.scene)
        self.keys = Keys(AES, UNLOCK_KEY, ADMIN_PS, version, uid=4711)
        self.driver = self.driver_with(self.keys.to_secret())

    def driver_with(self, keys: Secret) -> TtLock:
        return self.family.driver(self.device(keys), self.air)

    async def claim(self, secret: Secret | None = None, deadline_s: float = DEADLINE_S) -> Secret:
        """Pair, or take over with a key; what the store would seal."""
        return (await self._claim(secret, deadline_s)).keys

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

    def sent(self) -> list[bytes]:
        """Chunks that reached the lock."""
        return [data for _, data in self.air.traffic[ADDRESS].written]
