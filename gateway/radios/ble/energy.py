"""What speaking with each device costs its battery, day by day. Pure.

Here: connects and connected seconds by address and day, and when a budget is overrun. A budget
warns and nothing else: a code that must go is erased whatever it costs.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.radios.gatt import Budget, Usage

KEEP_DAYS = 8


class Ledger:
    """`ended` says, once for each device and day, that the budget is overrun."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._used: dict[tuple[str, int], Usage] = {}
        self._told: set[tuple[str, int]] = set()

    def ended(self, address: str, day: int, connected_s: float) -> Usage | None:
        """A connection is over. Its day's usage when this one overran the budget, else None."""
        key = address, day
        before = self.usage(address, day)
        used = replace(
            before,
            connects=before.connects + 1,
            connected_s=before.connected_s + max(0.0, connected_s),
        )
        if key not in self._used:
            self._forget_before(day - KEEP_DAYS + 1)
        self._used[key] = used
        if not used.is_over(self.budget) or key in self._told:
            return None
        self._told.add(key)
        return used

    def usage(self, address: str, day: int) -> Usage:
        return self._used.get((address, day)) or Usage(address, day)

    def usages(self, address: str) -> tuple[Usage, ...]:
        """The days that are kept and on which it was connected to, oldest first."""
        found = [used for (whose, _), used in self._used.items() if whose == address]
        return tuple(sorted(found, key=lambda used: used.day))

    def _forget_before(self, day: int) -> None:
        self._used = {key: used for key, used in self._used.items() if key[1] >= day}
        self._told = {key for key in self._told if key[1] >= day}
