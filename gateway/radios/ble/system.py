"""The Bluetooth stack below bleak: which adapters there are, whether one lives, how to reset it.

Here: the port to it, BlueZ as the one that is used, and loading another by name for rehearsals and
tests. Not here: scanning and connecting, which go through bleak whatever is below.
"""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import bluetooth_auto_recovery
from bleak import BleakAdapter
from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason, BleakError
from bleak_retry_connector import get_device_by_adapter
from bluetooth_adapters.dbus import get_bluetooth_adapter_details

from gateway.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bleak.backends.device import BLEDevice

_ADDRESS = re.compile(r"(?:[0-9A-F]{2}:){5}[0-9A-F]{2}")
_HCI = re.compile(r"hci(\d+)")


@runtime_checkable
class Backend(Protocol):
    """A stack that bleak can drive. Adapters are named as the settings name them.

    What its methods raise may be a `BleakError`, an `OSError` or a `TimeoutError`; the radio
    translates them. `scans_while_connecting`: false if the scan has to rest while a connection is
    made.
    """

    scans_while_connecting: bool

    async def open(self, adapter: str) -> None:
        """Ready to be scanned on; raises when the adapter is not there or is switched off."""
        ...

    async def probe(self, adapter: str) -> None:
        """One cheap exchange; raises when the adapter is gone or is switched off."""
        ...

    async def close(self, adapter: str) -> None:
        """Safe at any time, more than once."""
        ...

    async def reset(self, adapter: str) -> bool:
        """The hardware, after which it has to be opened again. False when that cannot be done."""
        ...

    async def held(self, adapter: str, address: str) -> BLEDevice | None:
        """A device that this adapter is connected to already, left over from a life before."""
        ...

    def scanner(self, adapter: str) -> Mapping[str, Any]:
        """The keyword arguments that make a `BleakScanner` use this adapter."""
        ...

    def client(self, adapter: str) -> Mapping[str, Any]:
        """The keyword arguments that make a `BleakClient` use this adapter."""
        ...


class BlueZ:
    """The system's adapters, through bluetoothd. Named `hci0` or by address, `AA:BB:CC:DD:EE:FF`.

    An address stays when the numbers change, as they may after a reset or with two adapters.
    """

    scans_while_connecting = True
    """bluetoothd and the kernel suspend the scan themselves while they connect."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[str, str]] = {}  # as named -> hci name, address

    async def open(self, adapter: str) -> None:
        # bleak's own connection first: it says what is wrong, the listing is merely empty then.
        await BleakAdapter.get(bluez={"adapter": adapter})
        listed = await _adapters()
        for hci, (address, powered) in listed.items():
            if adapter in (hci, address):
                self._found[adapter] = hci, address
                _must_be_powered(adapter, powered=powered)
                return
        have = ", ".join(listed) or "none"
        raise BleakError(f"there is no adapter of that name; this machine has: {have}")

    async def probe(self, adapter: str) -> None:
        hci, _ = self._found[adapter]
        listed = await _adapters()
        if hci not in listed:
            raise BleakError("it is gone")
        _must_be_powered(adapter, powered=listed[hci][1])

    async def close(self, adapter: str) -> None:
        """Nothing is held: what is found stays, because a reset needs the address."""

    async def reset(self, adapter: str) -> bool:
        """Needs CAP_NET_ADMIN for the kernel's management socket; without it the answer is no."""
        hci, address = self._found.get(adapter, (adapter, "00:00:00:00:00:00"))
        number = _HCI.fullmatch(hci)
        if number is None:
            return False  # named by an address that was never seen
        return await bluetooth_auto_recovery.recover_adapter(
            int(number.group(1)), address, gone_silent=True
        )

    async def held(self, adapter: str, address: str) -> BLEDevice | None:
        """bluetoothd keeps connections of a process that was killed, and such a lock is silent."""
        device = await get_device_by_adapter(address, self._found[adapter][0])
        if device is None or not device.details["props"].get("Connected"):
            return None
        return device

    def scanner(self, adapter: str) -> Mapping[str, Any]:
        return {"bluez": {"adapter": self._found[adapter][0]}}

    def client(self, adapter: str) -> Mapping[str, Any]:
        return {"bluez": {"adapter": self._found[adapter][0]}}


async def _adapters() -> dict[str, tuple[str, bool]]:
    """hci name -> address and whether it is switched on, as bluetoothd says now."""
    found = {}
    for hci, interfaces in (await get_bluetooth_adapter_details()).items():
        properties = interfaces.get("org.bluez.Adapter1", {})
        address = str(properties.get("Address", "")).upper()
        found[hci] = address, bool(properties.get("Powered"))
    return found


def _must_be_powered(adapter: str, *, powered: bool) -> None:
    if not powered:
        raise BleakBluetoothNotAvailableError(
            f"{adapter} is switched off", BleakBluetoothNotAvailableReason.POWERED_OFF
        )


def check_adapters(adapters: tuple[str, ...]) -> None:
    """Raises `ConfigError` for names that cannot work with any stack."""
    if not adapters:
        raise ConfigError("bluetooth.adapters: name at least one adapter, such as hci0")
    if len(set(adapters)) != len(adapters):
        raise ConfigError("bluetooth.adapters: an adapter is named twice")


def check_bluez_names(adapters: tuple[str, ...]) -> None:
    """Raises `ConfigError` for names that BlueZ does not have."""
    for adapter in adapters:
        if not _HCI.fullmatch(adapter) and not _ADDRESS.fullmatch(adapter):
            raise ConfigError(
                f"bluetooth.adapters: {adapter!r} must be a name such as hci0 or an address such as"
                " AA:BB:CC:DD:EE:FF"
            )


def load(name: str) -> Backend:
    """`package.module:factory`, called without arguments, for rehearsals and tests only.

    It names code that will run inside the gateway, so it belongs into settings that nobody but
    root can write, and a gateway at a real door must refuse it. Raises `ConfigError`.
    """
    module, _, factory = name.partition(":")
    try:
        made: object = getattr(importlib.import_module(module), factory)()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ConfigError(f"bluetooth.backend: could not load {name!r}: {error}") from error
    if not isinstance(made, Backend):
        raise ConfigError(f"bluetooth.backend: {name!r} does not make a Bluetooth stack")
    return made
