"""The witness of power cuts: what it must find, and what it must let pass."""

from __future__ import annotations

from typing import Any

import pytest

from tests.powercut.uml.witness import Finding, Kind, Witness

EPOCH = "68868a793e520495"


def hello(revision: int = 5, change: int = 9, head: int = 3, epoch: str = EPOCH) -> dict[str, Any]:
    return {
        "epoch": epoch, "revision": revision, "change": change,
        "events": {"head": head, "through": 0},
    }  # fmt: skip


def events(*numbers: int, kind: str = "lock.unlocked") -> dict[str, Any]:
    return {"epoch": EPOCH, "events": [{"seq": number, "type": kind} for number in numbers]}


def answer(outcome: str) -> dict[str, Any]:
    return {"epoch": EPOCH, "command_id": "order_1", "result": {"outcome": outcome}}


@pytest.fixture(name="witness")
def _witness() -> Witness:
    """One life has been heard, and the power has gone."""
    witness = Witness()
    witness.hear("hello", hello())
    witness.hear("events", events(1, 2, 3))
    witness.hear("results", answer("confirmed"))
    witness.power_cut()
    return witness


def kinds(witness: Witness) -> list[Kind]:
    return [finding.kind for finding in witness.findings]


def test_the_same_said_again_is_no_finding(witness: Witness) -> None:
    witness.hear("hello", hello(revision=6, change=12, head=4))
    witness.hear("events", events(2, 3, 4))
    witness.hear("results", answer("confirmed"))
    witness.see(EPOCH, {"revision": 6, "change": 12, "head": 4})
    assert witness.findings == []
    assert witness.again == {2, 3}


@pytest.mark.parametrize("behind", [hello(revision=4), hello(change=8), hello(head=2)])
def test_what_was_said_and_is_gone_is_lost(witness: Witness, behind: dict[str, Any]) -> None:
    witness.hear("hello", behind)
    witness.hear("hello", behind)  # found once
    assert kinds(witness) == [Kind.LOST]


def test_a_disk_behind_what_was_said_is_lost(witness: Witness) -> None:
    witness.see(EPOCH, {"revision": 4, "change": 9, "head": 3})
    assert witness.findings == [Finding(Kind.LOST, "revision went back from 5 to 4")]


def test_an_event_that_was_heard_counts_as_said_before_any_hello_names_it(witness: Witness) -> None:
    witness.hear("events", events(4))
    witness.power_cut()
    witness.hear("hello", hello(head=3))
    assert kinds(witness) == [Kind.LOST]


def test_within_one_life_messages_may_overtake_each_other(witness: Witness) -> None:
    witness.hear("hello", hello(revision=8))
    witness.hear("hello", hello(revision=7))
    assert witness.findings == []


def test_a_number_used_again_for_another_event_is_lost(witness: Witness) -> None:
    witness.hear("events", events(3, kind="lock.jammed"))
    assert kinds(witness) == [Kind.LOST]


def test_when_an_event_was_may_be_told_later_and_is_then_not_forgotten(witness: Witness) -> None:
    later = events(3)
    for moment in ("2026-11-20T15:02:11.400Z", "2026-11-20T15:02:12.000Z"):
        later["events"][0]["corrected_at"] = moment
        witness.hear("events", later)
    assert witness.findings == []
    witness.hear("events", events(3))
    assert witness.findings == [Finding(Kind.LOST, "the correction of event 3")]


def test_another_answer_to_the_same_order_is_lost(witness: Witness) -> None:
    witness.hear("results", answer("unconfirmed"))
    assert kinds(witness) == [Kind.LOST]


def test_a_new_epoch_is_a_store_that_was_set_aside(witness: Witness) -> None:
    witness.hear("hello", hello(revision=0, change=0, head=0, epoch="another"))
    assert kinds(witness) == [Kind.CORRUPT]  # and nothing of the old one is asked for any more
