"""What lies in the locks' memories as far as it was written there, by whom, and how often.

Rules here: SLOTS (whose place a write takes), BUDGET, UNMANAGED. Here too: what was changed behind
the gateway's back, which excuses what doors do until the gateway can have found out.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.simulation.judging.promise import Figures, Lock, Promise

DAY_MS: Final = 86_400_000
ROW_MS: Final = 600_000

ERASED: Final = frozenset({"clear_by_hand", "foreign_erase", "factory_reset", "deleted-later"})
"""Ways in which a code goes."""
SET: Final = frozenset({"set_by_hand", "foreign_write"})
"""Ways in which one comes."""
UNAPPLIED: Final = frozenset({"acknowledged-but-not-applied"})
"""The lock says yes and does nothing."""
MISTIMED: Final = frozenset({"clock", "schedule", "user_type", "user_status"})
"""The code stays where it is and opens at other times."""


@dataclass(slots=True)
class Stranger:
    """A code that is not the gateway's. `over`: it was put where the gateway believes its own."""

    digits: str
    since: int
    over: bool


@dataclass(slots=True)
class Excuse:
    """`within`: how long the gateway may take to find out; None: as long as for any change."""

    since: int
    how: str
    within: int | None = None


@dataclass(slots=True)
class _Lock:
    slots: dict[int, str] = field(default_factory=dict)
    believed: dict[int, str] = field(default_factory=dict)
    """What the gateway wrote and did not clear."""
    cleared: dict[int, int] = field(default_factory=dict)
    """When the gateway's own word emptied a slot, until it writes there again."""
    strangers: dict[int, Stranger] = field(default_factory=dict)
    ever: dict[str, None] = field(default_factory=dict)
    """Digits that were ever in it."""
    lost: dict[str, Excuse] = field(default_factory=dict)
    """Digits that may not open though they should."""
    stray: dict[str, Excuse] = field(default_factory=dict)
    """Digits that may open though they should not."""
    tampered: bool = False
    room_at: int | None = None
    """When the gateway last emptied a slot of a full lock."""
    last_order: tuple[int, int, str] | None = None

    def doubled(self, at: int, slot: int, what: str) -> bool:
        """The same again at the same instant is one order, which the air doubled."""
        order = at, slot, what
        same, self.last_order = order == self.last_order, order
        return same


