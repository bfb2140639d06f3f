"""What is known of a lock model beforehand; the values come from `quirks.toml`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Deviations of one model; the defaults are the specification's, or the careful choice.

    `slot_offset`: what the lock calls our slot 1 is `1 + slot_offset`. `slots` stands in for a
    lock that does not tell its number of PIN users. `slow_s`: what one command may take. Without
    `keeps_schedules` the lock's own claim to keep them is not believed. `reads_back_digits`
    overrides what the lock says of sending PINs over the air.
    """

    names: tuple[str, ...] = ()
    slot_offset: int = 0
    slots: int = 0
    reserved_slots: frozenset[int] = frozenset()
    endpoint: int | None = None
    first_schedule: int = 0
    keeps_schedules: bool = True
    battery_full_at_100: bool = False
    byte_swapped_user_id: bool = False
    slow_s: float = 0.0
    sends_pin_over_the_air: bool = False
    reads_back_digits: bool | None = None
