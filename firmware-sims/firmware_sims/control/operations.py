"""What can be asked of a world: one function for each operation.

Here: the operations of the person at the door, of the installer, of whoever arms faults, and of
whoever wants the truth. Not here: sockets and JSON (``server``). Arguments are keyword arguments of
the functions; times are in seconds, instants unix seconds.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from firmware_sims.clock import LOCK_EPOCH
from firmware_sims.faults import CONDITIONS, EXPLAINED, Fault, FaultError
from firmware_sims.firmware.model import Answer, BoltState, Kind, Source
from firmware_sims.world import WorldError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from firmware_sims.journal import Entry
    from firmware_sims.world import RadioHandle, SimulatedLock, World

RadioFault = Literal["mute_ezsp", "mute_ash", "unmute", "reset", "drop"]
DEFAULT_TIMEOUT_S = 30.0


class OperationError(Exception):
    """The operation cannot be done as asked; the text says what would do."""


class RadioControl(Protocol):
    """What can happen to the coordinator's stick."""

    def fail(self, action: RadioFault) -> None:
        """Break it in the named way, or mend it (``unmute``)."""
        ...


class Operations:
    """The operations on one world; ``coordinator`` is None where there is no stick to break."""

    def __init__(self, world: World, coordinator: RadioControl | None = None) -> None:
        self._world = world
        self._coordinator = coordinator
        self._table: dict[str, Callable[..., Awaitable[Any] | Any]] = {
            **{name: self._of_device(function) for name, function in _DEVICE_OPERATIONS.items()},
            "devices": self._devices,
            "log": self._log,
            "wait": self._wait,
            "radio": self._radio,
        }

    @property
    def names(self) -> list[str]:
        """Every operation, ``subscribe`` included, which the server itself carries out."""
        return sorted([*self._table, "subscribe"])

    async def call(self, op: str, arguments: dict[str, Any]) -> Any:
        """Do one operation; ``OperationError`` in every case the caller can mend."""
        operation = self._table.get(op)
        if operation is None:
            raise OperationError(f"unknown op {op!r}; known: {', '.join(self.names)}")
        check_arguments(op, operation, arguments)
        try:
            result = operation(**arguments)
            return await result if inspect.isawaitable(result) else result
        except (WorldError, FaultError) as cause:
            raise OperationError(str(cause)) from None

    def _of_device(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def operation(device: str, **arguments: Any) -> Any:
            return function(self._world.lock(device), **arguments)

        parameters = list(inspect.signature(function).parameters.values())
        device = inspect.Parameter("device", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        operation.__signature__ = inspect.Signature([device, *parameters[1:]])  # type: ignore[attr-defined]  # inspect reads it
        return operation

    def _devices(self) -> list[dict[str, Any]]:
        return [
            {
                "device": lock.name,
                "profile": lock.spec.profile.name,
                "manufacturer": lock.spec.profile.manufacturer,
                "model": lock.spec.profile.model,
                "ieee": _ieee(lock.spec.ieee),
                "endpoint": lock.spec.profile.endpoint,
                "powered": lock.firmware.powered,
                **_radio_state(lock),
            }
            for lock in self._world.locks.values()
        ]

    def _log(self, after: int = 0, device: str | None = None) -> dict[str, Any]:
        if device is not None:
            self._world.lock(device)
        entries = self._world.journal.since(after)
        return {
            "last": self._world.journal.last,
            "entries": [entry for entry in entries if device in (None, entry["device"])],
        }

    async def _wait(
        self,
        device: str | None = None,
        kind: str | None = None,
        fault: str | None = None,
        after: int = 0,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        **fields: Any,
    ) -> Entry:
        """The first journal entry after ``after`` of that device, kind, fault and other fields."""
        if device is not None:
            self._world.lock(device)
        if kind is not None and kind != "fault" and kind not in set(Kind):
            raise OperationError(f"unknown kind {kind!r}; known: fault, {', '.join(Kind)}")
        if fault is not None and fault not in set(Fault):
            raise OperationError(f"unknown fault {fault!r}; known: {', '.join(Fault)}")
        wanted = {"device": device, "kind": kind, "fault": fault, **fields}
        wanted = {key: value for key, value in wanted.items() if value is not None}

        def matches(entry: Entry) -> bool:
            return all(entry.get(key) == value for key, value in wanted.items())

        try:
            return await self._world.journal.wait(matches, after=after, timeout_s=timeout_s)
        except TimeoutError:
            raise OperationError(
                f"nothing matched {wanted} within {timeout_s:g} s after entry {after}"
            ) from None

    def _radio(self, action: RadioFault) -> None:
        if self._coordinator is None:
            raise OperationError("this world has no coordinator")
        if action not in get_args(RadioFault):
            raise OperationError(
                f"unknown action {action!r}; known: {', '.join(get_args(RadioFault))}"
            )
        self._coordinator.fail(action)


_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "None": (type(None),),
}


def check_arguments(op: str, operation: Callable[..., Any], arguments: dict[str, Any]) -> None:
    """Refuse what the operation does not take; a value may be digits and is never repeated."""
    signature = inspect.signature(operation)
    try:
        signature.bind(**arguments)
    except TypeError as cause:
        raise OperationError(f"{op}: {cause}; it takes {_parameters(operation)}") from None
    for name, value in arguments.items():
        parameter = signature.parameters.get(name)
        words = [] if parameter is None else str(parameter.annotation).split(" | ")
        allowed = [kind for word in words for kind in _TYPES.get(word, ())]
        if allowed and type(value) not in allowed:
            raise OperationError(f"{op}: {name} must be {' or '.join(words)}")


def _parameters(operation: Callable[..., Any]) -> str:
    return ", ".join(
        name if value.default is inspect.Parameter.empty else f"{name}={value.default}"
        for name, value in inspect.signature(operation).parameters.items()
    )


def _ieee(value: int) -> str:
    return value.to_bytes(8, "big").hex(":")


def _radio_of(lock: SimulatedLock) -> RadioHandle:
    if lock.radio is None:
        raise OperationError(f"{lock.name!r} has no radio in this world")
    return lock.radio


def _radio_state(lock: SimulatedLock) -> dict[str, bool]:
    radio = lock.radio
    if radio is None:
        return {"joined": False, "pairing": False, "in_range": False}
    return {"joined": radio.joined, "pairing": radio.pairing, "in_range": radio.in_range}


def _told(answer: Answer) -> dict[str, Any]:
    return {"done": answer is Answer.OK, "reason": answer.value}


# ---- truth


def _state(lock: SimulatedLock) -> dict[str, Any]:
    """What the lock really holds, digits included."""
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
        **_radio_state(lock),
    }


