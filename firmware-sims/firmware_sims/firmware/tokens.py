"""Cards and fingers a lock knows, and its reader: what happens when somebody holds one up.

Here: the memory of them with their windows, reading, and learning a new one. Not here: codes
(``users``), the bolt, and how a protocol asks for any of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from firmware_sims.firmware.model import (
    ALL_SLOTS,
    Answer,
    BoltState,
    KeypadResult,
    Kind,
    OperatingMode,
    Source,
)
from firmware_sims.firmware.schedules import WeekDay, YearDay

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_sims.firmware.lock import LockFirmware
    from firmware_sims.profiles import Profile


@dataclass(slots=True)
class Token:
    """One card or finger: opens within ``window`` and, if there are any, within ``weekly``."""

    window: YearDay | None = None
    weekly: list[WeekDay] = field(default_factory=list)

    def open_at(self, local_s: int) -> bool:
        """Whether the lock's wall clock stands inside."""
        if self.window is not None and not self.window.open_at(local_s):
            return False
        return not self.weekly or any(entry.open_at(local_s) for entry in self.weekly)


class TokenTable:
    """What the lock holds, by (``Source.CARD`` or ``Source.FINGER``, number).

    ``emit(kind, source, None, token=)`` is called after every change that happened.
    """

    def __init__(self, profile: Profile, emit: Callable[..., None]) -> None:
        self._capacity = {Source.CARD: profile.cards, Source.FINGER: profile.fingers}
        self._emit = emit
        self.held: dict[tuple[Source, int], Token] = {}

    def numbers(self, of: Source) -> list[int]:
        """All of a kind, in order of number."""
        return sorted(number for source, number in self.held if source is of)

    def put(self, of: Source, number: int, window: YearDay | None) -> Answer:
        """Add one, or give one that is there another window; its weekly entries stay."""
        if window is not None and not window.valid:
            return Answer.INVALID
        present = self.held.get((of, number))
        if present is not None:
            present.window = window
            self._emit(Kind.TOKEN_CHANGED, of, None, token=number)
            return Answer.OK
        if len(self.numbers(of)) >= self._capacity[of]:
            return Answer.FULL
        self.held[of, number] = Token(window)
        self._emit(Kind.TOKEN_ADDED, of, None, token=number)
        return Answer.OK

    def remove(self, of: Source, number: int) -> Answer:
        """Take one away; FAILURE when it is not there."""
        if self.held.pop((of, number), None) is None:
            return Answer.FAILURE
        self._emit(Kind.TOKEN_DELETED, of, None, token=number)
        return Answer.OK

    def clear(self, of: Source) -> None:
        """Take all of a kind away, with one event for all."""
        for number in self.numbers(of):
            del self.held[of, number]
        self._emit(Kind.TOKEN_DELETED, of, None, token=ALL_SLOTS)

    def clear_silently(self) -> None:
        """Everything is gone, as after a factory reset."""
        self.held.clear()

    def dump(self) -> list[list[Any]]:
        """As plain lists, key first."""
        return [
            [
                source,
                number,
                None if token.window is None else [token.window.start_s, token.window.end_s],
                [
                    [day.days_mask, day.start_hour, day.start_minute, day.end_hour, day.end_minute]
                    for day in token.weekly
                ],
            ]
            for (source, number), token in sorted(self.held.items())
        ]

    def load(self, data: list[list[Any]]) -> None:
        """Take up what ``dump`` wrote."""
        self.held = {
            (Source(source), number): Token(
                None if window is None else YearDay(*window), [WeekDay(*day) for day in weekly]
            )
            for source, number, window, weekly in data
        }


class TokenReader:
    """The place where cards and fingers are held up.

    While ``learn`` is on, what is held up is handed to whoever wants to learn and opens nothing.
    """

    def __init__(self, lock: LockFirmware) -> None:
        self._lock = lock
        self._learning: tuple[Source, Callable[[int], None]] | None = None
        self.listeners: list[Callable[[Source, int, KeypadResult], None]] = []

    @property
    def learning(self) -> bool:
        """Whether it waits for something new."""
        return self._learning is not None

    def learn(self, of: Source, taken: Callable[[int], None]) -> None:
        """From now on whatever is held up goes to ``taken``, until ``reset``."""
        self._learning = (of, taken)

    def reset(self) -> None:
        """Stop learning."""
        self._learning = None

    def present(self, of: Source, number: int) -> KeypadResult:
        """Somebody holds up a card or lays on a finger."""
        lock = self._lock
        if not lock.powered:
            return KeypadResult(opened=False, reason="dead")
        if self._learning is not None and self._learning[0] is of:
            self._learning[1](number)
            return KeypadResult(opened=False, reason="learned")
        result = self._open(of, number)
        for listener in tuple(self.listeners):
            listener(of, number, result)
        return result

    def _open(self, of: Source, number: int) -> KeypadResult:
        lock = self._lock
        token = lock.tokens.held.get((of, number))
        if token is None:
            lock.emit(Kind.UNLOCK_INVALID_CODE, of, None, token=number)
            return KeypadResult(opened=False, reason="unknown_token")
        mode = lock.operating_mode
        if mode in (OperatingMode.VACATION, OperatingMode.PRIVACY):
            return KeypadResult(opened=False, reason=mode.name.lower())
        if not token.open_at(lock.clock.local()):
            lock.emit(Kind.UNLOCK_INVALID_SCHEDULE, of, None, token=number)
            return KeypadResult(opened=False, reason="outside_schedule")
        if not lock.move(BoltState.UNLOCKED, Kind.UNLOCKED, of, None, token=number):
            return KeypadResult(opened=False, reason="jammed")
        return KeypadResult(opened=True, reason="opened")
