"""A Bluetooth adapter as a host sees it: bumble's host over a line to a virtual controller.

Here: opening, watching and closing one adapter, scanning, opening links; what bluetoothd and the
kernel are to bleak on Linux. Not here: bleak's classes (`bleak_backend`).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from bumble import hci
from bumble.core import BaseBumbleError, ProtocolError
from bumble.device import (
    Connection,
    ConnectionParametersPreferences,
    Device,
    DeviceConfiguration,
)

from firmware_sims.ble.adverts import decode
from firmware_sims.ble.ending import abandon
from firmware_sims.ble.quiet import QuietHost
from firmware_sims.ble.stream import AddressError, open_line

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from firmware_sims.ble.adverts import Said
    from firmware_sims.ble.stream import HciLine

_T = TypeVar("_T")
_Report = hci.HCI_LE_Advertising_Report_Event.Report
_Type = hci.HCI_LE_Advertising_Report_Event.EventType

COMMAND_TIMEOUT_S = 2.0
"""As the kernel's (include/net/bluetooth/hci.h: HCI_CMD_TIMEOUT)."""
_PREFERENCES = ConnectionParametersPreferences(
    connection_interval_min=30, connection_interval_max=50, supervision_timeout=420
)
"""The kernel's own for a central, in ms (net/bluetooth/hci_core.c: hci_alloc_dev_priv)."""


class AdapterError(Exception):
    """The adapter cannot do it; the text says why. `code` is its HCI error code, if it gave one."""

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code


class AdapterGoneError(AdapterError):
    """There is no such adapter, or no longer."""


class AdapterSilentError(AdapterError):
    """The adapter is there and does not answer."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One advertising event; `peer` is the address as the controller wants it."""

    address: str
    peer: hci.Address
    rssi: int
    said: Said


class _ListeningDevice(Device):
    """bumble's device, which hands reports on as they are: its own way parses each three times."""

    def __init__(self, reported: Callable[[_Report], None], **arguments: Any) -> None:
        self._reported = reported
        super().__init__(**arguments)

    def on_advertising_report(self, report: _Report) -> None:
        self._reported(report)


