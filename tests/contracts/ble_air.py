"""A gateway's Bluetooth radio in a simulated air. Not a test itself.

The radio is the real one over unmodified bleak; below are bumble's host, a socket, and a virtual
controller in one air with the devices. `Parrot` is a device whose every byte a test can foresee.
`tests.bluez` puts BlueZ and a kernel below bleak instead, by another `Stack`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from firmware_sims.ble.air import Air
from firmware_sims.ble.bleak_backend import Backend, adapter_at
from firmware_sims.ble.hub import Hub
from firmware_sims.ble.peripheral import Advertising, AttError, CharacteristicSpec, ServiceSpec
from gateway.domain.instant import ClockTrust
from gateway.kit.clock import SystemClock
from gateway.radios.api import RadioEvent, RadioStatus
from gateway.radios.ble import BleRadio, Patience
from gateway.radios.keeper import Pace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from firmware_sims.ble.peripheral import Line
    from firmware_sims.ble.spec import BleAirSpec

DEADLINE_S = 20.0
FAST = Pace(probe_interval_s=0.2, probe_timeout_s=4, first_wait_s=0.05, longest_wait_s=0.2)
SERVICE = "0000fff0-0000-1000-8000-00805f9b34fb"
WRITE = "0000fff1-0000-1000-8000-00805f9b34fb"
NOTIFY = "0000fff2-0000-1000-8000-00805f9b34fb"
INDICATE = "0000fff3-0000-1000-8000-00805f9b34fb"
READ = "0000fff4-0000-1000-8000-00805f9b34fb"
BARRED = "0000fff5-0000-1000-8000-00805f9b34fb"
MISSING = "0000ffff-0000-1000-8000-00805f9b34fb"

E = TypeVar("E", bound=RadioEvent)


def address(number: int) -> str:
    """A static random address (the two highest bits are set)."""
    return f"C0:00:00:00:00:{number:02X}"


class Parrot:
    """Says back what is written, bytes one by one; keeps count of who came and what was said."""

    services: Sequence[ServiceSpec] = (
        ServiceSpec(
            SERVICE,
            (
                CharacteristicSpec(WRITE, frozenset({"write", "write_without_response"})),
                CharacteristicSpec(NOTIFY, frozenset({"notify"})),
                CharacteristicSpec(INDICATE, frozenset({"indicate"})),
                CharacteristicSpec(READ, frozenset({"read"})),
                CharacteristicSpec(BARRED, frozenset({"write", "read"})),
            ),
        ),
    )

    def __init__(self, number: int, *, interval_s: float = 0.05) -> None:
        self.address = address(number)
        self.advertising: Advertising | None = Advertising(
            name=f"Parrot {number}",
            service_uuids=(SERVICE,),
            manufacturer_data={0x0969: bytes([number])},
            service_data={SERVICE: b"\x01\x02"},
            interval_s=interval_s,
        )
        self.advertising_changed: Callable[[], None] = lambda: None
        self.written: list[bytes] = []
        self.connects = 0
        self.line: Line | None = None
        self.changed = asyncio.Event()

    def connected(self, line: Line) -> None:
        self.line = line
        self.connects += 1
        self.changed.set()

    def disconnected(self) -> None:
        self.line = None
        self.changed.set()

    def wrote(self, characteristic: str, data: bytes) -> None:
        if characteristic == BARRED:
            raise AttError(0x05)
        self.written.append(data)
        self.changed.set()
        for byte in data:
            self.say(bytes([byte]))

    def say(self, data: bytes, characteristic: str = NOTIFY) -> None:
        assert self.line is not None
        self.line.notify(characteristic, data)

    def read(self, characteristic: str) -> bytes:
        if characteristic == BARRED:
            raise AttError(0x05)
        return b"polly"

    def subscribed(self, characteristic: str, on: bool) -> None:
        pass

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not true():
                self.changed.clear()
                await self.changed.wait()


class Stack(Protocol):
    """What is below bleak in `house`."""

    async def add_adapter(self, hub: Hub, number: int, directory: Path, slots: int) -> str:
        """The adapter's name for the radio; its station on the air is called `hci<number>`."""
        ...

    def backend(self) -> Any:
        """What `BleRadio` is given; None for the system's."""
        ...

    async def close(self, adapters: Sequence[str]) -> None: ...


class Bumble:
    """A host in this process, which reaches the controllers by a socket."""

    async def add_adapter(self, hub: Hub, number: int, directory: Path, slots: int) -> str:
        return await hub.add_adapter(f"hci{number}", directory / f"hci{number}", slots=slots)

    def backend(self) -> Any:
        return Backend()

    async def close(self, adapters: Sequence[str]) -> None:
        for name in adapters:
            adapter_at(name).close()


@dataclass
class Below:
    """Which stack tests use unless they ask for one; `tests.bluez.plugin` changes it."""

    stack: Stack = field(default_factory=Bumble)


below = Below()


@dataclass
class House:
    radio: BleRadio
    hub: Hub
    adapters: Sequence[str]
    running: asyncio.Task[None]
    events: list[RadioEvent] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def air(self) -> Air:
        return self.hub.air

    def hear(self, event: RadioEvent) -> None:
        self.events.append(event)
        self.heard.set()

    async def until(self, true: Callable[[], object]) -> None:
        """Wait for something that an event of the radio brings about."""
        async with asyncio.timeout(DEADLINE_S):
            while not true():
                self.heard.clear()
                await self.heard.wait()

    async def up(self) -> None:
        await self.until(lambda: self.radio.state.status is RadioStatus.UP)

    async def add(self, *parrots: Parrot) -> None:
        """Stations are called by the device's address."""
        for parrot in parrots:
            await self.hub.add_device(parrot.address, parrot)

    def fail(self, adapter: int, action: Any) -> None:
        self.hub.adapters[f"hci{adapter}"].fail(action)


@contextlib.asynccontextmanager
async def house(
    directory: Path,
    *parrots: Parrot,
    adapters: int = 1,
    watch: bool = True,
    spec: BleAirSpec | None = None,
    patience: Patience | None = None,
    **arguments: Any,
) -> AsyncIterator[House]:
    """An air with these devices, and a radio that is up; `arguments` go to `BleRadio`.

    The controllers hold no more links than the radio is told, and refuse the next one.
    """
    arguments.setdefault("connections", 3)
    async with Hub(Air(spec)) as hub:
        names = [
            await below.stack.add_adapter(hub, number, directory, arguments["connections"])
            for number in range(adapters)
        ]
        arguments.setdefault("clock", SystemClock(ClockTrust.TRUSTED))
        arguments.setdefault("backend", below.stack.backend())
        arguments.setdefault("pace", FAST)
        radio = BleRadio(names, patience=patience, rng=random.Random(1), **arguments)
        if watch:
            radio.watch(frozenset(parrot.address for parrot in parrots))
        running = asyncio.create_task(radio.run(), name="bluetooth radio")
        home = House(radio, hub, names, running)
        radio.listen(home.hear)
        await home.add(*parrots)
        try:
            await home.up()
            yield home
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await below.stack.close(names)
