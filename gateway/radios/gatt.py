"""What a Bluetooth radio is to the rest of the house: what is heard, and links to one device.

Beside `radios.api`, whose errors and states hold here too. A device that is spoken to keeps a
link for a moment after the last word, because connecting costs more than anything said.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from gateway.radios.api import Radio

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from gateway.radios.api import Advertisement


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is known of a device in range. `rssi_dbm` is a recent mean, `worst` and `best` of it."""

    last: Advertisement
    count: int
    first_at: float
    rssi_dbm: int
    worst_dbm: int
    best_dbm: int


class Grade(Enum):
    """How well a device is heard, for people who choose where the gateway hangs.

    The Core specification asks a receiver for -70 dBm (Vol 6, Part A, 4.2), and the chips of USB
    adapters and of a Raspberry Pi reach about -92 dBm. People and doors that move change a signal
    indoors by 10 to 20 dB. So: `EXCELLENT` is heard through everything, `GOOD` keeps 15 dB in the
    worst moment the grade allows, `FAIR` works until somebody stands in the way, and below that
    connecting takes several attempts, each of which costs the lock's battery.
    """

    EXCELLENT = "excellent"
    GOOD = "good"
    FAIR = "fair"
    WEAK = "weak"


_FLOORS = ((-60, Grade.EXCELLENT), (-75, Grade.GOOD), (-85, Grade.FAIR))


def grade(rssi_dbm: int) -> Grade:
    return next((name for floor, name in _FLOORS if rssi_dbm >= floor), Grade.WEAK)


@dataclass(frozen=True, slots=True)
class Sample:
    """`at` on the monotonic clock, in seconds."""

    at: float
    rssi_dbm: int
    adapter: str


@dataclass(frozen=True, slots=True)
class Usage:
    """One device's connections of one day. `day` counts from 1970-01-01, UTC.

    A connection belongs to the day on which it ended.
    """

    address: str
    day: int
    connects: int = 0
    connected_s: float = 0.0

    def is_over(self, budget: Budget) -> bool:
        return self.connects > budget.connects or self.connected_s > budget.connected_s


@dataclass(frozen=True, slots=True)
class Budget:
    """What a lock may cost in a day before somebody is told.

    A guess from data sheets, not a measurement: a lock that is connected keeps radio and processor
    awake at 10 to 15 mA. Ten minutes a day are then about 2.5 mAh, 0.9 Ah a year, a third of what
    four AA cells hold beside their own work. Two hundred connects of 3 s are the same ten minutes.
    """

    connects: int = 200
    connected_s: float = 600.0


@runtime_checkable
class SignalKeeper(Protocol):
    """A radio that remembers how well it hears each device, and what speaking with it costs."""

    @property
    def budget(self) -> Budget: ...

    def history(self, address: str) -> Sequence[Sample]:
        """The signal of one device lately, at each adapter, oldest first. `grade` names it."""
        ...

    def usages(self, address: str) -> Sequence[Usage]:
        """The last days on which it was connected to, oldest first."""
        ...


class GattLink(Protocol):
    """An open link. Characteristics are named by 128-bit UUID, lower case.

    A lost link stays lost: every call then raises `Unreachable`, `receive` once what had arrived
    before is handed out. A link is lost too by an operation that was not over in time or was
    cancelled. A device's own no to an operation is `DeviceRefused`. The same object is handed out
    again when a device is connected to while its link lingers, so that what a driver has settled
    on it (a login) still holds.
    """

    @property
    def address(self) -> str: ...

    @property
    def connected(self) -> bool: ...

    async def write(
        self, characteristic: str, data: bytes, *, response: bool, deadline_s: float
    ) -> None:
        """Raises `Unreachable` when nothing can have been delivered, else `OutcomeUnknown`."""
        ...

    async def read(self, characteristic: str, *, deadline_s: float) -> bytes: ...

    async def listen(self, characteristic: str, *, deadline_s: float) -> None:
        """Ask for notifications or indications, which gather for `receive`. Idempotent."""
        ...

    async def receive(self, *, deadline_s: float) -> tuple[str, bytes]:
        """The next notification, in order: characteristic and value.

        Raises `Unreachable` when none comes in time or the link is lost; what that means for a
        command that went before, the driver knows.
        """
        ...

    def drain(self) -> None:
        """Forget notifications that nobody asked for."""
        ...


class GattRadio(Radio, Protocol):
    """All Bluetooth adapters of the gateway as one radio."""

    def watch(self, addresses: frozenset[str]) -> None:
        """Whose advertisements become events: `Heard`, and `Advertised` with each."""
        ...

    def sightings(self) -> Sequence[Sighting]:
        """All devices heard lately, watched or not, in order of address."""
        ...

    async def overhear(self, address: str, *, deadline_s: float) -> Advertisement:
        """The next advertisement of that device, watched or not. Raises `Unreachable`."""
        ...

    def borrow(self, address: str, *, deadline_s: float) -> AbstractAsyncContextManager[object]:
        """The device as the library below knows it, for a vendor's library that connects by itself.

        As long as the context is held, its connection has a place here and nobody else speaks to
        the device; who borrows must have hung up when leaving. Raises what `connect` raises before
        it connects.
        """
        ...

    def connect(
        self, address: str, *, deadline_s: float, linger_s: float = 0.0
    ) -> AbstractAsyncContextManager[GattLink]:
        """A link for as long as the context is held; one holder at a time for each address.

        Left without an error the link stays open for `linger_s` more, unless its place is needed.
        Raises `Unreachable` (never heard, or no answer in time), `RadioBusy` (no free place in
        time), `RadioUnavailable`.
        """
        ...
