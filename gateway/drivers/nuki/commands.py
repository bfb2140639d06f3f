"""Commands of a Nuki and what their answers hold, in the clear. Pure.

Sources: ronengr/pyNukiBT `const.py`; I-Connect/NukiBleEsp32 `NukiConstants.h` and
`NukiLockConstants.h`; the vendor's "Nuki Smart Lock API". Not here: settings, frames (wire),
challenge and PIN at a command's end (link), conversations (session, codes, logbook).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Final

from gateway.domain.secret import Secret
from gateway.drivers.nuki.schedules import Terms, terms_in
from gateway.drivers.nuki.wire import AUTH_SIZE, Message, Op, number, text, text_of, u16, u32
from gateway.errors import PeerProtocolError

ALL: Final = 0xFFFF
"""As many entries as there are."""
CODE_NAME_SIZE: Final = 20
NAME_SIZE: Final = 32


class Proof(Enum):
    """What a command ends in."""

    NONE = 0
    CHALLENGE = 1
    PIN = 2
    """The challenge, and the security PIN after it."""


class Channel(Enum):
    DATA = "data"
    PAIRING = "pairing"
    SEALED_PAIRING = "sealed pairing"
    """On the pairing characteristic, with the key that was just agreed on."""


@dataclass(frozen=True, slots=True)
class Command:
    """One thing to say, and what it is answered by.

    `ends`: the last message of the answer. `gathers`: messages before it that belong to it, as
    many as `counted` tells, where there is one: then `ends` may stay away. `asks_only`: it changes
    nothing, so it may be said again, and no answer means that nothing happened.
    """

    op: Op
    payload: bytes = field(default=b"", repr=False)
    ends: Op = Op.STATUS
    gathers: Op | None = None
    counted: Op | None = None
    needs: Proof = Proof.NONE
    asks_only: bool = False
    channel: Channel = Channel.DATA


@dataclass(frozen=True, slots=True)
class Answer:
    """`error` is the lock's code for its "no". `entries`: what was gathered."""

    last: Message
    error: int | None = None
    entries: tuple[Message, ...] = ()

    @property
    def data(self) -> bytes:
        return self.last.payload


def error_in(message: Message) -> tuple[int, int]:
    """The error, and the number of the command that it is about."""
    if len(message.payload) < 3:
        raise PeerProtocolError("could not understand the lock: its error is too short")
    return message.payload[0], number(message.payload, 1, 2)


def need(data: bytes, size: int, what: str) -> None:
    if len(data) < size:
        raise PeerProtocolError(f"could not understand {what}: {len(data)} octets of {size}")


def request(what: Op) -> Command:
    return Command(Op.REQUEST_DATA, u16(what), what, asks_only=True)


# ── pairing ─────────────────────────────────────────────────────────────────────────────────


def pairing(op: Op, payload: bytes, ends: Op, *, sealed: bool = False) -> Command:
    channel = Channel.SEALED_PAIRING if sealed else Channel.PAIRING
    return Command(op, payload, ends, channel=channel)


# ── bolt, states, clock, PIN ────────────────────────────────────────────────────────────────


class Action(IntEnum):
    NONE = 0
    UNLOCK = 1
    LOCK = 2
    UNLATCH = 3
    LOCK_N_GO = 4
    LOCK_N_GO_UNLATCH = 5
    FULL_LOCK = 6


class LockState(IntEnum):
    LOCKED = 1
    UNLOCKING = 2
    UNLOCKED = 3
    LOCKING = 4
    UNLATCHED = 5
    UNLOCKED_LOCK_N_GO = 6
    UNLATCHING = 7
    MOTOR_BLOCKED = 0xFE


COMPLETE: Final = 0
ACCEPTED: Final = 1


def operate(action: Action, app_id: int) -> Command:
    payload = bytes((action,)) + u32(app_id) + bytes(1)
    return Command(Op.LOCK_ACTION, payload, needs=Proof.CHALLENGE)


@dataclass(frozen=True, slots=True)
class States:
    """What 0C tells. `door` is None where the model tells none."""

    nuki_state: int
    lock_state: int
    trigger: int
    date: bytes
    battery: int
    config_count: int
    last: tuple[int, int, int]
    door: int | None


_STATES_SIZE: Final = 18


def states_of(message: Message) -> States:
    data = message.payload
    need(data, _STATES_SIZE, "the lock's states")
    return States(
        data[0],
        data[1],
        data[2],
        data[3:10],
        data[12],
        data[13],
        (data[15], data[16], data[17]),
        data[18] if len(data) > _STATES_SIZE else None,
    )


def set_clock(date7: bytes) -> Command:
    return Command(Op.SET_CLOCK, date7, needs=Proof.PIN)


def verify_pin() -> Command:
    return Command(Op.VERIFY_PIN, needs=Proof.PIN, asks_only=True)


def set_pin(pin: int, size: int) -> Command:
    return Command(Op.SET_PIN, pin.to_bytes(size, "little"), needs=Proof.PIN)


