"""A device as the lock last proved it: slots, clock, standing. Nothing here is a wish."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.domain.capabilities import Capabilities
    from gateway.domain.ids import CredentialId, DeviceId
    from gateway.domain.instant import Instant
    from gateway.domain.secret import KeyedHash


class Evidence(Enum):
    """How a fact about a slot is known. `ASSUMED` never confirms anything."""

    ACKNOWLEDGED = "acknowledged"
    READ_BACK = "read_back"
    USED_AT_KEYPAD = "used_at_keypad"
    DUPLICATE_ANSWER = "duplicate_answer"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class YearDay:
    """A schedule on the lock between two instants."""

    opens_at: Instant
    closes_at: Instant


@dataclass(frozen=True, slots=True)
class WeekDay:
    """One weekly schedule on the lock, in the lock's zone; never wraps midnight.

    `weekdays` ISO, minutes since midnight, `start_minute < end_minute <= 1439`.
    """

    weekdays: frozenset[int]
    start_minute: int
    end_minute: int


LockSchedule = YearDay | WeekDay


class OpaqueReason(Enum):
    """Why a slot's content cannot be told."""

    UNREAD = "unread"
    IN_FLIGHT = "in_flight"
    MASKED = "masked"
    DISABLED = "disabled"
    READ_FAILED = "read_failed"
    RESTORED = "restored_database"


@dataclass(frozen=True, slots=True)
class Empty:
    """Only ever on the lock's explicit word."""


@dataclass(frozen=True, slots=True)
class Known:
    """The slot holds the digits with this hash and accepts them."""

    hash: KeyedHash


@dataclass(frozen=True, slots=True)
class Opaque:
    """Something may be there; what, cannot be told."""

    reason: OpaqueReason


SlotContent = Empty | Known | Opaque


@dataclass(frozen=True, slots=True)
class Slot:
    """One numbered place. `owner` is whose code the gateway put, or began to put, here.

    A slot without owner that is not empty is unmanaged: never altered on our own initiative.
    `schedules` is what the lock was proven to hold for this slot; empty means unrestricted.
    """

    number: int
    content: SlotContent
    owner: CredentialId | None = None
    schedules: tuple[LockSchedule, ...] = ()
    evidence: frozenset[Evidence] = frozenset()
    observed_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class Numbered:
    """A code of a lock without numbered places, and the slot number it goes by here.

    `handle` is the lock's own number for it, where it has one. A slot has one `current` code;
    earlier ones are kept so that the lock's log can still be read.
    """

    slot: int
    hash: KeyedHash
    handle: int | None = None
    current: bool = True


@dataclass(frozen=True, slots=True)
class LockClock:
    """The last reading of a lock's own clock: `error_ms` = lock minus gateway at `read_at`."""

    error_ms: int
    bound_ms: int
    read_at: Instant
    zone_proven: bool


PURGED_AT_LOCK = "codes_cleared_at_lock"
"""`Device.repair_paused` after a purge at the door: what was purged stays away, new orders pass."""


@dataclass(frozen=True, slots=True)
class Device:
    """Everything about a device that planning looks at. `zone`: the IANA zone of its clock."""

    device_id: DeviceId
    capabilities: Capabilities
    zone: str = "UTC"
    slots: Mapping[int, Slot] = field(default_factory=dict)
    clock: LockClock | None = None
    schedules_proven: bool = False
    """A code outside its window was seen refused by this lock, under its present firmware."""
    repair_paused: str | None = None
    """Why automatic repair is off (a purge at the door, a suspected replacement), else None."""
    recovering: bool = False
    """The database was lost since this lock was last written to: codes on it may be ours."""
    inventory_done: bool = False
    """Every slot was read at least once since joining."""
    log_news: bool = False
    """The lock said that its log holds records which nobody has read."""
    log_read_at: Instant | None = None
