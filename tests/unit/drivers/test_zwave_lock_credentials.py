"""PINs by User Credential: the lock's own word also for nothing, duplicates by name, half writes.

The far end answers as Z-Wave JS 15 does: the command class API with an object of no content, the
server's commands with results (AccessControl.js), the cache renewed by reports of something only
(UserCredentialCC.js, `persistValues`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.domain.actions import Confirmed, Refused, Unconfirmed
from gateway.domain.secret import Secret
from gateway.drivers.api import SlotUse, WriteResult
from gateway.drivers.zwave_lock import session
from gateway.drivers.zwave_lock.dialogue import Dialect, Store
from gateway.errors import OutcomeUnknown, Refusal, Unreachable
from gateway.radios.command_classes import CcCall, CcReply, Supervision
from tests.unit.drivers.zwave_double import SILENCE, CcLockDouble, converse

DIALECT = Dialect(ZoneInfo("Europe/Berlin"), store=Store.CREDENTIALS)
DIGITS = Secret("583920")
OK, OCCUPIED, EMPTY, DUPLICATE, RULES, UNKNOWN = 0, 1, 2, 3, 4, 255
ANSWERED = {"nodeId": 17, "ccId": "User Credential", "ccCommand": "0x07"}


@dataclass
class CredentialLock(CcLockDouble):
    """`people`: user id -> active; `pins`: slot -> owner and digits, None where not told."""

    people: dict[int, bool] = field(default_factory=dict)
    pins: dict[int, tuple[int, str]] = field(default_factory=dict)
    keeps_back: bool = False

    def _getUser(self, number: int) -> CcReply:  # noqa: N802  # as Z-Wave JS names it
        if number in self.people:
            self._keep(0x83, "userType", number, 0)
            self.kept[0x83, "user", number] = {"userId": number, "active": self.people[number]}
        return CcReply(Supervision.NONE, ANSWERED)

    def _getCredential(self, _user: int, kind: int, slot: int) -> CcReply:  # noqa: N802
        if slot in self.pins:
            owner, digits = self.pins[slot]
            self._keep(0x83, "credentialOwner", kind << 16 | slot, owner)
            told: dict[str, Any] = {"userId": owner, "type": kind, "slot": slot}
            if not self.keeps_back:
                told["data"] = digits
            self.kept[0x83, "credential", slot] = told
        return CcReply(Supervision.NONE, ANSWERED)

    def _get_user_cached(self, of: dict[str, Any]) -> CcReply:
        return _told("user", self.kept.get((0x83, "user", of["userId"])))

    def _get_credential_cached(self, of: dict[str, Any]) -> CcReply:
        return _told("credential", self.kept.get((0x83, "credential", of["credentialSlot"])))

    def _add_user(self, of: dict[str, Any]) -> CcReply:
        if of["userId"] in self.people:
            return _told("result", {"user": OCCUPIED})
        self.people[of["userId"]] = of["options"]["active"]
        return _told("result", {"user": OK})

    def _set_user(self, of: dict[str, Any]) -> CcReply:
        self.people[of["userId"]] = of["options"]["active"]
        return _told("result", OK)

    def _set_credential(self, of: dict[str, Any]) -> CcReply:
        if any(digits == of["data"] for digits in [d for _, d in self.pins.values()]):
            return _told("result", DUPLICATE)
        self.pins[of["credentialSlot"]] = (of["userId"], of["data"])
        return _told("result", OK)

    def _delete_user(self, of: dict[str, Any]) -> CcReply:
        self.pins = {s: pin for s, pin in self.pins.items() if pin[0] != of["userId"]}
        return _told("result", OK if self.people.pop(of["userId"], None) is not None else EMPTY)


def _told(name: str, value: object) -> CcReply:
    return CcReply(Supervision.NONE, {} if value is None else {name: value})


def program(lock: CredentialLock, *, overwrite: bool = False) -> WriteResult:
    return converse(session.program(DIALECT, 4, DIGITS, (), overwrite=overwrite), lock)


def at(name: str, what: CcReply | Exception) -> Any:
    return lambda call: what if call.method.endswith(name) else None


def test_a_user_and_a_pin_of_one_number() -> None:
    lock = CredentialLock()
    result = program(lock)
    assert isinstance(result.outcome, Confirmed)
    assert (lock.people, lock.pins) == ({4: True}, {4: (4, "583920")})
    assert result.reading is not None
    assert (result.reading.use, result.reading.digits) == (SlotUse.ENABLED, DIGITS)


def test_a_lock_that_keeps_its_pins_back() -> None:
    lock = CredentialLock(keeps_back=True)
    result = program(lock)
    assert isinstance(result.outcome, Confirmed)
    assert result.reading is not None
    assert result.reading.digits is None


def test_what_was_there_and_is_gone_reads_empty_whatever_the_cache_says() -> None:
    """A user deleted at the door: Z-Wave JS keeps it, as a report of nothing removes nothing."""
    lock = CredentialLock()
    program(lock)
    lock.people.clear()
    lock.pins.clear()
    assert lock.kept[0x83, "user", 4] is not None
    assert converse(session.read_slot(DIALECT, 4), lock).use is SlotUse.AVAILABLE


@pytest.mark.parametrize("question", ["getUser", "getCredential"])
def test_silence_is_not_empty(question: str) -> None:
    lock = CredentialLock(override=at(question, SILENCE))
    with pytest.raises(Unreachable):
        converse(session.read_slot(DIALECT, 4), lock)


def test_a_pin_of_another_user_in_the_slot_is_somebodys() -> None:
    lock = CredentialLock(pins={4: (9, "111222")}, people={9: False})
    assert program(lock).outcome == Refused(Refusal.INVALID)
    assert lock.pins == {4: (9, "111222")}


@pytest.mark.parametrize("active", [True, False])
def test_a_user_without_a_pin_is_somebody_whom_no_code_lets_in(*, active: bool) -> None:
    lock = CredentialLock(people={4: active})
    result = program(lock)
    assert result.outcome == Refused(Refusal.INVALID)
    assert result.reading is not None
    assert result.reading.use is SlotUse.DISABLED


def test_a_duplicate_has_a_name_and_leaves_no_user_behind() -> None:
    lock = CredentialLock(pins={9: (9, "583920")}, people={9: True})
    assert program(lock).outcome == Refused(Refusal.DUPLICATE)
    assert (lock.people, lock.pins) == ({9: True}, {9: (9, "583920")})


@pytest.mark.parametrize(
    ("result", "refusal"),
    [
        (DUPLICATE, Refusal.DUPLICATE),
        (5, Refusal.DUPLICATE),
        (RULES, Refusal.WEAK),
        (6, Refusal.INVALID),
    ],
)
def test_refusals_over_a_pin_that_stays(result: int, refusal: Refusal) -> None:
    lock = CredentialLock(people={4: True}, pins={4: (4, "111222")})
    lock.override = at("set_credential", CcReply(Supervision.NONE, {"result": result}))
    assert program(lock, overwrite=True).outcome == Refused(refusal)
    assert lock.pins == {4: (4, "111222")}


def test_no_word_after_a_write_that_left_nothing_is_doubt() -> None:
    lock = CredentialLock()
    lock.override = at("set_credential", CcReply(Supervision.NONE, {"result": UNKNOWN}))
    assert isinstance(program(lock).outcome, Unconfirmed)


def test_a_way_that_breaks_between_user_and_pin_is_an_unknown_outcome() -> None:
    lock = CredentialLock(override=at("set_credential", Unreachable("gone")))
    with pytest.raises(OutcomeUnknown):
        program(lock)


def test_erasing_takes_user_and_pin() -> None:
    lock = CredentialLock(people={4: True, 9: True}, pins={4: (4, "583920"), 9: (9, "111222")})
    result = converse(session.erase(DIALECT, 4), lock)
    assert isinstance(result.outcome, Confirmed)
    assert (lock.people, lock.pins) == ({9: True}, {9: (9, "111222")})


def test_no_question_is_taken_for_an_order() -> None:
    calls: list[CcCall] = []
    lock = CredentialLock(override=lambda call: calls.append(call))
    converse(session.read_slot(DIALECT, 4), lock)
    assert calls
    assert all(call.asks_only for call in calls)
    assert all("583920" not in repr(call) for call in calls)
