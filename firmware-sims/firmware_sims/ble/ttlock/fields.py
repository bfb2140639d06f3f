"""The fields of TTLock payloads: numbers, digits, times, and the lock's refusals.

Here: reading and writing single fields, error codes. Not here: which command has which fields.
Everything is big-endian. Every byte of a time is the plain number of its field, 26 for 2026 (kind3r
timeUtil.ts). A lock's time is what a wall clock shows, in seconds since 2000-01-01.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import IntEnum

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""The zone stands for none: a wall clock has no zone."""


class Error(IntEnum):
    """What a lock refuses with (vendor's LockError.java, by name)."""

    CRC = 0x01
    NO_PERMISSION = 0x02
    WRONG_ADMIN = 0x03
    ALREADY_SETTING = 0x05
    NO_ADMIN = 0x06
    NOT_SETTING = 0x07
    REVOKED = 0x0D
    EXPIRED = 0x0E
    PASSCODE_LENGTH = 0x0F
    ADMIN_IS_ERASE = 0x10
    NOT_YET_VALID = 0x11
    NOT_LOGGED_IN = 0x12
    FAILED = 0x13
    PASSCODE_EXISTS = 0x14
    PASSCODE_UNKNOWN = 0x15
    FULL = 0x16
    LENGTH = 0x17
    CARD_UNKNOWN = 0x18
    FINGER_UNKNOWN = 0x1A
    INVALID_COMMAND = 0x1B
    FROZEN = 0x1C
    WRONG_VENDOR = 0x1D
    DEAD_LOCKED = 0x1E
    INVALID_PARAMETER = 0x20


class Refused(Exception):
    """The lock answers with an error."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.name)
        self.error = error


def u8(value: int) -> bytes:
    return bytes([value])


def u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def u24(value: int) -> bytes:
    return value.to_bytes(3, "big")


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def text(digits: str) -> bytes:
    """A length and so many ASCII characters."""
    return u8(len(digits)) + digits.encode("ascii", "replace")


def _moment(local_s: int) -> datetime:
    # Two digits of a year are all there is.
    return min(
        EPOCH + timedelta(seconds=max(0, local_s)), datetime(2099, 12, 31, 23, 59, 59, 0, UTC)
    )


def date5(local_s: int) -> bytes:
    """YY MM DD hh mm."""
    return date6(local_s)[:5]


def date6(local_s: int) -> bytes:
    """YY MM DD hh mm ss."""
    when = _moment(local_s)
    return bytes([when.year - 2000, when.month, when.day, when.hour, when.minute, when.second])


class Reader:
    """Takes fields off a payload; ``Refused`` (LENGTH) when too short, or not at its `end`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __len__(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if count > len(self):
            raise Refused(Error.LENGTH)
        self._at += count
        return self._data[self._at - count : self._at]

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(len(self))

    def number(self, size: int) -> int:
        """An unsigned number of so many bytes."""
        return int.from_bytes(self.take(size), "big")

    def digits(self) -> str:
        """A length and so many ASCII digits."""
        raw = self.take(self.number(1))
        if not raw.isdigit():
            raise Refused(Error.INVALID_PARAMETER)
        return raw.decode("ascii")

    def local(self, size: int = 5) -> int:
        """A time of 5 bytes, or 6 with seconds; `Refused` (INVALID_PARAMETER) if it is none."""
        year, *fields = self.take(size)
        try:
            when = datetime(2000 + year, *fields, tzinfo=UTC)  # type: ignore[arg-type, misc]  # mypy counts no star
        except ValueError:
            raise Refused(Error.INVALID_PARAMETER) from None
        return int((when - EPOCH).total_seconds())

    def end(self) -> None:
        """Nothing may be left."""
        if len(self):
            raise Refused(Error.LENGTH)
