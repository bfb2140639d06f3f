"""Keypad codes of a TTLock: listing, writing and erasing with proof. Sans-I/O conversations.

The lock knows codes by their digits; slots are ours (`drivers.numbering`), and a code's number is
on the disk before the lock hears of the code. Every write is proved by listing: the lock's "no"
does not prove that nothing changed (a frame may be carried out and its answer lost), nor its "yes"
that it did. "All codes" is never said: others' codes are there as well.

`Unreachable` means that nothing was changed; once something was written, a broken conversation is
`OutcomeUnknown`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.actions import Refused
from gateway.drivers.api import SlotReading, SlotUse, WriteResult
from gateway.drivers.listing import FOUND, House, Listing, number, prove
from gateway.drivers.numbering import Listed
from gateway.drivers.steps import Give, Recall, numbering
from gateway.drivers.ttlock import commands, mapping
from gateway.drivers.ttlock.commands import Kind, ListedCode, Period
from gateway.drivers.ttlock.dialogue import Dialogue, ask, say
from gateway.drivers.ttlock.mapping import refusal_of
from gateway.drivers.ttlock.schedules import code_schedules, code_window
from gateway.errors import PeerProtocolError, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.domain.devices import LockSchedule
    from gateway.domain.secret import Secret
    from gateway.drivers.ttlock.commands import Command

MOST_PAGES = 500
"""More than a lock can hold: one that goes on listing goes round in a circle."""


def list_codes(house: House, *, again: bool = True) -> Dialogue[Listing[ListedCode]]:
    """Ask for all codes and number them. Without `again`, what was just listed will do."""
    if not again:
        known = yield Recall()
        if isinstance(known, Listing):
            return known
    codes: list[ListedCode] = []
    sequence = 0
    for _ in range(MOST_PAGES):
        answer = yield from ask(commands.list_codes(sequence), "list the lock's codes")
        page = commands.code_page_of(answer)
        codes += page.codes
        if page.next is None or not page.codes:
            break
        sequence = page.next
    else:
        raise PeerProtocolError("could not list the lock's codes: the list has no end")
    unique = list({code.digits: code for code in codes}.values())
    listed = [Listed(house.hash_of(code.digits)) for code in unique]
    return (yield from number(unique, listed, (yield from numbering()), mapping.SLOTS))


def read_slot(house: House, slot: int) -> Dialogue[SlotReading]:
    listing = yield from list_codes(house, again=False)
    return _reading(house, slot, listing)


def read_slots(house: House) -> Dialogue[Sequence[SlotReading]]:
    """Every slot that is taken."""
    listing = yield from list_codes(house)
    return [_reading(house, slot, listing) for slot in sorted(listing.codes)]


@dataclass(frozen=True, slots=True)
class _Wanted:
    digits: Secret
    kind: Kind
    period: Period

    def is_in(self, code: ListedCode | None, house: House) -> bool:
        """By what it opens, not by the lock's name for it: a stretch of a century is none."""
        if code is None or code.digits != self.digits:
            return False
        if self.kind is Kind.PERMANENT:
            return code_schedules(code, house.zone) == ()
        return code.kind == Kind.PERIOD and code.period == self.period


def program(
    house: House,
    slot: int,
    digits: Secret,
    schedules: tuple[LockSchedule, ...],
    *,
    overwrite: bool = False,
) -> Dialogue[WriteResult]:
    """Put digits into a slot. A code that is there is changed in place, and valid throughout."""
    window = code_window(schedules, house.zone)
    if isinstance(window, Refusal):
        return WriteResult(Refused(window))
    kind, period = window
    listing = yield from list_codes(house)
    held = listing.codes.get(slot)
    before = _reading(house, slot, listing)
    if held is not None and not overwrite:
        return WriteResult(Refused(Refusal.INVALID), before)
    wanted = _Wanted(digits, kind, period)
    if wanted.is_in(held, house):
        return WriteResult(FOUND, before)
    if listing.slot_with(digits) not in {None, slot}:
        return WriteResult(Refused(Refusal.DUPLICATE), before)
    yield Give(slot, house.hash_of(digits))
    if held is None:
        order = commands.add_code(kind, digits, period)
    else:
        order = commands.modify_code(kind, held.digits, digits, period)
    return (yield from _write(house, slot, order, before, wanted))


def reschedule(
    house: House, slot: int, schedules: tuple[LockSchedule, ...]
) -> Dialogue[WriteResult]:
    """Move the window of a live code, which stays valid throughout.

    Between "always" and a window is refused (`UNSUPPORTED`), as is an empty slot (`INVALID`).
    """
    window = code_window(schedules, house.zone)
    listing = yield from list_codes(house)
    held, before = listing.codes.get(slot), _reading(house, slot, listing)
    if held is None:
        return WriteResult(Refused(Refusal.INVALID), before)
    if isinstance(window, Refusal):
        return WriteResult(Refused(window), before)
    kind, period = window
    if kind is Kind.PERMANENT or not before.restricted:
        return WriteResult(Refused(Refusal.UNSUPPORTED), before)
    wanted = _Wanted(held.digits, kind, period)
    if wanted.is_in(held, house):
        return WriteResult(FOUND, before)
    order = commands.modify_code(kind, held.digits, held.digits, period)
    return (yield from _write(house, slot, order, before, wanted))


def erase(house: House, slot: int) -> Dialogue[WriteResult]:
    """An empty slot is a success."""
    listing = yield from list_codes(house)
    held, before = listing.codes.get(slot), _reading(house, slot, listing)
    if held is None:
        return WriteResult(FOUND, before)
    order = commands.remove_code(held.kind, held.digits)
    return (yield from _write(house, slot, order, before, None))


def _write(
    house: House, slot: int, order: Command, before: SlotReading, wanted: _Wanted | None
) -> Dialogue[WriteResult]:
    """`wanted` is None for an erase."""
    return prove(_refusal(order), _look(house, slot, wanted), before)


def _refusal(order: Command) -> Dialogue[Refusal | None]:
    answer = yield from say(order)
    return None if answer.error is None else refusal_of(answer.error)


def _look(house: House, slot: int, wanted: _Wanted | None) -> Dialogue[tuple[SlotReading, bool]]:
    listing = yield from list_codes(house)
    held = listing.codes.get(slot)
    as_wanted = held is None if wanted is None else wanted.is_in(held, house)
    return _reading(house, slot, listing), as_wanted


def _reading(house: House, slot: int, listing: Listing[ListedCode]) -> SlotReading:
    code = listing.codes.get(slot)
    if code is None:
        return SlotReading(slot, SlotUse.AVAILABLE)
    schedules = code_schedules(code, house.zone)
    restricted = schedules != ()
    return SlotReading(
        slot, SlotUse.ENABLED, code.digits, restricted, schedules if restricted else None
    )
