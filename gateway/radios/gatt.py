"""What a Bluetooth radio is to the rest of the house: what is heard, and links to one device.

Beside `radios.api`, whose errors and states hold here too. A device that is spoken to keeps a
link for a moment after the last word, because connecting costs more than anything said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

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
