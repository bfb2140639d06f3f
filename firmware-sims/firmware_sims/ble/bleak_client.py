"""bleak's client on an adapter of the simulated air."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, cast

from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.exc import (
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
)
from bumble import att
from bumble.core import BaseBumbleError

from firmware_sims.ble.adapter import AdapterError
from firmware_sims.ble.air import FAILED_TO_BE_ESTABLISHED
from firmware_sims.ble.bleak_adapters import adapter_at, adapter_of, translated
from firmware_sims.ble.bleak_link import Link, LinkLost, discover
from firmware_sims.ble.bleak_scanner import Scanner

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from bleak.args import SizedBuffer
    from bleak.backends.characteristic import BleakGATTCharacteristic
    from bleak.backends.client import NotifyCallback
    from bleak.backends.descriptor import BleakGATTDescriptor
    from bleak.backends.scanner import AdvertisementData
    from bumble import gatt_client, hci

    from firmware_sims.ble.adapter import Adapter

MTU = 517
"""What BlueZ asks for (src/shared/att-types.h: BT_ATT_MAX_LE_MTU)."""

_T = TypeVar("_T")


class Client(BaseBleakClient):
    """`BleakClient(device, backend=Client, bluez={"adapter": ADDRESS})`.

    A `BLEDevice` that was heard by a `Scanner` names its adapter itself.
    """

    def __init__(
        self,
        address_or_ble_device: BLEDevice | str,
        services: set[str] | None = None,
        *,
        disconnected_callback: Callable[[], None] | None,
        timeout: float,
        bluez: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        super().__init__(
            address_or_ble_device, disconnected_callback=disconnected_callback, timeout=timeout
        )
        self._wanted_services = services
        self._peer: hci.Address | None = None
        if isinstance(address_or_ble_device, BLEDevice):
            self._adapter = adapter_at(address_or_ble_device.details["source"])
            self._peer = address_or_ble_device.details["address"]
        else:
            self._adapter = adapter_of(bluez or {})
        self._link: Link | None = None

    # ---- the link

    @property
    def name(self) -> str:
        return self._adapter.names.get(self.address.upper(), self.address.replace(":", "-"))

    @property
    def mtu_size(self) -> int:
        return self._open_link().connection.att_mtu

    @property
    def is_connected(self) -> bool:
        return self._link is not None and self._link.open

    async def connect(self, pair: bool, **kwargs: Any) -> None:
        if self.is_connected:
            raise BleakError("Client is already connected")
        try:
            async with asyncio.timeout(kwargs.get("timeout", self._timeout)):
                await self._adapter.open()
                while not await self._attempt(pair):
                    pass
        except AdapterError as cause:
            raise translated(cause) from cause

    async def _attempt(self, pair: bool) -> bool:
        """False when the device has not followed: bleak on BlueZ tries again then, too."""
        if self._peer is None:
            self._peer = await _find(self._adapter, self.address, self._timeout)
        if self._adapter.link(self.address) is not None:
            raise BleakError(f"{self.address} is connected already, by another client")
        connection = await self._adapter.connect(self._peer)
        self._link = link = Link(
            connection, self._adapter.ended.get(connection), self._disconnected
        )
        settled = False
        try:
            await link.do(link.gatt.request_mtu(MTU))
            if pair:
                await link.do(connection.pair())
            self.services = await link.do(discover(link, self._wanted_services))
            settled = True
        except LinkLost as lost:
            if lost.reason == FAILED_TO_BE_ESTABLISHED:
                return False
            raise BleakDBusError(
                "org.bluez.Error.Failed", ["le-connection-abort-by-remote"]
            ) from None
        except BaseBumbleError as cause:
            raise BleakDBusError("org.bluez.Error.Failed", [str(cause)]) from cause
        finally:
            if not settled:
                self._link = None
                self.services = None
                self._adapter.drop(connection)
        return True

    def _disconnected(self) -> None:
        if self.services is None:
            return  # the attempt tells it itself
        self.services = None
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    async def disconnect(self) -> None:
        if self._link is not None and self._link.open:
            await self._adapter.disconnect(self._link.connection)
            async with asyncio.timeout(10):
                await self._link.ended()

    async def pair(self, *args: Any, **kwargs: Any) -> None:
        link = self._open_link()
        await self._do(link.connection.pair())

    async def unpair(self) -> None:
        await self.disconnect()
        await self._adapter.forget(self.address)

    def _open_link(self) -> Link:
        if self._link is None or not self._link.open:
            raise BleakError("Not connected")
        return self._link

    # ---- operations

    async def _do(self, exchange: Coroutine[Any, Any, _T]) -> _T:
        try:
            return await self._open_link().do(exchange)
        except LinkLost:
            raise BleakDBusError("org.bluez.Error.NotConnected", ["Not Connected"]) from None
        except att.ATT_Error as refusal:
            raise BleakGATTProtocolError(int(refusal.error_code)) from None
        except BaseBumbleError as cause:
            raise BleakDBusError("org.bluez.Error.Failed", [str(cause)]) from cause

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **kwargs: Any
    ) -> bytearray:
        return await self._read(characteristic.handle)

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **kwargs: Any
    ) -> bytearray:
        return await self._read(descriptor.handle)

    async def _read(self, handle: int) -> bytearray:
        return bytearray(await self._do(self._open_link().gatt.read_value(handle)))

    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool
    ) -> None:
        await self._write(characteristic.handle, data, response=response)

    async def write_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, data: SizedBuffer
    ) -> None:
        await self._write(descriptor.handle, data, response=True)

    async def _write(self, handle: int, data: SizedBuffer, *, response: bool) -> None:
        gatt = self._open_link().gatt
        await self._do(gatt.write_value(handle, bytes(data), with_response=response))

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **kwargs: Any
    ) -> None:
        def heard(value: bytes) -> None:
            callback(bytearray(value))

        proxy = cast("gatt_client.CharacteristicProxy[bytes]", characteristic.obj)
        gatt = self._open_link().gatt
        # As in BlueZ, the latest callback is the only one.
        for subscribers in (gatt.notification_subscribers, gatt.indication_subscribers):
            subscribers.pop(characteristic.handle, None)
        await self._do(gatt.subscribe(proxy, heard, prefer_notify=True))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        proxy = cast("gatt_client.CharacteristicProxy[bytes]", characteristic.obj)
        await self._do(self._open_link().gatt.unsubscribe(proxy))


async def _find(adapter: Adapter, address: str, timeout_s: float) -> hci.Address:
    """By a scan of its own, as bleak does for a device that it knows by address only."""
    found: asyncio.Future[hci.Address] = asyncio.get_running_loop().create_future()

    def heard(device: BLEDevice, _: AdvertisementData) -> None:
        if device.address.upper() == address.upper() and not found.done():
            found.set_result(device.details["address"])

    scanner = Scanner(heard, None, "active", bluez={"adapter": adapter.address})
    await scanner.start()
    try:
        async with asyncio.timeout(timeout_s):
            return await found
    except TimeoutError:
        raise BleakDeviceNotFoundError(
            address, f"Device with address {address} was not found."
        ) from None
    finally:
        await scanner.stop()
