"""The numbers and names that a Z-Wave lock and Z-Wave JS speak in, and nothing that decides.

Sources: the Z-Wave Application Specification by its numbers (CC:0063 is User Code), and for the
names of methods, fields and values the type declarations of Z-Wave JS 15 (`@zwave-js/cc`,
`build/esm/cc/*.d.ts` and `lib/_Types.d.ts`; `@zwave-js/core`, `registries/Notifications.js`).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

NO_CLASS: Final = 0x00
"""Of a question to Z-Wave JS, which is about no class of the node's."""
SCHEDULES: Final = 0x4E
LOGGING: Final = 0x4C
DOOR_LOCK: Final = 0x62
USER_CODE: Final = 0x63
CONFIGURATION: Final = 0x70
NOTIFICATION: Final = 0x71
BATTERY: Final = 0x80
USER_CREDENTIAL: Final = 0x83
TIME: Final = 0x8A
TIME_PARAMETERS: Final = 0x8B


class UserStatus(IntEnum):
    """User ID status (CC:0063). 2 is "reserved by administrator" in version 1, and "occupied and
    disabled" from version 2 on."""

    AVAILABLE = 0
    ENABLED = 1
    DISABLED = 2
    MESSAGING = 3
    PASSAGE_MODE = 4
    NOT_AVAILABLE = 0xFE


class Mode(IntEnum):
    """Door lock mode (CC:0062). Those between open one side, or for a time."""

    UNSECURED = 0x00
    UNKNOWN = 0xFE
    SECURED = 0xFF


CREDENTIAL_PIN: Final = 1
"""`UserCredentialType.PINCode` (CC:0083)."""
GENERAL_USER: Final = 0
NOBODY: Final = 0
"""`UserCredentialModifierType.DoesNotExist`: what a report is about is not there."""


class Result(IntEnum):
    """`SetUserResult` and `SetCredentialResult` (AccessControl.d.ts), which are equal up to 2."""

    OK = 0
    OCCUPIED = 1
    EMPTY = 2
    DUPLICATE = 3
    SECURITY_RULES = 4
    DUPLICATE_ADMIN = 5
    WRONG_USER = 6
    UNKNOWN = 0xFF


# ── notifications (CC:0071) ─────────────────────────────────────────────────────────────

ACCESS_CONTROL: Final = 0x06
HOME_SECURITY: Final = 0x07
POWER: Final = 0x08


class Access(IntEnum):
    """Events of the type access control."""

    IDLE = 0x00
    MANUAL_LOCK = 0x01
    MANUAL_UNLOCK = 0x02
    RF_LOCK = 0x03
    RF_UNLOCK = 0x04
    KEYPAD_LOCK = 0x05
    KEYPAD_UNLOCK = 0x06
    MANUAL_NOT_FULLY = 0x07
    RF_NOT_FULLY = 0x08
    AUTO_LOCK = 0x09
    AUTO_NOT_FULLY = 0x0A
    JAMMED = 0x0B
    ALL_CODES_DELETED = 0x0C
    CODE_DELETED = 0x0D
    CODE_ADDED = 0x0E
    CODE_DUPLICATE = 0x0F
    KEYPAD_DISABLED = 0x10
    CODE_LIMIT = 0x13
    RF_UNLOCK_WRONG = 0x14
    RF_LOCK_WRONG = 0x15
    DOOR_OPEN = 0x16
    DOOR_CLOSED = 0x17
    CREDENTIAL_LOCK = 0x23
    CREDENTIAL_UNLOCK = 0x24
    DENIED_DISABLED = 0x2F
    DENIED_SCHEDULE = 0x30
    DENIED_TOO_FEW = 0x31
    DENIED_INVALID = 0x32
    NON_ACCESS = 0x33


class Security(IntEnum):
    """Events of the type home security."""

    INTRUSION_PLACE = 0x01
    INTRUSION = 0x02
    COVER_REMOVED = 0x03
    INVALID_CODE = 0x04
    MOVED = 0x09


class Maintenance(IntEnum):
    """Events of the type power management that speak of batteries."""

    REPLACE_SOON = 0x0A
    REPLACE_NOW = 0x0B


ACCESS_VALUES: Final = "Access Control"
SECURITY_VALUES: Final = "Home Security"
POWER_VALUES: Final = "Power Management"
LOCK_STATE: Final = "Lock state"
KEYPAD_STATE: Final = "Keypad state"
DOOR_STATE: Final = "Door state"
DOOR_STATE_SIMPLE: Final = "Door state (simple)"
BATTERY_STATE: Final = "Battery maintenance status"


class Log(IntEnum):
    """Event types of a record of the lock's log (CC:004C)."""

    LOCK_CODE = 1
    UNLOCK_CODE = 2
    LOCK_BUTTON = 3
    UNLOCK_BUTTON = 4
    LOCK_OUT_OF_SCHEDULE = 5
    UNLOCK_OUT_OF_SCHEDULE = 6
    ILLEGAL_CODE = 7
    LOCK_MANUAL = 8
    UNLOCK_MANUAL = 9
    LOCK_AUTO = 10
    UNLOCK_AUTO = 11
    LOCK_REMOTE_CODE = 12
    UNLOCK_REMOTE_CODE = 13
    LOCK_REMOTE = 14
    UNLOCK_REMOTE = 15
    LOCK_REMOTE_OUT_OF_SCHEDULE = 16
    UNLOCK_REMOTE_OUT_OF_SCHEDULE = 17
    REMOTE_ILLEGAL_CODE = 18
    LOCK_MANUAL_2 = 19
    UNLOCK_MANUAL_2 = 20
    SECURED = 21
    UNSECURED = 22
    CODE_ADDED = 23
    CODE_DELETED = 24
    ALL_CODES_DELETED = 25
    CODE_CHANGED = 27
    RESET = 28
    LOW_BATTERY = 30
    NEW_BATTERY = 31
