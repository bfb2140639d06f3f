"""What a Nuki says of its state: commands 0C and 11, requested by 01.

Here: their bytes. Not here: what they are made of. Layouts from ronengr/pyNukiBT, const.py,
KeyturnerStates and BatteryReport; the accessory's bits from I-Connect/NukiBleEsp32 (0 and 1: the
keypad tells its battery, it is low; 2 and 3: the door sensor).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.ble.nuki.fields import datetime7, i16, u8, u16
from firmware_sims.ble.nuki.frames import Message
from firmware_sims.ble.nuki.spec import Spec
from firmware_sims.ble.nuki.words import Door, NukiState, Op

if TYPE_CHECKING:
    from firmware_sims.ble.nuki.authorizations import Authorization
    from firmware_sims.ble.nuki.core import Core
    from firmware_sims.ble.nuki.fields import Reader
    from firmware_sims.ble.nuki.spec import Table

_CRITICAL, _KEYPAD_TELLS, _SENSOR_TELLS = 0x01, 0x01, 0x04
_RSSI_DBM = 0xC4
_DRAIN_MWS, _DISTANCE_DEG, _TEMPERATURE, _CURRENT_MA, _RESISTANCE_MOHM = 1500, 360, 21, 250, 400
"""Of an ordinary turn (assumed)."""


def battery(core: Core) -> int:
    """Bit 0 critical, bits 7 to 2 half the percent."""
    percent = core.firmware.battery_percent
    critical = _CRITICAL if percent <= core.facts.critical_percent else 0
    return critical | round(percent / 2) << 2


def door(core: Core) -> Door:
    """What the sensor sees, if there is one."""
    if not core.firmware.profile.has_door_sensor:
        return Door.UNAVAILABLE
    return Door.OPENED if core.firmware.bolt.door_open else Door.CLOSED


def encode(core: Core) -> bytes:
    """The payload of 0C."""
    motor = core.motor
    accessories = _KEYPAD_TELLS if core.facts.keypad else 0
    if core.firmware.profile.has_door_sensor:
        accessories |= _SENSOR_TELLS
    fixed = (
        bytes([NukiState.PAIRING if core.pairing else NukiState.DOOR, motor.state, motor.trigger])
        + datetime7(core.now())
        + i16(core.offset_minutes)
        + bytes([battery(core), core.config.count, motor.after.seconds_left])
        + bytes([motor.last_action, motor.last_trigger, motor.last_completion])
    )
    # Door, night mode, accessories, remote access, radio strength, Wi-Fi and what hangs on it.
    extras = bytes([door(core), 0, accessories, 0, _RSSI_DBM, 0, 0, 0, 0])
    return fixed + extras[: core.facts.state_extras]


def message(core: Core) -> Message:
    """What is told unasked, too."""
    return Message(Op.STATES, encode(core))


def _states(core: Core, _auth: Authorization, reader: Reader) -> list[Message]:
    reader.end()
    core.unread = False
    return [message(core)]


def _battery_report(core: Core, _auth: Authorization, reader: Reader) -> list[Message]:
    reader.end()
    volts = core.firmware.battery_mv
    payload = (
        u16(_DRAIN_MWS)
        + u16(volts)
        + u8(battery(core) & _CRITICAL)
        + u8(core.motor.last_action)
        + u16(volts)
        + u16(max(0, volts - 300))
        + u16(_DISTANCE_DEG)
        + u8(_TEMPERATURE)
        + u16(_CURRENT_MA)
        + u16(_RESISTANCE_MOHM)
    )
    return [Message(Op.BATTERY_REPORT, payload)]


def _challenge(core: Core, auth: Authorization, reader: Reader) -> list[Message]:
    reader.end()
    return [Message(Op.CHALLENGE, core.guard.challenge(auth.auth_id))]


COMMANDS: Table = {
    (Op.REQUEST_DATA, Op.CHALLENGE): Spec(
        "auth.challenge", _challenge, challenge=False, pin=False, changes=False
    ),
    (Op.REQUEST_DATA, Op.STATES): Spec(
        "get_status", _states, challenge=False, pin=False, changes=False
    ),
    (Op.REQUEST_DATA, Op.BATTERY_REPORT): Spec(
        "get_battery", _battery_report, challenge=False, pin=False, changes=False
    ),
}
