"""Slot numbers for locks that know a code by its digits or by an id of their own: pure.

Here: which number each code of a lock's listing goes by, given what was numbered before. Not here:
keeping the numbers (`claims.Numbers`, in the store) and hashing digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.devices import Numbered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.domain.secret import KeyedHash


@dataclass(frozen=True, slots=True)
class Listed:
    """A code as the lock lists it. `handle`: the lock's own id for it, where it has one."""

    hash: KeyedHash
    handle: int | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """`slots`: the number of each listed code, in the listing's order, no two alike.

    `fresh`: what nobody has written down yet; give these before anything is told of them.
    """

    slots: tuple[int, ...]
    fresh: tuple[Numbered, ...] = ()


class Numbering:
    """What is known of the numbers of one lock: the rows of `Numbers.load`."""

    def __init__(self, rows: Sequence[Numbered]) -> None:
        self._rows = tuple(rows)

    def slot_of(self, code: KeyedHash) -> int | None:
        """Whose a code is or was, for the lock's log; where it is now goes before where it was."""
        found = None
        for row in self._rows:
            if row.hash == code and (row.current or found is None or not found.current):
                found = row
        return None if found is None else found.slot

    def slot_of_handle(self, handle: int) -> int | None:
        """The same by the lock's own id. Ids are used again, so only the present holder counts."""
        found = [row.slot for row in self._rows if row.current and row.handle == handle]
        return found[-1] if found else None

    def code_in(self, slot: int) -> Numbered | None:
        """The code that the number stands for, on the lock or not."""
        found = [row for row in self._rows if row.current and row.slot == slot]
        return found[-1] if found else None

    def place(self, listing: Sequence[Listed], limit: int) -> Placement:
        """Numbers for a lock's listing.

        A code keeps its number: known by its digits, or by the lock's id when its digits were
        changed by somebody. Earlier digits of a slot count too (a change of digits whose answer
        was lost may not have happened), unless its present ones are listed as well. Anybody
        else's code gets the lowest number that no code goes by; when all of 1 to `limit` are
        taken, one whose code is not listed, and else one above the limit. A number whose code is
        not listed is spared while it can be: its code may be on the way to the lock.
        """
        slots: dict[int, int] = {}
        taken: set[int] = set()
        fresh: dict[int, Numbered] = {}

        def settle(index: int, slot: int) -> None:
            slots[index] = slot
            taken.add(slot)

        current = [row for row in self._rows if row.current]
        for rows in (current, [row for row in self._rows if not row.current]):
            by_hash = {row.hash: row.slot for row in rows}
            for index, code in enumerate(listing):
                slot = by_hash.get(code.hash)
                if index not in slots and slot is not None and slot not in taken:
                    settle(index, slot)
                    if rows is not current:
                        fresh[index] = Numbered(slot, code.hash, code.handle)
        by_handle = {row.handle: row.slot for row in current if row.handle is not None}
        for index, code in enumerate(listing):
            slot = None if code.handle is None else by_handle.get(code.handle)
            if index not in slots and slot is not None and slot not in taken:
                settle(index, slot)
                fresh[index] = Numbered(slot, code.hash, code.handle)
        spared = {row.slot for row in current}
        for index, code in enumerate(listing):
            if index not in slots:
                slot = _lowest(taken | spared, limit) or _lowest(taken, limit)
                settle(index, slot or _lowest(taken | spared))
                fresh[index] = Numbered(slots[index], code.hash, code.handle)
        handles = {(row.slot, row.hash): row.handle for row in current}
        for index, code in enumerate(listing):
            told = handles.get((slots[index], code.hash), code.handle)
            if index not in fresh and code.handle is not None and told != code.handle:
                fresh[index] = Numbered(slots[index], code.hash, code.handle)
        return Placement(
            tuple(slots[index] for index in range(len(listing))),
            tuple(fresh[index] for index in sorted(fresh)),
        )


def _lowest(taken: set[int], limit: int | None = None) -> int:
    """The lowest number from 1 that is free; 0 when there is none up to the limit."""
    number = 1
    while number in taken:
        number += 1
    return number if limit is None or number <= limit else 0
