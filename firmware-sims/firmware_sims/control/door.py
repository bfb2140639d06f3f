"""What can be done to one device: one function for each operation.

Here: the person at the door, the installer, whoever arms faults, and whoever wants the truth. Not
here: which device is meant and whether the arguments fit (``operations``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firmware_sims.ble.devices import BleLock, BleSensor
from firmware_sims.clock import LOCK_EPOCH
from firmware_sims.control.arguments import OperationError, check_arguments
from firmware_sims.faults import CONDITIONS, EXPLAINED, Fault
from firmware_sims.firmware.model import Answer, BoltState, Kind, Source
from firmware_sims.simulated import AnyLock
from firmware_sims.world import SimulatedLock
from firmware_sims.zwave.devices import ZwaveLock

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_sims.ble.devices import Place
    from firmware_sims.simulated import SimulatedDevice
    from firmware_sims.world import RadioHandle


def _told(answer: Answer) -> dict[str, Any]:
    return {"done": answer is Answer.OK, "reason": answer.value}


# ---- truth


def _state(device: SimulatedDevice) -> dict[str, Any]:
    """What is really true of a device: of a lock what it holds, digits included."""
    if not isinstance(device, AnyLock):
        return device.state()
    return {**_held(device), **device.state()}


def _held(lock: AnyLock) -> dict[str, Any]:
    firmware = lock.firmware
    users, schedules = firmware.users, firmware.schedules
    slots: dict[str, dict[str, Any]] = {}
    for slot in sorted({*users.users, *users.writes, *_scheduled(lock)}):
        user = users.users.get(slot)
        slots[str(slot)] = {
            "code": None if user is None else user.code,
            "status": "available" if user is None else user.status.name.lower(),
            "type": None if user is None else user.type.name.lower(),
            "week_day": {
                str(number): {
                    "days_mask": entry.days_mask,
                    "start": f"{entry.start_hour:02}:{entry.start_minute:02}",
                    "end": f"{entry.end_hour:02}:{entry.end_minute:02}",
                }
                for (who, number), entry in schedules.week_day.items()
                if who == slot
            },
            "year_day": {
                str(number): {"start_s": entry.start_s, "end_s": entry.end_s}
                for (who, number), entry in schedules.year_day.items()
                if who == slot
            },
            "writes": users.writes[slot],
        }
    return {
        "bolt": firmware.bolt.state.name.lower(),
        "jammed": firmware.bolt.jammed,
        "door_open": firmware.bolt.door_open,
        "powered": firmware.powered,
        "battery_percent": firmware.battery_percent,
        "locked_out": firmware.keypad.locked_out,
        "slots": slots,
        "total_writes": users.writes.total(),
        "commands_received": dict(lock.queue.received),
        "commands_applied": dict(lock.queue.applied),
        "withheld": lock.queue.withheld,
        "settings": dict(firmware.settings),
        "clock": _clock(lock),
    }


def _scheduled(lock: AnyLock) -> set[int]:
    schedules = lock.firmware.schedules
    return {slot for slot, _ in [*schedules.week_day, *schedules.year_day]}


def _clock(
    lock: AnyLock,
    offset_s: float | None = None,
    drift_ppm: float | None = None,
) -> dict[str, Any]:
    """Read the lock's clock, after moving it ``offset_s`` from true time or changing its drift."""
    clock = lock.firmware.clock
    if drift_ppm is not None:
        clock.drift_ppm = float(drift_ppm)
    if offset_s is not None:
        clock.set_utc(lock.firmware.timebase.now() + offset_s)
    if offset_s is not None or drift_ppm is not None:
        lock.firmware.changed()
    zone = clock.zone
    return {
        "utc": clock.utc(),
        "local_s": clock.local(),
        "error_s": clock.error_s(),
        "drift_ppm": clock.drift_ppm,
        "ever_set": clock.ever_set,
        "standard_offset_s": zone.standard_offset_s,
        "dst_start": max(0, zone.dst_start - LOCK_EPOCH),
        "dst_end": max(0, zone.dst_end - LOCK_EPOCH),
        "dst_shift_s": zone.dst_shift_s,
    }


