"""Alarms that nobody had a reason for: LATE.

An erase is told as overdue when a lock does not do its part. That the gateway forgot it for a while
and its alarm reminded it is a defect of its own, and wakes people for nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from tests.simulation.windows import instant

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.judging.conditions import Conditions
    from tests.simulation.judging.promise import Findings, Promise

    Violate = Callable[[int, str, str | None, str | None, str], None]

ERROR_MS: Final = 2_000
"""Of the clock by which an event is stamped, while its time is proven."""


def alarms(promise: Promise, conditions: Conditions, violate: Violate, findings: Findings) -> None:
    """An overdue erase of which its lock heard nothing, though it could have all the time."""
    for ledger in findings.ledgers.values():
        for _, event in sorted(ledger.items()):
            if event["type"] != "credential.erase_overdue" or event.get("trust") != "trusted":
                continue
            device, due, at = event["device_id"], event["body"]["due_at_ms"], instant(event["at"])
            frames = findings.frames.get(device)
            if frames is None or not conditions.good_throughout(device, due - promise.t_ms, at):
                continue
            if conditions.misdated(at):
                continue  # what held at that time held at another than that of the alarm
            index = bisect_left(frames, due - ERROR_MS)
            if index == len(frames) or frames[index] >= at - ERROR_MS:
                words = "an erase was told as overdue that was never tried"
                violate(at, "LATE", device, event.get("credential_id"), words)
