"""What a Nuki's words mean: errors, advertisements, states, abilities, log entries, in ours. Pure.

Sources: ronengr/pyNukiBT `const.py` for errors, states and completions, `nuki.py` for the beacon;
I-Connect/NukiBleEsp32 `NukiBle.cpp` for pairing mode, `NukiUtils.cpp` for the door's log entries.
Not here: asking. Digits stop here: no result carries them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from gateway.domain.capabilities import Capabilities, CodeLimits, ScheduleSupport
from gateway.domain.events import EventType, Method
from gateway.drivers.api import DeviceEvent, Happening, Measured
from gateway.drivers.nuki import wire
from gateway.drivers.nuki.commands import Action, LockState, Log
from gateway.drivers.nuki.wire import instant_of, number, wall_of
from gateway.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, tzinfo

    from gateway.domain.instant import Instant
    from gateway.drivers.nuki.commands import Entry, States
    from gateway.drivers.nuki.settings import Config
    from gateway.radios.api import Advertisement

# ── errors ──────────────────────────────────────────────────────────────────────────────────

NOT_AUTHORISED: Final = 0x20
WRONG_PIN: Final = 0x21
PIN_LOCKED_OUT: Final = frozenset({0x28, 0x2C, 0x2D, 0x2E})
_PAUSE = "too many wrong PINs: the lock takes none for a while; nobody should try again till then"
_ERRORS: Final[Mapping[int, tuple[Refusal, str]]] = {
    0x10: (Refusal.INVALID, "the lock is not in pairing mode: hold its button for five seconds"),
    0x11: (Refusal.NOT_AUTHORISED, "the lock did not accept the proof of the key"),
    0x12: (Refusal.INVALID, "the lock did not expect that while pairing"),
    0x13: (Refusal.FULL, "the lock has no room for another authorisation"),
    NOT_AUTHORISED: (Refusal.NOT_AUTHORISED, "the lock does not know our key: pair it again"),
    WRONG_PIN: (Refusal.NOT_AUTHORISED, "the security PIN is wrong: pair again with the right one"),
    0x22: (Refusal.FAILED, "the lock has forgotten its challenge"),
    0x23: (Refusal.INVALID, "the lock cannot take this value"),
    0x24: (Refusal.INVALID, "the lock does not know this authorisation"),
    0x25: (Refusal.NOT_AUTHORISED, "our authorisation was disabled"),
    0x26: (Refusal.NOT_AUTHORISED, "our authorisation may not act from afar"),
    0x27: (Refusal.NOT_AUTHORISED, "our authorisation may not act at this time"),
    0x28: (Refusal.BUSY, _PAUSE),
    0x29: (Refusal.FULL, "the lock's memory is full"),
    0x2A: (Refusal.DUPLICATE, "the lock has this code already"),
    0x2B: (Refusal.INVALID, "the lock does not know this code"),
    0x2C: (Refusal.BUSY, _PAUSE),
    0x2D: (Refusal.BUSY, _PAUSE),
    0x2E: (Refusal.BUSY, _PAUSE),
    0x40: (Refusal.BUSY, "the lock has just done something else"),
    0x41: (Refusal.FAILED, "the lock is not sure where its bolt is"),
    0x42: (Refusal.JAMMED, "the motor is blocked"),
    0x43: (Refusal.JAMMED, "the clutch does not grip"),
    0x44: (Refusal.JAMMED, "the motor turned and met no end"),
    0x45: (Refusal.BUSY, "the lock is still at something else"),
    0x46: (Refusal.FAILED, "somebody stopped it with the button"),
    0x47: (Refusal.INVALID, "the lock is not calibrated: calibrate it with the vendor's app"),
    0x48: (Refusal.INVALID, "the lock cannot store more positions"),
    0x49: (Refusal.BUSY, "the batteries are too weak for the motor"),
    0x4A: (Refusal.FAILED, "the motor has no power"),
    0x4B: (Refusal.FAILED, "the clutch has no power"),
    0x4C: (Refusal.BUSY, "the batteries are too weak"),
    0x4D: (Refusal.UNSUPPORTED, "the lock wants new firmware first"),
    0xFD: (Refusal.FAILED, "the lock received it damaged"),
    0xFE: (Refusal.INVALID, "the lock expected another length of the command"),
}


def refusal_of(error: int) -> Refusal:
    return _ERRORS.get(error, (Refusal.FAILED, ""))[0]


def why(error: int) -> str:
    """For people: what is wrong and, where they can do something, what."""
    return _ERRORS.get(error, (Refusal.FAILED, f"the lock refused it (error 0x{error:02x})"))[1]


# ── advertisement ───────────────────────────────────────────────────────────────────────────

_APPLE: Final = 0x004C
_BEACON: Final = bytes((0x02, 0x15)) + bytes.fromhex(wire.SERVICE.replace("-", ""))
_BEACON_SIZE: Final = 23


@dataclass(frozen=True, slots=True)
class Told:
    """`changed`: its state has changed since somebody read it. None where there is no beacon."""

    nuki_id: int
    changed: bool | None
    pairing: bool
    ultra: bool


def told_by(advertisement: Advertisement) -> Told | None:
    """None for what is no smart lock of this vendor (an opener has another beacon).

    A lock in pairing mode sends service data of its pairing service; which of the two it is tells
    how it pairs.
    """
    ultra = _tells_of(advertisement, wire.ULTRA_SERVICE)
    pairing = ultra or _tells_of(advertisement, wire.PAIRING_SERVICE)
    beacon = advertisement.manufacturer_data.get(_APPLE, b"")
    if len(beacon) >= _BEACON_SIZE and beacon.startswith(_BEACON):
        nuki_id = int.from_bytes(beacon[18:22], "big")
        return Told(nuki_id, bool(beacon[22] & 1), pairing, ultra)
    if pairing:
        return Told(0, None, pairing, ultra)
    return None


def _tells_of(advertisement: Advertisement, service: str) -> bool:
    return service in advertisement.service_data or service in advertisement.service_uuids


# ── states ──────────────────────────────────────────────────────────────────────────────────

_LOCKED: Final[Mapping[int, bool]] = {
    LockState.LOCKED: True,
    LockState.UNLOCKED: False,
    LockState.UNLATCHED: False,
    LockState.UNLOCKED_LOCK_N_GO: False,
}
"""A motor that runs, is blocked or has lost its way says nothing of the bolt."""
MOVING: Final = frozenset({LockState.UNLOCKING, LockState.LOCKING, LockState.UNLATCHING})
_DOOR_OPEN: Final[Mapping[int, bool]] = {2: False, 3: True}
_CRITICAL: Final = 1


def locked_by(states: States) -> bool | None:
    return _LOCKED.get(states.lock_state)


def measured_from(states: States) -> Measured:
    """The first generations tell no percent, only whether it is critical."""
    percent = (states.battery >> 2) * 2
    return Measured(
        locked=locked_by(states),
        door_open=None if states.door is None else _DOOR_OPEN.get(states.door),
        battery_percent=percent if 0 < percent <= 100 else None,
        battery_low=bool(states.battery & _CRITICAL),
    )


def shown_by(states: States) -> tuple[int, ...]:
    """What changes when anything happened at the door that the log may tell more of."""
    return (
        states.lock_state,
        states.trigger,
        *states.last,
        -1 if states.door is None else states.door,
    )


# ── abilities ───────────────────────────────────────────────────────────────────────────────

SLOTS: Final = 100
"""Codes that a keypad takes, by the vendor's support pages."""
LIMITS: Final = CodeLimits(
    slots=SLOTS,
    min_length=6,
    max_length=6,
    forbidden_digits="0",
    forbidden_prefixes=("12",),
    reads_back_digits=True,
)
"""Six digits from 1 to 9, not beginning with 12 (developer.nuki.io, topic 54)."""
_NO_SENSOR: Final = frozenset({None, 0})


