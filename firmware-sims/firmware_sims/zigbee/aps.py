"""The air and what APS does about it: latency, loss, retries, the indirect queue of sleepers.

Here: how one unicast travels from the coordinator to a node, and when the coordinator learns
how it ended. Not here: addresses and membership (``network``), ZDO and ZCL.

Fact sources: Zigbee specification 05-3474-21 §2.2 (acknowledged APS transmission) and §3.6.10
(children that sleep); EmberZNet's defaults as hosts see them: indirect transmission timeout
7.68 s, APS acknowledgement 1.6 s, three attempts.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

RETRY = 0x0040  # APS option: ask for an acknowledgement, repeat without one
INDIRECT_TIMEOUT_S = 7.68
ACK_TIMEOUT_S = 1.6
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class ApsFrame:
    """APS addressing; field names are those of the EZSP layouts."""

    profile: int
    cluster: int
    source_endpoint: int
    destination_endpoint: int
    options: int = 0
    group: int = 0
    sequence: int = 0


@dataclass(slots=True)
class Path:
    """One direction of the air. Times in seconds, rates as probabilities per frame.

    ``duplicate`` delivers a frame twice *above* APS, as when a device repeats itself under a
    new APS counter; repeats under the same counter never get that far.
    """

    latency_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    duplicate: float = 0.0


@dataclass(slots=True)
class Air:
    """Both directions, seen from the nodes' side as ``down`` (to them) and ``up``.

    ``unreachable_s`` is how long EmberZNet tries before it reports DELIVERY_FAILED for a node
    that does not answer at all (MAC retries, then route discovery).
    """

    down: Path = field(default_factory=Path)
    up: Path = field(default_factory=Path)
    seed: int = 0
    unreachable_s: float = 1.0
    indirect_timeout_s: float = INDIRECT_TIMEOUT_S
    ack_timeout_s: float = ACK_TIMEOUT_S
    rng: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def delay(self, path: Path) -> float:
        """Draw how long a frame takes."""
        return path.latency_s + (self.rng.random() * path.jitter_s if path.jitter_s else 0.0)

    def lost(self, path: Path) -> bool:
        """Draw whether a frame is lost for good on this attempt."""
        return path.loss > 0 and self.rng.random() < path.loss

    def copies(self, path: Path) -> int:
        """Draw how often a frame arrives."""
        return 2 if path.duplicate > 0 and self.rng.random() < path.duplicate else 1


class Lane:
    """One direction of one node's link: keeps the order of what is sent on it."""

    __slots__ = ("_last", "_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._last, self._waiting = loop, 0.0, 0

    def after(self, delay_s: float, action: Callable[[], None]) -> None:
        """Run ``action`` after the delay, but never before one that was given earlier."""
        now = self._loop.time()
        if delay_s <= 0 and not self._waiting:  # on a late loop, what is due has not run yet
            self._loop.call_soon(action)
            return
        # strictly later: the loop's timers are not ordered between equals
        self._last = max(now + delay_s, self._last + 1e-6)
        self._waiting += 1
        self._loop.call_at(self._last, self._run, action)

    def _run(self, action: Callable[[], None]) -> None:
        self._waiting -= 1
        action()


class Receiver(Protocol):
    """The far end of a delivery; ``pending`` is what its parent holds for it while it sleeps."""

    pending: set[Delivery]

    @property
    def reachable(self) -> bool: ...
    @property
    def sleepy(self) -> bool: ...

    def next_poll_in(self) -> float: ...
    def receive(self, aps: ApsFrame, payload: bytes) -> None: ...


class Delivery:
    """One unicast to a node, until ``done(delivered)`` is called, exactly once."""

    __slots__ = (
        "_acknowledged",
        "_air",
        "_aps",
        "_attempt",
        "_done",
        "_down",
        "_loop",
        "_node",
        "_payload",
        "_poll",
        "_received",
        "_until",
        "_up",
    )

    def __init__(
        self,
        *,
        air: Air,
        loop: asyncio.AbstractEventLoop,
        node: Receiver,
        lanes: tuple[Lane, Lane],
        aps: ApsFrame,
        payload: bytes,
        done: Callable[[bool], None],
    ) -> None:
        self._air, self._loop, self._node, self._done = air, loop, node, done
        self._down, self._up = lanes
        self._aps, self._payload = aps, payload
        self._acknowledged = bool(aps.options & RETRY)
        self._attempt = 0
        self._until = 0.0
        self._poll: asyncio.TimerHandle | None = None
        self._received = False  # a repeat under the same APS counter is acknowledged, not passed on

    def start(self) -> None:
        """Begin; the outcome is reported from the loop, never from within this call."""
        self._attempt += 1
        if self._node.sleepy:
            self._until = self._loop.time() + self._air.indirect_timeout_s
            self._node.pending.add(self)
            self.wait_for_poll()
        else:
            self._transmit()

    def wait_for_poll(self) -> None:
        """Hold the frame until the node asks for it; called again when it wakes up early."""
        if self._poll is not None:
            self._poll.cancel()
        wait, remaining = self._node.next_poll_in(), self._until - self._loop.time()
        if wait > remaining:
            self._poll = self._loop.call_later(max(remaining, 0.0), self._expired)
        else:
            self._poll = self._loop.call_later(wait, self._polled)

    def _expired(self) -> None:
        self._node.pending.discard(self)
        self._done(False)

    def _polled(self) -> None:
        if self._node.reachable and not self._air.lost(self._air.down):
            self._node.pending.discard(self)
            self._down.after(self._air.delay(self._air.down), self._arrive)
        else:  # nobody polled; the frame stays in the parent's queue
            self._poll = self._loop.call_later(1e-3, self.wait_for_poll)

    def _transmit(self) -> None:
        air = self._air
        if not self._node.reachable:
            self._loop.call_later(air.unreachable_s / ATTEMPTS, self._missed)
        elif air.lost(air.down):
            self._loop.call_later(air.ack_timeout_s if self._acknowledged else 0.05, self._missed)
        else:
            self._down.after(air.delay(air.down), self._arrive)

    def _missed(self) -> None:
        if self._attempt < ATTEMPTS and (self._acknowledged or not self._node.reachable):
            self.start()
        else:
            self._done(False)

    def _arrive(self) -> None:
        air = self._air
        if not self._node.reachable:
            self._loop.call_later(air.ack_timeout_s, self._missed)
            return
        if not self._acknowledged:
            self._loop.call_soon(self._done, True)
        elif air.lost(air.up):
            self._loop.call_later(air.ack_timeout_s, self._missed)
        else:
            self._up.after(air.delay(air.up), self._confirm)
        if not self._received:
            self._received = True
            for _ in range(air.copies(air.down)):
                self._node.receive(self._aps, self._payload)

    def _confirm(self) -> None:
        self._done(True)
