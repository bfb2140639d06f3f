"""Which of a message's removals wait for an explicit word. Pure.

A grant is counted only while its window is not over: clearing away past guests is no removal.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gateway.domain.ids import DeviceId
from gateway.domain.schedule import Removal, removals_to_hold
from gateway.domain.windows import Always, Recurring, Timed, Window, ended, span_from

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.domain.instant import Instant
    from gateway.store.staging import StagedChange
    from gateway.store.withhold import InForce


def held_changes(
    changes: Iterable[StagedChange], in_force: Iterable[InForce], now: Instant
) -> list[StagedChange]:
    """The changes that take something away, on the devices where they take too much."""
    taking = [change for change in changes if takes_away(change, now)]
    total = Counter(grant.device_id for grant in in_force if not ended(grant.window, now))
    devices = removals_to_hold(
        [Removal(x.credential_id, x.device_id, _open(x.window, now)) for x in taking],
        dict[DeviceId, int](total),
    )
    return [change for change in taking if change.device_id in devices]


def takes_away(change: StagedChange, now: Instant) -> bool:
    if ended(change.window, now):
        return False
    return (
        change.gone
        or change.digits_changed
        or change.paused
        or (change.new_window is not None and shortened(change.window, change.new_window))
    )


def shortened(old: Window, new: Window) -> bool:
    """Whether some instant of `old` may be missing from `new`. In doubt, yes."""
    match old, new:
        case _ if old == new:
            return False
        case _, Always():
            return False
        case Timed(opens, closes), Timed(new_opens, new_closes):
            return new_opens > opens or new_closes < closes
        case Recurring(), Recurring():
            return (
                old.zone != new.zone
                or not set(old.rules) <= set(new.rules)
                or _later(new.not_before, old.not_before)
                or _earlier(new.not_after, old.not_after)
            )
        case _:
            return True


def _later(new: Instant | None, old: Instant | None) -> bool:
    return new is not None and (old is None or new > old)


def _earlier(new: Instant | None, old: Instant | None) -> bool:
    return new is not None and (old is None or new < old)


def _open(window: Window, now: Instant) -> bool:
    span = span_from(window, now)
    return span is not None and span.holds(now)