class Adapter:
    """One adapter in this process. `opened` as long as its controller is at hand and answers."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.names: dict[str, str] = {}
        self.ended: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()
        self.scanning: Callable[[Heard], None] | None = None
        self._active = True
        self._waiting: dict[hci.Address, bytes] = {}
        self._opening = asyncio.Lock()
        self._connecting = asyncio.Lock()
        self._line: HciLine | None = None
        self._device: Device | None = None
        self._line_lost: asyncio.Future[None] | None = None
        self._tasks: set[asyncio.Future[Any]] = set()

    @property
    def opened(self) -> bool:
        return self._device is not None

    @property
    def discovering(self) -> bool:
        return self.opened and self.scanning is not None

    async def open(self) -> None:
        """Idempotent. `AdapterGoneError` or `AdapterSilentError`."""
        async with self._opening:
            if self._device is not None:
                return
            lost = asyncio.get_running_loop().create_future()
            try:
                self._line = await open_line(self.address, lambda: self._lost(lost))
            except (OSError, AddressError) as cause:
                raise AdapterGoneError(f"there is no adapter at {self.address}: {cause}") from cause
            self._line_lost = lost
            config = DeviceConfiguration(
                name="",
                gap_service_enabled=False,
                gatt_service_enabled=False,
                # Else a paired device would be looked for by a scan of bumble's own.
                address_resolution_offload=True,
            )
            device = _ListeningDevice(
                self._reported, config=config, host=QuietHost(self._line.source, self._line.sink)
            )
            device.on(Device.EVENT_CONNECTION, self._connected)
            start = asyncio.ensure_future(device.power_on())
            try:
                await asyncio.wait(
                    {start, lost}, timeout=COMMAND_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
                )
                if start.done() and not lost.done():
                    start.result()
                    self._device, self.scanning = device, None
                    return
            except BaseBumbleError as cause:
                raise AdapterError(f"the adapter at {self.address} declines: {cause}") from cause
            finally:
                await abandon(start)
                if self._device is None:
                    self.close()
            if lost.done():
                raise AdapterGoneError(f"the adapter at {self.address} is gone")
            raise AdapterSilentError(f"the adapter at {self.address} does not answer")

    def close(self) -> None:
        """Everything ends: the scan, links, and whoever waits for an answer."""
        line, self._line = self._line, None
        device, self._device = self._device, None
        if line is not None:
            line.close()
        if device is not None:
            # Ends what waits for the controller, and tells the owner of every link.
            device.host.on_transport_lost()  # type: ignore[no-untyped-call]

    def _lost(self, lost: asyncio.Future[None]) -> None:
        if not lost.done():
            lost.set_result(None)
        if self._line_lost is lost:
            # The scanner hears nothing of it: it merely hears nothing more.
            self.close()

    async def probe(self) -> None:
        """One exchange with the controller."""
        await self.command(self._at_hand().host.send_sync_command(hci.HCI_Read_BD_ADDR_Command()))

    async def command(self, exchange: Coroutine[Any, Any, _T]) -> _T:
        """Wait for the answer to a command; an adapter that gives none is taken for dead.

        Cancelled, it leaves the command to itself: a controller answers what it was once asked.
        """
        task = asyncio.ensure_future(exchange)
        self._keep(task)
        await asyncio.wait({task}, timeout=COMMAND_TIMEOUT_S)
        if not task.done():
            self.close()
            await abandon(task)
            raise AdapterSilentError(f"the adapter at {self.address} does not answer")
        return self._outcome(task)

    def _outcome(self, task: asyncio.Future[_T]) -> _T:
        # Whatever waits for an adapter that goes is cancelled by bumble.
        if task.cancelled():
            raise AdapterGoneError(f"the adapter at {self.address} is gone")
        try:
            return task.result()
        except ProtocolError as cause:
            raise AdapterError(
                f"the adapter at {self.address} declines: {cause.error_name}", cause.error_code
            ) from cause
        except BaseBumbleError as cause:
            raise AdapterGoneError(f"the adapter at {self.address} is gone") from cause

    def _at_hand(self) -> Device:
        if self._device is None:
            raise AdapterGoneError(f"the adapter at {self.address} is not open, or gone")
        return self._device

    # ---- the scan

    async def start_scan(self, heard: Callable[[Heard], None], active: bool) -> None:
        """One at a time."""
        device = self._at_hand()
        self._waiting.clear()
        self._active = active
        self.scanning = heard
        try:
            await self.command(device.start_scanning(legacy=True, active=active))
        except AdapterError:
            self.scanning = None
            raise

    async def stop_scan(self) -> None:
        self.scanning = None
        await self.command(self._at_hand().stop_scanning(legacy=True))

    def _reported(self, report: _Report) -> None:
        """An advertisement waits for its scan response, which the controller tells next."""
        if report.event_type == _Type.SCAN_RSP:
            said = self._waiting.pop(report.address, None)
            if said is not None:
                self._heard(report, said + report.data)
            return
        if self._active and report.event_type in (_Type.ADV_IND, _Type.ADV_SCAN_IND):
            self._waiting[report.address] = report.data
        else:
            self._heard(report, report.data)

    def _heard(self, report: _Report, data: bytes) -> None:
        said = decode(data)
        address = report.address.to_string(with_type_qualifier=False)
        if said.name:
            self.names[address] = said.name
        if self.scanning is not None:
            self.scanning(Heard(address, report.address, report.rssi, said))

    # ---- links

    def link(self, address: str) -> Connection | None:
        """The open link to that device, if there is one."""
        links = () if self._device is None else self._device.connections.values()
        for connection in links:
            if connection.peer_address.to_string(with_type_qualifier=False) == address.upper():
                return connection
        return None

    async def connect(self, peer: hci.Address) -> Connection:
        """Open a link, however long the device takes to advertise; one attempt at a time.

        Cancelled, it takes the attempt back.
        """
        await self._connecting.acquire()
        attempt: asyncio.Future[Connection] | None = None
        try:
            attempt = asyncio.ensure_future(
                self._at_hand().connect_le(
                    peer,
                    {hci.Phy(hci.HCI_LE_1M_PHY): _PREFERENCES},
                    hci.OwnAddressType.PUBLIC,
                    timeout=None,
                )
            )
            self._keep(attempt)
            await asyncio.wait({attempt})
            return self._outcome(attempt)
        finally:
            if attempt is None or attempt.done():
                self._connecting.release()
            else:  # cancelled: nobody else's turn before the controller has been told
                self._keep(asyncio.ensure_future(self._take_back(attempt)))

    def _connected(self, connection: Connection) -> None:
        # A link may end before whoever asked for it has had a turn.
        connection.on(
            Connection.EVENT_DISCONNECTION, lambda reason: self.ended.update({connection: reason})
        )

    async def _take_back(self, attempt: asyncio.Future[Connection]) -> None:
        try:
            with suppress(AdapterError):
                cancel = self._at_hand().cancel_connection()  # type: ignore[no-untyped-call]
                await self.command(cancel)
                await asyncio.wait({attempt}, timeout=COMMAND_TIMEOUT_S)
                if attempt.done():
                    await self.disconnect(self._outcome(attempt))
            await abandon(attempt)
        finally:
            self._connecting.release()

    async def disconnect(self, connection: Connection) -> None:
        """Close a link; nothing where it is closed already."""
        if self._device is None or connection.handle not in self._device.connections:
            return
        with suppress(AdapterError):
            await self.command(
                connection.disconnect(hci.HCI_ErrorCode.REMOTE_USER_TERMINATED_CONNECTION_ERROR)
            )

    def drop(self, connection: Connection) -> None:
        """Close a link without waiting for it."""
        self._keep(asyncio.ensure_future(self.disconnect(connection)))

    async def forget(self, address: str) -> None:
        """The keys of a pairing, if there are any."""
        if self._device is not None and self._device.keystore is not None:
            keys = await self._device.keystore.get_all()
            for name in [name for name, _ in keys if name.upper().startswith(address.upper())]:
                await self._device.keystore.delete(name)

    def _keep(self, task: asyncio.Future[Any]) -> None:
        """Hold on to a task until it is done, and to what it raises for nobody's ears."""
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()
