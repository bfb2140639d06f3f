"""The house's time runs on uptime; a stepped wall clock does not move it."""

from __future__ import annotations

from gateway.domain.instant import ClockTrust, after
from gateway.timekeeping.clock import HouseClock
from tests.flows.world import START
from tests.machine import Machine


async def test_it_runs_on_uptime_and_moves_when_it_is_told_to() -> None:
    machine = Machine(START)
    clock = HouseClock(machine)
    assert clock.trust.value == "untrusted"
    machine.set_wall(86_400)
    await machine.advance(60)
    assert clock.now() == after(START, 60)
    assert clock.monotonic() == 70
    clock.adopt(clock.offset_ms + 5_000, ClockTrust.TRUSTED)
    assert clock.now() == after(START, 65)
    assert clock.trust.value == "trusted"
