"""Single rules of believing, by example; what must hold for all worlds is in tests/properties."""

from __future__ import annotations

import pytest

from gateway.domain.instant import DAY, HOUR, MINUTE, SECOND, ClockTrust, Instant
from gateway.domain.timebelief import (
    Adopted,
    Belief,
    Finding,
    FloorLowered,
    Limits,
    Reading,
    Reason,
    Refused,
    Source,
    Waiting,
)
from gateway.domain.timetrust import begin, judge

FLOOR = Instant(1_800_000_000_000)
LIMITS = Limits()
ERROR_MS = 20


class Boot:
    """One boot after a floor; times are milliseconds after it."""

    def __init__(self, floor: Instant | None = FLOOR, wall: Instant = FLOOR) -> None:
        self.uptime_s = 0.0
        self.belief: Belief = begin(wall, 0.0, floor, None, LIMITS)

    def hear(self, *said: tuple[Source, int], after_s: float = 0.0) -> list[Finding]:
        """Sources say that the machine started so long after the floor."""
        self.uptime_s += after_s
        readings = tuple(Reading(source, FLOOR + ms, ERROR_MS) for source, ms in said)
        self.belief, findings = judge(self.belief, readings, self.uptime_s, LIMITS)
        return findings

    @property
    def off(self) -> int:
        """The house's time less the floor's at the start."""
        return self.belief.offset_ms - FLOOR

    @property
    def trust(self) -> ClockTrust:
        return self.belief.trust


def reason(findings: list[Finding]) -> Reason:
    [finding] = findings
    assert isinstance(finding, Refused)
    return finding.reason


@pytest.mark.parametrize(
    ("wall", "guess"),
    [(FLOOR + HOUR, HOUR), (FLOOR - HOUR, 0), (FLOOR + 15 * DAY, 0)],
)
def test_while_nothing_is_proven_the_house_guesses_and_never_behind_the_floor(
    wall: int, guess: int
) -> None:
    assert Boot(wall=Instant(wall)).off == guess


@pytest.mark.parametrize(
    ("off_ms", "why"),
    [
        (-HOUR, Reason.BEHIND_FLOOR),
        (15 * DAY, Reason.OUTAGE_TOO_LONG),
    ],
)
def test_a_time_service_after_a_start_that_cannot_be_right(off_ms: int, why: Reason) -> None:
    boot = Boot()
    assert reason(boot.hear((Source.KERNEL, off_ms))) is why
    assert boot.trust is ClockTrust.UNTRUSTED


def test_a_short_outage_is_believed_at_once_and_a_long_one_after_a_minute() -> None:
    assert isinstance(Boot().hear((Source.KERNEL, 5 * MINUTE))[0], Adopted)
    boot = Boot()
    assert boot.hear((Source.KERNEL, DAY)) == [Waiting(Source.KERNEL, DAY)]
    assert boot.hear((Source.KERNEL, DAY), after_s=30) == [Waiting(Source.KERNEL, DAY)]
    assert boot.hear((Source.KERNEL, DAY), after_s=30) == [Adopted(Source.KERNEL, DAY, True)]
    assert boot.belief.base is not None
    assert not boot.belief.base.provisional


def test_another_word_begins_the_minute_anew() -> None:
    boot = Boot()
    boot.hear((Source.KERNEL, DAY))
    boot.hear((Source.KERNEL, 2 * DAY), after_s=59)
    assert isinstance(boot.hear((Source.KERNEL, 2 * DAY), after_s=30)[0], Waiting)


def test_the_rtc_makes_a_long_outage_credible_also_beyond_the_longest() -> None:
    boot = Boot()
    boot.hear((Source.RTC, 30 * DAY + 40 * SECOND), (Source.KERNEL, 30 * DAY))
    assert boot.off == 30 * DAY
    assert boot.trust is ClockTrust.TRUSTED


