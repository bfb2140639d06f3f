"""The table and JSON of the figures. Nothing here looks at a clock."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from benchmarks.__main__ import NAMES, Bench
from benchmarks.report import Figure, number, percentile, table


def shown(*figures: Figure) -> str:
    console = Console(file=io.StringIO(), width=200, no_color=True)
    console.print(table(figures))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("figure", "ratio", "met"),
    [
        (Figure("bound", 49.9, "ms", 50), None, True),
        (Figure("bound", 50.1, "ms", 50), None, False),
        (Figure("rate", 1500, "/s", 1500, at_least=True), None, True),
        (Figure("rate", 1499, "/s", 1500, at_least=True), None, False),
        (Figure("factor", 3.0, "ms", 1.5, bare=2.0, relative=True), 1.5, True),
        (Figure("factor", 3.1, "ms", 1.5, bare=2.0, relative=True), 1.55, False),
        (Figure("share", 1.8, "/s", 0.9, bare=2.0, relative=True, at_least=True), 0.9, True),
        (Figure("share", 1.7, "/s", 0.9, bare=2.0, relative=True, at_least=True), 0.85, False),
    ],
)
def test_a_figure_knows_whether_it_is_met(figure: Figure, ratio: float | None, met: bool) -> None:
    assert figure.ratio == ratio
    assert figure.met is met
    assert figure.as_dict() | {"ratio": ratio, "met": met} == figure.as_dict()


def test_a_factor_without_a_bare_program_is_not_met() -> None:
    assert not Figure("factor", 1.0, "ms", 1.5, relative=True).met


def test_the_table_shows_everything_of_a_figure() -> None:
    text = shown(
        Figure("order", 3.3, "ms", 1.5, bare=3.0, relative=True, note="200 times"),
        Figure("events", 999.0, "/s", 1500, at_least=True),
    )
    first = next(line for line in text.splitlines() if "order" in line)
    assert [cell.strip() for cell in first.split("│")[1:-1]] == [
        "order", "3.3 ms", "3 ms", "1.10", "≤ 1.5 ×", "yes",
    ]  # fmt: skip
    assert "200 times" in text
    second = next(line for line in text.splitlines() if "events" in line)
    assert [cell.strip() for cell in second.split("│")[1:-1]] == [
        "events", "999 /s", "", "", "≥ 1,500 /s", "no",
    ]  # fmt: skip


def test_numbers_are_short() -> None:
    assert [number(v, "ms") for v in (0.01234, 12.345, 12345.6)] == [
        "0.0123 ms",
        "12.3 ms",
        "12,346 ms",
    ]


def test_percentiles_are_of_what_was_measured() -> None:
    values = [float(n) for n in range(101)]
    assert [percentile(values, p) for p in (50, 95, 99)] == [50, 95, 99]
    assert percentile([7.0], 99) == 7.0


async def test_the_figures_of_single_parts_are_measured_and_shown() -> None:
    bench = Bench(["windows", "writers"], quick=True)
    await bench.run()
    assert all(figure.measured > 0 for figure in bench.figures)
    assert "durable events" in shown(*bench.figures)
    assert {"windows", "writers"} < set(NAMES)
