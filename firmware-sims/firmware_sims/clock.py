"""Time for the simulators: where it comes from, and how a lock's own clock differs from it.

Here: the injected source of time and timers (real or virtual), the time zone rules a lock is given
as numbers, and the lock's drifting clock. Not here: windows and schedules (``firmware.schedules``).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable

LOCK_EPOCH = 946_684_800
"""2000-01-01T00:00:00Z in unix seconds: where Zigbee UTC and local times count from (ZCL 2.6.2)."""

DAY_S = 86_400


class Timer(Protocol):
    """A callback that has not run yet."""

    def cancel(self) -> None:
        """Make sure that the callback never runs; harmless when it already has."""
        ...


class Timebase(Protocol):
    """True time, which no lock knows exactly."""

    def now(self) -> float:
        """Unix seconds."""
        ...

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` once, ``delay_s`` from now."""
        ...


class LoopTimebase:
    """The host's time; timers on the running asyncio loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def now(self) -> float:
        return time.time()

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        return self._loop.call_later(delay_s, callback)


@dataclass(slots=True)
class _VirtualTimer:
    callback: Callable[[], None] | None

    def cancel(self) -> None:
        self.callback = None


class VirtualTimebase:
    """Time that stands still until ``advance``: a simulated month takes a moment."""

    def __init__(self, start: float) -> None:
        self._now = start
        self._queue: list[tuple[float, int, _VirtualTimer]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self._now

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        timer = _VirtualTimer(callback)
        heapq.heappush(self._queue, (self._now + max(0.0, delay_s), next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Let time pass; timers run in order, each at its own instant."""
        end = self._now + seconds
        while self._queue and self._queue[0][0] <= end:
            self._now, _, timer = heapq.heappop(self._queue)
            if timer.callback is not None:
                timer.callback()
        self._now = end


@cache
def zone_info(name: str) -> ZoneInfo:
    """Of the tzdata package: a rehearsal reads the same on every machine."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@dataclass(frozen=True, slots=True)
class ZoneRules:
    """A time zone as a lock holds it: numbers for one year, stale the year after.

    The fields are those of the ZCL Time cluster (ZCL 8, 3.12): seconds east of UTC in standard
    time, and the two UTC instants (unix seconds) between which ``dst_shift_s`` is added.
    """

    standard_offset_s: int = 0
    dst_start: int = 0
    dst_end: int = 0
    dst_shift_s: int = 0

    @classmethod
    def of(cls, zone: str, at: float) -> ZoneRules:
        """The rules of an IANA zone in the calendar year of the instant ``at``."""
        info = zone_info(zone)
        year = datetime.fromtimestamp(at, UTC).year
        first = int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
        last = int(datetime(year + 1, 1, 1, tzinfo=UTC).timestamp())

        def offset(instant: int) -> int:
            delta = datetime.fromtimestamp(instant, info).utcoffset()
            return 0 if delta is None else int(delta.total_seconds())

        start = end = 0
        offsets = {offset(first)}
        for midnight in range(first, last, DAY_S):
            before, after = offset(midnight), offset(midnight + DAY_S)
            offsets.add(after)
            if before == after:
                continue
            low, high = midnight, midnight + DAY_S
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle) == before else (low, middle)
            start, end = (high, end) if after > before else (start, high)
        standard = min(offsets)
        if not (start and end):  # a zone without summer time, or one that changed its rules
            return cls(standard_offset_s=offset(int(at)))
        return cls(standard, start, end, max(offsets) - standard)

    def offset_s(self, utc: float) -> int:
        """Seconds to add to UTC, with the southern summer spanning the turn of the year."""
        if not self.dst_shift_s or self.dst_start == self.dst_end:
            return self.standard_offset_s
        if self.dst_start < self.dst_end:
            summer = self.dst_start <= utc < self.dst_end
        else:
            summer = utc >= self.dst_start or utc < self.dst_end
        return self.standard_offset_s + (self.dst_shift_s if summer else 0)


class LockClock:
    """The lock's own idea of the time: right when set, wrong by its drift from then on."""

    def __init__(self, timebase: Timebase, *, drift_ppm: float = 0.0) -> None:
        self._timebase = timebase
        self._set_at = timebase.now()
        self._set_to = self._set_at
        self._drift_ppm = drift_ppm
        self.zone = ZoneRules()
        self.ever_set = False

    @property
    def drift_ppm(self) -> float:
        return self._drift_ppm

    @drift_ppm.setter
    def drift_ppm(self, value: float) -> None:
        # What has drifted so far stays.
        self._set_to, self._set_at = self.utc(), self._timebase.now()
        self._drift_ppm = value

    def utc(self) -> float:
        """The lock's UTC in unix seconds."""
        elapsed = self._timebase.now() - self._set_at
        return self._set_to + elapsed * (1 + self._drift_ppm / 1e6)

    def local(self) -> int:
        """The lock's wall clock, in seconds since 2000-01-01 local time."""
        utc = self.utc()
        return int(utc) + self.zone.offset_s(utc) - LOCK_EPOCH

    def error_s(self) -> float:
        """Lock time minus true time."""
        return self.utc() - self._timebase.now()

    def set_utc(self, utc: float) -> None:
        """Set by somebody: over the air, at the keypad, or by the person who runs the rehearsal."""
        self._set_to, self._set_at = utc, self._timebase.now()
        self.ever_set = True

    def lose(self) -> None:
        """Power was lost long enough: the clock starts again at its epoch."""
        self.set_utc(LOCK_EPOCH)
        self.ever_set = False

    def adjust_zone(self, **fields: int) -> None:
        """Change single fields of the zone rules, as ZCL attribute writes do."""
        self.zone = replace(self.zone, **fields)

    def dump(self) -> dict[str, Any]:
        """What non-volatile memory keeps: the error, so that time goes on while nothing runs."""
        return {
            "error_s": self.error_s(),
            "drift_ppm": self._drift_ppm,
            "ever_set": self.ever_set,
            "zone": [
                self.zone.standard_offset_s,
                self.zone.dst_start,
                self.zone.dst_end,
                self.zone.dst_shift_s,
            ],
        }

    def load(self, data: dict[str, Any]) -> None:
        """Take up what ``dump`` wrote."""
        self._drift_ppm = data["drift_ppm"]
        self.set_utc(self._timebase.now() + data["error_s"])
        self.ever_set = data["ever_set"]
        self.zone = ZoneRules(*data["zone"])
