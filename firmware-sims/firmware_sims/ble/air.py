"""The virtual air: who hears whom, how strong, and what gets lost between two controllers.

Here: range, signal strength, loss, and open links with their connection events and supervision
timeouts (Core Specification 6.0, Vol 6, Part B, 4.5). Not here: the controllers (`controller`), and
the sockets they are reached by (`hub`). The air runs on the loop's time; a lock's own time is its
`Timebase`.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from typing import TYPE_CHECKING

from bumble.link import LocalLink

from firmware_sims.ble.spec import USUAL_RSSI_DBM, BleAirSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from bumble import hci
    from bumble.controller import Controller

    from firmware_sims.ble.controller import Advert, VirtualController

WEAKEST_RSSI_DBM = -100
"""Below it nothing is heard."""
_RETRY_S = 0.0075
"""The shortest connection interval there is; the pace of retries where none is modelled."""

CONNECTION_TIMEOUT = 0x08
FAILED_TO_BE_ESTABLISHED = 0x3E
"""HCI error codes (Vol 1, Part F)."""


class Air(LocalLink):
    """All controllers of a world and the links between them; stations are known by name."""

    def __init__(self, spec: BleAirSpec | None = None, *, seed: int = 1) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.spec = spec or BleAirSpec()
        self.rng = random.Random(f"{seed}/air")
        self.stations: list[VirtualController] = []
        self._links: list[AirLink] = []
        self._levels: dict[str, int] = {}
        self._pairs: dict[frozenset[str], int] = {}
        self._away: set[str] = set()
        self._apart: set[frozenset[str]] = set()

    # ---- range

    def rssi(self, one: str, other: str) -> int | None:
        """Mean signal strength between two stations in dBm; None when out of range."""
        pair = frozenset((one, other))
        if one in self._away or other in self._away or pair in self._apart:
            return None
        usual = min(self._levels.get(name, USUAL_RSSI_DBM) for name in (one, other))
        level = self._pairs.get(pair, usual)
        return level if level >= WEAKEST_RSSI_DBM else None

    def set_rssi(self, station: str, dbm: int, towards: str | None = None) -> None:
        """Move a station nearer or farther, for everybody or `towards` one other."""
        if towards is None:
            self._levels[station] = dbm
        else:
            self._pairs[frozenset((station, towards))] = dbm
        self.range_changed()

    def set_in_range(self, station: str, here: bool, towards: str | None = None) -> None:
        """Carry a station away or back; open links outlast it by their supervision timeout."""
        if towards is None:
            (self._away.discard if here else self._away.add)(station)
        else:
            pair = frozenset((station, towards))
            (self._apart.discard if here else self._apart.add)(pair)
        self.range_changed()

    def is_in_range(self, station: str) -> bool:
        """Whether it was not carried away from everybody."""
        return station not in self._away

    def range_changed(self) -> None:
        """Look at every open link anew; called too when a controller falls silent."""
        for link in tuple(self._links):
            link.look()

    def hears(self, one: VirtualController, other: VirtualController) -> bool:
        """Whether a frame between two working radios can arrive."""
        return one.working and other.working and self.rssi(one.name, other.name) is not None

    # ---- controllers

    def add_controller(self, controller: Controller) -> None:
        super().add_controller(controller)
        self.stations.append(controller)  # type: ignore[arg-type]  # all of ours are virtual

    def remove_controller(self, controller: Controller) -> None:
        """Without a word to its peers, who notice by the supervision timeout."""
        super().remove_controller(controller)
        self.stations.remove(controller)  # type: ignore[arg-type]

    # ---- advertisements

    def advertise(self, sender: VirtualController, advert: Advert) -> None:
        """One advertising event, heard by whoever listens, is near enough and lucky."""
        loop = asyncio.get_running_loop()
        for station in self.stations:
            if station is sender or not station.listening or not self.hears(sender, station):
                continue
            level = self.rssi(sender.name, station.name)
            if level is None or self.lost():
                continue
            heard_at = round(self.rng.gauss(level, self.spec.rssi_jitter_db))
            loop.call_soon(station.heard, advert, max(-127, min(20, heard_at)))

    def lost(self) -> bool:
        """Whether chance takes this one."""
        return self.spec.loss > 0 and self.rng.random() < self.spec.loss

    # ---- links

    def open(
        self, central: VirtualController, address: hci.Address, supervision_s: float
    ) -> tuple[VirtualController, AirLink] | None:
        """A link to the advertiser of that address; None when it does not answer."""
        for station in self.stations:
            if station.connectable_as(address) and self.hears(central, station):
                if self.lost():
                    return None
                link = AirLink(self, central, station, supervision_s)
                self._links.append(link)
                return station, link
        return None

    def closed(self, link: AirLink) -> None:
        if link in self._links:
            self._links.remove(link)


class AirLink:
    """An open link: two queues, emptied at connection events."""

    def __init__(
        self,
        air: Air,
        central: VirtualController,
        peripheral: VirtualController,
        supervision_s: float,
    ) -> None:
        self._air = air
        self._ends = (central, peripheral)
        self._supervision_s = supervision_s
        self._loop = asyncio.get_running_loop()
        self._anchor = self._loop.time()
        self._queues: dict[VirtualController, deque[Callable[[], None]]] = {
            central: deque(),
            peripheral: deque(),
        }
        self._open = set(self._ends)
        self._event: asyncio.Handle | None = None
        self._supervision: asyncio.TimerHandle | None = None

    def other(self, end: VirtualController) -> VirtualController:
        """The peer of one end."""
        return self._ends[end is self._ends[0]]

    def send(self, sender: VirtualController, deliver: Callable[[], None]) -> None:
        """Hand one packet over: `deliver` is called once the other end has received it."""
        receiver = self.other(sender)
        if receiver in self._open:
            self._queues[receiver].append(deliver)
            self._plan(first=True)

    def leave(self, end: VirtualController) -> None:
        """One end has closed; what it sent before still arrives, if the other hears it."""
        self._open.discard(end)
        self._queues[end].clear()
        if self._open:
            self._supervise()
        else:
            self._close()

    def look(self) -> None:
        """Range has changed: stop or go on."""
        if self._air.hears(*self._ends) and len(self._open) == 2:
            if self._supervision is not None:
                self._supervision.cancel()
                self._supervision = None
            if any(self._queues.values()):
                self._plan(first=True)
        else:
            self._supervise()

    def _plan(self, *, first: bool) -> None:
        if self._event is not None:
            return
        interval = self._air.spec.connection_interval_s
        if interval:
            passed = (self._loop.time() - self._anchor) // interval
            self._event = self._loop.call_at(self._anchor + (passed + 1) * interval, self._exchange)
        elif first:
            self._event = self._loop.call_soon(self._exchange)
        else:
            self._event = self._loop.call_later(_RETRY_S, self._exchange)

    def _exchange(self) -> None:
        self._event = None
        if not self._air.hears(*self._ends):
            self._supervise()
            return
        for receiver, queue in self._queues.items():
            # What these deliveries lead to is sent at the next event, not at this one.
            for _ in range(len(queue)):
                if self._air.lost():
                    break
                if receiver in self._open:
                    queue.popleft()()
                if not queue:
                    break
        if any(self._queues.values()):
            self._plan(first=False)

    def _supervise(self) -> None:
        if self._supervision is None and self._open:
            self._supervision = self._loop.call_later(self._supervision_s, self._give_up)

    def _give_up(self) -> None:
        self._supervision = None
        for end in tuple(self._open):
            end.link_lost(self, CONNECTION_TIMEOUT)
        self._close()

    def _close(self) -> None:
        for handle in (self._event, self._supervision):
            if handle is not None:
                handle.cancel()
        self._event = self._supervision = None
        self._open.clear()
        self._air.closed(self)
