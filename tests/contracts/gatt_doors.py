"""Doors with locks that are claimed over Bluetooth, for the contract suite of drivers.

Here: what a person at such a door sees and does, by the lock's own truth, and what goes wrong in
its air. The air is `tests.gatt_air`, in the running loop's time. Not here: any expectation.

A further family adds its door to `DOORS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gateway.domain.secret import Secret
from tests.unit.drivers.nuki_house import ADDRESS as NUKI_ADDRESS
from tests.unit.drivers.nuki_house import SMART_LOCK, ULTRA, NukiHouse
from tests.unit.drivers.ttlock_house import ADDRESS, LockHouse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.drivers.api import Driver
    from gateway.kit.clock import Clock
    from tests.gatt_air import GattAir


class GattDoor(Protocol):
    """`arm` takes the commands' names of `COMMANDS`, which every family translates."""

    @property
    def driver(self) -> Driver: ...
    @property
    def air(self) -> GattAir: ...
    async def opens(self, code: str) -> bool: ...
    async def holds(self) -> dict[int, str]: ...
    def unlocked(self) -> bool: ...
    def received(self, command: str) -> int: ...
    def arm(self, fault: str, on: str, count: int) -> None: ...
    def skew(self, seconds: float) -> None: ...
    def clock_error_s(self) -> float: ...
    def go_away(self) -> None: ...
    def recover(self) -> None:
        """In range, without faults and codes, in good air."""
        ...


class TtLockDoor:
    """A TTLock that the house has paired with."""

    _NAMES: Mapping[str, str] = {
        "set_pin_code": "add_code",
        "clear_pin_code": "remove_code",
        "unlock_door": "unlock",
    }

    def __init__(self, profile: str, clock: Clock) -> None:
        self._house = LockHouse(profile, start=clock.now() / 1000, idle_disconnect_s=5.0)
        self.driver = self._house.driver
        self.air = self._house.air

    async def opens(self, code: str) -> bool:
        return self._house.opens(code)

    async def holds(self) -> dict[int, str]:
        rows = {row.hash: row.slot for row in await self._house.numbers.load() if row.current}
        hash_of = self._house.numbers.hash_of
        return {rows[hash_of(Secret(code))]: code for code in sorted(self._house.holds())}

    def unlocked(self) -> bool:
        return self._house.unlocked()

    def received(self, command: str) -> int:
        return self._house.skin.queue.received[self._NAMES[command]]

    def arm(self, fault: str, on: str, count: int) -> None:
        self._house.arm(fault, self._NAMES[on], count=count)

    def skew(self, seconds: float) -> None:
        clock = self._house.firmware.clock
        clock.set_utc(clock.utc() + seconds)

    def clock_error_s(self) -> float:
        return self._house.firmware.clock.utc() - self.air.timebase.now()

    def go_away(self) -> None:
        self.air.go_away(ADDRESS)

    def recover(self) -> None:
        self._house.faults.disarm()
        self.air.come_back(ADDRESS)
        users = self._house.firmware.users
        for slot in list(users.users):
            users.lose(slot)


class NukiDoor:
    """A Nuki that has let the house in."""

    _NAMES: Mapping[str, str] = {
        "set_pin_code": "add_code",
        "clear_pin_code": "remove_code",
        "unlock_door": "unlock",
    }

    def __init__(self, profile: str, clock: Clock) -> None:
        # The motor runs in the loop's own time.
        self._house = NukiHouse(profile, start=clock.now() / 1000, turn_s=0.1)
        self.driver = self._house.let_in()
        self.air = self._house.air

    async def opens(self, code: str) -> bool:
        return self._house.opens(code)

    async def holds(self) -> dict[int, str]:
        rows = {row.hash: row.slot for row in await self._house.numbers.load() if row.current}
        hash_of = self._house.numbers.hash_of
        return {rows[hash_of(Secret(code))]: code for code in sorted(self._house.holds())}

    def unlocked(self) -> bool:
        return self._house.unlocked()

    def received(self, command: str) -> int:
        return self._house.received(self._NAMES[command])

    def arm(self, fault: str, on: str, count: int) -> None:
        self._house.arm(fault, self._NAMES[on], count=count)

    def skew(self, seconds: float) -> None:
        clock = self._house.firmware.clock
        clock.set_utc(clock.utc() + seconds)

    def clock_error_s(self) -> float:
        return self._house.firmware.clock.utc() - self.air.timebase.now()

    def go_away(self) -> None:
        self.air.go_away(NUKI_ADDRESS)

    def recover(self) -> None:
        self._house.faults.disarm()
        self.air.come_back(NUKI_ADDRESS)
        users = self._house.firmware.users
        for slot in list(users.users):
            users.lose(slot)


DOORS: Mapping[str, Callable[[Clock], GattDoor]] = {
    "ttlock": lambda clock: TtLockDoor("ttlock-deadbolt", clock),
    "ttlock-plain": lambda clock: TtLockDoor("ttlock-keypad", clock),
    "nuki": lambda clock: NukiDoor(SMART_LOCK, clock),
    "nuki-ultra": lambda clock: NukiDoor(ULTRA, clock),
}
