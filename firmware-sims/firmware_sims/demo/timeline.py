"""What a spectator sees, and the report: steps, and under each what was checked and found.

No step knows how it is printed; nothing here knows what is checked. Codes are not printed.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console


@dataclass(slots=True)
class Check:
    """`where`: whose word it is (door, lock, cloud, gateway)."""

    where: str
    what: str
    held: bool
    detail: str = ""


@dataclass(slots=True)
class Step:
    title: str
    began_s: float
    took_s: float = 0.0
    checks: list[Check] = field(default_factory=list)
    fault: str = ""

    @property
    def held(self) -> bool:
        return not self.fault and bool(self.checks) and all(c.held for c in self.checks)


class Timeline:
    """Prints as it goes; keeps everything for the report."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.steps: list[Step] = []
        self._zero = time.monotonic()

    @property
    def held(self) -> bool:
        return bool(self.steps) and all(step.held for step in self.steps)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """A failure inside is told and kept; the demo stops there, as the rest builds on it."""
        step = Step(title, time.monotonic() - self._zero)
        self.steps.append(step)
        self.console.print(
            Text.assemble((f"{step.began_s:6.1f} s  ", "dim"), (title, "bold")), highlight=False
        )
        try:
            yield step
        except TimeoutError as error:
            step.fault = f"waited too long: {error}"
            raise
        except Exception as error:
            step.fault = f"{type(error).__name__}: {error}"
            raise
        finally:
            step.took_s = time.monotonic() - self._zero - step.began_s
            if step.fault:
                self._line("✗", "red", "demo", step.fault)

    def check(self, where: str, what: str, held: bool, detail: str = "") -> None:
        self.steps[-1].checks.append(Check(where, what, held, detail))
        text = f"{what} ({detail})" if detail else what
        self._line("✓" if held else "✗", "green" if held else "red", where, text)

    def note(self, text: str) -> None:
        self._line("·", "dim", "", text)

    def _line(self, mark: str, style: str, where: str, text: str) -> None:
        self.console.print(
            Text.assemble("          ", (mark, style), " ", (f"{where:<8}", "cyan"), text),
            highlight=False,
        )

    def report(self, path: Path) -> None:
        document = {
            "held": self.held,
            "seconds": round(time.monotonic() - self._zero, 3),
            "steps": [{**asdict(step), "held": step.held} for step in self.steps],
        }
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
