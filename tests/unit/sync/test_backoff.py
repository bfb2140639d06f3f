"""Waiting: spread out, bounded, and from the beginning again only after a stable connection."""

from __future__ import annotations

from random import Random

from gateway.sync.backoff import STABLE_S, Patience, Reconnect


def test_the_first_wait_is_between_its_bounds_and_gateways_differ() -> None:
    waits = {round(Reconnect(Random(seed)).next_wait(), 3) for seed in range(200)}
    assert min(waits) >= 1.0
    assert max(waits) <= 5.0
    assert len(waits) > 150


def test_waits_grow_to_the_cap_and_not_beyond() -> None:
    reconnect = Reconnect(Random(1), cap_s=60.0)
    waits = [reconnect.next_wait() for _ in range(200)]
    assert max(waits) == 60.0
    assert min(waits) >= 1.0
    assert sum(waits[100:]) > sum(waits[:5])


def test_only_a_stable_connection_starts_over() -> None:
    reconnect = Reconnect(Random(1))
    for _ in range(50):
        reconnect.next_wait()
    reconnect.lasted(STABLE_S - 1)
    assert max(reconnect.next_wait() for _ in range(20)) > 5.0
    reconnect.lasted(STABLE_S)
    assert reconnect.next_wait() <= 5.0


def test_patience_doubles_until_something_moves() -> None:
    patience = Patience(0.0)
    assert not patience.exhausted(9.9)
    assert patience.exhausted(10.0)
    assert not patience.exhausted(29.9)
    assert patience.exhausted(30.0)
    patience.progress(31.0)
    assert patience.remaining(31.0) == 10.0


def test_patience_is_bounded_and_short_again_once_somebody_speaks() -> None:
    patience = Patience(0.0)
    now = 0.0
    for _ in range(20):
        now += patience.remaining(now)
        assert patience.exhausted(now)
    assert patience.remaining(now) == Patience.CAP_S
    patience.heard()
    assert patience.remaining(now) == Patience.FIRST_S
