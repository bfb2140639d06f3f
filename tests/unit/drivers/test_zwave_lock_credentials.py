"""PINs by User Credential: the lock's own word also for nothing, duplicates by name, half writes.

The far end answers as Z-Wave JS 15 does (AccessControl.js): no answer is no user and no credential;
of what is not there it tells a user who is not active and a credential of nobody, and keeps who
modified it of every report (UserCredentialCC.js, `persistValues`). `tests/contracts` has the real
one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.domain.actions import Confirmed, Refused, Unconfirmed
from gateway.domain.capabilities import CodeLimits
from gateway.domain.secret import Secret
from gateway.drivers.api import SlotUse, WriteResult
from gateway.drivers.zwave_lock import session
from gateway.drivers.zwave_lock.dialogue import Dialect, Dialogue, Store
from gateway.drivers.zwave_lock.facts import ModelFacts
from gateway.drivers.zwave_lock.interview import Node, acquaint, interview
from gateway.errors import OutcomeUnknown, Refusal, Unreachable
from gateway.radios.command_classes import CcCall, CcReply, Supervision
from tests.unit.drivers.zwave_double import SILENCE, CcLockDouble, converse

DIALECT = Dialect(ZoneInfo("Europe/Berlin"), store=Store.CREDENTIALS)
DIGITS = Secret("583920")
OK, OCCUPIED, EMPTY, DUPLICATE, RULES, UNKNOWN = 0, 1, 2, 3, 4, 255
NOBODY, BY_ZWAVE = 0, 2
NO_WORD = CcReply(Supervision.NONE, {})


@dataclass
class CredentialLock(CcLockDouble):
    """`people`: user id -> active; `pins`: slot -> owner and digits, None where not told."""

    people: dict[int, bool] = field(default_factory=dict)
    pins: dict[int, tuple[int, str]] = field(default_factory=dict)
    keeps_back: bool = False

    def _get_user(self, of: dict[str, Any]) -> CcReply:
        number = of["userId"]
        self._keep(0x83, "userType", number, 0)
        self._keep(0x83, "userModifierType", number, BY_ZWAVE if number in self.people else NOBODY)
        return _told("user", {"userId": number, "active": self.people.get(number, False)})

    def _get_credential(self, of: dict[str, Any]) -> CcReply:
        slot, kind = of["credentialSlot"], of["credentialType"]
        owner, digits = self.pins.get(slot, (0, ""))
        key = kind << 16 | slot
        self._keep(0x83, "credentialOwner", key, owner)
        modifier = BY_ZWAVE if slot in self.pins else NOBODY
        self._keep(0x83, "credentialModifierType", key, modifier)
        told: dict[str, Any] = {"userId": owner, "type": kind, "slot": slot}
        if not self.keeps_back:
            told["data"] = digits
        return _told("credential", told)

    def _add_user(self, of: dict[str, Any]) -> CcReply:
        if of["userId"] in self.people:
            return _told("result", {"user": OCCUPIED})
        self.people[of["userId"]] = of["options"]["active"]
        return _told("result", {"user": OK})

    def _set_user(self, of: dict[str, Any]) -> CcReply:
        """Z-Wave JS takes everybody whom it has a type of for somebody there."""
        if of["userId"] not in self.people:
            return _told("result", EMPTY if (0x83, "userType", of["userId"]) in self.kept else OK)
        self.people[of["userId"]] = of["options"]["active"]
        return _told("result", OK)

    def _set_credential(self, of: dict[str, Any]) -> CcReply:
        if any(digits == of["data"] for digits in [d for _, d in self.pins.values()]):
            return _told("result", DUPLICATE)
        self.pins[of["credentialSlot"]] = (of["userId"], of["data"])
        return _told("result", OK)

    def _delete_credential(self, of: dict[str, Any]) -> CcReply:
        there = self.pins.get(of["credentialSlot"], (None, ""))[0] == of["userId"]
        if there:
            del self.pins[of["credentialSlot"]]
        return _told("result", OK if there else EMPTY)

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
    """A user deleted at the door: Z-Wave JS keeps one who is not active."""
    lock = CredentialLock()
    program(lock)
    lock.people.clear()
    lock.pins.clear()
    assert converse(session.read_slot(DIALECT, 4), lock).use is SlotUse.AVAILABLE


@pytest.mark.parametrize("question", ["get_user", "get_credential"])
@pytest.mark.parametrize("word", [NO_WORD, SILENCE])
def test_silence_is_not_empty(question: str, word: CcReply) -> None:
    lock = CredentialLock(override=at(question, word))
    with pytest.raises(Unreachable):
        converse(session.read_slot(DIALECT, 4), lock)


def test_a_late_report_about_another_is_no_answer() -> None:
    """Z-Wave JS takes it for one; then the right one comes, or none."""
    lock = CredentialLock(people={4: True}, pins={4: (4, "583920")})
    late = [{"userId": 9, "active": True}]
    lock.override = lambda call: (
        _told("user", late.pop()) if late and call.method.endswith("get_user") else None
    )
    assert converse(session.read_slot(DIALECT, 4), lock).digits == DIGITS
    assert late == []
    lock.override = at("get_credential", _told("credential", {"userId": 9, "type": 1, "slot": 9}))
    with pytest.raises(Unreachable):
        converse(session.read_slot(DIALECT, 4), lock)


def test_a_pin_of_another_user_in_the_slot_is_somebodys() -> None:
    lock = CredentialLock(pins={4: (9, "111222")}, people={9: False})
    assert program(lock).outcome == Refused(Refusal.INVALID)
    assert lock.pins == {4: (9, "111222")}


def test_a_slot_with_anothers_pin_can_be_emptied() -> None:
    lock = CredentialLock(pins={4: (9, "111222"), 9: (9, "333444")}, people={9: True})
    assert isinstance(converse(session.erase(DIALECT, 4), lock).outcome, Confirmed)
    assert (lock.people, lock.pins) == ({9: True}, {9: (9, "333444")})


def test_a_pin_that_was_put_there_meanwhile_is_not_taken_away() -> None:
    lock = CredentialLock()

    def meanwhile(call: CcCall) -> CcReply | None:
        if not call.method.endswith("set_credential"):
            return None
        lock.people[9] = True
        lock.pins[4] = (9, "111222")
        lock.kept[0x83, "credentialOwner", 1 << 16 | 4] = 9
        return _told("result", OCCUPIED)

    lock.override = meanwhile
    assert not isinstance(program(lock).outcome, Confirmed)
    assert (lock.people, lock.pins) == ({9: True}, {4: (9, "111222")})


def test_whose_pin_it_was_does_not_hinder_who_comes_next() -> None:
    """The slot has a PIN and no user: Z-Wave JS thinks that there is one, and changes him."""
    lock = CredentialLock(pins={4: (9, "111222")}, people={9: True})
    lock.override = lambda call: (
        _told("result", OCCUPIED) if call.method.endswith("set_credential") else None
    )
    assert program(lock, overwrite=True).outcome != Refused(Refusal.FAILED)
    assert 4 in lock.people


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
    result = program(lock)
    assert isinstance(result.outcome, Unconfirmed)
    assert result.reading is not None
    assert result.reading.use is SlotUse.AVAILABLE
    assert lock.people == {}


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


# ── the interview ───────────────────────────────────────────────────────────────────────────

BOTH = {0x62: 4, 0x63: 2, 0x83: 1}


@dataclass
class Limits(CredentialLock):
    """`seats`: how many users; `pins_told`, `hashed`: what it says of PINs."""

    seats: int = 50
    pins_told: bool = True
    hashed: int = 0

    def _getUserCapabilities(self) -> CcReply:  # noqa: N802  # as Z-Wave JS names it
        return CcReply(Supervision.NONE, {"numberOfSupportedUsers": self.seats})

    def _getCredentialCapabilities(self) -> CcReply:  # noqa: N802
        if self.pins_told:
            of: dict[str, object] = {
                "numberOfCredentialSlots": 40,
                "minCredentialLength": 4,
                "maxCredentialLength": 9,
                "maxCredentialHashLength": self.hashed,
            }
            self._keep(0x83, "credentialCapabilities", 1, of)
        return CcReply(Supervision.NONE, {"credentialTypes": {}})


def met(lock: Limits, versions: dict[int, int]) -> tuple[Dialect, CodeLimits | None]:
    node = Node(versions, sleepy=False)

    def dialogue() -> Dialogue[tuple[Dialect, CodeLimits | None]]:
        plain = Dialect(ZoneInfo("Europe/Berlin"), store=node.store)
        known = yield from acquaint(plain, node, ModelFacts())
        return known, (yield from interview(known, node, ModelFacts())).codes

    return converse(dialogue(), lock)


@pytest.mark.parametrize(("hashed", "shown"), [(0, True), (8, False)])
def test_its_limits_are_its_own_word(hashed: int, *, shown: bool) -> None:
    """Of users and PINs the fewer count: a slot is one of each."""
    dialect, codes = met(Limits(hashed=hashed), {0x62: 4, 0x83: 1})
    assert dialect.store is Store.CREDENTIALS
    assert codes == CodeLimits(slots=40, min_length=4, max_length=9, reads_back_digits=shown)


def test_a_lock_without_pins_keeps_no_codes() -> None:
    assert met(Limits(pins_told=False), {0x62: 4, 0x83: 1})[1] is None


def test_a_lock_that_does_not_tell_its_limits_is_asked_again_another_time() -> None:
    lock = Limits(override=at("getUserCapabilities", SILENCE))
    with pytest.raises(Unreachable):
        met(lock, {0x62: 4, 0x83: 1})


def test_a_lock_with_both_says_which_of_them_it_speaks() -> None:
    dialect, codes = met(Limits(), BOTH)
    assert dialect.store is Store.CREDENTIALS
    assert codes is not None
    assert codes.slots == 40
    dialect, codes = met(Limits(seats=0), BOTH)
    assert dialect.store is Store.USER_CODE
    assert codes is not None
    assert codes.slots == 30  # as User Code tells
