"""The gateway's radio for one of its lives: `ClusterRadio` and `Commissioning` on simulated air.

Field names, refusals and the choice between `Unreachable` and `OutcomeUnknown` are those of
`gateway.radios.zigbee`; the keeper is the product's. Not here: what
happens to a frame (`air`), what a lock is (`door`), and bytes (`zcl`).
"""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING

from firmware_sims.zigbee.door_lock_commands import COMMANDS
from gateway.domain.instant import ClockTrust, Instant
from gateway.errors import (
    LocalProtocolError,
    OutcomeUnknown,
    PeerProtocolError,
    RadioRefused,
    RadioUnavailable,
    Unreachable,
)
from gateway.radios.api import (
    AttributeReported,
    ClusterCommandReceived,
    ClusterReply,
    Heard,
    JoinProgress,
    JoinStage,
    NodeLeft,
    NodeReady,
    StateChanged,
)
from gateway.radios.keeper import Keeper, Pace
from tests.simulation import zcl
from tests.simulation.air import Air, Exchange
from tests.simulation.door import BIND, BIND_ANSWER, DoorEvent, SimDoor, Write
from tests.simulation.plain import accepted, readable, refused, speakable

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable, Sequence

    from gateway.radios.api import (
        BindAndReport,
        ClusterRequest,
        JoinOrder,
        NodeInfo,
        RadioEvent,
        RadioListener,
        RadioState,
        ReadAttributes,
        WriteAttributes,
    )

__all__ = ["Air", "DoorEvent", "SimDoor", "SimRadio", "Write"]

DEBOUNCE_S = 10.0
"""zigpy drops the same bytes from the same node for so long."""
OPENING_S = 3.0
"""What zigpy and bellows take to start."""
READ_AT_ONCE = 5
_PROBE_NEVER_S = 1e8
"""A stick that is pulled says so at once here, and probing costs time in a month of nothing."""

_Frame = tuple[str, int, bytes]


