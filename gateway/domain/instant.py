"""Instants: UTC milliseconds since the epoch as plain integers, and whether they may be believed.

Integers rather than `datetime`: they are what the database holds, they compare and subtract
without zones, and fifty thousand of them are re-evaluated in milliseconds. `datetime` appears
only where wall time in a zone matters (`windows`) and on the wire (`to_rfc3339`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import NewType

Instant = NewType("Instant", int)

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ClockTrust(Enum):
    """How far the wall clock may be believed."""

    TRUSTED = "trusted"
    """Proven, and the source is alive."""
    HOLDOVER = "holdover"
    """Proven earlier in this boot; drift is bounded."""
    UNTRUSTED = "untrusted"
    """Not proven since boot."""


def after(instant: Instant, seconds: float) -> Instant:
    """`seconds` later (earlier when negative), to the millisecond."""
    return Instant(instant + round(seconds * 1000))


def to_datetime(instant: Instant) -> datetime:
    return _EPOCH + timedelta(milliseconds=instant)


def from_datetime(moment: datetime) -> Instant:
    """Aware datetimes only: a naive one has no instant."""
    if moment.tzinfo is None:
        raise ValueError("a datetime without a zone is not an instant")
    return Instant((moment - _EPOCH) // timedelta(milliseconds=1))


def to_rfc3339(instant: Instant) -> str:
    """`2026-11-20T19:46:00.000Z`."""
    return to_datetime(instant).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_rfc3339(text: str) -> Instant:
    """Raises ValueError for anything that is not a date-time with an offset."""
    return from_datetime(datetime.fromisoformat(text))