def capabilities_of(config: Config, states: States, *, manages: bool) -> Capabilities:
    """`manages`: the security PIN is known. Flags that it lacks are False: the lock could."""
    return Capabilities(
        can_remotely_unlock=True,
        can_remotely_lock=True,
        can_program_online_access_codes=config.has_keypad and manages,
        reports_events=manages,
        reports_attribution=config.has_keypad and manages,
        has_door_sensor=None if states.door in _NO_SENSOR else True,
        has_clock=manages,
        keeps_log=manages,
        sleepy=True,
        codes=LIMITS if config.has_keypad else CodeLimits(slots=0, min_length=6, max_length=6),
        schedules=ScheduleSupport(week_day=1, year_day=1, granularity_s=60, edge_s=60),
    )


MODELS: Final[Mapping[int | None, str]] = {
    None: "Smart Lock",
    0: "Smart Lock 1 or 2",
    3: "Smart Door",
    4: "Smart Lock 3 or 4",
    5: "Smart Lock Ultra",
}

KINDS: Final[Mapping[int, str]] = {0: "phone", 1: "bridge", 2: "fob", 3: "keypad"}
"""What an authorisation is for."""

# ── log ─────────────────────────────────────────────────────────────────────────────────────


class Completion(IntEnum):
    """How an action ended."""

    SUCCESS = 0
    MOTOR_BLOCKED = 1
    CANCELED = 2
    TOO_RECENT = 3
    BUSY = 4
    LOW_VOLTAGE = 5
    CLUTCH_FAILURE = 6
    POWER_FAILURE = 7
    INCOMPLETE = 8
    INVALID_CODE = 0xE0
    INVALID_FINGER = 0xE1


