"""The hub: sockets on which hosts find virtual controllers in one air, and devices in this process.

Here: adapters for hosts under test, with what can go wrong with an adapter as a whole; a door for
devices that run in processes of their own; skins carried in this process. Not here: the air and
the controllers themselves.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from bumble.transport.common import AsyncPipeSink, PacketParser

from firmware_sims.ble.controller import SLOTS, VirtualController
from firmware_sims.ble.host import CarriedPeripheral
from firmware_sims.ble.vhci import KernelPort

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from firmware_sims.ble.air import Air
    from firmware_sims.ble.peripheral import Peripheral
    from firmware_sims.ble.spec import AdapterFault


class _HostSession(asyncio.Protocol):
    """The controller's end of one host's line."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._parser = PacketParser()
        self.controller: VirtualController | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream server makes these
        self._transport = transport
        self.controller = self._port.admit(self)
        if self.controller is None:
            transport.abort()
        else:
            self._parser.set_packet_sink(self.controller)

    def data_received(self, data: bytes) -> None:
        if self.controller is not None:
            self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._port.dismiss(self)
        if self.controller is not None:
            self.controller.remove()
            self.controller = None

    def on_packet(self, packet: bytes) -> None:
        """From the controller to the host."""
        if self._transport is not None:
            self._transport.write(packet)

    def drop(self) -> None:
        """The adapter is pulled."""
        if self.controller is not None:
            self.controller.remove()
        if self._transport is not None:
            self._transport.abort()


class Port:
    """A listening socket; each host that connects has a controller for itself.

    Several hosts on one adapter are several programs that use it: they share its range and its
    fate, and each has links of its own.
    """

    def __init__(self, air: Air, name: str, number: int, *, slots: int = SLOTS) -> None:
        self.name = name
        self.address = ""
        self._air = air
        self._number = number
        self._slots = slots
        self._server: asyncio.Server | None = None
        self._sessions: list[_HostSession] = []
        self._admitted = 0
        self._present = True
        self._hung = False

    async def open(self, listen: tuple[str, int] | Path) -> None:
        """Listen on loopback TCP, or on a unix socket that is created."""
        loop = asyncio.get_running_loop()
        if isinstance(listen, tuple):
            self._server = await loop.create_server(lambda: _HostSession(self), *listen)
            host, port = self._server.sockets[0].getsockname()[:2]
            self.address = f"tcp://{host}:{port}"
        else:
            _clear(listen)
            self._server = await loop.create_unix_server(lambda: _HostSession(self), listen)
            self.address = _protected(listen)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for session in tuple(self._sessions):
            session.drop()
        if self._server is not None:
            await self._server.wait_closed()

    def admit(self, session: _HostSession) -> VirtualController | None:
        """A controller for a new host; None while the adapter is not there."""
        if not self._present:
            return None
        self._sessions.append(session)
        self._admitted += 1
        controller = VirtualController(
            self.name,
            self._air,
            public_address=f"00:1A:7D:{self._number:02X}:{self._admitted >> 8 & 0xFF:02X}:"
            f"{self._admitted & 0xFF:02X}",
            sink=session,
            slots=self._slots,
        )
        if self._hung:
            controller.hang()
        return controller

    def dismiss(self, session: _HostSession) -> None:
        if session in self._sessions:
            self._sessions.remove(session)

    def fail(self, action: AdapterFault) -> None:
        """Break the adapter or mend it; every host on it is concerned."""
        match action:
            case "vanish":
                self._present = self._hung = False
                for session in self._sessions:
                    session.drop()
            case "hang":
                self._hung = True
                for session in self._sessions:
                    if session.controller is not None:
                        session.controller.hang()
            case "return":
                self._present, self._hung = True, False
                for session in self._sessions:
                    if session.controller is not None:
                        session.controller.reset()


def _clear(path: Path) -> None:
    if path.is_socket():
        path.unlink()


def _protected(path: Path) -> str:
    path.chmod(0o600)
    return f"unix://{path.absolute()}"


class AirPlace:
    """Where one carried device stands, for `ble.devices`."""

    def __init__(self, air: Air, name: str, controller: VirtualController) -> None:
        self._air = air
        self._name = name
        self._controller = controller

    @property
    def in_range(self) -> bool:
        return self._air.is_in_range(self._name)

    @in_range.setter
    def in_range(self, here: bool) -> None:
        self._air.set_in_range(self._name, here)

    def set_in_range(self, here: bool, adapter: str | None = None) -> None:
        self._air.set_in_range(self._name, here, adapter)

    def set_rssi(self, dbm: int, adapter: str | None = None) -> None:
        self._air.set_rssi(self._name, dbm, adapter)

    def set_powered(self, powered: bool) -> None:
        """Without power the chip is silent in the middle of a word."""
        self._controller.powered = powered
        self._air.range_changed()

    def state(self) -> dict[str, Any]:
        return {
            "in_range": self.in_range,
            "connected": bool(self._controller.le_connections),
            "advertising": self._controller.working
            and self._controller.le_legacy_advertiser.enabled,
        }


class Hub:
    """One air with its adapters and devices; an async context manager."""

    def __init__(self, air: Air) -> None:
        self.air = air
        self.adapters: dict[str, Port | KernelPort] = {}
        self._ports: list[Port | KernelPort] = []
        self._carried: dict[str, tuple[CarriedPeripheral, VirtualController]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for name in tuple(self._carried):
            await self.remove_device(name)
        for port in self._ports:
            await port.close()

    async def add_adapter(
        self,
        name: str,
        listen: tuple[str, int] | Path = ("127.0.0.1", 0),
        *,
        slots: int = SLOTS,
    ) -> str:
        """An adapter for a host under test; returns the address it is reached at."""
        port = await self._open(name, listen, slots)
        self.adapters[name] = port
        return port.address

    def add_kernel_adapter(self, name: str, *, slots: int = SLOTS) -> str:
        """An adapter of this machine's kernel; returns how the kernel calls it. See `vhci`."""
        port = KernelPort(self.air, name, len(self._ports) + 1, slots=slots)
        self._ports.append(port)
        self.adapters[name] = port
        return port.open()

    async def add_door(self, name: str, listen: tuple[str, int] | Path = ("127.0.0.1", 0)) -> str:
        """Where devices that run elsewhere find a controller each; `name` is their station."""
        return (await self._open(name, listen, SLOTS)).address

    async def _open(self, name: str, listen: tuple[str, int] | Path, slots: int) -> Port:
        port = Port(self.air, name, len(self._ports) + 1, slots=slots)
        await port.open(listen)
        self._ports.append(port)
        return port

    async def add_device(
        self,
        name: str,
        peripheral: Peripheral,
        *,
        mtu: int = 247,
        told: Callable[[bool], None] | None = None,
    ) -> AirPlace:
        """Carry a skin in this process; `name` is its station on the air, the rest as in `host`."""
        controller = VirtualController(
            name, self.air, public_address="00:00:00:00:00:00", slots=SLOTS
        )
        carried = CarriedPeripheral(
            peripheral, controller, AsyncPipeSink(controller), mtu=mtu, told=told
        )
        self._carried[name] = carried, controller
        await carried.start()
        return AirPlace(self.air, name, controller)

    async def remove_device(self, name: str) -> None:
        """Take it off the air, without a word to whoever was connected."""
        carried, controller = self._carried.pop(name)
        controller.remove()
        await carried.stop()
