"""bleak's scanner on an adapter of the simulated air."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.exc import BleakDBusError

from firmware_sims.ble.adapter import AdapterError, AdapterGoneError
from firmware_sims.ble.bleak_adapters import adapter_of, translated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bleak.backends.scanner import AdvertisementDataCallback

    from firmware_sims.ble.adapter import Heard


class Scanner(BaseBleakScanner):
    """`BleakScanner(backend=Scanner, bluez={"adapter": ADDRESS})`."""

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        scanning_mode: str,
        *,
        bluez: Mapping[str, Any],
        **_: Any,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._active = scanning_mode == "active"
        self._adapter = adapter_of(bluez)
        self._scanning = False

    async def start(self) -> None:
        if self._adapter.discovering:
            raise BleakDBusError("org.bluez.Error.InProgress", ["Operation already in progress"])
        self.seen_devices = {}
        try:
            await self._adapter.open()
            await self._adapter.start_scan(self._heard, self._active)
        except AdapterError as cause:
            raise translated(cause) from cause
        self._scanning = True

    async def stop(self) -> None:
        if not self._scanning:
            return
        self._scanning = False
        try:
            await self._adapter.stop_scan()
        except AdapterGoneError as cause:
            raise BleakDBusError(
                "org.freedesktop.DBus.Error.UnknownObject", [str(cause)]
            ) from cause
        except AdapterError as cause:
            raise translated(cause) from cause

    def _heard(self, heard: Heard) -> None:
        said, address = heard.said, heard.address
        if not self.is_allowed_uuid(said.service_uuids):
            return
        name = self._adapter.names.get(address)
        data = AdvertisementData(
            local_name=name,
            manufacturer_data=said.manufacturer_data,
            service_data=said.service_data,
            service_uuids=said.service_uuids,
            tx_power=said.tx_power,
            rssi=heard.rssi,
            platform_data=(),
        )
        device = self.create_or_update_device(
            address,
            address,
            name or address.replace(":", "-"),
            {"source": self._adapter.address, "address": heard.peer},
            data,
        )
        self.call_detection_callbacks(device, data)
