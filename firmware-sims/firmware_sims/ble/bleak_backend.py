"""A backend for unmodified bleak (3.1) on adapters of the simulated air: scanner and client.

Here: bleak's two classes over `adapter`, raising what bleak raises on Linux, and `Backend`, the
stack as the gateway's radio loads it by the name `firmware_sims.ble.bleak_backend:Backend`. An
adapter is named by its address (`tcp://HOST:PORT`, `unix:///PATH`), where BlueZ has `hci0`.

Like bluetoothd: one discovery for each adapter (a second is `InProgress`), the scan rests while a
link is made, `disconnect` tells the callback too, a vanished adapter is no event to the scanner,
and an operation given up keeps the link busy until the device has answered. Unlike it: the MTU is
told, and one client has a link for itself.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, cast
from weakref import WeakKeyDictionary

from bleak.assigned_numbers import gatt_char_props_to_strs
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
)
from bumble import att, hci
from bumble.core import BaseBumbleError
from bumble.device import Connection

from firmware_sims.ble.adapter import Adapter, AdapterError, AdapterGoneError, AdapterSilentError
from firmware_sims.ble.adverts import full_uuid
from firmware_sims.ble.air import FAILED_TO_BE_ESTABLISHED

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from bleak.args import SizedBuffer
    from bleak.backends.client import NotifyCallback
    from bleak.backends.scanner import AdvertisementDataCallback
    from bumble import gatt_client
    from bumble.device import Advertisement

    from firmware_sims.ble.adverts import Said

MTU = 517
"""What BlueZ asks for (src/shared/att-types.h: BT_ATT_MAX_LE_MTU)."""

_T = TypeVar("_T")

_adapters: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Adapter]] = WeakKeyDictionary()


def adapter_at(address: str) -> Adapter:
    """The one object for that adapter on this loop."""
    return _adapters.setdefault(asyncio.get_running_loop(), {}).setdefault(
        address, Adapter(address)
    )


def _of(arguments: Mapping[str, Any]) -> Adapter:
    address = arguments.get("adapter")
    if not address:
        raise BleakError('name the adapter: bluez={"adapter": "tcp://HOST:PORT"}')
    return adapter_at(address)


def _translated(error: AdapterError) -> BleakError:
    if isinstance(error, AdapterGoneError):
        return BleakBluetoothNotAvailableError(
            str(error), BleakBluetoothNotAvailableReason.NO_BLUETOOTH
        )
    if isinstance(error, AdapterSilentError):
        return BleakDBusError("org.freedesktop.DBus.Error.NoReply", [str(error)])
    if error.code == hci.HCI_ErrorCode.CONNECTION_LIMIT_EXCEEDED_ERROR:
        # BlueZ, src/error.h.
        detail = "le-connection-concurrent-connection-limit"
        return BleakDBusError("org.bluez.Error.Failed", [detail])
    return BleakDBusError("org.bluez.Error.Failed", [str(error)])


class Backend:
    """All simulated adapters, as the gateway's radio wants a Bluetooth stack."""

    scans_while_connecting = True
    """The controller itself lets the scan rest."""

    async def open(self, adapter: str) -> None:
        """Raises `BleakError` when it is not there or does not answer."""
        try:
            await adapter_at(adapter).open()
        except AdapterError as cause:
            raise _translated(cause) from cause

    async def probe(self, adapter: str) -> None:
        try:
            await adapter_at(adapter).probe()
        except AdapterError as cause:
            raise _translated(cause) from cause

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
        self._adapter = _of(bluez)
        self._scanning = False

    async def start(self) -> None:
        if self._adapter.discovering:
            raise BleakDBusError("org.bluez.Error.InProgress", ["Operation already in progress"])
        self.seen_devices = {}
        try:
            await self._adapter.open()
            await self._adapter.start_scan(self._heard, self._active)
        except AdapterError as cause:
            raise _translated(cause) from cause
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
            raise _translated(cause) from cause

    def _heard(self, advertisement: Advertisement, said: Said) -> None:
        if not self.is_allowed_uuid(said.service_uuids):
            return
        address = advertisement.address.to_string(with_type_qualifier=False)
        name = self._adapter.names.get(address)
        data = AdvertisementData(
            local_name=name,
            manufacturer_data=said.manufacturer_data,
            service_data=said.service_data,
            service_uuids=said.service_uuids,
            tx_power=said.tx_power,
            rssi=advertisement.rssi,
            platform_data=(),
        )
        device = self.create_or_update_device(
            address,
            address,
            name or address.replace(":", "-"),
            {"source": self._adapter.address, "address": advertisement.address},
            data,
        )
        self.call_detection_callbacks(device, data)


