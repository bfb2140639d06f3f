"""The queue of instants against a plain dict, and the cache against the function it stands for."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.instant import DAY, HOUR, Instant
from gateway.domain.windows import Always, Recurring, Span, Timed, Weekly, span_from
from gateway.scheduler.timeline import SpanCache, Timeline

OFFICE_HOURS = Recurring((Weekly(frozenset(range(1, 6)), 540, 1020),), "Europe/Berlin")
START = Instant(1_795_132_800_000)  # Friday 2026-11-20, 00:00 UTC


def test_keys_come_due_in_order_and_once() -> None:
    timeline: Timeline[str] = Timeline()
    for key, instant in (("c", 30), ("a", 10), ("b", 20)):
        timeline.put(key, Instant(instant))
    assert timeline.next_transition() == 10
    assert timeline.due(Instant(9)) == []
    assert timeline.due(Instant(20)) == ["a", "b"]
    assert timeline.due(Instant(20)) == []
    assert (len(timeline), timeline.next_transition()) == (1, 30)


def test_a_key_has_one_instant() -> None:
    timeline: Timeline[str] = Timeline()
    timeline.put("door", Instant(10))
    timeline.put("door", Instant(30))
    timeline.put("door", Instant(20))
    assert timeline.due(Instant(15)) == []
    assert timeline.due(Instant(40)) == ["door"]
    timeline.put("door", Instant(20))  # the same instant again, after it was taken
    assert timeline.due(Instant(40)) == ["door"]
    assert timeline.due(Instant(40)) == []


def test_a_key_leaves_by_removal_by_none_and_by_clearing() -> None:
    timeline: Timeline[str] = Timeline()
    for key in ("removed", "none", "cleared"):
        timeline.put(key, Instant(10))
    timeline.remove("removed")
    timeline.remove("never there")
    timeline.put("none", None)
    assert len(timeline) == 1
    timeline.clear()
    assert (len(timeline), timeline.next_transition(), timeline.due(Instant(99))) == (0, None, [])


def test_keys_need_no_order() -> None:
    timeline: Timeline[frozenset[int]] = Timeline()
    keys = [frozenset({1}), frozenset({2}), frozenset({3})]
    for key in keys:
        timeline.put(key, Instant(5))
    assert timeline.due(Instant(5)) == keys


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "put", "put", "remove", "due"]),
            st.integers(0, 5),
            st.integers(0, 50),
        ),
        max_size=300,
    )
)
def test_it_behaves_like_a_dict_searched_whole(steps: list[tuple[str, int, int]]) -> None:
    timeline: Timeline[int] = Timeline()
    model: dict[int, Instant] = {}
    for step, key, number in steps:
        if step == "put":
            timeline.put(key, Instant(number))
            model[key] = Instant(number)
        elif step == "remove":
            timeline.remove(key)
            model.pop(key, None)
        else:
            keys = timeline.due(Instant(number))
            assert [model[k] for k in keys] == sorted(at for at in model.values() if at <= number)
            for taken in keys:
                del model[taken]
        assert timeline.next_transition() == min(model.values(), default=None)
        assert len(timeline) == len(model)


def test_a_key_put_off_forever_does_not_fill_the_memory() -> None:
    timeline: Timeline[str] = Timeline()
    timeline.put("soon", Instant(1))
    for number in range(5_000):
        timeline.put("busy", Instant(10_000 - number))
    assert len(timeline._heap) < 200  # noqa: SLF001 - memory is the promise, and has no other face
    assert timeline.due(Instant(10_000)) == ["soon", "busy"]


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
    cache.forget("weekly")
    cache.forget("weekly")
    assert len(cache) == 0
    cache.span_from("weekly", OFFICE_HOURS, START)
    cache.clear()
    assert len(cache) == 0
