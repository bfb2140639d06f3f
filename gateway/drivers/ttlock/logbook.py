"""Reading a TTLock's own log so that each record is told once, whatever crashes. Sans-I/O.

"Only what was not read" loses what was read and not stored, so records are asked for by their
number, and the number to go on from is stored by the house together with what was told. With it go
marks of the last records told: the reading begins with these, and if they are not there the log was
cleared or has turned over, and all of it is read and searched for them. Not here: what a record
means (mapping).
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gateway.domain.secret import Secret
from gateway.drivers.access import medium_text
from gateway.drivers.api import DeviceEvent, LogRead
from gateway.drivers.steps import numbering
from gateway.drivers.ttlock import mapping, records
from gateway.drivers.ttlock.codes import list_codes
from gateway.drivers.ttlock.commands import UNREAD
from gateway.drivers.ttlock.dialogue import Dialogue, ask
from gateway.errors import DeviceRefused, LinkError, ProtocolError, RadioError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.drivers.listing import House
    from gateway.drivers.ttlock.records import LogPage, Record

MARKS = 5
"""So many equal records in a row are the same ones; the same code twice in a second is not."""
MARK_LENGTH = 16
MOST_RECORDS = 600
"""At one reading; the locks keep 500."""
DRAIN_PAGES = 40
_MODULUS = UNREAD
_BROKEN = (LinkError, RadioError, ProtocolError, DeviceRefused)


@dataclass(frozen=True, slots=True)
class Cursor:
    """`next` is the number behind the last record told, `marks` the last ones, oldest first.

    `searched`: the marks were not where they should be, nor before this number.
    """

    next: int = 0
    marks: tuple[str, ...] = ()
    searched: int | None = None

    def encode(self) -> str:
        told: dict[str, object] = {"next": self.next, "marks": list(self.marks)}
        if self.searched is not None:
            told["searched"] = self.searched
        return json.dumps(told, separators=(",", ":"))


def cursor_of(text: str | None) -> Cursor | None:
    """None for the beginning, and for a text that is not ours."""
    if text is None:
        return None
    try:
        told = json.loads(text)
        following, marks, searched = told["next"], told["marks"], told.get("searched")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if not isinstance(following, int) or not isinstance(marks, list):
        return None
    if searched is not None and not isinstance(searched, int):
        return None
    return Cursor(following % _MODULUS, tuple(str(mark) for mark in marks), searched)


@dataclass(slots=True)
class _Stretch:
    """Records in a row, as far as they could be read. `ended`: up to the lock's last."""

    records: list[Record]
    next: int
    ended: bool = False


def read_log(house: House, text: str | None) -> Dialogue[LogRead]:
    cursor = cursor_of(text)
    if cursor is None:
        return (yield from _tell(house, (), (yield from _read_on(_Stretch([], 0))), 0))
    if cursor.searched is not None:
        return (yield from _search(house, cursor, cursor.searched))
    start = (cursor.next - len(cursor.marks)) % _MODULUS
    stretch = yield from _read_on(_Stretch([], start), len(cursor.marks))
    found = [_mark(house, record) for record in stretch.records[: len(cursor.marks)]]
    if found == list(cursor.marks):
        if not stretch.ended:
            yield from _read_on(stretch)
        return (yield from _tell(house, cursor.marks, stretch, len(found)))
    if len(found) < len(cursor.marks) and not stretch.ended:
        raise Unreachable("could not read the lock's log: there was no time for new records")
    return (yield from _search(house, cursor, None))


def _search(house: House, cursor: Cursor, start: int | None) -> Dialogue[LogRead]:
    """All of the log, for where the marks are; with `start`, from where it was given up before.

    Nothing is told until they are found, or are known to be nowhere: then all of it is next.
    """
    stretch = yield from _read_on(_Stretch([], start or 0))
    marks = [_mark(house, record) for record in stretch.records]
    seen = _behind(marks, cursor.marks, whole=start is not None)
    if seen:
        return (yield from _tell(house, cursor.marks, stretch, seen))
    if stretch.ended:
        return LogRead((), Cursor().encode(), lost=True, more=bool(marks))
    # So far back that marks across the two stretches are seen.
    again = max(0, stretch.next - MARKS)
    if start is not None and again <= start:
        raise Unreachable("could not read the lock's log: there was no time for new records")
    return LogRead((), replace(cursor, searched=again).encode(), more=True)


