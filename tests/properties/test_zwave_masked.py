"""New digits in a taken slot of a Z-Wave lock that hides digits: what is believed is on the lock.

For every order of looks that show the digits or stars, and every answer that a refusal or a write
may have or lack. What the lock holds is the measure, never what the gateway believes of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hypothesis import event, example, given
from hypothesis import strategies as st

from gateway.domain.actions import Confirmed
from gateway.domain.devices import LockSchedule, WeekDay, YearDay
from gateway.domain.instant import HOUR, MINUTE, Instant
from gateway.domain.secret import Secret
from gateway.drivers.api import SlotUse
from gateway.drivers.zwave_lock import session
from gateway.drivers.zwave_lock.dialogue import Dialect
from gateway.drivers.zwave_lock.schedules import Kind, to_raws
from gateway.errors import OutcomeUnknown, Unreachable
from gateway.radios.command_classes import CcReply, Supervision
from tests.unit.drivers.zwave_double import (
    DISABLED,
    ENABLED,
    SILENCE,
    CcLockDouble,
    User,
    converse,
)

if TYPE_CHECKING:
    from gateway.drivers.api import SlotReading, WriteResult
    from gateway.errors import GatewayError
    from gateway.radios.command_classes import CcCall

SLOT, OLD, NEW = 4, "111222", "583920"
ZONE = ZoneInfo("Europe/Berlin")
V2 = Dialect(ZONE, disables=True, year_day=2, daily=3)
V1 = replace(V2, disables=False)
NOON = Instant(1_795_000_000_000 // MINUTE * MINUTE)
WINDOW = YearDay(NOON, Instant(NOON + 2 * HOUR))
LATER = YearDay(Instant(NOON + HOUR), Instant(NOON + 3 * HOUR))
MORNINGS = WeekDay(frozenset({1, 3}), 8 * 60, 10 * 60)

LOST = "lost"
"""What came of the order, nobody hears."""
ACKNOWLEDGED = SILENCE
"""The frame was delivered, and no more is said: no supervision, or its report was lost."""


@dataclass(frozen=True)
class Answer:
    """Whether a write of digits is carried out, and what is heard of it."""

    taken: bool
    heard: CcReply | str


def answer(*, taken: bool, supervision: Supervision) -> Answer:
    return Answer(taken, CcReply(supervision))


UNSEEN = Answer(taken=False, heard=LOST)
UNTOLD = Answer(taken=False, heard=ACKNOWLEDGED)
REFUSALS = (
    UNSEEN,
    UNTOLD,
    *(
        answer(taken=False, supervision=said)
        for said in (Supervision.FAIL, Supervision.NO_SUPPORT, Supervision.WORKING)
    ),
)
TAKEN = (
    Answer(taken=True, heard=LOST),
    Answer(taken=True, heard=ACKNOWLEDGED),
    # The frame came twice, was carried out once, and refused once.
    *(
        answer(taken=True, supervision=said)
        for said in (Supervision.SUCCESS, Supervision.FAIL, Supervision.WORKING)
    ),
)


PRETENDED = answer(taken=False, supervision=Supervision.SUCCESS)


@dataclass
class Keypad:
    """A lock that hides digits in those looks that `stars` says, and answers writes as told."""

    answers: list[Answer]
    stars: list[bool]
    status: int = ENABLED
    held: tuple[LockSchedule, ...] = ()
    own_duplicates: bool = False
    says_why: bool = True

    def lock(self) -> CcLockDouble:
        made = CcLockDouble(
            {SLOT: User(OLD, self.status)},
            own_duplicates=self.own_duplicates,
            says_why=self.says_why,
        )
        for schedule in self.held:
            for number, raw in enumerate(to_raws(schedule, ZONE, _kind(schedule)), start=1):
                made.schedules[_kind(schedule), SLOT, number] = raw.values
        answers = chain(self.answers, repeat(self.answers[-1]))
        stars = chain(self.stars, repeat(self.stars[-1]))

        def override(call: CcCall) -> CcReply | GatewayError | None:
            if (call.command_class, call.method) == (0x63, "get"):
                made.masked = next(stars)
            if (call.command_class, call.method) != (0x63, "set"):
                return None
            now = next(answers)
            if now.taken:
                _, status, code = call.arguments
                assert isinstance(status, int)
                made.users[SLOT] = User(str(code), status if made.can_disable else ENABLED)
            return OutcomeUnknown("lost") if isinstance(now.heard, str) else now.heard

        made.override = override
        return made


def _kind(schedule: LockSchedule) -> Kind:
    return Kind.YEAR_DAY if isinstance(schedule, YearDay) else Kind.DAILY


def change(
    lock: CcLockDouble, dialect: Dialect, *schedules: LockSchedule
) -> WriteResult | GatewayError:
    dialogue = session.program(dialect, SLOT, Secret(NEW), schedules, overwrite=True)
    try:
        return converse(dialogue, lock)
    except (OutcomeUnknown, Unreachable) as error:
        return error


def is_true(reading: SlotReading, lock: CcLockDouble) -> bool:
    """Of what it tells, nothing is otherwise on the lock."""
    user = lock.users.get(SLOT)
    if user is None:
        return reading.use is SlotUse.AVAILABLE
    use = SlotUse.ENABLED if user.status == ENABLED else SlotUse.DISABLED
    return reading.use is use and reading.digits in {None, Secret(user.code)}


def keypads(answers: tuple[Answer, ...]) -> st.SearchStrategy[Keypad]:
    return st.builds(
        Keypad,
        st.lists(st.sampled_from(answers), min_size=1, max_size=4),
        st.lists(st.booleans(), min_size=1, max_size=4),
        st.sampled_from((ENABLED, DISABLED)),
        st.sampled_from(((), (WINDOW,), (LATER,), (MORNINGS,))),
        st.booleans(),
        st.booleans(),
    )


wishes = st.sampled_from(((), (WINDOW,), (MORNINGS,)))
dialects = st.sampled_from((V1, V2))


@given(keypads(REFUSALS), dialects, wishes)
@example(Keypad([UNSEEN], [True]), V2, ())
@example(Keypad([UNTOLD], [True]), V2, ())
@example(Keypad([UNTOLD], [False, True]), V2, ())
@example(Keypad([UNTOLD], [True]), V2, (WINDOW,))
def test_digits_that_the_lock_refused_are_never_confirmed(
    keypad: Keypad, dialect: Dialect, wanted: tuple[LockSchedule, ...]
) -> None:
    lock = keypad.lock()
    told = change(lock, dialect, *wanted)
    event(type(getattr(told, "outcome", told)).__name__)
    assert SLOT not in lock.users or lock.users[SLOT].code == OLD
    if isinstance(told, Exception):
        return
    assert not isinstance(told.outcome, Confirmed)
    assert told.reading is None or is_true(told.reading, lock)


@given(keypads(REFUSALS), dialects, wishes)
def test_stars_after_digits_are_no_news(
    keypad: Keypad, dialect: Dialect, wanted: tuple[LockSchedule, ...]
) -> None:
    """The digits of before were shown: a slot that hides them now is not told as changed."""
    keypad.stars = [False, *keypad.stars]
    lock = keypad.lock()
    told = change(lock, dialect, *wanted)
    if isinstance(told, Exception) or told.reading is None or SLOT not in lock.users:
        return
    assert told.reading.digits == Secret(OLD)


@given(keypads((PRETENDED, *REFUSALS, *TAKEN)), dialects, wishes)
@example(Keypad([PRETENDED], [True]), V2, ())
@example(Keypad([PRETENDED], [True], held=(WINDOW,)), V2, (WINDOW,))
def test_stars_after_other_digits_do_not_prove_that_a_yes_was_meant(
    keypad: Keypad, dialect: Dialect, wanted: tuple[LockSchedule, ...]
) -> None:
    """A lock that says it stored a code and did not reads the same."""
    keypad.stars = [False, *keypad.stars]
    lock = keypad.lock()
    told = change(lock, dialect, *wanted)
    if not isinstance(told, Exception) and isinstance(told.outcome, Confirmed):
        assert lock.users[SLOT] == User(NEW, ENABLED)


@given(keypads(REFUSALS + TAKEN), dialects, wishes)
def test_what_is_confirmed_is_on_the_lock(
    keypad: Keypad, dialect: Dialect, wanted: tuple[LockSchedule, ...]
) -> None:
    lock = keypad.lock()
    told = change(lock, dialect, *wanted)
    if isinstance(told, Exception):
        event(type(told).__name__)
        return
    event(type(told.outcome).__name__)
    assert told.reading is None or is_true(told.reading, lock)
    if isinstance(told.outcome, Confirmed):
        assert lock.users[SLOT] == User(NEW, ENABLED)
        held = {kind for kind, user, _ in lock.schedules if user == SLOT}
        assert held == {_kind(schedule) for schedule in wanted}
