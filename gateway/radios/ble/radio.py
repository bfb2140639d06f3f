"""The Bluetooth radio as the house sees it: what is heard, links to devices, state.

Here: `GattRadio` on any number of adapters, each kept open by itself. A device is reached through
the adapter that hears it best and has a place; another one is tried when that fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import structlog

from gateway.errors import GatewayError, RadioUnavailable, Unreachable
from gateway.radios.api import Advertised, Heard, RadioState, RadioStatus, StateChanged
from gateway.radios.ble.adapter import Adapter, Ears
from gateway.radios.ble.airwaves import UNKNOWN_DBM, Airwaves
from gateway.radios.ble.energy import Ledger
from gateway.radios.ble.links import Stage
from gateway.radios.ble.plain import hush
from gateway.radios.ble.recovery import Patience
from gateway.radios.ble.system import BlueZ, check_adapters, check_bluez_names
from gateway.radios.gatt import Budget
from gateway.radios.keeper import Pace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from bleak.backends.device import BLEDevice

    from gateway.kit.clock import Clock
    from gateway.radios.api import Advertisement, RadioEvent, RadioListener
    from gateway.radios.ble.link import Link
    from gateway.radios.ble.system import Backend
    from gateway.radios.gatt import GattLink, Sample, Sighting, Usage

log = structlog.get_logger(__name__)

FRESH_S = 30.0
"""Who was heard within this may be connected to. BlueZ forgets a device after as long."""
CONNECTIONS = 3
"""What the weakest common adapters carry while they scan; the setting may say more."""
_DAY_MS = 86_400_000


class BleRadio:
    """`adapters` as `backend` names them; BlueZ: `hci0` or an address. `connections`: for each.

    `backend`: what is below bleak, BlueZ unless a rehearsal says otherwise (`system.load`).
    Raises `ConfigError` for names that cannot be adapters.
    """

    kind = "bluetooth"

    def __init__(
        self,
        adapters: Sequence[str],
        *,
        clock: Clock,
        connections: int = CONNECTIONS,
        backend: Backend | None = None,
        name: str = "bluetooth",
        pace: Pace | None = None,
        patience: Patience | None = None,
        budget: Budget | None = None,
        rng: random.Random | None = None,
    ) -> None:
        names = tuple(adapters)
        check_adapters(names)
        if backend is None:
            check_bluez_names(names)
        self.name = name
        self._clock = clock
        self._listeners: list[RadioListener] = []
        self._watched: frozenset[str] = frozenset()
        self._airwaves = Airwaves()
        self._ledger = Ledger(budget or Budget())
        self._turns: dict[str, tuple[asyncio.Lock, int]] = {}
        self._awaited: dict[str, asyncio.Event] = {}
        self._overhearing: dict[str, list[asyncio.Future[Advertisement]]] = {}
        ears = Ears(self._heard, lambda: len(self._watched), self._state_changed, self._link_ended)
        below = backend or BlueZ()
        self._adapters = {
            each: Adapter(
                each,
                below,
                ears,
                clock=clock,
                rng=rng or random.SystemRandom(),  # noqa: TID251 - the default of a parameter
                pace=pace or Pace(),
                patience=patience or Patience(),
                connections=connections,
            )
            for each in names
        }
        self._told = self.state

    @property
    def state(self) -> RadioState:
        """Up if every adapter is; degraded if one is not, with the reasons of those."""
        return sum_up([adapter.state for adapter in self._adapters.values()])

    def listen(self, listener: RadioListener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    async def run(self) -> None:
        hush()
        async with asyncio.TaskGroup() as running:
            for name, adapter in self._adapters.items():
                running.create_task(adapter.run(), name=f"bluetooth {name}")

    # ── what is heard ───────────────────────────────────────────────────────────────────────

    def watch(self, addresses: frozenset[str]) -> None:
        self._watched = frozenset(address.upper() for address in addresses)
        self._airwaves.watch(self._watched)

    def sightings(self) -> Sequence[Sighting]:
        return self._airwaves.sightings(self._clock.monotonic())

    async def overhear(self, address: str, *, deadline_s: float) -> Advertisement:
        address = address.upper()
        heard: asyncio.Future[Advertisement] = asyncio.get_running_loop().create_future()
        self._overhearing.setdefault(address, []).append(heard)
        try:
            async with asyncio.timeout(deadline_s):
                return await heard
        except TimeoutError as error:
            silent_s = self._airwaves.silent_for(address, self._clock.monotonic())
            since = "never heard" if silent_s is None else f"not heard for {silent_s:.0f} s"
            raise Unreachable(f"could not hear {address}: {since}") from error
        finally:
            # Whoever was told is off the list already.
            with contextlib.suppress(KeyError, ValueError):
                self._overhearing[address].remove(heard)
                if not self._overhearing[address]:
                    del self._overhearing[address]

    @property
    def budget(self) -> Budget:
        return self._ledger.budget

    def history(self, address: str) -> Sequence[Sample]:
        """The signal of one device lately, at each adapter, oldest first. `grade` names it."""
        return self._airwaves.history(address.upper())

    def usage(self, address: str) -> Usage:
        """What connecting to that device has cost its battery today (UTC)."""
        return self._ledger.usage(address.upper(), self._today())

    def usages(self, address: str) -> Sequence[Usage]:
        """The last days on which it was connected to, oldest first."""
        return self._ledger.usages(address.upper())

    # ── links ───────────────────────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def connect(
        self, address: str, *, deadline_s: float, linger_s: float = 0.0
    ) -> AsyncIterator[GattLink]:
        address = address.upper()
        stage = Stage(address)
        turn = self._turn(address)
        try:
            try:
                async with asyncio.timeout(deadline_s):
                    await turn.acquire()
                    try:
                        adapter, link = await self._link(address, stage)
                    except BaseException:
                        turn.release()
                        raise
            except TimeoutError as error:
                raise stage.error from error
            try:
                yield link
            except BaseException:
                adapter.links.release(link, 0.0)
                raise
            else:
                adapter.links.release(link, linger_s)
            finally:
                turn.release()
        finally:
            self._turn_over(address)

    @asynccontextmanager
    async def borrow(self, address: str, *, deadline_s: float) -> AsyncIterator[object]:
        address = address.upper()
        stage = Stage(address)
        turn = self._turn(address)
        try:
            try:
                async with asyncio.timeout(deadline_s):
                    await turn.acquire()
                    try:
                        adapter, device = await self._lend(address, stage)
                    except BaseException:
                        turn.release()
                        raise
            except TimeoutError as error:
                raise stage.error from error
            try:
                yield device
            finally:
                adapter.links.take_back(address)
                turn.release()
        finally:
            self._turn_over(address)

    async def _lend(self, address: str, stage: Stage) -> tuple[Adapter, BLEDevice]:
        for adapter in self._adapters.values():
            await adapter.links.settled(address)
        adapter, device = (await self._reachable(address, stage))[0]
        await adapter.links.lend(stage)
        return adapter, device

    async def _link(self, address: str, stage: Stage) -> tuple[Adapter, Link]:
        for adapter in self._adapters.values():
            link = adapter.links.lingering(address)
            if link is not None:
                return adapter, link
            await adapter.links.settled(address)
        error: GatewayError | None = None
        for adapter, device in await self._reachable(address, stage):
            try:
                return adapter, await adapter.connect(device, stage)
            except (Unreachable, RadioUnavailable) as failed:
                error = failed
        raise error or Unreachable(f"could not connect to {address}: no adapter hears it")

    async def _reachable(self, address: str, stage: Stage) -> Sequence[tuple[Adapter, BLEDevice]]:
        """Adapters to try, those with a place first. Waits until the device is heard."""
        while True:
            usable = [name for name, adapter in self._adapters.items() if adapter.usable]
            if not usable:
                raise RadioUnavailable(f"could not connect to {address}: {self.state.reason}")
            now = self._clock.monotonic()
            best = self._airwaves.best_adapters(address, now, fresh_s=FRESH_S, among=usable)
            found = [(self._adapters[name], cast("BLEDevice", handle)) for name, handle in best]
            if found:
                return sorted(found, key=lambda one: not one[0].links.has_place)
            for name in usable:
                held = await self._adapters[name].held(address)
                if held is not None:
                    return [(self._adapters[name], held)]
            stage.waits_to_hear(self._airwaves.silent_for(address, now))
            heard = self._awaited.setdefault(address, asyncio.Event())
            try:
                await heard.wait()
            finally:
                self._awaited.pop(address, None)

    def _turn(self, address: str) -> asyncio.Lock:
        lock, users = self._turns.get(address, (None, 0))
        lock = lock or asyncio.Lock()
        self._turns[address] = lock, users + 1
        return lock

    def _turn_over(self, address: str) -> None:
        lock, users = self._turns.pop(address)
        if users > 1:
            self._turns[address] = lock, users - 1

    # ── what the adapters say ───────────────────────────────────────────────────────────────

    def _heard(self, advertisement: Advertisement, device: BLEDevice) -> None:
        address = advertisement.address
        self._airwaves.heard(advertisement, device)
        for waiting in self._overhearing.pop(address, ()):
            if not waiting.done():
                waiting.set_result(advertisement)
        awaited = self._awaited.get(address)
        if awaited is not None:
            awaited.set()
        if address in self._watched:
            rssi = advertisement.rssi_dbm
            self._emit(Heard(address, rssi if rssi > UNKNOWN_DBM else None))
            self._emit(Advertised(address, advertisement))

    def _state_changed(self, _state: RadioState) -> None:
        for name, adapter in self._adapters.items():
            if not adapter.usable:
                self._airwaves.forget_adapter(name)
        for awaited in self._awaited.values():
            awaited.set()  # who waits for a device looks again whether anybody can hear it
        state = self.state
        if state != self._told:
            self._told = state
            self._emit(StateChanged(state))

    def _link_ended(self, address: str, connected_s: float) -> None:
        over = self._ledger.ended(address, self._today(), connected_s)
        if over is not None:
            log.warning(
                "bluetooth device costs its battery more than planned",
                address=address,
                connects=over.connects,
                connected_s=round(over.connected_s),
            )

    def _emit(self, event: RadioEvent) -> None:
        for listener in tuple(self._listeners):
            listener(event)

    def _today(self) -> int:
        return int(self._clock.now()) // _DAY_MS


def sum_up(states: Sequence[RadioState]) -> RadioState:
    """The radio's state from its adapters'."""
    statuses = {state.status for state in states}
    reason = "; ".join(dict.fromkeys(state.reason for state in states if state.reason))
    if len(statuses) == 1:
        return RadioState(statuses.pop(), reason)
    if statuses & {RadioStatus.UP, RadioStatus.DEGRADED}:
        return RadioState(RadioStatus.DEGRADED, reason)
    return RadioState(RadioStatus.OPENING, reason)
