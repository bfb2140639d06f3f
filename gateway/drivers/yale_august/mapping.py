"""What yalexs-ble's words mean to the house, by their names, so that it need not be imported. Pure.

Source: yalexs-ble `const.py` (LockStatus, DoorStatus, OperationError, LockOperationSource).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.domain.capabilities import Capabilities, CodeLimits
from gateway.domain.events import EventType, Method
from gateway.domain.instant import Instant
from gateway.drivers.api import Happening
from gateway.errors import Refusal

if TYPE_CHECKING:
    from datetime import datetime

SLOTS = 25
"""How many of the keypad's slots are read and used. The lock numbers them to 65535 and tells
nowhere how many it holds; each takes a quarter of a second to read."""
LIMITS = CodeLimits(SLOTS, min_length=4, max_length=6, reads_back_digits=True)
"""Four to six digits, as the vendor's app asks for."""
LOW_PERCENT = 15

_BOLT = {"LOCKED": True, "SECUREMODE": True, "UNLOCKED": False, "UNLATCHED": False}
_DOOR = {"CLOSED": False, "AJAR": True, "OPENED": True}
_MOVED = {
    "LOCKED": EventType.LOCK_LOCKED,
    "SECUREMODE": EventType.LOCK_LOCKED,
    "UNLOCKED": EventType.LOCK_UNLOCKED,
    "UNLATCHED": EventType.LOCK_UNLOCKED,
    "JAMMED": EventType.LOCK_JAMMED,
}
_METHODS = {
    "REMOTE": Method.REMOTE,
    "MANUAL": Method.MANUAL,
    "AUTO_LOCK": Method.AUTO_LOCK,
    "PIN": Method.CODE,
}
_REFUSALS = {
    "KEYCODE_EXISTING_KEY": Refusal.DUPLICATE,
    "KEYCODE_NOSPACE": Refusal.FULL,
    "KEYCODE_SLOT_IN_USE": Refusal.INVALID,
    "KEYCODE_DISABLE": Refusal.UNSUPPORTED,
    "KEYCODE_INVALID_ACCESS": Refusal.INVALID,
    "INVALID_MSG": Refusal.INVALID,
    "INVALID_OPERATION": Refusal.UNSUPPORTED,
    "NOT_FOUND": Refusal.UNSUPPORTED,
    "NOT_AUTHORIZED": Refusal.NOT_AUTHORISED,
    "WRONG_KEY": Refusal.NOT_AUTHORISED,
    "BUSY": Refusal.BUSY,
}
_MECHANICAL = "MECH_"


def locked(status: str) -> bool | None:
    """None while it moves, is stuck, or is not set up."""
    return _BOLT.get(status)


def door_open(status: str) -> bool | None:
    return _DOOR.get(status)


def refusal_of(error: object) -> Refusal:
    """`error` is the library's enum, or a number it has no name for."""
    name = str(getattr(error, "name", ""))
    if name.startswith(_MECHANICAL):
        return Refusal.JAMMED
    return _REFUSALS.get(name, Refusal.FAILED)


def happening_of(activity: Any) -> Happening | None:
    """A record of the bolt. What the door did is told by its sensor, not twice."""
    kind = _MOVED.get(activity.status.name)
    source = getattr(activity, "source", None)
    if kind is None or source is None:
        return None
    return Happening(
        kind,
        _METHODS.get(source.name, Method.UNKNOWN),
        activity.slot,
        device_time=_instant(activity.timestamp),
        from_log=True,
    )


def _instant(at: datetime) -> Instant:
    """The library turns the lock's unix seconds into the host's wall time; this turns them back."""
    return Instant(round(at.timestamp() * 1000))


def capabilities_of(*, door: bool, keypad: bool) -> Capabilities:
    """The lock keeps no window for us: the library programs codes that are always valid."""
    return Capabilities(
        can_remotely_unlock=True,
        can_remotely_lock=True,
        can_program_online_access_codes=True if keypad else None,
        reports_events=True,
        reports_attribution=True if keypad else None,
        has_door_sensor=True if door else None,
        keeps_log=True,
        sleepy=True,
        codes=LIMITS if keypad else None,
    )
