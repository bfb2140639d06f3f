"""The simulated Nuki: its parts put together over a lock's firmware.

Here: what a world asks of a family of locks (`ble.device.LockSkin`). Not here: any of the parts.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from firmware_sims.ble.nuki.chronicle import Chronicle
from firmware_sims.ble.nuki.core import Core
from firmware_sims.ble.nuki.facts import Facts
from firmware_sims.ble.nuki.fields import EPOCH, u8
from firmware_sims.ble.nuki.oplog import action_data
from firmware_sims.ble.nuki.peripheral import NukiPeripheral
from firmware_sims.ble.nuki.words import Action, Completion, LogType, Trigger
from firmware_sims.commands import CommandQueue

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from firmware_sims.faults import Faults
    from firmware_sims.firmware.lock import LockFirmware


class NukiSkin:
    """One Nuki; ``core`` is its own state, for tests that look inside."""

    def __init__(
        self,
        firmware: LockFirmware,
        faults: Faults,
        *,
        address: str,
        facts: Facts,
        rng: random.Random,
    ) -> None:
        self.core = Core(firmware, faults, facts, address=address, rng=rng)
        self.queue = CommandQueue(firmware, faults)
        self.peripheral = NukiPeripheral(self.core, self.queue, faults)
        # After the peripheral: what is written when somebody types is written last.
        self._chronicle = Chronicle(self.core)
        self.core.reboot = self._reboot

    @property
    def actions(self) -> Mapping[str, Callable[[], Any]]:
        """The button, held down for five seconds or pressed; and what can happen to the lock."""
        return {
            "press_pairing_button": self._hold_button,
            "press_button": self._press_button,
            "break_clutch": lambda: self._clutch(broken=True),
            "mend_clutch": lambda: self._clutch(broken=False),
            "lose_calibration": self._lose_calibration,
            "switch_door_log": self._switch_door_log,
        }

    def _hold_button(self) -> dict[str, bool]:
        self.peripheral.touch()
        return {"pairing": self.core.start_pairing()}

    def _press_button(self) -> None:
        self.peripheral.touch()
        self.core.motor.press_button()

    def _clutch(self, *, broken: bool) -> None:
        self.core.motor.clutch_broken = broken
        self.core.firmware.changed()

    def _lose_calibration(self) -> None:
        """It was taken off the door and put back."""
        self.core.motor.calibrated = False
        self.core.state_changed()

    def _switch_door_log(self) -> dict[str, bool]:
        """The owner's app; its command is not public."""
        log = self.core.log
        log.door_enabled = not log.door_enabled
        self.core.write(LogType.DOOR_LOGGING, u8(log.door_enabled))
        return {"enabled": log.door_enabled}

    def _reboot(self) -> None:
        self.core.power_lost()
        self.core.motor.booting = True
        self.queue.restart(self.core.facts.reboot_s)

    def state(self) -> dict[str, Any]:
        """What only a Nuki holds, keys and PIN included."""
        core = self.core
        wall = EPOCH + timedelta(seconds=core.now())
        return {
            "claimed": bool(core.authorizations.held),
            "nuki_id": core.nuki_id,
            "pairing": core.pairing,
            "security_pin": core.guard.pin,
            "lock_state": core.motor.state.name.lower(),
            "calibrated": core.motor.calibrated,
            "wall_clock": f"{wall:%Y-%m-%dT%H:%M:%S}",
            "state_unread": core.unread,
            "authorizations": [entry.dump() for entry in core.authorizations.held.values()],
            "codes": {
                str(code.code_id): {
                    "slot": slot,
                    "code": core.firmware.users.users[slot].code,
                    "enabled": core.firmware.users.users[slot].status.name == "ENABLED",
                    "name": code.name,
                    "count": code.count,
                    "terms": code.terms.dump(),
                }
                for slot, code in core.codes.present.items()
            },
            "config": core.config.values,
            "config_count": core.config.count,
            "log_records": len(core.log),
        }

    def dump(self) -> dict[str, Any]:
        """Keys, log, and what else is its own."""
        return self.core.dump()

    def load(self, data: dict[str, Any]) -> None:
        """Take up what ``dump`` wrote."""
        self.core.load(data)
        self.peripheral.refresh()

    def restarted(self) -> None:
        """It is on the air again, and has tried its motor."""
        core = self.core
        core.motor.booting = False
        data = action_data(Action.NONE, Trigger.SYSTEM, Completion.SUCCESS)
        core.write(LogType.INITIALIZATION, data)
        self.peripheral.hang_up()
        core.state_changed()

    def factory_reset(self) -> None:
        """Nobody's again."""
        self.core.forget()
        self.peripheral.hang_up()


def build(
    firmware: LockFirmware,
    faults: Faults,
    *,
    address: str,
    settings: Mapping[str, Any],
    rng: random.Random,
) -> NukiSkin:
    """See `ble.device.LockFamily`; settings are laid over the ``[skin]`` table of the profile."""
    facts = Facts.of({**firmware.profile.skin, **settings})
    return NukiSkin(firmware, faults, address=address, facts=facts, rng=rng)
