"""The operation log of a TTLock: records as the lock keeps them, and pages of them.

Here: record types, their tails, the ring and what of it is unread. Not here: when something is
written (``chronicle``). Types and tails follow the vendor's parseOperateLog as read by
roquerodrigo/ttlock-ble, commands/log_record.py.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from firmware_sims.ble.ttlock.fields import date6, text, u8, u16, u32

LATEST = 0xFFFF
"""Asked for: whatever has not been read. Answered: there is no more."""


class Record(IntEnum):
    """What a record tells of; the names are the project's."""

    APP_UNLOCK = 1
    CODE_UNLOCK = 4
    CODE_CHANGED = 5
    CODE_DELETED = 6
    WRONG_CODE = 7
    CODES_CLEARED = 8
    CODE_SQUEEZED_OUT = 9
    ERASE_CODE = 10
    CODE_EXPIRED = 11
    NO_MEMORY = 12
    CODE_BLACKLISTED = 13
    POWER_ON = 14
    CARD_ADDED = 15
    CARDS_CLEARED = 16
    CARD_UNLOCK = 17
    CARD_DELETED = 18
    WRISTBAND = 19
    FINGER_UNLOCK = 20
    FINGER_ADDED = 21
    FINGER_EXPIRED = 22
    FINGER_DELETED = 23
    FINGERS_CLEARED = 24
    CARD_EXPIRED = 25
    APP_LOCK = 26
    KEY_UNLOCK = 27
    GATEWAY_UNLOCK = 28
    ILLEGAL_UNLOCK = 29
    DOOR_CLOSED = 30
    DOOR_OPENED = 31
    FROM_INSIDE = 32
    FINGER_LOCK = 33
    CODE_LOCK = 34
    CARD_LOCK = 35
    KEY_LOCK = 36
    REMOTE_KEY = 37
    CODE_DEAD_LOCKED = 38
    CARD_DEAD_LOCKED = 39
    FINGER_DEAD_LOCKED = 40
    APP_DEAD_LOCKED = 41
    TAMPER = 44
    AUTO_LOCK = 45
    BUTTON_UNLOCK = 46
    BUTTON_LOCK = 47
    SYSTEM_LOCKED = 48
    CARD_BLACKLISTED = 51
    APP_FROZEN = 52
    FROZEN = 53
    KEY_FOB = 55
    WIRELESS_KEYPAD = 56
    QR_UNLOCK = 57
    QR_EXPIRED = 58
    DEAD_BOLT_ON = 59
    DEAD_BOLT_OFF = 60
    PASSAGE = 63
    DOOR_AJAR = 64
    UNLOCK_TIMEOUT = 65
    LOCK_TIMEOUT = 66
    CARD_FAILED = 91
    ADMIN_CODE_UNLOCK = 92
    CODE_ADDED = 93


def person(uid: int, record_id: int) -> bytes:
    """Tail of what an app did: 1, 26, 28, 41, 52, 75-77; 37 has a key's number behind it."""
    return u32(uid) + u32(record_id)


def code_pair(code: str, second: str) -> bytes:
    """Tail of 4, 5, 6, 9-13, 34, 38, 78, 92; 7 has the first half only."""
    return text(code) + text(second)


def card(number: int) -> bytes:
    """Tail of 15, 17, 18, 25, 35, 39, 51, 74, 80, 91."""
    return number.to_bytes(4 if number <= 0xFFFFFFFF else 8, "big")


def finger(number: int) -> bytes:
    """Tail of 20-23, 33, 40 and all other six-byte identities."""
    return number.to_bytes(6, "big")


def accessory(address: str, *rest: int) -> bytes:
    """Tail of 19, 55, 56, 82, 94-100: the address reversed, then a key's number, a battery."""
    return bytes.fromhex(address.replace(":", ""))[::-1] + bytes(rest)


@dataclass(frozen=True, slots=True)
class Entry:
    """One record; ``number`` is its place in all that was ever written, modulo FFFF."""

    number: int
    type: int
    local_s: int
    battery: int
    tail: bytes

    def encode(self) -> bytes:
        """Length, type, time, battery, tail."""
        body = u8(self.type) + date6(self.local_s) + u8(self.battery) + self.tail
        return u8(len(body)) + body


class OperationLog:
    """The last ``depth`` records.

    A record is read once it was sent (assumed): an answer that is lost takes it out of the unread
    ones, and only its number finds it again.
    """

    def __init__(self, depth: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=depth)
        self._next = 0
        self._unread = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def unread(self) -> bool:
        """Whether there is something that was never sent: bit 02 of the advertisement."""
        return self._unread > 0

    @property
    def entries(self) -> list[Entry]:
        """All that is left, oldest first."""
        return list(self._entries)

    def write(self, record: int, tail: bytes, local_s: int, battery: int) -> Entry:
        """Append, dropping the oldest when full."""
        entry = Entry(self._next, record, local_s, battery, tail)
        self._entries.append(entry)
        self._next = (self._next + 1) % LATEST
        self._unread = min(self._unread + 1, len(self._entries))
        return entry

    def page(self, sequence: int, *, budget: int, most: int, ends_with_ffff: bool) -> bytes:
        """The answer to command 25: a length, the next sequence, records from ``sequence`` on.

        A sequence that is no longer kept begins at the oldest record.
        """
        start = self._place(sequence)
        taken: list[Entry] = []
        size = 0
        for entry in list(self._entries)[start : start + most]:
            size += len(entry.encode())
            if taken and size > budget:
                break
            taken.append(entry)
        if not taken:
            return u16(0)
        after = start + len(taken)
        self._unread = min(self._unread, len(self._entries) - after)
        following = (taken[-1].number + 1) % LATEST
        if ends_with_ffff and after == len(self._entries):
            following = LATEST
        records = b"".join(entry.encode() for entry in taken)
        return u16(2 + len(records)) + u16(following) + records

    def _place(self, sequence: int) -> int:
        if sequence == LATEST:
            return len(self._entries) - self._unread
        if sequence == self._next:
            return len(self._entries)
        for place, entry in enumerate(self._entries):
            if entry.number == sequence:
                return place
        return 0

    def clear(self) -> None:
        """Everything is gone, the numbering too, as after a factory reset."""
        self._entries.clear()
        self._next = self._unread = 0

    def dump(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "next": self._next,
            "unread": self._unread,
            "entries": [
                [entry.number, entry.type, entry.local_s, entry.battery, entry.tail.hex()]
                for entry in self._entries
            ],
        }

    def load(self, data: dict[str, Any]) -> None:
        """Take up what ``dump`` wrote."""
        self._next, self._unread = data["next"], data["unread"]
        self._entries.clear()
        for number, record, local_s, battery, tail in data["entries"]:
            self._entries.append(Entry(number, record, local_s, battery, bytes.fromhex(tail)))
