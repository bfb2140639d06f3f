"""The keypad of a lock: what happens when somebody stands there.

Here: which code opens at this moment by the lock's own clock, the lockout after wrong tries, and
programming by hand. Not here: the memory (``users``), the bolt, and any radio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.firmware.model import (
    Answer,
    BoltState,
    KeypadResult,
    Kind,
    OperatingMode,
    Source,
    UserStatus,
    UserType,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_sims.firmware.lock import LockFirmware


class Keypad:
    """Buttons on the outside of the door.

    Listeners get every code that is typed on a lock with power, and what came of it.
    """

    def __init__(self, lock: LockFirmware) -> None:
        self._lock = lock
        self.listeners: list[Callable[[str, KeypadResult], None]] = []
        self._wrong = 0
        self._locked_until = 0.0

    @property
    def locked_out(self) -> bool:
        """Whether the keypad ignores everybody for now."""
        return self._lock.timebase.now() < self._locked_until

    def reset(self) -> None:
        """Forget wrong tries, as a power cut does."""
        self._wrong, self._locked_until = 0, 0.0

    def verdict(self, code: str) -> KeypadResult:
        """What the lock would say to the code at this moment; nothing happens by asking.

        Whether the bolt then moves, and the lockout after wrong tries, are no part of it.
        """
        lock = self._lock
        if not lock.powered:
            return KeypadResult(opened=False, reason="dead")
        slot = lock.users.holder(code)
        if slot is None:
            return KeypadResult(opened=False, reason="unknown_code")
        user = lock.users.users[slot]
        if user.status is not UserStatus.ENABLED:
            return KeypadResult(opened=False, reason="disabled", slot=slot)
        if user.uses_left == 0:
            return KeypadResult(opened=False, reason="used_up", slot=slot)
        mode = lock.operating_mode
        if (
            mode in (OperatingMode.VACATION, OperatingMode.PRIVACY)
            and user.type is not UserType.MASTER
        ):
            return KeypadResult(opened=False, reason=mode.name.lower(), slot=slot)
        if user.type is UserType.NON_ACCESS:
            return KeypadResult(opened=False, reason="non_access", slot=slot)
        kept = lock.profile.schedules == "kept"
        if kept and not lock.permits(slot):
            return KeypadResult(opened=False, reason="outside_schedule", slot=slot)
        return KeypadResult(opened=True, reason="opened", slot=slot)

    def type_code(self, code: str) -> KeypadResult:
        """Somebody types a code and presses enter."""
        result = self._typed(code)
        if self._lock.powered:
            for listener in tuple(self.listeners):
                listener(code, result)
        return result

    def _typed(self, code: str) -> KeypadResult:
        lock = self._lock
        if lock.powered and self.locked_out:
            return KeypadResult(opened=False, reason="locked_out")
        if lock.powered and code and code == lock.settings["erase_code"]:
            lock.users.clear_all(Source.KEYPAD)
            return KeypadResult(opened=False, reason="erase_code")
        verdict = self.verdict(code)
        match verdict.reason:
            case "dead":
                return verdict
            case "unknown_code" | "disabled":
                self._count_wrong(code)
                return verdict
            case "non_access":
                lock.emit(Kind.NON_ACCESS_USER, Source.KEYPAD, verdict.slot)
            case "outside_schedule" | "used_up":
                lock.emit(Kind.UNLOCK_INVALID_SCHEDULE, Source.KEYPAD, verdict.slot)
        self._wrong = 0
        if verdict.opened and not lock.move(
            BoltState.UNLOCKED, Kind.UNLOCKED, Source.KEYPAD, verdict.slot
        ):
            return KeypadResult(opened=False, reason="jammed", slot=verdict.slot)
        if verdict.opened and verdict.slot is not None:
            user = lock.users.users[verdict.slot]
            if user.uses_left is not None:
                user.uses_left -= 1
                lock.changed()
        return verdict

    def one_touch(self) -> bool:
        """Somebody outside presses the lock button."""
        lock = self._lock
        if not lock.powered or not lock.settings["one_touch_locking"]:
            return False
        return lock.move(BoltState.LOCKED, Kind.ONE_TOUCH_LOCKED, Source.MANUAL, None)

    def set_code_by_hand(self, slot: int, code: str) -> Answer:
        """The installer programs a code at the keypad: nobody's business but the lock's."""
        lock = self._lock
        if not lock.powered:
            return Answer.FAILURE
        is_master = slot == lock.profile.master_slot
        user_type = UserType.MASTER if is_master else UserType.UNRESTRICTED
        return lock.users.set_code(slot, code, UserStatus.ENABLED, user_type, Source.KEYPAD)

    def clear_by_hand(self, slot: int | None) -> Answer:
        """The clear code: one slot, or with ``None`` the purge of all of them."""
        lock = self._lock
        if not lock.powered:
            return Answer.FAILURE
        if slot is None:
            return lock.users.clear_all(Source.KEYPAD)
        return lock.users.clear_code(slot, Source.KEYPAD)

    def _count_wrong(self, code: str) -> None:
        lock = self._lock
        if lock.profile.reports_invalid_codes:
            lock.emit(Kind.UNLOCK_INVALID_CODE, Source.KEYPAD, None, code=code)
        self._wrong += 1
        limit = int(lock.settings["wrong_code_limit"])
        if limit and self._wrong >= limit:
            self._wrong = 0
            self._locked_until = lock.timebase.now() + int(lock.settings["lockout_s"])
            lock.emit(Kind.WRONG_CODE_LIMIT, Source.KEYPAD, None)
