"""How the time looks: every standing on one screen of 80 columns, many locks as few lines."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from gateway.cli import clockface

AT = "2026-11-20T14:30:00.250Z"


def shown(document: dict[str, Any], width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(clockface.clock(document))
    text = out.getvalue()
    assert max(len(line) for line in text.splitlines()) <= width
    return text


def document(**changes: Any) -> dict[str, Any]:
    return {
        "now": AT, "zone": "Europe/Berlin", "trust": "trusted", "source": "cloud",
        "source_text": "the cloud, signed", "authenticated": True, "error_ms": 600,
        "floor": "2026-11-20T14:29:00.000Z", "proven_s_ago": 30.0, "adopted_s_ago": 7200.0,
        "wall": AT, "wall_difference_ms": 0, "kernel": {"synchronised": True, "max_error_ms": 20},
        "rtc": None, "boot_id": "498015a5-2bdf-4ab9-91b2-bb86c8e2c023", "uptime_s": 7300.0,
        "waiting_ms": None, "last_jump": None, "last_refused": None,
        "headline": "The time is proven by the cloud, signed.", "doors": ["Codes open."],
        "codes_waiting": 0, "waits_for": None, "next": [], "lock_clocks": [],
        **changes,
    }  # fmt: skip


def lock(name: str, error_ms: int | None) -> dict[str, Any]:
    clock = None
    if error_ms is not None:
        clock = {"error_ms": error_ms, "bound_ms": 1000, "read_at": AT, "zone_proven": True}
    return {"device_id": f"dev_{name}", "name": name, "clock": clock}


def test_a_proven_time() -> None:
    text = shown(document())
    assert " PROVEN   Fri 20 Nov 2026 15:30 CET (20 Nov 14:30 UTC)" in text
    assert "the cloud, signed  authenticated" in text
    assert "heard 30 s ago, followed for 2 h" in text
    assert "at most 600 ms" in text
    assert "boot 498015a5" in text
    assert "498015a5-" not in text
    assert "what to do" not in text


def test_a_time_that_nobody_proved() -> None:
    text = shown(
        document(
            trust="untrusted", source=None, source_text=None, error_ms=None, floor=None,
            proven_s_ago=None, adopted_s_ago=None, waits_for="any source", next=["Restore it."],
            kernel={"synchronised": False, "max_error_ms": 16_000},
        )
    )  # fmt: skip
    assert " NOT PROVEN " in text
    assert "none since the machine started" in text
    assert "no time was ever proven here" in text
    assert "not synchronised" in text
    assert "→ Restore it." in text
    assert "error  " not in text


def test_clocks_that_differ_say_how_far_and_what_they_say() -> None:
    text = shown(
        document(
            wall="2026-11-20T15:30:00.000Z", wall_difference_ms=3_600_000,
            rtc="2026-11-20T14:28:00.000Z",
        )
    )  # fmt: skip
    assert "1 h ahead  Fri 20 Nov 2026 16:30 CET" in text
    assert "2 min behind  Fri 20 Nov 2026 15:28 CET" in text


@pytest.mark.parametrize(("still", "words"), [(True, "still"), (False, "1 h ago")])
def test_a_jump_and_a_refusal(still: bool, words: str) -> None:
    text = shown(
        document(
            last_jump={"at": "2026-11-20T14:25:00.250Z", "by_ms": -86_400_000},
            last_refused={
                "source": "kernel", "source_text": "the machine's time service", "at":
                "2026-11-20T13:30:00.250Z", "difference_ms": -86_400_000, "reason": "beyond_drift",
                "reason_text": "it is farther than a crystal can drift", "still": still,
            },
        )
    )  # fmt: skip
    assert "the wall clock was set back by 1 d, 5 min ago" in text
    assert f"the machine's time service, 1 d behind, {words}" in text
    assert "farther than a crystal" in text


def test_many_locks_are_few_lines_and_the_worst_is_named() -> None:
    clocks = [lock(f"Door {n}", 95_000 - n * 1000) for n in range(40)] + [lock("Attic", None)]
    text = shown(document(lock_clocks=clocks))
    assert "1 min 35 s ahead ± 1 s" in text
    assert "35 more, at most 1 min 30 s off, 1 not read yet" in text
    assert "Attic" not in text
    assert len(text.splitlines()) <= 32
    assert "not read yet" in shown(document(lock_clocks=[lock("Attic", None)]))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_it_fits(width: int) -> None:
    long = "A sentence that is quite a bit longer than one line of a terminal, as they often are."
    shown(document(doors=[long], next=[long, long], headline=long, waits_for=long), width)