class Memory:
    """`owners`: the credentials that ever had these digits at this lock."""

    def __init__(
        self,
        promise: Promise,
        figures: Figures,
        violate: Callable[[int, str, str | None, str | None, str], None],
        owners: Callable[[str, str], list[str]],
    ) -> None:
        self._promise = promise
        self._figures = figures
        self._violate = violate
        self._owners = owners
        self._locks: dict[str, _Lock] = {}
        self._of_code: Counter[tuple[str, str, int]] = Counter()
        self._schedules: Counter[tuple[str, str, int]] = Counter()
        self._tries: dict[tuple[str, int], deque[int]] = {}
        self._of_lock: Counter[tuple[str, int]] = Counter()

    def lock(self, device_id: str) -> _Lock:
        return self._locks.setdefault(device_id, _Lock())

    # ── the gateway writes ──────────────────────────────────────────────────────────────

    def set(self, at: int, device_id: str, slot: int, digits: str, *, urgent: bool) -> None:
        lock = self.lock(device_id)
        self._touches(at, device_id, slot)
        former = lock.slots.get(slot)
        mine, others = self._owners(device_id, digits), []
        if former is not None and slot not in lock.strangers:
            others = self._owners(device_id, former)
        if not mine:
            self._violate(at, "SLOTS", device_id, None, f"slot {slot} was given digits of nobody")
        elif others and not set(mine) & set(others):
            who = ",".join(mine)
            whose = ",".join(others)
            words = f"slot {slot} was written for {who} while the code of {whose} was in it"
            self._violate(at, "SLOTS", device_id, who, words)
        lock.strangers.pop(slot, None)
        lock.cleared.pop(slot, None)
        lock.slots[slot] = lock.believed[slot] = digits
        lock.ever[digits] = None
        lock.lost.pop(digits, None)
        self._wear(at, device_id)
        if not (lock.doubled(at, slot, digits) or urgent):
            most = self._promise.writes_per_day
            count = self._limit(self._of_code, most, at, device_id, digits, "written")
            self._figures.writes_of_a_code_max = max(self._figures.writes_of_a_code_max, count)

    def clear(self, at: int, device_id: str, slot: int, facts: Lock) -> None:
        lock = self.lock(device_id)
        if self.full(device_id, facts):
            lock.room_at = at
        self._touches(at, device_id, slot)
        lock.strangers.pop(slot, None)
        former = lock.slots.pop(slot, None)
        if lock.believed.pop(slot, None) is not None:
            lock.cleared[slot] = at
        if former is not None:
            lock.stray.pop(former, None)
        self._wear(at, device_id)

    def schedule(self, at: int, device_id: str, slot: int, *, urgent: bool, entries: int) -> None:
        """`entries`: how many schedules the code in this slot takes, written one by one."""
        self._touches(at, device_id, slot)
        self._wear(at, device_id)
        lock = self.lock(device_id)
        digits = lock.slots.get(slot)
        if lock.doubled(at, slot, "schedule") or digits is None or urgent:
            return  # what is left after an erase opens nothing
        most = self._promise.writes_per_day * entries
        self._limit(self._schedules, most, at, device_id, digits, "its schedules were written")

    def changed(self, credential_id: str, digits: str) -> None:
        """Another order: its writes are not identical to those before.

        A lock may accept its digits and keep those of the order before; then its schedules lie
        behind these, and are counted there.
        """
        for counter in (self._of_code, self._schedules):
            for key in [key for key in counter if key[1] == digits]:
                del counter[key]
        for key in list(self._schedules):
            device_id, former, _ = key
            if credential_id in self._owners(device_id, former):
                del self._schedules[key]

    def _touches(self, at: int, device_id: str, slot: int) -> None:
        stranger = self.lock(device_id).strangers.get(slot)
        if stranger is None:
            return
        if stranger.over or at - stranger.since <= self._promise.t_ms:
            self._figures.excused["stranger_in_our_slot"] += 1
            return
        if self._owners(device_id, stranger.digits):
            # Whoever keyed it in brought back a code of ours, for which the gateway answers.
            self._figures.excused["stranger_with_our_digits"] += 1
            return
        words = f"slot {slot} was written although it holds an unmanaged code"
        self._violate(at, "UNMANAGED", device_id, None, words)

    def _limit(
        self,
        counter: Counter[tuple[str, str, int]],
        most: int,
        at: int,
        device_id: str,
        digits: str,
        what: str,
    ) -> int:
        key = device_id, digits, at // DAY_MS
        counter[key] += 1
        if counter[key] == most + 1:
            who = ",".join(self._owners(device_id, digits)) or None
            self._violate(at, "BUDGET", device_id, who, f"{what} {most + 1} times in one day")
        return counter[key]

    def asked(self, at: int, device_id: str, slot: int) -> None:
        """The lock was asked to store a code there, whether it did or not."""
        tries = self._tries.setdefault((device_id, slot), deque())
        if tries and tries[-1] == at:
            return  # one order, which the air doubled
        tries.append(at)
        while at - tries[0] > ROW_MS:
            tries.popleft()
        if len(tries) == self._promise.tries_in_a_row + 1:
            words = f"slot {slot} was written {len(tries)} times in ten minutes"
            self._violate(at, "BUDGET", device_id, None, words)
            tries.clear()

    def _wear(self, at: int, device_id: str) -> None:
        self._figures.writes += 1
        key = device_id, at // DAY_MS
        self._of_lock[key] += 1
        count, most = self._of_lock[key], self._promise.battery_writes_per_day
        self._figures.writes_of_a_lock_max = max(self._figures.writes_of_a_lock_max, count)
        if most is not None and count == most + 1:
            self._violate(at, "BUDGET", device_id, None, f"{count} writes to this lock in one day")

    # ── somebody else does ──────────────────────────────────────────────────────────────

    def tamper(
        self,
        at: int,
        device_id: str,
        slot: int | None,
        how: str,
        digits: str | None,
        able_since: int | None,
    ) -> None:
        """`slot` None: all of them. `able_since`: when the gateway could last not work on this
        lock, or write down what it had done. ValueError for a way that is not known."""
        lock = self.lock(device_id)
        slots = [slot] if slot is not None else sorted({*lock.slots, *lock.believed})
        lock.tampered = lock.tampered or how not in UNAPPLIED
        excuse = Excuse(at, how)
        if how in SET:
            if slot is None or digits is None:
                raise ValueError(f"{how} needs a slot and its digits")
            self._forget(lock, slots, excuse)
            lock.slots[slot] = digits
            lock.ever[digits] = None
            over = slot in lock.believed
            if slot in lock.cleared:
                # The answer to its erase may be lost or not written down: it passes for ours.
                known_by = (
                    max(lock.cleared[slot], at if able_since is None else able_since)
                    + self._promise.t_ms
                )
                over = over or at < known_by
            lock.strangers[slot] = Stranger(digits, at, over=over)
        elif how in ERASED:
            self._forget(lock, slots, excuse)
        elif how in UNAPPLIED | MISTIMED:
            for touched in slots:
                for known in (lock.slots.get(touched), lock.believed.get(touched), digits):
                    if known is not None:
                        lock.lost[known] = lock.stray[known] = excuse
                stranger = lock.strangers.get(touched)
                if stranger is not None and stranger.since == at:
                    # Keyed in where ours was to be, before anybody looked: it passes for ours.
                    stranger.over = True
        else:
            raise ValueError(f"nobody knows what {how!r} does to a lock")

    @staticmethod
    def _forget(lock: _Lock, slots: list[int], excuse: Excuse) -> None:
        for slot in slots:
            lock.strangers.pop(slot, None)
            for known in (lock.slots.pop(slot, None), lock.believed.get(slot)):
                if known is not None:
                    lock.lost[known] = excuse

    def rejoined(self, at: int, device_id: str) -> None:
        """The gateway was told that nothing it knew of this lock's memory need be true."""
        lost = self.lock(device_id).lost
        for digits, excuse in lost.items():
            lost[digits] = Excuse(at, excuse.how, 2 * self._promise.t_ms)

    # ── questions ───────────────────────────────────────────────────────────────────────

    def is_strangers(self, device_id: str, digits: str) -> bool:
        return any(s.digits == digits for s in self.lock(device_id).strangers.values())

    def full(self, device_id: str, facts: Lock) -> bool:
        """Whether every slot that a gateway may use is taken, or was by its own writes."""
        lock = self.lock(device_id)
        taken = {*lock.slots, *lock.believed}
        if facts.numbers is not None:
            taken &= facts.numbers
        return facts.slots is not None and len(taken) >= facts.slots

    def digits_in(self, device_id: str, slot: int) -> str | None:
        return self.lock(device_id).slots.get(slot)

    def holds(self, device_id: str, digits: str) -> bool:
        """Whoever put them there."""
        return digits in self.lock(device_id).slots.values()

    def gone(self, at: int, device_id: str, codes: Mapping[int, str]) -> Iterator[str]:
        """Unmanaged codes that are not there any more, in words."""
        for slot, stranger in sorted(self.lock(device_id).strangers.items()):
            if codes.get(slot) == stranger.digits:
                continue
            if stranger.over or at - stranger.since <= self._promise.t_ms:
                self._figures.excused["stranger_in_our_slot"] += 1
            elif self._owners(device_id, stranger.digits):
                self._figures.excused["stranger_with_our_digits"] += 1
            else:
                yield f"the unmanaged code in slot {slot} is gone"


def excused(excuse: Excuse | None, at: int, reach: int | None, notices_ms: int | None) -> bool:
    """Whether the gateway need not have found out yet."""
    if excuse is None:
        return False
    within = notices_ms if excuse.within is None else excuse.within
    if within is None or reach is None:
        return True
    return at - max(excuse.since, reach) <= within