class SimRadio:
    """One life's radio. After `kill` it is silent and refuses everything."""

    kind = "zigbee"

    def __init__(self, air: Air, life: int, *, name: str = "zigbee") -> None:
        self.name = name
        self.loop = air.loop
        self.dead = False
        self._air = air
        self._life = life
        self._open = False
        self._listeners: list[RadioListener] = []
        self._sequence = 0
        self._pending: dict[tuple[str, int, int], Exchange] = {}
        self._seen: set[_Frame] = set()
        self._fading: deque[tuple[float, _Frame]] = deque()
        pace = Pace(probe_interval_s=_PROBE_NEVER_S)
        rng = random.Random(air.rng.getrandbits(64))
        self._keeper = Keeper(name, self, self._state_changed, _Clock(air), rng, pace)
        air.radio = self

    @property
    def state(self) -> RadioState:
        return self._keeper.state

    @property
    def usable(self) -> bool:
        return self._open and not self.dead

    def listen(self, listener: RadioListener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    async def run(self) -> None:
        await self._keeper.run()

    def nodes(self) -> Sequence[NodeInfo]:
        """Empty while the radio is down."""
        if not self.usable:
            return ()
        return tuple(door.node for door in self._air.members.values())

    def kill(self) -> None:
        """The power is gone: no frame leaves or comes, nothing is answered, nothing is told."""
        self.dead = True
        for exchange in self._pending.values():
            if exchange.timer is not None:
                exchange.timer.cancel()
        if self._air.radio is self:
            self._air.radio = None

    # ── exchanges ───────────────────────────────────────────────────────────────────────────

    async def request(
        self, address: str, request: ClusterRequest, *, deadline_s: float
    ) -> ClusterReply:
        cluster, number = request.cluster_id, request.command_id
        door = self._door(address, request.endpoint, cluster)
        place = f"command 0x{number:02x} of cluster 0x{cluster:04x}"
        what = f"send {place} to {address}"
        payload = speakable(zcl.command, cluster, number, self._next(), request.fields, what=what)
        exchange = Exchange(self, door, cluster, payload, what)
        exchange.changes, exchange.bolt = not request.asks_only, request.acts_twice
        spec = COMMANDS.get(number)
        slot = request.fields.get("user_id")
        said = await self._ask(exchange, deadline_s, spec.name if spec else place, slot)
        answer = zcl.parse(said)
        default = zcl.default_response(answer)
        if default is not None:
            return ClusterReply(number, default, is_default_response=True)
        if not answer.specific or answer.command != number:
            lost = OutcomeUnknown if exchange.changes else Unreachable
            raise lost(f"could not {what}: something else was answered")
        fields = readable(zcl.fields, cluster, answer, what=what)
        if fields is None:
            raise PeerProtocolError(f"could not {what}: the answer is unknown")
        return ClusterReply(number, fields)

    async def read(
        self, address: str, request: ReadAttributes, *, deadline_s: float
    ) -> ClusterReply:
        door = self._door(address, request.endpoint, request.cluster_id)
        what = f"read cluster 0x{request.cluster_id:04x} of {address}"
        until = self.loop.time() + deadline_s
        found: dict[str, object] = {}
        for start in range(0, len(request.attributes), READ_AT_ONCE):
            chunk = request.attributes[start : start + READ_AT_ONCE]
            payload = zcl.read(self._next(), chunk)
            exchange = Exchange(self, door, request.cluster_id, payload, what)
            exchange.changes = False
            said = await self._ask(exchange, until - self.loop.time(), "read", None)
            answer = zcl.parse(said)
            default = zcl.default_response(answer)
            if default is not None:
                raise refused("read attributes", default["status"])
            values = readable(zcl.values, answer, what=what)
            found.update((str(number), value) for number, value in values.items())
        return ClusterReply(0x01, found)

    async def write(self, address: str, request: WriteAttributes, *, deadline_s: float) -> None:
        door = self._door(address, request.endpoint, request.cluster_id)
        what = f"write cluster 0x{request.cluster_id:04x} of {address}"
        payload = speakable(zcl.write, request.cluster_id, self._next(), request.values, what=what)
        exchange = Exchange(self, door, request.cluster_id, payload, what)
        accepted(await self._ask(exchange, deadline_s, "write", None), what)

    async def bind(self, address: str, request: BindAndReport, *, deadline_s: float) -> None:
        cluster = request.cluster_id
        door = self._door(address, request.endpoint, cluster)
        what = f"bind cluster 0x{cluster:04x} of {address}"
        until = self.loop.time() + deadline_s
        payload = bytes((self._next(), request.endpoint)) + cluster.to_bytes(2, "little")
        exchange = Exchange(self, door, BIND, payload, what)
        await self._ask(exchange, deadline_s, "bind", None)
        if request.attributes:
            payload = speakable(zcl.report_me, cluster, self._next(), request.attributes, what=what)
            exchange = Exchange(self, door, cluster, payload, what)
            left_s = until - self.loop.time()
            accepted(await self._ask(exchange, left_s, "configure_reporting", None), what)

    # ── commissioning ───────────────────────────────────────────────────────────────────────

    async def open_joining(self, order: JoinOrder) -> AsyncIterator[JoinProgress]:
        """Admits the first door that is `pairing` and in range. Install codes are not compared."""
        if order.install_code is None and not order.allow_well_known_key:
            raise RadioRefused(
                "could not open the network: no install code, and the well-known key was not chosen"
            )
        self._in_use()
        until = self.loop.time() + order.duration_s
        yield JoinProgress(JoinStage.OPEN, order.duration_s, order.address)
        while (left := until - self.loop.time()) > 0:
            self._in_use()
            door = next((d for d in self._air.doors.values() if self._admits(d, order)), None)
            if door is not None:
                yield JoinProgress(JoinStage.FOUND, left, door.address)
                door.join()
                self._air.members[door.address] = door
                yield JoinProgress(JoinStage.INTERVIEWING, left, door.address)
                self._emit(NodeReady(door.node))
                yield JoinProgress(JoinStage.READY, left, door.address)
                return
            await _pause(self.loop, min(left, 1.0))
        yield JoinProgress(JoinStage.CLOSED, 0, order.address, "nothing joined in time")

    def met(self, door: SimDoor) -> None:
        """A member has joined once more, by the hands of an installer."""
        self._emit(NodeReady(door.node))

    async def forget(self, address: str) -> None:
        self._in_use()
        door = self._air.members.get(address)
        if door is not None:
            if self._air.members.pop(address).listening:
                door.left()
            self._emit(NodeLeft(address))

    # ── the stick, for the keeper ───────────────────────────────────────────────────────────

    async def open(self) -> None:
        if self._air.stick_up and not self.dead:
            await _pause(self.loop, OPENING_S)
        if not self._air.stick_up or self.dead:
            raise RadioUnavailable("could not open the Zigbee radio: no such device")
        self._open = True

    async def probe(self) -> None:
        self._in_use()

    async def close(self) -> None:
        self._open = False
        if not self.dead:
            for exchange in tuple(self._pending.values()):
                exchange.spoilt = True
                gone = OutcomeUnknown if exchange.changes else RadioUnavailable
                exchange.fail(gone(f"could not {exchange.what}: the radio went away"))

    def unplugged(self) -> None:
        self._open = False
        if not self.dead:
            self._keeper.lost("connection lost")

    # ── what comes from the air ─────────────────────────────────────────────────────────────

    def hear(self, door: SimDoor) -> None:
        self._emit(Heard(door.address))

    def receive(self, door: SimDoor, cluster: int, payload: bytes) -> bool:
        """Whether it was something for the listeners, and there are any."""
        self.hear(door)
        if self._seen_before(door, cluster, payload):
            return False
        if cluster == BIND_ANSWER:
            self._answered((door.address, cluster, payload[0]), payload)
            return False
        answer = zcl.parse(payload)
        if zcl.is_report(payload):
            for number, value in zcl.values(answer).items():
                self._emit(
                    AttributeReported(door.address, door.profile.endpoint, cluster, number, value)
                )
            return bool(self._listeners)
        # zigpy takes a notification whose number is that of a pending request for its answer, once
        # in 256: the product's radio would have to be mended for it, not its core.
        if not zcl.is_notification(cluster, payload) and self._answered(
            (door.address, cluster, answer.sequence), payload
        ):
            return False
        if answer.specific:
            fields = zcl.fields(cluster, answer)
            if fields is not None:
                self._emit(
                    ClusterCommandReceived(
                        door.address, door.profile.endpoint, cluster, answer.command, fields
                    )
                )
        return bool(self._listeners)

    def spoil(self, door: SimDoor, cluster: int, payload: bytes) -> None:
        """This answer will not come, and it is the air's doing."""
        sequence = payload[0 if cluster == BIND_ANSWER else 1]
        exchange = self._pending.get((door.address, cluster, sequence))
        if exchange is not None:
            exchange.spoilt = True

    # ── inside ──────────────────────────────────────────────────────────────────────────────

    async def _ask(self, exchange: Exchange, deadline_s: float, name: str, slot: object) -> bytes:
        """Send it and wait. One line of the trace, unless this life ends before."""
        air, key = self._air, exchange.key
        self._in_use(exchange.door)
        self._pending[key] = exchange
        exchange.timer = self.loop.call_later(deadline_s, exchange.lost, "no answer in time")
        air.send_down(exchange)
        outcome = "ended"
        try:
            payload = await exchange.future
            outcome = "answered"
            if name == "get_pin_code" and isinstance(slot, int):
                air.on_read(exchange.door.address, slot)
        except (OutcomeUnknown, Unreachable, RadioUnavailable) as error:
            outcome = type(error).__name__
            trouble = exchange.spoilt or exchange.door.slow > 0
            if trouble or exchange.door.troubled_at >= exchange.started:
                air.on_failure(exchange.door.address)
            raise
        finally:
            exchange.timer.cancel()
            if self._pending.get(key) is exchange:
                del self._pending[key]
            if not self.dead:
                air.note("exchange", lock=exchange.door.name, what=name, slot=slot, outcome=outcome)
        return payload

    def _answered(self, key: tuple[str, int, int], payload: bytes) -> bool:
        exchange = self._pending.get(key)
        if exchange is None:
            return False
        if not exchange.future.done():
            exchange.future.set_result(payload)
        return True

    def _seen_before(self, door: SimDoor, cluster: int, payload: bytes) -> bool:
        now, frame = self.loop.time(), (door.address, cluster, payload)
        while self._fading and self._fading[0][0] <= now:
            self._seen.discard(self._fading.popleft()[1])
        if frame in self._seen:
            return True
        self._seen.add(frame)
        self._fading.append((now + DEBOUNCE_S, frame))
        return False

    def _door(self, address: str, endpoint: int, cluster: int) -> SimDoor:
        self._in_use(self._air.members.get(address))
        door = self._air.members.get(address)
        if door is None:
            raise Unreachable(f"could not speak to {address}: it is not in the network")
        if endpoint != door.profile.endpoint or cluster not in door.profile.input_clusters:
            raise LocalProtocolError(
                f"could not speak to {address}: it has no cluster 0x{cluster:04x} "
                f"on endpoint {endpoint}"
            )
        return door

    def _in_use(self, door: SimDoor | None = None) -> None:
        if not self.usable:
            if door is not None and not self.dead:
                self._air.on_failure(door.address)
            raise RadioUnavailable(f"could not use the Zigbee radio: {self.state.reason}")

    def _next(self) -> int:
        self._sequence = (self._sequence + 1) & 0xFF
        return self._sequence

    def _admits(self, door: SimDoor, order: JoinOrder) -> bool:
        wanted = order.address is None or order.address.lower() == door.address
        return wanted and door.pairing and door.listening

    def _state_changed(self, state: RadioState) -> None:
        if not self.dead:
            self._air.note("radio", life=self._life, state=state.status.value)
        self._emit(StateChanged(state))

    def _emit(self, event: RadioEvent) -> None:
        if not self.dead:
            for listener in tuple(self._listeners):
                listener(event)


class _Clock:
    """What the keeper needs of a clock."""

    trust = ClockTrust.UNTRUSTED

    def __init__(self, air: Air) -> None:
        self._air = air

    def now(self) -> Instant:
        return Instant(round(self._air.now() * 1000))

    def monotonic(self) -> float:
        return self._air.loop.time()

    async def sleep(self, seconds: float) -> None:
        await _pause(self._air.loop, seconds)


async def _pause(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    over: asyncio.Future[None] = loop.create_future()
    timer = loop.call_later(max(0.0, seconds), over.set_result, None)
    try:
        await over
    finally:
        timer.cancel()
