"""The fields of Nuki payloads: numbers, texts, times, and the lock's refusals.

Here: reading and writing single fields, error codes. Not here: which command has which fields.
Everything is little-endian. A time is what the lock's clock shows, in seconds since 2000-01-01;
seven zero bytes stand for none. Sources: ronengr/pyNukiBT, const.py; I-Connect/NukiBleEsp32,
NukiConstants.h; Nuki Smart Lock API 2.2.1.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import IntEnum

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""The zone stands for none: a wall clock has no zone."""
NO_TIME = bytes(7)


class Error(IntEnum):
    """What a lock refuses with, by the names of the vendor's API."""

    NOT_PAIRING = 0x10
    BAD_AUTHENTICATOR = 0x11
    PAIRING_PARAMETER = 0x12
    MAX_USERS = 0x13
    NOT_AUTHORIZED = 0x20
    BAD_PIN = 0x21
    BAD_NONCE = 0x22
    BAD_PARAMETER = 0x23
    INVALID_AUTH_ID = 0x24
    DISABLED = 0x25
    REMOTE_NOT_ALLOWED = 0x26
    TIME_NOT_ALLOWED = 0x27
    TOO_MANY_PIN_ATTEMPTS = 0x28
    TOO_MANY_ENTRIES = 0x29
    CODE_ALREADY_EXISTS = 0x2A
    CODE_INVALID = 0x2B
    CODE_TIMEOUT_1 = 0x2C
    CODE_TIMEOUT_2 = 0x2D
    CODE_TIMEOUT_3 = 0x2E
    AUTO_UNLOCK_TOO_RECENT = 0x40
    POSITION_UNKNOWN = 0x41
    MOTOR_BLOCKED = 0x42
    CLUTCH_FAILURE = 0x43
    MOTOR_TIMEOUT = 0x44
    BUSY = 0x45
    CANCELED = 0x46
    NOT_CALIBRATED = 0x47
    MOTOR_POSITION_LIMIT = 0x48
    MOTOR_LOW_VOLTAGE = 0x49
    MOTOR_POWER_FAILURE = 0x4A
    CLUTCH_POWER_FAILURE = 0x4B
    VOLTAGE_TOO_LOW = 0x4C
    FIRMWARE_UPDATE_NEEDED = 0x4D
    BAD_CRC = 0xFD
    BAD_LENGTH = 0xFE
    UNKNOWN = 0xFF


class Refused(Exception):
    """The lock answers with an error report."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.name)
        self.error = error


def u8(value: int) -> bytes:
    return bytes([value])


def u16(value: int) -> bytes:
    return value.to_bytes(2, "little")


def i16(value: int) -> bytes:
    return value.to_bytes(2, "little", signed=True)


def u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def text(value: str, size: int) -> bytes:
    """UTF-8, cut to whole characters, filled up with zeros."""
    return value.encode()[:size].decode(errors="ignore").encode().ljust(size, b"\0")


def datetime7(seconds: int | None) -> bytes:
    """Year u16, month, day, hour, minute, second."""
    if seconds is None:
        return NO_TIME
    when = EPOCH + timedelta(seconds=seconds)
    return u16(when.year) + bytes([when.month, when.day, when.hour, when.minute, when.second])


def clock2(minute_of_day: int) -> bytes:
    """Hour, minute."""
    return bytes(divmod(minute_of_day, 60))


class Reader:
    """Takes fields off a payload; ``Refused`` (BAD_LENGTH) when too short, or not at its `end`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __len__(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if count > len(self):
            raise Refused(Error.BAD_LENGTH)
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, size: int) -> int:
        """An unsigned number of so many bytes."""
        return int.from_bytes(self.take(size), "little")

    def flag(self) -> bool:
        """A byte that is 0 or 1; `Refused` (BAD_PARAMETER) if it is neither."""
        value = self.number(1)
        if value > 1:
            raise Refused(Error.BAD_PARAMETER)
        return bool(value)

    def text(self, size: int) -> str:
        """UTF-8 up to the first zero; `Refused` (BAD_PARAMETER) if it is none."""
        try:
            return self.take(size).split(b"\0", 1)[0].decode()
        except UnicodeDecodeError:
            raise Refused(Error.BAD_PARAMETER) from None

    def datetime(self) -> int | None:
        """A time; None for zeros; `Refused` (BAD_PARAMETER) if it is no time at all."""
        raw = self.take(7)
        if raw == NO_TIME:
            return None
        try:
            when = datetime(int.from_bytes(raw[:2], "little"), *raw[2:], tzinfo=UTC)  # type: ignore[misc]  # mypy counts no star
        except ValueError:
            raise Refused(Error.BAD_PARAMETER) from None
        return int((when - EPOCH).total_seconds())

    def clock(self) -> int:
        """Hour and minute as minutes of the day; `Refused` (BAD_PARAMETER) beyond it."""
        hour, minute = self.take(2)
        if hour > 23 or minute > 59:
            raise Refused(Error.BAD_PARAMETER)
        return hour * 60 + minute

    def end(self) -> None:
        """Nothing may be left."""
        if len(self):
            raise Refused(Error.BAD_LENGTH)
