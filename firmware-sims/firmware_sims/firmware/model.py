"""The words of the lock model: users, sources, things that happen, answers. No behaviour.

Numbers are those of the ZCL Door Lock cluster (ZCL 8, 7.3.2) where it has one; skins of other
radios translate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum, StrEnum


class UserStatus(IntEnum):
    """ZCL 8, 7.3.2.17.2."""

    AVAILABLE = 0
    ENABLED = 1
    DISABLED = 3


class UserType(IntEnum):
    """ZCL 8, 7.3.2.17.3; the names of the two schedule users follow what they are bound by."""

    UNRESTRICTED = 0
    YEAR_DAY = 1
    WEEK_DAY = 2
    MASTER = 3
    NON_ACCESS = 4


class BoltState(IntEnum):
    """Attribute LockState, ZCL 8, 7.3.2.11.1."""

    NOT_FULLY_LOCKED = 0
    LOCKED = 1
    UNLOCKED = 2


class OperatingMode(IntEnum):
    """ZCL 8, 7.3.2.15.6."""

    NORMAL = 0
    VACATION = 1
    PRIVACY = 2
    NO_RADIO = 3
    PASSAGE = 4


class Source(StrEnum):
    """Who or what made the lock do it."""

    KEYPAD = "keypad"
    RADIO = "radio"
    MANUAL = "manual"
    CARD = "card"
    FINGER = "finger"
    NOBODY = "nobody"


class Kind(StrEnum):
    """What a lock can say has happened."""

    LOCKED = "locked"
    UNLOCKED = "unlocked"
    LOCK_INVALID_CODE = "lock_invalid_code"
    UNLOCK_INVALID_CODE = "unlock_invalid_code"
    UNLOCK_INVALID_SCHEDULE = "unlock_invalid_schedule"
    NON_ACCESS_USER = "non_access_user"
    ONE_TOUCH_LOCKED = "one_touch_locked"
    KEY_LOCKED = "key_locked"
    KEY_UNLOCKED = "key_unlocked"
    AUTO_LOCKED = "auto_locked"
    MANUAL_LOCKED = "manual_locked"
    MANUAL_UNLOCKED = "manual_unlocked"

    MASTER_CODE_CHANGED = "master_code_changed"
    CODE_ADDED = "code_added"
    CODE_DELETED = "code_deleted"
    CODE_CHANGED = "code_changed"
    SCHEDULE_CHANGED = "schedule_changed"
    TOKEN_ADDED = "token_added"  # noqa: S105 - a card or finger, no secret
    TOKEN_CHANGED = "token_changed"  # noqa: S105
    TOKEN_DELETED = "token_deleted"  # noqa: S105

    JAMMED = "jammed"
    JAM_CLEARED = "jam_cleared"
    FACTORY_RESET = "factory_reset"
    POWER_CYCLED = "power_cycled"
    WRONG_CODE_LIMIT = "wrong_code_limit"
    TAMPERED = "tampered"
    DOOR_FORCED = "door_forced"

    DOOR_OPENED = "door_opened"
    DOOR_CLOSED = "door_closed"
    BATTERY = "battery"


OPERATIONS = frozenset(
    {
        Kind.LOCKED,
        Kind.UNLOCKED,
        Kind.LOCK_INVALID_CODE,
        Kind.UNLOCK_INVALID_CODE,
        Kind.UNLOCK_INVALID_SCHEDULE,
        Kind.NON_ACCESS_USER,
        Kind.ONE_TOUCH_LOCKED,
        Kind.KEY_LOCKED,
        Kind.KEY_UNLOCKED,
        Kind.AUTO_LOCKED,
        Kind.MANUAL_LOCKED,
        Kind.MANUAL_UNLOCKED,
    }
)
PROGRAMMING = frozenset(
    {
        Kind.MASTER_CODE_CHANGED,
        Kind.CODE_ADDED,
        Kind.CODE_DELETED,
        Kind.CODE_CHANGED,
        Kind.SCHEDULE_CHANGED,
    }
)
ALARMS = frozenset(
    {
        Kind.JAMMED,
        Kind.FACTORY_RESET,
        Kind.POWER_CYCLED,
        Kind.WRONG_CODE_LIMIT,
        Kind.TAMPERED,
        Kind.DOOR_FORCED,
    }
)


class Answer(Enum):
    """How the firmware takes a command; a skin turns it into its protocol's status."""

    OK = "ok"
    FAILURE = "failure"
    FULL = "full"
    DUPLICATE = "duplicate"
    INVALID = "invalid"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class FirmwareEvent:
    """Something that happened.

    ``at`` is true time (unix seconds), ``lock_local_s`` the lock's own wall clock (seconds since
    2000-01-01). ``slot`` is ``ALL_SLOTS`` when a whole memory was cleared. ``code`` is there for
    skins whose model sends digits in events, and is never printed; ``old_code`` is what a deletion
    or a change has taken away. ``token`` is the number of a card or finger, ``ALL_SLOTS`` when all
    of a kind went. ``phantom`` marks an event that a fault invented.
    """

    kind: Kind
    source: Source
    at: float
    lock_local_s: int
    slot: int | None = None
    code: str | None = field(default=None, repr=False)
    old_code: str | None = field(default=None, repr=False)
    token: int | None = None
    user_type: UserType | None = None
    user_status: UserStatus | None = None
    phantom: bool = False


ALL_SLOTS = -1


@dataclass(frozen=True, slots=True)
class KeypadResult:
    """What the person at the door sees, and why: ``reason`` is for the rehearsal, not for them."""

    opened: bool
    reason: str
    slot: int | None = None
