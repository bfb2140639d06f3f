"""Records of a TTLock's own log: their bytes and their names, and nothing of what they mean. Pure.

Sources: roquerodrigo/ttlock-ble `commands/operate_log.py`, `commands/log_record.py` and
`constants/log_operate.py`; kind3r/ttlock-sdk-js `src/api/Commands/OperationLogCommand.ts`.
What a record means to the house is in `mapping`. Digits that somebody tried in vain stop here: they
are often those of another door, or of a bank card; so do the numbers of cards nobody knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from gateway.domain.secret import Secret
from gateway.drivers.access import MediumKind
from gateway.drivers.ttlock.commands import UNREAD, Command, Login, number, take_digits, u16
from gateway.drivers.ttlock.wire import Code
from gateway.errors import PeerProtocolError

if TYPE_CHECKING:
    from gateway.drivers.ttlock.commands import Answer


class Log(IntEnum):
    """Types of records."""

    APP_UNLOCK = 1
    SERVER_UNLOCK = 3
    CODE_UNLOCK = 4
    CODE_MODIFIED = 5
    CODE_DELETED = 6
    WRONG_CODE = 7
    CODES_CLEARED = 8
    CODE_SQUEEZED_OUT = 9
    ERASE_CODE_USED = 10
    CODE_EXPIRED = 11
    NO_MEMORY = 12
    CODE_BLOCKED = 13
    POWER_ON = 14
    CARD_ADDED = 15
    CARDS_CLEARED = 16
    CARD_UNLOCK = 17
    CARD_DELETED = 18
    WRISTBAND_UNLOCK = 19
    FINGERPRINT_UNLOCK = 20
    FINGERPRINT_ADDED = 21
    FINGERPRINT_EXPIRED = 22
    FINGERPRINT_DELETED = 23
    FINGERPRINTS_CLEARED = 24
    CARD_EXPIRED = 25
    APP_LOCK = 26
    KEY_UNLOCK = 27
    GATEWAY_UNLOCK = 28
    ILLEGAL_UNLOCK = 29
    DOOR_CLOSED = 30
    DOOR_OPENED = 31
    INSIDE_UNLOCK = 32
    FINGERPRINT_LOCK = 33
    CODE_LOCK = 34
    CARD_LOCK = 35
    KEY_LOCK = 36
    ROLLER_KEY = 37
    CODE_DEADLOCKED = 38
    CARD_DEADLOCKED = 39
    FINGERPRINT_DEADLOCKED = 40
    APP_DEADLOCKED = 41
    TAMPER = 44
    AUTO_LOCK = 45
    BUTTON_UNLOCK = 46
    BUTTON_LOCK = 47
    SYSTEM_LOCKED = 48
    HOTEL_CARD_UNLOCK = 49
    HIGH_TEMPERATURE = 50
    CARD_BLOCKED = 51
    APP_FROZEN = 52
    CODE_FROZEN = 53
    CAR_LEFT = 54
    REMOTE_UNLOCK = 55
    KEYPAD_BATTERY = 56
    QR_UNLOCK = 57
    QR_EXPIRED = 58
    DEADBOLT_ON = 59
    DEADBOLT_OFF = 60
    PASSAGE_UNLOCK = 63
    DOOR_AJAR = 64
    UNLOCK_TIMEOUT = 65
    LOCK_TIMEOUT = 66
    FACE_UNLOCK = 67
    FACE_DEADLOCKED = 68
    FACE_LOCK = 69
    FACE_ADDED = 70
    FACE_EXPIRED = 71
    FACE_DELETED = 72
    FACES_CLEARED = 73
    CPU_CARD_FAILED = 74
    APP_AUTHORISED_UNLOCK = 75
    GATEWAY_AUTHORISED_UNLOCK = 76
    FIRST_OF_TWO_APP = 77
    FIRST_OF_TWO_CODE = 78
    FIRST_OF_TWO_FINGERPRINT = 79
    FIRST_OF_TWO_CARD = 80
    FIRST_OF_TWO_FACE = 81
    FIRST_OF_TWO_REMOTE = 82
    FIRST_OF_TWO_PALM = 83
    PALM_UNLOCK = 84
    PALM_DEADLOCKED = 85
    PALM_LOCK = 86
    PALM_ADDED = 87
    PALM_FAILED = 88
    PALM_DELETED = 89
    PALMS_CLEARED = 90
    CARD_FAILED = 91
    ADMIN_CODE_UNLOCK = 92
    CODE_ADDED = 93
    ACCESSORY_UNLOCK = 94
    ACCESSORY_LOCK = 95
    ACCESSORY_DEADLOCKED = 96
    ACCESSORY_EXPIRED = 97
    FIRST_OF_TWO_ACCESSORY = 98
    ACCESSORY_ADDED = 99
    ACCESSORY_DELETED = 100
    ACCESSORIES_CLEARED = 101


_TWO_CODES = frozenset({4, 5, 6, 9, 10, 11, 12, 13, 34, 38, 78, 92})
_ONE_CODE = frozenset({93})
_CARD = frozenset({15, 17, 18, 25, 35, 39, 51, 80})
_FINGER = frozenset({20, 21, 22, 23, 33, 40, 79})
_FINGER_OCTETS = 6


@dataclass(frozen=True, slots=True)
class Record:
    """`type` may be one without a name. `raw` is the record as sent, to know it again by its hash.

    `code` and `other` are the digits, for the types that have them: the one in use, and the one
    it once was (deleted, added: the same; modified: the new one). `medium` is the card or finger,
    its number in decimal.
    """

    type: int
    date6: bytes
    battery_percent: int
    raw: Secret
    code: Secret | None = None
    other: Secret | None = None
    medium: tuple[MediumKind, Secret] | None = None

    def __repr__(self) -> str:
        return f"Record(type={self.type})"


@dataclass(frozen=True, slots=True)
class LogPage:
    """`next` is the number of the record behind the last of these; None when there is no more."""

    records: tuple[Record, ...]
    next: int | None


def read_log(sequence: int) -> Command:
    """From this number on; `UNREAD` for those that nobody has read."""
    return Command(Code.LOG, u16(sequence), Login.ADMIN, asks_only=True)


def log_page_of(answer: Answer) -> LogPage:
    """`total length u16 | next u16 | records`, nothing behind a length of 0.

    A record: `length, type, date6, battery, what the type has`.
    """
    data = answer.data
    what = "the lock's log"
    if number(data, 0, 2, what) == 0:
        return LogPage((), None)
    following = number(data, 2, 2, what)
    found: list[Record] = []
    at = 4
    while at < len(data):
        raw = data[at + 1 : at + 1 + data[at]]
        if len(raw) < data[at] or len(raw) < 8:
            raise PeerProtocolError(f"could not read {what}: a record is cut off")
        found.append(_record_of(raw))
        at += 1 + data[at]
    return LogPage(tuple(found), None if following == UNREAD else following)


def _record_of(raw: bytes) -> Record:
    code = other = None
    try:
        if raw[0] in _TWO_CODES | _ONE_CODE:
            code, rest = take_digits(raw[8:])
            if raw[0] in _TWO_CODES and rest:
                other, _ = take_digits(rest)
    except PeerProtocolError:
        code = other = None  # a tail of another shape: what happened is told without whose it was
    return Record(
        raw[0], raw[1:7], raw[7], Secret(raw.hex()), code, other, _medium_of(raw[0], raw[8:])
    )


def _medium_of(type_: int, tail: bytes) -> tuple[MediumKind, Secret] | None:
    """A card's number is all of the tail, perhaps padded as in the answer to enrolling it."""
    if type_ in _FINGER and len(tail) == _FINGER_OCTETS:
        return MediumKind.FINGER, Secret(str(int.from_bytes(tail, "big")))
    if type_ in _CARD and len(tail) in {4, 8}:
        short = tail[:4] if tail[4:] == b"\xff" * 4 else tail
        return MediumKind.CARD, Secret(str(int.from_bytes(short, "big")))
    return None
