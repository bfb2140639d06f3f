"""A simulated Nuki, our driver for it, and the air between them, in one loop's time.

Here: the lock with its truth, being let in and leaving. Not here: any expectation.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from firmware_sims.ble import nuki
from firmware_sims.ble.nuki.authorizations import Authorization
from firmware_sims.ble.nuki.words import Client
from gateway.domain.secret import Secret
from gateway.drivers.nuki.family import NAME, NukiFamily
from gateway.drivers.nuki.keys import Keys
from tests.unit.drivers.ble_house import DEADLINE_S, START, BleHouse

if TYPE_CHECKING:
    from gateway.drivers.nuki.driver import NukiLock

ADDRESS = "54:D2:72:1A:2B:3C"
SMART_LOCK = "nuki-smartlock-3"
ULTRA = "nuki-ultra"
SHARED = bytes(range(32))
PIN = {SMART_LOCK: "4711", ULTRA: "482913"}


class NukiHouse(BleHouse[NukiFamily, "NukiLock"]):
    """`driver` is there once it is paired."""

    address = ADDRESS
    made_by = ("Nuki", "Smart Lock")
    skin: nuki.NukiSkin

    def __init__(
        self,
        profile: str = SMART_LOCK,
        *,
        seed: int = 1,
        start: float = START,
        overrides: dict[str, Any] | None = None,
        **skin: Any,
    ) -> None:
        super().__init__(nuki, profile, skin, seed=seed, start=start, overrides=overrides)
        self.profile = profile
        self.family = NukiFamily(random.Random(seed + 2))
        self.keys = Secret("")

    def hold_button(self) -> None:
        assert self.skin.actions["press_pairing_button"]()["pairing"]

    async def claim(self, pin: str | None = None, deadline_s: float = DEADLINE_S) -> NukiLock:
        """As an installer does it. `pin`: another than the lock's; empty for none."""
        told = PIN[self.profile] if pin is None else pin
        claim = await self._claim(Secret(told) if told else None, deadline_s)
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

    def state(self) -> dict[str, Any]:
        return self.skin.state()

    def holds(self) -> dict[str, dict[str, Any]]:
        """Digits of enabled codes, and all that the lock holds of them."""
        return {held["code"]: held for held in self.state()["codes"].values() if held["enabled"]}

    def unlocked(self) -> bool:
        return bool(self.state()["lock_state"] != "locked")

    def received(self, command: str) -> int:
        return self.skin.queue.received[command]
