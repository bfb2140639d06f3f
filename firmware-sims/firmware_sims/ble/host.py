"""A device's skin behind a virtual controller: its advertisements and its GATT table on the air.

Here: what a device's Bluetooth chip and its host stack do, over bumble; the same in the process of
the air and over a socket to it. Not here: what the device says (`peripheral` and the families).

A skin that raises anything but `AttError` is answered for with Unlikely Error (0x0E) and logged: a
fault of the simulator must not hold a client up for the 30 s of an ATT transaction.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from bumble import att, hci
from bumble.core import UUID, BaseBumbleError
from bumble.device import AdvertisingType, Connection, Device, DeviceConfiguration
from bumble.device import LegacyAdvertiser as HostAdvertiser
from bumble.gatt import Characteristic, CharacteristicValue, Service

from firmware_sims.ble.adverts import encode
from firmware_sims.ble.ending import abandon
from firmware_sims.ble.peripheral import AttError
from firmware_sims.ble.quiet import QuietHost

if TYPE_CHECKING:
    from collections.abc import Callable

    from bumble.transport.common import TransportSink, TransportSource

    from firmware_sims.ble.peripheral import Advertising, CharacteristicSpec, Peripheral

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

_UNLIKELY = 0x0E
_PROPERTIES = Characteristic.Properties
_READABLE, _WRITEABLE = att.Attribute.Permissions.READABLE, att.Attribute.Permissions.WRITEABLE


class CarriedPeripheral:
    """One skin on the air, from `start` to `stop`.

    `mtu` is the largest ATT MTU the chip agrees to; `told` is called with True when a link begins
    and with False when it ends.
    """

    def __init__(
        self,
        peripheral: Peripheral,
        source: TransportSource,
        sink: TransportSink,
        *,
        mtu: int = 247,
        told: Callable[[bool], None] | None = None,
    ) -> None:
        self._peripheral = peripheral
        self._told = told or _ignored
        self._line: _HostLine | None = None
        self._changed = asyncio.Event()
        self._advertising: asyncio.Task[None] | None = None
        self._values: dict[str, Characteristic[bytes]] = {}
        config = DeviceConfiguration(
            name=_first_name(peripheral),
            address=hci.Address(peripheral.address, hci.Address.RANDOM_DEVICE_ADDRESS),
            gatt_service_enabled=False,
        )
        self._device = Device(config=config, host=QuietHost(source, sink))
        self._device.gatt_server.max_mtu = mtu
        for service in peripheral.services:
            characteristics = [self._characteristic(spec) for spec in service.characteristics]
            self._device.add_service(Service(UUID(service.uuid), characteristics))
        self._device.on(Device.EVENT_CONNECTION, self._connected)

    async def start(self) -> None:
        """The chip is powered; it advertises from now on what the skin wants."""
        await self._device.power_on()
        self._peripheral.advertising_changed = self._changed.set
        self._changed.set()
        self._advertising = asyncio.create_task(
            self._advertise(), name=f"sim advertising {self._peripheral.address}"
        )

    async def stop(self) -> None:
        """The chip is gone; the skin is told that its line is, too."""
        self._peripheral.advertising_changed = _nothing
        if self._advertising is not None:
            await abandon(self._advertising)
        # Ends what waits for the controller.
        self._device.host.on_transport_lost()  # type: ignore[no-untyped-call]

    # ---- advertising

    async def _advertise(self) -> None:
        on_air: Advertising | None = None
        while True:
            await self._changed.wait()
            self._changed.clear()
            wanted = None if self._line is not None else self._peripheral.advertising
            try:
                if wanted is None:
                    await self._silence(was=on_air)
                else:
                    await self._broadcast(wanted, was=on_air)
                on_air = wanted
            except BaseBumbleError:
                _log.exception("%s cannot advertise", self._peripheral.address)

    async def _silence(self, *, was: Advertising | None) -> None:
        if was is not None:
            await self._device.send_sync_command(
                hci.HCI_LE_Set_Advertising_Enable_Command(advertising_enable=0)
            )

    async def _broadcast(self, wanted: Advertising, *, was: Advertising | None) -> None:
        data, scan_response = encode(wanted)
        device = self._device
        await device.send_sync_command(
            hci.HCI_LE_Set_Scan_Response_Data_Command(scan_response_data=scan_response)
        )
        await device.send_sync_command(
            hci.HCI_LE_Set_Advertising_Data_Command(advertising_data=data)
        )
        if was is not None and (was.connectable, was.interval_s) == (
            wanted.connectable,
            wanted.interval_s,
        ):
            return
        await self._silence(was=was)
        kind = (
            AdvertisingType.UNDIRECTED_CONNECTABLE_SCANNABLE
            if wanted.connectable
            else AdvertisingType.UNDIRECTED
        )
        units = max(0x20, min(0x4000, round(wanted.interval_s / 0.000625)))
        # bumble's device asks it for the kind of address when somebody connects.
        device.legacy_advertiser = HostAdvertiser(
            device, kind, hci.OwnAddressType.RANDOM, hci.Address.ANY, auto_restart=False
        )
        await device.send_sync_command(
            hci.HCI_LE_Set_Advertising_Parameters_Command(
                advertising_interval_min=units,
                advertising_interval_max=units,
                advertising_type=int(kind),
                own_address_type=hci.OwnAddressType.RANDOM,
                peer_address_type=hci.Address.ANY.address_type,
                peer_address=hci.Address.ANY,
                advertising_channel_map=7,
                advertising_filter_policy=0,
            )
        )
        await device.send_sync_command(
            hci.HCI_LE_Set_Advertising_Enable_Command(advertising_enable=1)
        )

    # ---- the link

    def _connected(self, connection: Connection) -> None:
        connection.on(Connection.EVENT_DISCONNECTION, self._disconnected)
        self._line = line = _HostLine(connection, self._values)
        self._told(True)
        self._guarded(lambda: self._peripheral.connected(line))
        self._changed.set()

    def _disconnected(self, _reason: int) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()
            self._told(False)
            self._guarded(self._peripheral.disconnected)
            self._changed.set()

    # ---- the table

    def _characteristic(self, spec: CharacteristicSpec) -> Characteristic[bytes]:
        properties = _PROPERTIES(0)
        for name in spec.properties:
            properties |= getattr(_PROPERTIES, name.upper())
        writeable = properties & (_PROPERTIES.WRITE | _PROPERTIES.WRITE_WITHOUT_RESPONSE)

        def read(_: Connection) -> bytes:
            if not properties & _PROPERTIES.READ:
                raise att.ATT_Error(att.ATT_READ_NOT_PERMITTED_ERROR)
            return self._answered(lambda: self._peripheral.read(spec.uuid))

        def write(_: Connection, value: bytes) -> None:
            if not writeable:
                raise att.ATT_Error(att.ATT_WRITE_NOT_PERMITTED_ERROR)
            self._answered(lambda: self._peripheral.wrote(spec.uuid, bytes(value)))

        def subscribed(_: Connection, notify: bool, indicate: bool) -> None:
            self._guarded(lambda: self._peripheral.subscribed(spec.uuid, notify or indicate))

        made: Characteristic[bytes] = Characteristic(
            UUID(spec.uuid),
            properties,
            (_READABLE if properties & _PROPERTIES.READ else att.Attribute.Permissions(0))
            | (_WRITEABLE if writeable else att.Attribute.Permissions(0)),
            CharacteristicValue(read=read, write=write),
        )
        made.on(Characteristic.EVENT_SUBSCRIPTION, subscribed)
        self._values[spec.uuid] = made
        return made

    def _answered(self, operation: Callable[[], _T]) -> _T:
        try:
            return operation()
        except AttError as refusal:
            raise att.ATT_Error(att.ErrorCode(refusal.code)) from None
        except Exception:  # noqa: BLE001 - whatever it is, the client must have an answer
            _log.exception("the skin of %s has a fault", self._peripheral.address)
            raise att.ATT_Error(att.ErrorCode(_UNLIKELY)) from None

    def _guarded(self, operation: Callable[[], None]) -> None:
        try:
            operation()
        except Exception:  # noqa: BLE001 - the stack below must go on
            _log.exception("the skin of %s has a fault", self._peripheral.address)


class _HostLine:
    """The open link, as the skin has it; what it sends goes out in order, after the answer to the
    write that caused it. An indication is followed by the next word once it is confirmed.
    """

    def __init__(self, connection: Connection, values: dict[str, Characteristic[bytes]]) -> None:
        self._connection = connection
        self._values = values
        self._waiting: asyncio.Queue[tuple[str, bytes] | None] = asyncio.Queue()
        self._sender = asyncio.create_task(self._send(), name="sim notifications")
        self._ending: asyncio.Task[None] | None = None

    def notify(self, characteristic: str, data: bytes) -> None:
        self._waiting.put_nowait((characteristic, bytes(data)))

    def disconnect(self) -> None:
        """After what was said before."""
        self._waiting.put_nowait(None)

    def close(self) -> None:
        self._sender.cancel()

    async def _send(self) -> None:
        server = self._connection.device.gatt_server
        while (item := await self._waiting.get()) is not None:
            value = self._values[item[0]]
            bits = server.read_cccd(self._connection, value)[0]
            try:
                if bits & 0x01:
                    await server.notify_subscriber(self._connection, value, item[1])
                elif bits & 0x02:
                    await server.indicate_subscriber(self._connection, value, item[1])
            except TimeoutError:
                break  # the host does not confirm: the transaction is lost, and with it the link
        # The link's end cancels this task, and must not cancel the ending.
        self._ending = asyncio.create_task(self._hang_up(), name="sim hangs up")

    async def _hang_up(self) -> None:
        with suppress(BaseBumbleError):  # the other end was faster
            await self._connection.disconnect(
                hci.HCI_ErrorCode.REMOTE_USER_TERMINATED_CONNECTION_ERROR
            )


def _nothing() -> None:
    pass


def _ignored(_: bool) -> None:
    pass


def _first_name(peripheral: Peripheral) -> str:
    said = peripheral.advertising
    return "" if said is None else said.name
