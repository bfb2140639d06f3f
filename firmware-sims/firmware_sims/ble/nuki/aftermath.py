"""What follows an action of the motor: the latch that is held, and lock'n'go that locks.

Here: the two timers. Not here: the action itself (``motor``).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from firmware_sims.ble.nuki.words import Action

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_sims.clock import Timebase, Timer

LATCHING = frozenset({Action.UNLATCH, Action.LOCK_N_GO_UNLATCH})
_GOING = frozenset({Action.LOCK_N_GO, Action.LOCK_N_GO_UNLATCH})


class Aftermath:
    """``let_go`` is called when the latch is let go, ``lock`` when it is time to lock."""

    def __init__(
        self, timebase: Timebase, let_go: Callable[[], None], lock: Callable[[], None]
    ) -> None:
        self._timebase, self._let_go, self._lock = timebase, let_go, lock
        self._latch: Timer | None = None
        self._go: Timer | None = None
        self._go_at = 0.0

    @property
    def latched(self) -> bool:
        """Whether the latch is held."""
        return self._latch is not None

    @property
    def going(self) -> bool:
        """Whether it will lock by itself."""
        return self._go is not None

    @property
    def seconds_left(self) -> int:
        """Whole seconds until then, 0 for never."""
        if self._go is None:
            return 0
        return min(255, math.ceil(self._go_at - self._timebase.now()))

    def follow(self, action: Action, *, hold_s: float, go_s: float) -> None:
        """The motor has done this."""
        if action in LATCHING:
            self._latch = self._timebase.call_later(hold_s, self._over)
        if action in _GOING:
            self._go_at = self._timebase.now() + go_s
            self._go = self._timebase.call_later(go_s, self._gone)

    def cancel(self) -> None:
        """Whatever moves the bolt next decides."""
        for timer in (self._latch, self._go):
            if timer is not None:
                timer.cancel()
        self._latch = self._go = None

    def _over(self) -> None:
        self._latch = None
        self._let_go()

    def _gone(self) -> None:
        self._go = None
        self._lock()
