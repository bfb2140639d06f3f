"""SHOWN: a code that is said to work was on its lock.

Who shows a guest that the code works had proof of it, and only the lock can give that. A state may
be old by the time it is heard; what the lock never held was never proven. Not here: codes that the
orders want and that are not there (`watch`, `converged`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.judging.memory import UNAPPLIED

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.judging.memory import Memory
    from tests.simulation.judging.orders import Orders
    from tests.simulation.judging.promise import Json

    Violate = Callable[[int, str, str | None, str | None, str], None]

SAID_TO_WORK = frozenset({"programmed", "active"})


class Shown:
    """`told` with each grant of each report, as on the wire."""

    def __init__(self, orders: Orders, memory: Memory, violate: Violate) -> None:
        self._orders = orders
        self._memory = memory
        self._violate = violate
        self._flagged: set[tuple[str, str, int]] = set()

    def told(self, at: int, grant: Json) -> None:
        if grant["state"] not in SAID_TO_WORK:
            return
        name, device = grant["credential_id"], grant["device_id"]
        credential = self._orders.credentials.get(name)
        known = credential.grants.get(device) if credential is not None else None
        key = name, device, grant["version"]
        if known is None or key in self._flagged:
            return
        lock = self._memory.lock(device)
        for order in known.orders:
            if order.version != grant["version"] or order.digits is None:
                continue
            pretended = lock.lost.get(order.digits)
            if pretended is not None and pretended.how in UNAPPLIED:
                continue  # the lock itself said so, and does not tell its digits
            if order.digits not in lock.ever:
                self._flagged.add(key)
                words = f"shown as {grant['state']}, and the lock never had this code"
                self._violate(at, "SHOWN", device, name, words)
