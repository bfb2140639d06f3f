"""Cards and fingers of a TTLock: listing, enrolling, changing with proof. Sans-I/O conversations.

As with codes, a change is proved by listing. Weekly hours are set in several steps, between which
the medium would open at all hours: it has a stretch that is over until the last of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.actions import Confirmed, Outcome, Refused, Unconfirmed
from gateway.domain.devices import Evidence, LockSchedule, WeekDay
from gateway.drivers import access
from gateway.drivers.access import EnrolStage
from gateway.drivers.ttlock import media
from gateway.drivers.ttlock.commands import Period
from gateway.drivers.ttlock.dialogue import Dialogue, ask, await_more, say, since_an_order
from gateway.drivers.ttlock.mapping import refusal_of
from gateway.drivers.ttlock.media import Enrolling, ListedMedium, Medium
from gateway.drivers.ttlock.schedules import medium_window, stretch_of
from gateway.errors import (
    DeviceRefused,
    LinkError,
    OutcomeUnknown,
    PeerProtocolError,
    ProtocolError,
    RadioError,
    Refusal,
)

if TYPE_CHECKING:
    from datetime import tzinfo

    from gateway.domain.secret import Secret
    from gateway.drivers.access import EnrolProgress
    from gateway.drivers.ttlock.commands import Command

OVER = Period(bytes((1, 1, 1, 0, 0)), bytes((1, 1, 1, 0, 1)))
"""A minute of the year 2001: a card with it is known to the lock and opens nothing."""
PRESENT_S = 40.0
"""How long somebody may take to hold up a card or lay on a finger once more; locks wait 30 s."""
MOST_PAGES = 500
_NAMES = {Medium.CARD: "card", Medium.FINGERPRINT: "fingerprint"}
_STAGES = {
    Enrolling.WAITING: EnrolStage.WAITING,
    Enrolling.SCANNED: EnrolStage.SCANNED,
    Enrolling.DONE: EnrolStage.DONE,
}


def list_media(medium: Medium) -> Dialogue[list[ListedMedium]]:
    found: list[ListedMedium] = []
    sequence = 0
    for _ in range(MOST_PAGES):
        doing = f"list the lock's {_NAMES[medium]}s"
        answer = yield from ask(media.list_media(medium, sequence), doing)
        page = media.media_page_of(medium, answer)
        found += page.media
        if page.next is None or page.next == sequence:
            return found
        sequence = page.next
    raise PeerProtocolError(f"could not list the lock's {_NAMES[medium]}s: the list has no end")


def tell_media(medium: Medium, zone: tzinfo, *, weekly: bool) -> Dialogue[list[access.Medium]]:
    """With their schedules; `weekly`: the lock keeps weekly hours for them."""
    told: list[access.Medium] = []
    for one in (yield from list_media(medium)):
        stretch = stretch_of(one.period, zone)
        hours = (yield from _hours(medium, one.number)) if weekly else ()
        known = None if stretch is None or hours is None else (*stretch, *hours)
        told.append(access.Medium(one.number, known))
    return told


def enrol(medium: Medium, progress: EnrolProgress) -> Dialogue[Secret]:
    """The number of what was held to the lock. `DeviceRefused` when nobody came in time."""
    doing = f"learn a {_NAMES[medium]}"
    order = media.enrol(medium)
    answer = yield from ask(order, doing)
    while True:
        told = media.enrolled_of(medium, answer)
        if told is not None:
            progress(_STAGES[told.stage])
            if told.number is not None:
                return told.number
        answer = yield from await_more(order, PRESENT_S, doing)


def add_card(
    card: Secret, schedules: tuple[LockSchedule, ...], zone: tzinfo, *, weekly: bool
) -> Dialogue[Outcome]:
    window = medium_window(schedules, zone)
    if isinstance(window, Refusal):
        return Refused(window)
    if not _is_number(Medium.CARD, card):
        return Refused(Refusal.CHARSET)
    if window[1] and not weekly:
        return Refused(Refusal.UNSUPPORTED)
    if _held(Medium.CARD, card, (yield from list_media(Medium.CARD))) is None:
        first = OVER if window[1] else window[0]
        outcome = yield from _proved(Medium.CARD, media.add_card(card, first), card, first)
        if not isinstance(outcome, Confirmed):
            return outcome
        again = schedule(Medium.CARD, card, schedules, zone, weekly=weekly)
        return (yield from since_an_order(again))
    return (yield from schedule(Medium.CARD, card, schedules, zone, weekly=weekly))


def schedule(
    medium: Medium,
    which: Secret,
    schedules: tuple[LockSchedule, ...],
    zone: tzinfo,
    *,
    weekly: bool,
) -> Dialogue[Outcome]:
    """`INVALID` for one that the lock does not know."""
    window = medium_window(schedules, zone)
    if isinstance(window, Refusal):
        return Refused(window)
    period, hours = window
    if hours and not weekly:
        return Refused(Refusal.UNSUPPORTED)
    held = _held(medium, which, (yield from list_media(medium)))
    if held is None:
        return Refused(Refusal.INVALID)
    evidence = frozenset({Evidence.READ_BACK})
    if weekly:
        before = yield from _hours(medium, which)
        if before is None or _spread(before) != _spread(hours):
            refused = yield from _set_hours(medium, which, hours)
            if refused is not None:
                return refused
            order = media.set_period(medium, which, period)
            return (yield from since_an_order(_proved(medium, order, which, period)))
    if held.period != period:
        outcome = yield from _proved(medium, media.set_period(medium, which, period), which, period)
        if not isinstance(outcome, Confirmed):
            return outcome
        evidence |= outcome.evidence
    return Confirmed(evidence)


def delete(medium: Medium, which: Secret) -> Dialogue[Outcome]:
    if not _is_number(medium, which):
        return Refused(Refusal.CHARSET)
    if _held(medium, which, (yield from list_media(medium))) is None:
        return Confirmed(frozenset({Evidence.READ_BACK}))
    return (yield from _proved(medium, media.delete(medium, which), which, None))


def _proved(
    medium: Medium, order: Command, which: Secret, wanted: Period | None
) -> Dialogue[Outcome]:
    """Say it once, then look. `wanted` is None for a deletion."""
    refusal, heard = None, False
    try:
        answer = yield from say(order)
        heard = answer.error is None
        refusal = None if answer.error is None else refusal_of(answer.error)
    except (OutcomeUnknown, PeerProtocolError):
        pass
    try:
        held = _held(medium, which, (yield from list_media(medium)))
    except (LinkError, RadioError, ProtocolError, DeviceRefused) as error:
        if refusal is not None and refusal.definite:
            return Refused(refusal)
        raise OutcomeUnknown(
            f"could not prove what became of a {_NAMES[medium]}: it cannot be listed: {error}"
        ) from error
    as_wanted = held is None if wanted is None else held is not None and held.period == wanted
    if as_wanted:
        acknowledged = {Evidence.ACKNOWLEDGED} if heard else set[Evidence]()
        return Confirmed(frozenset({Evidence.READ_BACK, *acknowledged}))
    if refusal is not None:
        return Refused(refusal)
    return Unconfirmed("the lock lists otherwise")


def _set_hours(
    medium: Medium, which: Secret, wanted: tuple[WeekDay, ...]
) -> Dialogue[Outcome | None]:
    """None when the lock has these hours and no others; it then opens at no time."""
    # Cleared hours would leave it open all day: what is in force is ended first.
    outcome = yield from _proved(medium, media.set_period(medium, which, OVER), which, OVER)
    if not isinstance(outcome, Confirmed):
        return outcome
    orders = [media.clear_hours(medium, which)]
    for hours in wanted:
        orders += media.add_hours(medium, which, hours)
    acknowledged = True
    for order in orders:
        try:
            answer = yield from since_an_order(say(order))
        except OutcomeUnknown:
            acknowledged = False
            continue
        if answer.error is not None:
            return Refused(refusal_of(answer.error))
    held = yield from since_an_order(_hours(medium, which))
    if held is None and acknowledged:
        return None  # this lock does not tell; its word is all there is
    if held is not None and _spread(held) == _spread(wanted):
        return None
    return Unconfirmed("the lock did not keep the weekly hours")


def _hours(medium: Medium, which: Secret) -> Dialogue[tuple[WeekDay, ...] | None]:
    try:
        answer = yield from ask(media.query_hours(medium, which), "read weekly hours")
    except DeviceRefused as refused:
        if refused.refusal is Refusal.UNSUPPORTED:
            return None
        raise
    return media.hours_of(medium, which, answer)


def _spread(hours: tuple[WeekDay, ...]) -> list[tuple[int, int, int]]:
    return sorted((day, h.start_minute, h.end_minute) for h in hours for day in sorted(h.weekdays))


def _held(medium: Medium, which: Secret, listed: list[ListedMedium]) -> ListedMedium | None:
    """Numbers are compared as numbers: people write leading zeros."""
    if not _is_number(medium, which):
        return None
    wanted = int(which.reveal())
    return next((one for one in listed if int(one.number.reveal()) == wanted), None)


def _is_number(medium: Medium, which: Secret) -> bool:
    try:
        media.id_of(medium, which)
    except ValueError:
        return False
    return True
