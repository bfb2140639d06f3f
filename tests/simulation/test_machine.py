"""The simulated computer: when what it says of the time is proven by an honest source.

What a gateway makes of the same words is asked in `tests/properties/test_timetrust.py`.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

from gateway.domain.instant import Instant
from tests.simulation.loop import run
from tests.simulation.machine import Host, Machine
from tests.simulation.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LIE_S = 5_000.0
START = Instant(1_790_000_000_000)


def told(machine: Machine, story: Callable[[Machine, Host], Awaitable[None]]) -> Host:
    """The computer of this boot, after what happened to it."""

    async def live() -> Host:
        host = machine.boot()
        await story(machine, host)
        return host

    return run(live())


def computer(*, has_rtc: bool = False) -> Machine:
    return Machine(Random(1), START, Trace().note, has_rtc=has_rtc)


async def hears(machine: Machine, host: Host, offset_s: float, lasting_s: float) -> None:
    """A time service says so for a while."""
    heard = asyncio.Event()
    machine.on_clock = heard.set
    machine.time_service(offset_s)
    await heard.wait()
    assert host.kernel().synchronised
    assert host.error_ms() == offset_s * 1000
    await asyncio.sleep(lasting_s)


def proven(host: Host) -> bool:
    return host.proven_honestly


def test_a_lie_after_two_honest_minutes_changes_nothing() -> None:
    async def story(machine: Machine, host: Host) -> None:
        assert not proven(host)
        await hears(machine, host, 0.0, 1)
        assert proven(host)
        await hears(machine, host, 0.0, 120)
        await hears(machine, host, LIE_S, 3_600)

    host = told(computer(), story)
    assert proven(host)
    assert host.misled_ms == 0


def test_a_minute_of_a_lie_before_two_honest_ones_stays_the_only_word() -> None:
    async def story(machine: Machine, host: Host) -> None:
        await hears(machine, host, 0.0, 30)
        await hears(machine, host, LIE_S, 90)
        await hears(machine, host, 0.0, 3_600)

    host = told(computer(), story)
    assert not proven(host)
    assert host.misled_ms == LIE_S * 1000


def test_a_lie_for_a_moment_is_forgotten_when_the_truth_is_said_again() -> None:
    async def story(machine: Machine, host: Host) -> None:
        await hears(machine, host, LIE_S, 10)
        assert not proven(host)
        await hears(machine, host, 0.0, 0)

    host = told(computer(), story)
    assert proven(host)


def test_signed_time_undoes_a_lie() -> None:
    async def story(machine: Machine, host: Host) -> None:
        await hears(machine, host, LIE_S, 90)
        await hears(machine, host, 0.0, 90)
        assert not proven(host)
        host.told_signed = True

    host = told(computer(), story)
    assert proven(host)
    assert host.misled_ms == 0


def test_a_clock_set_by_hand_in_the_first_minute_is_nobodys_word() -> None:
    async def story(machine: Machine, host: Host) -> None:
        await hears(machine, host, 0.0, 30)
        machine.step(-LIE_S)
        assert not proven(host)
        await hears(machine, host, 0.0, 130)
        machine.step(-LIE_S)

    assert proven(told(computer(), story))


def test_an_rtc_keeps_the_lie_that_the_kernel_was_told_over_an_outage() -> None:
    machine = computer(has_rtc=True)

    async def lives() -> None:
        host = machine.boot()
        await hears(machine, host, 0.0, 130)
        await hears(machine, host, LIE_S, 10)
        assert host.misled_ms == 0
        machine.cut()
        machine.time_service(None)
        host = machine.boot()
        assert not proven(host)
        assert host.misled_ms == LIE_S * 1000
        await hears(machine, host, 0.0, 10)
        assert host.misled_ms == 0

    run(lives())
