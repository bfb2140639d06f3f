"""Reports: the first at once, the next together, everything on request."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.kit.clock import ManualClock
    from tests.unit.sync.conftest import Until
    from tests.unit.sync.linked import Link


async def test_reports_come_at_once_then_together(
    link: Link, clock: ManualClock, until: Until
) -> None:
    def desired(revision: int, digest: str) -> None:
        credential = {
            "credential_id": f"c{revision}", "version": 1, "kind": "pin", "devices": ["d1"],
            "secret": {"digits": "483920"}, "window": {"kind": "always"},
        }  # fmt: skip
        link.order("desired", kind="delta", revision=revision, previous=revision - 1,
                   hash=digest, credentials=[credential])  # fmt: skip

    line = link.exchange.lines[0]
    lines: list[str] = []
    for revision in (1, 2, 3):
        lines.append(f"c{revision} d1 1\n")
        desired(revision, _sha("".join(sorted(lines))))
        if revision == 1:
            await until(lambda: line.of("reported"))
    await until(lambda: len(line.acknowledged) == 3)
    assert len(line.of("reported")) == 1
    await clock.advance(1.0)
    await until(lambda: len(line.of("reported")) == 2)
    first, second = line.of("reported")
    assert [len(report["grants"]) for report in (first, second)] == [1, 2]
    assert (first["since"], second["since"]) == (0, first["change"])


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
