"""What the time's standing means in words; every source and every reason has some."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.instant import DAY, HOUR, MINUTE, ClockTrust, Instant
from gateway.domain.timebelief import Reason, Source
from gateway.local.timewords import (
    REASONS,
    SOURCES,
    STEPS,
    ClockWords,
    explain_clock,
    headline,
    off_by,
    stands,
)
from gateway.timekeeping.host import KernelClock
from gateway.timekeeping.view import ClockView, Disbelief
from tests.local_house import NOW, ZONE

TRUSTED = ClockView(
    now=NOW,
    trust=ClockTrust.TRUSTED,
    source=Source.CLOUD,
    error_ms=600,
    floor=Instant(NOW - MINUTE),
    proven_s_ago=30.0,
    adopted_s_ago=7200.0,
    wall=NOW,
    wall_difference_ms=0,
    kernel=KernelClock(True, 20),
    rtc=None,
    boot_id="boot-1",
    uptime_s=7300.0,
    waiting_ms=None,
    last_jump=None,
    last_disbelief=None,
)
HOLDOVER = replace(TRUSTED, trust=ClockTrust.HOLDOVER, proven_s_ago=7200.0)
UNTRUSTED = replace(
    TRUSTED,
    trust=ClockTrust.UNTRUSTED,
    source=None,
    error_ms=None,
    proven_s_ago=None,
    adopted_s_ago=None,
    kernel=KernelClock(False, 16_000),
)


def words(view: ClockView, **more: Any) -> ClockWords:
    return explain_clock(view, ZONE, **{"waiting_codes": 0, "technicians": True, **more})


def refused(source: Source, reason: Reason, *, still: bool = True) -> Disbelief:
    return Disbelief(source, NOW, HOUR, reason, still)


def test_every_source_and_every_reason_has_words() -> None:
    assert set(SOURCES) == set(Source)
    assert set(REASONS) == set(STEPS) == set(Reason)


def test_a_proven_time_asks_for_nothing() -> None:
    told = words(TRUSTED)
    assert told.headline == "The time is proven by the cloud, signed."
    assert told.doors == ["Codes open and end when they should, to within 600 ms."]
    assert (told.waits_for, told.next) == (None, [])


def test_holdover_says_since_when_and_that_it_may_last() -> None:
    told = words(HOLDOVER)
    assert "2 h ago by the cloud" in told.headline
    assert "weeks" in told.doors[1]
    assert told.waits_for is None
    assert "Restore the network" in told.next[0]


def test_the_battery_backed_clock_alone_is_named_as_such() -> None:
    assert "alone" in headline(replace(HOLDOVER, source=Source.RTC))


def test_an_unproven_time_tells_what_waits_and_what_goes_on() -> None:
    told = words(UNTRUSTED, waiting_codes=3)
    assert "not proven" in told.headline
    assert "waiting now: 3" in told.doors[0]
    assert any("due by Fri 20 Nov 2026 15:29 CET are carried out" in line for line in told.doors)
    assert told.waits_for is not None
    assert "kernel" in told.waits_for
    assert any("clock challenge" in step for step in told.next)


def test_without_a_floor_nothing_is_erased_by_time_and_without_a_key_no_token_is_offered() -> None:
    told = words(replace(UNTRUSTED, floor=None), technicians=False)
    assert any("No erasure" in line for line in told.doors)
    assert not any("clock challenge" in step for step in told.next)
    assert any("time.technician_issuers" in step for step in told.next)


def test_a_source_on_probation_is_waited_for() -> None:
    told = words(replace(UNTRUSTED, waiting_ms=3 * DAY))
    assert told.waits_for is not None
    assert "3 d ahead" in told.waits_for
    assert told.next == ["Wait a minute."]


@pytest.mark.parametrize("reason", list(Reason))
def test_a_source_that_is_not_believed_comes_first(reason: Reason) -> None:
    told = words(replace(UNTRUSTED, last_disbelief=refused(Source.KERNEL, reason)))
    assert told.next[0] == f"The machine's time service is not believed. {STEPS[reason]}"
    assert len(told.next) > 1


@pytest.mark.parametrize(
    "last",
    [
        refused(Source.KERNEL, Reason.BEYOND_DRIFT, still=False),
        refused(Source.TECHNICIAN, Reason.ALONE),
    ],
)
def test_what_was_said_once_asks_nobody(last: Disbelief) -> None:
    assert not stands(last)
    assert words(replace(TRUSTED, last_disbelief=last)).next == []


def test_a_wall_clock_that_is_off_is_no_matter_for_doors() -> None:
    (step,) = words(replace(TRUSTED, wall_difference_ms=-HOUR)).next
    assert "wall clock is 1 h behind" in step
    assert "No door minds" in step
    assert words(replace(TRUSTED, wall_difference_ms=2_500)).next == []


def test_differences_have_a_direction() -> None:
    assert off_by(90_000) == "1 min 30 s ahead"
    assert off_by(-500) == "500 ms behind"
