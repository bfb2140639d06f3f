"""Keypad codes of a Nuki: listing, writing and erasing with proof. Sans-I/O conversations.

The lock gives each code an id, its `handle` here; slots are ours (`drivers.numbering`), and a
code's number is on the disk before the lock hears of the code. Every write is proved by listing,
which tells digits and limits. A code is changed in place, and what is not to change goes back as it
was read: limits outlast switching off and on, the name that somebody gave stays.

`Unreachable` means that nothing was changed; once something was written, a broken conversation is
`OutcomeUnknown`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.actions import Refused
from gateway.domain.secret import Secret
from gateway.drivers.api import SlotReading, SlotUse, WriteResult
from gateway.drivers.listing import FOUND, House, Listing, number, prove
from gateway.drivers.nuki import commands, mapping
from gateway.drivers.nuki.dialogue import Dialogue, ask, say
from gateway.drivers.nuki.mapping import refusal_of
from gateway.drivers.nuki.schedules import Terms, schedules_of, terms_of
from gateway.drivers.numbering import Listed
from gateway.drivers.steps import Give, Recall, numbering
from gateway.errors import Refusal

if TYPE_CHECKING:
    from gateway.domain.devices import LockSchedule
    from gateway.domain.secret import KeyedHash
    from gateway.drivers.nuki.commands import Code, Command
    from gateway.drivers.numbering import Numbering

NAME = "slot {}"
"""What people see in the vendor's app."""


def list_codes(house: House, *, again: bool = True) -> Dialogue[Listing[Code]]:
    """Ask for all codes and number them. Without `again`, what was just listed will do."""
    if not again:
        known = yield Recall()
        if isinstance(known, Listing):
            return known
    answer = yield from ask(commands.list_codes(), "list the lock's codes")
    unique = list({code.id: code for code in map(commands.code_of, answer.entries)}.values())
    rows = yield from numbering()
    listed = [Listed(_hash_of(house, code, rows), code.id) for code in unique]
    return (yield from number(unique, listed, rows, mapping.SLOTS))


def _hash_of(house: House, code: Code, rows: Numbering) -> KeyedHash:
    """Of a code whose digits are not told, the hash that its id was known by."""
    if code.digits is not None:
        return house.hash_of(code.digits)
    slot = rows.slot_of_handle(code.id)
    known = None if slot is None else rows.code_in(slot)
    return house.hash_of(Secret(f"code {code.id}")) if known is None else known.hash


def read_slot(house: House, slot: int) -> Dialogue[SlotReading]:
    listing = yield from list_codes(house, again=False)
    return _reading(house, slot, listing)


def read_slots(house: House) -> Dialogue[list[SlotReading]]:
    listing = yield from list_codes(house)
    return [_reading(house, slot, listing) for slot in sorted(listing.codes)]


@dataclass(frozen=True, slots=True)
class _Wanted:
    digits: Secret
    enabled: bool
    terms: Terms

    def is_in(self, code: Code | None) -> bool:
        """By what it opens."""
        return (
            code is not None
            and code.digits == self.digits
            and code.enabled is self.enabled
            and code.terms is not None
            and code.terms.same_as(self.terms)
        )


def program(
    house: House,
    slot: int,
    digits: Secret,
    schedules: tuple[LockSchedule, ...],
    *,
    overwrite: bool = False,
) -> Dialogue[WriteResult]:
    """Put digits into a slot. A code that is there is changed in place."""
    terms = terms_of(schedules, house.zone)
    if isinstance(terms, Refusal):
        return WriteResult(Refused(terms))
    listing = yield from list_codes(house)
    held = listing.codes.get(slot)
    before = _reading(house, slot, listing)
    if held is not None and not overwrite:
        return WriteResult(Refused(Refusal.INVALID), before)
    wanted = _Wanted(digits, True, terms)
    if wanted.is_in(held):
        return WriteResult(FOUND, before)
    if listing.slot_with(digits) not in {None, slot}:
        return WriteResult(Refused(Refusal.DUPLICATE), before)
    yield Give(slot, house.hash_of(digits), None if held is None else held.id)
    if held is None:
        order = commands.add_code(digits, NAME.format(slot), terms)
    else:
        order = commands.update_code(held.id, digits, held.name, terms, enabled=True)
    return (yield from _write(house, slot, order, before, wanted))


def reschedule(
    house: House, slot: int, schedules: tuple[LockSchedule, ...]
) -> Dialogue[WriteResult]:
    """Other limits for a live code, which stays valid throughout. An empty slot is `INVALID`."""
    terms = terms_of(schedules, house.zone)
    listing = yield from list_codes(house)
    held, before = listing.codes.get(slot), _reading(house, slot, listing)
    if held is None:
        return WriteResult(Refused(Refusal.INVALID), before)
    if isinstance(terms, Refusal):
        return WriteResult(Refused(terms), before)
    return (yield from _change(house, slot, held, before, terms, enabled=held.enabled))


def switch(house: House, slot: int, *, enabled: bool) -> Dialogue[WriteResult]:
    """Off, so that it opens nothing, or on again with the limits that it had."""
    listing = yield from list_codes(house)
    held, before = listing.codes.get(slot), _reading(house, slot, listing)
    if held is None:
        return WriteResult(Refused(Refusal.INVALID), before)
    if held.terms is None:
        return WriteResult(Refused(Refusal.UNSUPPORTED), before)
    return (yield from _change(house, slot, held, before, held.terms, enabled=enabled))


def _change(
    house: House, slot: int, held: Code, before: SlotReading, terms: Terms, *, enabled: bool
) -> Dialogue[WriteResult]:
    if held.digits is None:  # they would have to be written too
        return WriteResult(Refused(Refusal.UNSUPPORTED), before)
    wanted = _Wanted(held.digits, enabled, terms)
    if wanted.is_in(held):
        return WriteResult(FOUND, before)
    order = commands.update_code(held.id, held.digits, held.name, terms, enabled=enabled)
    return (yield from _write(house, slot, order, before, wanted))


def erase(house: House, slot: int) -> Dialogue[WriteResult]:
    """An empty slot is a success."""
    listing = yield from list_codes(house)
    held, before = listing.codes.get(slot), _reading(house, slot, listing)
    if held is None:
        return WriteResult(FOUND, before)
    return (yield from _write(house, slot, commands.remove_code(held.id), before, None))


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
    as_wanted = held is None if wanted is None else wanted.is_in(held)
    return _reading(house, slot, listing), as_wanted


def _reading(house: House, slot: int, listing: Listing[Code]) -> SlotReading:
    code = listing.codes.get(slot)
    if code is None:
        return SlotReading(slot, SlotUse.AVAILABLE)
    use = SlotUse.ENABLED if code.enabled else SlotUse.DISABLED
    schedules = None if code.terms is None else schedules_of(code.terms, house.zone)
    restricted = schedules != ()
    return SlotReading(slot, use, code.digits, restricted, schedules if restricted else None)
