"""A backend for unmodified bleak (3.1) on adapters of the simulated air: scanner and client.

Here: `Backend`, the stack as the gateway's radio loads it by the name
`firmware_sims.ble.bleak_backend:Backend`, and `Scanner` and `Client` for whoever gives bleak its
classes. An adapter is named by its address (`tcp://HOST:PORT`, `unix:///PATH`), where BlueZ has
`hci0`. Not here: the classes themselves.

Like bluetoothd: one discovery for each adapter (a second is `InProgress`), the scan rests while a
link is made, `disconnect` tells the callback too, a vanished adapter is no event to the scanner,
and an operation given up keeps the link busy until the device has answered. Unlike it: the MTU is
told, and one client has a link for itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firmware_sims.ble.adapter import AdapterError
from firmware_sims.ble.bleak_adapters import adapter_at, translated
from firmware_sims.ble.bleak_client import Client
from firmware_sims.ble.bleak_scanner import Scanner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bleak.backends.device import BLEDevice

__all__ = ["Backend", "Client", "Scanner", "adapter_at"]


class Backend:
    """All simulated adapters, as the gateway's radio wants a Bluetooth stack."""

    scans_while_connecting = True
    """The controller itself lets the scan rest."""

    async def open(self, adapter: str) -> None:
        """Raises `BleakError` when it is not there or does not answer."""
        try:
            await adapter_at(adapter).open()
        except AdapterError as cause:
            raise translated(cause) from cause

    async def probe(self, adapter: str) -> None:
        try:
            await adapter_at(adapter).probe()
        except AdapterError as cause:
            raise translated(cause) from cause

    async def close(self, adapter: str) -> None:
        adapter_at(adapter).close()

    async def reset(self, adapter: str) -> bool:
        """Pull the line and open it anew: the controller behind it starts from nothing."""
        known = adapter_at(adapter)
        known.close()
        try:
            await known.open()
        except AdapterError:
            return False
        return True

    async def held(self, adapter: str, address: str) -> BLEDevice | None:
        """None: links end with the process that had them."""
        return None

    def scanner(self, adapter: str) -> Mapping[str, Any]:
        return {"backend": Scanner, "bluez": {"adapter": adapter}}

    def client(self, adapter: str) -> Mapping[str, Any]:
        return {"backend": Client, "bluez": {"adapter": adapter}}
