"""A Bluetooth air in one process: the radio's port above, simulated devices' skins below.

Bytes are carried between them with seeded delay, loss and broken links, by the running loop's own
time: virtual on `tests.simulation.loop`, real elsewhere. Not here: how a real adapter behaves
(`gateway/radios/ble` against virtual controllers), and any decision of a driver or of a device.

    air = GattAir(random.Random(7))
    lock = SomePeripheral(…, timebase=air.timebase)
    air.add(lock)
    driver = SomeFamily().driver(device, air)
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firmware_sims.ble.peripheral import AttError
from gateway.errors import OutcomeUnknown, RadioBusy, Unreachable
from gateway.radios.api import Advertised, Advertisement, Heard, RadioState, RadioStatus
from gateway.radios.gatt import Sighting

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Callable, Sequence

    from firmware_sims.ble.peripheral import Peripheral
    from firmware_sims.clock import Timer
    from gateway.radios.api import RadioEvent, RadioListener

RSSI_DBM = -61


class LoopTime:
    """True time for devices' skins: the loop's, counted from `start` (unix seconds)."""

    def __init__(self, start: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._start = start - self._loop.time()

    def now(self) -> float:
        return self._start + self._loop.time()

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        return self._loop.call_later(delay_s, callback)


@dataclass(slots=True)
class Weather:
    """How bad the air is. Chances are per packet; seconds are one way.

    `loss`: the packet never arrives. `drop`: the link breaks instead of carrying it.
    `refuse`: a connection attempt is not heard. Set at any time.
    """

    latency_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    drop: float = 0.0
    refuse: float = 0.0
    connect_s: float = 0.05


@dataclass(slots=True)
class Traffic:
    """What a device was sent since `GattAir.add`."""

    connections: int = 0
    written: list[tuple[str, bytes]] = field(default_factory=list, repr=False)


class GattAir:
    """A `GattRadio` that hears the devices given to `add`, in range until told otherwise.

    Here a test may also spoil single packets: `spoil_write` and `spoil_notify` are asked for each
    packet (address, bytes) and answer whether it is lost; the chances of `weather` come after.
    """

    name = "ble"
    kind = "ble"

    def __init__(self, chance: random.Random, *, start: float = 1_795_000_000.0) -> None:
        self.weather = Weather()
        self.timebase = LoopTime(start)
        self.traffic: dict[str, Traffic] = {}
        self.spoil_write: Callable[[str, bytes], bool] | None = None
        self.spoil_notify: Callable[[str, bytes], bool] | None = None
        self._loop = asyncio.get_running_loop()
        self._chance = chance
        self._devices: dict[str, Peripheral] = {}
        self._away: set[str] = set()
        self._links: dict[str, _Link] = {}
        self._holders: dict[str, asyncio.Lock] = {}
        self._listeners: list[RadioListener] = []
        self._watched: frozenset[str] = frozenset()
        self._lingering: dict[str, asyncio.TimerHandle] = {}
        self._hearing: list[tuple[str, asyncio.Future[None]]] = []

    # ── the world's side ────────────────────────────────────────────────────────────────────

    def add(self, device: Peripheral) -> None:
        self._devices[device.address] = device
        self.traffic[device.address] = Traffic()
        device.advertising_changed = lambda: self.hear(device.address)
        self.hear(device.address)

    def go_away(self, address: str) -> None:
        """Out of range: an open link breaks, and nothing is heard any more."""
        self._away.add(address)
        self.break_link(address)

    def come_back(self, address: str) -> None:
        self._away.discard(address)
        self.hear(address)

    def break_link(self, address: str) -> None:
        link = self._links.get(address)
        if link is not None:
            link.break_off()

    def connected(self, address: str) -> bool:
        return address in self._links

    def hear(self, address: str) -> None:
        """One advertisement of the device now, if it sends any."""
        advertisement = self.advertisement(address)
        if advertisement is None:
            return
        for hearing in [one for one in self._hearing if one[0] == address]:
            self._hearing.remove(hearing)
            if not hearing[1].done():
                hearing[1].set_result(None)
        if address not in self._watched:
            return
        events: tuple[RadioEvent, ...] = (
            Heard(address, RSSI_DBM),
            Advertised(address, advertisement),
        )
        for event in events:
            for listener in tuple(self._listeners):
                listener(event)

    def advertisement(self, address: str) -> Advertisement | None:
        """What a scanner gets from the device at this moment."""
        device = self._devices.get(address)
        sent = None if device is None or address in self._away else device.advertising
        if sent is None:
            return None
        return Advertisement(
            address,
            sent.name,
            RSSI_DBM,
            "virtual",
            self._loop.time(),
            dict(sent.manufacturer_data),
            dict(sent.service_data),
            tuple(sent.service_uuids),
        )

    # ── the radio's side ────────────────────────────────────────────────────────────────────

    @property
    def state(self) -> RadioState:
        return RadioState(RadioStatus.UP)

    def listen(self, listener: RadioListener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()

    def watch(self, addresses: frozenset[str]) -> None:
        self._watched = addresses
        for address in sorted(addresses):
            self.hear(address)

    def sightings(self) -> Sequence[Sighting]:
        found = [self.advertisement(address) for address in sorted(self._devices)]
        return [
            Sighting(heard, 1, heard.heard_at, RSSI_DBM, RSSI_DBM, RSSI_DBM)
            for heard in found
            if heard is not None
        ]

    async def overhear(self, address: str, *, deadline_s: float) -> Advertisement:
        heard: asyncio.Future[None] = self._loop.create_future()
        self._hearing.append((address, heard))
        try:
            await asyncio.wait_for(heard, deadline_s)
        except TimeoutError:
            raise Unreachable(f"could not hear {address}: it says nothing") from None
        advertisement = self.advertisement(address)
        if advertisement is None:
            raise Unreachable(f"could not hear {address}: it says nothing")
        return advertisement

    @asynccontextmanager
    async def borrow(self, address: str, *, deadline_s: float) -> AsyncIterator[object]:
        """The device itself: nothing here is below a library."""
        holder = self._holders.setdefault(address, asyncio.Lock())
        try:
            await asyncio.wait_for(holder.acquire(), deadline_s)
        except TimeoutError:
            raise RadioBusy(f"could not borrow {address}: somebody else speaks to it") from None
        try:
            if self.advertisement(address) is None:
                raise Unreachable(f"could not connect to {address}: it is not heard")
            yield self._devices[address]
        finally:
            holder.release()

    @asynccontextmanager
    async def connect(
        self, address: str, *, deadline_s: float, linger_s: float = 0.0
    ) -> AsyncIterator[_Link]:
        until = self._loop.time() + deadline_s
        holder = self._holders.setdefault(address, asyncio.Lock())
        try:
            async with asyncio.timeout(deadline_s):
                await holder.acquire()
        except TimeoutError:
            raise RadioBusy(f"could not connect to {address}: somebody else speaks to it") from None
        try:
            link = await self._open(address, until)
            try:
                yield link
            except BaseException:
                link.break_off()
                raise
            if link.connected:
                self._lingering[address] = self._loop.call_later(linger_s, link.break_off)
        finally:
            holder.release()

    async def _open(self, address: str, until: float) -> _Link:
        waiting = self._lingering.pop(address, None)
        if waiting is not None:
            waiting.cancel()
        link = self._links.get(address)
        if link is not None and link.connected:
            return link
        weather = self.weather
        while True:
            left_s = until - self._loop.time()
            await _pass(min(max(weather.connect_s, 0.001), max(left_s, 0.0)))
            if self._loop.time() >= until:
                raise Unreachable(f"could not connect to {address}: it does not answer")
            device = self._devices.get(address)
            sent = None if device is None or address in self._away else device.advertising
            refused = self._chance.random() < weather.refuse
            if device is not None and sent is not None and sent.connectable and not refused:
                link = _Link(self, device)
                self._links[address] = link
                self.traffic[address].connections += 1
                device.connected(link)
                return link

    async def pass_time(self, seconds: float) -> None:
        """Let the loop's time go on: at once where it is virtual."""
        await _pass(seconds)

    # ── between the two ─────────────────────────────────────────────────────────────────────

    def delay(self) -> float:
        return self.weather.latency_s + self.weather.jitter_s * self._chance.random()

    def happens(self, chance: float) -> bool:
        """No chance is used up where there is none, so that good air stays the same."""
        return chance > 0 and self._chance.random() < chance

    def forget(self, link: _Link) -> None:
        if self._links.get(link.address) is link:
            del self._links[link.address]
        waiting = self._lingering.pop(link.address, None)
        if waiting is not None:
            waiting.cancel()