class _Lost(Exception):
    """The link has ended; `reason` is the HCI error code."""

    def __init__(self, reason: int) -> None:
        super().__init__(reason)
        self.reason = reason


class _Link:
    """One open link: operations that end when it does."""

    def __init__(self, connection: Connection, ended: int | None, lost: Callable[[], None]) -> None:
        self.connection = connection
        self.gatt = connection.gatt_client
        self._told = lost
        self._lost: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[Any]] = set()
        if ended is None:
            connection.on(Connection.EVENT_DISCONNECTION, self._disconnected)
        else:
            self._lost.set_result(ended)

    def _disconnected(self, reason: int) -> None:
        if not self._lost.done():
            self._lost.set_result(reason)
            self._told()

    @property
    def open(self) -> bool:
        return not self._lost.done()

    async def ended(self) -> None:
        """Wait for the end."""
        await asyncio.shield(self._lost)

    async def do(self, exchange: Coroutine[Any, Any, _T]) -> _T:
        """One operation; given up, it still keeps its place on the link. `_Lost`."""
        if self._lost.done():
            exchange.close()
            raise _Lost(self._lost.result())
        task = asyncio.ensure_future(exchange)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        either: set[asyncio.Future[Any]] = {task, self._lost}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self._lost.done():
            task.cancel()
            raise _Lost(self._lost.result())
        return task.result()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()


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
            self._adapter = _of(bluez or {})
        self._link: _Link | None = None

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
            raise _translated(cause) from cause

    async def _attempt(self, pair: bool) -> bool:
        """False when the device has not followed: bleak on BlueZ tries again then, too."""
        if self._peer is None:
            self._peer = await self._find()
        if self._adapter.link(self.address) is not None:
            raise BleakError(f"{self.address} is connected already, by another client")
        connection = await self._adapter.connect(self._peer)
        self._link = link = _Link(
            connection, self._adapter.ended.get(connection), self._disconnected
        )
        settled = False
        try:
            await link.do(link.gatt.request_mtu(MTU))
            if pair:
                await link.do(connection.pair())
            self.services = await link.do(self._discover(link))
            settled = True
        except _Lost as lost:
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

    async def _find(self) -> hci.Address:
        found: asyncio.Future[hci.Address] = asyncio.get_running_loop().create_future()

        def heard(device: BLEDevice, _: AdvertisementData) -> None:
            if device.address.upper() == self.address.upper() and not found.done():
                found.set_result(device.details["address"])

        scanner = Scanner(heard, None, "active", bluez={"adapter": self._adapter.address})
        await scanner.start()
        try:
            async with asyncio.timeout(self._timeout):
                return await found
        except TimeoutError:
            raise BleakDeviceNotFoundError(
                self.address, f"Device with address {self.address} was not found."
            ) from None
        finally:
            await scanner.stop()

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

    def _open_link(self) -> _Link:
        if self._link is None or not self._link.open:
            raise BleakError("Not connected")
        return self._link

    # ---- the table

    async def _discover(self, link: _Link) -> BleakGATTServiceCollection:
        table = BleakGATTServiceCollection()
        connection = link.connection

        def room() -> int:
            return connection.att_mtu - 3

        for service in await link.gatt.discover_services():
            uuid = full_uuid(bytes(service.uuid))
            if self._wanted_services and uuid not in self._wanted_services:
                continue
            told = BleakGATTService(service, service.handle, uuid)
            table.add_service(told)
            for item in await link.gatt.discover_characteristics([], service):
                names = list(gatt_char_props_to_strs(int(item.properties)))
                characteristic = BleakGATTCharacteristic(
                    item, item.handle, full_uuid(bytes(item.uuid)), names, room, told
                )
                table.add_characteristic(characteristic)
                for descriptor in await link.gatt.discover_descriptors(item):
                    table.add_descriptor(
                        BleakGATTDescriptor(
                            descriptor,
                            descriptor.handle,
                            full_uuid(bytes(descriptor.type)),
                            characteristic,
                        )
                    )
        return table

    # ---- operations

    async def _do(self, exchange: Coroutine[Any, Any, _T]) -> _T:
        try:
            return await self._open_link().do(exchange)
        except _Lost:
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
