"""Commands and answers of a TTLock in the clear: login, bolt, clock, abilities, keypad codes. Pure.

Source, unless a line says otherwise: kind3r/ttlock-sdk-js `src/api/Commands/*`; roquerodrigo/
ttlock-ble `commands/*` for 47, 58, 55, 41, 30 and the bytes of times. Not here: cards and
fingerprints (media), switches and delays (settings), the log (records), frames (wire).

An answer's plaintext is `command repeated | 1 done, 0 refused | data`; a refusal's data begins with
its error number.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Final

from gateway.domain.secret import Secret
from gateway.drivers.ttlock.wire import Code
from gateway.errors import PeerProtocolError

if TYPE_CHECKING:
    from gateway.drivers.ttlock.keys import Keys

VENDOR: Final = b"SCIENER"
UNREAD: Final = 0xFFFF
"""As the number of a log record: only those that were not read yet. As the next: the end."""


class Login(IntEnum):
    """What a link must have proved before a command. Each includes the one before."""

    NONE = 0
    USER = 1
    ADMIN = 2


@dataclass(frozen=True, slots=True)
class Command:
    """`payload` in the clear. `summed`: behind the sum of the link's number and the unlock key.

    `asks_only`: it changes nothing, so it may be asked again, and no answer means that nothing
    happened. Everything else is said once.
    """

    code: Code
    payload: bytes = b""
    needs: Login = Login.NONE
    asks_only: bool = False
    summed: bool = False

    def __repr__(self) -> str:
        return f"Command({self.code.name})"


@dataclass(frozen=True, slots=True)
class Answer:
    """`error` is the lock's number for why not; None when it did as told."""

    code: int
    data: bytes
    error: int | None = None

    def __repr__(self) -> str:
        return f"Answer(0x{self.code:02x}, {len(self.data)} octets, error={self.error})"


def answer_of(plaintext: bytes) -> Answer | None:
    if len(plaintext) < 2 or plaintext[1] not in (0, 1):
        return None
    code, done, data = plaintext[0], plaintext[1], plaintext[2:]
    return Answer(code, data, None if done else (data[0] if data else 0))


def u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    return (value & 0xFFFF_FFFF).to_bytes(4, "big")


def number(data: bytes, start: int, size: int, what: str) -> int:
    """`size` octets as a number; PeerProtocolError when the answer is shorter."""
    part = data[start : start + size]
    if len(part) < size:
        raise PeerProtocolError(f"could not read {what}: the lock's answer is too short")
    return int.from_bytes(part, "big")


# ── login ───────────────────────────────────────────────────────────────────────────────────

_KEY_FROM: Final = bytes((0, 1, 31, 14, 0))
_KEY_UNTIL: Final = bytes((99, 11, 30, 14, 0))
"""The window of a key without limits, as the vendor's app sends it."""


def check_user(keys: Keys) -> Command:
    """17 octets: start date5, end date5, lockFlagPos u24, uid u32."""
    payload = _KEY_FROM + _KEY_UNTIL + keys.flag_pos.to_bytes(3, "big") + u32(keys.uid)
    return Command(Code.CHECK_USER, payload, asks_only=True)


def check_admin(keys: Keys, flag_pos: int | None = None) -> Command:
    """With a higher `flag_pos` than the lock's, the lock takes that over: older keys are void.

    Source for the latter: the vendor's Android SDK, `resetEkey`, which is this command alone.
    """
    position = keys.flag_pos if flag_pos is None else flag_pos
    payload = u32(keys.admin_ps or 0) + position.to_bytes(3, "big") + u32(keys.uid)
    return Command(Code.CHECK_ADMIN, payload, asks_only=flag_pos is None)


def check_random() -> Command:
    return Command(Code.CHECK_RANDOM, summed=True, asks_only=True)


# ── becoming the owner ──────────────────────────────────────────────────────────────────────


def init() -> Command:
    return Command(Code.INIT)


def aes_key() -> Command:
    return Command(Code.AES_KEY, VENDOR, asks_only=True)


