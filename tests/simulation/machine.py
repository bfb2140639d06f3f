"""The computer the gateway runs on: true time, the clocks that tell it wrongly, and its power.

Here: `Machine`, which outlives power cuts, and `Host`, the port one life of the gateway is given.
The wall clock is what a Raspberry Pi has: restored at boot from an RTC or from the last saved
time, set right when a time service answers, wrong when somebody or something says so.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.instant import Instant
from gateway.timekeeping.host import KernelClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

SAVED_EVERY_S = 3600.0
"""How often the last time is written down for a boot without an RTC (fake-hwclock: hourly)."""
NTP_ANSWERS_AFTER_S = (4.0, 40.0)
"""From boot, or from the network's return, to the time service's first setting of the clock."""
HONEST_COUNTS_AFTER_S = 120.0
"""A weak word that a gateway heard for a minute is what others are measured against; it looks every
half minute, to begin with and to see that the minute is over."""
LIE_COUNTS_AFTER_S = 60.0
"""After so long the same may have become of a lie, which then cannot be told from the truth."""
KERNEL_FORGETS_S = 32_000.0
"""The kernel calls its clock unsynchronised when maxerror, growing by 500 ppm, passes 16 s."""


@dataclass(slots=True)
class _Wall:
    """The wall clock as an error against true time, growing with the crystal's drift."""

    error_ms: float
    set_at: float


class Machine:
    """`drift_ppm`: of its crystal, when no time service steers it."""

    def __init__(
        self,
        rng: Random,
        start: Instant,
        note: Callable[..., None],
        *,
        drift_ppm: float = 0.0,
        has_rtc: bool = False,
    ) -> None:
        self._rng = rng
        self._start = start
        self._note = note
        self.drift_ppm = drift_ppm
        self.has_rtc = has_rtc
        self.ntp_offset_ms: float | None = 0.0
        """What the time service would say, against the truth; None while none answers."""
        self.boots = 0
        self.host: Host | None = None
        self._rtc_error_ms = 0.0
        self._saved: tuple[float, float] = (0.0, 0.0)
        self._boot_error_ms: float | None = None
        self.on_clock: Callable[[], None] = lambda: None
        """Told whenever the wall clock or the time service changed."""

    def true(self) -> Instant:
        return Instant(self._start + round(asyncio.get_running_loop().time() * 1000))

    # ── power ───────────────────────────────────────────────────────────────────────────

    @property
    def rtc_error_ms(self) -> float:
        """0 where there is none."""
        return self._rtc_error_ms if self.has_rtc else 0.0

    def boot(self) -> Host:
        """Power is on: a new boot id, boottime from zero, the wall clock restored."""
        now = asyncio.get_running_loop().time()
        self.boots += 1
        if self._boot_error_ms is not None:
            error, self._boot_error_ms = self._boot_error_ms, None
        elif self.has_rtc:
            error = self._rtc_error_ms
        else:
            saved_at, saved_error = self._saved
            error = saved_error - (now - saved_at) * 1000
        self.host = Host(self, self.boots, _Wall(error, now))
        self._note("boot", number=self.boots, wall_error_s=round(error / 1000))
        self.host.sync_later()
        return self.host

    def cut(self) -> None:
        """Power is off. What was saved on the way stays; the RTC's cell keeps its time."""
        if self.host is not None:
            self._remember(self.host)
        self.host = None

    def _remember(self, host: Host) -> None:
        now = asyncio.get_running_loop().time()
        since = (now - host.booted_at) % SAVED_EVERY_S
        if now - host.booted_at >= SAVED_EVERY_S:
            self._saved = (now - since, host.error_ms())
        if host.kernel().synchronised:  # the kernel writes the RTC every 11 minutes while so
            self._rtc_error_ms = host.error_ms()

    def wrong_at_next_boot(self, error_s: float | None) -> None:
        """Whatever it finds there: a battery died, an image was restored. None: nothing of it."""
        self._boot_error_ms = None if error_s is None else error_s * 1000

    # ── the time service ────────────────────────────────────────────────────────────────

    def time_service(self, offset_s: float | None) -> None:
        """Who answers from now on: honest (0), lying (seconds), nobody (None)."""
        self.ntp_offset_ms = None if offset_s is None else offset_s * 1000
        self._note("time_service", offset_s=offset_s)
        if self.host is not None:
            self.host.sync_later()

    def step(self, seconds: float) -> None:
        """Somebody sets the wall clock by hand."""
        if self.host is not None:
            self._note("clock_stepped", seconds=round(seconds))
            self.host.stepped()
            self.host.set_error(self.host.error_ms() + seconds * 1000, synchronised=False)

    @property
    def answers_within_s(self) -> float:
        return self._rng.uniform(*NTP_ANSWERS_AFTER_S)