def _scheduled(lock: SimulatedLock) -> set[int]:
    schedules = lock.firmware.schedules
    return {slot for slot, _ in [*schedules.week_day, *schedules.year_day]}


def _clock(
    lock: SimulatedLock,
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


def _type_code(lock: SimulatedLock, code: str) -> dict[str, Any]:
    result = lock.firmware.keypad.type_code(code)
    return {"opened": result.opened, "reason": result.reason, "slot": result.slot}


def _thumb_turn(lock: SimulatedLock, to: str = "unlocked", key: bool = False) -> dict[str, Any]:
    target = _bolt(to)
    return {"done": lock.firmware.turn_thumb(target, with_key=key)}


def _bolt(to: str) -> BoltState:
    targets = {"locked": BoltState.LOCKED, "unlocked": BoltState.UNLOCKED}
    if to not in targets:
        raise OperationError(f"to must be locked or unlocked, got {to!r}")
    return targets[to]


def _one_touch(lock: SimulatedLock) -> dict[str, Any]:
    return {"done": lock.firmware.keypad.one_touch()}


def _jam(lock: SimulatedLock) -> None:
    lock.firmware.bolt.jam()
    lock.firmware.changed()


def _unjam(lock: SimulatedLock) -> None:
    if lock.faults.lasting(Fault.STUCK_JAM):
        raise OperationError(f"{lock.name!r} is stuck by a fault: disarm stuck-jam")
    lock.firmware.bolt.unjam()


def _door(lock: SimulatedLock, open: bool) -> None:  # noqa: A002 - the word of the interface
    lock.firmware.bolt.move_door(is_open=open)


def _tamper(lock: SimulatedLock) -> None:
    lock.firmware.emit(Kind.TAMPERED, Source.NOBODY, None)


def _battery(
    lock: SimulatedLock,
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


def _set_code_by_hand(lock: SimulatedLock, slot: int, code: str) -> dict[str, Any]:
    return _told(lock.firmware.keypad.set_code_by_hand(slot, code))


def _clear_codes(lock: SimulatedLock, slot: int | None = None) -> dict[str, Any]:
    """The clear code at the keypad: one slot, or without ``slot`` all of them."""
    return _told(lock.firmware.keypad.clear_by_hand(slot))


def _factory_reset(lock: SimulatedLock) -> None:
    """Everything is forgotten, the network too, and the coordinator is not told."""
    lock.firmware.factory_reset()
    if lock.radio is not None:
        lock.radio.forget()


def _join(lock: SimulatedLock) -> None:
    _radio_of(lock).start_joining()


def _leave(lock: SimulatedLock) -> None:
    _radio_of(lock).leave()


def _out_of_range(lock: SimulatedLock) -> None:
    _radio_of(lock).in_range = False


def _in_range(lock: SimulatedLock) -> None:
    _radio_of(lock).in_range = True


# ---- faults


def _arm(
    lock: SimulatedLock,
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
    lock: SimulatedLock, number: int | None = None, fault: str | None = None
) -> list[dict[str, Any]]:
    return [armed.as_dict() for armed in lock.faults.disarm(number, fault)]


def _faults(lock: SimulatedLock) -> dict[str, Any]:
    """What is armed, and everything that could be."""
    return {
        "armed": [armed.as_dict() for armed in lock.faults.armed()],
        "known": {fault.value: text for fault, text in EXPLAINED.items()},
        "lasting": sorted(CONDITIONS),
    }


def _release(lock: SimulatedLock, drop: bool = False) -> dict[str, int]:
    """Send the withheld answers, or with ``drop`` throw them away."""
    return {"released": lock.queue.release(drop=drop)}


def _phantom(lock: SimulatedLock, slot: int | None = None) -> None:
    """Report an unlocking that never was, now."""
    lock.firmware.emit(Kind.MANUAL_UNLOCKED, Source.MANUAL, slot, phantom=True)


_DEVICE_OPERATIONS: dict[str, Callable[..., Any]] = {
    "state": _state,
    "clock": _clock,
    "type_code": _type_code,
    "thumb_turn": _thumb_turn,
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
    "out_of_range": _out_of_range,
    "in_range": _in_range,
    "arm": _arm,
    "disarm": _disarm,
    "faults": _faults,
    "release": _release,
    "phantom": _phantom,
}