def add_admin(admin_ps: int, unlock_key: int) -> Command:
    return Command(Code.ADD_ADMIN, u32(admin_ps) + u32(unlock_key) + VENDOR)


def finish() -> Command:
    return Command(Code.FINISH)


def reset() -> Command:
    return Command(Code.RESET, needs=Login.ADMIN)


def admin_code(digits: Secret) -> Command:
    """Each digit as a number, not as a character."""
    return Command(Code.ADMIN_CODE, bytes(int(c) for c in digits.reveal()), Login.ADMIN)


def erase_code(digits: Secret) -> Command:
    """Ten octets, filled up with FF."""
    return Command(
        Code.ERASE_CODE, bytes(int(c) for c in digits.reveal()).ljust(10, b"\xff"), Login.ADMIN
    )


class Info(IntEnum):
    """Selectors of 90."""

    MODEL = 1
    HARDWARE = 2
    FIRMWARE = 3
    MADE_ON = 4
    ADDRESS = 5


def device_info(which: Info) -> Command:
    return Command(Code.DEVICE_INFO, bytes((which,)), asks_only=True)


def text_of(answer: Answer) -> str:
    """What 90 answers with: printable ASCII, filled up with zeros on some."""
    kept = answer.data.split(b"\0")[0]
    return "".join(chr(byte) for byte in kept if 0x20 <= byte < 0x7F).strip()


# ── bolt ────────────────────────────────────────────────────────────────────────────────────


def unlock(record_id: int) -> Command:
    """`record_id` (unix seconds) comes back in the answer and in the log."""
    return Command(Code.UNLOCK, u32(record_id), Login.USER, summed=True)


def lock(record_id: int) -> Command:
    return Command(Code.LOCK, u32(record_id), Login.USER, summed=True)


def status() -> Command:
    return Command(Code.STATUS, VENDOR, asks_only=True)


@dataclass(frozen=True, slots=True)
class Status:
    """None where the lock sent a number that it does not define."""

    battery_percent: int
    unlocked: bool | None
    door_closed: bool | None


def status_of(answer: Answer) -> Status:
    """`battery | 0 locked, 1 unlocked | 0 door open, 1 closed`; the last only with a sensor."""
    battery = number(answer.data, 0, 1, "the lock's state")
    flags = {0: False, 1: True}
    bolt, door = (*answer.data[1:3], 255, 255)[:2]
    return Status(battery, flags.get(bolt), flags.get(door))


# ── clock ───────────────────────────────────────────────────────────────────────────────────


def read_clock() -> Command:
    return Command(Code.READ_CLOCK, asks_only=True)


def set_clock(date6: bytes) -> Command:
    return Command(Code.SET_CLOCK, date6, Login.ADMIN)


# ── what it can do ──────────────────────────────────────────────────────────────────────────


class Feature(IntFlag):
    """Bits of what command 01 answers."""

    PASSCODE = 1 << 0
    CARD = 1 << 1
    FINGERPRINT = 1 << 2
    AUTO_LOCK = 1 << 4
    MODIFY_PASSCODE = 1 << 7
    MANUAL_LOCK = 1 << 8
    SHOW_PASSCODE = 1 << 9
    GATEWAY_UNLOCK = 1 << 10
    FREEZE = 1 << 11
    CYCLIC_PASSCODE = 1 << 12
    DOOR_SENSOR = 1 << 13
    REMOTE_UNLOCK_SWITCH = 1 << 14
    AUDIO = 1 << 15
    NO_CLOCK = 1 << 20
    PASSAGE = 1 << 22
    LAMP = 1 << 25
    TAMPER = 1 << 28
    RESET_BUTTON = 1 << 29
    PRIVACY = 1 << 30
    CYCLIC_CARD_OR_FINGERPRINT = 1 << 34


def features() -> Command:
    return Command(Code.FEATURES, asks_only=True)


@dataclass(frozen=True, slots=True)
class Features:
    battery_percent: int
    bits: Feature

    def has(self, feature: Feature) -> bool:
        return bool(self.bits & feature)


