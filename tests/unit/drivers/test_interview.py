"""Meeting a lock: limits asked, events switched on, reports wanted; what is missing is skipped."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import pytest

from gateway.drivers.zcl_lock.dialogue import Dialect
from gateway.drivers.zcl_lock.facts import ModelFacts
from gateway.drivers.zcl_lock.interview import interview
from gateway.drivers.zcl_lock.wire import Attr, Command
from gateway.errors import Unreachable
from gateway.radios.api import EndpointInfo
from tests.unit.drivers.lock_double import LockDouble, converse

if TYPE_CHECKING:
    from gateway.domain.capabilities import Capabilities

LOCK = 0x0101
ENDPOINT = EndpointInfo(2, 260, 10, frozenset({0x0001, 0x0009, 0x000A, LOCK}), frozenset())
BARE = EndpointInfo(2, 260, 10, frozenset({LOCK}), frozenset())


def meet(
    lock: LockDouble, endpoint: EndpointInfo = ENDPOINT, facts: ModelFacts | None = None
) -> Capabilities:
    dialect = Dialect(2, UTC)
    return converse(interview(dialect, endpoint, facts or ModelFacts(), sleepy=True), lock)


def test_limits_are_asked() -> None:
    lock = LockDouble(attributes={(LOCK, Attr.PIN_USERS): 31, (LOCK, Attr.YEAR_DAY_PER_USER): 2})
    told = meet(lock)
    assert told.codes is not None
    assert told.codes.slots == 30
    assert told.schedules.year_day == 2
    assert (told.sleepy, told.has_clock) == (True, True)


def test_events_are_switched_on_and_reports_asked_for() -> None:
    mask = (LOCK, Attr.KEYPAD_OPERATION_EVENTS)
    lock = LockDouble(attributes={mask: 0})
    meet(lock)
    assert lock.attributes[mask] == 0xFFFF
    assert [request.cluster_id for request in lock.bound] == [LOCK, LOCK, 0x0001, 0x0009]
    assert all(
        1 <= longest <= 0xFFFE and least < longest
        for request in lock.bound
        for least, longest, _ in request.attributes.values()
    )


def test_a_bare_lock_is_not_asked_for_what_it_lacks() -> None:
    lock = LockDouble()
    told = meet(lock, BARE)
    assert told.has_clock is None
    assert [request.cluster_id for request in lock.bound] == [LOCK, LOCK]


@pytest.mark.parametrize("settable", [True, False])
def test_pins_over_the_air_are_wanted_where_a_quirk_says_so(settable: bool) -> None:
    key = (LOCK, Attr.SEND_PIN_OVER_THE_AIR)
    lock = LockDouble(
        attributes={key: False, (LOCK, Attr.PIN_USERS): 9},
        read_only=frozenset() if settable else frozenset({key}),
    )
    told = meet(lock, facts=ModelFacts(names=("x",), sends_pin_over_the_air=True))
    assert told.codes is not None
    assert told.codes.reads_back_digits is settable
    assert lock.attributes[key] is settable


def test_a_lock_that_tells_nothing_of_its_slots() -> None:
    blind = frozenset({Command.GET_PIN_CODE, Command.GET_USER_STATUS})
    lock = LockDouble(attributes={(LOCK, Attr.PIN_USERS): 9}, refuses=blind)
    told = meet(lock)
    assert told.codes is not None
    assert told.codes.reads_back_occupancy is False


def test_a_link_that_breaks_ends_it() -> None:
    lock = LockDouble(override=lambda _: Unreachable("could not send"))
    with pytest.raises(Unreachable):
        meet(lock)
