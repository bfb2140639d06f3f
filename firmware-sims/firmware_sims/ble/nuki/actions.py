"""Lock actions, clock, PIN and the rest of what an owner asks of a Nuki over the air.

Here: commands 0D, 1A, 1D, 19, 20, 21. Not here: how the motor does it (``motor``).

Assumed: the terms of an authorisation bind its lock actions and nothing else; a fob's first action
unlocks, its second locks, its third is lock'n'go, unless the configuration says otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.ble.nuki.fields import Error, Refused
from firmware_sims.ble.nuki.spec import ACCEPTED, COMPLETE, Spec
from firmware_sims.ble.nuki.words import Action, Op, Trigger
from firmware_sims.firmware.model import BoltState

if TYPE_CHECKING:
    from firmware_sims.ble.nuki.authorizations import Authorization
    from firmware_sims.ble.nuki.core import Core
    from firmware_sims.ble.nuki.fields import Reader
    from firmware_sims.ble.nuki.frames import Message
    from firmware_sims.ble.nuki.spec import Handler, Table

_SUFFIX_SIZE = 20
_FOB = {Action.FOB_1: "fob_action_1", Action.FOB_2: "fob_action_2", Action.FOB_3: "fob_action_3"}
_UNLOCK, _LOCK, _LOCK_N_GO, _INTELLIGENT = 1, 2, 3, 4
"""What the configuration says of a fob's actions."""

NAMES = {
    Action.UNLOCK: "unlock",
    Action.LOCK: "lock",
    Action.UNLATCH: "unlatch",
    Action.LOCK_N_GO: "lock_n_go",
    Action.LOCK_N_GO_UNLATCH: "lock_n_go_unlatch",
    Action.FULL_LOCK: "full_lock",
    Action.FOB_1: "fob_1",
    Action.FOB_2: "fob_2",
    Action.FOB_3: "fob_3",
}


def _act(action: Action) -> Handler:
    def handler(core: Core, auth: Authorization, reader: Reader) -> list[Message]:
        reader.take(4)  # the app's id: the authorisation is known
        flags = reader.number(1)
        suffix = reader.text(_SUFFIX_SIZE) if len(reader) else ""
        reader.end()
        if not auth.terms.open_at(core.now(), core.firmware.clock.local()):
            raise Refused(Error.TIME_NOT_ALLOWED)
        meant = _meant(core, action)
        if meant is Action.NONE:
            return [COMPLETE]
        return core.motor.order(
            meant, Trigger.SYSTEM, auth=auth, suffix=suffix, flags=flags, talk=core.talk
        )

    return handler


def _meant(core: Core, action: Action) -> Action:
    """A fob's action as one of a lock."""
    if action not in _FOB:
        return action
    locked = core.firmware.bolt.state is BoltState.LOCKED
    return {
        _UNLOCK: Action.UNLOCK,
        _LOCK: Action.LOCK,
        _LOCK_N_GO: Action.LOCK_N_GO,
        _INTELLIGENT: Action.UNLOCK if locked else Action.LOCK,
    }.get(int(core.config[_FOB[action]]), Action.NONE)


def _pretended(_core: Core) -> list[Message]:
    return [ACCEPTED, COMPLETE]


def _calibrate(core: Core, _auth: Authorization, reader: Reader) -> list[Message]:
    reader.end()
    return core.motor.calibrate(core.talk)


def _reboot(core: Core, _auth: Authorization, reader: Reader) -> list[Message]:
    reader.end()
    core.firmware.timebase.call_later(0.0, core.reboot)
    return [COMPLETE]


def _set_time(core: Core, _auth: Authorization, reader: Reader) -> list[Message]:
    seconds = reader.datetime()
    reader.end()
    if seconds is None:
        raise Refused(Error.BAD_PARAMETER)
    core.set_time(seconds)
    return [COMPLETE]


def _set_pin(core: Core, _auth: Authorization, reader: Reader) -> list[Message]:
    pin = reader.number(core.facts.pin_size)
    reader.end()
    if core.facts.ultra and not 100_000 <= pin < 1_000_000:
        raise Refused(Error.BAD_PARAMETER)
    core.guard.pin = pin
    core.firmware.changed()
    return [COMPLETE]


def _verify_pin(_core: Core, _auth: Authorization, reader: Reader) -> list[Message]:
    reader.end()
    return [COMPLETE]


COMMANDS: Table = {
    **{
        (Op.LOCK_ACTION, action): Spec(name, _act(action), pin=False, pretended=_pretended)
        for action, name in NAMES.items()
    },
    (Op.CALIBRATE, None): Spec("calibrate", _calibrate, pretended=_pretended),
    (Op.REBOOT, None): Spec("reboot", _reboot),
    (Op.UPDATE_TIME, None): Spec("set_clock", _set_time),
    (Op.SET_PIN, None): Spec("set_pin", _set_pin),
    (Op.VERIFY_PIN, None): Spec("verify_pin", _verify_pin, changes=False),
}
