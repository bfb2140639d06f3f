"""The cache against the function it stands for."""

from __future__ import annotations

from gateway.domain.instant import DAY, HOUR, Instant
from gateway.domain.spans import SpanCache
from gateway.domain.windows import Always, Recurring, Span, Timed, Weekly, span_from

OFFICE_HOURS = Recurring((Weekly(frozenset(range(1, 6)), 540, 1020),), "Europe/Berlin")
START = Instant(1_795_132_800_000)  # Friday 2026-11-20, 00:00 UTC


def test_the_cache_answers_without_computing_until_the_span_closes() -> None:
    cache: SpanCache[str] = SpanCache()
    first = cache.span_from("grant", OFFICE_HOURS, START)
    assert first is not None
    assert first.closes_at == START + 16 * HOUR
    assert cache.span_from("grant", OFFICE_HOURS, Instant(first.closes_at - 1)) is first
    following = cache.span_from("grant", OFFICE_HOURS, first.closes_at)
    assert following == span_from(OFFICE_HOURS, first.closes_at) != first


def test_the_cache_is_not_fooled_by_another_window_or_an_earlier_clock() -> None:
    cache: SpanCache[str] = SpanCache()
    saturdays = Recurring((Weekly(frozenset({6}), 600, 660),), "Europe/Berlin")
    cache.span_from("grant", OFFICE_HOURS, START)
    assert cache.span_from("grant", saturdays, START) == span_from(saturdays, START)
    earlier = Instant(START - 30 * DAY)
    assert cache.span_from("grant", saturdays, earlier) == span_from(saturdays, earlier)
    assert cache.span_from("grant", Always(), START) == Span(None, None)


def test_the_cache_remembers_that_a_window_is_over() -> None:
    cache: SpanCache[str] = SpanCache()
    bounded = Recurring(OFFICE_HOURS.rules, OFFICE_HOURS.zone, None, START)
    assert cache.span_from("grant", bounded, START) is None
    assert cache.span_from("grant", bounded, Instant(START + DAY)) is None
    before = Instant(START - DAY)
    assert cache.span_from("grant", bounded, before) == span_from(bounded, before) is not None


def test_the_cache_keeps_only_what_is_worth_keeping() -> None:
    cache: SpanCache[str] = SpanCache()
    cache.span_from("timed", Timed(START, Instant(START + 1)), START)
    cache.span_from("always", Always(), START)
    cache.span_from("weekly", OFFICE_HOURS, START)
    assert len(cache) == 1
    cache.keep(["weekly", "unknown"])
    assert len(cache) == 1
    cache.keep([])
    assert len(cache) == 0
