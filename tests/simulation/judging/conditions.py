"""Power, link, radio, disk and time: since when each is good, and the clock's error.

A condition that is bad has no `since`. Power, link and time are bad until told; radio and disk are
good. Not here: what follows from it for a code.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from tests.simulation.judging.dark import Floor
from tests.simulation.windows import EVER, NEVER


class Conditions:
    """`stamp` changes with every change, so that what was derived can be kept until then."""

    def __init__(self, t_ms: int) -> None:
        self._t_ms: Final = t_ms
        self.stamp = 0
        self._power: int | None = None
        self._link: int | None = None
        self._disk: int | None = NEVER
        self._stick: int | None = NEVER
        self._radio: dict[str, int | None] = {}
        self._time: int | None = None
        self._times: list[tuple[int, bool, int]] = [(NEVER, False, 0)]
        self._worst_error = 0
        self.cuts: list[int] = []
        self._turns: dict[str, list[tuple[int, bool]]] = {}
        """By what turned good or bad, when."""
        self.floor = Floor()
        self._full: list[list[int]] = []
        """Stretches without room on the disk."""

    def device(self, device_id: str) -> None:
        """There is such a lock."""
        self._radio.setdefault(device_id, NEVER)

    # ── changes ─────────────────────────────────────────────────────────────────────────

    def power(self, at: int, *, on: bool) -> None:
        if not on and self._power is not None:
            self.cuts.append(at)
        self.stamp += 1
        self._power = self._turned("power", self._power, at, good=on)
        self.floor.power(at, on=on)

    def link(self, at: int, *, good: bool) -> None:
        self.stamp += 1
        self._link = _turn(self._link, at, good=good)

    def disk(self, at: int, *, good: bool) -> None:
        if not good and self._disk is not None:
            self._full.append([at, EVER])
        if good and self._disk is None:
            self._full[-1][1] = at
        self.stamp += 1
        self._disk = self._turned("disk", self._disk, at, good=good)
        self.floor.disk(at, good=good)

    def radio(self, at: int, device_id: str | None, *, good: bool) -> None:
        self.stamp += 1
        if device_id is None:
            self._stick = self._turned("stick", self._stick, at, good=good)
        else:
            self.device(device_id)
            known = self._radio[device_id]
            self._radio[device_id] = self._turned(device_id, known, at, good=good)

    def time(self, at: int, *, proven: bool, error_ms: int) -> None:
        self.stamp += 1
        error = abs(error_ms)
        self._time = self._turned("time", self._time, at, good=proven)
        self.floor.time(at, proven=proven, error_ms=error)
        self._times.append((at, proven, error))
        self._worst_error = max(self._worst_error, error)

    # ── questions ───────────────────────────────────────────────────────────────────────

    def reach(self, device_id: str) -> int | None:
        """Since when the gateway could work on this lock."""
        return _all(self._power, self._disk, self._stick, self._radio.get(device_id, NEVER))

    def erases(self, device_id: str) -> int | None:
        """Since when the gateway could take codes off this lock whose time is over: for that it
        needs no room on the disk, unless it started without any."""
        full = self._full[-1] if self._full else None
        started_full = (
            full is not None and self._power is not None and full[0] <= self._power <= full[1]
        )
        disk = self._disk if started_full else NEVER
        return _all(self._power, disk, self._stick, self._radio.get(device_id, NEVER))

    def hearing(self) -> int | None:
        """Since when orders could reach the gateway."""
        return _all(self._power, self._disk, self._link)

    @property
    def time_since(self) -> int | None:
        """Since when the gateway knows the time."""
        return self._time

    def error(self, at: int) -> int:
        """The worst error of the clock whose doings could not be undone within T. What bad
        conditions kept from being undone has T from their end anyway."""
        return self.error_since(at - self._t_ms) if self._worst_error else 0

    def error_now(self, at: int) -> int:
        """The same, for what is done at this moment."""
        return self._times[self._index(at)][2]

    def error_since(self, begin: int) -> int:
        return max(error for _, _, error in self._times[self._index(begin) :])

    def misdated(self, at: int) -> bool:
        """Whether a gateway that was lied to may have written `at` when it was another time."""
        ends = [begin for begin, _, _ in self._times[1:]] + [EVER]
        return any(
            error and not proven and begin - error <= at <= end + error
            for (begin, proven, error), end in zip(self._times, ends, strict=True)
        )

    def proven_at(self, at: int) -> bool:
        return self._times[self._index(at)][1]

    def good_throughout(self, device_id: str, begin: int, end: int) -> bool:
        """Whether nothing kept the gateway from its work on this lock, not even for an instant."""
        for name in ("power", "disk", "stick", "time", device_id):
            turns = self._turns.get(name, [])
            index = bisect_right(turns, begin, key=lambda turn: turn[0])
            before = turns[index - 1][1] if index else name not in {"power", "time"}
            if not before or any(not good for at, good in turns[index:] if at <= end):
                return False
        return True

    def may_be_lost(self, at: int, commit_ms: int) -> bool:
        """Whether what was heard at `at` may not have been on the disk when the power went."""
        safe = at + commit_ms
        for begin, end in self._full:
            if begin <= safe and at <= end:
                safe = max(safe, end + commit_ms)
        return any(at <= cut <= safe for cut in self.cuts)

    def _turned(self, name: str, since: int | None, at: int, *, good: bool) -> int | None:
        if good is (since is None):
            self._turns.setdefault(name, []).append((at, good))
        return _turn(since, at, good=good)

    def _index(self, at: int) -> int:
        return bisect_right(self._times, at, key=lambda entry: entry[0]) - 1


def _turn(since: int | None, at: int, *, good: bool) -> int | None:
    if not good:
        return None
    return at if since is None else since


def _all(*since: int | None) -> int | None:
    latest = NEVER
    for one in since:
        if one is None:
            return None
        latest = max(latest, one)
    return latest