class Host:
    """`gateway.timekeeping.host.HostTime` for one boot."""

    def __init__(self, machine: Machine, number: int, wall: _Wall) -> None:
        self._machine = machine
        self._number = number
        self._wall = wall
        self.booted_at = asyncio.get_running_loop().time()
        self._synchronised = False
        self._heard_at = 0.0
        self._jump = asyncio.Event()
        self._pending: asyncio.TimerHandle | None = None
        self._said: float | None = None
        """Whose word the kernel's clock is: by how much it is wrong; None: nobody's."""
        self._said_at = 0.0
        self._settled: bool | None = None
        """Whether the word that others are measured against in this boot is honest; None: it may
        still become another one."""
        self.told_signed = False
        """The gateway has heard signed time for certain: no lie of a time service counts since."""
        self._heard_honest = False
        self._misled_ms = abs(machine.rtc_error_ms)

    # ── HostTime ────────────────────────────────────────────────────────────────────────

    def wall(self) -> Instant:
        return Instant(round(self._machine.true() + self.error_ms()))

    def boottime(self) -> float:
        """Kept by the same crystal, which the time service steers while it answers."""
        return (asyncio.get_running_loop().time() - self.booted_at) * self._rate()

    def boot_id(self) -> str:
        return f"boot-{self._number:04}"

    def kernel(self) -> KernelClock:
        now = asyncio.get_running_loop().time()
        silent = 0.0 if self._answers() else now - self._heard_at
        synchronised = self._synchronised and silent < KERNEL_FORGETS_S
        error = 20 + round(silent / 2) if synchronised else 16_000
        return KernelClock(synchronised=synchronised, max_error_ms=error)

    def rtc(self) -> Instant | None:
        machine = self._machine
        if not machine.has_rtc:
            return None
        return Instant(round((machine.true() + machine._rtc_error_ms) / 1000) * 1000)  # noqa: SLF001 - one module, two halves of one thing

    async def jumped(self) -> None:
        self._jump.clear()
        await self._jump.wait()

    async def sleep(self, seconds: float) -> None:
        # Time that is too short to move the clock would be slept for ever.
        await asyncio.sleep(max(0.0001, seconds) / self._rate())

    # ── what can be known of it ─────────────────────────────────────────────────────────

    @property
    def proven_honestly(self) -> bool:
        """In this boot an honest time service kept the kernel's clock, for long enough or to this
        day, before a lie was told for as long.

        Who lies first, and for a minute, cannot be told from the truth where nobody signs the time;
        nor can the truth, told for a moment, from a lie (ARCHITECTURE.md, *Time*).
        """
        if not self._heard_honest:
            return False
        if self.told_signed or self._settled is not None:
            return self.told_signed or self._settled is True
        return self._said == 0.0

    @property
    def misled_ms(self) -> float:
        """How wrong a clock is that may rightly be believed while none is proven: that of the RTC,
        which the kernel sets by whatever it was told, and of a time service that lies."""
        return 0.0 if self.proven_honestly else self._misled_ms

    def _hear(self, error_ms: float | None) -> None:
        """Whose word the kernel's clock is from now on."""
        now = asyncio.get_running_loop().time()
        if self._settled is None and self._said is not None and self._said != error_ms:
            honest = self._said == 0.0
            if now - self._said_at >= (HONEST_COUNTS_AFTER_S if honest else LIE_COUNTS_AFTER_S):
                self._settled = honest
        if self._said != error_ms:
            self._said, self._said_at = error_ms, now
        if error_ms == 0.0:
            self._heard_honest = True
        elif error_ms is not None and self._settled is None and not self.told_signed:
            self._misled_ms = max(self._misled_ms, abs(error_ms))

    # ── the world ───────────────────────────────────────────────────────────────────────

    def error_ms(self) -> float:
        """Wall clock less true time."""
        if self._answers() and self._synchronised:
            return self._wall.error_ms
        now = asyncio.get_running_loop().time()
        drift = (now - max(self._wall.set_at, self._heard_at)) * self._machine.drift_ppm / 1000
        return self._wall.error_ms + drift

    def stepped(self) -> None:
        """By hand: the kernel's clock is nobody's word any more."""
        self._hear(None)

    def set_error(self, error_ms: float, *, synchronised: bool) -> None:
        jump = abs(error_ms - self.error_ms())
        self._wall = _Wall(error_ms, asyncio.get_running_loop().time())
        self._synchronised = synchronised
        if jump > 100:  # a service slews what is less
            self._jump.set()
        self._machine.on_clock()

    def sync_later(self) -> None:
        """The time service answers, or falls silent, a little later."""
        if self._pending is not None:
            self._pending.cancel()
        loop = asyncio.get_running_loop()
        if self._answers():
            self._pending = loop.call_later(self._machine.answers_within_s, self._heard)
        else:
            self._wall = _Wall(self.error_ms(), loop.time())
            self._heard_at = loop.time()
            self._machine.on_clock()

    def _heard(self) -> None:
        offset = self._machine.ntp_offset_ms
        if offset is None or self._machine.host is not self:
            return
        self._heard_at = asyncio.get_running_loop().time()
        self._hear(offset)
        self.set_error(offset, synchronised=True)

    def _answers(self) -> bool:
        return self._machine.ntp_offset_ms is not None

    def _rate(self) -> float:
        return 1 + self._machine.drift_ppm / 1e6
