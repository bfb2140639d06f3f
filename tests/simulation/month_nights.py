"""Two nights of a month, looked at more closely: one without a clock, one with an hour more.

Both are told what to look at by the plan alone, and ask the locks. Not here: the month (`month`),
and what is right at every door all the time (`judge`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.month_plan import (
    BLIND,
    CLOCKLESS_CUT,
    FLATS,
    MAIN,
    MINUTE,
    SOON_MS,
    SUMMER_TIME_ENDS,
    T_MS,
    at_home,
    clock,
    local,
)

if TYPE_CHECKING:
    from tests.simulation.month import Month
    from tests.simulation.month_plan import Person

LEAD_MS = 300_000
LOOK_MS = 20_000


class BlindEvening:
    """A power cut over the afternoon, then hours in which nobody can tell the time.

    The gateway knows only that it is later than when the power went: codes that are due by that are
    erased, codes of people in the house stay, and no code begins.
    """

    def __init__(self, month: Month) -> None:
        self._month = month
        self._inside: list[tuple[Person, int]] = []
        self._shut_out: dict[str, None] = {}
        begin, end = BLIND
        day = at_home(begin).date()
        arrivals = local(day, 15)
        self._arriving = [p for p in month.plan.stays if p.begins == arrivals]
        month.at(begin - MINUTE, self._who_is_in)
        month.at(arrivals + 10 * MINUTE, self._main_door)
        for at in range(CLOCKLESS_CUT.end, end, 5 * MINUTE):
            month.at(at, self._still_in)
        month.at(local(day, 18), self._erased)
        month.at(end - MINUTE, self._before_the_time_is_known)
        month.at(end + 5 * MINUTE, self._afterwards)

    def _opens(self, person: Person, door: int) -> bool:
        return self._month.doors[door].opens(person.digits)

    def _check(self, what: str, held: bool) -> None:
        self._month.line.check("lock", what, held)

    def _who_is_in(self) -> None:
        """Whose codes open now and are valid until the time is known again, and longer."""
        for person in self._month.plan.people:
            span = person.calendar.latest(self._month.true())
            if span is not None and span.closes >= BLIND[1] + SOON_MS:
                self._inside += [(person, d) for d in person.doors if self._opens(person, d)]

    def _main_door(self) -> None:
        there = [self._opens(person, MAIN) for person in self._arriving]
        self._check("the main door lets today's arrivals in by itself", bool(there) and all(there))

    def _still_in(self) -> None:
        for person, door in self._inside:
            if not self._opens(person, door):
                self._shut_out[person.name] = None

    def _erased(self) -> None:
        gone = not any(self._opens(self._month.plan.cleaner, flat) for flat in FLATS)
        self._check("a code due at 14:30 is gone: however long the cut was, it is later now", gone)

    def _flats_open(self) -> list[bool]:
        return [self._opens(p, door) for p in self._arriving for door in p.doors if door in FLATS]

    def _before_the_time_is_known(self) -> None:
        self._check("no code began by a time that nobody proved", not any(self._flats_open()))
        what = f"the {len(self._inside)} codes of people in the house opened all the time"
        self._check(what, bool(self._inside) and not self._shut_out)

    def _afterwards(self) -> None:
        self._month.check_trusted()
        open_now = self._flats_open()
        what = f"the flats of {len(open_now)} arrivals open, {clock(self._month.true())}"
        self._check(what, bool(open_now) and all(open_now))


class LongNight:
    """The night in which summer time ends, by a clock that no time service keeps."""

    def __init__(self, month: Month) -> None:
        self._month = month
        self._first: dict[tuple[str, int], int] = {}
        begin, end = local(SUMMER_TIME_ENDS, 1), local(SUMMER_TIME_ENDS, 5)
        for at in range(begin, end, LOOK_MS):
            month.at(at, self._look)
        month.at(end, self._over)

    def _look(self) -> None:
        self._month.look()
        for person in self._month.plan.night:
            for door in person.doors:
                if self._month.doors[door].opens(person.digits):
                    self._first.setdefault((person.name, door), self._month.true())

    def _over(self) -> None:
        month = self._month
        late = [
            self._first.get((person.name, door), month.true()) - person.begins
            for person in month.plan.night
            for door in person.doors
        ]
        right = all(-LEAD_MS - MINUTE <= each <= T_MS for each in late)
        least, most = (f"{each / MINUTE:+.1f}" for each in (min(late), max(late)))
        month.line.note("02:00 to 03:00 comes twice")
        what = f"{len(late)} codes of that hour open in their own pass of it"
        month.line.check("lock", what, right, f"{least} to {most} minutes from their beginning")
