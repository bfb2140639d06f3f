"""A lock as firmware behaves: slots, refusals, windows of its own, and faults that tests order.

Here: the memory of the lock and the driver that talks to it. Not here: any belief of the gateway.
`SimLock.opens` is the witness of every flow: type a code now, does the door open?
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from gateway.domain.actions import Confirmed, Outcome, Refused, Unconfirmed
from gateway.domain.capabilities import Capabilities, CodeLimits, ScheduleSupport
from gateway.domain.devices import Evidence, LockClock, LockSchedule, YearDay
from gateway.domain.instant import Instant, to_datetime
from gateway.domain.secret import Secret
from gateway.drivers.api import (
    DeviceEvent,
    DriverInfo,
    SlotReading,
    SlotUse,
    WriteResult,
)
from gateway.errors import DeviceRefused, OutcomeUnknown, Refusal, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.kit.clock import Clock
    from gateway.radios.api import RadioEvent

ACK = Confirmed(frozenset({Evidence.ACKNOWLEDGED}))
PROVEN = Confirmed(frozenset({Evidence.ACKNOWLEDGED, Evidence.READ_BACK}))


@dataclass(frozen=True, slots=True)
class Code:
    digits: str
    schedules: tuple[LockSchedule, ...] = ()


@dataclass(frozen=True, slots=True)
class Spoken:
    """One conversation the lock had. `digits` of a write."""

    at: Instant
    what: str
    slot: int = 0
    digits: str = ""


SLOW_MS = 2_000


@dataclass
class SimLock:
    """`faults`: (operation, fault) pairs, each used once by the next such operation.

    Faults: `answer_lost` (done, no answer), `not_delivered`, `ack_only` (acknowledged, not done),
    `slow` (acknowledged, read back as empty, done `SLOW_MS` later), `not_done` (no answer either),
    `doubled` (done, and the answer is that to a copy of the order), `defect` (of our own driver),
    `say:<refusal>`. `unreachable`, `masked` and `stubborn` (what is erased stays) last until
    changed, as does `poison`: digits that the driver cannot write for a defect of ours. `stiff`:
    schedules stay what they were when their code was written.
    `own_duplicates`: digits are refused as a duplicate also in the slot where they are.
    """

    clock: Clock
    zone: str = "Europe/Berlin"
    slots: int = 10
    keeps_windows: bool = False
    sleepy: bool = False
    masked: bool = False
    stubborn: bool = False
    stiff: bool = False
    own_duplicates: bool = False
    poison: str = ""
    unreachable: bool = False
    delay_s: float = 0.0
    error_ms: int = 0
    holds: dict[int, Code] = field(default_factory=dict)
    faults: deque[tuple[str, str]] = field(default_factory=deque)
    spoken: list[Spoken] = field(default_factory=list)
    opened: int = 0
    coming: list[tuple[int, int, Code]] = field(default_factory=list)
    """When, where and what, of writes that were slow."""

    def opens(self, digits: str) -> bool:
        """Type a code at the keypad now."""
        self.catch_up()
        return any(c.digits == digits and self._in_time(c) for c in self.holds.values())

    def catch_up(self) -> None:
        """Do what was slow and is done by now."""
        for coming in list(self.coming):
            if coming[0] <= self.clock.now():
                self.coming.remove(coming)
                self.holds[coming[1]] = coming[2]

    def slot_of(self, digits: str) -> int | None:
        return next((n for n, code in self.holds.items() if code.digits == digits), None)

    def count(self, what: str, slot: int | None = None) -> int:
        return sum(s.what == what and slot in {None, s.slot} for s in self.spoken)

    def _in_time(self, code: Code) -> bool:
        if not code.schedules:
            return True
        own = Instant(self.clock.now() + self.error_ms)
        wall = to_datetime(own).astimezone(ZoneInfo(self.zone))
        minute = wall.hour * 60 + wall.minute
        return any(
            entry.opens_at <= own < entry.closes_at
            if isinstance(entry, YearDay)
            else wall.isoweekday() in entry.weekdays
            and entry.start_minute <= minute < entry.end_minute
            for entry in code.schedules
        )


class SimDriver:
    """Speaks to a `SimLock`: a driver that has no state and reads back what it writes."""

    info = DriverInfo(driver="sim", manufacturer="Sim", model="lock")

    def __init__(self, lock: SimLock) -> None:
        self.sim = lock

    def restore(self, capabilities: Capabilities) -> None:
        pass

    async def interview(self, *, deadline_s: float) -> Capabilities:
        await self._air("interview", deadline_s)
        per_user = 4 if self.sim.keeps_windows else 0
        return Capabilities(
            can_remotely_unlock=True,
            can_remotely_lock=True,
            can_program_online_access_codes=True,
            has_clock=True if self.sim.keeps_windows else None,
            sleepy=self.sim.sleepy,
            codes=CodeLimits(slots=self.sim.slots, reads_back_digits=not self.sim.masked),
            schedules=ScheduleSupport(week_day=per_user, year_day=per_user),
        )

    def translate(self, event: RadioEvent) -> Sequence[DeviceEvent]:
        return ()

    async def read_slot(self, slot: int, *, deadline_s: float) -> SlotReading:
        await self._air("read", deadline_s, slot)
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
        lock = self.sim
        lock.catch_up()
        if slot in lock.holds and not overwrite:
            await self._air("look", deadline_s, slot)  # a driver reads before it writes
            return WriteResult(Refused(Refusal.INVALID), self._reading(slot))
        fault = await self._air("program", deadline_s, slot, digits.reveal())
        if lock.poison == digits.reveal():
            raise ValueError("nobody thought of this")
        holder = lock.slot_of(digits.reveal())
        if holder is not None and (holder != slot or lock.own_duplicates):
            return WriteResult(Refused(Refusal.DUPLICATE), self._reading(slot))
        if fault == "ack_only":
            return WriteResult(ACK)
        if fault == "not_stored":
            return WriteResult(Unconfirmed("the slot reads otherwise"), self._reading(slot))
        if fault == "slow":
            code = Code(digits.reveal(), schedules)
            lock.coming.append((lock.clock.now() + SLOW_MS, slot, code))
            return WriteResult(Unconfirmed("the slot reads otherwise"), self._reading(slot))
        lock.holds[slot] = Code(digits.reveal(), schedules)
        if fault == "doubled":
            return WriteResult(Refused(Refusal.DUPLICATE), self._reading(slot))
        self._lose(fault)
        return WriteResult(ACK if lock.masked else PROVEN, self._reading(slot))

    async def reschedule(
        self, slot: int, schedules: tuple[LockSchedule, ...], *, deadline_s: float
    ) -> WriteResult:
        fault = await self._air("reschedule", deadline_s, slot)
        code = self.sim.holds.get(slot)
        if code is None:
            return WriteResult(Refused(Refusal.INVALID), self._reading(slot))
        if {type(s) for s in schedules} != {type(s) for s in code.schedules} or not schedules:
            return WriteResult(Refused(Refusal.UNSUPPORTED), self._reading(slot))
        if self.sim.stiff:
            return WriteResult(Unconfirmed("the schedules read otherwise"), self._reading(slot))
        self.sim.holds[slot] = Code(code.digits, schedules)
        self._lose(fault)
        return WriteResult(PROVEN, self._reading(slot))

    async def erase(self, slot: int, *, deadline_s: float) -> WriteResult:
        fault = await self._air("erase", deadline_s, slot)
        if self.sim.stubborn:
            return WriteResult(Unconfirmed("the code is still there"), self._reading(slot))
        if fault != "ack_only":
            self.sim.holds.pop(slot, None)
        self._lose(fault)
        return WriteResult(PROVEN, self._reading(slot))

    async def erase_unless(
        self, slot: int, spared: Callable[[SlotReading], bool], *, deadline_s: float
    ) -> WriteResult:
        if slot in self.sim.holds and spared(there := self._reading(slot)):
            return WriteResult(Refused(Refusal.INVALID), there)
        return await self.erase(slot, deadline_s=deadline_s)

    async def unlock(self, *, deadline_s: float) -> Outcome:
        fault = await self._air("unlock", deadline_s)
        self.sim.opened += 1
        self._lose(fault)
        return ACK

    async def lock(self, *, deadline_s: float) -> Outcome:
        await self._air("lock", deadline_s)
        return ACK

    async def read_clock(self, now: Instant, *, deadline_s: float) -> LockClock:
        await self._air("read_clock", deadline_s)
        return LockClock(self.sim.error_ms, 100, now, zone_proven=True)

    async def set_clock(self, now: Instant, *, deadline_s: float) -> LockClock:
        await self._air("set_clock", deadline_s)
        self.sim.error_ms = 0
        return LockClock(0, 100, now, zone_proven=True)

    async def _air(self, what: str, deadline_s: float, slot: int = 0, digits: str = "") -> str:
        """The way there; the fault, if one was ordered that shows on the way back."""
        lock = self.sim
        lock.catch_up()
        lock.spoken.append(Spoken(lock.clock.now(), what, slot, digits))
        if lock.unreachable or lock.delay_s > deadline_s:
            await lock.clock.sleep(min(deadline_s, 5.0))
            raise Unreachable(f"could not {what}: no answer")
        if lock.delay_s:
            await lock.clock.sleep(lock.delay_s)
        for ordered in lock.faults:
            if ordered[0] == what:
                lock.faults.remove(ordered)
                fault = ordered[1]
                if fault == "not_delivered":
                    raise Unreachable(f"could not {what}: not delivered")
                if fault == "not_done":
                    raise OutcomeUnknown(f"could not {what}: no answer")
                if fault == "defect":
                    raise ValueError("nobody thought of this")
                if fault.startswith("say:"):
                    raise DeviceRefused(f"could not {what}", Refusal(fault.removeprefix("say:")))
                return fault
        return ""

    def _lose(self, fault: str) -> None:
        if fault == "answer_lost":
            raise OutcomeUnknown("the answer was lost")

    def _reading(self, slot: int) -> SlotReading:
        code = self.sim.holds.get(slot)
        if code is None:
            return SlotReading(slot, SlotUse.AVAILABLE)
        digits = None if self.sim.masked else Secret(code.digits)
        return SlotReading(
            slot, SlotUse.ENABLED, digits, bool(code.schedules), code.schedules or None
        )
