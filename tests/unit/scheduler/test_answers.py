"""What a command answers with: the outcome in the journal's words."""

from __future__ import annotations

from gateway.domain.actions import Confirmed, Refused, Unconfirmed
from gateway.domain.devices import Evidence
from gateway.errors import Refusal
from gateway.scheduler.answers import refused, result_of


def test_each_outcome_has_its_words() -> None:
    proof = frozenset({Evidence.READ_BACK, Evidence.ACKNOWLEDGED})
    assert result_of(Confirmed(proof)) == {
        "outcome": "confirmed",
        "evidence": ["acknowledged", "read_back"],
    }
    assert result_of(Refused(Refusal.FULL)) == {"outcome": "refused", "reason": "full"}
    assert result_of(Unconfirmed("why")) == {"outcome": "unconfirmed", "detail": "why"}
    assert refused("x", "why") == {"outcome": "refused", "reason": "x", "detail": "why"}
