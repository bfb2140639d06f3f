"""What meters and sensors tell, on its way to the store: how often it is written, and what is odd.

A plug tells its power every second; each writing costs the disk. So a value is written at most once
a minute, and one that stays the same every ten; what came last within the minute is written at its
end. A state, such as open or closed, is written at once. Not here: what a device's bytes mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.events import EventType, Fact, Value
from gateway.drivers.api import Nature, Reading
from gateway.store import events, readings

if TYPE_CHECKING:
    from gateway.domain.ids import DeviceId
    from gateway.domain.instant import ClockTrust, Instant
    from gateway.kit.clock import Clock
    from gateway.store.tx import Tx

WRITTEN_AGAIN_S = 60.0
SLACK_S = 0.001
"""A timer may fire a hair before its moment: what is due within this is due."""
STILL_SO_S = 600.0
"""A value that is as it was is written no more often, so that its age stays honest."""

Heard = tuple["DeviceId", Reading, float]
"""Whose, what, and when by the monotonic clock."""


@dataclass(slots=True)
class _Told:
    """`at` monotonic. `held` waits for the minute to be over."""

    value: int
    at: float
    held: tuple[Reading, float] | None = None


class Meters:
    """Passes readings on, or holds them back; remembers one for each quantity of each device."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: dict[tuple[DeviceId, str], _Told] = {}

    def passes(self, device_id: DeviceId, reading: Reading, heard_s: float) -> bool:
        """Whether it is to be written now; else it is known already, or comes with `due`."""
        now = self._clock.monotonic()
        key = (device_id, reading.quantity)
        told = self._told.get(key)
        if told is not None:
            told.held = None
            pause_s = STILL_SO_S if reading.value == told.value else WRITTEN_AGAIN_S
            changed_state = reading.nature is Nature.STATE and reading.value != told.value
            if now - told.at < pause_s and not changed_state:
                if reading.value != told.value:
                    told.held = (reading, heard_s)
                return False
        self._told[key] = _Told(reading.value, now)
        return True

    def due(self) -> list[Heard]:
        """What was held back long enough."""
        now = self._clock.monotonic()
        found: list[Heard] = []
        for (device_id, _), told in self._told.items():
            if told.held is not None and now + SLACK_S >= told.at + WRITTEN_AGAIN_S:
                reading, heard_s = told.held
                told.value, told.at, told.held = reading.value, now, None
                found.append((device_id, reading, heard_s))
        return found

    def wait_s(self) -> float | None:
        """Seconds until something is due; None: nothing is held back."""
        now = self._clock.monotonic()
        waits = [told.at + WRITTEN_AGAIN_S - now for told in self._told.values() if told.held]
        return max(0.0, min(waits)) if waits else None


def write(tx: Tx, device_id: DeviceId, reading: Reading, at: Instant, trust: ClockTrust) -> None:
    """The latest of its quantity. A counter that fell was changed, reset, or is another one."""
    before = tx.one(readings.reading(device_id, reading.quantity))
    if (
        before is not None
        and reading.nature is Nature.COUNTER
        and before.unit == reading.unit
        and reading.value < before.value
    ):
        body: dict[str, Value] = {
            "quantity": reading.quantity,
            "unit": reading.unit,
            "before": before.value,
            "after": reading.value,
        }
        fact = Fact(EventType.METER_RESET_SUSPECTED, at, device_id, body=body)
        events.append(tx, fact, trust)
    readings.put(
        tx, readings.ReadingRow(device_id, reading.quantity, reading.value, reading.unit, at)
    )
