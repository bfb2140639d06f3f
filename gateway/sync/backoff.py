"""How long to wait before connecting again, and before saying again what nobody confirmed. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

STABLE_S: Final = 300.0
"""A connection that lasted this long starts the waiting from the beginning."""


class Reconnect:
    """Decorrelated jitter: each wait is drawn between the first bound and three times the last.

    Five hundred gateways that lost their broker in the same second do not return in the same one.
    """

    def __init__(
        self, random: Random, first_s: tuple[float, float] = (1.0, 5.0), cap_s: float = 600.0
    ) -> None:
        self._random = random
        self._first = first_s
        self._cap = cap_s
        self._last: float | None = None

    def next_wait(self) -> float:
        low, high = self._first
        if self._last is not None:
            high = max(high, self._last * 3)
        self._last = min(self._cap, self._random.uniform(low, high))
        return self._last

    def lasted(self, seconds: float) -> None:
        """A connection ended after `seconds`."""
        if seconds >= STABLE_S:
            self._last = None


class Patience:
    """When to say again what nobody confirmed: 10 s, doubling to 10 min, from the last progress."""

    FIRST_S: Final = 10.0
    CAP_S: Final = 600.0

    def __init__(self, now: float) -> None:
        self._wait = self.FIRST_S
        self._since = now

    def progress(self, now: float) -> None:
        self._wait = self.FIRST_S
        self._since = now

    def heard(self) -> None:
        """They are there: no reason to wait longer than at first."""
        self._wait = self.FIRST_S

    def remaining(self, now: float) -> float:
        return max(0.0, self._since + self._wait - now)

    def exhausted(self, now: float) -> bool:
        """True at most once per wait, which then doubles."""
        if self.remaining(now) > 0:
            return False
        self._wait = min(self.CAP_S, self._wait * 2)
        self._since = now
        return True
