"""A machine whose clocks a test sets: for `gateway.timekeeping` and whoever lives by it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.domain.instant import Instant, after
from gateway.kit.clock import ManualClock
from gateway.timekeeping.host import MAX_ERROR_MS, KernelClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Machine:
    """A `HostTime`. `true` is what time it is; wall clock and RTC are off by what a test says."""

    def __init__(self, true: Instant, *, uptime_s: float = 10.0, boot: str = "boot-1") -> None:
        self._passed = ManualClock(true)
        self._began_s = -uptime_s
        self._stepped = asyncio.Event()
        self.boot = boot
        self.synchronised = False
        self.max_error_ms = 20
        self.wall_off_s = 0.0
        self.rtc_off_s: float | None = None

    @property
    def true(self) -> Instant:
        return self._passed.now()

    def wall(self) -> Instant:
        return after(self.true, self.wall_off_s)

    def boottime(self) -> float:
        return self._passed.monotonic() - self._began_s

    def boot_id(self) -> str:
        return self.boot

    def kernel(self) -> KernelClock:
        error_ms = self.max_error_ms if self.synchronised else MAX_ERROR_MS
        return KernelClock(self.synchronised, error_ms)

    def rtc(self) -> Instant | None:
        return None if self.rtc_off_s is None else after(self.true, self.rtc_off_s)

    async def jumped(self) -> None:
        await self._stepped.wait()
        self._stepped.clear()

    async def sleep(self, seconds: float) -> None:
        await self._passed.sleep(seconds)

    # ── what a test does to it ──────────────────────────────────────────────────────────

    def set_wall(self, off_s: float, *, synchronised: bool = True) -> None:
        """Somebody set the wall clock; it is now that far from the truth."""
        self.wall_off_s, self.synchronised = off_s, synchronised
        self._stepped.set()

    async def advance(
        self, seconds: float, settled: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        await self._passed.advance(seconds, settled)

    def reboot(self, *, off_s: float, wall_off_s: float, up_s: float = 10.0) -> None:
        """The power was cut for so long; the wall clock comes back as wrong as that."""
        self._passed.jump(off_s + up_s)
        self._began_s = self._passed.monotonic() - up_s
        self.boot += "+"
        self.wall_off_s, self.synchronised = wall_off_s, False