# ── keypad codes ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Code:
    """A keypad code as the lock lists it. `digits` is None where it does not tell them.

    `terms` are None where the entry is too short for any: then nothing is known of its limits.
    """

    id: int
    digits: Secret | None
    name: str
    enabled: bool
    terms: Terms | None


_CODE_SIZE: Final = 2 + 4 + CODE_NAME_SIZE + 1 + 7 + 7 + 2


def list_codes() -> Command:
    return Command(
        Op.LIST_CODES,
        u16(0) + u16(ALL),
        gathers=Op.CODE,
        counted=Op.CODE_COUNT,
        needs=Proof.PIN,
        asks_only=True,
    )


def code_of(message: Message) -> Code:
    data = message.payload
    need(data, _CODE_SIZE, "a code of the lock's list")
    digits = number(data, 2, 4)
    return Code(
        number(data, 0, 2),
        Secret(str(digits)) if digits else None,
        text_of(data[6:26]),
        data[26] != 0,
        terms_in(data[_CODE_SIZE:]),
    )


def _digits(digits: Secret) -> bytes:
    return u32(int(digits.reveal()))


def add_code(digits: Secret, name: str, terms: Terms) -> Command:
    payload = _digits(digits) + text(name, CODE_NAME_SIZE) + terms.encode()
    return Command(Op.ADD_CODE, payload, Op.CODE_ID, needs=Proof.PIN)


def update_code(id_: int, digits: Secret, name: str, terms: Terms, *, enabled: bool) -> Command:
    payload = u16(id_) + _digits(digits) + text(name, CODE_NAME_SIZE) + bytes((enabled,))
    return Command(Op.UPDATE_CODE, payload + terms.encode(), needs=Proof.PIN)


def remove_code(id_: int) -> Command:
    return Command(Op.REMOVE_CODE, u16(id_), needs=Proof.PIN)


# ── authorisations ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Authorisation:
    """Somebody or something that the lock obeys. `kind`: 0 app, 1 bridge, 2 fob, 3 keypad."""

    id: bytes
    kind: int
    name: str
    enabled: bool
    remote: bool
    last_active: bytes
    uses: int
    terms: Terms | None


_AUTHORISATION_SIZE: Final = AUTH_SIZE + 1 + NAME_SIZE + 2 + 7 + 7 + 2


def list_authorisations() -> Command:
    return Command(
        Op.LIST_AUTHORISATIONS,
        u16(0) + u16(ALL),
        gathers=Op.AUTHORISATION,
        counted=Op.AUTHORISATION_COUNT,
        needs=Proof.PIN,
        asks_only=True,
    )


def authorisation_of(message: Message) -> Authorisation:
    data = message.payload
    need(data, _AUTHORISATION_SIZE, "an authorisation of the lock's list")
    at = AUTH_SIZE + 1 + NAME_SIZE
    return Authorisation(
        data[:AUTH_SIZE],
        data[AUTH_SIZE],
        text_of(data[AUTH_SIZE + 1 : at]),
        data[at] != 0,
        data[at + 1] != 0,
        data[at + 9 : at + 16],
        number(data, at + 16, 2),
        terms_in(data[_AUTHORISATION_SIZE:]),
    )


def update_authorisation(wanted: Authorisation, terms: Terms) -> Command:
    payload = wanted.id + text(wanted.name, NAME_SIZE) + bytes((wanted.enabled, wanted.remote))
    return Command(Op.UPDATE_AUTHORISATION, payload + terms.encode(), needs=Proof.PIN)


def remove_authorisation(auth_id: bytes) -> Command:
    return Command(Op.REMOVE_AUTHORISATION, auth_id, needs=Proof.PIN)


# ── log ─────────────────────────────────────────────────────────────────────────────────────


class Log(IntEnum):
    """Kinds of log entries."""

    LOGGING = 1
    ACTION = 2
    CALIBRATION = 3
    INITIALISATION = 4
    KEYPAD = 5
    DOOR = 6
    DOOR_LOGGING = 7


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `data` is filled up with zeros on some models, and its meaning is its kind's."""

    index: int
    date: bytes
    auth_id: bytes
    kind: int
    data: bytes
    raw: bytes = field(repr=False)


_ENTRY_SIZE: Final = 4 + 7 + AUTH_SIZE + NAME_SIZE + 1


def read_log(start: int, count: int, *, newest_first: bool = False) -> Command:
    """From the entry numbered `start`; 0 is the very first, or the newest when these come first."""
    return Command(
        Op.REQUEST_LOG,
        u32(start) + u16(count) + bytes((newest_first, 0)),
        gathers=Op.LOG_ENTRY,
        needs=Proof.PIN,
        asks_only=True,
    )


def entry_of(message: Message) -> Entry:
    data = message.payload
    need(data, _ENTRY_SIZE, "an entry of the lock's log")
    return Entry(
        number(data, 0, 4),
        data[4:11],
        data[11:15],
        data[_ENTRY_SIZE - 1],
        data[_ENTRY_SIZE:],
        data,
    )
