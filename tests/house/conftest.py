"""What a failed house test shows besides: the end of its daemon's log, which holds no secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

TAIL = 12_000
"""Characters."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    house = getattr(item, "funcargs", {}).get("house")
    if report.failed and house is not None:
        log = house.stage.daemon.log.read_text(encoding="utf-8", errors="replace")
        report.sections.append(("the daemon's log, its end", log[-TAIL:]))
    return report
