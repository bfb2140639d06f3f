"""A simulated Nuki, our driver for it, and the air between them, in one loop's time.

Here: the lock with its truth, the slot numbers as a store keeps them. Not here: any expectation.
"""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Any, cast

from firmware_sims import profiles
from firmware_sims.ble import nuki
from firmware_sims.ble.nuki.authorizations import Authorization
from firmware_sims.ble.nuki.words import Client
from firmware_sims.clock import ZoneRules
from firmware_sims.faults import Faults
from firmware_sims.firmware.lock import LockFirmware
from gateway.domain.instant import Instant
from gateway.domain.secret import Secret
from gateway.drivers.claims import ClaimedDevice, ClaimOrder, PairStage
from gateway.drivers.nuki.family import NAME, NukiFamily
from gateway.drivers.nuki.keys import Keys
from gateway.errors import LinkError, StoreFull
from gateway.radios.api import Advertised
from tests.gatt_air import GattAir
from tests.unit.drivers.ttlock_house import MemoryNumbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_sims.ble.peripheral import Peripheral
    from gateway.drivers.api import DeviceEvent
    from gateway.drivers.nuki.driver import NukiLock

ZONE = "Europe/Berlin"
ADDRESS = "54:D2:72:1A:2B:3C"
START = 1_783_332_000.0
"""Monday, 6 July 2026, 12:00 in Berlin."""
DEADLINE_S = 60.0
SMART_LOCK = "nuki-smartlock-3"
ULTRA = "nuki-ultra"
SHARED = bytes(range(32))
PIN = {SMART_LOCK: "4711", ULTRA: "482913"}


class NukiHouse:
    """One lock. Made within a running loop; `driver` is there once it is paired."""

    driver: NukiLock

    def __init__(
        self,
        profile: str = SMART_LOCK,
        *,
        seed: int = 1,
        start: float = START,
        overrides: dict[str, Any] | None = None,
        **skin: Any,
    ) -> None:
        self.profile = profile
        self.air = GattAir(random.Random(seed), start=start)
        time = self.air.timebase
        quiet = {"drift_ppm": 0.0, "auto_relock_s": 0, "wrong_code_limit": 0, **(overrides or {})}
        self.firmware = LockFirmware(profiles.load(profile).with_overrides(quiet), time)
        self.firmware.clock.zone = ZoneRules.of(ZONE, time.now())
        self.firmware.clock.set_utc(time.now())
        self.faults = Faults(random.Random(seed), nuki.COMMANDS, lambda *_: None, lambda *_: None)
        self.skin = nuki.build(
            self.firmware, self.faults, address=ADDRESS, settings=skin, rng=random.Random(seed + 1)
        )
        self.skin.queue.restarted = self.skin.restarted
        self.air.add(cast("Peripheral", self.skin.peripheral))
        self.numbers = MemoryNumbers()
        self.family = NukiFamily(random.Random(seed + 2))
        self.stages: list[PairStage] = []
        self.kept: list[Secret] = []
        self.full = False
        self.keys = Secret("")

    def now(self) -> Instant:
        return Instant(round(self.air.timebase.now() * 1000))

    def device(self, keys: Secret) -> ClaimedDevice:
        return ClaimedDevice(ADDRESS, "Nuki", "Smart Lock", keys, self.numbers, ZONE)

    def hold_button(self) -> None:
        assert self.skin.actions["press_pairing_button"]()["pairing"]

    async def claim(self, pin: str | None = None, deadline_s: float = DEADLINE_S) -> NukiLock:
        """As an installer does it. `pin`: another than the lock's; empty for none."""
        told = PIN[self.profile] if pin is None else pin
        claim = await self.family.claim(
            self.air,
            ClaimOrder(ADDRESS, Secret(told) if told else None),
            lambda stage, _: self.stages.append(stage),
            self.keep,
            deadline_s=deadline_s,
        )
        self.keys = claim.keys
        self.driver = self.family.driver(self.device(claim.keys), self.air)
        return self.driver

    def let_in(self) -> NukiLock:
        """As if it had been paired with long ago."""
        core = self.skin.core
        auth_id = core.authorizations.next_id()
        core.authorizations.held[auth_id] = Authorization(
            auth_id, SHARED, Client.BRIDGE, NAME, core.now(), 1
        )
        ultra = self.profile == ULTRA
        self.keys = Keys(SHARED, auth_id, 1, ultra, int(PIN[self.profile])).to_secret()
        self.driver = self.family.driver(self.device(self.keys), self.air)
        return self.driver

    async def pair(self) -> NukiLock:
        self.hold_button()
        return await self.claim()

    async def release(self) -> None:
        await self.family.release(self.device(self.keys), self.air, deadline_s=DEADLINE_S)

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

    def state(self) -> dict[str, Any]:
        return self.skin.state()

    def holds(self) -> dict[str, dict[str, Any]]:
        """Digits of enabled codes, and all that the lock holds of them."""
        return {held["code"]: held for held in self.state()["codes"].values() if held["enabled"]}

    def unlocked(self) -> bool:
        return bool(self.state()["lock_state"] != "locked")

    def opens(self, code: str) -> bool:
        """Somebody types it."""
        return self.firmware.keypad.type_code(code).opened

    def received(self, command: str) -> int:
        return self.skin.queue.received[command]

    def advertised(self) -> Sequence[DeviceEvent]:
        advertisement = self.air.advertisement(ADDRESS)
        assert advertisement is not None
        return self.driver.translate(Advertised(ADDRESS, advertisement))
