"""Switches and numbers of a TTLock: commands 36, 37, 59, 61, 62, 66, 67, 68, 71, 74.

Here: asking (operation 1) and changing (operation 2). Not here: what a switch then does, which is
the firmware's and `core`'s. Layouts from kind3r/ttlock-sdk-js (AutoLockManage, AudioManage,
ControlRemoteUnlock, ScreenPasscodeManage, PassageMode) and domodom30/ttlock-sdk-js
(UnlockDirection, AccessoryBattery). Assumed: answers of 61, 67 and 68 are formed like that of 37.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.ble.ttlock.codes import page
from firmware_sims.ble.ttlock.facts import Feature
from firmware_sims.ble.ttlock.fields import Error, Refused, u8, u16, u32
from firmware_sims.ble.ttlock.passage import Passage
from firmware_sims.ble.ttlock.spec import Spec

if TYPE_CHECKING:
    from firmware_sims.ble.ttlock.core import Core
    from firmware_sims.ble.ttlock.fields import Reader
    from firmware_sims.ble.ttlock.spec import Table

ASK, CHANGE = 1, 2
_DOOR_SENSOR_SWITCH = 0xFFFF
_PASSAGE_DELETE, _PASSAGE_CLEAR = 3, 4
_PASSAGE_END = 0xFF


def _switch(opcode: int, name: str, key: str, feature: Feature, *, highest: int = 1) -> Table:
    def ask(core: Core, _reader: Reader) -> bytes:
        return core.done(ASK, u8(core.setting(key)))

    def change(core: Core, reader: Reader) -> bytes:
        value = reader.number(1)
        reader.end()
        if value > highest:
            raise Refused(Error.INVALID_PARAMETER)
        core.set(key, value)
        return core.done(CHANGE, u8(value))

    return {
        (opcode, ASK): Spec(f"get_{name}", ask, changes=False, feature=feature),
        (opcode, CHANGE): Spec(f"set_{name}", change, feature=feature),
    }


def _get_auto_lock(core: Core, _reader: Reader) -> bytes:
    facts = core.facts
    now = core.setting("auto_relock_s")
    return core.done(ASK, u16(now) + u16(facts.auto_lock_min_s) + u16(facts.auto_lock_max_s))


def _set_auto_lock(core: Core, reader: Reader) -> bytes:
    seconds = reader.number(2)
    if seconds == _DOOR_SENSOR_SWITCH:
        core.need_feature(Feature.DOOR_SENSOR)
        core.set("door_sensor", reader.number(1))
        return core.done(CHANGE)
    reader.end()
    if seconds and not core.facts.auto_lock_min_s <= seconds <= core.facts.auto_lock_max_s:
        raise Refused(Error.INVALID_PARAMETER)
    core.set("auto_relock_s", seconds)
    return core.done(CHANGE)


def _get_audio(core: Core, _reader: Reader) -> bytes:
    keys = ("audio", "audio_volume", "audio_language")
    return core.done(ASK, bytes(core.setting(key) for key in keys))


def _set_audio(core: Core, reader: Reader) -> bytes:
    on = reader.number(1)
    if len(reader):
        volume, language = reader.number(1), reader.number(1)
        reader.end()
        if not 1 <= volume <= 5:
            raise Refused(Error.INVALID_PARAMETER)
        core.set("audio_volume", volume)
        core.set("audio_language", language)
    core.set("audio", int(bool(on)))
    return core.done(CHANGE, u8(on))


def _list_passage(core: Core, reader: Reader) -> bytes:
    first = reader.number(1)
    records = [entry.encode() for entry in core.passage]
    taken, following = page(records, first, core.facts.list_page_bytes)
    return core.done(ASK, u8(min(following, _PASSAGE_END)) + taken)


def _add_passage(core: Core, reader: Reader) -> bytes:
    entry = Passage.decode(reader.rest())
    if entry not in core.passage:
        core.passage.append(entry)
    core.firmware.changed()
    return core.done(CHANGE)


def _delete_passage(core: Core, reader: Reader) -> bytes:
    entry = Passage.decode(reader.rest())
    if entry not in core.passage:
        raise Refused(Error.INVALID_PARAMETER)
    core.passage.remove(entry)
    core.firmware.changed()
    return core.done(_PASSAGE_DELETE)


def _clear_passage(core: Core, reader: Reader) -> bytes:
    reader.end()
    core.passage.clear()
    core.firmware.changed()
    return core.done(_PASSAGE_CLEAR)


def _get_lamp(core: Core, _reader: Reader) -> bytes:
    return core.done(ASK, u16(core.setting("lamp_s")))


def _set_lamp(core: Core, reader: Reader) -> bytes:
    seconds = reader.number(2)
    reader.end()
    core.set("lamp_s", seconds)
    return core.done(CHANGE, u16(seconds))


_SWITCHES = (1 << 3) - 1
"""Tamper alarm, reset button, privacy lock; which bit is which no source says."""


def _get_switches(core: Core, _reader: Reader) -> bytes:
    return core.done(ASK, u32(_SWITCHES) + u32(core.setting("switches")))


def _set_switches(core: Core, reader: Reader) -> bytes:
    items, values = reader.number(4), reader.number(4)
    reader.end()
    if items & ~_SWITCHES:
        raise Refused(Error.INVALID_PARAMETER)
    core.set("switches", core.setting("switches") & ~items | values & items)
    return core.done(CHANGE, u32(items) + u32(core.setting("switches")))


def _get_direction(core: Core, _reader: Reader) -> bytes:
    return u8(ASK) + u8(core.setting("unlock_direction"))


def _set_direction(core: Core, reader: Reader) -> bytes:
    direction = reader.number(1)
    reader.end()
    if direction > 2:
        raise Refused(Error.INVALID_PARAMETER)
    core.set("unlock_direction", direction)
    return u8(CHANGE) + u8(direction)


def _accessory_battery(core: Core, reader: Reader) -> bytes:
    """Type and address; the only accessory is a door sensor, which shares the lock's battery."""
    kind = reader.number(1)
    reader.rest()
    if kind != 1 or not core.firmware.profile.has_door_sensor:
        raise Refused(Error.INVALID_PARAMETER)
    return u8(kind) + u8(core.battery)


