"""The air between the locks and the gateway; it outlives the gateway's power cuts.

Doors, membership and bindings are in it, as they are in the stick's own memory. Frames are lost,
late or doubled here. Not here: what a lock is (`door`), and who speaks for the gateway (`radio`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from gateway.errors import OutcomeUnknown, Unreachable
from tests.simulation import zcl
from tests.simulation.door import BIND, BIND_ANSWER, DoorEvent, SimDoor, profile_of

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from firmware_sims.profiles import Profile

UNREACHABLE_S = 1.0
"""How long EmberZNet tries a node that does not answer at all."""
INDIRECT_TIMEOUT_S = 7.68
"""How long a parent keeps a frame for a child that sleeps."""
ROUTE_FORGOTTEN_S = 60.0
"""From then on the stick finds no route, and is sure that nothing was delivered."""


class Listening(Protocol):
    """The living gateway's end, `radio.SimRadio`."""

    loop: asyncio.AbstractEventLoop
    dead: bool

    @property
    def usable(self) -> bool: ...

    def hear(self, door: SimDoor) -> None: ...

    def receive(self, door: SimDoor, cluster: int, payload: bytes) -> bool:
        """Whether it was passed on to a listener."""
        ...

    def spoil(self, door: SimDoor, cluster: int, payload: bytes) -> None: ...

    def unplugged(self) -> None: ...

    def met(self, door: SimDoor) -> None: ...


class Exchange:
    """A frame on its way to a lock, and who waits for the answer."""

    __slots__ = (
        "bolt",
        "changes",
        "cluster",
        "door",
        "future",
        "payload",
        "radio",
        "spoilt",
        "started",
        "timer",
        "what",
    )

    def __init__(
        self, radio: Listening, door: SimDoor, cluster: int, payload: bytes, what: str
    ) -> None:
        self.radio, self.door, self.cluster, self.payload = radio, door, cluster, payload
        self.what = what
        self.changes = True
        self.bolt = False
        self.spoilt = False
        self.started = radio.loop.time()
        self.future: asyncio.Future[bytes] = radio.loop.create_future()
        self.timer: asyncio.TimerHandle | None = None

    @property
    def key(self) -> tuple[str, int, int]:
        answered_as = BIND_ANSWER if self.cluster == BIND else self.cluster
        return self.door.address, answered_as, self.payload[0 if self.cluster == BIND else 1]

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def lost(self, cause: str, *, certain: bool = False) -> None:
        """No answer: nothing was changed if it was a question, or certainly not delivered."""
        kind = OutcomeUnknown if self.changes and not certain else Unreachable
        self.fail(kind(f"could not {self.what}: {cause}"))


