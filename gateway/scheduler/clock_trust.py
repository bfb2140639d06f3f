"""Whether the wall clock may be believed, by the kernel's own word.

`adjtimex(2)` tells whether a time service disciplines the clock (STA_UNSYNC clear). Never proven
since boot: untrusted. Proven once and no longer: holdover, for weeks. The highest time seen while
proven is the floor; it is kept in the store, rises with the time that passes, and the gateway
never acts as if it were earlier.
"""

from __future__ import annotations

import contextlib
import ctypes
from typing import TYPE_CHECKING, ClassVar

import structlog

from gateway.domain.instant import ClockTrust, Instant, after
from gateway.domain.wants import Moment
from gateway.errors import StoreBusy, StoreFull
from gateway.store import meta

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.kit.clock import Clock, ManualClock, SystemClock
    from gateway.store.database import Store

log = structlog.get_logger()

STA_UNSYNC = 0x0040
WATCH_S = 2.0
JUMP_S = 2.0
"""A difference between wall and monotonic time beyond this is a step of the clock."""
FLOOR_EVERY_MS = 5 * 60_000


class _Timex(ctypes.Structure):
    """struct timex of <sys/timex.h>; only `status` is read, the rest keeps the size."""

    _fields_: ClassVar = (  # type: ignore[mutable-override]  # how ctypes wants it
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 512),
    )


def kernel_synchronised() -> bool:
    """Whether the kernel says that its clock is kept by a time service."""
    timex = _Timex()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.adjtimex(ctypes.byref(timex)) < 0:
        return False
    return not timex.status & STA_UNSYNC


class TrustKeeper:
    """Watches the source and keeps the floor. `run` until cancelled."""

    def __init__(
        self,
        store: Store,
        clock: SystemClock | ManualClock,
        floor: Instant,
        synchronised: Callable[[], bool],
    ) -> None:
        self._store = store
        self._clock = clock
        self._floor = floor
        self._floor_at = clock.monotonic()
        self._written = floor
        self._offset_s = _offset_s(clock)
        self._synchronised = synchronised
        self.changed: Callable[[], None] = lambda: None
        """Called on the loop when trust changes or the clock steps."""

    def moment(self) -> Moment:
        """The floor rises with the time that has passed since it was known."""
        return Moment(self._clock.now(), self._clock.trust, self._risen())

    def _risen(self) -> Instant:
        return after(self._floor, self._clock.monotonic() - self._floor_at)

    async def run(self) -> None:
        while True:
            await self.look()
            await self._clock.sleep(WATCH_S)

    async def look(self) -> None:
        """Ask the source once; write the floor when it has risen enough."""
        before = self._clock.trust
        if self._synchronised():
            self._clock.trust = ClockTrust.TRUSTED
        elif before is not ClockTrust.UNTRUSTED:
            self._clock.trust = ClockTrust.HOLDOVER
        if before is not self._clock.trust:
            log.info("clock trust changed", trust=self._clock.trust.value, before=before.value)
            self.changed()
        offset_s = _offset_s(self._clock)
        if abs(offset_s - self._offset_s) > JUMP_S:
            self.changed()
        self._offset_s = offset_s
        self._floor, self._floor_at = self._risen(), self._clock.monotonic()
        if self._clock.trust is ClockTrust.TRUSTED:
            self._floor = max(self._floor, self._clock.now())
        if self._floor - self._written >= FLOOR_EVERY_MS:
            floor = self._floor
            with contextlib.suppress(StoreFull, StoreBusy):
                await self._store.submit(lambda tx: meta.set_time_floor(tx, floor))
                self._written = floor


def _offset_s(clock: Clock) -> float:
    """Wall time less monotonic time: it moves only when the wall clock is stepped or slewed."""
    return clock.now() / 1000 - clock.monotonic()
