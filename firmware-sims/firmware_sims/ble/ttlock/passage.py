"""Times in which a TTLock stays open once it was opened: passage mode.

Here: one entry, its bytes and its arithmetic. Not here: command 66 (``switches``).
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import timedelta

from firmware_sims.ble.ttlock.fields import EPOCH, Error, Refused

WEEKLY, MONTHLY = 1, 2


@dataclass(frozen=True, slots=True)
class Passage:
    """As command 66 has it. ``day``: 1 Monday to 7 Sunday, or a day of the month; 0 every day.

    ``month`` 0 is every month. From 00:00 to 00:00 is the whole day (assumed).
    """

    kind: int
    day: int
    month: int
    start_hour: int
    start_minute: int
    end_hour: int
    end_minute: int

    @classmethod
    def decode(cls, data: bytes) -> Passage:
        """Seven bytes; `Refused` when they make no sense."""
        if len(data) != 7:
            raise Refused(Error.LENGTH)
        entry = cls(*data)
        sound = (
            entry.kind in (WEEKLY, MONTHLY)
            and entry.day <= (7 if entry.kind == WEEKLY else 31)
            and entry.month <= 12
            and max(entry.start_hour, entry.end_hour) < 24
            and max(entry.start_minute, entry.end_minute) < 60
        )
        if not sound:
            raise Refused(Error.INVALID_PARAMETER)
        return entry

    def encode(self) -> bytes:
        """The same seven bytes."""
        return bytes(astuple(self))

    def open_at(self, local_s: int) -> bool:
        """Whether the lock's wall clock stands inside."""
        when = EPOCH + timedelta(seconds=local_s)
        if self.month not in (0, when.month):
            return False
        if self.day not in (0, when.isoweekday() if self.kind == WEEKLY else when.day):
            return False
        minute = when.hour * 60 + when.minute
        start = self.start_hour * 60 + self.start_minute
        end = self.end_hour * 60 + self.end_minute
        return start <= minute < (end or 24 * 60)