def features_of(answer: Answer) -> Features:
    """`battery | bits 0..31 | bits 32..63, on newer ones`.

    Some sources call the first number a special value and look for the bits in the second. The
    answer of a real lock, 64 35CCF5F7 800C2D44, makes sense only in this way: passcodes, cards and
    fingers in the first, weekly hours for cards and accessories' batteries in the second.
    """
    low = number(answer.data, 1, 4, "what the lock can do")
    high = int.from_bytes(answer.data[5:9], "big") if len(answer.data) >= 9 else 0
    return Features(answer.data[0], Feature(low | high << 32))


# ── keypad codes ────────────────────────────────────────────────────────────────────────────


class Kind(IntEnum):
    """Of a keypad code."""

    PERMANENT = 1
    ONCE = 2
    PERIOD = 3
    CYCLIC = 4


class _Operation(IntEnum):
    """Of command 03. Clearing all (1) is left out on purpose: codes of others may be there."""

    ADD = 2
    REMOVE = 3
    MODIFY = 5


@dataclass(frozen=True, slots=True)
class Period:
    """From and until, as the lock's own date5."""

    start: bytes
    end: bytes


@dataclass(frozen=True, slots=True)
class ListedCode:
    """`period` is None for a cyclic code, whose cycle has no public meaning."""

    kind: int
    digits: Secret
    original: Secret
    period: Period | None


def add_code(kind: Kind, digits: Secret, period: Period) -> Command:
    end = b"" if kind is Kind.PERMANENT else period.end
    return _manage(_Operation.ADD, kind, _counted(digits) + period.start + end)


def remove_code(kind: int, digits: Secret) -> Command:
    return _manage(_Operation.REMOVE, kind, _counted(digits))


def modify_code(kind: Kind, old: Secret, new: Secret, period: Period) -> Command:
    """Digits and window in one step: the code is valid throughout. `kind` is what it becomes."""
    payload = _counted(old) + _counted(new) + period.start + period.end
    return _manage(_Operation.MODIFY, kind, payload)


def _manage(operation: _Operation, kind: int, payload: bytes) -> Command:
    return Command(Code.MANAGE_CODE, bytes((operation, kind)) + payload, Login.ADMIN)


def _counted(digits: Secret) -> bytes:
    text = digits.reveal().encode("ascii")
    return bytes((len(text),)) + text


def list_codes(sequence: int) -> Command:
    return Command(Code.LIST_CODES, u16(sequence), Login.ADMIN, asks_only=True)


@dataclass(frozen=True, slots=True)
class CodePage:
    """`next` is None behind the last page."""

    codes: tuple[ListedCode, ...]
    next: int | None


def code_page_of(answer: Answer) -> CodePage:
    """`total length u16 | next u16 | records`, nothing behind a length of 0.

    A record: `length, kind, n, digits, n, original digits, start date5, end date5` (ONCE, PERIOD).
    """
    data = answer.data
    what = "the list of codes"
    if number(data, 0, 2, what) == 0:
        return CodePage((), None)
    following = number(data, 2, 2, what)
    codes: list[ListedCode] = []
    at = 4
    while at < len(data):
        record = data[at + 1 : at + 1 + data[at]]
        if len(record) < data[at] or len(record) < 3:
            raise PeerProtocolError(f"could not read {what}: a record is cut off")
        codes.append(_code_of(record))
        at += 1 + data[at]
    return CodePage(tuple(codes), None if following == UNREAD else following)


def _code_of(record: bytes) -> ListedCode:
    digits, rest = take_digits(record[1:])
    original, rest = take_digits(rest)
    period = None
    if record[0] == Kind.PERMANENT and len(rest) >= 5:
        period = Period(rest[:5], b"")
    elif record[0] in (Kind.ONCE, Kind.PERIOD) and len(rest) >= 10:
        period = Period(rest[:5], rest[5:10])
    return ListedCode(record[0], digits, original, period)


def take_digits(data: bytes) -> tuple[Secret, bytes]:
    """`length | ASCII` off the front of the data."""
    if not data or len(data) < 1 + data[0]:
        raise PeerProtocolError("could not read a code of the lock: it is cut off")
    return Secret(data[1 : 1 + data[0]].decode("latin-1")), data[1 + data[0] :]
