"""Settings of a Nuki: its two configurations, and which of their fields are ours to change. Pure.

A configuration is written as a whole, so it is read first and every other field goes back as it
was read, also those that newer firmware adds at the end. Layouts: ronengr/pyNukiBT `const.py`,
Config and AdvancedConfig; how many last fields there are differs by model. Not here: the
conversations (session).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.drivers.access import Setting, SettingKind
from gateway.drivers.nuki.commands import Command, Proof, need
from gateway.drivers.nuki.wire import Op, number, u16

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.drivers.access import SettingValue
    from gateway.drivers.nuki.wire import Message

_NAME_AND_PLACE: Final = slice(4, 44)
_SWITCHES: Final = slice(44, 49)
_DATE: Final = slice(49, 56)
_ZONE: Final = slice(56, 59)
"""Offset from UTC and kind of summer time."""
_BUTTONS: Final = slice(60, 65)
_KEYPAD: Final = 65
_ZONE_ID: Final = slice(72, 74)
_DEVICE_TYPE: Final = 74
_KEYPAD_2: Final = 76
_LEAST: Final = 71
_NO_ZONE_ID: Final = b"\xff\xff"

_DEGREES: Final = 2
"""The advanced configuration begins with how far the key turns, which is not written back."""
_ADVANCED_LEAST: Final = 31


@dataclass(frozen=True, slots=True)
class Config:
    """What 15 tells, as it was read. `date` is the lock's clock."""

    raw: bytes

    @property
    def date(self) -> bytes:
        return self.raw[_DATE]

    @property
    def has_keypad(self) -> bool:
        second = len(self.raw) > _KEYPAD_2 and self.raw[_KEYPAD_2] != 0
        return self.raw[_KEYPAD] != 0 or second

    @property
    def device_type(self) -> int | None:
        return self.raw[_DEVICE_TYPE] if len(self.raw) > _DEVICE_TYPE else None


def config_of(message: Message) -> Config:
    need(message.payload, _LEAST, "the lock's configuration")
    return Config(message.payload)


def advanced_of(message: Message) -> bytes:
    need(message.payload, _ADVANCED_LEAST, "the lock's advanced configuration")
    return message.payload


def read_config() -> Command:
    return Command(Op.REQUEST_CONFIG, b"", Op.CONFIG, needs=Proof.CHALLENGE, asks_only=True)


def read_advanced() -> Command:
    return Command(Op.REQUEST_ADVANCED, b"", Op.ADVANCED, needs=Proof.CHALLENGE, asks_only=True)


def write_config(raw: bytes) -> Command:
    zone_id = raw[_ZONE_ID] if len(raw) >= _ZONE_ID.stop else _NO_ZONE_ID
    payload = raw[_NAME_AND_PLACE] + raw[_SWITCHES] + raw[_ZONE] + raw[_BUTTONS] + zone_id
    return Command(Op.SET_CONFIG, payload, needs=Proof.PIN)


def write_advanced(raw: bytes) -> Command:
    return Command(Op.SET_ADVANCED, raw[_DEGREES:], needs=Proof.PIN)


# ── by name ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a setting stands. `switch`: the octet that turns it on, for seconds that may be off.

    `low` and `high` bound seconds, both included.
    """

    kind: SettingKind
    advanced: bool
    at: int
    size: int = 1
    low: int = 0
    high: int = 0xFF
    switch: int | None = None


PLANS: Final[Mapping[str, Plan]] = {
    "auto_unlatch": Plan(SettingKind.SWITCH, False, 44),
    "pairing": Plan(SettingKind.SWITCH, False, 45),
    "button": Plan(SettingKind.SWITCH, False, 46),
    "lamp": Plan(SettingKind.SWITCH, False, 47),
    "single_lock": Plan(SettingKind.SWITCH, False, 63),
    "auto_lock_s": Plan(SettingKind.SECONDS, True, 17, 2, 2, 0xFFFF, 28),
    "lock_n_go_s": Plan(SettingKind.SECONDS, True, 10, 1, 5, 60),
    "unlatch_s": Plan(SettingKind.SECONDS, True, 16, 1, 1, 30),
    "immediate_auto_lock": Plan(SettingKind.SWITCH, True, 29),
    "auto_update": Plan(SettingKind.SWITCH, True, 30),
}


def setting_of(name: str, plan: Plan, raw: bytes) -> Setting:
    value = number(raw, plan.at, plan.size)
    if plan.kind is SettingKind.SWITCH:
        return Setting(name, plan.kind, bool(value))
    if plan.switch is not None and not raw[plan.switch]:
        value = 0
    return Setting(name, plan.kind, value, plan.low, plan.high, off=plan.switch is not None)


def fits(plan: Plan, value: SettingValue) -> bool:
    if plan.kind is SettingKind.SWITCH:
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    return plan.low <= value <= plan.high or (value == 0 and plan.switch is not None)


def changed(plan: Plan, raw: bytes, value: bool | int) -> bytes:
    """The whole of it with that one field. Turning seconds off keeps how many they were."""
    after = bytearray(raw)
    if plan.switch is not None:
        after[plan.switch] = bool(value)
        if not value:
            return bytes(after)
    after[plan.at : plan.at + plan.size] = u16(int(value))[: plan.size]
    return bytes(after)
