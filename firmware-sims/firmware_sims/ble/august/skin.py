"""The simulated August or Yale: its parts put together over a lock's firmware.

Settings: `key` (32 hex digits, the offline key), `key_slot`, `serial`, `keypad` (whether there is
one, on the lock or beside it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firmware_sims.ble.august.peripheral import AugustPeripheral
from firmware_sims.ble.device import SettingsError
from firmware_sims.commands import CommandQueue

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from firmware_sims.faults import Faults
    from firmware_sims.firmware.lock import LockFirmware

_DEFAULTS: Mapping[str, Any] = {
    "key": "", "key_slot": 1, "serial": "M1FBA0212345", "keypad": True,
}  # fmt: skip


class AugustSkin:
    """One lock; `key` is drawn where the settings name none."""

    def __init__(
        self,
        firmware: LockFirmware,
        faults: Faults,
        *,
        address: str,
        settings: Mapping[str, Any],
        rng: random.Random,
    ) -> None:
        self._firmware = firmware
        self.key = bytes.fromhex(settings["key"]) or rng.randbytes(16)
        self.key_slot: int = settings["key_slot"]
        self.queue = CommandQueue(firmware, faults)
        self.peripheral = AugustPeripheral(
            firmware,
            self.queue,
            address=address,
            key=self.key,
            key_slot=self.key_slot,
            serial=settings["serial"],
            keypad=settings["keypad"],
            rng=rng,
        )

    @property
    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """Nothing but what a hand can do to any lock."""
        return {}

    def state(self) -> dict[str, Any]:
        """What only this protocol holds, the key included."""
        return {
            "claimed": True,
            "key": self.key.hex(),
            "key_slot": self.key_slot,
            "auto_lock": self._firmware.settings["auto_lock"],
            "log_records": len(self.peripheral.log),
        }

    def dump(self) -> dict[str, Any]:
        return {
            "key": self.key.hex(),
            "news": self.peripheral.news,
            "log": [record.hex() for record in self.peripheral.log],
        }

    def load(self, data: dict[str, Any]) -> None:
        """The key is the settings', unless they name none."""
        self.peripheral.news = data["news"]
        self.peripheral.log.clear()
        self.peripheral.log.extend(bytes.fromhex(record) for record in data["log"])

    def restarted(self) -> None:
        self.peripheral.hang_up()

    def factory_reset(self) -> None:
        """The offline key stays: it was made with the lock, and the vendor's cloud knows it."""
        self.peripheral.log.clear()
        self.peripheral.hang_up()


def build(
    firmware: LockFirmware,
    faults: Faults,
    *,
    address: str,
    settings: Mapping[str, Any],
    rng: random.Random,
) -> AugustSkin:
    """See `ble.device.LockFamily`; settings are laid over the ``[skin]`` table of the profile."""
    table = {**_DEFAULTS, **firmware.profile.skin, **settings}
    unknown = sorted(set(table) - set(_DEFAULTS))
    if unknown:
        names = ", ".join(map(repr, unknown))
        raise SettingsError(f"an August has no {names}; known: {', '.join(_DEFAULTS)}")
    for name, default in _DEFAULTS.items():
        if type(table[name]) is not type(default):
            raise SettingsError(f"{name} must be {type(default).__name__}")
    try:
        right = len(bytes.fromhex(table["key"])) in (0, 16)
    except ValueError:
        right = False
    if not right:
        raise SettingsError("key must be 32 hex digits")
    if not 0 <= table["key_slot"] <= 0xFF:
        raise SettingsError("key_slot must fit into a byte")
    return AugustSkin(firmware, faults, address=address, settings=table, rng=rng)
