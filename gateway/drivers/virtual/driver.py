"""`VirtualLock`: what the protocols of `drivers.api` ask for, without any radio.

It keeps windows itself, refuses duplicates and a fifth of a kind, and can be asked at the door.
Not here: faults and delays (the simulated firmware has those).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.actions import Confirmed, Outcome, Refused
from gateway.domain.capabilities import Capabilities, CodeLimits, ScheduleSupport
from gateway.domain.devices import Evidence, LockClock, LockSchedule, WeekDay, YearDay
from gateway.domain.instant import Instant, to_datetime
from gateway.domain.windows import zone_info
from gateway.drivers.api import DeviceEvent, DriverInfo, SlotReading, SlotUse, WriteResult
from gateway.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.domain.secret import Secret
    from gateway.radios.api import RadioEvent

PER_USER = 4
_PROVEN = Confirmed(frozenset({Evidence.ACKNOWLEDGED, Evidence.READ_BACK}))


@dataclass(slots=True)
class _Code:
    digits: Secret
    schedules: tuple[LockSchedule, ...]


class VirtualLock:
    """A lock without a lock."""

    info = DriverInfo(driver="virtual", manufacturer="lock-gateway", model="virtual lock")

    def __init__(self, site_zone: str, slots: int = 10) -> None:
        self._zone = zone_info(site_zone)
        self._slots = slots
        self._codes: dict[int, _Code] = {}
        self._clock_error_ms = 0
        self.locked = True

    def restore(self, capabilities: Capabilities) -> None:
        """It knows itself."""

    async def interview(self, *, deadline_s: float) -> Capabilities:
        return Capabilities(
            can_remotely_unlock=True,
            can_remotely_lock=True,
            can_program_online_access_codes=True,
            has_clock=True,
            codes=CodeLimits(slots=self._slots, reads_back_digits=True),
            schedules=ScheduleSupport(week_day=PER_USER, year_day=PER_USER),
        )

    def translate(self, event: RadioEvent) -> Sequence[DeviceEvent]:
        return ()

    async def read_slot(self, slot: int, *, deadline_s: float) -> SlotReading:
        return self._reading(slot)

    async def program(
        self,
        slot: int,
        digits: Secret,
        schedules: tuple[LockSchedule, ...],
        *,
        deadline_s: float,
        overwrite: bool = False,
    ) -> WriteResult:
        refusal = self._objection(slot, digits, schedules, overwrite=overwrite)
        if refusal is not None:
            return WriteResult(Refused(refusal), self._reading(slot))
        self._codes[slot] = _Code(digits, schedules)
        return WriteResult(_PROVEN, self._reading(slot))

    async def reschedule(
        self, slot: int, schedules: tuple[LockSchedule, ...], *, deadline_s: float
    ) -> WriteResult:
        code = self._codes.get(slot)
        if code is None:
            return WriteResult(Refused(Refusal.INVALID), self._reading(slot))
        if not schedules or _kinds(schedules) != _kinds(code.schedules):
            return WriteResult(Refused(Refusal.UNSUPPORTED), self._reading(slot))
        code.schedules = schedules
        return WriteResult(_PROVEN, self._reading(slot))

    async def erase(self, slot: int, *, deadline_s: float) -> WriteResult:
        self._codes.pop(slot, None)
        return WriteResult(_PROVEN, self._reading(slot))

    async def unlock(self, *, deadline_s: float) -> Outcome:
        self.locked = False
        return Confirmed(frozenset({Evidence.ACKNOWLEDGED}))

    async def lock(self, *, deadline_s: float) -> Outcome:
        self.locked = True
        return Confirmed(frozenset({Evidence.ACKNOWLEDGED}))

    async def read_clock(self, now: Instant, *, deadline_s: float) -> LockClock:
        return LockClock(self._clock_error_ms, 0, now, zone_proven=True)

    async def set_clock(self, now: Instant, *, deadline_s: float) -> LockClock:
        self._clock_error_ms = 0
        return await self.read_clock(now, deadline_s=deadline_s)

    # ── at the door ─────────────────────────────────────────────────────────────────────────

    def opens(self, digits: Secret, at: Instant) -> bool:
        """Whether these digits open it at that time by its own clock."""
        own = Instant(at + self._clock_error_ms)
        return any(
            code.digits == digits
            and (not code.schedules or any(self._holds(entry, own) for entry in code.schedules))
            for code in self._codes.values()
        )

    def skew(self, milliseconds: int) -> None:
        """Put its clock wrong."""
        self._clock_error_ms += milliseconds

    # ── inside ──────────────────────────────────────────────────────────────────────────────

    def _holds(self, schedule: LockSchedule, at: Instant) -> bool:
        if isinstance(schedule, YearDay):
            return schedule.opens_at <= at < schedule.closes_at
        wall = to_datetime(at).astimezone(self._zone)
        minute = wall.hour * 60 + wall.minute
        return (
            wall.isoweekday() in schedule.weekdays
            and schedule.start_minute <= minute < schedule.end_minute
        )

    def _objection(
        self, slot: int, digits: Secret, schedules: tuple[LockSchedule, ...], *, overwrite: bool
    ) -> Refusal | None:
        if not 1 <= slot <= self._slots or (slot in self._codes and not overwrite):
            return Refusal.INVALID
        if not 4 <= len(digits) <= 8:
            return Refusal.LENGTH
        if len(_kinds(schedules)) > 1:
            return Refusal.INVALID
        if len(schedules) > PER_USER:
            return Refusal.UNSUPPORTED
        others = (code.digits for number, code in self._codes.items() if number != slot)
        return Refusal.DUPLICATE if digits in others else None

    def _reading(self, slot: int) -> SlotReading:
        code = self._codes.get(slot)
        if code is None:
            return SlotReading(slot, SlotUse.AVAILABLE)
        schedules = code.schedules or None
        return SlotReading(slot, SlotUse.ENABLED, code.digits, bool(schedules), schedules)


def _kinds(schedules: tuple[LockSchedule, ...]) -> set[type[YearDay] | type[WeekDay]]:
    return {type(schedule) for schedule in schedules}