@pytest.mark.parametrize(
    ("off_ms", "why"),
    [
        (-HOUR, Reason.BEHIND_FLOOR),
        (15 * DAY, Reason.OUTAGE_TOO_LONG),
    ],
)
def test_an_rtc_that_cannot_be_right(off_ms: int, why: Reason) -> None:
    boot = Boot()
    assert reason(boot.hear((Source.RTC, off_ms))) is why
    assert boot.trust is ClockTrust.UNTRUSTED


def test_an_rtc_behind_what_it_was_set_to_is_broken() -> None:
    boot = Boot()
    boot.belief = begin(FLOOR, 0.0, Instant(FLOOR - DAY), FLOOR, LIMITS)
    assert reason(boot.hear((Source.RTC, -2 * MINUTE))) is Reason.BEHIND_LAST


def test_an_rtc_on_a_gateway_that_never_knew_the_time_is_not_enough() -> None:
    assert reason(Boot(floor=None).hear((Source.RTC, 0))) is Reason.NEVER_SET


def test_an_rtc_is_good_enough_until_somebody_speaks() -> None:
    boot = Boot()
    boot.hear((Source.RTC, DAY + 7 * SECOND))
    assert boot.trust.value == "holdover"
    error_ms = boot.belief.error_ms(0.0, LIMITS)
    assert error_ms is not None
    assert error_ms >= DAY // 10_000
    boot.hear((Source.RTC, DAY + 7 * SECOND), (Source.KERNEL, DAY), after_s=30)
    assert boot.trust.value == "trusted"
    assert boot.off == DAY


def test_before_any_floor_no_time_before_this_software_is_believed() -> None:
    boot = Boot(floor=None)
    assert reason(boot.hear((Source.KERNEL, -2 * 365 * DAY))) is Reason.BEHIND_FLOOR
    boot.hear((Source.KERNEL, 0))
    assert boot.belief.floor is None
    boot.hear((Source.KERNEL, 0), after_s=60)
    assert boot.belief.floor_at(boot.uptime_s, LIMITS) == FLOOR + MINUTE - ERROR_MS


def test_a_weak_floor_is_lowered_by_whoever_is_believed_after_a_start() -> None:
    boot = Boot()
    boot.belief = begin(FLOOR, 0.0, FLOOR, FLOOR, LIMITS, weak=True)
    assert isinstance(boot.hear((Source.KERNEL, -81 * DAY))[0], Waiting)
    assert boot.belief.floor_at(0.0, LIMITS) == FLOOR
    boot.hear((Source.KERNEL, -81 * DAY), after_s=60)
    assert boot.off == -81 * DAY
    assert boot.belief.floor_at(60.0, LIMITS) == FLOOR - 81 * DAY + MINUTE - ERROR_MS


def test_two_weak_words_in_the_first_minute_are_none_until_one_is_said_alone() -> None:
    boot = Boot(floor=None)
    boot.hear((Source.KERNEL, 0))
    assert boot.hear((Source.KERNEL, DAY), after_s=54) == [Waiting(Source.KERNEL, DAY)]
    assert boot.trust.value == "untrusted"
    assert boot.hear((Source.KERNEL, 0), after_s=30) == [Waiting(Source.KERNEL, 0)]
    boot.hear((Source.KERNEL, 0), after_s=60)
    assert boot.trust.value == "trusted"
    assert boot.off == 0


def test_a_doubted_past_does_not_make_the_truth_an_outage_that_is_too_long() -> None:
    boot = Boot()
    boot.belief = begin(FLOOR, 0.0, FLOOR, FLOOR, LIMITS, weak=True, doubted=True)
    assert isinstance(boot.hear((Source.KERNEL, 40 * DAY))[0], Waiting)
    boot.hear((Source.KERNEL, 40 * DAY), after_s=60)
    assert boot.off == 40 * DAY
    boot.hear((Source.KERNEL, 40 * DAY), after_s=86_400)
    assert not boot.belief.doubted


