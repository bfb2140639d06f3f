"""What one device instance can do, with its limits, as data.

Flags have three values: True (works now), False (the device has it, but not at the moment), and
None (never). The names are Seam's where Seam has a word.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CodeLimits:
    """Constraints on `pin` credentials. Slots are numbered from 1 upwards, above the driver.

    `forbidden_digits`: those that the keypad lacks. `forbidden_prefixes`: no code begins so.
    """

    slots: int
    min_length: int = 4
    max_length: int = 8
    numeric_only: bool = True
    forbidden_digits: str = ""
    forbidden_prefixes: tuple[str, ...] = ()
    reserved_slots: frozenset[int] = frozenset()
    reads_back_digits: bool = False
    reads_back_occupancy: bool = True
    prefix_match: bool = False
    refuses_duplicates: bool = True


@dataclass(frozen=True, slots=True)
class ScheduleSupport:
    """Windows that the lock itself can keep. Counts are per user; 0 means the kind is missing.

    `granularity_s`: how often the lock looks. `edge_s`: edges of a year-day entry are whole
    multiples of it; others are rounded inwards before they are planned, or never read as asked.
    """

    week_day: int = 0
    year_day: int = 0
    granularity_s: int = 60
    edge_s: int = 1


@dataclass(frozen=True, slots=True)
class Capabilities:
    """See the module's docstring for the three values.

    `sleepy`: it hears at its own times only. `on_battery`: it hears at once, and each time costs
    it; not every slot of such a lock is looked into.
    """

    can_remotely_unlock: bool | None = None
    can_remotely_lock: bool | None = None
    can_program_online_access_codes: bool | None = None
    reports_events: bool | None = None
    reports_attribution: bool | None = None
    has_door_sensor: bool | None = None
    has_clock: bool | None = None
    keeps_log: bool | None = None
    can_enrol_cards: bool | None = None
    can_enrol_fingers: bool | None = None
    sleepy: bool = False
    on_battery: bool = False
    codes: CodeLimits | None = None
    schedules: ScheduleSupport = field(default_factory=ScheduleSupport)
