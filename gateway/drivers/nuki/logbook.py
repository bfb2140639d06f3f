"""Reading a Nuki's own log so that each entry is told once, whatever crashes. Sans-I/O.

Entries have rising numbers, so the number of the last one told is stored by the house together with
what was told, and a mark of that entry with it: the reading begins with that entry, and if it is
another one now the log began anew. Not here: what an entry means (mapping).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.domain.secret import Secret
from gateway.drivers.api import DeviceEvent, LogRead
from gateway.drivers.log_cursor import Cursor, cursor_of
from gateway.drivers.nuki import commands, mapping
from gateway.drivers.nuki.codes import list_codes
from gateway.drivers.nuki.commands import Log
from gateway.drivers.nuki.dialogue import Dialogue, ask
from gateway.drivers.steps import numbering
from gateway.errors import DeviceRefused, LinkError, ProtocolError, RadioError

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.drivers.listing import House
    from gateway.drivers.nuki.commands import Entry

MARK_LENGTH = 16
PAGE = 50
"""Entries at one question; each is a message of its own."""
MOST_ENTRIES = 600
"""At one reading."""
_BROKEN = (LinkError, RadioError, ProtocolError, DeviceRefused)


def read_log(house: House, text: str | None) -> Dialogue[LogRead]:
    cursor = cursor_of(text)
    entries, ended = yield from _read_on(cursor.last)
    lost = False
    if cursor.last:
        if entries and entries[0].index == cursor.last:
            if _mark(house, entries[0]) == cursor.mark:
                entries = entries[1:]
            else:
                cursor, lost = Cursor(), True
        elif entries:
            lost = True  # those in between have fallen out of its memory
        elif (yield from _newest()) is not None:
            cursor, lost = Cursor(), True  # its numbers began anew
        if not cursor.last:
            entries, ended = yield from _read_on(0)
    events = yield from _told(house, entries)
    if entries:
        cursor = Cursor(entries[-1].index, _mark(house, entries[-1]))
    return LogRead(events, cursor.encode(), lost=lost, more=not ended)


def _mark(house: House, entry: Entry) -> str:
    """A keyed hash: an entry holds names, and the cursor is not sealed."""
    return house.hash_of(Secret(f"log {entry.raw.hex()}"))[:MARK_LENGTH]


def _newest() -> Dialogue[Entry | None]:
    page = yield from _page(0, 1, newest_first=True)
    return page[0] if page else None


def _read_on(start: int) -> Dialogue[tuple[list[Entry], bool]]:
    """From that entry on, as far as time allows, and whether that is the lock's last.

    An error only if time did not suffice for the first page.
    """
    found: list[Entry] = []
    while len(found) < MOST_ENTRIES:
        following = found[-1].index + 1 if found else start
        try:
            page = yield from _page(following, PAGE)
        except _BROKEN:
            if not found:
                raise
            return found, False
        for entry in page:
            if found and entry.index != found[-1].index + 1:
                return found, False  # one did not arrive: it is asked for at the next reading
            found.append(entry)
        if len(page) < PAGE:
            return found, True
    return found, False


def _page(start: int, count: int, *, newest_first: bool = False) -> Dialogue[list[Entry]]:
    order = commands.read_log(start, count, newest_first=newest_first)
    answer = yield from ask(order, "read the lock's log")
    return [commands.entry_of(entry) for entry in answer.entries]


def _told(house: House, new: list[Entry]) -> Dialogue[list[DeviceEvent]]:
    """What they mean. Where the keypad was used, the codes are listed first, so that a stranger's
    has a number, and a refused code's limits are known."""
    terms = {}
    if any(entry.kind == Log.KEYPAD for entry in new):
        with suppress(*_BROKEN):  # else told as far as the codes are known
            listing = yield from list_codes(house)
            terms = {code.id: code.terms for code in listing.codes.values() if code.enabled}
    known = yield from numbering()

    def permits(code: int, wall: datetime) -> bool | None:
        limits = terms.get(code)
        return None if limits is None else limits.permit(wall)

    users = mapping.Users(known.slot_of_handle, permits)
    return [event for entry in new for event in mapping.told_in(entry, users, house.zone)]
