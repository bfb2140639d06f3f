"""The lock's clock: read, set, and its zone proven by its own local time."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from gateway.domain.instant import Instant
from gateway.drivers.zcl_lock.clock import read_clock, set_clock
from gateway.drivers.zcl_lock.schedules import EPOCH_2000_S
from gateway.errors import DeviceRefused, PeerProtocolError
from tests.unit.drivers.lock_double import LockDouble, converse

if TYPE_CHECKING:
    from gateway.drivers.zcl_lock.dialogue import Step
    from gateway.radios.api import ClusterReply

TIME = 0x000A
BERLIN = ZoneInfo("Europe/Berlin")
SUMMER = Instant(1_782_900_000_250)  # 2026-07-01, two hours ahead of UTC
UTC_S = SUMMER // 1000 - EPOCH_2000_S


class TellingLock(LockDouble):
    """Its local time follows from the other attributes, as ZCL revision 8, 3.12.2 says."""

    def answer(self, step: Step) -> ClusterReply:
        numbers = {
            number: value
            for (_, number), value in self.attributes.items()
            if isinstance(value, int)
        }
        if {0, 2} <= numbers.keys():
            now, start, end = numbers[0], numbers.get(3, 0), numbers.get(4, 0)
            shift = numbers.get(5, 0) if start <= now < end else 0
            self.attributes[TIME, 7] = now + numbers[2] + shift
        return super().answer(step)


def lock(**values: int) -> TellingLock:
    ids = {"utc": 0, "zone": 2, "start": 3, "end": 4, "shift": 5, "local": 7}
    return TellingLock(attributes={(TIME, ids[name]): value for name, value in values.items()})


def test_error_is_lock_minus_gateway() -> None:
    late = converse(read_clock(1, SUMMER, BERLIN), lock(utc=UTC_S - 90))
    assert late.error_ms == -90_000 + 500 - 250
    assert late.bound_ms == 500


@pytest.mark.parametrize(("ahead", "proven"), [(7200, True), (3600, False), (0, False)])
def test_the_zone_is_proven_by_local_time(ahead: int, proven: bool) -> None:
    clock = converse(read_clock(1, SUMMER, BERLIN), lock(utc=UTC_S, local=UTC_S + ahead))
    assert clock.zone_proven is proven


def test_a_lock_that_tells_no_local_time_proves_no_zone() -> None:
    assert not converse(read_clock(1, SUMMER, ZoneInfo("UTC")), lock(utc=UTC_S)).zone_proven


@pytest.mark.parametrize("values", [{}, {"utc": 0xFFFFFFFF}])
def test_no_time_is_not_a_time(values: dict[str, int]) -> None:
    with pytest.raises(PeerProtocolError):
        converse(read_clock(1, SUMMER, BERLIN), lock(**values))


def test_setting_teaches_the_lock_summer_time() -> None:
    full = lock(utc=0, zone=0, start=0, end=0, shift=0, local=0)
    clock = converse(set_clock(1, SUMMER, BERLIN), full)
    assert clock.zone_proven
    assert abs(clock.error_ms) <= 500
    assert full.attributes[TIME, 2] == 3600
    assert full.attributes[TIME, 5] == 3600


def test_a_lock_without_summer_time_gets_the_present_offset() -> None:
    simple = lock(utc=0, zone=0, local=0)
    assert converse(set_clock(1, SUMMER, BERLIN), simple).zone_proven
    assert simple.attributes[TIME, 2] == 7200


def test_a_lock_whose_zone_cannot_be_set_is_found_out() -> None:
    stubborn = lock(utc=0, zone=0, local=0)
    stubborn.read_only = frozenset({(TIME, 2)})
    assert not converse(set_clock(1, SUMMER, BERLIN), stubborn).zone_proven


def test_a_lock_that_cannot_be_set_says_so() -> None:
    stubborn = lock(utc=0)
    stubborn.read_only = frozenset({(TIME, 0)})
    with pytest.raises(DeviceRefused):
        converse(set_clock(1, SUMMER, BERLIN), stubborn)
