"""One adapter: its scan, its links, and staying alive. It has no other owner in this program.

Here: what the keeper opens, probes and closes; one scan that never stops, because BlueZ forgets a
device half a minute after the scan ended (hbldh/bleak#1176); places for links, and those that
linger giving way. Not here: which adapter a device is reached through (`radio`).
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from bleak import BleakScanner

from gateway.errors import GatewayError, RadioBusy, RadioUnavailable, Unreachable
from gateway.kit.tasks import wait_or_sleep
from gateway.radios.api import RadioStatus
from gateway.radios.ble.link import Gate, Link
from gateway.radios.ble.plain import LIBRARY_ERRORS, adapter_errors, advertisement_of
from gateway.radios.ble.recovery import Watchdog
from gateway.radios.ble.slots import Slots
from gateway.radios.keeper import Keeper

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Callable

    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

    from gateway.kit.clock import Clock
    from gateway.radios.api import Advertisement, RadioState
    from gateway.radios.ble.recovery import Patience
    from gateway.radios.ble.system import Backend
    from gateway.radios.keeper import Pace

log = structlog.get_logger(__name__)

STOP_SCAN_S = 5.0
"""An adapter that vanished may never answer."""
RESET_S = 90.0
FIRST_WORD_S = 20.0
"""After silence: how long a new scan may take to prove that it hears."""
HANG_UP_S = 3.0
"""When the adapter closes: a disconnect takes BlueZ about 2 s."""


@dataclass(slots=True)
class Stage:
    """How far a `connect` has come: what it means that the time is over."""

    error: GatewayError

    def waits_for_place(self, adapter: str, number: int) -> None:
        self.error = RadioBusy(f"could not connect: all {number} connections of {adapter} are used")

    def waits_for_turn(self, adapter: str) -> None:
        self.error = RadioBusy(f"could not connect: {adapter} is connecting to other devices")

    def connects(self, address: str) -> None:
        self.error = Unreachable(f"could not connect to {address}: no answer in time")


@dataclass(frozen=True, slots=True)
class Ears:
    """Whom an adapter tells, and asks how many devices should be heard."""

    heard: Callable[[Advertisement, BLEDevice], None]
    expected: Callable[[], int]
    state_changed: Callable[[RadioState], None]
    link_ended: Callable[[str, float], None]
    """Address and the seconds that it was connected."""


class Adapter:
    """A keeper's `Stick`. `name` as in the settings."""

    def __init__(
        self,
        name: str,
        backend: Backend,
        ears: Ears,
        *,
        clock: Clock,
        rng: random.Random,
        pace: Pace,
        patience: Patience,
        connections: int,
    ) -> None:
        self.name = name
        self._backend = backend
        self._ears = ears
        self._clock = clock
        self._watchdog = Watchdog(patience)
        self._slots = Slots(connections)
        self._connecting = asyncio.Lock()
        self._opened = False
        self._scanner: BleakScanner | None = None
        self._hears = asyncio.Event()
        self._links: dict[str, Link] = {}
        self._since: dict[Link, float] = {}
        self._lingering: dict[Link, asyncio.Task[None]] = {}
        self._incomplete: set[str] = set()
        self._keeper = Keeper(f"bluetooth {name}", self, ears.state_changed, clock, rng, pace)
        self.run = self._keeper.run

    @property
    def state(self) -> RadioState:
        return self._keeper.state

    @property
    def usable(self) -> bool:
        return self._opened and self.state.status in _USABLE

    @property
    def has_place(self) -> bool:
        """At once, or because a link that lingers gives way."""
        return self._slots.free > 0 or bool(self._lingering)

    # ── the stick, for the keeper ───────────────────────────────────────────────────────────

    async def open(self) -> None:
        what = f"open Bluetooth adapter {self.name}"
        if self._watchdog.should_reset(self._clock.monotonic()):
            await self._reset()
        with adapter_errors(what):
            await self._backend.open(self.name)
        self._hears.clear()
        try:
            with adapter_errors(what):
                await self._start_scan()
            if self._watchdog.doubted:
                await self._hear_first_word()
            self._opened = True
        except BaseException:
            await self._stop_scan()
            await self._close_backend()
            raise

    async def probe(self) -> None:
        with adapter_errors(f"use Bluetooth adapter {self.name}"):
            await self._backend.probe(self.name)
        silence = self._silence()
        if silence is not None:
            raise RadioUnavailable(silence)

    async def close(self) -> None:
        self._opened = False
        self._slots.send_away(f"Bluetooth adapter {self.name} went away")
        links = list(self._links.values())
        for link in links:
            link.end(f"Bluetooth adapter {self.name} went away")
        closing = [asyncio.ensure_future(link.closed()) for link in links]
        if closing:
            await asyncio.wait(closing, timeout=HANG_UP_S)
        for link in links:
            link.give_up()
        await asyncio.gather(*closing)
        await self._stop_scan()
        await self._close_backend()

    # ── links, for the radio ────────────────────────────────────────────────────────────────

    def lingering(self, address: str) -> Link | None:
        """The link to that device, taken out of lingering, if there is one and it lives."""
        link = self._links.get(address)
        if link is None or not link.connected or link not in self._lingering:
            return None
        self._lingering.pop(link).cancel()
        return link

    async def settled(self, address: str) -> None:
        """Until no link to that device is being closed any more."""
        link = self._links.get(address)
        if link is not None:
            link.end("it is connected to anew")
            await link.closed()

    async def held(self, address: str) -> BLEDevice | None:
        """Left over from a life before, if the system can tell."""
        with suppress(*LIBRARY_ERRORS):
            return await self._backend.held(self.name, address)
        return None

    async def connect(self, address: str, device: BLEDevice, stage: Stage) -> Link:
        """Raises `Unreachable` or `RadioUnavailable`; the caller keeps the deadline."""
        stage.waits_for_place(self.name, self._slots.number)
        if not self._slots.free:
            self._make_room()
        await self._slots.take()
        link = Link(address, self._link_ended, self._alive)

        @asynccontextmanager
        async def turn() -> AsyncIterator[None]:
            stage.waits_for_turn(self.name)
            async with self._connecting:
                stage.connects(address)
                async with self._scan_rests():
                    yield

        self._links[address] = link
        cached = address not in self._incomplete
        try:
            await link.establish(device, self._backend.client(self.name), Gate(turn), cached=cached)
        except BaseException:
            link.end("it could not be connected")  # which gives the place back, when it is free
            raise
        self._incomplete.discard(address)
        self._since[link] = self._clock.monotonic()
        return link

    def release(self, link: Link, linger_s: float) -> None:
        """Its holder is done with it."""
        if not link.connected or linger_s <= 0 or self._slots.waiting:
            link.end("closed after use")
            return
        self._lingering[link] = asyncio.create_task(
            self._linger(link, linger_s), name=f"linger {link.address}"
        )

    # ── inside ──────────────────────────────────────────────────────────────────────────────

    async def _linger(self, link: Link, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._lingering.pop(link, None)
        link.end("closed after use")

    def _make_room(self) -> None:
        """The link that has lingered longest gives way."""
        link = next(iter(self._lingering), None)
        if link is not None:
            self._lingering.pop(link).cancel()
            link.end("its place was needed for another device")

    def _link_ended(self, link: Link) -> None:
        since = self._since.pop(link, None)
        waiting = self._lingering.pop(link, None)
        if waiting is not None:
            waiting.cancel()
        if self._links.get(link.address) is link:
            del self._links[link.address]
        if link.incomplete:
            self._incomplete.add(link.address)
        self._slots.give_back()
        if since is not None:
            self._ears.link_ended(link.address, self._clock.monotonic() - since)

    def _advertised(self, device: BLEDevice, data: AdvertisementData) -> None:
        if device.address.upper() in self._links:
            # bleak takes every change of a device in BlueZ for an advertisement, the end of our own
            # link as well, and repeats what it said before that.
            return
        self._alive()
        at = self._clock.monotonic()
        self._ears.heard(advertisement_of(device, data, self.name, at), device)

    def _alive(self) -> None:
        self._watchdog.alive(self._clock.monotonic())
        self._hears.set()

    def _silence(self) -> str | None:
        silence = self._watchdog.silence(self._clock.monotonic(), self._ears.expected())
        return silence and f"Bluetooth adapter {self.name}: {silence}"

    async def _hear_first_word(self) -> None:
        """It was deaf: only hearing something proves that it is not any more."""
        await wait_or_sleep(self._hears, self._clock, FIRST_WORD_S)
        if not self._hears.is_set():
            raise RadioUnavailable(
                self._silence() or f"Bluetooth adapter {self.name}: still nothing heard"
            )

    async def _reset(self) -> None:
        done = False
        with suppress(*LIBRARY_ERRORS):
            async with asyncio.timeout(RESET_S):
                done = await self._backend.reset(self.name)
        log.warning("bluetooth adapter reset", adapter=self.name, done=done)

    @asynccontextmanager
    async def _scan_rests(self) -> AsyncIterator[None]:
        """Around one attempt to connect, where the stack cannot do both."""
        if self._backend.scans_while_connecting:
            yield
            return
        await self._stop_scan()
        try:
            yield
        finally:
            if self._opened:
                try:
                    await self._start_scan()
                except LIBRARY_ERRORS:  # the keeper opens the adapter anew, and says why
                    self._keeper.lost("the scan could not be taken up again")

    async def _start_scan(self) -> None:
        scanner = BleakScanner(self._advertised, **self._backend.scanner(self.name))
        self._scanner = scanner
        await scanner.start()
        self._watchdog.listening(self._clock.monotonic())

    async def _stop_scan(self) -> None:
        scanner, self._scanner = self._scanner, None
        if scanner is not None:
            # When the adapter is gone, BlueZ does not know what is to be stopped.
            with suppress(*LIBRARY_ERRORS):
                async with asyncio.timeout(STOP_SCAN_S):
                    await scanner.stop()

    async def _close_backend(self) -> None:
        with suppress(*LIBRARY_ERRORS):
            async with asyncio.timeout(STOP_SCAN_S):
                await self._backend.close(self.name)


_USABLE = frozenset({RadioStatus.UP, RadioStatus.DEGRADED})
