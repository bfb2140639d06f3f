"""What every node answers about itself: Version, Manufacturer Specific, Z-Wave Plus Info, Battery,
Association with its group information, Configuration, Time Parameters.

Here: the reports and the few settings behind them. Not here: what a lock is for (`cc_lock`,
`cc_user_code`, …).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from firmware_sims.firmware.model import Answer
from firmware_sims.zwave.commands import CC, Commands, Get, Set, housekeeping, u16

if TYPE_CHECKING:
    from firmware_sims.zwave.application import ZwaveApplication

LIFELINE = 1
GROUP_SIZE = 5
BATTERY_LOW_PERCENT = 5
_LOW_WARNING = 0xFF


# ---- Version (CC:0086), version 2


def _version(app: ZwaveApplication, _payload: bytes) -> bytes:
    major, minor = (int(part) for part in app.firmware.profile.software.split(".")[:2])
    enhanced_slave, protocol = 3, (7, 18)
    return bytes((CC.VERSION, 0x12, enhanced_slave, *protocol, major, minor, 1, 0))


def _class_version(app: ZwaveApplication, payload: bytes) -> bytes:
    return bytes((CC.VERSION, 0x14, payload[0], app.version(payload[0])))


# ---- Manufacturer Specific (CC:0072), Z-Wave Plus Info (CC:005E)


def _manufacturer(app: ZwaveApplication, _payload: bytes) -> bytes:
    return bytes((CC.MANUFACTURER_SPECIFIC, 0x05)) + b"".join(map(u16, app.fingerprint))


def _plus_info(_app: ZwaveApplication, _payload: bytes) -> bytes:
    """A listening sleeper (FLiRS); the icons are those of a keypad door lock."""
    version, role, node = 2, 0x07, 0x00
    return bytes((CC.ZWAVE_PLUS_INFO, 0x02, version, role, node)) + u16(0x0300) + u16(0x0300)


# ---- Battery (CC:0080), version 1


def battery_report(app: ZwaveApplication) -> bytes:
    percent = round(app.firmware.battery_percent)
    level = _LOW_WARNING if percent <= BATTERY_LOW_PERCENT else percent
    return bytes((CC.BATTERY, 0x03, level))


def _battery(app: ZwaveApplication, _payload: bytes) -> Get:
    return Get("get_battery", lambda: battery_report(app))


# ---- Association (CC:0085), version 2; Association Group Information (CC:0059), version 1


def _association_set(app: ZwaveApplication, payload: bytes) -> Set:
    group, nodes = payload[0], payload[1:]

    def apply() -> Answer:
        members = [*app.lifeline, *(node for node in nodes if node not in app.lifeline)]
        if group != LIFELINE:
            return Answer.INVALID
        if len(members) > GROUP_SIZE:
            return Answer.FULL
        app.lifeline = members
        app.firmware.changed()
        return Answer.OK

    return Set("cc.association_set", apply)


def _association_remove(app: ZwaveApplication, payload: bytes) -> Set:
    group, nodes = payload[0] if payload else 0, payload[1:]

    def apply() -> Answer:
        if group in (0, LIFELINE):
            app.lifeline = [node for node in app.lifeline if nodes and node not in nodes]
            app.firmware.changed()
        return Answer.OK

    return Set("cc.association_remove", apply)


def _association_report(app: ZwaveApplication, _payload: bytes) -> bytes:
    """There is one group: it is told for whichever is asked (CC:0085.01.02.11.002)."""
    return bytes((CC.ASSOCIATION, 0x03, LIFELINE, GROUP_SIZE, 0, *app.lifeline))


def _groupings(_app: ZwaveApplication, _payload: bytes) -> bytes:
    return bytes((CC.ASSOCIATION, 0x06, 1))


def _specific_group(_app: ZwaveApplication, _payload: bytes) -> bytes:
    return bytes((CC.ASSOCIATION, 0x0C, 0))


def _group_name(_app: ZwaveApplication, _payload: bytes) -> bytes:
    name = b"Lifeline"
    return bytes((CC.ASSOCIATION_GROUP_INFO, 0x02, LIFELINE, len(name))) + name


def _group_info(_app: ZwaveApplication, payload: bytes) -> bytes:
    listing, groups, general, lifeline = payload[0] & 0x40, 1, 0x00, 0x01
    head = (CC.ASSOCIATION_GROUP_INFO, 0x04, listing << 1 | groups)
    return bytes((*head, LIFELINE, 0, general, lifeline, 0, 0, 0))


def _group_commands(app: ZwaveApplication, _payload: bytes) -> bytes:
    told = [CC.BATTERY, 0x03, CC.NOTIFICATION, 0x05, CC.DOOR_LOCK, 0x03]
    told += [CC.DEVICE_RESET_LOCALLY, 0x01]
    return bytes((CC.ASSOCIATION_GROUP_INFO, 0x06, LIFELINE, len(told), *told))


# ---- Configuration (CC:0070), version 1


def _configuration_set(app: ZwaveApplication, payload: bytes) -> Set:
    number, control = payload[0], payload[1]
    size, to_default = control & 0x07, bool(control & 0x80)
    value = int.from_bytes(payload[2 : 2 + size], "big", signed=True)

    def apply() -> Answer:
        parameter = app.parameters.get(number)
        if parameter is None or (size != parameter.size and not to_default):
            return Answer.INVALID
        app.firmware.settings[parameter.key] = parameter.default if to_default else value
        app.firmware.changed()
        return Answer.OK

    return Set("set_configuration", apply)


def _configuration_get(app: ZwaveApplication, payload: bytes) -> Get:
    """An unknown number is answered with the first there is (CC:0070.01.05.11.001)."""

    def apply() -> bytes:
        if not app.parameters:
            return b""
        number = payload[0] if payload[0] in app.parameters else min(app.parameters)
        parameter = app.parameters[number]
        value = int(app.firmware.settings[parameter.key])
        head = bytes((CC.CONFIGURATION, 0x06, number, parameter.size))
        return head + (value % (1 << 8 * parameter.size)).to_bytes(parameter.size, "big")

    return Get("get_configuration", apply)


# ---- Time Parameters (CC:008B): UTC


def _time_set(app: ZwaveApplication, payload: bytes) -> Set:
    year, rest = int.from_bytes(payload[:2], "big"), payload[2:7]

    def apply() -> Answer:
        try:
            month, day, hour, minute, second = rest
            utc = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            return Answer.INVALID
        app.firmware.clock.set_utc(utc.timestamp())
        app.firmware.changed()
        return Answer.OK

    return Set("set_time", apply)


def _time_get(app: ZwaveApplication, _payload: bytes) -> Get:
    def apply() -> bytes:
        now = datetime.fromtimestamp(app.firmware.clock.utc(), UTC)
        head = bytes((CC.TIME_PARAMETERS, 0x03)) + u16(now.year)
        return head + bytes((now.month, now.day, now.hour, now.minute, now.second))

    return Get("get_time", apply)


COMMANDS: Commands = {
    (CC.VERSION, 0x11): housekeeping("version_get", _version),
    (CC.VERSION, 0x13): housekeeping("class_version_get", _class_version),
    (CC.MANUFACTURER_SPECIFIC, 0x04): housekeeping("manufacturer_get", _manufacturer),
    (CC.ZWAVE_PLUS_INFO, 0x01): housekeeping("plus_info_get", _plus_info),
    (CC.BATTERY, 0x02): _battery,
    (CC.ASSOCIATION, 0x01): _association_set,
    (CC.ASSOCIATION, 0x02): housekeeping("association_get", _association_report),
    (CC.ASSOCIATION, 0x04): _association_remove,
    (CC.ASSOCIATION, 0x05): housekeeping("groupings_get", _groupings),
    (CC.ASSOCIATION, 0x0B): housekeeping("specific_group_get", _specific_group),
    (CC.ASSOCIATION_GROUP_INFO, 0x01): housekeeping("group_name_get", _group_name),
    (CC.ASSOCIATION_GROUP_INFO, 0x03): housekeeping("group_info_get", _group_info),
    (CC.ASSOCIATION_GROUP_INFO, 0x05): housekeeping("group_commands_get", _group_commands),
}
CONFIGURATION: Commands = {
    (CC.CONFIGURATION, 0x04): _configuration_set,
    (CC.CONFIGURATION, 0x05): _configuration_get,
}
TIME_PARAMETERS: Commands = {
    (CC.TIME_PARAMETERS, 0x01): _time_set,
    (CC.TIME_PARAMETERS, 0x02): _time_get,
}
