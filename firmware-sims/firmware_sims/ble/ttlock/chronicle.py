"""What a TTLock writes into its log and says unasked when something happens.

Here: events of the firmware model into records and pushes. Not here: the log itself (``oplog``).
A bolt that throws itself writes nothing: only advertisements and pushes tell (roquerodrigo/
ttlock-ble, models/lock_advertisement.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.ble.ttlock import oplog
from firmware_sims.ble.ttlock.fields import date5, date6, text, u8, u32
from firmware_sims.ble.ttlock.oplog import Record
from firmware_sims.firmware.model import ALL_SLOTS, BoltState, Kind, Source

if TYPE_CHECKING:
    from firmware_sims.ble.ttlock.core import Core
    from firmware_sims.firmware.model import FirmwareEvent, KeypadResult

STATUS = 0x14
FOREVER_S = 0xFFFFFFFF

_SIMPLE = {
    Kind.KEY_UNLOCKED: Record.KEY_UNLOCK,
    Kind.KEY_LOCKED: Record.KEY_LOCK,
    Kind.MANUAL_UNLOCKED: Record.FROM_INSIDE,
    Kind.ONE_TOUCH_LOCKED: Record.BUTTON_LOCK,
    Kind.WRONG_CODE_LIMIT: Record.SYSTEM_LOCKED,
    Kind.TAMPERED: Record.TAMPER,
    Kind.DOOR_FORCED: Record.ILLEGAL_UNLOCK,
    Kind.POWER_CYCLED: Record.POWER_ON,
}
_TOKENS = {
    (Kind.UNLOCKED, Source.CARD): Record.CARD_UNLOCK,
    (Kind.UNLOCKED, Source.FINGER): Record.FINGER_UNLOCK,
    (Kind.TOKEN_ADDED, Source.CARD): Record.CARD_ADDED,
    (Kind.TOKEN_ADDED, Source.FINGER): Record.FINGER_ADDED,
    (Kind.TOKEN_DELETED, Source.CARD): Record.CARD_DELETED,
    (Kind.TOKEN_DELETED, Source.FINGER): Record.FINGER_DELETED,
    (Kind.UNLOCK_INVALID_CODE, Source.CARD): Record.CARD_FAILED,
    (Kind.UNLOCK_INVALID_SCHEDULE, Source.CARD): Record.CARD_EXPIRED,
    (Kind.UNLOCK_INVALID_SCHEDULE, Source.FINGER): Record.FINGER_EXPIRED,
}
_PUSHED = frozenset(
    {
        Kind.LOCKED,
        Kind.UNLOCKED,
        Kind.ONE_TOUCH_LOCKED,
        Kind.KEY_LOCKED,
        Kind.KEY_UNLOCKED,
        Kind.AUTO_LOCKED,
        Kind.MANUAL_LOCKED,
        Kind.MANUAL_UNLOCKED,
        Kind.DOOR_OPENED,
        Kind.DOOR_CLOSED,
        Kind.JAMMED,
    }
)

_BY_HAND = frozenset({Kind.CODE_ADDED, Kind.CODE_CHANGED, Kind.CODE_DELETED})


class Chronicle:
    """Listens to the firmware and to the doors of its keypad and reader."""

    def __init__(self, core: Core) -> None:
        self._core = core
        core.firmware.listeners.append(self._happened)
        core.firmware.keypad.listeners.append(self._typed)
        core.firmware.reader.listeners.append(self._presented)

    def _happened(self, event: FirmwareEvent) -> None:
        if event.phantom:
            # Said, and nowhere written.
            self._push(bytes([self._core.battery, 1, self._core.door_closed]))
            return
        number = self._record(event)
        if event.source is Source.KEYPAD and event.kind in _BY_HAND and event.slot is not None:
            self._core.forget_terms(event.slot)
        if event.kind not in _PUSHED or event.source is Source.RADIO:
            return
        if number is None or event.source is Source.NOBODY:
            self._push(self._core.status())
        else:
            when = date6(event.lock_local_s)
            self._push(u8(self._core.battery) + u32(0) + u32(number) + when)

    def _push(self, data: bytes) -> None:
        # A moment later, so that the answer to the command that caused it goes first.
        self._core.firmware.timebase.call_later(0.0, lambda: self._core.push(STATUS, data))

    def _record(self, event: FirmwareEvent) -> int | None:
        """Write what there is to write; the number of the last record, None when there is none."""
        core = self._core
        if event.kind in _SIMPLE:
            return core.write(_SIMPLE[event.kind])
        if event.source in (Source.CARD, Source.FINGER):
            return self._of_token(event)
        match event.kind:
            case Kind.UNLOCKED if event.source is Source.RADIO:
                return core.write(Record.APP_UNLOCK, oplog.person(*core.acting))
            case Kind.LOCKED if event.source is Source.RADIO:
                return core.write(Record.APP_LOCK, oplog.person(*core.acting))
            case Kind.AUTO_LOCKED if core.facts.logs_auto_lock:
                return core.write(Record.AUTO_LOCK)
            case Kind.JAMMED:
                unlocking = core.firmware.bolt.wanted is BoltState.UNLOCKED
                return core.write(Record.UNLOCK_TIMEOUT if unlocking else Record.LOCK_TIMEOUT)
            case Kind.DOOR_OPENED | Kind.DOOR_CLOSED:
                return self._of_door(event)
            case Kind.UNLOCK_INVALID_CODE:
                return core.write(Record.WRONG_CODE, text(event.code or ""))
            case _:
                return self._of_code(event)

    def _of_token(self, event: FirmwareEvent) -> int | None:
        if event.kind is Kind.TOKEN_DELETED and event.token == ALL_SLOTS:
            of_cards = event.source is Source.CARD
            return self._core.write(Record.CARDS_CLEARED if of_cards else Record.FINGERS_CLEARED)
        record = _TOKENS.get((event.kind, event.source))
        if record is None or event.token is None:
            return None
        return self._core.write(record, self._identity(event.source, event.token))

    def _of_door(self, event: FirmwareEvent) -> int | None:
        core = self._core
        if not core.firmware.profile.has_door_sensor or not core.setting("door_sensor"):
            return None
        opened = event.kind is Kind.DOOR_OPENED
        return core.write(Record.DOOR_OPENED if opened else Record.DOOR_CLOSED, u8(core.battery))

    def _of_code(self, event: FirmwareEvent) -> int | None:
        core, slot = self._core, event.slot
        if slot is None:
            return None
        code, old = event.code or "", event.old_code or ""
        original = core.originals.get(slot, code)
        if event.kind is Kind.UNLOCKED:
            is_admin = slot == core.firmware.profile.master_slot
            record = Record.ADMIN_CODE_UNLOCK if is_admin else Record.CODE_UNLOCK
            return core.write(record, oplog.code_pair(code, original))
        if event.kind is Kind.UNLOCK_INVALID_SCHEDULE:
            return core.write(Record.CODE_EXPIRED, oplog.code_pair(code, original))
        if event.kind is Kind.CODE_DELETED and slot == ALL_SLOTS:
            erase = str(core.firmware.settings["erase_code"])
            if event.source is Source.KEYPAD and erase:
                core.write(Record.ERASE_CODE, oplog.code_pair(erase, erase))
            return core.write(Record.CODES_CLEARED, date5(event.lock_local_s))
        if not core.facts.logs_code_changes:
            return None
        match event.kind:
            case Kind.CODE_ADDED:
                return core.write(Record.CODE_ADDED, text(code) + self._window(slot))
            case Kind.CODE_CHANGED:
                return core.write(Record.CODE_CHANGED, oplog.code_pair(old, code))
            case Kind.CODE_DELETED:
                return core.write(Record.CODE_DELETED, oplog.code_pair(old, old))
        return None

    def _window(self, slot: int) -> bytes:
        window = self._core.firmware.schedules.year_day.get((slot, 1))
        if window is None:
            return date5(0) + date5(FOREVER_S)
        return date5(window.start_s) + date5(window.end_s)

    def _typed(self, code: str, result: KeypadResult) -> None:
        if result.reason == "privacy":
            self._core.write(Record.CODE_DEAD_LOCKED, oplog.code_pair(code, code))
        elif result.reason == "vacation":
            self._core.write(Record.FROZEN)

    def _presented(self, of: Source, number: int, result: KeypadResult) -> None:
        if result.reason == "privacy":
            card = of is Source.CARD
            record = Record.CARD_DEAD_LOCKED if card else Record.FINGER_DEAD_LOCKED
            self._core.write(record, self._identity(of, number))
        elif result.reason == "vacation":
            self._core.write(Record.FROZEN)

    def _identity(self, of: Source, number: int) -> bytes:
        return oplog.card(number) if of is Source.CARD else oplog.finger(number)
