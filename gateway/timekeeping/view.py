"""What people may know of the time here: values for a screen and for the hello."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.domain.instant import ClockTrust, Instant
    from gateway.domain.timebelief import Reason, Source
    from gateway.timekeeping.host import KernelClock


@dataclass(frozen=True, slots=True)
class Jump:
    """The wall clock was stepped by `by_ms`; `at`: the house's time when it was noticed."""

    at: Instant
    by_ms: int


@dataclass(frozen=True, slots=True)
class Disbelief:
    """A source said a time `difference_ms` ahead of the house's and was not believed."""

    source: Source
    at: Instant
    difference_ms: int
    reason: Reason
    still: bool
    """It says so to this day."""


@dataclass(frozen=True, slots=True)
class ClockView:
    """All there is to say about the time now. Instants in UTC milliseconds."""

    now: Instant
    trust: ClockTrust
    source: Source | None
    """The last one that was believed in this boot."""
    error_ms: int | None
    """How far `now` may be off; None while nothing is proven in this boot."""
    floor: Instant | None
    """The gateway never acts as if it were earlier; None before the first proof ever."""
    proven_s_ago: float | None
    """How long ago the source was last believed."""
    adopted_s_ago: float | None
    """How long the house has been running on the offset that was adopted (the anchor's age)."""
    wall: Instant
    wall_difference_ms: int
    """The machine's wall clock less the house's time."""
    kernel: KernelClock
    rtc: Instant | None
    boot_id: str
    uptime_s: float
    waiting_ms: int | None
    """A weak source says a time so far ahead of `now`; it must say so for a minute."""
    last_jump: Jump | None
    last_disbelief: Disbelief | None
