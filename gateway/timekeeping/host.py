"""The machine's time, as Linux tells it: the port, and the real one.

Here: system calls and files. Not here: whether any of it is believed (`domain.timetrust`), and the
time the house lives by (`clock`).
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from gateway.domain.instant import Instant

STA_UNSYNC = 0x0040
"""adjtimex(2): no time service keeps the clock."""
MAX_ERROR_MS = 16_000
"""Where the kernel's own bound ends; it calls the clock unsynchronised there."""

SLEW_PPM = 200.0
SLEW_SLACK_S = 1.0
"""How far CLOCK_BOOTTIME may run from the raw counter before the counter is believed instead.

A time service slews CLOCK_BOOTTIME together with the wall clock (chrony: by up to 10 %), so that
whoever forges its packets could otherwise hurry the house without a single jump. Crystals are
within 100 ppm; a second covers what is slewed away after a start.
"""

TFD_TIMER_ABSTIME = 1
TFD_TIMER_CANCEL_ON_SET = 2
FAR_AWAY_S = 2**40


@dataclass(frozen=True, slots=True)
class KernelClock:
    """The kernel's word on the wall clock. `synchronised`: a time service keeps it."""

    synchronised: bool
    max_error_ms: int


class HostTime(Protocol):
    """All that the product knows of the machine's time."""

    def wall(self) -> Instant:
        """CLOCK_REALTIME. It may lie, jump and be set by anybody who administers the machine."""
        ...

    def boottime(self) -> float:
        """Seconds since the machine started, suspended or not; they never jump."""
        ...

    def boot_id(self) -> str:
        """Another one after each start of the machine."""
        ...

    def kernel(self) -> KernelClock: ...

    def rtc(self) -> Instant | None:
        """The battery-backed clock; None without one. The kernel sets it while synchronised."""
        ...

    async def jumped(self) -> None:
        """Return once the wall clock was stepped; for ever where that cannot be known."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class _Timex(ctypes.Structure):
    """struct timex of <sys/timex.h>, as far as it is read; the rest keeps the size."""

    _fields_: ClassVar = (  # type: ignore[mutable-override]  # how ctypes wants it
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 512),
    )


class LinuxHost:
    """`assume_synchronised`: the machine's clock is kept by what the kernel cannot see."""

    def __init__(
        self,
        *,
        assume_synchronised: bool = False,
        rtc: Path = Path("/sys/class/rtc/rtc0/since_epoch"),
    ) -> None:
        self._assume = assume_synchronised
        self._rtc = rtc
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        self._timer: int | None = None

    def wall(self) -> Instant:
        return Instant(time.time_ns() // 1_000_000)

    def boottime(self) -> float:
        boottime = time.clock_gettime(time.CLOCK_BOOTTIME)
        asleep = boottime - time.clock_gettime(time.CLOCK_MONOTONIC)
        return steadied(boottime, time.clock_gettime(time.CLOCK_MONOTONIC_RAW) + asleep)

    def boot_id(self) -> str:
        return self._boot_id

    def kernel(self) -> KernelClock:
        timex = _Timex()
        answered = self._libc.adjtimex(ctypes.byref(timex)) >= 0
        if answered and not timex.status & STA_UNSYNC:
            return KernelClock(synchronised=True, max_error_ms=-(-timex.maxerror // 1000))
        if self._assume:
            return KernelClock(synchronised=True, max_error_ms=1000)
        return KernelClock(synchronised=False, max_error_ms=MAX_ERROR_MS)

    def rtc(self) -> Instant | None:
        try:
            return Instant(int(self._rtc.read_text(encoding="ascii")) * 1000)
        except (OSError, ValueError):
            return None

    async def jumped(self) -> None:
        if self._timer is None:
            self._timer = self._jump_timer()
        if self._timer is None:
            await asyncio.Event().wait()
            return
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        loop.add_reader(self._timer, told.set)
        try:
            await told.wait()
            drain(self._timer)
        finally:
            loop.remove_reader(self._timer)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    def close(self) -> None:
        """Give the timer back."""
        if self._timer is not None:
            os.close(self._timer)
            self._timer = None

    def _jump_timer(self) -> int | None:
        """A timer that never rings and is cancelled by a step of the wall clock; see timerfd(2)."""
        try:
            create, settime = self._libc.timerfd_create, self._libc.timerfd_settime
        except AttributeError:  # another C library
            return None
        timer = int(create(time.CLOCK_REALTIME, os.O_NONBLOCK | os.O_CLOEXEC))
        if timer < 0:
            return None
        never = struct.pack("@4l", 0, 0, FAR_AWAY_S, 0)  # struct itimerspec: no interval
        if settime(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, never, None) < 0:
            os.close(timer)
            return None
        return timer


def steadied(boottime: float, raw: float) -> float:
    """`boottime` as long as it runs as the raw counter does; see SLEW_PPM. Both begin at the start.

    Monotonic, because both are and the limits rise with the counter.
    """
    most = SLEW_SLACK_S + raw * SLEW_PPM / 1e6
    return min(max(boottime, raw - most), raw + most)


def drain(timer: int) -> None:
    """Take what the timer has to say: that it was cancelled, or that it rang at the end of time."""
    try:
        os.read(timer, 8)
    except BlockingIOError:
        pass  # somebody looked already: one look too many harms nobody
    except OSError as error:
        if error.errno != errno.ECANCELED:
            raise
