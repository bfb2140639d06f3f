"""Whether the wall clock may be believed, by the kernel's own word.

`adjtimex(2)` tells whether a time service disciplines the clock (STA_UNSYNC clear). Never proven
since boot: untrusted. Proven once and no longer: holdover, for weeks. The highest time seen while
proven is the floor; it is kept in the store and the gateway never acts as if it were earlier.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, ClassVar

import structlog

from gateway.domain.instant import ClockTrust, Instant
from gateway.domain.reconcile import Moment
from gateway.store import meta

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.kit.clock import SystemClock
    from gateway.store.database import Store

log = structlog.get_logger()

STA_UNSYNC = 0x0040
WATCH_S = 10.0
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
        clock: SystemClock,
        floor: Instant,
        synchronised: Callable[[], bool],
    ) -> None:
        self._store = store
        self._clock = clock
        self._floor = floor
        self._synchronised = synchronised
        self.changed: Callable[[], None] = lambda: None
        """Called on the loop when trust changes."""

    def moment(self) -> Moment:
        return Moment(self._clock.now(), self._clock.trust, self._floor)

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
        now = self._clock.now()
        if self._clock.trust is ClockTrust.TRUSTED and now - self._floor >= FLOOR_EVERY_MS:
            self._floor = now
            await self._store.submit(lambda tx: meta.set_time_floor(tx, now))
