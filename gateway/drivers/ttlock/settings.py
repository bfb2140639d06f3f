"""Settings of a TTLock: commands and answers in the clear, and which of them a lock has. Pure.

Sources: kind3r/ttlock-sdk-js `AutoLockManageCommand.ts`, `AudioManageCommand.ts`,
`ScreenPasscodeManageCommand.ts`, `ControlRemoteUnlockCommand.ts`, `PassageModeCommand.ts`;
domodom30/ttlock-sdk-js `GetSwitchStateCommand.ts`, `ControlLampCommand.ts`; the bits of the
switches from the vendor's WeChat plug-in (TTLOCK_SWITCH_CONFIG_TYPE). Not here: the conversations
(session).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.domain.devices import WeekDay
from gateway.drivers.access import Setting, SettingKind
from gateway.drivers.ttlock.commands import Command, Feature, Login, number, u16, u32
from gateway.drivers.ttlock.wire import Code
from gateway.errors import PeerProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.drivers.access import SettingValue
    from gateway.drivers.ttlock.commands import Answer

_READ: Final = 1
_WRITE: Final = 2
_DELETE: Final = 3
_WEEKLY: Final = 1
_END: Final = 0xFF
_MOST_S: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Plan:
    """How one setting is spoken of. `mask`: its bit among those of `SWITCHES`."""

    kind: SettingKind
    feature: Feature
    code: Code
    mask: int = 0


PLANS: Final[Mapping[str, Plan]] = {
    "auto_lock_s": Plan(SettingKind.SECONDS, Feature.AUTO_LOCK, Code.AUTO_LOCK),
    "sound": Plan(SettingKind.SWITCH, Feature.AUDIO, Code.AUDIO),
    "show_code": Plan(SettingKind.SWITCH, Feature.SHOW_PASSCODE, Code.SHOW_CODE),
    "remote_unlock": Plan(SettingKind.SWITCH, Feature.REMOTE_UNLOCK_SWITCH, Code.REMOTE_UNLOCK),
    "passage_mode": Plan(SettingKind.WEEKLY, Feature.PASSAGE, Code.PASSAGE),
    "freeze": Plan(SettingKind.SWITCH, Feature.FREEZE, Code.FREEZE),
    "lamp_s": Plan(SettingKind.SECONDS, Feature.LAMP, Code.LAMP),
    "tamper": Plan(SettingKind.SWITCH, Feature.TAMPER, Code.SWITCHES, 1 << 0),
    "reset_button": Plan(SettingKind.SWITCH, Feature.RESET_BUTTON, Code.SWITCHES, 1 << 1),
    "privacy": Plan(SettingKind.SWITCH, Feature.PRIVACY, Code.SWITCHES, 1 << 2),
}


def read(plan: Plan) -> Command:
    payload = bytes((_READ,)) + (u32(plan.mask) if plan.mask else b"")
    return Command(plan.code, payload, Login.ADMIN, asks_only=True)


def write(plan: Plan, value: bool | int) -> Command:
    if plan.mask:
        payload = u32(plan.mask) + u32(plan.mask if value else 0)
    elif plan.kind is SettingKind.SECONDS:
        payload = u16(int(value))
    else:
        payload = bytes((bool(value),))
    return Command(plan.code, bytes((_WRITE,)) + payload, Login.ADMIN)


def setting_of(name: str, plan: Plan, answer: Answer) -> Setting:
    """`battery | 1 | value`; seconds are followed by their least and most, on those that have them.

    Of the switches: `battery | 1 | mask u32 | values u32`.
    """
    data, what = answer.data, f"the setting {name}"
    if len(data) < 2 or data[1] != _READ:
        raise PeerProtocolError(f"could not read {what}: the lock speaks of something else")
    if plan.mask:
        return Setting(name, plan.kind, bool(number(data, len(data) - 4, 4, what) & plan.mask))
    if plan.kind is SettingKind.SWITCH:
        return Setting(name, plan.kind, number(data, 2, 1, what) == 1)
    low = int.from_bytes(data[4:6], "big") if len(data) >= 8 else 0
    high = int.from_bytes(data[6:8], "big") if len(data) >= 8 else _MOST_S
    return Setting(name, plan.kind, number(data, 2, 2, what), low, high)


def fits(setting: Setting, value: SettingValue) -> bool:
    """Whether the setting can take the value."""
    if setting.kind is SettingKind.SWITCH:
        return isinstance(value, bool)
    if setting.kind is SettingKind.WEEKLY:
        return isinstance(value, tuple)
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    low = setting.low or 0
    high = _MOST_S if setting.high is None else setting.high
    return value == 0 or low <= value <= high


# ── passage mode: hours in which the door stays unlocked ────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Passage:
    """One entry of the lock's. `hours` is None for one of another kind (monthly)."""

    raw: bytes
    hours: WeekDay | None


def read_passages(sequence: int) -> Command:
    return Command(Code.PASSAGE, bytes((_READ, sequence)), Login.ADMIN, asks_only=True)


def passages_of(answer: Answer) -> tuple[tuple[Passage, ...], int | None]:
    """`battery | 1 | next | entries of kind, day, month, four of times`; and the next, if any.

    Day 0 is every day; 00:00 to 00:00 is the whole day.
    """
    data, what = answer.data, "the passage mode"
    if len(data) < 3 or data[1] != _READ or (len(data) - 3) % 7:
        raise PeerProtocolError(f"could not read {what}: the lock speaks of something else")
    found: list[Passage] = []
    for at in range(3, len(data), 7):
        raw = data[at : at + 7]
        kind, day, _, *times = raw
        hours = None
        if kind == _WEEKLY and day <= 7:
            start, end = times[0] * 60 + times[1], times[2] * 60 + times[3]
            days = frozenset(range(1, 8)) if day == 0 else frozenset({day})
            hours = WeekDay(days, start, end or 1439)
        found.append(Passage(raw, hours))
    return tuple(found), (None if data[2] == _END or not found else data[2])


def add_passage(day: int, hours: WeekDay) -> Command:
    times = (*divmod(hours.start_minute, 60), *divmod(hours.end_minute, 60))
    return Command(Code.PASSAGE, bytes((_WRITE, _WEEKLY, day, 0, *times)), Login.ADMIN)


def delete_passage(passage: Passage) -> Command:
    return Command(Code.PASSAGE, bytes((_DELETE,)) + passage.raw, Login.ADMIN)
