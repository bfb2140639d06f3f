"""What some locks can do beyond codes, bolt and clock: cards, fingers, settings, revoking keys.

Small protocols beside those of `drivers.api`, honoured or not, one by one. Errors are the same:
`Unreachable` when nothing was changed, `OutcomeUnknown` when perhaps something was, `DeviceRefused`
when the device said no.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from gateway.domain.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.domain.actions import Outcome
    from gateway.domain.devices import LockSchedule, WeekDay
    from gateway.domain.instant import Instant
    from gateway.domain.secret import KeyedHash
    from gateway.drivers.api import WriteResult


@dataclass(frozen=True, slots=True)
class Medium:
    """A card or a finger that the lock knows.

    `number` is a card's own number or the lock's number of a finger, in decimal. Whoever has a
    card's number can copy the card: it travels as a secret. `schedules`: at most one stretch and
    weekly hours within it; empty is at all times, None what the lock does not tell.
    """

    number: Secret
    schedules: tuple[LockSchedule, ...] | None = ()


SHORT = 8


class MediumKind(Enum):
    CARD = "card"
    FINGER = "finger"


def medium_text(kind: MediumKind, number: Secret) -> Secret:
    """What a medium is hashed by, so that it is known again without its number being kept.

    Leading zeros do not count: people and locks write them differently.
    """
    digits = number.reveal()
    bare = digits.lstrip("0") or "0"
    return Secret(f"{kind.value} {bare}")


def short_id(known: KeyedHash) -> str:
    """How people are shown a medium, and may name it."""
    return known[:SHORT]


class EnrolStage(Enum):
    WAITING = "waiting"
    """Hold the card to the lock, or lay the finger on."""
    SCANNED = "scanned"
    """Lift the finger and lay it on again."""
    DONE = "done"


EnrolProgress = Callable[[EnrolStage], None]


@runtime_checkable
class CardStore(Protocol):
    """Opens to cards. A change is proved by listing before it is told as confirmed."""

    async def list_cards(self, *, deadline_s: float) -> Sequence[Medium]: ...

    async def add_card(
        self, card: Secret, schedules: tuple[LockSchedule, ...], *, deadline_s: float
    ) -> Outcome:
        """One whose number is known. One that is there already gets these schedules."""
        ...

    async def enrol_card(self, progress: EnrolProgress, *, deadline_s: float) -> Medium:
        """Somebody holds a card to the lock; it opens at all times until it is scheduled."""
        ...

    async def schedule_card(
        self, card: Secret, schedules: tuple[LockSchedule, ...], *, deadline_s: float
    ) -> Outcome: ...

    async def delete_card(self, card: Secret, *, deadline_s: float) -> Outcome:
        """One that is not there is a success."""
        ...


@runtime_checkable
class FingerprintStore(Protocol):
    """Opens to fingers, which only the lock itself can learn."""

    async def list_fingerprints(self, *, deadline_s: float) -> Sequence[Medium]: ...

    async def enrol_fingerprint(self, progress: EnrolProgress, *, deadline_s: float) -> Medium: ...

    async def schedule_fingerprint(
        self, number: Secret, schedules: tuple[LockSchedule, ...], *, deadline_s: float
    ) -> Outcome: ...

    async def delete_fingerprint(self, number: Secret, *, deadline_s: float) -> Outcome: ...


class SettingKind(Enum):
    SWITCH = "switch"
    SECONDS = "seconds"
    WEEKLY = "weekly"
    """Hours of the week."""


SettingValue = bool | int | tuple["WeekDay", ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """`low` and `high` bound seconds, both included; `off`: 0 turns it off, whatever `low` says.

    `value` is None where the device has the setting and does not tell it.
    """

    name: str
    kind: SettingKind
    value: SettingValue | None
    low: int | None = None
    high: int | None = None
    off: bool = True


@runtime_checkable
class SettingsKeeper(Protocol):
    """Has settings, by name: those that the device at hand has, and no others."""

    async def read_settings(self, *, deadline_s: float) -> Sequence[Setting]: ...

    async def write_setting(self, name: str, value: SettingValue, *, deadline_s: float) -> Setting:
        """As it reads afterwards. `DeviceRefused`: `UNSUPPORTED` for a name that it does not have,
        `INVALID` for a value that it cannot take."""
        ...


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Somebody or something that the lock obeys: a phone, a bridge, a fob, a keypad.

    `id` is the lock's own. `ours`: this gateway. `schedules` are None where our words do not have
    them, empty for all times. `last_used_at` is by the lock's clock.
    """

    id: str
    name: str
    kind: str
    enabled: bool
    ours: bool
    uses: int
    last_used_at: Instant | None
    schedules: tuple[LockSchedule, ...] | None


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What of a key holder is to change; None is to stay as it is."""

    name: str | None = None
    enabled: bool | None = None
    schedules: tuple[LockSchedule, ...] | None = None


@runtime_checkable
class KeyHolders(Protocol):
    """Keeps a list of those whom it obeys. Our own place in it is not changed here (`INVALID`).

    A change is proved by listing before it is told as confirmed.
    """

    async def list_keys(self, *, deadline_s: float) -> Sequence[KeyHolder]: ...

    async def update_key(self, which: str, change: KeyChange, *, deadline_s: float) -> Outcome: ...

    async def remove_key(self, which: str, *, deadline_s: float) -> Outcome:
        """One that is not there is a success."""
        ...


@runtime_checkable
class CodeSwitch(Protocol):
    """Can switch a code off, so that it opens nothing, and on again with the limits it had."""

    async def switch_code(self, slot: int, *, enabled: bool, deadline_s: float) -> WriteResult: ...


@runtime_checkable
class Unlatcher(Protocol):
    """Can pull the latch too, so that the door springs open. Momentary, like `Latch`."""

    async def unlatch(self, *, deadline_s: float) -> Outcome: ...


KeepKeys = Callable[[Secret], Awaitable[None]]
"""Puts a device's keys on the disk, instead of those that were there."""


@runtime_checkable
class KeyRevoker(Protocol):
    """Can declare all keys void that others carry on their phones."""

    async def revoke_keys(self, keep: KeepKeys, *, deadline_s: float) -> Outcome:
        """Our own key follows: `keep` is called with it before the device hears of anything."""
        ...
