"""What a Nuki writes and shows when something happens that no command of the radio asked for.

Here: the firmware's events as log entries, triggers and changes of state. Not here: the ring
(``oplog``), and lock actions, which the motor writes itself.

Assumed: a code that opens nothing is written as an invalid one, with its id where it has one; while
the keypad ignores everybody it writes nothing; a hand on the key writes no entry, a button does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.ble.nuki import states
from firmware_sims.ble.nuki.authorizations import NOBODY
from firmware_sims.ble.nuki.fields import u8
from firmware_sims.ble.nuki.frames import Message
from firmware_sims.ble.nuki.oplog import action_data, keypad_data
from firmware_sims.ble.nuki.words import (
    Action,
    Completion,
    Door,
    KeypadSource,
    LockState,
    LogType,
    Op,
    Trigger,
)
from firmware_sims.firmware.model import Kind, Source

if TYPE_CHECKING:
    from firmware_sims.ble.nuki.core import Core
    from firmware_sims.firmware.model import FirmwareEvent, KeypadResult

_BY_HAND = frozenset({Kind.MANUAL_LOCKED, Kind.MANUAL_UNLOCKED, Kind.KEY_LOCKED, Kind.KEY_UNLOCKED})
_SHOWN = frozenset(
    {Kind.JAMMED, Kind.BATTERY, Kind.DOOR_OPENED, Kind.DOOR_CLOSED, Kind.UNLOCKED, Kind.LOCKED}
)


class Chronicle:
    """Listens to the firmware and to its keypad."""

    def __init__(self, core: Core) -> None:
        self._core = core
        core.firmware.listeners.append(self._happened)
        core.firmware.keypad.listeners.append(self._typed)
        core.firmware.reader.listeners.append(self._presented)

    def _happened(self, event: FirmwareEvent) -> None:
        core, motor = self._core, self._core.motor
        if event.phantom:
            # Said, and nowhere written.
            payload = bytearray(states.encode(core))
            payload[1:3] = bytes([LockState.UNLOCKED, Trigger.MANUAL])
            core.push(Message(Op.STATES, bytes(payload)))
            return
        if event.kind is Kind.CODE_ADDED and event.source is Source.KEYPAD and event.slot:
            core.codes.by_hand(event.slot)
        if event.kind in _BY_HAND:
            motor.moved(Trigger.MANUAL)
        elif event.kind is Kind.AUTO_LOCKED:
            motor.moved(Trigger.AUTO_LOCK)
            motor.note(Action.LOCK, Trigger.AUTO_LOCK, Completion.SUCCESS)
            data = action_data(Action.LOCK, Trigger.AUTO_LOCK, Completion.SUCCESS)
            core.write(LogType.ACTION, data)
        elif event.kind is Kind.ONE_TOUCH_LOCKED:
            motor.moved(Trigger.SYSTEM)
            motor.note(Action.LOCK, Trigger.SYSTEM, Completion.SUCCESS)
            data = keypad_data(Action.LOCK, KeypadSource.ARROW, Completion.SUCCESS)
            core.write(LogType.KEYPAD, data)
        elif event.kind is Kind.UNLOCKED and event.source is not Source.RADIO:
            motor.moved(Trigger.SYSTEM)
            motor.note(Action.UNLOCK, Trigger.SYSTEM, Completion.SUCCESS)
        elif event.kind in (Kind.DOOR_OPENED, Kind.DOOR_CLOSED):
            self._door()
        elif event.kind not in _SHOWN:
            return
        if event.source is not Source.RADIO:
            core.state_changed()

    def _door(self) -> None:
        core = self._core
        seen = states.door(core)
        if seen is not Door.UNAVAILABLE and core.log.door_enabled:
            # Other numbers than in its states: NukiBleEsp32, NukiUtils.cpp, logLogEntry.
            core.write(LogType.DOOR, u8(0 if seen is Door.OPENED else 1))

    def _typed(self, _code: str, result: KeypadResult) -> None:
        core = self._core
        if result.reason == "locked_out":
            return
        code_id, name = 0, ""
        if result.slot is not None:
            known = core.codes.used(result.slot) if result.opened else core.codes.adopt(result.slot)
            code_id, name = known.code_id, known.name
        completion = Completion.INVALID_CODE
        if result.opened:
            completion = Completion.SUCCESS
        elif result.reason == "jammed":
            completion = Completion.MOTOR_BLOCKED
        data = keypad_data(Action.UNLOCK, KeypadSource.CODE, completion, code_id)
        core.write_as(LogType.KEYPAD, data, NOBODY, name)

    def _presented(self, of: Source, number: int, result: KeypadResult) -> None:
        """A finger on a keypad that reads them; how one is learned is not public."""
        if of is not Source.FINGER:
            return
        done = Completion.SUCCESS if result.opened else Completion.INVALID_FINGER
        known = (of, number) in self._core.firmware.tokens.held
        data = keypad_data(Action.UNLOCK, KeypadSource.FINGER, done, number if known else 0)
        self._core.write(LogType.KEYPAD, data)
