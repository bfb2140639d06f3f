"""The numbers and names of the clusters a lock speaks, and nothing that decides.

Source, unless a line says otherwise: ZCL revision 8 (Zigbee document 07-5123-08), chapter 7.3
(Door Lock), 3.3 (Power Configuration), 3.11 (Alarms), 3.12 (Time), 2.6.3 (status values).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

POWER: Final = 0x0001
ALARMS: Final = 0x0009
TIME: Final = 0x000A
DOOR_LOCK: Final = 0x0101

ALARM_COMMAND: Final = 0x00


class Attr(IntEnum):
    """Door Lock attributes, 7.3.2.11 to 7.3.2.15."""

    LOCK_STATE = 0x0000
    DOOR_STATE = 0x0003
    PIN_USERS = 0x0012
    WEEK_DAY_PER_USER = 0x0014
    YEAR_DAY_PER_USER = 0x0015
    MAX_PIN_LENGTH = 0x0017
    MIN_PIN_LENGTH = 0x0018
    SEND_PIN_OVER_THE_AIR = 0x0032
    KEYPAD_OPERATION_EVENTS = 0x0041
    RF_OPERATION_EVENTS = 0x0042
    MANUAL_OPERATION_EVENTS = 0x0043
    RFID_OPERATION_EVENTS = 0x0044
    KEYPAD_PROGRAMMING_EVENTS = 0x0045
    RF_PROGRAMMING_EVENTS = 0x0046
    RFID_PROGRAMMING_EVENTS = 0x0047


BATTERY_PERCENT: Final = 0x0021
BATTERY_ALARM_STATE: Final = 0x003E

TIME_UTC: Final = 0x0000
TIME_ZONE: Final = 0x0002
TIME_DST_START: Final = 0x0003
TIME_DST_END: Final = 0x0004
TIME_DST_SHIFT: Final = 0x0005
TIME_LOCAL: Final = 0x0007


class Command(IntEnum):
    """Requests to the lock; an answer carries the same number (7.3.2.16, 7.3.2.17)."""

    LOCK_DOOR = 0x00
    UNLOCK_DOOR = 0x01
    SET_PIN_CODE = 0x05
    GET_PIN_CODE = 0x06
    CLEAR_PIN_CODE = 0x07
    SET_USER_STATUS = 0x09
    GET_USER_STATUS = 0x0A
    SET_WEEK_DAY = 0x0B
    GET_WEEK_DAY = 0x0C
    CLEAR_WEEK_DAY = 0x0D
    SET_YEAR_DAY = 0x0E
    GET_YEAR_DAY = 0x0F
    CLEAR_YEAR_DAY = 0x10
    GET_USER_TYPE = 0x15


class Notification(IntEnum):
    """What the lock sends by itself."""

    OPERATION = 0x20
    PROGRAMMING = 0x21


class UserStatus(IntEnum):
    AVAILABLE = 0
    ENABLED = 1
    DISABLED = 3


class UserType(IntEnum):
    UNRESTRICTED = 0
    YEAR_DAY = 1
    WEEK_DAY = 2
    MASTER = 3
    NON_ACCESS = 4


class Status(IntEnum):
    """ZCL status values (2.6.3) and, for set_pin_code, its own three (7.3.2.17.6)."""

    SUCCESS = 0x00
    FAILURE = 0x01
    NOT_AUTHORIZED = 0x7E
    MALFORMED_COMMAND = 0x80
    UNSUP_CLUSTER_COMMAND = 0x81
    INVALID_FIELD = 0x85
    UNSUPPORTED_ATTRIBUTE = 0x86
    INVALID_VALUE = 0x87
    READ_ONLY = 0x88
    INSUFFICIENT_SPACE = 0x89
    NOT_FOUND = 0x8B
    ACTION_DENIED = 0x93
    TIMEOUT = 0x94
    WAIT_FOR_DATA = 0x97


SET_PIN_FULL: Final = 2
SET_PIN_DUPLICATE: Final = 3


class Source(IntEnum):
    """Of operation and programming events."""

    KEYPAD = 0
    RF = 1
    MANUAL = 2
    RFID = 3
    INDETERMINATE = 0xFF


class Operation(IntEnum):
    """Event codes, 7.3.2.18.2."""

    LOCK = 0x01
    UNLOCK = 0x02
    LOCK_INVALID_PIN = 0x03
    LOCK_INVALID_SCHEDULE = 0x04
    UNLOCK_INVALID_PIN = 0x05
    UNLOCK_INVALID_SCHEDULE = 0x06
    ONE_TOUCH_LOCK = 0x07
    KEY_LOCK = 0x08
    KEY_UNLOCK = 0x09
    AUTO_LOCK = 0x0A
    SCHEDULE_LOCK = 0x0B
    SCHEDULE_UNLOCK = 0x0C
    MANUAL_LOCK = 0x0D
    MANUAL_UNLOCK = 0x0E
    NON_ACCESS_USER = 0x0F


class Programming(IntEnum):
    """Event codes, 7.3.2.18.3."""

    MASTER_CODE_CHANGED = 1
    PIN_ADDED = 2
    PIN_DELETED = 3
    PIN_CHANGED = 4


class Alarm(IntEnum):
    """Alarm codes of the Door Lock cluster, 7.3.2.20."""

    JAMMED = 0
    FACTORY_RESET = 1
    POWER_CYCLED = 3
    WRONG_CODE_LIMIT = 4
    FRONT_REMOVED = 5
    FORCED_OPEN = 6


POWER_ALARM_BATTERY_LOW: Final = 0x10
"""Battery voltage below the minimum threshold of source 1, 3.3.2.2.4.7."""

NO_USER: Final = 0xFFFF
ALL_USERS: Final = frozenset({0xFF, 0xFFFF})
"""0xFF is taken for "all deleted" besides the specified 0xFFFF by SmartThings' zigbee-lock driver
(init.lua, programming events)."""
NO_TIME: Final = 0xFFFFFFFF
EVERY_EVENT: Final = 0xFFFF
