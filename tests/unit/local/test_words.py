"""Every reason the program can give has words, and unknown ones are not hidden."""

from __future__ import annotations

import pytest

from gateway.domain.devices import PURGED_AT_LOCK, Evidence
from gateway.errors import Refusal
from gateway.local.words import EVIDENCE, evidence_text, explain_reason


@pytest.mark.parametrize("refusal", list(Refusal))
def test_every_refusal_has_words_of_its_own(refusal: Refusal) -> None:
    words = explain_reason(refusal.value)
    assert words.text != refusal.value.replace("_", " ")
    assert not words.text.endswith(".")


@pytest.mark.parametrize(
    "reason",
    [
        PURGED_AT_LOCK, "no_codes", "digits_destroyed", "waiting_for_erase", "clock_untrusted",
        "expired", "use_limit_reached", "held_until_check_in", "answer_missing", "window_changed",
        "looking_for_a_free_slot", "no_free_slot", "write_budget_spent", "tombstone", "revoked",
        "device_dropped", "device_removed",
    ],
)  # fmt: skip
def test_plannings_reasons_have_words(reason: str) -> None:
    assert explain_reason(reason).text != reason.replace("_", " ")


def test_conflicts_name_whose_code_it_is() -> None:
    assert "cred_7" in explain_reason("conflicts_with:cred_7").text
    by_hand = explain_reason("conflicts_with:unmanaged:slot_12")
    assert "slot 12" in by_hand.text
    assert "never touches" in by_hand.next
    assert "by hand at the lock" in explain_reason("conflicts_with:unmanaged").text


def test_what_nobody_wrote_words_for_is_shown() -> None:
    assert explain_reason("some_new_thing").text == "some new thing"


def test_evidence_is_told_strongest_first() -> None:
    assert set(EVIDENCE) == set(Evidence)
    text = evidence_text(frozenset({Evidence.ACKNOWLEDGED, Evidence.USED_AT_KEYPAD}))
    assert text == "used at the keypad, acknowledged by the lock"
