"""A message bus for one test, and on it as much of bluetoothd as scanning needs. Not a test itself.

The bus is the real dbus-daemon. `Bluetoothd` answers as BlueZ documents it (doc/org.bluez.Adapter,
doc/org.bluez.Device); the real one, with connections, is tried on a kernel of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from typing import TYPE_CHECKING, Any

from dbus_fast import BusType, Message, MessageType, RequestNameReply, Variant
from dbus_fast.aio import MessageBus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

DBUS = shutil.which("dbus-daemon")
_ADAPTER = "org.bluez.Adapter1"
_DEVICE = "org.bluez.Device1"
_OBJECTS = "org.freedesktop.DBus.ObjectManager"


@contextlib.asynccontextmanager
async def message_bus(directory: Path) -> AsyncIterator[str]:
    """A bus with nobody on it; its address."""
    assert DBUS is not None
    configuration = directory / "bus.conf"
    configuration.write_text(
        f"""<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
          "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
        <busconfig>
          <type>session</type>
          <listen>unix:path={directory}/bus</listen>
          <auth>EXTERNAL</auth>
          <policy context="default">
            <allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/>
          </policy>
        </busconfig>"""
    )
    arguments = ("--nofork", "--print-address", f"--config-file={configuration}")
    process = await asyncio.create_subprocess_exec(DBUS, *arguments, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(10):
            address = (await process.stdout.readline()).decode().strip()
        yield address
    finally:
        process.terminate()
        await process.wait()


class Bluetoothd:
    """Adapters by hci name with address and power; `scanning` says on which one it is asked to."""

    def __init__(self, bus: MessageBus, adapters: dict[str, tuple[str, bool]]) -> None:
        self._bus = bus
        self._objects: dict[str, dict[str, dict[str, Variant]]] = {}
        self.scanning: list[str] = []
        self.refuses_scan: str | None = None
        for hci, (address, powered) in adapters.items():
            self._objects[f"/org/bluez/{hci}"] = {
                _ADAPTER: {"Address": Variant("s", address), "Powered": Variant("b", powered)}
            }
        bus.add_message_handler(self._asked)

    async def advertise(self, hci: str, address: str, rssi: int, data: bytes) -> None:
        path = f"/org/bluez/{hci}/dev_{address.replace(':', '_')}"
        properties = {
            "Adapter": Variant("o", f"/org/bluez/{hci}"),
            "Address": Variant("s", address),
            "Alias": Variant("s", "Door"),
            "Name": Variant("s", "Door"),
            "Connected": Variant("b", False),
            "RSSI": Variant("n", rssi),
            "ManufacturerData": Variant("a{qv}", {0x0969: Variant("ay", data)}),
        }
        self._objects[path] = {_DEVICE: properties}
        await self._signal("InterfacesAdded", "oa{sa{sv}}", [path, self._objects[path]])

    async def pull(self, hci: str) -> None:
        """The adapter is unplugged."""
        del self._objects[f"/org/bluez/{hci}"]
        await self._signal("InterfacesRemoved", "oas", [f"/org/bluez/{hci}", [_ADAPTER]])

    async def _signal(self, member: str, signature: str, body: list[Any]) -> None:
        await self._bus.send(
            Message(
                message_type=MessageType.SIGNAL,
                path="/",
                interface=_OBJECTS,
                member=member,
                signature=signature,
                body=body,
            )
        )

    def _asked(self, message: Message) -> Message | bool:
        if message.message_type is not MessageType.METHOD_CALL:
            return False
        match message.member:
            case "GetManagedObjects":
                return Message.new_method_return(message, "a{oa{sa{sv}}}", [self._objects])
            case "SetDiscoveryFilter" | "StartDiscovery" | "StopDiscovery":
                if message.path not in self._objects:
                    name = "org.freedesktop.DBus.Error.UnknownObject"
                    return Message.new_error(message, name, "no such object")
                if message.member == "StartDiscovery":
                    if self.refuses_scan is not None:
                        return Message.new_error(message, self.refuses_scan, "")
                    self.scanning.append(str(message.path).rpartition("/")[2])
                return Message.new_method_return(message)
        return False


@contextlib.asynccontextmanager
async def bluetoothd(
    address: str, adapters: dict[str, tuple[str, bool]]
) -> AsyncIterator[Bluetoothd]:
    bus = MessageBus(bus_address=address, bus_type=BusType.SYSTEM)
    await bus.connect()
    try:
        service = Bluetoothd(bus, adapters)
        assert await bus.request_name("org.bluez") is RequestNameReply.PRIMARY_OWNER
        yield service
    finally:
        bus.disconnect()
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