# ---- the person at the door


def _type_code(lock: AnyLock, code: str) -> dict[str, Any]:
    result = lock.firmware.keypad.type_code(code)
    return {"opened": result.opened, "reason": result.reason, "slot": result.slot}


def _thumb_turn(lock: AnyLock, to: str = "unlocked", key: bool = False) -> dict[str, Any]:
    target = _bolt(to)
    return {"done": lock.firmware.turn_thumb(target, with_key=key)}


def _bolt(to: str) -> BoltState:
    targets = {"locked": BoltState.LOCKED, "unlocked": BoltState.UNLOCKED}
    if to not in targets:
        raise OperationError(f"to must be locked or unlocked, got {to!r}")
    return targets[to]


def _present(lock: AnyLock, token: int, kind: str = "card") -> dict[str, Any]:
    """Hold up a card or lay on a finger."""
    kinds = {"card": Source.CARD, "finger": Source.FINGER}
    if kind not in kinds:
        raise OperationError(f"kind must be card or finger, got {kind!r}")
    result = lock.firmware.reader.present(kinds[kind], token)
    return {"opened": result.opened, "reason": result.reason}


def _one_touch(lock: AnyLock) -> dict[str, Any]:
    return {"done": lock.firmware.keypad.one_touch()}


def _jam(lock: AnyLock) -> None:
    lock.firmware.bolt.jam()
    lock.firmware.changed()


def _unjam(lock: AnyLock) -> None:
    if lock.faults.lasting(Fault.STUCK_JAM):
        raise OperationError(f"{lock.name!r} is stuck by a fault: disarm stuck-jam")
    lock.firmware.bolt.unjam()


def _door(lock: AnyLock, open: bool) -> None:  # noqa: A002 - the word of the interface
    lock.firmware.bolt.move_door(is_open=open)


def _tamper(lock: AnyLock) -> None:
    lock.firmware.emit(Kind.TAMPERED, Source.NOBODY, None)


def _battery(
    lock: AnyLock,
    percent: float | None = None,
    inserted: bool | None = None,
) -> dict[str, Any]:
    """Drain to ``percent``, pull the battery or put it back."""
    if percent is not None:
        lock.firmware.set_battery(float(percent))
    if inserted is False:
        lock.firmware.lose_power()
    elif inserted is True:
        if lock.faults.lasting(Fault.DEAD):
            raise OperationError(f"{lock.name!r} is dead by a fault: disarm dead")
        lock.restore_power()
    return {"percent": lock.firmware.battery_percent, "powered": lock.firmware.powered}


# ---- the installer


def _set_code_by_hand(lock: AnyLock, slot: int, code: str) -> dict[str, Any]:
    return _told(lock.firmware.keypad.set_code_by_hand(slot, code))


def _clear_codes(lock: AnyLock, slot: int | None = None) -> dict[str, Any]:
    """The clear code at the keypad: one slot, or without ``slot`` all of them."""
    return _told(lock.firmware.keypad.clear_by_hand(slot))


def _factory_reset(lock: AnyLock) -> None:
    """Everything is forgotten, the network too, and the coordinator is not told."""
    lock.firmware.factory_reset()
    lock.forget()


# ---- where it stands


def _join(lock: AnyLock) -> None:
    _radio_of(lock).start_joining()


def _leave(lock: AnyLock) -> None:
    _radio_of(lock).leave()


def _radio_of(lock: AnyLock) -> RadioHandle:
    if isinstance(lock, ZwaveLock):
        return lock.radio
    if not isinstance(lock, SimulatedLock):
        raise OperationError(f"{lock.name!r} speaks Bluetooth: it joins no network")
    if lock.radio is None:
        raise OperationError(f"{lock.name!r} has no radio in this world")
    return lock.radio