class _Link:
    """Both ends of one connection: `GattLink` for the gateway, `Line` for the device."""

    def __init__(self, air: GattAir, device: Peripheral) -> None:
        self._air = air
        self._device = device
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._subscribed: set[str] = set()
        self._received: deque[tuple[str, bytes]] = deque()
        self._news = asyncio.Event()
        self._down: deque[tuple[str, bytes]] = deque()
        self._up: deque[tuple[str, bytes]] = deque()
        self._down_free_at = 0.0
        self._up_free_at = 0.0

    @property
    def address(self) -> str:
        return self._device.address

    @property
    def connected(self) -> bool:
        return self._open

    # ── the device's end ────────────────────────────────────────────────────────────────────

    def notify(self, characteristic: str, data: bytes) -> None:
        if not self._open or characteristic not in self._subscribed:
            return
        air = self._air
        spoilt = air.spoil_notify is not None and air.spoil_notify(self.address, data)
        if spoilt or air.happens(air.weather.loss):
            return
        if air.happens(air.weather.drop):
            self.break_off()
            return
        # In order: none overtakes the one before it.
        self._up_free_at = max(self._up_free_at, self._loop.time() + air.delay())
        self._up.append((characteristic, bytes(data)))
        self._loop.call_at(self._up_free_at, self._take)

    def disconnect(self) -> None:
        # Not within the device's own call: it may still be about to say something.
        self._loop.call_soon(self.break_off)

    def _take(self) -> None:
        """The oldest on its way: timers of one moment run in any order."""
        packet = self._up.popleft()
        if self._open:
            self._received.append(packet)
            self._news.set()

    def break_off(self) -> None:
        if not self._open:
            return
        self._open = False
        self._air.forget(self)
        self._news.set()
        self._device.disconnected()

    # ── the gateway's end ───────────────────────────────────────────────────────────────────

    async def write(
        self, characteristic: str, data: bytes, *, response: bool, deadline_s: float
    ) -> None:
        self._must_be_open("write to")
        air = self._air
        spoilt = air.spoil_write is not None and air.spoil_write(self.address, data)
        lost = spoilt or air.happens(air.weather.loss)
        if not lost and air.happens(air.weather.drop):
            self.break_off()
            raise OutcomeUnknown(f"could not write to {self.address}: the link broke")
        self._down_free_at = max(self._down_free_at, self._loop.time() + air.delay())
        wait_s = self._down_free_at - self._loop.time()
        if not response:
            if not lost:
                self._down.append((characteristic, bytes(data)))
                self._loop.call_at(self._down_free_at, self._arrive)
            await _pass(0.0)
            return
        if lost or wait_s > deadline_s:
            await _pass(deadline_s)
            raise OutcomeUnknown(f"could not write to {self.address}: no answer")
        await _pass(wait_s)
        refused = self._deliver(characteristic, bytes(data))
        if refused is not None:
            raise Unreachable(f"could not write to {self.address}: {refused}")
        if not self._open:
            raise OutcomeUnknown(f"could not write to {self.address}: the link broke")

    def _arrive(self) -> None:
        self._deliver(*self._down.popleft())

    def _deliver(self, characteristic: str, data: bytes) -> AttError | None:
        if not self._open:
            return None
        self._air.traffic[self.address].written.append((characteristic, data))
        try:
            self._device.wrote(characteristic, data)
        except AttError as refused:
            return refused
        return None

    async def read(self, characteristic: str, *, deadline_s: float) -> bytes:
        self._must_be_open("read from")
        await self._round_trip("read from", deadline_s)
        try:
            return self._device.read(characteristic)
        except AttError as refused:
            raise Unreachable(f"could not read from {self.address}: {refused}") from refused

    async def listen(self, characteristic: str, *, deadline_s: float) -> None:
        self._must_be_open("listen to")
        if characteristic in self._subscribed:
            return
        await self._round_trip("listen to", deadline_s)
        self._subscribed.add(characteristic)
        self._device.subscribed(characteristic, True)

    async def receive(self, *, deadline_s: float) -> tuple[str, bytes]:
        until = self._loop.time() + deadline_s
        while not self._received:
            if not self._open:
                raise Unreachable(f"could not hear {self.address}: the link is lost")
            self._news.clear()
            try:
                # Not `wait_for`: of Python 3.11, it loses a cancellation that comes with the news.
                async with asyncio.timeout_at(until):
                    await self._news.wait()
            except TimeoutError:
                raise Unreachable(f"could not hear {self.address}: it says nothing") from None
        return self._received.popleft()

    def drain(self) -> None:
        self._received.clear()

    async def _round_trip(self, doing: str, deadline_s: float) -> None:
        """An acknowledged exchange: what is lost is sent again until the link breaks."""
        air = self._air
        wait_s = 2 * air.delay()
        if wait_s > deadline_s:
            await _pass(deadline_s)
            raise Unreachable(f"could not {doing} {self.address}: no answer in time")
        await _pass(wait_s)
        if air.happens(air.weather.drop):
            self.break_off()
        self._must_be_open(doing)

    def _must_be_open(self, doing: str) -> None:
        if not self._open:
            raise Unreachable(f"could not {doing} {self.address}: the link is lost")


async def _pass(seconds: float) -> None:
    """Let the loop's time go on; devices live by the same time."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    timer = loop.call_later(max(0.0, seconds), done.set_result, None)
    try:
        await done
    finally:
        timer.cancel()
