"""The lock firmware against a small oracle: whatever is done to it, who can open agrees.

The oracle keeps plain dictionaries and asks the calendar; it shares nothing with the firmware.
"""

from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from firmware_sims import profiles
from firmware_sims.clock import VirtualTimebase
from firmware_sims.firmware.lock import LockFirmware
from firmware_sims.firmware.model import Answer, BoltState, Source, UserStatus, UserType
from firmware_sims.firmware.schedules import WeekDay, YearDay

START = datetime(2026, 3, 27, 6, 30, tzinfo=UTC)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
SLOTS = st.integers(0, 5)  # 1 to 4 exist
CODES = st.sampled_from(["1111", "2222", "3333", "4444", "12", "123456789"])
STATUSES = st.sampled_from([UserStatus.ENABLED, UserStatus.DISABLED])
TYPES = st.sampled_from([UserType.UNRESTRICTED, UserType.YEAR_DAY, UserType.WEEK_DAY])


class LockAgainstOracle(RuleBasedStateMachine):
    """Writes, erasures, schedules, restarts and passing time, with everybody trying to get in."""

    def __init__(self) -> None:
        super().__init__()
        self.time = VirtualTimebase(START.timestamp())
        self.profile = profiles.load("yale-yrd").with_overrides(
            {"slots": 4, "code_memory": 3, "master_slot": -1, "drift_ppm": 0.0}
        )
        self.lock = LockFirmware(self.profile, self.time)
        self.now = START
        self.codes: dict[int, tuple[str, UserStatus, UserType]] = {}
        self.yearly: dict[int, tuple[datetime, datetime]] = {}
        self.weekly: dict[int, tuple[int, int, int]] = {}  # ISO weekday, from and to hour
        self.writes = 0

    @rule(slot=SLOTS, code=CODES, status=STATUSES, user_type=TYPES)
    def write(self, slot: int, code: str, status: UserStatus, user_type: UserType) -> None:
        answer = self.lock.users.set_code(slot, code, status, user_type, Source.RADIO)
        others = {held for where, (held, _, _) in self.codes.items() if where != slot}
        if not 1 <= slot <= 4 or not 4 <= len(code) <= 8:
            assert answer is Answer.FAILURE
        elif code in others:
            assert answer is Answer.DUPLICATE
        elif slot not in self.codes and len(self.codes) == 3:
            assert answer is Answer.FULL
        else:
            assert answer is Answer.OK
            self.codes[slot] = (code, status, user_type)
            self.writes += 1

    @rule(slot=SLOTS)
    def erase(self, slot: int) -> None:
        answer = self.lock.users.clear_code(slot, Source.RADIO)
        assert (answer is Answer.OK) == (1 <= slot <= 4)
        if self.codes.pop(slot, None):
            self.writes += 1

    @rule(slot=SLOTS, status=STATUSES)
    def set_status(self, slot: int, status: UserStatus) -> None:
        answer = self.lock.users.set_status(slot, status)
        assert (answer is Answer.OK) == (slot in self.codes)
        if slot in self.codes:
            code, _, user_type = self.codes[slot]
            self.codes[slot] = (code, status, user_type)
            self.writes += 1

    @rule(slot=st.integers(1, 4), hours=st.integers(-48, 48), length=st.integers(1, 72))
    def schedule_once(self, slot: int, hours: int, length: int) -> None:
        opens = self.now + timedelta(hours=hours)
        closes = opens + timedelta(hours=length)
        entry = YearDay(*(int((edge - EPOCH).total_seconds()) for edge in (opens, closes)))
        assert self.lock.schedules.set_year_day(slot, 0, entry) is Answer.OK
        self.yearly[slot] = (opens, closes)

    @rule(slot=st.integers(1, 4), weekday=st.integers(1, 7), start=st.integers(0, 22))
    def schedule_weekly(self, slot: int, weekday: int, start: int) -> None:
        entry = WeekDay(1 << weekday % 7, start, 0, start + 1, 0)
        assert self.lock.schedules.set_week_day(slot, 0, entry) is Answer.OK
        self.weekly[slot] = (weekday, start, start + 1)

    @rule(slot=st.integers(1, 4), week_day=st.booleans())
    def unschedule(self, slot: int, week_day: bool) -> None:
        self.lock.clear_schedule(slot, 0, week_day=week_day)
        (self.weekly if week_day else self.yearly).pop(slot, None)
        if slot in self.codes:  # the trap of this model: the user becomes unrestricted
            code, status, _ = self.codes[slot]
            self.codes[slot] = (code, status, UserType.UNRESTRICTED)

    @rule(minutes=st.integers(1, 60 * 36))
    def wait(self, minutes: int) -> None:
        self.time.advance(minutes * 60)
        self.now += timedelta(minutes=minutes)

    @rule()
    def restart_the_simulator(self) -> None:
        dumped = self.lock.dump()
        self.lock = LockFirmware(self.profile, self.time)
        self.lock.load(dumped)

    @precondition(lambda self: self.codes)
    @rule()
    def purge(self) -> None:
        self.lock.keypad.clear_by_hand(None)
        self.writes += len(self.codes)
        self.codes.clear()

    def _may_enter(self, code: str) -> bool:
        for slot, (held, status, user_type) in self.codes.items():
            if held != code or status is not UserStatus.ENABLED:
                continue
            if user_type is UserType.YEAR_DAY:
                window = self.yearly.get(slot)
                return window is not None and window[0] <= self.now < window[1]
            if user_type is UserType.WEEK_DAY:
                weekly = self.weekly.get(slot)
                return (
                    weekly is not None
                    and self.now.isoweekday() == weekly[0]
                    and weekly[1] <= self.now.hour < weekly[2]
                )
            return True
        return False

    @invariant()
    def whoever_may_enter_can_and_nobody_else(self) -> None:
        for code in ("1111", "2222", "3333", "4444", "9999"):
            self.lock.keypad.reset()  # the lockout is tested elsewhere
            opened = self.lock.keypad.type_code(code).opened
            assert opened == self._may_enter(code)
            assert not opened or self.lock.bolt.state is BoltState.UNLOCKED

    @invariant()
    def every_change_was_counted(self) -> None:
        assert self.lock.users.writes.total() == self.writes


TestLockAgainstOracle = LockAgainstOracle.TestCase
TestLockAgainstOracle.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
