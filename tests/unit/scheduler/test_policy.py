"""Pauses and deadlines: an erase is never put off for long, a sleeper is given time."""

from __future__ import annotations

from gateway.domain.actions import CheckClock, Erase, Priority, Program, ReadSlot
from gateway.domain.ids import CredentialId
from gateway.scheduler.policy import PATIENT, URGENT, Pause, deadline_for, pause_for

OWNER = CredentialId("c1")


def test_a_pause_doubles_up_to_its_most() -> None:
    pause = Pause(5.0, 60.0)
    assert [pause.after(n) for n in (1, 2, 3, 4, 5, 10_000)] == [5, 10, 20, 40, 60, 60]


def test_an_erase_is_never_put_off_for_more_than_a_minute() -> None:
    reading = ReadSlot(1, OWNER, Priority.ERASE)
    for action in (Erase(1, OWNER), reading):
        assert pause_for(action, urgent=False).after(1000) <= 60


def test_urgency_decides_for_the_rest() -> None:
    program = Program(1, OWNER, ())
    assert pause_for(program, urgent=True) is URGENT
    assert pause_for(program, urgent=False) is PATIENT


def test_a_sleeping_lock_is_given_three_times_as_long() -> None:
    for action in (Program(1, OWNER, ()), Erase(1, OWNER), ReadSlot(1), CheckClock()):
        assert deadline_for(action, sleepy=True) == 3 * deadline_for(action, sleepy=False)
