"""Bounds rise slower than time may pass, errors grow as fast as a crystal may drift."""

from __future__ import annotations

from gateway.domain.instant import Instant
from gateway.domain.timebelief import Belief, Bound, Limits, Proof, Reading, Source

LIMITS = Limits(drift_ppm=100.0)
AT = Instant(1_800_000_000_000)


def test_a_bound_rises_less_than_the_time_that_passed() -> None:
    assert Bound(AT, 10.0).risen(10.0, LIMITS) == AT
    assert Bound(AT, 10.0).risen(10_010.0, LIMITS) == AT + 10_000_000 - 1_000


def test_the_least_time_it_can_be() -> None:
    assert Belief(0, 0.0).least_at(50.0, LIMITS) == 0
    belief = Belief(0, 0.0, floor=Bound(AT, 0.0), last=Bound(Instant(AT + 500), 0.0))
    assert belief.least_at(0.0, LIMITS) == AT + 500
    assert belief.floor_at(0.0, LIMITS) == AT


def test_the_error_grows_with_the_time_since_the_last_proof() -> None:
    assert Belief(0, 0.0).error_ms(100.0, LIMITS) is None
    proven = Belief(0, 0.0, proof=Proof(Source.KERNEL, 100.0, 20))
    assert proven.error_ms(10_100.0, LIMITS) == 1_020


def test_a_reading_is_an_offset_to_the_uptime() -> None:
    reading = Reading.of(Source.CLOUD, AT, 5, 2.5)
    assert reading == Reading(Source.CLOUD, AT - 2_500, 5)
    assert Belief(reading.offset_ms, 0.0).now(2.5) == AT