class Air:
    """All settings are plain attributes, to be changed at any time.

    `loss_request`: a frame never arrives at the lock; `loss_answer`: the lock did it, its answer is
    lost; `loss_event`: what a lock says unasked is lost. All three after the radios' own retries.
    `duplicate`: a frame comes twice, either way, `duplicate_after_s` later. An order comes twice at
    once or not at all: a lock's APS layer rejects what it has seen for longer than anybody repeats
    it (ZigBee 2.2.8.4.2), so that none is carried out again after a later one. The copies may meet
    different fates, as one busy lock refuses the first and carries out the second. Bolt commands
    never come twice, as it would be the air that acts twice. `latency_s`: least and most, each way.

    `on_failure(address)`: the air or a fault kept an exchange from its answer, or made the lock
    refuse. `on_lost_event(address)`: what a lock said unasked came to nobody's ears.
    `on_read(address, slot)`: the gateway was told what is in a slot.
    `on_tamper(address, slot, how)`: the lock's memory is not what the gateway was told.
    """

    def __init__(self, rng: random.Random, start_unix_s: float, note: Callable[..., None]) -> None:
        self.rng, self.note = rng, note
        self.loop = asyncio.get_running_loop()
        self._start = start_unix_s
        self.loss_request = 0.0
        self.loss_answer = 0.0
        self.loss_event = 0.0
        self.duplicate = 0.0
        self.duplicate_after_s = (0.02, 4.0)
        self.latency_s = (0.01, 0.06)
        self.doors: dict[str, SimDoor] = {}
        self.members: dict[str, SimDoor] = {}
        """Who is in the network, by address: the stick's and the library's memory."""
        self.radio: Listening | None = None
        self.on_failure: Callable[[str], None] = lambda _address: None
        self.on_lost_event: Callable[[str], None] = lambda _address: None
        self.on_read: Callable[[str, int], None] = lambda _address, _slot: None
        self.on_tamper: Callable[[str, int | None, str], None] = lambda _address, _slot, _how: None
        self._stick_up = True
        self._lanes: dict[tuple[str, bool], float] = {}

    def now(self) -> float:
        """True time in unix seconds."""
        return self._start + self.loop.time()

    def add_lock(
        self,
        name: str,
        *,
        profile: str | Profile,
        zone: str,
        member: bool = True,
        clock_error_s: float = 0.0,
        **overrides: Any,
    ) -> SimDoor:
        """`profile`: of firmware_sims, changed by `overrides`. A member is bound to nothing yet."""
        number = 0x0011_2233_4455_6600 + len(self.doors) + 1
        chosen = profile_of(profile) if isinstance(profile, str) else profile
        door = SimDoor(self, name, number, chosen.with_overrides(overrides), zone)
        if clock_error_s:
            door.set_clock_error(clock_error_s)
        self.doors[name] = door
        if member:
            door.join()
            self.members[door.address] = door
        return door

    @property
    def stick_up(self) -> bool:
        """Whether the radio stick is plugged in."""
        return self._stick_up

    @stick_up.setter
    def stick_up(self, value: bool) -> None:
        if value != self._stick_up:
            self._stick_up = value
            self.note("stick", plugged=value)
            if not value and self.radio is not None:
                self.radio.unplugged()

    @property
    def radio_up(self) -> bool:
        """Whether the living gateway can speak to the stick."""
        return self.radio is not None and self.radio.usable

    # ── frames ──────────────────────────────────────────────────────────────────────────────

    def send_down(self, exchange: Exchange) -> None:
        door = exchange.door
        if not self._reaches(door):
            self._nobody_there(exchange)
        elif self.loss_request and self.rng.random() < self.loss_request:
            exchange.spoilt = True
        else:
            wait = door.poll_in()
            if wait > INDIRECT_TIMEOUT_S:
                self._nobody_there(exchange)
            elif wait:
                self.loop.call_later(wait, self._fetched, exchange)
            else:
                self._fly(exchange)

    def send_up(self, door: SimDoor, cluster: int, payload: bytes, told: DoorEvent | None) -> None:
        answer = told is None and (cluster == BIND_ANSWER or not zcl.is_report(payload))
        loss = self.loss_answer if answer else self.loss_event
        if not self._reaches(door) or (loss and self.rng.random() < loss):
            self._lost_up(door, cluster, payload, told)
            return
        # The duplicate goes by the lane's rules as well: it never overtakes.
        delay = self._latency() + (door.slow if answer else 0.0)
        self._after(door, True, delay, self._land, door, cluster, payload, told)
        if self.duplicate and self.rng.random() < self.duplicate:
            again = delay + self._between(self.duplicate_after_s)
            self.loop.call_later(again, self._land, door, cluster, payload, told)

    def announced(self, door: SimDoor) -> None:
        if self._reaches(door):
            self._after(door, True, self._latency(), self._hear, door)

    def _reaches(self, door: SimDoor) -> bool:
        return door.listening and door.joined and door.address in self.members

    def _nobody_there(self, exchange: Exchange) -> None:
        exchange.spoilt = True
        door = exchange.door
        if door.profile.sleepy:
            self.loop.call_later(INDIRECT_TIMEOUT_S, self._undelivered, exchange, True)
            return
        away = door.away_since
        certain = away is not None and self.loop.time() - away >= ROUTE_FORGOTTEN_S
        self.loop.call_later(UNREACHABLE_S, self._undelivered, exchange, certain)

    def _undelivered(self, exchange: Exchange, certain: bool) -> None:
        if not exchange.radio.dead:
            exchange.lost("not delivered", certain=certain)

    def _fetched(self, exchange: Exchange) -> None:
        """A sleepy lock asks for its frames: the stick must still be there to have them."""
        if exchange.radio.usable:
            self._fly(exchange)

    def _fly(self, exchange: Exchange) -> None:
        self._after(exchange.door, False, self._latency(), self._arrive, exchange)

    def _arrive(self, exchange: Exchange) -> None:
        door = exchange.door
        if not self._reaches(door):
            exchange.spoilt = True
            return
        door.receive(exchange.cluster, exchange.payload)
        if self.duplicate and not exchange.bolt and self.rng.random() < self.duplicate:
            again = 0.0 if exchange.changes else self._between(self.duplicate_after_s)
            self.loop.call_later(again, self._arrive_again, door, exchange)

    def _arrive_again(self, door: SimDoor, exchange: Exchange) -> None:
        if self._reaches(door):
            door.receive(exchange.cluster, exchange.payload)

    def _land(self, door: SimDoor, cluster: int, payload: bytes, told: DoorEvent | None) -> None:
        radio = self.radio
        if radio is None or not radio.usable or door.address not in self.members:
            self._lost_up(door, cluster, payload, told)
        elif radio.receive(door, cluster, payload) and told is not None and told.heard_at is None:
            told.heard_at = self.now()

    def _hear(self, door: SimDoor) -> None:
        if self.radio is not None and self.radio.usable:
            self.radio.hear(door)

    def _lost_up(self, door: SimDoor, cluster: int, payload: bytes, told: DoorEvent | None) -> None:
        if told is not None:
            self.note("event_lost", lock=door.name, did=told.kind, slot=told.slot)
            if told.heard_at is None:
                self.on_lost_event(door.address)
        elif self.radio is not None:
            self.radio.spoil(door, cluster, payload)

    def _after(
        self, door: SimDoor, up: bool, delay: float, callback: Callable[..., None], *args: object
    ) -> None:
        """Later, but never before what was sent earlier the same way."""
        lane = (door.address, up)
        # Strictly later: a loop's timers are not ordered between equals.
        at = max(self.loop.time() + delay, self._lanes.get(lane, 0.0) + 1e-6)
        self._lanes[lane] = at
        self.loop.call_at(at, callback, *args)

    def _latency(self) -> float:
        return self._between(self.latency_s)

    def _between(self, bounds: tuple[float, float]) -> float:
        low, high = bounds
        return low + (high - low) * self.rng.random()
