"""A device with every kind of characteristic, and an air with adapters. Not a test itself."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bleak import BleakClient, BleakScanner

from firmware_sims.ble.air import Air
from firmware_sims.ble.bleak_backend import Backend
from firmware_sims.ble.hub import Hub
from firmware_sims.ble.peripheral import (
    Advertising,
    AttError,
    CharacteristicSpec,
    Line,
    ServiceSpec,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

    from firmware_sims.ble.peripheral import Peripheral
    from firmware_sims.ble.spec import BleAirSpec

DEADLINE_S = 60.0
"""For two cores that others share; nothing here takes a tenth of it by itself."""

SERVICE = "00001910-0000-1000-8000-00805f9b34fb"
BIG_SERVICE = "a92ee200-5501-11e4-916c-0800200c9a66"
WRITE = "0000fff2-0000-1000-8000-00805f9b34fb"
NOTIFY = "0000fff4-0000-1000-8000-00805f9b34fb"
INDICATE = "a92ee202-5501-11e4-916c-0800200c9a66"
FAULTY, REFUSED, SILENT = b"fault", b"refuse", b"say nothing"


def address(number: int) -> str:
    return f"C0:00:00:00:{number >> 8:02X}:{number & 0xFF:02X}"


class Echo:
    """Says back what is written to it, as a notification and as an indication."""

    services: Sequence[ServiceSpec] = (
        ServiceSpec(
            SERVICE,
            (
                CharacteristicSpec(WRITE, frozenset({"write", "write_without_response"})),
                CharacteristicSpec(NOTIFY, frozenset({"notify"})),
            ),
        ),
        ServiceSpec(BIG_SERVICE, (CharacteristicSpec(INDICATE, frozenset({"indicate", "read"})),)),
    )

    def __init__(self, number: int, name: str = "") -> None:
        self.address = address(number)
        self.name = name or f"lock {number}"
        self.advertising_changed: Callable[[], None] = lambda: None
        self.written: list[bytes] = []
        self.subscriptions: dict[str, bool] = {}
        self.line: Line | None = None
        self.free = asyncio.Event()
        self.free.set()
        self.got = asyncio.Event()

    @property
    def advertising(self) -> Advertising | None:
        if self.line is not None:
            return None
        return Advertising(
            name=self.name,
            service_uuids=(SERVICE,),
            manufacturer_data={0x0501: self.address.encode()[-5:]},
            interval_s=0.05,
        )

    def connected(self, line: Line) -> None:
        self.line = line
        self.free.clear()

    def disconnected(self) -> None:
        self.line = None
        self.free.set()

    def wrote(self, characteristic: str, data: bytes) -> None:
        assert characteristic == WRITE
        self.written.append(data)
        self.got.set()
        if data == FAULTY:
            raise RuntimeError("a fault of the simulator")
        if data == REFUSED:
            raise AttError(0x80)
        if self.line is not None and data != SILENT:
            self.line.notify(NOTIFY, data)
            self.line.notify(INDICATE, data)

    def read(self, characteristic: str) -> bytes:
        return b"all of " * 60  # longer than one packet

    def subscribed(self, characteristic: str, on: bool) -> None:
        self.subscriptions[characteristic] = on


@dataclass
class House:
    hub: Hub
    backend: Backend
    adapters: list[str]
    heard: dict[str, tuple[BLEDevice, AdvertisementData]] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def air(self) -> Air:
        return self.hub.air

    def scanner(self, adapter: int = 0) -> BleakScanner:
        return BleakScanner(self.hear, **self.backend.scanner(self.adapters[adapter]))

    def client(self, device: BLEDevice, gone: asyncio.Event | None = None) -> BleakClient:
        told = gone or asyncio.Event()
        return BleakClient(
            device, lambda _: told.set(), **self.backend.client(self.adapters[0]), timeout=30
        )

    def hear(self, device: BLEDevice, data: AdvertisementData) -> None:
        self.heard[device.address] = device, data
        self.news.set()

    async def until(self, true: Callable[[], object]) -> None:
        """Wait for something that an advertisement brings about."""
        async with asyncio.timeout(DEADLINE_S):
            while not true():
                self.news.clear()
                await self.news.wait()

    async def find(self, device: str) -> BLEDevice:
        """What a scan finds at an address."""
        self.heard.pop(device, None)
        async with self.scanner():
            await self.until(lambda: device in self.heard)
        return self.heard[device][0]


@asynccontextmanager
async def house(
    *devices: Peripheral, air: BleAirSpec | None = None, adapters: int = 1, slots: int = 8
) -> AsyncIterator[House]:
    """An air with open adapters and these devices, named "1", "2" and so on."""
    async with Hub(Air(air)) as hub:
        addresses = [await hub.add_adapter(f"hci{n}", slots=slots) for n in range(adapters)]
        backend = Backend()
        for adapter in addresses:
            await backend.open(adapter)
        for number, device in enumerate(devices, 1):
            await hub.add_device(str(number), device)
        try:
            yield House(hub, backend, addresses)
        finally:
            for adapter in addresses:
                await backend.close(adapter)
