"""What a simulated Bluetooth device is to the air: advertisements, a GATT table, bytes in and out.

Here: the protocol between a device's skin and whatever carries its bytes. A skin has no radio, no
tasks and no time but the `Timebase` it is given, so the same skin runs behind a virtual controller
and in a test's virtual time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class CharacteristicSpec:
    """``properties``: of read, write, write_without_response, notify, indicate."""

    uuid: str
    properties: frozenset[str]


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    uuid: str
    characteristics: tuple[CharacteristicSpec, ...]


@dataclass(frozen=True, slots=True)
class Advertising:
    """What is in the air. UUIDs 128-bit, lower case; ``interval_s`` between two events."""

    name: str = ""
    service_uuids: tuple[str, ...] = ()
    manufacturer_data: Mapping[int, bytes] = field(default_factory=dict)
    service_data: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    connectable: bool = True
    interval_s: float = 0.5


class AttError(Exception):
    """The device declines an attribute operation; ``code`` is the ATT error code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"ATT error {code:#04x}")
        self.code = code


class Line(Protocol):
    """The open connection, as the device sees it."""

    def notify(self, characteristic: str, data: bytes) -> None:
        """Nothing happens where the host has not subscribed."""
        ...

    def disconnect(self) -> None: ...


class Peripheral(Protocol):
    """A device's skin. All calls are on the loop and return at once."""

    address: str
    services: Sequence[ServiceSpec]
    advertising_changed: Callable[[], None]
    """Set by the air; the skin calls it when `advertising` has another value."""

    @property
    def advertising(self) -> Advertising | None:
        """None while silent: asleep, without power, or connected."""
        ...

    def connected(self, line: Line) -> None: ...

    def disconnected(self) -> None: ...

    def wrote(self, characteristic: str, data: bytes) -> None:
        """Raises `AttError`."""
        ...

    def read(self, characteristic: str) -> bytes:
        """Raises `AttError`."""
        ...

    def subscribed(self, characteristic: str, on: bool) -> None: ...
