"""The configuration of a Nuki: what its owner has set, in two parts.

Here: commands 13, 14, 35, 36 and what a change of them does. Not here: who asks. Layouts from
ronengr/pyNukiBT, const.py, Config and AdvancedConfig. The counter in its states rises with every
change. Button, pairing, fob, latch, lock'n'go and auto-lock settings have effect; the others are
kept and told.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from firmware_sims.ble.nuki.fields import Error, Refused, datetime7, i16, text, u8, u16, u32
from firmware_sims.ble.nuki.frames import Message
from firmware_sims.ble.nuki.spec import COMPLETE, Spec
from firmware_sims.ble.nuki.words import Op
from firmware_sims.clock import ZoneRules

if TYPE_CHECKING:
    from firmware_sims.ble.nuki.authorizations import Authorization
    from firmware_sims.ble.nuki.core import Core
    from firmware_sims.ble.nuki.fields import Reader
    from firmware_sims.ble.nuki.spec import Table

NAME_SIZE = 32
_NO_ZONE = 0xFFFF

_PLACE = struct.Struct("<ff")
_SWITCHES = ("auto_unlatch", "pairing_enabled", "button_enabled", "led_enabled", "led_brightness")
_FOBS = ("fob_action_1", "fob_action_2", "fob_action_3")

_ADVANCED = (
    ("unlocked_offset_deg", "h"),
    ("locked_offset_deg", "h"),
    ("single_locked_offset_deg", "h"),
    ("transition_offset_deg", "h"),
    ("lock_n_go_timeout", "B"),
    ("single_button_action", "B"),
    ("double_button_action", "B"),
    ("detached_cylinder", "B"),
    ("battery_type", "B"),
    ("automatic_battery_type", "B"),
    ("unlatch_duration", "B"),
    ("auto_lock_timeout", "H"),
    ("auto_unlock_disabled", "B"),
    ("night_mode", "B"),
    ("night_from_hour", "B"),
    ("night_from_minute", "B"),
    ("night_until_hour", "B"),
    ("night_until_minute", "B"),
    ("night_auto_lock", "B"),
    ("night_auto_unlock_disabled", "B"),
    ("night_immediate_lock", "B"),
    ("auto_lock_enabled", "B"),
    ("immediate_auto_lock", "B"),
    ("auto_update", "B"),
)
_ADVANCED_LAYOUT = struct.Struct("<" + "".join(kind for _, kind in _ADVANCED))
_NEWER_SIZE = 2
"""Motor speed and a slow motor at night, which newer hosts send after them."""


class Config:
    """Values by name; ``count`` is a byte that goes round."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._values = self._factory()
        self.count = 0

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    @property
    def values(self) -> dict[str, Any]:
        """All of them."""
        return dict(self._values)

    def change(self, values: dict[str, Any]) -> None:
        """Set some, and do what they say."""
        self._values.update(values)
        self.count = (self.count + 1) % 256
        enabled = bool(self["auto_lock_enabled"])
        self._core.firmware.settings["auto_relock_s"] = (
            int(self["auto_lock_timeout"]) if enabled else 0
        )
        self._core.state_changed()

    def calibrated(self) -> None:
        """The lock knows its angles anew."""
        self.count = (self.count + 1) % 256

    def reset(self) -> None:
        """As it left the factory."""
        self._values = self._factory()
        self.count = (self.count + 1) % 256

    def _factory(self) -> dict[str, Any]:
        facts, relock_s = self._core.facts, self._core.firmware.profile.auto_relock_s
        return {
            "name": facts.name or f"Nuki_{self._core.nuki_id:08X}",
            "latitude": 0.0,
            "longitude": 0.0,
            "auto_unlatch": 0,
            "pairing_enabled": 1,
            "button_enabled": 1,
            "led_enabled": 1,
            "led_brightness": 3,
            "timezone_offset": 0,
            "dst_mode": 0,
            "fob_action_1": 1,
            "fob_action_2": 2,
            "fob_action_3": 3,
            "single_lock": 0,
            "advertising_mode": 0,
            "timezone_id": _NO_ZONE,
            **dict.fromkeys((key for key, _ in _ADVANCED), 0),
            "lock_n_go_timeout": facts.lock_n_go_s,
            "unlatch_duration": round(facts.hold_latch_s),
            "auto_lock_timeout": relock_s or 300,
            "auto_lock_enabled": int(relock_s > 0),
            "single_button_action": 1,
            "automatic_battery_type": 1,
        }

    # ---- on the air

    def encode(self) -> bytes:
        """The payload of 15."""
        core, facts = self._core, self._core.facts
        software = bytes(int(part) for part in core.firmware.profile.software.split("."))
        return (
            u32(core.nuki_id)
            + text(self["name"], NAME_SIZE)
            + _PLACE.pack(self["latitude"], self["longitude"])
            + bytes(int(self[key]) for key in _SWITCHES)
            + datetime7(core.now())
            + i16(core.offset_minutes)
            + u8(self["dst_mode"])
            + u8(any(entry.client == 2 for entry in core.authorizations.held.values()))
            + bytes(int(self[key]) for key in _FOBS)
            + bytes([self["single_lock"], self["advertising_mode"], facts.keypad])
            + software
            + bytes(facts.hardware)
            + u8(0)  # HomeKit: not available
            + u16(self["timezone_id"])
            + u8(facts.device_type)
            + bytes([0, 0, 0])  # capabilities, keypad 2, Matter
        )

    def encode_advanced(self) -> bytes:
        """The payload of 37."""
        total_degrees = u16(1080)
        return total_degrees + _ADVANCED_LAYOUT.pack(*(self[key] for key, _ in _ADVANCED))

    def dump(self) -> dict[str, Any]:
        """As plain JSON."""
        return {"values": self.values, "count": self.count}

    def load(self, data: dict[str, Any]) -> None:
        """Take up what ``dump`` wrote; what an older file does not know keeps its value."""
        self._values.update(data["values"])
        self.count = data["count"]


