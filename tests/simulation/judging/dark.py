"""What holds for a gateway that nobody tells the time, after a start without a network.

LATE there: it knows at least how long it has had power since it first knew the time, but for what
it had not written down when the power went; codes that were over by then go. UNAVAILABLE there:
what its machine's clock shows is no reason to take anybody off a lock. CLOCK: nor to set a lock's.
Not here: a gateway that knows the time, or was lied to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.judging.conditions import Conditions
    from tests.simulation.judging.orders import Grant
    from tests.simulation.judging.watch import Watch

    Violate = Callable[[int, str, str | None, str | None, str], None]

FORGOTTEN_MS: Final = 360_000
"""The floor is written every five minutes, at a look each half minute."""
SETTLED_MS: Final = 180_000
"""From the first word about the time until it is a floor."""
SLOW: Final = 2e-4
"""A crystal's error, twice."""
HONEST_MS: Final = 5_000
"""No lie is smaller, and no battery-backed clock worse, in a few hours."""
CLOCK_MS: Final = 120_000
"""A lock's clock that was just set may be wrong by so much, beside the gateway's own error."""


class Floor:
    """The time that it is at least, as a gateway must know it. It is void from the first lie on."""

    def __init__(self) -> None:
        self._value: int | None = None
        self._since: int | None = None
        """The power; None while there is none."""
        self._set_at: int | None = None
        self._full_at: int | None = None
        self._void = False

    @property
    def value(self) -> tuple[int, int] | None:
        """What it was, and when: it rises since. None while there is none."""
        if self._void or self._value is None or self._since is None:
            return None
        return self._value, self._since

    def power(self, at: int, *, on: bool) -> None:
        if on:
            self._since = at
            return
        if self._set_at is not None and at - self._set_at < SETTLED_MS:
            self._value = None
        elif self._value is not None and self._since is not None:
            end = at if self._full_at is None else max(self._since, min(at, self._full_at))
            risen = self._value + round((end - self._since) * (1 - SLOW))
            self._value = max(self._value, risen - FORGOTTEN_MS)
        self._since = self._set_at = None

    def disk(self, at: int, *, good: bool) -> None:
        if good:
            self._full_at = None
        elif self._full_at is None:
            self._full_at = at

    def time(self, at: int, *, proven: bool, error_ms: int) -> None:
        if not proven and abs(error_ms) > HONEST_MS:
            self._void = True
        elif proven and self._value is None and self._since is not None and self._full_at is None:
            self._value, self._since, self._set_at = at - HONEST_MS, at, at


def passes(floor: tuple[int, int], instant: int) -> int:
    """From when on the floor is at `instant` or after it."""
    value, since = floor
    return since + max(0, round((instant - value) * (1 + 2 * SLOW)))


class Guesses:
    """`power`, and `wrote` and `cleared` before the memory is told.

    To be asked to store a code counts as `wrote`: a lock that says no to the digits it has in that
    very slot is rid of them first.
    """

    def __init__(self, watch: Watch, conditions: Conditions, violate: Violate) -> None:
        self._watch = watch
        self._conditions = conditions
        self._violate = violate
        self._touched: set[tuple[str, int]] = set()
        """Slots that the gateway has written to in this life."""

    def power(self) -> None:
        self._touched.clear()

    def wrote(self, device_id: str, slot: int) -> None:
        self._touched.add((device_id, slot))

    def cleared(self, at: int, device_id: str, slot: int) -> None:
        """Its own unproven write a gateway may take back at any time."""
        conditions, memory = self._conditions, self._watch.memory.lock(device_id)
        unknown = conditions.time_since is None and conditions.error_now(at) <= HONEST_MS
        digits = memory.slots.get(slot)
        if not unknown or digits is None or (device_id, slot) in self._touched:
            return
        pair = self._watch.pairs.get(device_id, {}).get(digits)
        if pair is None or len(pair.grants) != 1 or slot in memory.strangers:
            return
        if digits in memory.lost or digits in memory.stray:
            return
        (grant,) = pair.grants
        if _valid(grant, digits, at):
            words = "a valid code was taken off the lock by a time that nobody proved"
            self._violate(at, "UNAVAILABLE", device_id, pair.owners, words)

    def clock_set(self, at: int, device_id: str, error_ms: int) -> None:
        """By the gateway, over the radio."""
        most = CLOCK_MS + self._conditions.error(at) + self._conditions.error_now(at)
        if abs(error_ms) > most:
            words = f"the lock's clock was set, and is wrong by {error_ms // 1000} s"
            self._violate(at, "CLOCK", device_id, None, words)


def _valid(grant: Grant, digits: str, at: int) -> bool:
    """By every order that may be in force, and by far."""
    if grant.credential.doubtful:
        return False
    for order in grant.orders:
        if order.digits != digits or order.calendar is None or order.used_up_at is not None:
            return False
        span = order.calendar.latest(at)
        if span is None or not span.opens + SETTLED_MS <= at < span.closes - SETTLED_MS:
            return False
    return True
