"""A figure, and the table and JSON all of them make."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Figure:
    """One promise and what was measured. `measured`, `bare` and `allowed` share `unit`.

    Where a bare program was measured, `allowed` is a factor if `relative`, else a bound.
    """

    name: str
    measured: float
    unit: str
    allowed: float
    bare: float | None = None
    relative: bool = False
    at_least: bool = False
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return None if not self.bare else self.measured / self.bare

    @property
    def met(self) -> bool:
        value = self.ratio if self.relative else self.measured
        if value is None:
            return False
        return value >= self.allowed if self.at_least else value <= self.allowed

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"ratio": self.ratio, "met": self.met}


def table(figures: Sequence[Figure]) -> Table:
    made = Table(title="figures", title_justify="left")
    made.add_column("figure")
    for heading in ("measured", "bare program", "ratio", "allowed"):
        made.add_column(heading, justify="right")
    made.add_column("met")
    for figure in figures:
        bound = "≥" if figure.at_least else "≤"
        limit = f"{figure.allowed:g} ×" if figure.relative else number(figure.allowed, figure.unit)
        made.add_row(
            f"{figure.name}\n[dim]{figure.note}[/]" if figure.note else figure.name,
            number(figure.measured, figure.unit),
            "" if figure.bare is None else number(figure.bare, figure.unit),
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            f"{bound} {limit}",
            "[green]yes[/]" if figure.met else "[bold red]no[/]",
        )
    return made


def number(value: float, unit: str) -> str:
    """Three significant digits, whole thousands in full."""
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def percentile(values: Sequence[float], percent: int) -> float:
    """Inclusive, as of a whole population; of one value, that value."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
