"""Single exchanges with a lock: what each answer means, and which answers mean nothing."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from gateway.domain.devices import YearDay
from gateway.domain.instant import Instant
from gateway.domain.secret import Secret
from gateway.drivers.api import SlotUse
from gateway.drivers.zcl_lock.dialogue import Dialect, ask, digits_of, read_slot, tell
from gateway.drivers.zcl_lock.wire import Command
from gateway.errors import DeviceRefused, PeerProtocolError, Refusal, Unreachable
from gateway.radios.api import ClusterReply, ClusterRequest
from tests.unit.drivers.lock_double import (
    DISABLED,
    ENABLED,
    FAILURE,
    UNRESTRICTED,
    UNSUPPORTED,
    YEAR_DAY,
    LockDouble,
    User,
    converse,
    default,
)

BERLIN = Dialect(endpoint=1, zone=ZoneInfo("Europe/Berlin"), year_day=2)
GET = BERLIN.request(Command.GET_PIN_CODE, user_id=3)


def lock(user: User | None, **knobs: object) -> LockDouble:
    found = LockDouble(**knobs)  # type: ignore[arg-type]  # knobs of the double, by name
    if user is not None:
        found.users[3] = user
    return found


def saying(**fields: object) -> LockDouble:
    return LockDouble(override=lambda request: ClusterReply(request.command_id, fields))


def test_questions_change_nothing_and_orders_may() -> None:
    assert GET.asks_only
    assert not BERLIN.request(Command.SET_PIN_CODE).asks_only


def test_a_refusal_without_content_is_a_refusal() -> None:
    refusing = LockDouble(override=lambda request: default(request, UNSUPPORTED))
    with pytest.raises(DeviceRefused, match="0x81") as caught:
        converse(ask(GET), refusing)
    assert caught.value.refusal is Refusal.UNSUPPORTED


def test_success_without_content_is_no_answer_to_a_question() -> None:
    with pytest.raises(PeerProtocolError, match="without content"):
        converse(ask(GET), LockDouble(override=lambda request: default(request, 0)))


def test_an_order_is_answered_by_either_kind_of_response() -> None:
    order = BERLIN.request(Command.CLEAR_PIN_CODE, user_id=3)
    assert converse(tell(order), LockDouble()) == 0
    for value in (0, FAILURE):

        def answer(request: ClusterRequest, value: int = value) -> ClusterReply:
            return default(request, value)

        assert converse(tell(order), LockDouble(override=answer)) == value
    with pytest.raises(PeerProtocolError, match="no status"):
        converse(tell(order), saying())


def test_a_free_slot_an_open_one_and_a_disabled_one() -> None:
    assert converse(read_slot(BERLIN, 3), lock(None)).use is SlotUse.AVAILABLE
    found = converse(read_slot(BERLIN, 3), lock(User("483920", ENABLED, UNRESTRICTED)))
    assert (found.use, found.digits, found.restricted) == (
        SlotUse.ENABLED,
        Secret("483920"),
        False,
    )
    found = converse(read_slot(BERLIN, 3), lock(User("483920", DISABLED, UNRESTRICTED)))
    assert found.use is SlotUse.DISABLED


def test_masked_digits_are_none_and_the_slot_is_still_taken() -> None:
    found = converse(read_slot(BERLIN, 3), lock(User("483920", ENABLED, UNRESTRICTED), masked=True))
    assert (found.use, found.digits) == (SlotUse.ENABLED, None)


@pytest.mark.parametrize("code", [None, "", "******", b"1234", "\uff11\uff12\uff13\uff14", "12 34"])
def test_what_is_no_digits_is_none(code: object) -> None:
    assert digits_of(code) is None


def test_a_schedule_user_is_read_with_its_schedules() -> None:
    found = lock(User("483920", ENABLED, YEAR_DAY))
    found.year_day[3, 0] = (0, 3600)  # the lock's local seconds since 2000-01-01
    reading = converse(read_slot(BERLIN, 3), found)
    berlin_2000 = Instant(946_681_200_000)
    assert reading.restricted
    assert reading.schedules == (YearDay(berlin_2000, Instant(berlin_2000 + 3_600_000)),)


def test_without_get_pin_code_status_and_type_are_asked_apart() -> None:
    plain = lock(
        User("483920", ENABLED, UNRESTRICTED), refuses=frozenset({int(Command.GET_PIN_CODE)})
    )
    reading = converse(read_slot(BERLIN, 3), plain)
    assert (reading.use, reading.digits) == (SlotUse.ENABLED, None)
    assert plain.said == ["get_pin", "get_status", "get_type"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"user_id": 4, "user_status": 1, "user_type": 0, "code": "1"}, "about another"),
        ({"user_id": 3, "user_status": 77, "user_type": 0, "code": "1"}, "know its status"),
        ({"user_id": 3, "user_type": 0, "code": "1"}, "know its status"),
        ({"user_id": 3, "user_status": 1, "user_type": 77, "code": "1"}, "know its type"),
    ],
)
def test_an_answer_that_makes_no_sense_is_none(fields: dict[str, object], said: str) -> None:
    with pytest.raises(PeerProtocolError, match=said):
        converse(read_slot(BERLIN, 3), saying(**fields))


def test_a_failure_of_the_link_goes_through() -> None:
    gone = Unreachable("could not ask the lock: no answer")
    with pytest.raises(Unreachable):
        converse(read_slot(BERLIN, 3), LockDouble(override=lambda _: gone))
