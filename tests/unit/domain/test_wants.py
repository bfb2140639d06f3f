"""When a lock may be believed to keep a window, and what of a grant belongs on it when."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain.capabilities import Capabilities, CodeLimits, ScheduleSupport
from gateway.domain.devices import (
    Device,
    Known,
    LockClock,
    Opaque,
    OpaqueReason,
    Slot,
    WeekDay,
    YearDay,
)
from gateway.domain.grants import DesiredGrant, Enforcement, GrantState
from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.instant import DAY, HOUR, MINUTE, ClockTrust, Instant, after, from_rfc3339
from gateway.domain.secret import DigitsFacts, KeyedHash
from gateway.domain.wants import Moment, Policy, enforces_windows, want_of
from gateway.domain.windows import Always, Recurring, Timed, Weekly

NOW = Instant(1_790_000_000_000)
DEVICE = DeviceId("dev_1")
POLICY = Policy()
KEEPER = Device(
    DEVICE,
    Capabilities(codes=CodeLimits(3), schedules=ScheduleSupport(1, 1), has_clock=True),
    zone="Europe/Berlin",
    clock=LockClock(0, 100, NOW, True),
    schedules_proven=True,
)
GRANT = DesiredGrant(
    CredentialId("c"), DEVICE, 1, DigitsFacts(KeyedHash("h"), 6, True), Always(), NOW
)


def test_a_proven_lock_with_a_right_clock_keeps_windows() -> None:
    assert enforces_windows(KEEPER, Moment(NOW), POLICY)


@pytest.mark.parametrize(
    "worse",
    [
        replace(KEEPER, schedules_proven=False),
        replace(KEEPER, clock=None),
        replace(KEEPER, clock=LockClock(31_000, 0, NOW, True)),
        replace(KEEPER, clock=LockClock(29_950, 100, NOW, True)),
        replace(KEEPER, clock=LockClock(0, 100, NOW, False)),
        replace(KEEPER, clock=LockClock(0, 100, Instant(NOW - 27 * HOUR), True)),
    ],
    ids=["unproven", "no clock", "wrong", "wrong within its bound", "zone", "read long ago"],
)
def test_anything_less_is_not_believed(worse: Device) -> None:
    assert not enforces_windows(worse, Moment(NOW), POLICY)


def test_a_timed_window_is_kept_on_whole_seconds_inwards() -> None:
    window = Timed(Instant(NOW + 1), Instant(NOW + HOUR + 999))
    want = want_of(KEEPER, replace(GRANT, window=window), Moment(NOW), POLICY, None)
    assert want.present
    assert want.schedules == (YearDay(Instant(NOW + 1000), Instant(NOW + HOUR)),)
    assert (want.opens, want.closes) == (Enforcement.ON_LOCK, Enforcement.ON_LOCK)


def test_on_whole_minutes_where_the_lock_keeps_no_others() -> None:
    minutes = replace(KEEPER.capabilities, schedules=ScheduleSupport(year_day=1, edge_s=60))
    lock = replace(KEEPER, capabilities=minutes)
    minute = Instant(NOW // MINUTE * MINUTE)
    window = Timed(Instant(minute + 1), Instant(minute + HOUR + 59_999))
    want = want_of(lock, replace(GRANT, window=window), Moment(NOW), POLICY, None)
    assert want.schedules == (YearDay(Instant(minute + MINUTE), Instant(minute + HOUR)),)
    moment = Timed(Instant(minute + 1), Instant(minute + MINUTE + 1))
    assert not want_of(lock, replace(GRANT, window=moment), Moment(NOW), POLICY, None).schedules


@pytest.mark.parametrize(
    ("rule", "zone", "kept"),
    [
        (Weekly(frozenset({1}), 540, 780), "Europe/Berlin", True),
        (Weekly(frozenset({1}), 540, 780), "Europe/Lisbon", False),
        (Weekly(frozenset({1}), 1320, 120), "Europe/Berlin", False),
        (Weekly(frozenset({1}), 540, 1440), "Europe/Berlin", False),
    ],
    ids=["plain", "other zone than the lock", "past midnight", "until 24:00"],
)
def test_which_weekly_windows_a_lock_can_express(rule: Weekly, zone: str, kept: bool) -> None:
    want = want_of(
        KEEPER, replace(GRANT, window=Recurring((rule,), zone)), Moment(NOW), POLICY, None
    )
    expected = (WeekDay(rule.weekdays, rule.start_minute, rule.end_minute),) if kept else ()
    assert want.schedules == expected


FOLD = from_rfc3339("2026-10-25T01:00:00Z")
"""In Berlin 03:00 becomes 02:00: from two to three everything is shown twice."""


@pytest.mark.parametrize(
    ("opens", "closes", "kept"),
    [
        ("2026-10-24T23:00:00Z", "2026-10-25T00:45:00Z", False),
        ("2026-10-25T00:30:00Z", "2026-10-25T08:00:00Z", False),
        ("2026-10-25T01:30:00Z", "2026-10-25T08:00:00Z", False),
        ("2026-10-24T15:00:00Z", "2026-10-25T09:00:00Z", True),
        ("2026-10-24T15:00:00Z", "2026-10-24T23:58:00Z", True),
        ("2026-10-25T02:02:00Z", "2026-10-25T09:00:00Z", True),
    ],
    ids=[
        "would open again",
        "would refuse in between",
        "would open before",
        "over",
        "ends",
        "starts",
    ],
)
def test_a_lock_is_not_trusted_with_an_edge_that_its_clock_shows_twice(
    opens: str, closes: str, kept: bool
) -> None:
    window = Timed(from_rfc3339(opens), from_rfc3339(closes))
    moment = Moment(Instant(FOLD - 2 * HOUR))
    lock = replace(KEEPER, clock=LockClock(0, 100, moment.now, True))
    assert (
        bool(want_of(lock, replace(GRANT, window=window), moment, POLICY, None).schedules) is kept
    )


@pytest.mark.parametrize(
    ("rules", "before_s", "kept"),
    [
        ((Weekly(frozenset({6, 7}), 110, 150),), 30 * 3600, True),
        ((Weekly(frozenset({6, 7}), 110, 150),), 3600, False),
        ((Weekly(frozenset({6, 7}), 150, 600),), -1800, False),
        ((Weekly(frozenset({6, 7}), 150, 600),), -12 * 3600, True),
        ((Weekly(frozenset({7}), 60, 130), Weekly(frozenset({7}), 160, 240)), 3600, False),
        ((Weekly(frozenset({7}), 60, 240),), 3600, True),
    ],
    ids=["the day before", "ends twice", "starts twice", "a week later", "hole inside", "around"],
)
def test_nor_with_a_weekly_one_on_the_day_of_the_change(
    rules: tuple[Weekly, ...], before_s: int, kept: bool
) -> None:
    window = Recurring(rules, "Europe/Berlin")
    moment = Moment(after(FOLD, -before_s))
    lock = replace(
        KEEPER,
        capabilities=replace(KEEPER.capabilities, schedules=ScheduleSupport(2, 1)),
        clock=LockClock(0, 100, moment.now, True),
    )
    assert (
        bool(want_of(lock, replace(GRANT, window=window), moment, POLICY, None).schedules) is kept
    )


def test_far_ahead_nothing_is_written_and_the_day_is_named() -> None:
    window = Timed(Instant(NOW + 20 * DAY), Instant(NOW + 21 * DAY))
    want = want_of(KEEPER, replace(GRANT, window=window), Moment(NOW), POLICY, None)
    assert not want.present
    assert want.state is GrantState.PENDING
    assert want.next_at == NOW + 6 * DAY


def test_an_unproven_clock_starts_nothing_that_has_an_edge() -> None:
    moment = Moment(NOW, ClockTrust.UNTRUSTED, NOW)
    timed = replace(GRANT, window=Timed(Instant(NOW - HOUR), Instant(NOW + HOUR)))
    assert want_of(KEEPER, timed, moment, POLICY, None).reason == "clock_untrusted"
    assert want_of(KEEPER, GRANT, moment, POLICY, None).present


@pytest.mark.parametrize(
    ("programmed_s", "held_s", "present"),
    [
        (-60, None, True),
        (None, -60, True),
        (-7200, -60, True),
        (-60, -7200, True),
        (-7200, -7200, False),
        (None, None, False),
    ],
    ids=["proven", "cut off", "moved since", "written anew", "for an earlier window", "unknown"],
)
def test_what_a_write_tells_of_a_time_that_was_forgotten(
    programmed_s: int | None, held_s: int | None, present: bool
) -> None:
    """Of a code that is to lie on the lock for an hour by now, by a floor of two hours ago."""

    def at(seconds: int | None) -> Instant | None:
        return None if seconds is None else after(NOW, seconds)

    grant = replace(
        GRANT,
        window=Timed(Instant(NOW - HOUR), Instant(NOW + HOUR)),
        programmed_at=at(programmed_s),
        held_since=at(held_s),
    )
    plain = replace(KEEPER, schedules_proven=False)
    slot = Slot(1, Opaque(OpaqueReason.IN_FLIGHT), grant.credential_id)
    moment = Moment(NOW, ClockTrust.UNTRUSTED, Instant(NOW - 2 * HOUR))
    assert want_of(plain, grant, moment, POLICY, slot).present is present
    assert want_of(plain, grant, Moment(moment.floor), POLICY, slot).present is False
    assert want_of(plain, grant, moment, POLICY, None).present is False


@pytest.mark.parametrize(
    ("floor_s", "written_s", "present"),
    [(1800, 600, True), (3600, 600, False), (6 * 86_400, 7 * 86_400, True)],
    ids=["open", "over", "written since, for the next week"],
)
def test_a_lock_that_keeps_windows_since_leaves_an_unrestricted_code_to_a_gateway_without_time(
    floor_s: int, written_s: int, present: bool
) -> None:
    """Nothing is written for it until the time is proven: it goes when the floor is past its close.

    Seconds since the opening of an hour in each week.
    """
    monday = from_rfc3339("2026-10-05T07:00:00Z")
    grant = replace(
        GRANT,
        window=Recurring((Weekly(frozenset({1}), 9 * 60, 10 * 60),), "Europe/Berlin"),
        programmed_at=after(monday, written_s),
    )
    floor = after(monday, floor_s)
    lock = replace(KEEPER, clock=LockClock(0, 100, floor, True))
    slot = Slot(1, Known(KeyedHash("h")), grant.credential_id)
    forgotten = want_of(lock, grant, Moment(monday, ClockTrust.UNTRUSTED, floor), POLICY, slot)
    assert (forgotten.present, forgotten.schedules) == (present, ())
    assert forgotten.closes is Enforcement.BY_GATEWAY
    proven = want_of(lock, grant, Moment(floor), POLICY, slot)
    assert proven.present
    assert bool(proven.schedules) is (floor_s >= 3600)


@pytest.mark.parametrize(("once", "state"), [(True, "erased"), (False, "missed")])
def test_an_unproven_clock_that_is_behind_does_not_want_a_past_guest_again(
    once: bool, state: str
) -> None:
    """Digits are destroyed once a window is over; it stays over when the time is forgotten."""
    window = Timed(Instant(NOW - HOUR), NOW)
    past = replace(GRANT, window=window, digits=None, programmed_once=once)
    behind = Moment(Instant(NOW - DAY), ClockTrust.UNTRUSTED, Instant(NOW - HOUR // 2))
    want = want_of(KEEPER, past, behind, POLICY, None)
    assert (want.present, want.state, want.reason) == (False, GrantState(state), "expired")


def test_a_window_that_is_open_after_all_is_still_told_when_its_digits_are_gone() -> None:
    """A proven time before the floor's is nobody's forgetting: the cloud has to send them again."""
    open_again = replace(GRANT, window=Timed(Instant(NOW - HOUR), Instant(NOW + 1)), digits=None)
    assert want_of(KEEPER, open_again, Moment(NOW), POLICY, None).present