def _get(core: Core, _auth: Authorization, reader: Reader) -> list[Message]:
    reader.end()
    return [Message(Op.CONFIG, core.config.encode())]


def _set(core: Core, _auth: Authorization, reader: Reader) -> list[Message]:
    values: dict[str, Any] = {"name": reader.text(NAME_SIZE)}
    values["latitude"], values["longitude"] = _PLACE.unpack(reader.take(_PLACE.size))
    values.update((key, reader.number(1)) for key in _SWITCHES)
    offset = int.from_bytes(reader.take(2), "little", signed=True)
    values["timezone_offset"] = offset
    for key in ("dst_mode", *_FOBS, "single_lock", "advertising_mode"):
        values[key] = reader.number(1)
    values["timezone_id"] = reader.number(2)
    reader.end()
    if not -780 <= offset <= 840 or values["led_brightness"] > 5:
        raise Refused(Error.BAD_PARAMETER)
    if offset != core.offset_minutes and core.facts.clock == "utc":
        core.firmware.clock.zone = ZoneRules(standard_offset_s=offset * 60)
    core.config.change(values)
    return [COMPLETE]


def _get_advanced(core: Core, _auth: Authorization, reader: Reader) -> list[Message]:
    reader.end()
    return [Message(Op.ADVANCED_CONFIG, core.config.encode_advanced())]


def _set_advanced(core: Core, _auth: Authorization, reader: Reader) -> list[Message]:
    raw = reader.take(_ADVANCED_LAYOUT.size)
    if len(reader) == _NEWER_SIZE:
        reader.take(_NEWER_SIZE)
    reader.end()
    values = dict(zip((key for key, _ in _ADVANCED), _ADVANCED_LAYOUT.unpack(raw), strict=True))
    if not 5 <= values["lock_n_go_timeout"] <= 60 or not 1 <= values["unlatch_duration"] <= 30:
        raise Refused(Error.BAD_PARAMETER)
    core.config.change(values)
    return [COMPLETE]


COMMANDS: Table = {
    (Op.REQUEST_CONFIG, None): Spec("get_config", _get, pin=False, changes=False),
    (Op.SET_CONFIG, None): Spec("set_config", _set),
    (Op.REQUEST_ADVANCED_CONFIG, None): Spec(
        "get_advanced_config", _get_advanced, pin=False, changes=False
    ),
    (Op.SET_ADVANCED_CONFIG, None): Spec("set_advanced_config", _set_advanced),
}
