"""Settings that are one configuration parameter each (CC:0070): reading and writing. Sans-I/O.

Which parameters a model has is in `quirks.toml`. `Configuration.get(parameter)` tells a number,
`set({parameter, value, valueSize, valueFormat})` how the lock ended it (ConfigurationCC.d.ts);
format 0 is signed, 1 unsigned (`ConfigValueFormat`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.drivers.access import Setting, SettingKind, SettingValue
from gateway.drivers.zwave_lock import wire
from gateway.drivers.zwave_lock.dialogue import Dialect, Dialogue, ask, tell
from gateway.errors import DeviceRefused, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.drivers.zwave_lock.facts import Switch


def read_settings(dialect: Dialect, switches: Sequence[Switch]) -> Dialogue[Sequence[Setting]]:
    found: list[Setting] = []
    for switch in switches:
        found.append((yield from _read(dialect, switch)))  # noqa: PERF401  # it has to ask
    return found


def _read(dialect: Dialect, switch: Switch) -> Dialogue[Setting]:
    told = yield from ask(dialect.ask(wire.CONFIGURATION, "get", switch.parameter))
    values = {switch.on: True, switch.off: False}
    value = values.get(told) if isinstance(told, int) else None
    return Setting(switch.name, SettingKind.SWITCH, value)


def write_setting(
    dialect: Dialect, switches: Sequence[Switch], name: str, value: SettingValue
) -> Dialogue[Setting]:
    switch = next((switch for switch in switches if switch.name == name), None)
    if switch is None:
        raise DeviceRefused(f"could not set {name}: the lock has no such", Refusal.UNSUPPORTED)
    if not isinstance(value, bool):
        raise DeviceRefused(f"could not set {name}: it is on or off", Refusal.INVALID)
    change = {
        "parameter": switch.parameter,
        "value": switch.on if value else switch.off,
        "valueSize": 1,
        "valueFormat": int(switch.unsigned),
    }
    word = yield from tell(dialect.order(wire.CONFIGURATION, "set", change))
    if isinstance(word, Refusal):
        raise DeviceRefused(f"could not set {name}: the lock said no", word)
    return (yield from _read(dialect, switch))
