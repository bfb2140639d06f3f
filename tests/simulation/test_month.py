"""A month without cloud in every run of the tests, and the plan by which it is judged."""

from __future__ import annotations

import io
from datetime import date
from random import Random

import pytest
from rich.console import Console

from firmware_sims.demo.timeline import Timeline
from gateway.errors import StoreError
from tests.simulation import month
from tests.simulation.judging.secrets import found
from tests.simulation.month_plan import (
    BLIND,
    DARK,
    DOORS,
    FLATS,
    HOUR,
    MAIN,
    MINUTE,
    SUMMER_TIME_ENDS,
    TURNOVERS,
    Plan,
    at_home,
    local,
)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan(Random(f"{month.SEED}/plan"))


def test_every_promise_is_kept_in_a_month_without_cloud(plan: Plan) -> None:
    told = io.StringIO()
    line = Timeline(Console(file=told, width=200))
    result = month.live(line)
    broken = [check.what for step in line.steps for check in step.checks if not check.held]
    assert broken == []
    assert line.held
    assert result.violations == []
    assert result.figures["days"] > 31
    assert result.figures["trouble.power cuts"] == 3
    assert result.figures["typed"] > 900
    assert result.figures["availability"] == 100.0
    digits = {person.digits for person in plan.people}
    assert found(told.getvalue(), digits, 4, frozenset()) == []


def test_a_broken_promise_ends_the_demo_with_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(line: Timeline) -> None:
        with line.step("one day"):
            line.check("lock", "a code opened", held=False)

    def stops(line: Timeline) -> None:
        with line.step("one day"):
            line.check("lock", "a code opened", held=True)
            raise StoreError("the disk is gone")

    monkeypatch.setattr("sys.argv", ["month"])
    for live in (breaks, stops):
        monkeypatch.setattr(month, "live", live)
        assert month.main() == 1
        assert "Not every promise held" in capsys.readouterr().out


def test_the_plan_holds_what_a_month_has(plan: Plan) -> None:
    assert len(plan.stays) >= 40
    for flat in FLATS:
        stays = [stay for stay in plan.stays if flat in stay.doors]
        ends = {stay.window["closes_at"] for stay in stays}
        assert {at_home(stay.begins).date() for stay in stays} >= set(TURNOVERS[flat])
        assert any(stay.window["opens_at"] in ends for stay in stays), "out and in at noon"
    days = {at_home(visit.at).date() for visit in plan.visits}
    assert len(days) == 32
    assert {visit.door for visit in plan.visits} == set(range(len(DOORS)))
    passes = {person.begins for person in plan.night}
    assert len(passes) == 5
    assert {at_home(at).hour for at in passes} == {2}
    assert {at_home(at).date() for at in passes} == {SUMMER_TIME_ENDS}


def test_a_stay_is_expected_to_open_within_its_window_alone(plan: Plan) -> None:
    stay = plan.stays[1]
    span = stay.calendar.following(0)
    assert span is not None
    assert plan.expected(stay, MAIN, span.opens - HOUR, ()) is False
    assert plan.expected(stay, MAIN, span.opens - MINUTE, ()) is None
    assert plan.expected(stay, MAIN, span.opens + HOUR, ()) is True
    assert plan.expected(stay, MAIN, span.closes + MINUTE, ()) is None
    assert plan.expected(stay, MAIN, span.closes + HOUR, ()) is False


def test_in_the_dark_only_what_has_no_edge_there_is_certain(plan: Plan) -> None:
    evening = local(date(2026, 10, 31), 19)
    assert BLIND[0] < evening < BLIND[1]
    named = {person.name: person for person in plan.people}
    assert named["staff-anna"].expected(evening, DARK) is True
    assert named["staff-former"].expected(evening, DARK) is False
    assert plan.cleaner.expected(evening, DARK) is None
    assert plan.cleaner.expected(evening, ()) is False


def test_the_same_digits_open_for_whoever_has_them_now(plan: Plan) -> None:
    known: dict[str, list[int]] = {}
    for number, stay in enumerate(plan.stays):
        known.setdefault(stay.digits, []).append(number)
    first, again = next(
        [plan.stays[number] for number in numbers]
        for numbers in known.values()
        if len(numbers) == 2
    )
    later = again.begins + HOUR
    assert first.expected(later, ()) is False
    assert plan.expected(first, MAIN, later, ()) is True
