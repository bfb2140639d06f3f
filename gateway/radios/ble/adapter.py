"""One adapter: its scan and staying alive. It has no other owner in this program.

Here: what the keeper opens, probes and closes; one scan that never stops, because BlueZ forgets a
device half a minute after the scan ended (hbldh/bleak#1176). Not here: its links (`links`), and
which adapter a device is reached through (`radio`).
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from bleak import BleakScanner

from gateway.errors import RadioUnavailable, Unreachable
from gateway.kit.tasks import wait_or_sleep
from gateway.radios.api import RadioStatus
from gateway.radios.ble.links import Links, Stage
from gateway.radios.ble.plain import (
    LIBRARY_ERRORS,
    adapter_errors,
    advertisement_of,
    is_from_the_air,
)
from gateway.radios.ble.recovery import Watchdog
from gateway.radios.keeper import Keeper

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Callable

    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

    from gateway.kit.clock import Clock
    from gateway.radios.api import Advertisement, RadioState
    from gateway.radios.ble.link import Link
    from gateway.radios.ble.recovery import Patience
    from gateway.radios.ble.system import Backend
    from gateway.radios.keeper import Pace

log = structlog.get_logger(__name__)

STOP_SCAN_S = 5.0
"""An adapter that vanished may never answer."""
RESET_S = 90.0


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
        self._first_word_s = patience.first_word_s
        self._opened = False
        self._scanner: BleakScanner | None = None
        self._hears = asyncio.Event()
        self.links = Links(
            name,
            connections,
            clock,
            attempt=self._scan_rests,
            alive=self._alive,
            ended=ears.link_ended,
        )
        self._keeper = Keeper(f"bluetooth {name}", self, ears.state_changed, clock, rng, pace)
        self.run = self._keeper.run

    @property
    def state(self) -> RadioState:
        return self._keeper.state

    @property
    def usable(self) -> bool:
        return self._opened and self.state.status in _USABLE

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
        await self.links.end_all(f"Bluetooth adapter {self.name} went away")
        await self._stop_scan()
        await self._close_backend()

    async def held(self, address: str) -> BLEDevice | None:
        """Left over from a life before, if the system can tell."""
        with suppress(*LIBRARY_ERRORS):
            return await self._backend.held(self.name, address)
        return None

    async def connect(self, device: BLEDevice, stage: Stage) -> Link:
        """Raises `Unreachable` or `RadioUnavailable`; the caller keeps the deadline."""
        try:
            return await self.links.connect(device, self._backend.client(self.name), stage)
        except Unreachable:
            # BlueZ forgets the devices of an adapter that goes, and says so first.
            with adapter_errors(f"connect to {stage.address} by Bluetooth adapter {self.name}"):
                await self._backend.probe(self.name)
            raise

    # ── inside ──────────────────────────────────────────────────────────────────────────────

    def _advertised(self, device: BLEDevice, data: AdvertisementData) -> None:
        # bleak takes every change of a device in BlueZ for an advertisement, the end of our own
        # link as well, and repeats what it said before that.
        if device.address.upper() in self.links or not is_from_the_air(data):
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
        await wait_or_sleep(self._hears, self._clock, self._first_word_s)
        if not self._hears.is_set():
            now = self._clock.monotonic()
            complaint = self._watchdog.complaint(now, self._ears.expected())
            raise RadioUnavailable(f"Bluetooth adapter {self.name}: {complaint}")

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
