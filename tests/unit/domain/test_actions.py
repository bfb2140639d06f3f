"""Outcomes need evidence, and erasing comes first."""

from __future__ import annotations

import pytest

from gateway.domain.actions import (
    Action,
    CheckClock,
    Confirmed,
    Erase,
    Priority,
    Program,
    ReadSlot,
    Reschedule,
)
from gateway.domain.devices import Evidence
from gateway.domain.ids import CredentialId

WHOSE = CredentialId("c1")


@pytest.mark.parametrize("evidence", [frozenset(), frozenset({Evidence.ASSUMED})])
def test_nothing_is_confirmed_by_assumption(evidence: frozenset[Evidence]) -> None:
    with pytest.raises(ValueError, match="without evidence"):
        Confirmed(evidence)


@pytest.mark.parametrize("kind", [kind for kind in Evidence if kind is not Evidence.ASSUMED])
def test_any_other_evidence_confirms(kind: Evidence) -> None:
    assert Confirmed(frozenset({kind, Evidence.ASSUMED})).evidence >= {kind}


def test_the_order_in_a_lane() -> None:
    actions: list[Action] = [
        CheckClock(),
        ReadSlot(1),
        Program(1, WHOSE, ()),
        Reschedule(2, WHOSE, ()),
        Erase(3, WHOSE),
    ]
    first, *_ = sorted(actions, key=lambda action: action.priority)
    assert isinstance(first, Erase)
    assert min(Priority) is Priority.ERASE
    assert Priority.MOMENTARY < Priority.PROGRAM < Priority.READ_BACK < Priority.HOUSEKEEPING