def _tell(house: House, marks: tuple[str, ...], stretch: _Stretch, seen: int) -> Dialogue[LogRead]:
    """What stands behind the first `seen` records."""
    new = stretch.records[seen:]
    marks = (*marks, *(_mark(house, record) for record in new))
    more = not stretch.ended
    if stretch.ended:
        more = yield from _drain(house, stretch.next, set(marks))
    events = yield from _told(house, new)
    return LogRead(events, Cursor(stretch.next, marks[-MARKS:]).encode(), more=more)


def _mark(house: House, record: Record) -> str:
    """A keyed hash: a record holds digits, and the cursor is not sealed."""
    return house.hash_of(Secret(f"log {record.raw.reveal()}"))[:MARK_LENGTH]


def _behind(marks: Sequence[str], known: Sequence[str], *, whole: bool) -> int:
    """The index behind the last place where the known marks end; 0 when they are nowhere.

    Unless the `whole` of them must be there, the oldest may have fallen out of the lock's memory.
    """
    for last in range(len(marks) - 1, -1, -1):
        length = len(known) if whole else min(len(known), last + 1)
        if 0 < length <= last + 1 and list(marks[last + 1 - length : last + 1]) == list(
            known[-length:]
        ):
            return last + 1
    return 0


def _read_on(stretch: _Stretch, most: int = MOST_RECORDS) -> Dialogue[_Stretch]:
    """As far as time allows; an error only if it did not suffice for the first page."""
    while len(stretch.records) < most:
        try:
            page = yield from _page(stretch.next)
        except _BROKEN:
            if not stretch.records:
                raise
            return stretch
        stretch.records += page.records
        # Where the end is told instead of a number, counting gives the number.
        counted = (stretch.next + len(page.records)) % _MODULUS
        following = counted if page.next is None else page.next
        if not page.records or page.next is None or following == stretch.next:
            stretch.next = counted
            stretch.ended = True
            return stretch
        stretch.next = following
    return stretch


def _page(sequence: int) -> Dialogue[LogPage]:
    answer = yield from ask(records.read_log(sequence), "read the lock's log")
    return records.log_page_of(answer)


def _drain(house: House, end: int, told: set[str]) -> Dialogue[bool]:
    """Have the lock take back its sign that there is something unread; whether there was more.

    Most count what was asked for by number as read, then one question suffices. What was written
    meanwhile stays where it is and is told at the next reading.
    """
    for _ in range(DRAIN_PAGES):
        try:
            page = yield from _page(UNREAD)
        except _BROKEN:
            return False  # the sign stays, and brings the next reading
        if not page.records:
            return False
        if page.next is None:
            return _mark(house, page.records[-1]) not in told
        if 0 < (page.next - end) % _MODULUS < _MODULUS // 2:
            return True
    return False


def _told(house: House, new: Sequence[Record]) -> Dialogue[Sequence[DeviceEvent]]:
    """What they mean. Where codes came or went, the codes are listed first, so that a stranger's
    has a number and "all cleared" is known to be so."""
    emptied = False
    if any(record.type in mapping.CHANGES_CODES for record in new):
        with suppress(*_BROKEN):  # else told as far as the codes are known; the house reads them
            emptied = not (yield from list_codes(house)).codes
    known = yield from numbering()
    events: list[DeviceEvent] = []
    for record in new:
        events += mapping.told_in(
            record,
            known.slot_of,
            house.hash_of,
            house.zone,
            emptied=emptied,
            medium=house.hash_of(medium_text(*record.medium)) if record.medium else None,
        )
    if new:
        battery = mapping.battery_in(new[-1])
        events += [battery] if battery is not None else []
    return events
