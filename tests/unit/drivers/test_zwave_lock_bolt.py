"""The bolt: sent once, proven by its mode, a jam named, doubt kept."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from gateway.domain.actions import Confirmed, Outcome, Refused, Unconfirmed
from gateway.domain.devices import Evidence
from gateway.drivers.zwave_lock import bolt
from gateway.drivers.zwave_lock.dialogue import Dialect
from gateway.drivers.zwave_lock.wire import Mode
from gateway.errors import OutcomeUnknown, Refusal, Unreachable
from gateway.radios.command_classes import CcCall, CcReply, Supervision
from tests.unit.drivers.zwave_double import SILENCE, CcLockDouble, converse

DIALECT = Dialect(ZoneInfo("Europe/Berlin"))
FOUND = Confirmed(frozenset({Evidence.READ_BACK}))
PROVEN = Confirmed(frozenset({Evidence.READ_BACK, Evidence.ACKNOWLEDGED}))


def unlock(lock: CcLockDouble) -> Outcome:
    return converse(bolt.operate(DIALECT, Mode.UNSECURED), lock)


@pytest.mark.parametrize("travel", [0, 1, bolt.LOOKS - 1])
def test_the_mode_is_the_proof_when_the_bolt_has_arrived(travel: int) -> None:
    lock = CcLockDouble(travel=travel)
    assert unlock(lock) == PROVEN
    assert lock.said.count("set") == 1


def test_a_bolt_that_never_arrives_is_doubt() -> None:
    assert isinstance(unlock(CcLockDouble(travel=99)), Unconfirmed)


def test_without_supervision_the_mode_alone_is_the_proof() -> None:
    assert unlock(CcLockDouble(supervised=False)) == FOUND


def test_a_no_to_a_bolt_that_stands_as_wanted_all_the_same() -> None:
    lock = CcLockDouble(mode=0)
    lock.override = lambda call: CcReply(Supervision.FAIL) if call.method == "set" else None
    assert unlock(lock) == FOUND


def test_a_jam_has_a_name() -> None:
    assert unlock(CcLockDouble(stuck=True)) == Refused(Refusal.JAMMED)


def test_a_no_without_a_reason() -> None:
    lock = CcLockDouble()
    lock.override = lambda call: CcReply(Supervision.FAIL) if call.method == "set" else None
    assert unlock(lock) == Refused(Refusal.FAILED)
    assert lock.said.count("get") == 1


@pytest.mark.parametrize("supervised", [True, False])
def test_a_mode_that_cannot_be_read_is_doubt(*, supervised: bool) -> None:
    lock = CcLockDouble(supervised=supervised)
    lock.override = lambda call: SILENCE if call.method == "get" else None
    assert isinstance(unlock(lock), Unconfirmed)


def test_a_lost_answer_is_made_good_by_the_mode() -> None:
    lock = CcLockDouble()
    lock.after_error = lambda call: OutcomeUnknown("lost") if call.method == "set" else None
    assert unlock(lock) == FOUND
    assert lock.said.count("set") == 1


def test_a_lost_order_stays_unknown() -> None:
    lock = CcLockDouble()
    lock.override = lambda call: OutcomeUnknown("lost") if call.method == "set" else None
    with pytest.raises(OutcomeUnknown):
        unlock(lock)


def test_an_order_that_could_not_be_delivered_changed_nothing() -> None:
    lock = CcLockDouble(override=lambda call: Unreachable("gone"))
    with pytest.raises(Unreachable):
        unlock(lock)
    assert lock.said == ["set"]


def test_the_order_would_do_harm_twice() -> None:
    calls: list[CcCall] = []
    lock = CcLockDouble(override=lambda call: calls.append(call))
    unlock(lock)
    assert [call.acts_twice for call in calls if call.method == "set"] == [True]
    assert all(call.asks_only for call in calls if call.method == "get")
