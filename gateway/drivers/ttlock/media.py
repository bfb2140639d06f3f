"""Cards, fingerprints and their weekly hours on a TTLock: commands and answers in the clear. Pure.

Source: kind3r/ttlock-sdk-js `src/api/Commands/ManageICCommand.ts`, `ManageFRCommand.ts` and
`CyclicDateCommand.ts`. Not here: what must be proved after a change (media_session).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from gateway.domain.devices import WeekDay
from gateway.domain.secret import Secret
from gateway.drivers.ttlock.commands import UNREAD, Command, Login, Period, number, u16
from gateway.drivers.ttlock.wire import Code
from gateway.errors import PeerProtocolError

if TYPE_CHECKING:
    from gateway.drivers.ttlock.commands import Answer


class Medium(IntEnum):
    """Command that manages it."""

    CARD = Code.CARDS
    FINGERPRINT = Code.FINGERPRINTS


class _Operation(IntEnum):
    LIST_CARDS = 1
    ADD = 2
    DELETE = 3
    SET_PERIOD = 5
    LIST_FINGERPRINTS = 6


class _Cyclic(IntEnum):
    QUERY = 1
    ADD = 2
    CLEAR = 4


_WHO: Final = {Medium.FINGERPRINT: 1, Medium.CARD: 2}
_FINGERPRINT_OCTETS: Final = 6
_LONG_CARD: Final = 10
"""A card with more decimal digits than this has eight octets, else four."""
_DATES: Final = 10
_WEEKLY: Final = 1


@dataclass(frozen=True, slots=True)
class ListedMedium:
    """`number` in decimal: a card's own number, or the lock's number of a fingerprint."""

    number: Secret
    period: Period


class Enrolling(IntEnum):
    """Where the lock is with learning a card or finger."""

    DONE = 1
    WAITING = 2
    SCANNED = 3


@dataclass(frozen=True, slots=True)
class Enrolled:
    stage: Enrolling
    number: Secret | None = None


def id_of(medium: Medium, text: Secret) -> bytes:
    """As on the wire. ValueError for what is no such number."""
    digits = text.reveal()
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError("a card or fingerprint has a decimal number")
    if medium is Medium.FINGERPRINT:
        size = _FINGERPRINT_OCTETS
    else:
        size = 8 if len(digits) > _LONG_CARD or int(digits) > 0xFFFF_FFFF else 4
    try:
        return int(digits).to_bytes(size, "big")
    except OverflowError:
        raise ValueError("the number of a card or fingerprint is too large") from None


def list_media(medium: Medium, sequence: int) -> Command:
    card = medium is Medium.CARD
    operation = _Operation.LIST_CARDS if card else _Operation.LIST_FINGERPRINTS
    return _manage(medium, operation, u16(sequence), asks_only=True)


def enrol(medium: Medium) -> Command:
    return _manage(medium, _Operation.ADD, b"")


def add_card(card: Secret, period: Period) -> Command:
    return _manage(Medium.CARD, _Operation.ADD, id_of(Medium.CARD, card) + _dates(period))


def delete(medium: Medium, which: Secret) -> Command:
    return _manage(medium, _Operation.DELETE, id_of(medium, which))


def set_period(medium: Medium, which: Secret, period: Period) -> Command:
    return _manage(medium, _Operation.SET_PERIOD, id_of(medium, which) + _dates(period))


def _manage(
    medium: Medium, operation: _Operation, payload: bytes, *, asks_only: bool = False
) -> Command:
    return Command(Code(medium), bytes((operation,)) + payload, Login.ADMIN, asks_only)


def _dates(period: Period) -> bytes:
    return period.start + period.end


@dataclass(frozen=True, slots=True)
class MediaPage:
    """`next` is None behind the last page."""

    media: tuple[ListedMedium, ...]
    next: int | None


def media_page_of(medium: Medium, answer: Answer) -> MediaPage:
    """`battery | operation | next u16 | records of number, start date5, end date5`.

    Nothing tells whether a card's number has four or eight octets: whichever fits the length and
    has dates where they belong.
    """
    what = "the list of cards" if medium is Medium.CARD else "the list of fingerprints"
    following = number(answer.data, 2, 2, what)
    rest = answer.data[4:]
    sizes = (4, 8) if medium is Medium.CARD else (_FINGERPRINT_OCTETS,)
    for size in sizes:
        found = _split(rest, size)
        if found is not None:
            ended = following == UNREAD or not rest
            return MediaPage(found, None if ended else following)
    raise PeerProtocolError(f"could not read {what}: its records have no known length")


def _split(rest: bytes, size: int) -> tuple[ListedMedium, ...] | None:
    whole = size + _DATES
    if len(rest) % whole:
        return None
    found: list[ListedMedium] = []
    for at in range(0, len(rest), whole):
        start, end = rest[at + size : at + size + 5], rest[at + size + 5 : at + whole]
        if not (_plausible(start) and _plausible(end)):
            return None
        found.append(ListedMedium(_decimal(rest[at : at + size]), Period(start, end)))
    return tuple(found)


def _plausible(date5: bytes) -> bool:
    _, month, day, hour, minute = date5
    return 1 <= month <= 12 and 1 <= day <= 31 and hour <= 23 and minute <= 59


def enrolled_of(medium: Medium, answer: Answer) -> Enrolled | None:
    """`battery | 2 | stage | number`; None for a word about something else.

    FFFFFFFF behind a card's four octets is padding.
    """
    data = answer.data
    if len(data) < 3 or data[1] != _Operation.ADD or data[2] not in frozenset(Enrolling):
        return None
    stage = Enrolling(data[2])
    if stage is not Enrolling.DONE:
        return Enrolled(stage)
    found = data[3:]
    if medium is Medium.FINGERPRINT:
        found = found[:_FINGERPRINT_OCTETS]
    elif found[4:8] == b"\xff" * 4 or len(found) < 8:
        found = found[:4]
    if not found:
        raise PeerProtocolError(
            "could not learn a card or finger: the lock did not tell its number"
        )
    return Enrolled(stage, _decimal(found))


def _decimal(octets: bytes) -> Secret:
    return Secret(str(int.from_bytes(octets, "big")))


# ── weekly hours, one command for each weekday ──────────────────────────────────────────────


def query_hours(medium: Medium, which: Secret) -> Command:
    return Command(Code.CYCLIC, _subject(_Cyclic.QUERY, medium, which), Login.ADMIN, asks_only=True)


def clear_hours(medium: Medium, which: Secret) -> Command:
    return Command(Code.CYCLIC, _subject(_Cyclic.CLEAR, medium, which), Login.ADMIN)


def add_hours(medium: Medium, which: Secret, hours: WeekDay) -> tuple[Command, ...]:
    """Weekdays ISO, as the lock counts them; four octets at the end are reserved."""
    subject = _subject(_Cyclic.ADD, medium, which)
    return tuple(
        Command(
            Code.CYCLIC,
            subject
            + bytes((_WEEKLY, day, 0))
            + bytes((*divmod(hours.start_minute, 60), *divmod(hours.end_minute, 60)))
            + bytes(4),
            Login.ADMIN,
        )
        for day in sorted(hours.weekdays)
    )


def _subject(operation: _Cyclic, medium: Medium, which: Secret) -> bytes:
    octets = id_of(medium, which)
    return bytes((operation, _WHO[medium], len(octets))) + octets


def hours_of(medium: Medium, which: Secret, answer: Answer) -> tuple[WeekDay, ...] | None:
    """Equal hours of several days together; None where the lock does not answer in this form.

    The question repeated, then entries as they were sent, with their reserve or without. Whether a
    battery stands in front, as elsewhere, no source says: both are understood.
    """
    subject = _subject(_Cyclic.QUERY, medium, which)
    for front in (0, 1):
        if answer.data[front:].startswith(subject):
            rest = answer.data[front + len(subject) :]
            break
    else:
        return None
    size = 11 if len(rest) % 11 == 0 else 7
    if len(rest) % size:
        return None
    days: dict[tuple[int, int], set[int]] = {}
    for at in range(0, len(rest), size):
        kind, day, _, start_hour, start_minute, end_hour, end_minute = rest[at : at + 7]
        if kind != _WEEKLY or not 1 <= day <= 7:
            return None
        hours = (start_hour * 60 + start_minute, end_hour * 60 + end_minute)
        days.setdefault(hours, set()).add(day)
    return tuple(WeekDay(frozenset(days[hours]), hours[0], hours[1]) for hours in sorted(days))
