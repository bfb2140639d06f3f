"""Which removals are held: what takes something away, and where it is too much."""

from __future__ import annotations

import pytest

from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.instant import DAY, HOUR, Instant
from gateway.domain.windows import Always, Recurring, Timed, Weekly, Window
from gateway.store.staging import StagedChange
from gateway.store.withhold import InForce
from gateway.sync.guard import held_changes, shortened, takes_away

NOW = Instant(1_795_000_000_000)
D1, D2 = DeviceId("d1"), DeviceId("d2")
OPEN = Timed(Instant(NOW - HOUR), Instant(NOW + HOUR))
LATER = Timed(Instant(NOW + DAY), Instant(NOW + 2 * DAY))
PAST = Timed(Instant(NOW - 2 * DAY), Instant(NOW - DAY))
MONDAYS = Weekly(frozenset({1}), 540, 780)
TUESDAYS = Weekly(frozenset({2}), 540, 780)


def gone(name: str, window: Window = LATER, device: DeviceId = D1) -> StagedChange:
    return StagedChange(CredentialId(name), device, True, False, window, None)


def edited(old: Window, new: Window, *, digits: bool = False) -> StagedChange:
    return StagedChange(CredentialId("c"), D1, False, digits, old, new)


def grants(count: int, window: Window = LATER, device: DeviceId = D1) -> list[InForce]:
    return [InForce(device, window)] * count


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (OPEN, OPEN, False),
        (OPEN, Always(), False),
        (Always(), OPEN, True),
        (OPEN, Timed(OPEN.opens_at, Instant(OPEN.closes_at + 1)), False),
        (OPEN, Timed(OPEN.opens_at, Instant(OPEN.closes_at - 1)), True),
        (OPEN, Timed(Instant(OPEN.opens_at + 1), OPEN.closes_at), True),
        (OPEN, Timed(Instant(OPEN.opens_at - 1), OPEN.closes_at), False),
        (Recurring((MONDAYS,), "UTC"), Recurring((MONDAYS, TUESDAYS), "UTC"), False),
        (Recurring((MONDAYS, TUESDAYS), "UTC"), Recurring((MONDAYS,), "UTC"), True),
        (Recurring((MONDAYS,), "UTC"), Recurring((MONDAYS,), "Asia/Tokyo"), True),
        (Recurring((MONDAYS,), "UTC"), Recurring((MONDAYS,), "UTC", None, NOW), True),
        (Recurring((MONDAYS,), "UTC", NOW), Recurring((MONDAYS,), "UTC"), False),
        (OPEN, Recurring((MONDAYS,), "UTC"), True),
    ],
)
def test_shortened(old: Window, new: Window, expected: bool) -> None:
    assert shortened(old, new) is expected


def test_what_is_over_takes_nothing_away() -> None:
    assert not takes_away(gone("c", PAST), NOW)
    assert takes_away(gone("c", LATER), NOW)
    assert takes_away(edited(OPEN, OPEN, digits=True), NOW)


def test_an_open_window_is_always_asked_about() -> None:
    assert held_changes([gone("c", OPEN)], grants(100), NOW) == [gone("c", OPEN)]


def test_a_few_of_many_pass_and_too_many_do_not() -> None:
    three = [gone(f"c{n}") for n in range(3)]
    four = [gone(f"c{n}") for n in range(4)]
    assert held_changes(three, grants(10), NOW) == []
    assert held_changes(four, grants(20), NOW) == []
    assert held_changes(four, grants(19), NOW) == four


def test_all_of_a_lock_is_too_many_however_few() -> None:
    two = [gone("c1"), gone("c2")]
    assert held_changes(two, grants(2), NOW) == two


def test_past_grants_do_not_make_room_for_more_removals() -> None:
    five = [gone(f"c{n}") for n in range(5)]
    assert held_changes(five, grants(5) + grants(100, PAST), NOW) == five


def test_one_lock_held_does_not_hold_another() -> None:
    changes = [gone("c1", OPEN, D1), gone("c2", LATER, D2)]
    kept = held_changes(changes, grants(9, LATER, D1) + grants(9, LATER, D2), NOW)
    assert kept == [changes[0]]
