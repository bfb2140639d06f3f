"""The numbers of the Nuki protocol by their names: commands, states, actions, kinds of log entries.

Here: numbers. Not here: what any of them does. Sources: ronengr/pyNukiBT, const.py;
I-Connect/NukiBleEsp32, NukiConstants.h.
"""

from __future__ import annotations

from enum import IntEnum


class Op(IntEnum):
    """Command identifiers."""

    REQUEST_DATA = 0x01
    PUBLIC_KEY = 0x03
    CHALLENGE = 0x04
    AUTHENTICATOR = 0x05
    AUTHORIZATION_DATA = 0x06
    AUTHORIZATION_ID = 0x07
    REMOVE_AUTHORIZATION = 0x08
    LIST_AUTHORIZATIONS = 0x09
    AUTHORIZATION_ENTRY = 0x0A
    INVITE = 0x0B
    STATES = 0x0C
    LOCK_ACTION = 0x0D
    STATUS = 0x0E
    BATTERY_REPORT = 0x11
    ERROR = 0x12
    SET_CONFIG = 0x13
    REQUEST_CONFIG = 0x14
    CONFIG = 0x15
    SET_PIN = 0x19
    CALIBRATE = 0x1A
    REBOOT = 0x1D
    AUTHORIZATION_ID_CONFIRMATION = 0x1E
    INVITE_ID = 0x1F
    VERIFY_PIN = 0x20
    UPDATE_TIME = 0x21
    UPDATE_AUTHORIZATION = 0x25
    AUTHORIZATION_COUNT = 0x27
    REQUEST_LOG = 0x31
    LOG_ENTRY = 0x32
    LOG_COUNT = 0x33
    ENABLE_LOGGING = 0x34
    SET_ADVANCED_CONFIG = 0x35
    REQUEST_ADVANCED_CONFIG = 0x36
    ADVANCED_CONFIG = 0x37
    ADD_CODE = 0x41
    CODE_ID = 0x42
    LIST_CODES = 0x43
    CODE_COUNT = 0x44
    CODE_ENTRY = 0x45
    UPDATE_CODE = 0x46
    REMOVE_CODE = 0x47
    AUTHORIZATION_INFO = 0x4C


class Status(IntEnum):
    """Of 0E."""

    COMPLETE = 0
    ACCEPTED = 1


class NukiState(IntEnum):
    PAIRING = 1
    DOOR = 2


class LockState(IntEnum):
    UNCALIBRATED = 0
    LOCKED = 1
    UNLOCKING = 2
    UNLOCKED = 3
    LOCKING = 4
    UNLATCHED = 5
    UNLOCKED_LOCK_N_GO = 6
    UNLATCHING = 7
    CALIBRATION = 0xFC
    BOOT_RUN = 0xFD
    MOTOR_BLOCKED = 0xFE
    UNDEFINED = 0xFF


class Action(IntEnum):
    NONE = 0
    UNLOCK = 1
    LOCK = 2
    UNLATCH = 3
    LOCK_N_GO = 4
    LOCK_N_GO_UNLATCH = 5
    FULL_LOCK = 6
    FOB_1 = 0x81
    FOB_2 = 0x82
    FOB_3 = 0x83


class Trigger(IntEnum):
    SYSTEM = 0
    MANUAL = 1
    BUTTON = 2
    AUTOMATIC = 3
    AUTO_LOCK = 6


class Completion(IntEnum):
    SUCCESS = 0
    MOTOR_BLOCKED = 1
    CANCELED = 2
    TOO_RECENT = 3
    BUSY = 4
    LOW_MOTOR_VOLTAGE = 5
    CLUTCH_FAILURE = 6
    MOTOR_POWER_FAILURE = 7
    INCOMPLETE = 8
    INVALID_CODE = 0xE0
    INVALID_FINGER = 0xE1
    OTHER_ERROR = 0xFE


class Door(IntEnum):
    UNAVAILABLE = 0
    DEACTIVATED = 1
    CLOSED = 2
    OPENED = 3


class Client(IntEnum):
    """What an authorisation is for."""

    APP = 0
    BRIDGE = 1
    FOB = 2
    KEYPAD = 3


class LogType(IntEnum):
    LOGGING = 1
    ACTION = 2
    CALIBRATION = 3
    INITIALIZATION = 4
    KEYPAD = 5
    DOOR = 6
    DOOR_LOGGING = 7


class KeypadSource(IntEnum):
    """Of a log entry of the keypad."""

    ARROW = 0
    CODE = 1
    FINGER = 2
