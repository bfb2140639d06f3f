"""What a device that is claimed on site is to the rest of the house: recognised, paired, spoken to.

A mesh tells who its nodes are; a Bluetooth device is told apart by what it advertises, belongs
to whoever paired with it, and is spoken to with a key that only the two of them have.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from gateway.domain.secret import Secret

if TYPE_CHECKING:
    from gateway.domain.devices import Numbered
    from gateway.domain.ids import DeviceId
    from gateway.domain.secret import KeyedHash
    from gateway.drivers.api import Driver
    from gateway.radios.api import Advertisement
    from gateway.radios.gatt import GattRadio, Sighting


class Ownership(Enum):
    """What an advertisement says of whether a device can be claimed now."""

    CLAIMABLE = "claimable"
    """It is in pairing mode, or needs no pairing."""
    CLAIMED = "claimed"
    """It belongs to somebody; it must be put into pairing mode at the device first."""
    NEEDS_KEY = "needs_key"
    """A key from its vendor's account is needed."""
    UNKNOWN = "unknown"
    """It does not say; pairing tells."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """A device of a family that we speak. `model` as far as the advertisement tells.

    `hint` is what an installer does next, in words.
    """

    family: str
    kind: str
    model: str
    ownership: Ownership
    hint: str = ""
    battery_percent: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A device in range. `recognised`: None for one we do not speak. `device_id`: it is ours."""

    sighting: Sighting
    recognised: Recognised | None
    device_id: DeviceId | None
    name: str | None


@dataclass(frozen=True, slots=True)
class ClaimOrder:
    """What the installer gives. `secret`: a PIN or a vendor's key, where a family needs one."""

    address: str
    secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A device that is ours. `keys` is the family's own text, sealed at rest, never shown."""

    manufacturer: str
    model: str
    keys: Secret
    sleepy: bool = True


class PairStage(Enum):
    CONNECTING = "connecting"
    PAIRING = "pairing"
    SETTING_UP = "setting_up"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class PairProgress:
    """Where a claim stands. `detail` is for people; with `READY` it is the device's id."""

    stage: PairStage
    detail: str = ""


Progress = Callable[[PairStage, str], None]
"""Told where a claim stands; the second is for people."""


KeepAgreed = Callable[[Secret], Awaitable[None]]
"""Puts keys on the disk that may be the device's from the next word on, beside those kept before.

Raises what the store raises; then that word must not be said.
"""


class Numbers(Protocol):
    """Slot numbers for a lock that knows its codes by their digits only. Kept in the store."""

    def hash_of(self, digits: Secret) -> KeyedHash: ...

    async def load(self) -> Sequence[Numbered]: ...

    async def give(self, slot: int, code: KeyedHash, handle: int | None = None) -> None:
        """`slot` is this code's from now on; on disk when this returns. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class ClaimedDevice:
    """What a driver of a claimed device is built from. `zone`: the site's, an IANA name."""

    address: str
    manufacturer: str
    model: str
    keys: Secret
    numbers: Numbers
    zone: str


class Family(Protocol):
    """One vendor's way: a row of the catalogue."""

    name: str
    """Also the driver's name in `DriverInfo` and in the store."""

    def recognise(self, advertisement: Advertisement) -> Recognised | None: ...

    async def claim(
        self,
        radio: GattRadio,
        order: ClaimOrder,
        progress: Progress,
        keep: KeepAgreed,
        *,
        deadline_s: float,
    ) -> Claim:
        """Pair. Raises `DeviceRefused` (not in pairing mode, wrong PIN), or a radio's errors.

        Keys that nobody else has are given to `keep` before the device hears the word that can make
        them its own. A definite `DeviceRefused`: it is not ours. When anything else is raised after
        `keep`, it may be, and `resume` tells.
        """
        ...

    async def resume(
        self,
        radio: GattRadio,
        order: ClaimOrder,
        keys: Secret,
        keep: KeepAgreed,
        *,
        deadline_s: float,
    ) -> Claim | None:
        """Finish a claim that was cut off, with keys that it gave to `keep`.

        None: the device says that it does not know them. `DeviceRefused` with `NOT_AUTHORISED`: it
        knows them, and they are of no use. Anything else that is raised tells nothing.
        """
        ...

    async def release(self, device: ClaimedDevice, radio: GattRadio, *, deadline_s: float) -> None:
        """Give the device back: it forgets us. Raises what speaking to it raises."""
        ...

    def driver(self, device: ClaimedDevice, radio: GattRadio) -> Driver: ...
