"""An open link below bleak's client: operations that end when it does, and the device's table."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from bleak.assigned_numbers import gatt_char_props_to_strs
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bumble.device import Connection

from firmware_sims.ble.adverts import full_uuid

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_T = TypeVar("_T")


class LinkLost(Exception):
    """The link has ended; `reason` is the HCI error code."""

    def __init__(self, reason: int) -> None:
        super().__init__(reason)
        self.reason = reason


class Link:
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
        """One operation; given up, it still keeps its place on the link. `LinkLost`."""
        if self._lost.done():
            exchange.close()
            raise LinkLost(self._lost.result())
        task = asyncio.ensure_future(exchange)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        either: set[asyncio.Future[Any]] = {task, self._lost}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self._lost.done():
            task.cancel()
            raise LinkLost(self._lost.result())
        return task.result()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()


async def discover(link: Link, wanted: set[str] | None) -> BleakGATTServiceCollection:
    """The table of a device; of `wanted` services only, if there are any."""
    table = BleakGATTServiceCollection()
    connection = link.connection

    def room() -> int:
        return connection.att_mtu - 3

    for service in await link.gatt.discover_services():
        uuid = full_uuid(bytes(service.uuid))
        if wanted and uuid not in wanted:
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
