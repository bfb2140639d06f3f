"""One adapter's links: who gets a place, who lingers in one, and who gives way.

Here: connecting under the adapter's one turn, lingering, ending all. Not here: the adapter itself
(`adapter`), and one link's bytes (`link`).
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.errors import GatewayError, RadioBusy, Unreachable
from gateway.radios.ble.link import Gate, Link
from gateway.radios.ble.slots import Slots

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from bleak.backends.device import BLEDevice

    from gateway.kit.clock import Clock

HANG_UP_S = 3.0
"""When the adapter closes: a disconnect takes BlueZ about 2 s."""


@dataclass(slots=True)
class Stage:
    """How far a `connect` has come: what it means that the time is over."""

    address: str
    error: GatewayError = field(init=False)

    def __post_init__(self) -> None:
        self.error = self._busy("another exchange with it goes on")

    def waits_for_place(self, adapter: str, number: int) -> None:
        self.error = self._busy(f"all {number} connections of {adapter} are in use")

    def waits_for_turn(self, adapter: str) -> None:
        self.error = self._busy(f"{adapter} is connecting to other devices")

    def waits_to_hear(self, silent_s: float | None) -> None:
        since = "never heard" if silent_s is None else f"not heard for {silent_s:.0f} s"
        self.error = Unreachable(f"could not connect to {self.address}: {since}")

    def connects(self) -> None:
        self.error = Unreachable(f"could not connect to {self.address}: no answer in time")

    def _busy(self, cause: str) -> RadioBusy:
        return RadioBusy(f"could not connect to {self.address}: {cause}")


class Links:
    """`attempt` is around each attempt to connect; `alive` hears of every word on a link.

    `ended` is told the address and the seconds that it was connected.
    """

    def __init__(
        self,
        adapter: str,
        number: int,
        clock: Clock,
        *,
        attempt: Callable[[], AbstractAsyncContextManager[None]],
        alive: Callable[[], None],
        ended: Callable[[str, float], None],
    ) -> None:
        self._adapter = adapter
        self._clock = clock
        self._attempt = attempt
        self._alive = alive
        self._ended = ended
        self._slots = Slots(number)
        self._connecting = asyncio.Lock()
        self._links: dict[str, Link] = {}
        self._since: dict[Link, float] = {}
        self._lingering: dict[Link, asyncio.Task[None]] = {}
        self._incomplete: set[str] = set()
        self._lent: dict[str, float] = {}

    def __contains__(self, address: str) -> bool:
        """Whether there is a link to that device, or one is being made or ended, or lent."""
        return address in self._links or address in self._lent

    @property
    def has_place(self) -> bool:
        """At once, or because a link that lingers gives way."""
        return self._slots.free > 0 or bool(self._lingering)

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

    async def connect(self, device: BLEDevice, arguments: Mapping[str, Any], stage: Stage) -> Link:
        """Raises `Unreachable` or `RadioUnavailable`; the caller keeps the deadline."""
        address = stage.address
        await self._take_place(stage)
        self._links[address] = link = Link(address, self._link_ended, self._alive)
        cached = address not in self._incomplete
        try:
            await link.establish(device, arguments, Gate(lambda: self._turn(stage)), cached=cached)
        except BaseException:
            link.end("it could not be connected")  # which gives the place back, when it is free
            raise
        self._incomplete.discard(address)
        self._since[link] = self._clock.monotonic()
        return link

    async def lend(self, stage: Stage) -> None:
        """A place for a connection that somebody else makes; goes back with `take_back`."""
        await self._take_place(stage)
        self._lent[stage.address] = self._clock.monotonic()

    def take_back(self, address: str) -> None:
        since = self._lent.pop(address)
        self._slots.give_back()
        self._ended(address, self._clock.monotonic() - since)

    def release(self, link: Link, linger_s: float) -> None:
        """Its holder is done with it."""
        if not link.connected or linger_s <= 0 or self._slots.waiting:
            link.end("closed after use")
            return
        self._lingering[link] = asyncio.create_task(
            self._linger(link, linger_s), name=f"linger {link.address}"
        )

    async def end_all(self, reason: str) -> None:
        """The adapter goes: nobody gets a place any more, and what is open ends."""
        self._slots.send_away(reason)
        links = list(self._links.values())
        for link in links:
            link.end(reason)
        closing = [asyncio.ensure_future(link.closed()) for link in links]
        if closing:
            await asyncio.wait(closing, timeout=HANG_UP_S)
        for link in links:
            link.give_up()
        await asyncio.gather(*closing)

    # ── inside ──────────────────────────────────────────────────────────────────────────────

    async def _take_place(self, stage: Stage) -> None:
        stage.waits_for_place(self._adapter, self._slots.number)
        if not self._slots.free:
            self._make_room()
        await self._slots.take()

    @asynccontextmanager
    async def _turn(self, stage: Stage) -> AsyncIterator[None]:
        stage.waits_for_turn(self._adapter)
        async with self._connecting:
            stage.connects()
            async with self._attempt():
                yield

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
            self._ended(link.address, self._clock.monotonic() - since)