def _out_of_range(device: SimulatedDevice, adapter: str | None = None) -> None:
    """Carry it away, from one Bluetooth ``adapter`` or from everybody."""
    _move(device, adapter, here=False)


def _in_range(device: SimulatedDevice, adapter: str | None = None) -> None:
    _move(device, adapter, here=True)


def _move(device: SimulatedDevice, adapter: str | None, *, here: bool) -> None:
    if adapter is not None:
        _place_of(device).set_in_range(here, adapter)
        return
    if device.reach is None:
        raise OperationError(f"{device.name!r} has no radio in this world")
    device.reach.in_range = here


def _rssi(device: SimulatedDevice, dbm: int, adapter: str | None = None) -> None:
    """Carry it nearer or farther; below -100 dBm nobody hears it."""
    _place_of(device).set_rssi(dbm, adapter)


def _place_of(device: SimulatedDevice) -> Place:
    if not isinstance(device, BleLock | BleSensor):
        raise OperationError(f"{device.name!r} does not speak Bluetooth")
    if device.place is None:
        raise OperationError(f"{device.name!r} has no radio in this world")
    return device.place


def _act(device: SimulatedDevice, action: str, **arguments: Any) -> Any:
    """What only this family's devices can be made to do, such as ``touch_keypad``."""
    actions = device.actions if isinstance(device, BleLock | BleSensor) else {}
    if action not in actions:
        known = ", ".join(sorted(actions)) or "none"
        raise OperationError(f"unknown action {action!r} of {device.name!r}; known: {known}")
    check_arguments(action, actions[action], arguments)
    return actions[action](**arguments)


# ---- faults


def _arm(
    lock: AnyLock,
    fault: str,
    on: str | None = None,
    slot: int | None = None,
    count: int | None = -1,
    seconds: float | None = None,
    rate: float = 1.0,
) -> dict[str, Any]:
    """Arm a fault by name; ``count`` null means until disarmed."""
    armed = lock.faults.arm(fault, on=on, slot=slot, count=count, seconds=seconds, rate=rate)
    return armed.as_dict()


def _disarm(
    lock: AnyLock, number: int | None = None, fault: str | None = None
) -> list[dict[str, Any]]:
    return [armed.as_dict() for armed in lock.faults.disarm(number, fault)]


def _faults(lock: AnyLock) -> dict[str, Any]:
    """What is armed, and everything that could be."""
    return {
        "armed": [armed.as_dict() for armed in lock.faults.armed()],
        "known": {fault.value: text for fault, text in EXPLAINED.items()},
        "lasting": sorted(CONDITIONS),
    }


def _release(lock: AnyLock, drop: bool = False) -> dict[str, int]:
    """Send the withheld answers, or with ``drop`` throw them away."""
    return {"released": lock.queue.release(drop=drop)}


def _phantom(lock: AnyLock, slot: int | None = None) -> None:
    """Report an unlocking that never was, now."""
    lock.firmware.emit(Kind.MANUAL_UNLOCKED, Source.MANUAL, slot, phantom=True)


DEVICE_OPERATIONS: dict[str, Callable[..., Any]] = {
    "state": _state,
    "act": _act,
    "rssi": _rssi,
    "out_of_range": _out_of_range,
    "in_range": _in_range,
}
"""On every device."""

LOCK_OPERATIONS: dict[str, Callable[..., Any]] = {
    "clock": _clock,
    "type_code": _type_code,
    "thumb_turn": _thumb_turn,
    "present": _present,
    "one_touch": _one_touch,
    "jam": _jam,
    "unjam": _unjam,
    "door": _door,
    "tamper": _tamper,
    "battery": _battery,
    "set_code_by_hand": _set_code_by_hand,
    "clear_codes": _clear_codes,
    "factory_reset": _factory_reset,
    "join": _join,
    "leave": _leave,
    "arm": _arm,
    "disarm": _disarm,
    "faults": _faults,
    "release": _release,
    "phantom": _phantom,
}
