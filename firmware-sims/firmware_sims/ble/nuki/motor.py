"""The motor of a Nuki: lock actions with their steps, calibration, what goes wrong on the way.

Here: carrying out orders, the button. Not here: latch and lock'n'go afterwards (``aftermath``),
what the firmware's bolt does when it is driven, and the keypad, which drives it at once. Actions,
states and errors from ronengr/pyNukiBT, const.py.

Assumed: what is already so is complete without being accepted first (a remark in I-Connect/
NukiBleEsp32 says so of unlocking); an action is complete when the motor stands, and lock'n'go when
it has unlocked; a motor that fails leaves the bolt where it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firmware_sims.ble.nuki.aftermath import LATCHING, Aftermath
from firmware_sims.ble.nuki.fields import Error, Refused
from firmware_sims.ble.nuki.oplog import action_data
from firmware_sims.ble.nuki.spec import ACCEPTED, COMPLETE, error
from firmware_sims.ble.nuki.words import Action, Completion, LockState, LogType, Trigger
from firmware_sims.firmware.model import BoltState, Kind, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_sims.ble.nuki.authorizations import Authorization
    from firmware_sims.ble.nuki.core import Core
    from firmware_sims.ble.nuki.frames import Message
    from firmware_sims.ble.nuki.talk import Talk
    from firmware_sims.clock import Timer

_FAILED = {
    Completion.MOTOR_BLOCKED: Error.MOTOR_BLOCKED,
    Completion.CANCELED: Error.CANCELED,
    Completion.LOW_MOTOR_VOLTAGE: Error.MOTOR_LOW_VOLTAGE,
    Completion.CLUTCH_FAILURE: Error.CLUTCH_FAILURE,
    Completion.MOTOR_POWER_FAILURE: Error.MOTOR_POWER_FAILURE,
}
_UNLOCKING = frozenset({Action.UNLOCK, Action.UNLATCH, Action.LOCK_N_GO, Action.LOCK_N_GO_UNLATCH})


@dataclass(frozen=True, slots=True)
class _Run:
    """One order that is being carried out."""

    op: int
    action: Action
    trigger: Trigger
    log: LogType
    auth: Authorization | None = None
    suffix: str = ""
    flags: int = 0
    talk: Talk | None = None


class Motor:
    """``last_*`` are those of the last action; ``trigger`` that of the last change of state."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.calibrated = True
        self.clutch_broken = False
        self.booting = False
        self.trigger = Trigger.SYSTEM
        self.last_action = Action.NONE
        self.last_trigger = Trigger.SYSTEM
        self.last_completion = Completion.SUCCESS
        self._moving: LockState | None = None
        self._run: _Run | None = None
        self._steps: list[tuple[LockState, float, Callable[[], bool]]] = []
        self._timer: Timer | None = None
        self.after = Aftermath(core.firmware.timebase, core.state_changed, self._lock_and_gone)

    # ---- what it shows

    @property
    def talk(self) -> Talk | None:
        """The conversation that is told of what moves now."""
        return None if self._run is None else self._run.talk

    @property
    def busy(self) -> bool:
        """Whether it moves."""
        return self._run is not None

    @property
    def state(self) -> LockState:
        """As in 0C."""
        if self.booting:
            return LockState.BOOT_RUN
        if self._moving is not None:
            return self._moving
        if not self.calibrated:
            return LockState.UNCALIBRATED
        bolt = self._core.firmware.bolt.state
        if bolt is BoltState.NOT_FULLY_LOCKED:
            return LockState.MOTOR_BLOCKED
        if bolt is BoltState.LOCKED:
            return LockState.LOCKED
        if self.after.latched:
            return LockState.UNLATCHED
        return LockState.UNLOCKED_LOCK_N_GO if self.after.going else LockState.UNLOCKED

    # ---- orders

    def order(
        self,
        action: Action,
        trigger: Trigger,
        *,
        auth: Authorization | None = None,
        suffix: str = "",
        flags: int = 0,
        talk: Talk | None = None,
    ) -> list[Message]:
        """Begin; what is said at once. `Refused`: BUSY, NOT_CALIBRATED."""
        if self._run is not None:
            raise Refused(Error.BUSY)
        if not self.calibrated:
            raise Refused(Error.NOT_CALIBRATED)
        run = _Run(0x0D, action, trigger, LogType.ACTION, auth, suffix, flags, talk)
        if self._already(action):
            self._note(run, Completion.SUCCESS)
            self._core.state_changed()
            return [COMPLETE]
        self._begin(run, self._plan(action))
        return [ACCEPTED]

    def calibrate(self, talk: Talk) -> list[Message]:
        """Find out how far the key turns. `Refused`: BUSY, VOLTAGE_TOO_LOW."""
        core = self._core
        if self._run is not None:
            raise Refused(Error.BUSY)
        if core.firmware.battery_percent <= core.facts.critical_percent:
            raise Refused(Error.VOLTAGE_TOO_LOW)
        run = _Run(0x1A, Action.NONE, Trigger.SYSTEM, LogType.CALIBRATION, talk=talk)
        self._begin(run, [(LockState.CALIBRATION, core.facts.calibration_s, self._find_its_way)])
        return [ACCEPTED]

    def press_button(self) -> None:
        """Once: stops what moves, else locks what is open and opens what is locked."""
        core = self._core
        if not core.firmware.powered or not core.config["button_enabled"]:
            return
        if self._run is not None:
            self._finish(Completion.CANCELED)
        elif self.calibrated:
            locked = core.firmware.bolt.state is BoltState.LOCKED
            self.order(Action.UNLOCK if locked else Action.LOCK, Trigger.BUTTON)

    def stop(self) -> None:
        """Power is gone: nothing is finished, and nobody told."""
        self.after.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._run, self._moving, self._steps = None, None, []

    def _already(self, action: Action) -> bool:
        bolt = self._core.firmware.bolt.state
        if action in (Action.LOCK, Action.FULL_LOCK):
            return bolt is BoltState.LOCKED
        return action is Action.UNLOCK and bolt is BoltState.UNLOCKED and not self.after.going

    def _plan(self, action: Action) -> list[tuple[LockState, float, Callable[[], bool]]]:
        facts = self._core.facts
        if action not in _UNLOCKING:
            return [(LockState.LOCKING, facts.turn_s, self._lock)]
        steps: list[tuple[LockState, float, Callable[[], bool]]] = []
        if self._core.firmware.bolt.state is not BoltState.UNLOCKED or action is Action.UNLOCK:
            steps.append((LockState.UNLOCKING, facts.turn_s, self._unlock))
        if action in LATCHING:
            steps.append((LockState.UNLATCHING, facts.unlatch_s, lambda: True))
        return steps or [(LockState.UNLOCKING, 0.0, self._unlock)]

    # ---- movement

    def _begin(self, run: _Run, steps: list[tuple[LockState, float, Callable[[], bool]]]) -> None:
        self.after.cancel()
        self._run, self._steps = run, steps
        self._next()

    def _next(self) -> None:
        run = self._run
        if run is None:
            return
        if not self._steps:
            self._finish(Completion.SUCCESS)
            return
        self._moving, seconds, effect = self._steps.pop(0)
        self.trigger = run.trigger
        self._timer = self._core.firmware.timebase.call_later(seconds, lambda: self._done(effect))
        self._core.state_changed()

    def _done(self, effect: Callable[[], bool]) -> None:
        self._timer = None
        core = self._core
        if self.clutch_broken:
            self._finish(Completion.CLUTCH_FAILURE)
        elif core.firmware.battery_percent < core.facts.motor_percent:
            self._finish(Completion.LOW_MOTOR_VOLTAGE)
        elif not effect():
            self._finish(Completion.MOTOR_BLOCKED)
        else:
            self._next()

    def _unlock(self) -> bool:
        return self._core.firmware.move(BoltState.UNLOCKED, Kind.UNLOCKED, Source.RADIO, None)

    def _lock(self) -> bool:
        return self._core.firmware.move(BoltState.LOCKED, Kind.LOCKED, Source.RADIO, None)

    def _find_its_way(self) -> bool:
        self.calibrated = not self._core.firmware.bolt.jammed
        self._core.config.calibrated()
        return self.calibrated

    def _finish(self, completion: Completion) -> None:
        run = self._run
        if run is None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._moving, self._steps = None, []
        self.trigger = run.trigger
        if completion is Completion.SUCCESS:
            config = self._core.config
            self.after.follow(
                run.action,
                hold_s=float(config["unlatch_duration"]),
                go_s=float(config["lock_n_go_timeout"]),
            )
        self._note(run, completion)
        self._core.state_changed()
        self._run = None
        if run.talk is not None:
            failed = _FAILED.get(completion)
            run.talk.say(COMPLETE if failed is None else error(failed, run.op))

    def _lock_and_gone(self) -> None:
        if self._run is None:
            self.order(Action.LOCK, Trigger.AUTOMATIC)

    def moved(self, trigger: Trigger) -> None:
        """Something else has moved the bolt: a hand, a code, the auto-lock."""
        if self._run is None:
            self.trigger = trigger
            self.after.cancel()

    # ---- what is written of it

    def note(self, action: Action, trigger: Trigger, completion: Completion) -> None:
        """An action that came from elsewhere."""
        self.last_action, self.last_trigger, self.last_completion = action, trigger, completion

    def _note(self, run: _Run, completion: Completion) -> None:
        core, auth = self._core, run.auth
        data = action_data(run.action, run.trigger, completion, run.flags)
        if run.log is LogType.ACTION:
            self.note(run.action, run.trigger, completion)
        if auth is None:
            core.write(run.log, data)
            return
        auth.last_active_s, auth.count = core.now(), min(0xFFFF, auth.count + 1)
        name = f"{auth.name} {run.suffix}" if run.suffix else auth.name
        core.write_as(run.log, data, auth.auth_id, name)

    def dump(self) -> dict[str, Any]:
        """What outlasts a restart."""
        return {
            "calibrated": self.calibrated,
            "clutch_broken": self.clutch_broken,
            "trigger": self.trigger,
            "last": [self.last_action, self.last_trigger, self.last_completion],
        }

    def load(self, data: dict[str, Any]) -> None:
        """Take up what ``dump`` wrote."""
        self.calibrated, self.clutch_broken = data["calibrated"], data["clutch_broken"]
        self.trigger = Trigger(data["trigger"])
        action, trigger, completion = data["last"]
        self.note(Action(action), Trigger(trigger), Completion(completion))
