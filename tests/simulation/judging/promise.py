"""What the judge is told beforehand and afterwards, and what it says: plain data, no rules.

All instants are true time in Unix milliseconds, durations milliseconds unless they end in `_s`.
Nothing that leaves the judge holds digits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

Json = Mapping[str, Any]

DOOR_KINDS: Final = ("access.denied", "lock.locked", "lock.unlocked")
NUMBERS: Final = frozenset(
    [
        "at",
        "broker",
        "bytes",
        "change",
        "count",
        "error_ms",
        "ms",
        "number",
        "offset_s",
        "revision",
        "seconds",
        "seq",
        "slot",
        "wall_error_s",
    ]
)


@dataclass(frozen=True, slots=True)
class Promise:
    """The product's promises in numbers."""

    t_ms: int = 180_000
    """T: from the end of a code, or its beginning, under good conditions, to what the door does."""
    lead_s: float = 300.0
    granularity_ms: int = 60_000
    """Locks count whole minutes in weekly rules."""
    blink_ms: int = 30_000
    """How long a code that worked may not work while it is written anew."""
    write_ahead_s: float = 14 * 86_400.0
    """How far ahead a code may lie on a lock that keeps windows itself."""
    writes_per_day: int = 10
    """Identical writes of a code whose window is not open, and of its schedules, for each lock."""
    tries_in_a_row: int = 25
    """Of writing one slot, within ten minutes: whoever comes to the door wakes the lock, and each
    start of the gateway begins anew."""
    battery_writes_per_day: int | None = None
    """All writes to one battery lock; None: not judged."""
    commit_ms: int = 5_000
    """A fact this old is on the disk, unless the disk is full."""
    command_ms: int = 15_000
    """How long after its `not_after` a command begun in time may still act."""
    room_ms: int = 600_000
    """How long a gateway may go without finding a slot that is free."""
    one_for_copies: bool = False
    """Whether a frame that the air delivers twice is one event; else one for each is allowed."""
    door_kinds: tuple[str, ...] = DOOR_KINDS
    """Events in a ledger that nothing but a lock's frame may cause."""
    secret_length: int = 4
    """Shorter digits are not looked for: they would be found in any text."""
    numbers: frozenset[str] = NUMBERS
    """`name=1234` is no secret for these names in a trace."""


@dataclass(frozen=True, slots=True)
class Lock:
    """What is known of one lock's kind."""

    slots: int | None = None
    """Slots a gateway may use; None: unknown, and lack of room is believed."""
    numbers: frozenset[int] | None = None
    """Which they are, as the lock counts; a code in any other takes no room. None: any."""
    lengths: tuple[int, int] = (1, 99)
    """Shortest and longest digits it takes."""
    battery: bool = True
    keeps_windows: bool = False
    clock_ms: int = 0
    """How wrong the lock's own clock may be."""
    notices_ms: int | None = None
    """Within this time of good conditions the gateway finds out what was changed behind its back;
    None: it need not, until it next has work there."""
    reads_back: bool = True
    """Its digits can always be read: a write that it only says it did is found out at once."""


class Violation(NamedTuple):
    at: int
    rule: str
    device: str | None
    credential: str | None
    """Several, joined with commas, where digits were shared."""
    sentence: str


@dataclass(slots=True)
class Figures:
    """What was looked at. `excused`: samples by reason, not counted as available or not."""

    inspections: int = 0
    looks: int = 0
    """One code at one door."""
    samples: int = 0
    """Looks at which a code had to open."""
    opened: int = 0
    typed: int = 0
    typed_opened: int = 0
    typed_refused_though_valid: int = 0
    early_max_ms: int = 0
    late_max_ms: int = 0
    """Beyond the end and the return of good conditions; up to T it is allowed."""
    unlocks: int = 0
    writes: int = 0
    writes_of_a_code_max: int = 0
    writes_of_a_lock_max: int = 0
    events: int = 0
    events_lost_at_cuts: int = 0
    events_of_copies: int = 0
    unanswered_commands: int = 0
    scanned: int = 0
    excused: Counter[str] = field(default_factory=Counter)

    @property
    def availability(self) -> float:
        """Percent."""
        return 100.0 * self.opened / self.samples if self.samples else 100.0

    def numbers(self) -> dict[str, float]:
        plain = {name: float(getattr(self, name)) for name in self.__slots__ if name != "excused"}
        excuses = {f"excused.{why}": float(n) for why, n in sorted(self.excused.items())}
        return plain | {"availability": self.availability} | excuses


class Delivered(NamedTuple):
    """A lock's frame that a radio of a living gateway passed on. `kind`: as in docs/events.md.

    `copies`: how often the air delivered it. `slot`: as the gateway counts; None: not told.
    """

    at: int
    device: str
    kind: str
    slot: int | None
    copies: int = 1


@dataclass(frozen=True, slots=True)
class Findings:
    """The world after healing."""

    codes: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    """What each lock's memory holds: device, slot, digits; disabled ones too."""
    ledgers: Mapping[str, Mapping[int, Json]] = field(default_factory=dict)
    """Epoch, number, event as the cloud stored it."""
    heads: Mapping[str, int] = field(default_factory=dict)
    """By epoch: the highest number the gateway spoke of; where missing, the highest that came."""
    conflicts: Sequence[str] = ()
    """What the cloud saw and no gateway may ever say, in words."""
    delivered: Sequence[Delivered] = ()
    frames: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """When something that the gateway sent reached a lock, in order; by device, None: not known."""
    answers: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    """By command: every `result` that came, as it came."""
