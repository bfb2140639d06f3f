"""Who may enter a building in a month, and who comes when: a plan, made before anything happens.

Here: stays, cleaners, staff and night arrivals as the cloud orders them, and every visit to a
keypad with what it must come to, and when power, link and time are away. Not here: what then
happens (`month`). Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from gateway.domain.instant import Instant, from_datetime, to_datetime, to_rfc3339
from tests.simulation.windows import Calendar, instant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

Json = dict[str, Any]

ZONE: Final = "Europe/Berlin"
HERE: Final = ZoneInfo(ZONE)
DOORS: Final = (
    ("main door", "yale-yrd"),
    ("flat 1", "kwikset-smartcode"),
    ("flat 2", "danalock-v3"),
    ("flat 3", "sleepy-deadbolt"),
)
"""What it is called -> its simulated model: keeps windows itself and was tested; writes are not
read back by its own answer; is read back; sleeps."""
MAIN: Final = 0
FLATS: Final = (1, 2, 3)
FIRST: Final = date(2026, 10, 12)
LAST: Final = date(2026, 11, 12)
SUMMER_TIME_ENDS: Final = date(2026, 10, 25)
"""At 03:00 it is 02:00 once more."""
TURNOVERS: Final = {
    1: (date(2026, 10, 31), date(2026, 11, 9)),
    2: (date(2026, 10, 31),),
    3: (date(2026, 11, 9),),
}
"""By flat: days on which one guest goes and the next one comes, whatever the dice say."""
T_MS: Final = 180_000
MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
SOON_MS: Final = 10 * MINUTE
"""Before an opening a code may be on the lock, and after an edge the gateway has its T."""
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def local(day: date, hour: float, *, fold: int = 0) -> Instant:
    """`hour` as clocks in the building show it. `fold` 1: when they show it for the second time."""
    minutes = round(hour * 60)
    wall = datetime.combine(day, time(minutes // 60, minutes % 60, fold=fold), HERE)
    return from_datetime(wall)


def at_home(at: int) -> datetime:
    return to_datetime(Instant(at)).astimezone(HERE)


def clock(at: int) -> str:
    return f"{at_home(at):%H:%M}"


def day_of(at: int) -> str:
    return f"{at_home(at):%a %d %b}"


BEGIN = local(FIRST, 7)
LINK_GOES, LINK_RETURNS = local(FIRST, 12), local(LAST, 12)
NO_TIME = (
    (local(date(2026, 10, 16), 8), local(date(2026, 10, 30), 18)),
    (local(date(2026, 10, 31), 13), local(date(2026, 10, 31), 21)),
)
"""When no time service answers."""


class Cut(NamedTuple):
    begin: Instant
    end: Instant
    clockless: bool = False
    """The next boot finds a wall clock of weeks ago, and nobody to ask."""


NIGHT_CUT = Cut(local(date(2026, 10, 15), 3.2), local(date(2026, 10, 15), 3.3))
CLOCKLESS_CUT = Cut(local(date(2026, 10, 31), 13 + 1 / 3), local(date(2026, 10, 31), 16), True)
LONG_CUT = Cut(local(date(2026, 11, 9), 9 + 2 / 3), local(date(2026, 11, 9), 15.5))
CUTS = (NIGHT_CUT, CLOCKLESS_CUT, LONG_CUT)
BLIND = CLOCKLESS_CUT.begin, NO_TIME[1][1]
"""From the cut until somebody tells the time again."""
DARK = ((NIGHT_CUT.begin, NIGHT_CUT.end), BLIND, (LONG_CUT.begin, LONG_CUT.end))
MEANWHILE = local(date(2026, 11, 8), 9)
"""When the cloud revokes one code and orders another, and nobody hears it."""


@dataclass(slots=True, eq=False)
class Person:
    """Somebody with a code. `shut`: why it must not open although its window does."""

    name: str
    role: str
    digits: str
    doors: tuple[int, ...]
    window: Json
    shut: str = ""
    limit: int | None = None
    calendar: Calendar = field(init=False)

    def __post_init__(self) -> None:
        self.calendar = Calendar(self.window)

    def credential(self, devices: list[str]) -> Json:
        """As on the wire. `devices`: the ids of `DOORS`."""
        wire: Json = {
            "credential_id": self.name,
            "kind": "pin",
            "secret": {"digits": self.digits},
            "devices": [devices[door] for door in self.doors],
            "window": self.window,
        }
        if self.limit is not None:
            wire["use"] = {"limit": self.limit}
        if self.shut:
            wire[self.shut] = True
        return wire

    @property
    def begins(self) -> int:
        """When a timed window opens."""
        return instant(self.window["opens_at"])

    def moves(self, day: date) -> Iterator[str]:
        """`in` or `out`, if it is today that a timed window begins or ends."""
        for edge, name in (("opens_at", "in"), ("closes_at", "out")):
            if edge in self.window and day_of(instant(self.window[edge])) == day_of(local(day, 12)):
                yield name

    def expected(self, at: int, dark: tuple[tuple[int, int], ...]) -> bool | None:
        """Whether the code must open (True) or must not (False); None: both are right.

        `dark`: when nobody could act, or knew the time. An edge in it waits for its end.
        """
        if self.shut:
            return False
        spans = self.calendar.latest(at), self.calendar.following(at)
        for begin, end in dark:
            if begin <= at < end:
                edges = [edge for span in spans if span for edge in span]
                if any(begin - SOON_MS <= edge <= at + SOON_MS for edge in edges):
                    return None
        last, coming = spans
        if last is not None and at < last.closes:
            return True if at >= last.opens + SOON_MS else None
        if last is not None and at < last.closes + SOON_MS:
            return None
        return None if coming is not None and at > coming.opens - SOON_MS else False


class Visit(NamedTuple):
    """Somebody at a keypad. `why`: for the count of those who must not get in."""

    at: Instant
    person: Person
    door: int
    why: str


class Plan:
    """`people` in the order in which they are ordered, `visits` in the order of time."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._digits: dict[str, None] = {}
        self.stays = [stay for flat in FLATS for stay in self._stays(flat)]
        self.stays[20].digits = self.stays[4].digits  # the same guest again, with their own number
        self.night = list(self._night_arrivals())
        self.service = list(self._service())
        self.people = [*self.stays, *self.night, *self.service]
        named = {person.name: person for person in self.people}
        self.changed = named["stay-2-05"]
        """Moved to another flat before the link goes."""
        self.suspended, self.cleaner = named["staff-former"], named["cleaner-daily"]
        self.dismissed = named["staff-ben"]
        """While the link is away, of which nobody can tell the gateway."""
        self.late = self._timed(
            "stay-late", "guest", (MAIN, 2), local(LAST, 9), local(LAST + timedelta(days=3), 11)
        )
        """Booked while the link is away."""
        self.visits = sorted(
            (visit for person in self.people for visit in self._visits(person)),
            key=lambda visit: (visit.at, visit.person.name, visit.door),
        )

    def expected(
        self, person: Person, door: int, at: int, dark: tuple[tuple[int, int], ...]
    ) -> bool | None:
        """What these digits must come to at this door, whoever else has them."""
        found = [
            other.expected(at, dark)
            for other in self.people
            if other.digits == person.digits and door in other.doors
        ]
        return True if True in found else None if None in found else False

    def edges(self) -> list[int]:
        """Every instant at which somebody's code begins or ends to be valid."""
        found: dict[int, None] = {}
        for person in self.people:
            at, end = local(FIRST, 0), local(LAST, 23)
            while (span := person.calendar.open_or_next(at)) is not None and span.opens < end:
                found |= dict.fromkeys(edge for edge in span if local(FIRST, 0) < edge < end)
                at = Instant(span.closes + 1)
                if at > end:
                    break
        return sorted(found)

    # ── who ─────────────────────────────────────────────────────────────────────────────

    def _code(self) -> str:
        while True:
            code = "".join(self._rng.choice("0123456789") for _ in range(6))
            if code not in self._digits and len(set(code)) > 3:
                self._digits[code] = None
                return code

    def _stays(self, flat: int) -> Iterator[Person]:
        """One after the other: out at eleven, in at three; now and then out and in at noon."""
        day, noon, number = FIRST, False, 0
        while day <= LAST:
            nights = self._rng.choice((1, 2, 2, 3, 3))
            leaves = day + timedelta(days=nights)
            leaves = min([leaves, *(turn for turn in TURNOVERS[flat] if turn > day)])
            opens = local(day, 12 if noon else 15)
            noon = leaves not in TURNOVERS[flat] and self._rng.random() < 0.2
            closes = local(leaves, 12 if noon else 11)
            number += 1
            yield self._timed(f"stay-{flat}-{number:02}", "guest", (MAIN, flat), opens, closes)
            day = leaves

    def _night_arrivals(self) -> Iterator[Person]:
        """In the hour that comes twice, in its first pass and in its second."""
        night = SUMMER_TIME_ENDS
        for number, (door, minute, fold) in enumerate(
            ((1, 15, 0), (2, 45, 0), (3, 15, 1), (1, 45, 1), (0, 30, 1)), start=1
        ):
            opens = local(night, 2 + minute / 60, fold=fold)
            doors = (MAIN, door) if door else (MAIN,)
            yield self._timed(f"night-{number}", "night guest", doors, opens, local(night, 9))

    def _service(self) -> Iterator[Person]:
        every = (MAIN, *FLATS)
        cleaners = ("mon", "tue", "wed", "thu", "fri", "sat"), "10:30", "14:30"
        yield self._weekly("cleaner-daily", "cleaner", every, *cleaners)
        yield self._weekly("cleaner-stairs", "cleaner", (MAIN,), ("tue", "fri"), "07:00", "09:30")
        yield self._weekly("guard-sunday", "guard", every, ("sun",), "02:30", "05:00")
        yield self._always("staff-anna", "staff", every)
        yield self._always("staff-ben", "staff", (MAIN, 1, 2))
        yield self._always("staff-former", "staff", every, shut="suspended")
        unpaid = self._timed("stay-unpaid", "guest", (MAIN, 3), local(date(2026, 10, 20), 15),
                             local(date(2026, 10, 24), 11))  # fmt: skip
        unpaid.shut = "held"
        yield unpaid
        courier = self._always("courier", "courier", (MAIN,))
        courier.limit = 2
        yield courier

    def _timed(
        self, name: str, role: str, doors: tuple[int, ...], opens: Instant, closes: Instant
    ) -> Person:
        ends = {"opens_at": to_rfc3339(opens), "closes_at": to_rfc3339(closes)}
        return Person(name, role, self._code(), doors, {"kind": "timed", **ends})

    def _weekly(
        self,
        name: str,
        role: str,
        doors: tuple[int, ...],
        weekdays: tuple[str, ...],
        start: str,
        end: str,
    ) -> Person:
        rule = {"weekdays": list(weekdays), "from": start, "to": end}
        window = {"kind": "recurring", "zone": ZONE, "rules": [rule]}
        return Person(name, role, self._code(), doors, window)

    def _always(self, name: str, role: str, doors: tuple[int, ...], shut: str = "") -> Person:
        return Person(name, role, self._code(), doors, {"kind": "always"}, shut)

    # ── when they come ──────────────────────────────────────────────────────────────────

    def _visits(self, person: Person) -> Iterator[Visit]:
        match person.role:
            case "guest" | "night guest":
                times = self._of_a_guest(person)
            case "courier":
                days = (15, 19, 20, 28)
                times = iter([(local(date(2026, 10, day), 10.4), "used up") for day in days])
            case _:
                times = self._of_service(person)
        begin, end = local(FIRST, 13), local(LAST, 11.5)
        for at, why in times:
            for number, door in enumerate(self._way(person)):
                when = Instant(at + number * 90_000 + self._rng.randrange(20_000))
                if begin < when < end:
                    yield Visit(when, person, door, why)

    def _way(self, person: Person) -> tuple[int, ...]:
        """Through the main door to a flat, or to all of them."""
        if person.role != "staff":
            return person.doors
        return person.doors[: self._rng.randint(1, len(person.doors))]

    def _of_a_guest(self, guest: Person) -> Iterator[tuple[Instant, str]]:
        span = guest.calendar.latest(local(LAST, 23))
        if span is None or span.opens > local(LAST, 11):
            return
        rng = self._rng
        if rng.random() < 0.3:
            yield Instant(span.opens - rng.randint(30, 1440) * MINUTE), "too early"
        at = span.opens + rng.randint(12, 180) * MINUTE
        while at < span.closes - 20 * MINUTE:
            yield Instant(at), guest.shut or "guest"
            at += rng.randint(4 * 60, 15 * 60) * MINUTE
            hour = at_home(at).hour
            if hour < 8:
                at += (8 - hour) * HOUR
        yield Instant(span.closes + rng.randint(12, 90) * MINUTE), "former guest"
        for _ in range(rng.randint(0, 2)):
            yield Instant(span.closes + rng.randint(8, 200) * HOUR), "former guest"

    def _of_service(self, person: Person) -> Iterator[tuple[Instant, str]]:
        rng = self._rng
        for number in range((LAST - FIRST).days + 1):
            day = FIRST + timedelta(days=number)
            if person.window["kind"] == "recurring":
                span = person.calendar.open_or_next(local(day, 0))
                if span is not None and span.opens < local(day, 23):
                    minutes = (span.closes - span.opens) // MINUTE
                    yield Instant(span.opens + rng.randint(15, minutes - 20) * MINUTE), "service"
                if rng.random() < 0.2:
                    yield local(day, 15 + rng.randint(0, 80) / 10), "outside the hours"
            elif rng.random() < (0.2 if person.shut else 0.8):
                yield local(day, 8 + rng.randint(0, 120) / 10), person.shut or "staff"
