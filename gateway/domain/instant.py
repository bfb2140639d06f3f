"""Instants: UTC milliseconds since the epoch as plain integers, and whether they may be believed.

Integers rather than `datetime`: they are what the database holds, they compare and subtract
without zones, and fifty thousand of them are re-evaluated in milliseconds. `datetime` appears
only where wall time in a zone matters (`windows`) and on the wire (`to_rfc3339`).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import NewType

Instant = NewType("Instant", int)

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)
"""RFC 3339 section 5.6. `datetime.fromisoformat` alone takes more, and differently by version."""


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
    return Instant((moment - _EPOCH) // _MILLISECOND)


def to_rfc3339(instant: Instant) -> str:
    """`2026-11-20T19:46:00.000Z`."""
    return to_datetime(instant).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_rfc3339(text: str) -> Instant:
    """Raises ValueError for anything else, leap seconds and years outside 1 to 9999 UTC included.

    Fractions are cut to the millisecond below.
    """
    if _DATE_TIME.fullmatch(text) is None:
        raise ValueError("not an RFC 3339 date-time with an offset")
    instant = from_datetime(datetime.fromisoformat(text.upper()))
    if not _EARLIEST <= instant <= _LATEST:
        raise ValueError("a date-time outside the years 1 to 9999 UTC")
    return instant


_EARLIEST = from_datetime(datetime.min.replace(tzinfo=UTC))
_LATEST = from_datetime(datetime.max.replace(tzinfo=UTC))
