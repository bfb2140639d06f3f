"""Who waits for an errand: told of its own only, and what it was trusted with is used once."""

from __future__ import annotations

from gateway.domain.secret import Secret
from gateway.drivers.access import EnrolStage
from gateway.scheduler.waiting import Entrusted, Onlookers


def test_onlookers_hear_of_their_own_enrolment_until_they_leave() -> None:
    onlookers = Onlookers()
    heard: list[EnrolStage] = []
    leave = [onlookers.watch("c1", heard.append) for _ in range(2)]
    onlookers.tell("c1", EnrolStage.WAITING)
    leave[0]()
    onlookers.tell("c2", EnrolStage.DONE)
    leave[1]()
    onlookers.tell("c1", EnrolStage.DONE)
    assert heard == [EnrolStage.WAITING, EnrolStage.WAITING]


def test_a_number_is_there_once_and_while_somebody_waits() -> None:
    entrusted = Entrusted()
    forget = entrusted.give("c1", Secret("3141592653"))
    entrusted.give("c2", Secret("42"))
    assert entrusted.take("c2") == Secret("42")
    assert entrusted.take("c2") is None
    forget()
    assert entrusted.take("c1") is None
    forget()
