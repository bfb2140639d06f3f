"""What a driver is to the rest of the house: small protocols, honoured or not, one by one.

A driver is given a radio (by protocol), an address and a site zone; it holds no state that the
store would miss. Errors are those of `gateway.radios.api` plus `DeviceRefused`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from gateway.domain.events import EventType, Method

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.domain.actions import Outcome
    from gateway.domain.capabilities import Capabilities
    from gateway.domain.devices import LockClock, LockSchedule
    from gateway.domain.instant import Instant
    from gateway.domain.secret import KeyedHash, Secret
    from gateway.radios.api import RadioEvent


class SlotUse(Enum):
    """What the lock says of a slot."""

    AVAILABLE = "available"
    ENABLED = "enabled"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class SlotReading:
    """The lock's word about one slot.

    `digits` is None where the lock does not tell them. `restricted` says whether the user's type
    limits the code to its schedules; `schedules` are those read (None: not read).
    """

    slot: int
    use: SlotUse
    digits: Secret | None = None
    restricted: bool = False
    schedules: tuple[LockSchedule, ...] | None = None


@dataclass(frozen=True, slots=True)
class WriteResult:
    """`reading` is the last proof taken after the write, if one was."""

    outcome: Outcome
    reading: SlotReading | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """Something at the door, translated. `slot` is above the driver's numbering."""

    type: EventType
    method: Method = Method.UNKNOWN
    slot: int | None = None
    reason: str | None = None
    device_time: Instant | None = None
    """By the lock's own clock, its local time turned into an instant in the lock's zone."""
    from_log: bool = False
    """Read from the lock's memory: it happened at `device_time`, not when it was read."""
    schedule_refused: bool = False
    """A valid code was refused for its schedule: proof that this lock enforces schedules."""
    medium: KeyedHash | None = None
    """Which card or finger it was: the hash of `drivers.access.medium_text`."""
    code: KeyedHash | None = field(default=None, repr=False)
    """Which code, where the lock's memory tells its digits: the slot may be another's by now."""


class SlotChange(Enum):
    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class SlotChanged:
    """The lock says a slot was changed at the door (`at_lock`) or over the air. None: all slots."""

    slot: int | None
    change: SlotChange
    at_lock: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """Telemetry: any subset."""

    locked: bool | None = None
    door_open: bool | None = None
    battery_percent: int | None = None
    battery_low: bool | None = None
    log_news: bool | None = None
    """The lock's own log holds records that nobody has read."""


class Nature(Enum):
    """What a quantity's next value may be."""

    LEVEL = "level"
    """Anything: power, temperature."""
    COUNTER = "counter"
    """Never less: energy, water."""
    STATE = "state"
    """1 or 0: open, moving."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One quantity as a meter or sensor told it, in whole base units.

    `unit` is `Wh`, `ml`, `mW`, `mV`, `mA`, `centi_celsius` (0.01 °C) and the like; empty for a
    state and for a plain number.
    """

    quantity: str
    value: int
    unit: str
    nature: Nature = Nature.LEVEL


DeviceEvent = Happening | SlotChanged | Measured | Reading


@dataclass(frozen=True, slots=True)
class DriverInfo:
    """`quirks` names the model facts in force, for `device ID` and for people."""

    driver: str
    manufacturer: str
    model: str
    kind: str = "lock"
    quirks: Sequence[str] = field(default_factory=tuple)
    seldom_heard: bool = False
    """It speaks only when something happened, so that its silence says nothing."""


class Driver(Protocol):
    """The least a device is."""

    info: DriverInfo

    def restore(self, capabilities: Capabilities) -> None:
        """Take over what an earlier interview found, so that the device need not be asked again."""
        ...

    async def interview(self, *, deadline_s: float) -> Capabilities:
        """Ask the device what it can do and set up its reporting; repeatable."""
        ...

    def translate(self, event: RadioEvent) -> Sequence[DeviceEvent]:
        """What a radio event from this device means; nothing for those that mean nothing."""
        ...


@runtime_checkable
class CredentialStore(Protocol):
    """Holds codes in numbered slots (1-based)."""

    async def read_slot(self, slot: int, *, deadline_s: float) -> SlotReading: ...

    async def program(
        self,
        slot: int,
        digits: Secret,
        schedules: tuple[LockSchedule, ...],
        *,
        deadline_s: float,
        overwrite: bool = False,
    ) -> WriteResult:
        """In the order that never opens a door too early; proof is part of it.

        Without `overwrite` an occupied slot is refused as `INVALID` with its reading.
        """
        ...

    async def reschedule(
        self, slot: int, schedules: tuple[LockSchedule, ...], *, deadline_s: float
    ) -> WriteResult:
        """Overwrite schedules of a live code in place; the code stays valid throughout."""
        ...

    async def erase(self, slot: int, *, deadline_s: float) -> WriteResult:
        """Code first, proven, then its schedules. An empty slot is a success."""
        ...


@runtime_checkable
class SparingEraser(Protocol):
    """Beside `CredentialStore`, where a slot keeps its number whatever is in it: somebody else's
    code may stand in one of ours."""

    async def erase_unless(
        self, slot: int, spared: Callable[[SlotReading], bool], *, deadline_s: float
    ) -> WriteResult:
        """As `erase`; what the look before it finds `spared` is refused as `INVALID`, with its
        reading."""
        ...


@runtime_checkable
class Inventory(Protocol):
    """Tells of all its codes at once, so that its slots need not be asked one by one."""

    async def read_slots(self, *, deadline_s: float) -> Sequence[SlotReading]:
        """Every slot that is taken; all others are available."""
        ...


@runtime_checkable
class Latch(Protocol):
    """Can be operated. Momentary: never repeated by anyone below this line."""

    async def unlock(self, *, deadline_s: float) -> Outcome: ...

    async def lock(self, *, deadline_s: float) -> Outcome: ...


@runtime_checkable
class Gauge(Protocol):
    """Tells on request how the door stands, instead of waiting for its next report."""

    async def measure(self, *, deadline_s: float) -> Measured: ...


@runtime_checkable
class ClockKeeper(Protocol):
    """Has a clock of its own. `now` is the gateway's, given because drivers own no time."""

    async def read_clock(self, now: Instant, *, deadline_s: float) -> LockClock: ...

    async def set_clock(self, now: Instant, *, deadline_s: float) -> LockClock: ...


@dataclass(frozen=True, slots=True)
class LogRead:
    """Records of a lock's own log, oldest first, each told once over all readings.

    `cursor` says where to go on, in the driver's own words; it is stored in the transaction that
    stores the events. `lost`: the log wrapped around, so that records were missed. `more`: the
    deadline came before the end.
    """

    events: Sequence[DeviceEvent]
    cursor: str
    lost: bool = False
    more: bool = False


@runtime_checkable
class EventLog(Protocol):
    """Keeps what happened at the door until it is read."""

    async def read_log(self, cursor: str | None, *, deadline_s: float) -> LogRead:
        """What came after `cursor`; None: everything that the lock still holds."""
        ...
