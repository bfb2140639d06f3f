"""A lock, without any radio: memory, clock, bolt, keypad, battery, and what it has to say.

Here: the parts put together, power, settings, factory reset, and what survives a restart. Not
here: protocols (``firmware_sims.zigbee``) and faults (``firmware_sims.faults``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firmware_sims.clock import LockClock
from firmware_sims.firmware.bolt import Bolt
from firmware_sims.firmware.keypad import Keypad
from firmware_sims.firmware.log import LogRing
from firmware_sims.firmware.model import (
    ALARMS,
    OPERATIONS,
    PROGRAMMING,
    Answer,
    BoltState,
    FirmwareEvent,
    Kind,
    OperatingMode,
    Source,
    UserStatus,
    UserType,
)
from firmware_sims.firmware.schedules import ScheduleTable
from firmware_sims.firmware.tokens import TokenReader, TokenTable
from firmware_sims.firmware.users import UserTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_sims.clock import Timebase
    from firmware_sims.profiles import Profile

LOGGED = OPERATIONS | PROGRAMMING | ALARMS


class LockFirmware:
    """One lock.

    Everything runs synchronously on the caller's thread; only the relock timer comes later,
    through the injected ``timebase``. Listeners get every event, in order, after the state has
    changed. ``changed`` is called after anything that non-volatile memory should keep.
    """

    def __init__(self, profile: Profile, timebase: Timebase) -> None:
        self.profile = profile
        self.timebase = timebase
        self.clock = LockClock(timebase, drift_ppm=profile.drift_ppm)
        self.schedules = ScheduleTable()
        self.users = UserTable(profile, self.schedules, self.emit)
        self.bolt = Bolt(timebase, self.emit)
        self.keypad = Keypad(self)
        self.tokens = TokenTable(profile, self.emit)
        self.reader = TokenReader(self)
        self.log = LogRing(profile.log_records)
        self._defaults = _defaults(profile)
        self.settings = dict(self._defaults)
        self.battery_percent = 100.0
        self.powered = True
        self.listeners: list[Callable[[FirmwareEvent], None]] = []
        self.changed: Callable[[], None] = lambda: None
        self.power_lost: Callable[[], None] = lambda: None
        """For the skin: whatever ran on the battery has stopped."""
        self.imposed_mode: Callable[[], OperatingMode | None] = lambda: None
        """For the skin: a mode that rules of its protocol impose at this moment."""
        self.permits: Callable[[int], bool] = self._scheduled
        """Whether a user may enter now; for a skin whose schedules say more than the table can."""

    def define_setting(self, key: str, default: int | str) -> None:
        """Add a setting that only one protocol has, with the value a factory reset restores."""
        self._defaults[key] = default
        self.settings.setdefault(key, default)

    # ---- what it says

    def emit(
        self,
        kind: Kind,
        source: Source,
        slot: int | None,
        *,
        code: str | None = None,
        old_code: str | None = None,
        token: int | None = None,
        phantom: bool = False,
    ) -> None:
        """Log an event and tell the listeners; a phantom one leaves no trace in the log."""
        user = None if slot is None else self.users.users.get(slot)
        event = FirmwareEvent(
            kind=kind,
            source=source,
            at=self.timebase.now(),
            lock_local_s=self.clock.local(),
            slot=slot,
            code=code if user is None else user.code,
            old_code=old_code,
            token=token,
            user_type=None if user is None else user.type,
            user_status=UserStatus.AVAILABLE if user is None else user.status,
            phantom=phantom,
        )
        if kind in LOGGED and not phantom:
            self.log.add(event.lock_local_s, kind, source, slot)
        for listener in tuple(self.listeners):
            listener(event)
        self.changed()

    # ---- the bolt

    @property
    def operating_mode(self) -> OperatingMode:
        """The mode in force: a holiday's or a skin's, else the one that was set."""
        imposed = self.schedules.holiday_mode(self.clock.local())
        if imposed is None:
            imposed = self.imposed_mode()
        return OperatingMode(int(self.settings["operating_mode"])) if imposed is None else imposed

    def _scheduled(self, slot: int) -> bool:
        return self.schedules.permits(self.users.users[slot].type, slot, self.clock.local())

    def move(
        self,
        target: BoltState,
        kind: Kind,
        source: Source,
        slot: int | None,
        relock_s: int = 0,
        *,
        token: int | None = None,
    ) -> bool:
        """Drive the bolt and start the relock timer; False when it jams."""
        if not self.bolt.drive(target, kind, source, slot, token):
            return False
        after = relock_s or int(self.settings["auto_relock_s"])
        if (
            target is BoltState.UNLOCKED
            and after
            and self.operating_mode is not (OperatingMode.PASSAGE)
        ):
            self.bolt.relock_after(after)
        return True

    def operate_by_radio(self, target: BoltState, code: str | None, relock_s: int = 0) -> Answer:
        """A lock or unlock command over the air, with the PIN it may have carried.

        A jam is not an answer: the lock accepts the command and raises the alarm.
        """
        if self.operating_mode is OperatingMode.NO_RADIO:
            return Answer.DENIED
        slot = self.users.holder(code) if code else None
        if self.settings["require_pin_for_radio"]:
            user = None if slot is None else self.users.users[slot]
            if user is None or user.status is not UserStatus.ENABLED:
                unlocking = target is BoltState.UNLOCKED
                kind = Kind.UNLOCK_INVALID_CODE if unlocking else Kind.LOCK_INVALID_CODE
                self.emit(kind, Source.RADIO, None, code=code)
                return Answer.DENIED
        kind = Kind.UNLOCKED if target is BoltState.UNLOCKED else Kind.LOCKED
        self.move(target, kind, Source.RADIO, slot, relock_s)
        return Answer.OK

    def turn_thumb(self, target: BoltState, *, with_key: bool = False) -> bool:
        """Somebody turns the thumb-turn inside or a key outside; works without power, unnoticed."""
        locking = target is BoltState.LOCKED
        if with_key:
            kind = Kind.KEY_LOCKED if locking else Kind.KEY_UNLOCKED
        else:
            kind = Kind.MANUAL_LOCKED if locking else Kind.MANUAL_UNLOCKED
        if not self.powered:
            if not self.bolt.jammed:
                self.bolt.state = target
            return not self.bolt.jammed
        return self.move(target, kind, Source.MANUAL, None)

    # ---- schedules, where the lock keeps them or pretends to

    def clear_schedule(self, slot: int, number: int, *, week_day: bool) -> Answer:
        """Drop one schedule; on some models the user becomes unrestricted by it."""
        if week_day:
            self.schedules.week_day.pop((slot, number), None)
        else:
            self.schedules.year_day.pop((slot, number), None)
        user = self.users.users.get(slot)
        if user is not None and self.profile.clearing_schedule_unrestricts:
            user.type = UserType.UNRESTRICTED
        self.emit(Kind.SCHEDULE_CHANGED, Source.RADIO, slot)
        return Answer.OK

    # ---- power

    def set_battery(self, percent: float) -> None:
        """The battery has drained, or was replaced."""
        self.battery_percent = max(0.0, min(100.0, percent))
        self.emit(Kind.BATTERY, Source.NOBODY, None)

    @property
    def battery_mv(self) -> int:
        """Voltage, linear between the profile's empty and full."""
        low, high = self.profile.battery_empty_mv, self.profile.battery_full_mv
        return round(low + (high - low) * self.battery_percent / 100)

    def lose_power(self) -> None:
        """The battery is pulled; what is not in flash is gone."""
        self.powered = False
        self.bolt.cancel_relock()
        self.keypad.reset()
        self.reader.reset()
        self.power_lost()
        self.changed()

    def restore_power(self) -> None:
        """The battery is back; the clock may have started again from its epoch."""
        if self.powered:
            return
        if not self.profile.clock_survives_power_loss:
            self.clock.lose()
        self.powered = True
        self.emit(Kind.POWER_CYCLED, Source.NOBODY, None)

    def factory_reset(self) -> None:
        """Every code, schedule and setting is gone; only the counters of writes remain."""
        self.users.users.clear()
        self.schedules.clear()
        self.tokens.clear_silently()
        self.log.clear()
        self.settings = dict(self._defaults)
        self.keypad.reset()
        self.bolt.cancel_relock()
        self.clock.lose()
        self.emit(Kind.FACTORY_RESET, Source.MANUAL, None)

    # ---- what survives a restart of the simulator

    def dump(self) -> dict[str, Any]:
        """Everything but wrong tries and a running relock timer."""
        return {
            "profile": self.profile.name,
            "users": self.users.dump(),
            "schedules": self.schedules.dump(),
            "tokens": self.tokens.dump(),
            "log": self.log.dump(),
            "clock": self.clock.dump(),
            "settings": self.settings,
            "bolt": self.bolt.state,
            "jammed": self.bolt.jammed,
            "door_open": self.bolt.door_open,
            "battery_percent": self.battery_percent,
            "powered": self.powered,
        }

    def load(self, data: dict[str, Any]) -> None:
        """Take up what ``dump`` wrote; settings unknown to an older file keep their defaults."""
        self.users.load(data["users"])
        self.schedules.load(data["schedules"])
        self.tokens.load(data.get("tokens", []))
        self.log.load(data["log"]["last"], data["log"]["records"])
        self.log.unread = data["log"]["unread"]
        self.clock.load(data["clock"])
        self.settings.update(data["settings"])
        self.bolt.state = BoltState(data["bolt"])
        self.bolt.jammed = data["jammed"]
        self.bolt.door_open = data["door_open"]
        self.battery_percent = data["battery_percent"]
        self.powered = data["powered"]


def _defaults(profile: Profile) -> dict[str, int | str]:
    """Settings as they leave the factory; a skin adds those of its protocol."""
    return {
        "auto_relock_s": profile.auto_relock_s,
        "operating_mode": OperatingMode.NORMAL,
        "one_touch_locking": int(profile.one_touch_locking),
        "wrong_code_limit": profile.wrong_code_limit,
        "lockout_s": profile.lockout_s,
        "send_pin_over_the_air": int(profile.send_pin_over_the_air),
        "require_pin_for_radio": int(profile.requires_pin_for_radio),
        "language": "en",
        "sound_volume": 1,
        "erase_code": "",
    }
