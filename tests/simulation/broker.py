"""The broker and the network on both sides of it, in virtual time, as bad as they are told to be.

Here: connections of the gateway's lives (the `Connector` of `gateway.sync.connection`), wills,
retained messages, and what happens to a message on its way. Not here: what a message means
(`cloud`), and when faults begin and end (whoever sets the attributes).

Real semantics kept: a publish returns with its PUBACK, which proves nothing; clean start, so that
what was queued for a connection dies with it; at most `RECEIVE_MAXIMUM` deliveries unacknowledged;
order is kept unless `reorder` breaks it. Message expiry is not simulated: it only helps.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from gateway.errors import CloudUnavailable
from gateway.sync.connection import Connection, Connector, Endpoint, PublishRefused, Will
from tests.simulation.connection import SimConnection, answered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from random import Random

    Note = Callable[..., None]  # note(kind, **facts): one line of the trace


KEPT_BY_BRIDGE: Final = 40
"""The last messages downwards, which `replay` may hand over once more."""

_NEXT: Final = 1e-6
"""Seconds between two messages that may not overtake one another: timers of one moment may."""


class Weather:
    """Chances are from 0 to 1 for each message; all of it may be changed at any time."""

    def __init__(self, rng: Random, note: Note) -> None:
        self.delay_s: tuple[float, float] = (0.02, 0.2)
        """Of a message, one way."""
        self.loss_up = 0.0
        """Acknowledged to the gateway, then lost."""
        self.loss_down = 0.0
        self.duplicate = 0.0
        self.reorder = 0.0
        """To be overtaken, by `late_s`."""
        self.late_s: tuple[float, float] = (1.0, 60.0)
        self.refuse = 0.0
        """Of a publish: answered with a failure code."""
        self.half_open = 0.0
        """Of a publish: the connection is silent from now on, for a while or for good."""
        self.on_trouble: Callable[[str], None] = lambda why: None
        """Told of whatever makes the link anything but continuously good, when it happened."""
        self.on_connected: Callable[[], None] = lambda: None
        """Told when `connected` has become true."""
        self.on_delivered: Callable[[str], None] = lambda topic: None
        """Told of every message that has reached the gateway."""
        self._rng = rng
        self._note = note

    def _late(self) -> float:
        return self._rng.uniform(*self.late_s)

    def _trouble(self, why: str) -> None:
        self._note("broker." + why)
        self.on_trouble(why)


class SimBroker(Weather):
    """One broker for all lives of one gateway, and the one subscriber at its other side."""

    def __init__(self, rng: Random, note: Note) -> None:
        super().__init__(rng, note)
        self._loop = asyncio.get_running_loop()
        self._up = True
        self._connection: SimConnection | None = None
        self._dead: set[int] = set()
        self._will: tuple[asyncio.TimerHandle, Will] | None = None
        self._retained: dict[str, bytes] = {}
        self._heard: Callable[[str, bytes], None] | None = None
        self._generation = 0
        self._last_down = 0.0
        self._sent: deque[tuple[str, bytes]] = deque(maxlen=KEPT_BY_BRIDGE)

    # -------------------------------------------------------------------------- the swarm's knobs

    @property
    def up(self) -> bool:
        """Whether the gateway's side of the broker can be reached at all."""
        return self._up

    @up.setter
    def up(self, up: bool) -> None:
        if up == self._up:
            return
        self._up = up
        self._end(self._connection, "no route to the broker", noticed=False)
        self._trouble("outage" if not up else "outage_over")

    @property
    def connected(self) -> bool:
        """Whether the gateway has a connection that is not silently dead."""
        connection = self._connection
        return connection is not None and connection.silent_until <= self._loop.time()

    def flap(self) -> None:
        """The connection is reset; the next one may come at once."""
        if self._connection is not None:
            self._end(self._connection, "connection reset by peer", noticed=True)
            self._trouble("flap")

    def amnesia(self) -> None:
        """The broker restarts and remembers nothing."""
        self._generation += 1
        self._end(self._connection, "the broker went away", noticed=True)
        self._trouble("amnesia")
        self._take_back_will()
        self._retained.clear()

    # ------------------------------------------------------------------------- the gateway's side

    def connector(self, life: int) -> Connector:
        """The port of one life of the gateway."""

        @asynccontextmanager
        async def connect(endpoint: Endpoint) -> AsyncIterator[Connection]:
            connection = await self._open(life, endpoint)
            try:
                yield connection
            except asyncio.CancelledError:
                self._close(connection, goodbye=True)
                raise
            except BaseException:
                self._close(connection, goodbye=False)
                raise
            else:
                self._close(connection, goodbye=True)

        return connect

    def kill(self, life: int) -> None:
        """Nothing of that life is heard from now on. The broker notices by its silence."""
        self._dead.add(life)
        connection = self._connection
        if connection is not None and connection.life == life:
            connection.silent = True
            self._end(connection, "the power is off", noticed=False)

    async def _open(self, life: int, endpoint: Endpoint) -> SimConnection:
        wait = 3 * self._rng.uniform(*self.delay_s)  # TCP or TLS, CONNECT, SUBSCRIBE
        reachable = self._up
        if not reachable and self._rng.random() < 0.5:
            wait = endpoint.connect_timeout_s
        paused = self._loop.create_future()
        timer = self._loop.call_later(wait, answered, paused, None)
        try:
            await paused
        finally:
            timer.cancel()
        if life in self._dead or not (reachable and self._up):
            raise CloudUnavailable(f"could not connect to {endpoint.host}: no route to the broker")
        if self._connection is not None:
            self._end(self._connection, "session taken over", noticed=True)
        will = self._take_back_will()
        if will is not None and self._rng.random() < 0.5:
            # Clean start ends the old session, and with it the delay (MQTT 5, 3.1.4.3); mosquitto
            # says the will then, others keep silent.
            self._say_will(will)
        connection = self._connection = SimConnection(self, life, endpoint)
        self._note("broker.connected")
        self.on_connected()
        for topic, payload in self._retained.items():
            if topic.startswith(endpoint.subscribe.removesuffix("#")):
                self._downward(topic, payload, retained=True)
        return connection

    def _close(self, connection: SimConnection, *, goodbye: bool) -> None:
        if goodbye:
            connection.will = None
        self._end(connection, "connection closed", noticed=True)

    def _end(self, connection: SimConnection | None, why: str, *, noticed: bool) -> None:
        """Idempotent. `noticed`: the broker learns at once, and not by missing keepalives."""
        if connection is None or connection.lost is not None:
            return
        connection.lose(why)
        self._note("broker.disconnected", why=why)
        if connection is self._connection:
            self._connection = None
        if connection.will is not None:
            self._take_back_will()
            silence = 0.0 if noticed else connection.limit_s
            timer = self._loop.call_later(
                silence + connection.will.delay_s, self._will_is_due, connection.will
            )
            self._will = timer, connection.will

    def accept(
        self,
        connection: SimConnection,
        topic: str,
        payload: bytes,
        retain: bool,
        answer: asyncio.Future[bool],
    ) -> None:
        """A publish leaves the gateway; it is answered when it reached the broker."""
        now = self._loop.time()
        if self.half_open and self._rng.random() < self.half_open:
            self._fall_silent(connection, now)
        at = max(now, connection.silent_until) + self._rng.uniform(*self.delay_s)
        connection.last_up = at = max(at, connection.last_up + _NEXT)
        self._loop.call_at(at, self._arrived, connection, topic, payload, retain, answer)

    def _fall_silent(self, connection: SimConnection, now: float) -> None:
        if connection.silent_until > now:
            return
        lasts = self._rng.uniform(1.0, 2 * connection.limit_s)
        connection.silent_until = now + lasts
        self._trouble("half_open")
        if lasts >= connection.limit_s:
            connection.silent = True
            self._loop.call_later(
                connection.limit_s, self._end_of, connection, "keepalive timed out"
            )
        else:
            self._loop.call_at(connection.silent_until, self._speaks_again, connection)

    def _speaks_again(self, connection: SimConnection) -> None:
        if connection is self._connection:
            self.on_connected()

    def _end_of(self, connection: SimConnection, why: str) -> None:
        self._end(connection, why, noticed=True)

    def _arrived(
        self,
        connection: SimConnection,
        topic: str,
        payload: bytes,
        retain: bool,
        answer: asyncio.Future[bool],
    ) -> None:
        cut = connection.lost is not None
        if cut and (connection.silent or self._rng.random() < 0.5):
            return  # it was still on its way; the other half arrived and was not acknowledged
        if self.refuse and self._rng.random() < self.refuse:
            self._trouble("refused")
            refused = PublishRefused(f"could not publish to {topic}: the broker says no")
            if not answer.done():
                answer.set_exception(refused)
            return
        if retain:
            self._retained[topic] = payload
        answered(answer, self._heard is not None)
        self._upward(topic, payload)

    def _upward(self, topic: str, payload: bytes) -> None:
        draw = self._rng.random
        if self.loss_up and draw() < self.loss_up:
            self._trouble("lost_up")
            return
        if self.duplicate and draw() < self.duplicate:
            self._loop.call_later(self._late(), self._hand_over, topic, payload, self._generation)
        if self.reorder and draw() < self.reorder:
            self._trouble("late_up")
            self._loop.call_later(self._late(), self._hand_over, topic, payload, self._generation)
            return
        self._hand_over(topic, payload, self._generation)

    def _hand_over(self, topic: str, payload: bytes, generation: int) -> None:
        if generation != self._generation:
            return
        if self._heard is None:
            self._trouble("nobody_listens")
            return
        self._heard(topic, payload)

    # --------------------------------------------------------------------------- the cloud's side

    def listen(self, heard: Callable[[str, bytes], None] | None) -> None:
        """The subscriber to everything the gateway says; None while it is away."""
        self._heard = heard
        if heard is not None:
            for topic, payload in self._retained.items():
                if "/up/" in topic:
                    self._loop.call_later(
                        self.delay_s[1], self._hand_over, topic, payload, self._generation
                    )

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """The cloud publishes."""
        if retain:
            self._retained[topic] = payload
        else:
            self._sent.append((topic, payload))
        draw = self._rng.random
        if self.loss_down and draw() < self.loss_down:
            self._trouble("lost_down")
            return
        if self.duplicate and draw() < self.duplicate:
            self._downward(topic, payload, retained=retain, late=True)
        late = bool(self.reorder) and draw() < self.reorder
        if late:
            self._trouble("late_down")
        self._downward(topic, payload, retained=retain, late=late)

    def replay(self, ago: int, count: int) -> None:
        """A bridge between cloud and site forgot what was acknowledged to it: from `ago` messages
        back, some that went down are handed over once more, lost ones too."""
        again = list(self._sent)[-ago:][:count]
        self._note("broker.replay", count=len(again))
        for topic, payload in again:
            self._downward(topic, payload)

    def _downward(
        self, topic: str, payload: bytes, *, retained: bool = False, late: bool = False
    ) -> None:
        if late:
            at = self._loop.time() + self._late()
        else:
            at = self._loop.time() + self._rng.uniform(*self.delay_s)
            self._last_down = at = max(at, self._last_down + _NEXT)
        self._loop.call_at(at, self._deliver, topic, payload, retained, self._generation)

    def _deliver(self, topic: str, payload: bytes, retained: bool, generation: int) -> None:
        connection = self._connection
        if generation != self._generation or connection is None:
            self._trouble("nobody_there")
            return
        if connection.silent_until > self._loop.time():
            self._last_down = at = max(connection.silent_until, self._last_down + _NEXT)
            self._loop.call_at(at, self._deliver, topic, payload, retained, generation)
            return
        connection.take(topic, payload, retained)
        self.on_delivered(topic)

    # ------------------------------------------------------------------------------ odds and ends

    def _will_is_due(self, will: Will) -> None:
        self._will = None
        self._say_will(will)

    def _say_will(self, will: Will) -> None:
        self._note("broker.will")
        self._retained[will.topic] = will.payload
        self._upward(will.topic, will.payload)

    def _take_back_will(self) -> Will | None:
        """The will that waits for its delay, no longer waiting."""
        if self._will is None:
            return None
        timer, will = self._will
        self._will = None
        timer.cancel()
        return will
