"""What the judge works out for itself is what the product holds: weak codes, windows, instants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.instant import Instant, from_datetime, to_rfc3339
from gateway.domain.secret import weakness_of
from gateway.domain.windows import Recurring, Timed, Weekly, span_from
from tests.simulation.judged import HOUR, START, timed
from tests.simulation.judging.watch import weak
from tests.simulation.windows import EVER, NEVER, Calendar, instant

if TYPE_CHECKING:
    from collections.abc import Mapping


@given(st.text("0123456789", min_size=1, max_size=6))
def test_weak_codes_are_those_the_product_refuses(digits: str) -> None:
    assert weak(digits) == (weakness_of(digits) is not None)


WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PLACES = [
    ("Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC)),
    ("America/New_York", datetime(2027, 3, 14, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 5, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 4, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 11, 4, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2019, 2, 17, tzinfo=UTC)),
    ("Africa/Casablanca", datetime(2026, 2, 15, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, tzinfo=UTC)),
    ("Pacific/Chatham", datetime(2026, 9, 26, tzinfo=UTC)),
    ("Asia/Kolkata", datetime(2026, 11, 20, tzinfo=UTC)),
]


@st.composite
def recurring(draw: st.DrawFn) -> tuple[dict[str, Any], int]:
    """A window as on the wire, and an instant near a change of its zone's clocks."""
    zone, middle = draw(st.sampled_from(PLACES))
    near = from_datetime(middle)
    hours = st.integers(0, 23) | st.sampled_from([0, 1, 2, 3, 23])
    minutes = st.sampled_from([0, 15, 30, 45, 59])

    def rule() -> dict[str, Any]:
        days = draw(st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=7, unique=True))
        ends = f"{draw(hours):02}:{draw(minutes):02}" if draw(st.integers(0, 9)) else "24:00"
        return {"weekdays": days, "from": f"{draw(hours):02}:{draw(minutes):02}", "to": ends}

    window: dict[str, Any] = {
        "kind": "recurring",
        "zone": zone,
        "rules": [rule() for _ in range(draw(st.integers(1, 3)))],
    }
    around = st.integers(-20 * 24 * HOUR, 20 * 24 * HOUR)
    if draw(st.booleans()):
        window["not_before"] = to_rfc3339(Instant(near + draw(around)))
    if draw(st.booleans()):
        since = instant(window["not_before"]) if "not_before" in window else near
        later = since + draw(st.integers(1, 30 * 24 * HOUR))
        window["not_after"] = to_rfc3339(Instant(later))
    return window, near + draw(around | st.integers(-2 * 24 * HOUR, 2 * 24 * HOUR))


def of_the_product(window: Mapping[str, Any]) -> Recurring:
    def minute(text: str) -> int:
        return int(text[:2]) * 60 + int(text[3:])

    def bound(name: str) -> Instant | None:
        return Instant(instant(window[name])) if name in window else None

    rules = tuple(
        Weekly(
            frozenset(WEEKDAYS.index(day) + 1 for day in rule["weekdays"]),
            minute(rule["from"]),
            minute(rule["to"]) or 1440,
        )
        for rule in window["rules"]
    )
    return Recurring(rules, window["zone"], bound("not_before"), bound("not_after"))


@settings(deadline=None)
@given(recurring())
def test_two_arithmetics_of_windows_agree(case: tuple[dict[str, Any], int]) -> None:
    window, at = case
    product = span_from(of_the_product(window), Instant(at))
    calendar = Calendar(window)
    span = calendar.open_or_next(at)
    if product is None:
        assert span is None
        return
    assert span is not None
    opens = NEVER if product.opens_at is None else product.opens_at
    closes = EVER if product.closes_at is None else product.closes_at
    assert span == (opens, closes)
    following = calendar.following(span.opens) if span.opens > NEVER else None
    if following is not None:
        again = span_from(of_the_product(window), Instant(span.closes))
        assert again is not None
        assert following == (again.opens_at, again.closes_at)


def test_timed_and_unlimited_windows_have_their_edges() -> None:
    calendar = Calendar(timed(START, START + HOUR))
    assert calendar.latest(START - 1) is None
    assert calendar.latest(START + HOUR) == (START, START + HOUR)
    assert calendar.open_or_next(START + HOUR) is None
    assert calendar.following(START - 1) == (START, START + HOUR)
    product = Timed(Instant(START), Instant(START + HOUR))
    assert span_from(product, Instant(START + HOUR)) is None
    assert Calendar({"kind": "always"}).latest(START) == (NEVER, EVER)


def test_an_instant_is_read_to_the_millisecond() -> None:
    moment = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC) + timedelta(hours=1)
    assert instant("2026-11-20T14:00:00.250999+01:00") == from_datetime(moment)
