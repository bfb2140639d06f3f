"""The user memory of a lock: numbered slots, each with at most one code.

Here: capacity, lengths, the duplicate rule, what a write does to status and type, and counters of
writes. Not here: who may call (skins, keypad) and when a code opens (``keypad``).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from firmware_sims.firmware.model import ALL_SLOTS, Answer, Kind, Source, UserStatus, UserType

if TYPE_CHECKING:
    from firmware_sims.firmware.schedules import ScheduleTable
    from firmware_sims.profiles import Profile


@dataclass(slots=True)
class User:
    """One occupied slot; ``uses_left`` of a code that opens only so many times, else None."""

    code: str = field(repr=False)
    status: UserStatus
    type: UserType
    uses_left: int | None = None


class Emit(Protocol):
    """Told after every change that happened."""

    def __call__(
        self, kind: Kind, source: Source, slot: int, *, old_code: str | None = None
    ) -> None: ...


class UserTable:
    """What the lock holds, and how it takes changes."""

    def __init__(
        self,
        profile: Profile,
        schedules: ScheduleTable,
        emit: Emit,
    ) -> None:
        self._profile = profile
        self._schedules = schedules
        self._emit = emit
        # The master's code has a place of its own beside the numbered ones.
        self._capacity = (profile.code_memory or profile.slots) + (profile.master_slot >= 0)
        self.users: dict[int, User] = {}
        self.writes: Counter[int] = Counter()
        """Changes made to each slot since the lock was made, whoever made them."""

    def exists(self, slot: int) -> bool:
        """Whether there is such a slot, occupied or not."""
        first, last = self._profile.first_slot, self._profile.last_slot
        return first <= slot <= last or slot == self._profile.master_slot

    def holder(self, code: str) -> int | None:
        """The slot that holds these digits."""
        for slot, user in self.users.items():
            if user.code == code:
                return slot
        return None

    def free_slot(self) -> int | None:
        """The lowest empty slot, for locks that give the place themselves; None when full."""
        first, last = self._profile.first_slot, self._profile.last_slot
        return next((slot for slot in range(first, last + 1) if slot not in self.users), None)

    def set_code(
        self,
        slot: int,
        code: str,
        status: UserStatus,
        user_type: UserType,
        source: Source,
        *,
        uses: int | None = None,
    ) -> Answer:
        """Write a code; status and type of the slot are rewritten with it.

        An overwrite is one change: the old code stops and the new one works at the same moment.
        """
        if status is UserStatus.AVAILABLE or not code.isascii() or not code.isdigit():
            return Answer.INVALID
        if not self._profile.min_code_length <= len(code) <= self._profile.max_code_length:
            return Answer.FAILURE
        if not self.exists(slot) or (slot == self._profile.master_slot and source is Source.RADIO):
            return Answer.FAILURE
        holder = self.holder(code)
        if holder is not None and (holder != slot or self._profile.duplicate_includes_own_slot):
            return Answer.DUPLICATE
        present = self.users.get(slot)
        if present is None and len(self.users) >= self._capacity:
            return Answer.FULL
        self.users[slot] = User(code, status, user_type, uses)
        self.writes[slot] += 1
        if slot == self._profile.master_slot:
            kind = Kind.MASTER_CODE_CHANGED
        else:
            kind = Kind.CODE_ADDED if present is None else Kind.CODE_CHANGED
        self._emit(kind, source, slot, old_code=None if present is None else present.code)
        return Answer.OK

    def clear_code(self, slot: int, source: Source) -> Answer:
        """Erase one code; erasing an empty slot succeeds and changes nothing."""
        if not self.exists(slot) or (slot == self._profile.master_slot and source is Source.RADIO):
            return Answer.FAILURE
        if self._profile.clearing_code_clears_schedules:
            self._schedules.forget(slot)
        if (gone := self.users.pop(slot, None)) is not None:
            self.writes[slot] += 1
            self._emit(Kind.CODE_DELETED, source, slot, old_code=gone.code)
        return Answer.OK

    def clear_all(self, source: Source) -> Answer:
        """Erase every code but the master's, with one event for all."""
        for slot in [slot for slot in self.users if slot != self._profile.master_slot]:
            del self.users[slot]
            self.writes[slot] += 1
            if self._profile.clearing_code_clears_schedules:
                self._schedules.forget(slot)
        self._emit(Kind.CODE_DELETED, source, ALL_SLOTS)
        return Answer.OK

    def lose(self, slot: int) -> None:
        """A code vanishes without a word: the fault ``deleted-later``."""
        self.users.pop(slot, None)

    def set_status(self, slot: int, status: UserStatus) -> Answer:
        """Enable or disable a code that is there."""
        user = self.users.get(slot)
        if status is UserStatus.AVAILABLE:
            return Answer.INVALID
        if user is None or slot == self._profile.master_slot:
            return Answer.FAILURE
        user.status = status
        self.writes[slot] += 1
        return Answer.OK

    def set_type(self, slot: int, user_type: UserType) -> Answer:
        """Change what binds a code that is there."""
        user = self.users.get(slot)
        if user is None or slot == self._profile.master_slot:
            return Answer.FAILURE
        user.type = user_type
        self.writes[slot] += 1
        return Answer.OK

    def dump(self) -> dict[str, list[list[int | str | None]]]:
        """As plain lists, slot first."""
        return {
            "users": [
                [slot, user.code, user.status, user.type, user.uses_left]
                for slot, user in sorted(self.users.items())
            ],
            "writes": [[slot, count] for slot, count in sorted(self.writes.items())],
        }

    def load(self, data: dict[str, list[list[Any]]]) -> None:
        """Take up what ``dump`` wrote."""
        self.users = {
            int(slot): User(str(code), UserStatus(status), UserType(user_type), *uses)
            for slot, code, status, user_type, *uses in data["users"]
        }
        self.writes = Counter({int(slot): int(count) for slot, count in data["writes"]})
