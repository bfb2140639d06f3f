"""The reference cloud's own bookkeeping: events once each, holes named, its command's arguments."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from firmware_sims.cloud.__main__ import _read_schedule as read_schedule
from firmware_sims.cloud.__main__ import main
from firmware_sims.cloud.ledger import GAP_EVENT, Event, Ledger

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def event(seq: int) -> Event:
    return {"seq": seq, "type": "lock.unlocked"}


@given(st.lists(st.integers(1, 12)))
def test_whatever_order_they_come_in(numbers: list[int]) -> None:
    ledger = Ledger()
    for number in numbers:
        ledger.add([event(number)])
    here = set(numbers)
    assert set(ledger.events) == here
    assert ledger.duplicates == len(numbers) - len(here)
    assert ledger.watermark == next(n for n in range(14) if n + 1 not in here)
    holes = {n for low, high in ledger.missing() for n in range(low, high + 1)}
    assert holes == set(range(1, max(here, default=0) + 1)) - here


def test_only_what_is_new_is_returned_and_in_order() -> None:
    ledger = Ledger()
    ledger.add([event(2)])
    assert [e["seq"] for e in ledger.add([event(3), event(1), event(2)])] == [1, 3]


def test_a_declared_gap_is_no_hole() -> None:
    ledger = Ledger()
    ledger.add([event(1), {"seq": 2, "type": GAP_EVENT, "body": {"from": 2, "through": 5}}])
    assert ledger.watermark == 5
    assert ledger.missing(head=7) == [(6, 7)]


def test_relative_instants(tmp_path: Path) -> None:
    file = tmp_path / "schedule.json"
    window = {"kind": "timed", "opens_at": "-1h", "closes_at": "2030-01-01T00:00:00Z"}
    file.write_text(json.dumps({"credentials": [{"window": window}]}), encoding="utf-8")
    (credential,) = read_schedule(file)["credentials"]
    ago = (
        file.stat().st_mtime - datetime.fromisoformat(credential["window"]["opens_at"]).timestamp()
    )
    assert 3590 <= ago <= 3610
    assert credential["window"]["closes_at"] == "2030-01-01T00:00:00Z"


def test_a_gateway_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch"]) == 2
    assert "--gateway" in capsys.readouterr().err


def test_no_broker_is_an_error_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--gateway", "x", "--port", "1", "unlock", "d"]) == 1
    assert capsys.readouterr().err
