"""What every test gets: its turn, and Hypothesis profiles, `ci` wide and `dev` quick."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    import pytest

HERE = Path(__file__).parent
LONG = (
    "simulation/test_seeds.py",
    "simulation/test_month.py",
    "house",
    "contracts",
    "radios/zwave",
    "flows",
    "simulation",
)
"""These go first, in this order: who has nothing left to do at the end does not wait long."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        path = item.path.relative_to(HERE).as_posix()
        return next((at for at, start in enumerate(LONG) if path.startswith(start)), len(LONG))

    items.sort(key=rank)


# Two shared cores are no reason to fail: a deadline per example would be a sleep in disguise.
settings.register_profile(
    "dev", max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("dev"), max_examples=200, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
