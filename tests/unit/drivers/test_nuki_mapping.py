"""What a Nuki's words mean, and its limits of codes to and from our windows. No lock here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.capabilities import CodeLimits
from gateway.domain.devices import WeekDay, YearDay
from gateway.domain.instant import MINUTE, Instant
from gateway.drivers.nuki import mapping
from gateway.drivers.nuki.commands import Entry, LockState, Log, States
from gateway.drivers.nuki.schedules import SIZE, Terms, schedules_of, terms_in, terms_of
from gateway.drivers.nuki.wire import NO_DATE, u16
from gateway.errors import Refusal

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 7, 6, 12, tzinfo=UTC)
"""A Monday on the lock's clock."""
MINUTES = st.integers(0, 1439)
DAYS = st.frozensets(st.integers(1, 7), min_size=1)
DATES = st.integers(1_700_000_000, 2_000_000_000).map(lambda s: Instant(s * 1000))


def terms(*schedules: YearDay | WeekDay) -> Terms:
    found = terms_of(schedules, BERLIN)
    assert isinstance(found, Terms)
    return found


@given(DATES, st.integers(120, 10_000_000))
def test_a_stretch_comes_back_and_is_never_longer(opens: Instant, seconds: int) -> None:
    wanted = YearDay(opens, Instant(opens + seconds * 1000))
    found = terms_of((wanted,), BERLIN)
    if found is Refusal.UNSUPPORTED:
        # Summer time's end: nothing is left of it on the wall.
        assert seconds < 2 * 3600
        return
    assert isinstance(found, Terms)
    assert terms_in(found.encode()) == found
    assert len(found.encode()) == SIZE
    (back,) = schedules_of(found, BERLIN) or ()
    assert isinstance(back, YearDay)
    # An edge in the hour that comes twice is read as the outer of two.
    assert 0 <= (back.opens_at - opens) % (60 * MINUTE) < MINUTE
    assert 0 <= (wanted.closes_at - back.closes_at) % (60 * MINUTE) < MINUTE


@given(DAYS, MINUTES, MINUTES)
def test_weekly_hours_come_back(days: frozenset[int], one: int, other: int) -> None:
    start, end = sorted((one, other))
    if start == end:
        return
    wanted = WeekDay(days, start, end)
    found = terms(wanted)
    assert found.bind
    assert terms_in(found.encode()) == found
    assert schedules_of(found, BERLIN) == (wanted,)


@given(DAYS, MINUTES, MINUTES, st.integers(0, 7 * 1440 - 1))
def test_what_weekly_hours_permit(days: frozenset[int], one: int, other: int, at: int) -> None:
    start, end = sorted((one, other))
    if start == end:
        return
    wall = NOON.replace(hour=0) + timedelta(minutes=at)
    inside = wall.isoweekday() in days and start <= at % 1440 < end
    assert terms(WeekDay(days, start, end)).permit(wall) is inside


def test_what_dates_permit() -> None:
    found = Terms(True, u16(2026) + bytes((7, 6, 12, 0, 0)), u16(2026) + bytes((7, 6, 13, 0, 0)))
    second = timedelta(seconds=1)
    assert not found.permit(NOON - second)
    assert found.permit(NOON)
    assert found.permit(NOON + timedelta(hours=1) - second)
    assert not found.permit(NOON + timedelta(hours=1))


@pytest.mark.parametrize(
    "held",
    [
        Terms(True, u16(2026) + bytes((7, 6, 12, 0, 0)), NO_DATE),
        Terms(True, u16(2026) + bytes((7, 6, 12, 0, 0)), u16(2026) + bytes((8, 6, 12, 0, 0)), 1),
        Terms(True, days=1, start=22 * 60, end=6 * 60),
        Terms(True, b"\xff" * 7, b"\xff" * 7),
    ],
    ids=["from a date on", "dates and days", "over midnight", "no dates"],
)
def test_limits_that_our_words_do_not_have_are_not_told_as_others(held: Terms) -> None:
    assert schedules_of(held, BERLIN) is None


def test_limits_that_are_switched_off_or_never_forbid_are_none() -> None:
    old = Terms(False, u16(2026) + bytes((7, 6, 12, 0, 0)), u16(2026) + bytes((8, 6, 12, 0, 0)))
    every_day = Terms(True, days=0x7F)
    for held in (old, every_day, Terms(True), Terms()):
        assert schedules_of(held, BERLIN) == ()
        assert held.same_as(Terms())
        assert held.permit(NOON)
    assert schedules_of(Terms(True, days=1), BERLIN) == (WeekDay(frozenset({7}), 0, 1439),)


@pytest.mark.parametrize(
    ("state", "locked"),
    [
        (LockState.LOCKED, True),
        (LockState.UNLOCKED, False),
        (LockState.UNLATCHED, False),
        (LockState.UNLOCKED_LOCK_N_GO, False),
        (LockState.UNLOCKING, None),
        (LockState.LOCKING, None),
        (LockState.MOTOR_BLOCKED, None),
        (0, None),
        (0xFC, None),
        (0xFF, None),
    ],
)
def test_only_a_bolt_that_stands_is_told(state: int, locked: bool | None) -> None:
    states = States(2, state, 0, NO_DATE, 0, 0, (0, 0, 0), None)
    assert mapping.measured_from(states).locked is locked


@pytest.mark.parametrize(
    ("battery", "percent", "low"),
    [(0b10100000, 80, False), (0b00010101, 10, True), (0, None, False), (1, None, True)],
)
def test_the_battery(battery: int, percent: int | None, low: bool) -> None:
    found = mapping.measured_from(States(2, 1, 0, NO_DATE, battery, 0, (0, 0, 0), None))
    assert (found.battery_percent, found.battery_low) == (percent, low)


@pytest.mark.parametrize("door", [None, 0, 1, 4, 5, 0x10, 0xF0, 0xFF])
def test_a_door_that_is_not_known_is_not_told(door: int | None) -> None:
    states = States(2, 1, 0, NO_DATE, 0, 0, (0, 0, 0), door)
    assert mapping.measured_from(states).door_open is None


@pytest.mark.parametrize("error", range(256))
def test_every_error_has_words_and_pins_shut_out_pass(error: int) -> None:
    assert mapping.why(error)
    refusal = mapping.refusal_of(error)
    if error in mapping.PIN_LOCKED_OUT:
        assert refusal is Refusal.BUSY
    assert refusal is not Refusal.WEAK


def test_the_limits_of_a_keypad_are_the_vendors() -> None:
    assert (
        CodeLimits(
            100, 6, 6, forbidden_digits="0", forbidden_prefixes=("12",), reads_back_digits=True
        )
        == mapping.LIMITS
    )


@given(st.integers(0, 255), st.binary(max_size=12))
def test_no_entry_of_the_log_is_too_strange(kind: int, data: bytes) -> None:
    users = mapping.Users(lambda _: 4, lambda _code, _wall: False)
    for event in mapping.told_in(Entry(1, NO_DATE, bytes(4), kind, data, b""), users, BERLIN):
        assert getattr(event, "from_log", True)


@pytest.mark.parametrize("completion", [2, 3, 4, 0xFE, 0xFF])
def test_an_action_that_did_not_happen_is_not_told(completion: int) -> None:
    users = mapping.Users(lambda _: None, lambda _code, _wall: None)
    entry = Entry(1, NO_DATE, bytes(4), Log.ACTION, bytes((1, 0, 0, completion)), b"")
    assert mapping.told_in(entry, users, BERLIN) == ()
