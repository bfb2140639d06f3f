"""The mechanics of a lock: bolt, motor, door contact, relock timer.

Here: what moves and what jams. Not here: who is allowed to move it (``keypad``, ``lock``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.firmware.model import BoltState, Kind, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_sims.clock import Timebase, Timer


class Bolt:
    """A motor bolt that reports its position; it never retries by itself.

    ``emit(kind, source, slot, token=)`` is called when something has happened. ``door_open`` is
    physical truth, whether or not the model has a contact that notices. ``wanted`` is where it was
    driven last, reached or not.
    """

    def __init__(self, timebase: Timebase, emit: Callable[..., None]) -> None:
        self._timebase = timebase
        self._emit = emit
        self._relock: Timer | None = None
        self.state = self.wanted = BoltState.LOCKED
        self.jammed = False
        self.door_open = False

    def drive(
        self,
        target: BoltState,
        kind: Kind,
        source: Source,
        slot: int | None,
        token: int | None = None,
    ) -> bool:
        """Move the bolt; False, and an alarm, when it is stuck half way."""
        self.cancel_relock()
        self.wanted = target
        if self.jammed:
            self.state = BoltState.NOT_FULLY_LOCKED
            self._emit(Kind.JAMMED, Source.NOBODY, None)
            return False
        self.state = target
        self._emit(kind, source, slot, token=token)
        return True

    def relock_after(self, seconds: float) -> None:
        """Throw the bolt by itself once that long has passed and the door is shut."""
        self.cancel_relock()
        self._relock = self._timebase.call_later(seconds, lambda: self._relock_now(seconds))

    def cancel_relock(self) -> None:
        """Whatever moved the bolt last decides."""
        if self._relock is not None:
            self._relock.cancel()
            self._relock = None

    def _relock_now(self, seconds: float) -> None:
        self._relock = None
        if self.door_open:
            self.relock_after(seconds)
        elif self.state is not BoltState.LOCKED:
            self.drive(BoltState.LOCKED, Kind.AUTO_LOCKED, Source.MANUAL, None)

    def jam(self) -> None:
        """Something blocks the bolt; nobody notices until it is moved."""
        self.jammed = True

    def unjam(self) -> None:
        """Whatever blocked it is gone; the bolt stays where it is."""
        if self.jammed:
            self.jammed = False
            self._emit(Kind.JAM_CLEARED, Source.NOBODY, None)

    def move_door(self, *, is_open: bool) -> None:
        """Somebody opens or shuts the door; opening a bolted one is force."""
        if is_open == self.door_open:
            return
        self.door_open = is_open
        self._emit(Kind.DOOR_OPENED if is_open else Kind.DOOR_CLOSED, Source.NOBODY, None)
        if is_open and self.state is BoltState.LOCKED:
            self._emit(Kind.DOOR_FORCED, Source.NOBODY, None)