COMMANDS: Table = {
    (0x36, ASK): Spec("get_auto_lock", _get_auto_lock, changes=False, feature=Feature.AUTO_LOCK),
    (0x36, CHANGE): Spec("set_auto_lock", _set_auto_lock, feature=Feature.AUTO_LOCK),
    **_switch(0x37, "remote_unlock", "remote_unlock", Feature.REMOTE_UNLOCK_SWITCH),
    **_switch(0x59, "show_passcode", "show_passcode", Feature.PASSCODE_DISPLAY),
    **_switch(0x61, "frozen", "frozen", Feature.FREEZE),
    (0x62, ASK): Spec("get_audio", _get_audio, changes=False, feature=Feature.AUDIO),
    (0x62, CHANGE): Spec("set_audio", _set_audio, feature=Feature.AUDIO),
    (0x66, ASK): Spec("list_passage", _list_passage, changes=False, feature=Feature.PASSAGE),
    (0x66, CHANGE): Spec("add_passage", _add_passage, feature=Feature.PASSAGE),
    (0x66, _PASSAGE_DELETE): Spec("remove_passage", _delete_passage, feature=Feature.PASSAGE),
    (0x66, _PASSAGE_CLEAR): Spec("clear_passage", _clear_passage, feature=Feature.PASSAGE),
    (0x67, ASK): Spec("get_lamp", _get_lamp, changes=False, feature=Feature.LAMP),
    (0x67, CHANGE): Spec("set_lamp", _set_lamp, feature=Feature.LAMP),
    (0x68, ASK): Spec("get_switches", _get_switches, changes=False),
    (0x68, CHANGE): Spec("set_switches", _set_switches),
    (0x71, ASK): Spec(
        "get_direction", _get_direction, changes=False, feature=Feature.UNLOCK_DIRECTION
    ),
    (0x71, CHANGE): Spec("set_direction", _set_direction, feature=Feature.UNLOCK_DIRECTION),
    (0x74, None): Spec(
        "get_accessory_battery",
        _accessory_battery,
        changes=False,
        feature=Feature.ACCESSORY_BATTERY,
    ),
}
