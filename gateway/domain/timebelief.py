"""What is believed about the time, and what sources say of it: values.

All times of one boot are offsets: an instant less the machine's uptime, in milliseconds. The uptime
never jumps, so an offset that is right stays right but for the drift of a crystal, and a source
that says another offset speaks of a jump. Not here: the rules (`timetrust`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from gateway.domain.instant import ClockTrust, Instant


class Source(Enum):
    """Who says what time it is."""

    KERNEL = "kernel"
    """A time service keeps the machine's clock; nobody can prove which."""
    RTC = "rtc"
    CLOUD_UNSIGNED = "cloud_unsigned"
    NTS = "nts"
    """As `kernel`, and the installer declares that the service takes authenticated time only."""
    CLOUD = "cloud"
    """Signed, and bound to a nonce of ours."""
    TECHNICIAN = "technician"
    """Signed by a person's key, and bound to a nonce of ours."""


AUTHENTICATED = frozenset({Source.NTS, Source.CLOUD, Source.TECHNICIAN})


class Reason(Enum):
    """Why a source is not believed."""

    BEHIND_FLOOR = "behind_floor"
    """It says an earlier time than was proven already."""
    BEYOND_DRIFT = "beyond_drift"
    """It is farther from our own time than a crystal can drift."""
    OUTAGE_TOO_LONG = "outage_too_long"
    """It says that the gateway was off for longer than the site calls possible."""
    ALONE = "alone"
    """It is authenticated, far from our own time, and no second source says the same."""
    BEHIND_LAST = "behind_last"
    """The battery-backed clock is behind what it was set to."""
    NEVER_SET = "never_set"
    """The battery-backed clock alone, on a gateway that never knew the time."""


@dataclass(frozen=True, slots=True)
class Limits:
    """A site's choices and the machine's crystal."""

    drift_ppm: float = 100.0
    longest_outage_s: float = 14 * 86_400.0
    short_outage_s: float = 300.0
    """An outage up to this is believed at once: that is how far one forged packet can push."""
    steady_s: float = 60.0
    """How long a weak source must say the same before a longer outage is believed, and before what
    it says is what others are measured against."""
    doubted_s: float = 86_400.0
    """How long a weak source must say the same before the next boot is held to it as well, if it
    contradicts what was believed before."""

    def drift_ms(self, seconds: float) -> int:
        return math.ceil(seconds * self.drift_ppm / 1000)


@dataclass(frozen=True, slots=True)
class Bound:
    """It is `at` or later, at that uptime; it rises with the time that passes."""

    at: Instant
    uptime_s: float
    weak: bool = False
    """No authenticated source said so: whoever is believed after it may lower it."""

    def risen(self, uptime_s: float, limits: Limits) -> Instant:
        """Less what the crystal may be fast."""
        passed_s = uptime_s - self.uptime_s
        return Instant(self.at + math.floor(passed_s * 1000) - limits.drift_ms(passed_s))


@dataclass(frozen=True, slots=True)
class Reading:
    """What a source says: it is `offset_ms` past the machine's start, give or take `error_ms`."""

    source: Source
    offset_ms: int
    error_ms: int

    @classmethod
    def of(cls, source: Source, at: Instant, error_ms: int, uptime_s: float) -> Reading:
        return cls(source, at - uptime_ms(uptime_s), error_ms)


@dataclass(frozen=True, slots=True)
class Base:
    """The offset that was adopted: what later words are measured against.

    A weak source that agrees does not move it, or else it could lead us anywhere in small steps.
    """

    offset_ms: int
    uptime_s: float
    error_ms: int
    authenticated: bool
    provisional: bool = False
    """On one word that nobody seconded: good enough to go on, not to judge others by."""


@dataclass(frozen=True, slots=True)
class Proof:
    """The last word that agreed."""

    source: Source
    uptime_s: float
    error_ms: int


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed in one boot, and the bounds that came from before it."""

    offset_ms: int
    """The house's own time. While untrusted: a guess that is never behind the floor."""
    seen_s: float
    """Uptime of the last judgement."""
    floor: Bound | None = None
    """Proven by an authenticated source; weak until the first one spoke."""
    last: Bound | None = None
    """Last believed in a former boot, whoever said so."""
    trust: ClockTrust = ClockTrust.UNTRUSTED
    base: Base | None = None
    proof: Proof | None = None
    told_s: float | None = None
    """Uptime of the last message that agreed."""
    candidate: Reading | None = None
    """Says that we were off for long; `candidate_s`: since when it says the same."""
    candidate_s: float = 0.0
    lone: tuple[tuple[Reading, float], ...] = ()
    """Authenticated words that nobody seconded yet, and when they were said."""
    contested: bool = False
    """Weak sources contradict each other, and none was settled: nothing is believed."""
    doubted: bool = False
    """Weak sources contradict each other from boot to boot, or there was nothing to measure them
    against: how long an outage may be is then no reason to refuse anybody."""

    def now(self, uptime_s: float) -> Instant:
        return Instant(self.offset_ms + uptime_ms(uptime_s))

    def floor_at(self, uptime_s: float, limits: Limits) -> Instant:
        """0 while there is none."""
        return self.floor.risen(uptime_s, limits) if self.floor else Instant(0)

    def proven_at(self, uptime_s: float, limits: Limits) -> Instant:
        """The floor that no weak source may lower; 0 while there is none."""
        weak = self.floor is None or self.floor.weak
        return Instant(0) if weak else self.floor_at(uptime_s, limits)

    def least_at(self, uptime_s: float, limits: Limits) -> Instant:
        """What time it is if the machine was never off; 0 where nobody ever knew."""
        last = self.last.risen(uptime_s, limits) if self.last else Instant(0)
        return max(self.floor_at(uptime_s, limits), last)

    def error_ms(self, uptime_s: float, limits: Limits) -> int | None:
        """How far the house's time may be off; None while nothing is proven."""
        if self.proof is None:
            return None
        return self.proof.error_ms + limits.drift_ms(uptime_s - self.proof.uptime_s)


@dataclass(frozen=True, slots=True)
class Adopted:
    """The house's time moved by `by_ms` to what a source says.

    `wrong_before`: not by drift, so what was written down in this boot is wrong by as much.
    """

    source: Source
    by_ms: int
    wrong_before: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A source was not believed; it is `difference_ms` ahead of the house's time."""

    source: Source
    difference_ms: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Waiting:
    """A weak source says that we were off for long; it must say so for a while."""

    source: Source
    difference_ms: int


@dataclass(frozen=True, slots=True)
class FloorLowered:
    """Signed time proved that the floor had been poisoned."""

    by_ms: int


Finding = Adopted | Refused | Waiting | FloorLowered


def uptime_ms(uptime_s: float) -> int:
    return round(uptime_s * 1000)
