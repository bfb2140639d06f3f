"""When an adapter counts as deaf, and what is tried next. Pure: decisions, no hardware.

An adapter that hangs says nothing: no error and no event, the advertisements merely stop (see
home-assistant/core#77043 and home-assistant/operating-system#4022). So silence is measured, and
answered by a ladder: start the scan anew, then reset the adapter, more and more seldom, because a
reset takes the adapter away from every other program as well.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. `silence_s`: devices advertise every few seconds; ninety is nobody's interval.

    `openings`: without a sign of life before the first reset; the first one, and one scan anew.
    `first_word_s`: after silence, how long a new scan may take to prove that it hears.
    """

    silence_s: float = 90.0
    openings: int = 2
    first_word_s: float = 20.0
    first_reset_apart_s: float = 60.0
    longest_reset_apart_s: float = 3600.0


class Watchdog:
    """One adapter's. `at` and `now` are on the monotonic clock."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._alive_at = 0.0
        self._openings = 0
        self._resets = 0
        self._reset_at: float | None = None
        self._since: float | None = None

    def alive(self, at: float) -> None:
        """Something was heard, an advertisement or a word on a link."""
        self._alive_at = at
        self._openings = self._resets = 0
        self._since = None

    def listening(self, at: float) -> None:
        """A scan has begun, so silence counts from here."""
        self._alive_at = max(self._alive_at, at)

    def silence(self, now: float, expected: int) -> str | None:
        """What is wrong, for people, if it is deaf: nothing heard although there should be."""
        if not expected or now - self._alive_at < self._patience.silence_s:
            return None
        if self._since is None:
            self._since = self._alive_at
        return self.complaint(now, expected)

    def complaint(self, now: float, expected: int) -> str | None:
        """The same, of an adapter that is `doubted`, however short the present scan is."""
        if self._since is None:
            return None
        devices = "1 device is" if expected == 1 else f"{expected} devices are"
        reset = ", and a reset did not help" if self._resets else ""
        return f"nothing heard for {_span(now - self._since)} although {devices} expected{reset}"

    @property
    def doubted(self) -> bool:
        """It was deaf when last used: a scan that starts proves nothing, only hearing does."""
        return self._since is not None

    def should_reset(self, now: float) -> bool:
        """Asked once at each opening: whether it is to be reset before."""
        self._openings += 1
        if self._openings <= self._patience.openings:
            return False
        apart = min(
            self._patience.first_reset_apart_s * 2.0 ** min(self._resets, 30),
            self._patience.longest_reset_apart_s,
        )
        if self._reset_at is not None and now - self._reset_at < apart:
            return False
        self._reset_at = now
        self._resets += 1
        return True


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
