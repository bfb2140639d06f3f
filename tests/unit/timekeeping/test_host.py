"""The real machine answers, and CLOCK_BOOTTIME cannot be hurried from outside."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.instant import Instant
from gateway.domain.timetrust import RELEASED
from gateway.timekeeping.host import SLEW_SLACK_S, LinuxHost, drain, steadied

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def host() -> Iterator[LinuxHost]:
    one = LinuxHost()
    yield one
    one.close()


def test_the_machine_answers(host: LinuxHost) -> None:
    before = host.boottime()
    uptime_s = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    assert abs(before - uptime_s) < 5
    assert host.wall() > RELEASED
    assert host.boottime() >= before
    assert len(host.boot_id()) == len("00000000-0000-0000-0000-000000000000")
    assert host.kernel().max_error_ms >= 0


def test_a_clock_kept_by_what_the_kernel_cannot_see_is_called_synchronised() -> None:
    assert LinuxHost(assume_synchronised=True).kernel().synchronised


def test_the_battery_backed_clock_is_read_where_there_is_one(tmp_path: Path) -> None:
    file = tmp_path / "since_epoch"
    host = LinuxHost(rtc=file)
    assert host.rtc() is None
    file.write_text("1800000000\n")
    assert host.rtc() == Instant(1_800_000_000_000)
    file.write_text("nothing\n")
    assert host.rtc() is None


async def test_no_step_of_the_wall_clock_is_told_while_there_is_none(host: LinuxHost) -> None:
    waiting = asyncio.ensure_future(host.jumped())
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert host._timer is not None  # noqa: SLF001 - that the kernel gave one is what is asked here
    drain(host._timer)  # noqa: SLF001 - nothing to take, which is no fault


async def test_what_the_timer_says_ends_the_wait(host: LinuxHost) -> None:
    """A step itself would set this machine's clock; an eventfd is read and told of alike."""
    host._timer = os.eventfd(1, os.EFD_NONBLOCK)  # noqa: SLF001 - the seam is the descriptor
    async with asyncio.timeout(5):
        await host.jumped()
    with pytest.raises(BlockingIOError):
        os.read(host._timer, 8)  # noqa: SLF001 - taken, or the loop would spin


uptimes = st.floats(0, 1e8)


@given(uptimes, uptimes, uptimes, uptimes)
def test_uptime_never_goes_back_and_is_never_hurried(
    boottime: float, more: float, raw: float, more_raw: float
) -> None:
    first, second = steadied(boottime, raw), steadied(boottime + more, raw + more_raw)
    assert second >= first
    assert abs(first - raw) <= 1.001 * (SLEW_SLACK_S + raw * 2e-4)
    assert steadied(raw + 0.5, raw) == raw + 0.5