_OPENS: Final = frozenset(
    {Action.UNLOCK, Action.UNLATCH, Action.LOCK_N_GO, Action.LOCK_N_GO_UNLATCH}
)
_CLOSES: Final = frozenset({Action.LOCK, Action.FULL_LOCK})
_TRIGGERS: Final[Mapping[int, Method]] = {
    0: Method.REMOTE,
    1: Method.MANUAL,
    2: Method.MANUAL,
    3: Method.SCHEDULE,
    6: Method.AUTO_LOCK,
}
_ARROW, _CODE, _FINGER = 0, 1, 2
_FAILURES: Final[Mapping[int, str]] = {
    Completion.MOTOR_BLOCKED: "motor_blocked",
    Completion.LOW_VOLTAGE: "low_motor_voltage",
    Completion.CLUTCH_FAILURE: "clutch_failure",
    Completion.POWER_FAILURE: "motor_power_failure",
    Completion.INCOMPLETE: "incomplete",
}
"""Those after which the bolt may be anywhere. One that was stopped or never begun moved nothing."""
_DOOR: Final[Mapping[int, tuple[EventType, str | None]]] = {
    0: (EventType.DOOR_OPENED, None),
    1: (EventType.DOOR_CLOSED, None),
}
"""2 is a sensor that is jammed, which says nothing of the door."""


@dataclass(frozen=True, slots=True)
class Users:
    """Whose codes are meant, by the lock's own ids.

    `slot_of`: by which number here a code goes. `permits`: whether a code that is enabled might
    open at a wall time of the lock; None where that is not known.
    """

    slot_of: Callable[[int], int | None]
    permits: Callable[[int, datetime], bool | None]


def told_in(entry: Entry, users: Users, zone: tzinfo) -> Sequence[DeviceEvent]:
    """What an entry means; nothing for switching of logs, calibration and restarts."""
    at = instant_of(entry.date, zone)
    data = entry.data
    if entry.kind == Log.DOOR and data and data[0] in _DOOR:
        event, reason = _DOOR[data[0]]
        return (Happening(event, reason=reason, device_time=at, from_log=True),)
    if entry.kind == Log.ACTION and len(data) >= 4:
        action, trigger, _, completion = data[:4]
        event_of = _moved(action, completion)
        method = _TRIGGERS.get(trigger, Method.UNKNOWN)
        if event_of is None:
            return ()
        return (Happening(event_of[0], method, None, event_of[1], device_time=at, from_log=True),)
    if entry.kind == Log.KEYPAD and len(data) >= 5:
        told = _typed(entry, users)
        return () if told is None else (_at(told, at),)
    return ()


def _at(told: Happening, at: Instant | None) -> Happening:
    return replace(told, device_time=at, from_log=True)


def _moved(action: int, completion: int) -> tuple[EventType, str | None] | None:
    if completion in _FAILURES:
        return EventType.LOCK_JAMMED, _FAILURES[completion]
    if completion != Completion.SUCCESS:
        return None
    if action in _OPENS:
        return EventType.LOCK_UNLOCKED, None
    return (EventType.LOCK_LOCKED, None) if action in _CLOSES else None


def _typed(entry: Entry, users: Users) -> Happening | None:
    """At the keypad. A code of ours that was refused while its terms forbade it proves that the
    lock keeps them; one that was refused while they permitted it was switched off, or changed."""
    action, source, completion = entry.data[:3]
    code = number(entry.data, 3, 2)
    slot = users.slot_of(code) if source == _CODE and code else None
    method = {_CODE: Method.CODE, _FINGER: Method.FINGERPRINT}.get(source, Method.KEYPAD)
    if method is Method.CODE and slot is None:
        method = Method.KEYPAD
    if completion in {Completion.INVALID_CODE, Completion.INVALID_FINGER}:
        wall = wall_of(entry.date)
        kept = slot is not None and wall is not None and users.permits(code, wall) is False
        if completion == Completion.INVALID_FINGER:
            reason = "unknown_finger"
        else:
            reason = "schedule" if kept else "unknown_code" if slot is None else "refused"
        return Happening(EventType.ACCESS_DENIED, method, slot, reason, schedule_refused=kept)
    moved = _moved(action, completion)
    return None if moved is None else Happening(moved[0], method, slot, moved[1])