def settled() -> Boot:
    boot = Boot()
    boot.hear((Source.KERNEL, 0))
    boot.hear((Source.KERNEL, 0), after_s=60)
    return boot


def test_what_is_within_the_drift_is_followed_slowly_and_what_is_not_is_refused() -> None:
    boot = settled()
    boot.hear((Source.KERNEL, 1_500), after_s=30)
    assert boot.off == 300
    boot.hear((Source.KERNEL, 1_500), after_s=300)
    assert boot.off == 1_500
    assert reason(boot.hear((Source.KERNEL, 2_100), after_s=30)) is Reason.BEYOND_DRIFT
    assert boot.trust is ClockTrust.HOLDOVER
    assert boot.off == 1_500


def test_after_weeks_alone_more_may_have_drifted_and_is_made_good_at_once() -> None:
    boot = settled()
    findings = boot.hear((Source.KERNEL, -50_000), after_s=10 * 86_400)
    assert findings == [Adopted(Source.KERNEL, -50_000, wrong_before=False)]
    assert boot.off == -50_000


def test_small_steps_of_a_weak_source_do_not_add_up() -> None:
    boot = settled()
    for number in range(1, 20):
        boot.hear((Source.KERNEL, number * 1_000), after_s=300)
    assert boot.off <= 2_100
    assert boot.trust is ClockTrust.HOLDOVER


def test_signed_time_outweighs_what_weak_sources_made_us_believe() -> None:
    boot = settled()
    assert boot.hear((Source.CLOUD, DAY)) == [Adopted(Source.CLOUD, DAY, wrong_before=True)]
    assert boot.belief.floor_at(boot.uptime_s, LIMITS) >= FLOOR + DAY


def test_against_a_proven_time_it_needs_a_second_and_a_time_service_will_do() -> None:
    boot = Boot()
    boot.hear((Source.CLOUD, 0))
    assert reason(boot.hear((Source.CLOUD, DAY), after_s=60)) is Reason.ALONE
    assert boot.off == 0
    boot.hear((Source.CLOUD, DAY), (Source.KERNEL, DAY), after_s=60)
    assert boot.off == DAY


def test_two_words_of_one_time_service_are_one() -> None:
    boot = Boot()
    boot.hear((Source.CLOUD, 0))
    found = boot.hear((Source.NTS, DAY), (Source.KERNEL, DAY), after_s=60)
    assert {finding.reason for finding in found if isinstance(finding, Refused)} == {
        Reason.ALONE,
        Reason.BEYOND_DRIFT,
    }
    assert boot.off == 0


@pytest.mark.parametrize("source", [Source.NTS, Source.TECHNICIAN])
def test_a_poisoned_floor_is_lowered_by_signed_cloud_time_alone(source: Source) -> None:
    boot = Boot()
    assert reason(boot.hear((source, -DAY))) is Reason.BEHIND_FLOOR
    found = boot.hear((Source.CLOUD, -DAY))
    assert found == [FloorLowered(DAY + ERROR_MS), Adopted(Source.CLOUD, -DAY, True)]
    assert boot.belief.floor_at(0.0, LIMITS) == FLOOR - DAY - ERROR_MS


def test_the_cloud_is_a_living_source_for_five_minutes() -> None:
    boot = Boot()
    boot.hear((Source.CLOUD, 0))
    boot.hear(after_s=299)
    assert boot.trust.value == "trusted"
    boot.hear(after_s=2)
    assert boot.trust.value == "holdover"


def test_a_coarse_word_confirms_and_does_not_move_us_within_its_error() -> None:
    boot = Boot()
    boot.hear((Source.CLOUD, 0))
    coarse = Reading(Source.TECHNICIAN, FLOOR + 90 * SECOND, 100 * SECOND)
    boot.belief, _ = judge(boot.belief, (coarse,), 30.0, LIMITS)
    assert boot.off == 0
    assert boot.belief.base is not None
    assert boot.belief.base.error_ms == ERROR_MS
