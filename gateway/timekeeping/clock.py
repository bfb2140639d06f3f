"""The time the house lives by: the machine's uptime, and an offset that only the keeper moves.

Because it does not read the wall clock, a wall clock that is stepped or spoofed changes nothing by
itself. Not here: whom the offset follows (`keeper`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.instant import ClockTrust, Instant

if TYPE_CHECKING:
    from gateway.timekeeping.host import HostTime


class HouseClock:
    """A `kit.clock.Clock`. Until a keeper adopts a time it is the wall clock's of its making."""

    def __init__(self, host: HostTime, trust: ClockTrust = ClockTrust.UNTRUSTED) -> None:
        self._host = host
        self._offset_ms = host.wall() - round(host.boottime() * 1000)
        self._trust = trust

    @property
    def trust(self) -> ClockTrust:
        return self._trust

    @property
    def offset_ms(self) -> int:
        """The house's time less the machine's uptime."""
        return self._offset_ms

    def now(self) -> Instant:
        return Instant(self._offset_ms + round(self._host.boottime() * 1000))

    def monotonic(self) -> float:
        return self._host.boottime()

    async def sleep(self, seconds: float) -> None:
        await self._host.sleep(seconds)

    def adopt(self, offset_ms: int, trust: ClockTrust) -> None:
        """For the keeper alone."""
        self._offset_ms, self._trust = offset_ms, trust
