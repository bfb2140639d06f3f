"""The simulated network: nodes that join, sleep, move out of range, leave, and talk over the air.

Here: membership, polling, what a node does on the network layer. Not here: the serial side of
the coordinator (``ncp``), its keys (``trust_centre``), retries (``aps``) and ZCL (devices).
Simplification, by intent: every node hears the coordinator directly, none routes for another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from firmware_sims.zigbee import zdo
from firmware_sims.zigbee.aps import RETRY, Air, ApsFrame, Delivery, Lane
from firmware_sims.zigbee.nvm import Membership, Nvm
from firmware_sims.zigbee.trust_centre import WELL_KNOWN_KEY, install_code_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from firmware_sims.zigbee.application import EndpointDescriptor, NodeApplication

JOIN_RETRY_S = 0.5
REFUSED_RETRY_S = 2.0
SHORT_POLL_S = 0.25
AWAKE_AFTER_JOIN_S = 30.0
AWAKE_AFTER_SENDING_S = 1.0
_BROADCAST_ENDPOINT = 0xFF
_BROADCAST_ALL = 0xFFFF


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """A frame as it reached a node; ``time`` is the event loop's."""

    time: float
    cluster: int
    payload: bytes = field(repr=False)
    aps: ApsFrame


class Coordinator(Protocol):
    """What nodes notice of the NCP."""

    @property
    def eui64(self) -> int: ...
    @property
    def network_key(self) -> bytes | None: ...
    @property
    def joinable(self) -> bool: ...

    def admit(self, node: SimulatedNode, own_key: bytes) -> Membership | None: ...
    def rejoined(self, node: SimulatedNode) -> None: ...
    def departed(self, node: SimulatedNode) -> None: ...
    def receive(
        self, node: SimulatedNode, aps: ApsFrame, payload: bytes, *, broadcast: bool = False
    ) -> None: ...


class SimulatedNode:
    """A device's radio; implements ``application.NodeRadio`` and ``zdo.ZdoSubject``."""

    def __init__(self, network: Network, application: NodeApplication, name: str) -> None:
        self.name, self.application, self.identity = name, application, application.identity
        self.in_range = True
        self.lqi, self.rssi = 200, -50
        self.frames_received: deque[ReceivedFrame] = deque(maxlen=1000)
        self.membership: Membership | None = network.nvm.nodes.get(name)
        self.refusals = 0  # joins denied, or answered with a key that is not this device's
        self._network, self._loop = network, network.loop
        code = application.identity.install_code
        self._joining_key = WELL_KNOWN_KEY if code is None else install_code_key(code)
        self._counter = 0
        self.pending: set[Delivery] = set()
        self._poll_epoch = self._awake_until = 0.0
        self._joining: asyncio.TimerHandle | None = None
        self._watchers: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._lanes = (Lane(self._loop), Lane(self._loop))

    # what a test or the control interface asks

    @property
    def joined(self) -> bool:
        return self.membership is not None

    @property
    def pairing(self) -> bool:
        """Whether the node is looking for a network that lets it in."""
        return self._joining is not None

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds; looked at after each frame and membership change."""
        while not condition():
            change: asyncio.Future[None] = self._loop.create_future()
            self._watchers.append((condition, change))
            await change

    def sleep_now(self) -> None:
        """Stop polling often before its time; matters only for a sleeper."""
        self._awake_until = self._loop.time()

    def start_joining(self) -> None:
        """Enter pairing mode: try to join now and again until it works or is stopped."""
        if self._joining is None and not self.joined:
            self._joining = self._loop.call_soon(self._try_to_join)  # type: ignore[assignment]  # only cancel() is used of either handle

    def stop_joining(self) -> None:
        if self._joining is not None:
            self._joining.cancel()
            self._joining = None

    def leave(self) -> None:
        """Leave the network; the coordinator learns it only if it can hear the node."""
        self.stop_joining()
        if self.membership is None:
            return
        if self.reachable:
            self._network.joined_coordinator().departed(self)
        self.forget()

    def forget(self) -> None:
        """Lose the membership without a word on the air (a factory reset, flash erased)."""
        if self.membership is None:
            return
        self.membership = None
        self.membership_changed()
        self.application.on_left()

    def rejoin(self) -> None:
        """Rejoin with the network key held, as after a reboot or a lost parent."""
        if self.reachable:
            self._stay_awake(AWAKE_AFTER_SENDING_S)
            self._network.joined_coordinator().rejoined(self)
            self._announce()

    # NodeRadio

    def send(
        self,
        *,
        source_endpoint: int,
        destination_endpoint: int,
        profile_id: int,
        cluster_id: int,
        payload: bytes,
    ) -> None:
        self._counter = (self._counter + 1) & 0xFF
        aps = ApsFrame(
            profile=profile_id,
            cluster=cluster_id,
            source_endpoint=source_endpoint,
            destination_endpoint=destination_endpoint,
            options=RETRY,
            sequence=self._counter,
        )
        self._send_up(aps, payload)

    def bound(self, endpoint: int, cluster_id: int) -> bool:
        return self.membership is not None and (endpoint, cluster_id) in self.membership.bindings

    # aps.Receiver

    @property
    def reachable(self) -> bool:
        """Whether frames pass between the node and a coordinator that is up and shares its key."""
        coordinator = self._network.coordinator
        return (
            self.in_range
            and self.membership is not None
            and coordinator is not None
            and coordinator.network_key == self.membership.network_key
        )

    @property
    def sleepy(self) -> bool:
        return self.identity.sleepy

    def next_poll_in(self) -> float:
        """Seconds until the node fetches its frames; it polls often while awake."""
        now = self._loop.time()
        interval = self.identity.poll_interval_s or SHORT_POLL_S
        if now < self._awake_until:
            interval = min(interval, SHORT_POLL_S)
        return interval - (now - self._poll_epoch) % interval

    def receive(self, aps: ApsFrame, payload: bytes) -> None:
        """Take a frame from the air."""
        frame = ReceivedFrame(self._loop.time(), aps.cluster, payload, aps)
        self.frames_received.append(frame)
        if aps.destination_endpoint == 0:
            if aps.profile == 0:
                self._zdo_received(aps, payload, broadcast=False)
        else:
            self._pass_on(aps, payload)
        self._notify()

    def receive_broadcast(self, aps: ApsFrame, payload: bytes) -> None:
        """Take a broadcast or groupcast from the air; not kept in the log."""
        if aps.destination_endpoint == 0 and aps.profile == 0:
            self._zdo_received(aps, payload, broadcast=True)
        elif aps.destination_endpoint:
            self._pass_on(aps, payload)

    # zdo.ZdoSubject

    @property
    def node_id(self) -> int:
        return self.membership.node_id if self.membership is not None else 0xFFFF

    @property
    def eui64(self) -> int:
        return self.identity.ieee

    @property
    def logical_type(self) -> int:
        return 2 if self.identity.sleepy or self.identity.battery_powered else 1

    @property
    def mac_capabilities(self) -> int:
        if self.logical_type == 1:
            return 0x8E
        return 0x80 | (0 if self.identity.battery_powered else 0x04) | (0 if self.sleepy else 0x08)

    @property
    def manufacturer_code(self) -> int:
        return self.identity.manufacturer_code

    @property
    def endpoints(self) -> Sequence[EndpointDescriptor]:
        return self.application.endpoints

    @property
    def bindings(self) -> set[tuple[int, int]]:
        return self.membership.bindings if self.membership is not None else set()

    @property
    def coordinator_eui64(self) -> int:
        return self._network.joined_coordinator().eui64

    def neighbours(self) -> Sequence[zdo.Neighbour]:
        if self.membership is None:
            return ()
        return (
            zdo.Neighbour(
                self.membership.extended_pan_id, self.coordinator_eui64, 0, 0, True, self.lqi
            ),
        )

    def bindings_changed(self) -> None:
        self._network.nvm.save()

    # inside

    def membership_changed(self) -> None:
        """Store the membership and let waiters look."""
        nodes = self._network.nvm.nodes
        if self.membership is None:
            nodes.pop(self.name, None)
        else:
            nodes[self.name] = self.membership
        self._network.nvm.save()
        self._network.index()
        self._notify()

    def deliver(self, aps: ApsFrame, payload: bytes, done: Callable[[bool], None]) -> None:
        """Carry a unicast from the coordinator; used by the network."""
        Delivery(
            air=self._network.air,
            loop=self._loop,
            node=self,
            lanes=self._lanes,
            aps=aps,
            payload=payload,
            done=done,
        ).start()

    def _try_to_join(self) -> None:
        self._joining = self._loop.call_later(JOIN_RETRY_S, self._try_to_join)
        coordinator = self._network.coordinator
        if coordinator is None or not self.in_range or not coordinator.joinable:
            return
        membership = coordinator.admit(self, self._joining_key)
        self.stop_joining()
        if membership is None:
            self.refusals += 1
            self._notify()
            self._joining = self._loop.call_later(REFUSED_RETRY_S, self._try_to_join)
            return
        self.membership = membership
        self._poll_epoch = self._loop.time()
        self._stay_awake(AWAKE_AFTER_JOIN_S)
        self.membership_changed()
        self._announce()

    def _announce(self) -> None:
        self._counter = (self._counter + 1) & 0xFF
        aps = ApsFrame(0, zdo.DEVICE_ANNOUNCE, 0, 0, sequence=self._counter)
        self._send_up(aps, zdo.announcement(self, self._counter), broadcast=True)

    def _send_up(self, aps: ApsFrame, payload: bytes, *, broadcast: bool = False) -> None:
        if not self.reachable:
            return
        air = self._network.air
        self._stay_awake(AWAKE_AFTER_SENDING_S)
        attempts = 0
        while air.lost(air.up):  # the node's own APS retries
            attempts += 1
            if broadcast or attempts == 3:
                return
        delay = air.delay(air.up) + attempts * air.ack_timeout_s
        for _ in range(air.copies(air.up)):
            self._lanes[1].after(delay, lambda: self._arrived_up(aps, payload, broadcast=broadcast))

    def _arrived_up(self, aps: ApsFrame, payload: bytes, *, broadcast: bool) -> None:
        if self.reachable:
            coordinator = self._network.joined_coordinator()
            coordinator.receive(self, aps, payload, broadcast=broadcast)

    def _zdo_received(self, aps: ApsFrame, payload: bytes, *, broadcast: bool) -> None:
        reply = zdo.answer(self, aps.cluster, payload, broadcast=broadcast)
        if reply is not None:
            self._stay_awake(AWAKE_AFTER_SENDING_S)
            self._counter = (self._counter + 1) & 0xFF
            self._send_up(ApsFrame(0, reply[0], 0, 0, RETRY, 0, self._counter), reply[1])
        if aps.cluster == zdo.MGMT_LEAVE and not broadcast:
            rejoin = zdo.leave_requested(payload, self.eui64)
            if rejoin is not None:
                # after the response has had its time on the air
                self._lanes[1].after(
                    self._network.air.delay(self._network.air.up) + 1e-6,
                    self.rejoin if rejoin else self.leave,
                )

    def _pass_on(self, aps: ApsFrame, payload: bytes) -> None:
        if self.sleepy:
            self._stay_awake(AWAKE_AFTER_SENDING_S)
        for endpoint in self.application.endpoints:
            if aps.destination_endpoint in (endpoint.endpoint, _BROADCAST_ENDPOINT):
                self.application.on_message(
                    source_endpoint=aps.source_endpoint,
                    destination_endpoint=endpoint.endpoint,
                    profile_id=aps.profile,
                    cluster_id=aps.cluster,
                    payload=payload,
                )

    def _stay_awake(self, seconds: float) -> None:
        self._awake_until = max(self._awake_until, self._loop.time() + seconds)
        for delivery in tuple(self.pending):
            delivery.wait_for_poll()

    def _notify(self) -> None:
        if not self._watchers:
            return
        watchers, self._watchers = self._watchers, []
        for condition, change in watchers:
            if change.done():
                continue
            if condition():
                change.set_result(None)
            else:
                self._watchers.append((condition, change))


class Network:
    """The nodes in one building, and the air between them and one coordinator.

    Must be made inside a running event loop. ``nvm`` remembers the nodes' memberships.
    """

    def __init__(self, *, air: Air | None = None, nvm: Nvm | None = None) -> None:
        self.air = air or Air()
        self.nvm = nvm or Nvm()
        self.loop = asyncio.get_running_loop()
        self.nodes: dict[str, SimulatedNode] = {}
        self.by_node_id: dict[int, SimulatedNode] = {}
        self.by_eui64: dict[int, SimulatedNode] = {}
        self.coordinator: Coordinator | None = None

    def add(self, application: NodeApplication, name: str) -> SimulatedNode:
        """Put a device into the building; it is joined if ``nvm`` says that it was.

        ValueError when the name is taken or the install code has a wrong CRC.
        """
        if name in self.nodes:
            raise ValueError(f"a node named {name!r} exists already")
        node = SimulatedNode(self, application, name)
        self.nodes[name] = node
        self.index()
        application.attach(node)
        return node

    def joined_coordinator(self) -> Coordinator:
        if self.coordinator is None:
            raise RuntimeError("the network has no coordinator yet; make a SimulatedNcp first")
        return self.coordinator

    def index(self) -> None:
        """Note who is joined under which address; called after each change."""
        joined = [n for n in self.nodes.values() if n.joined]
        self.by_node_id = {n.node_id: n for n in joined}
        self.by_eui64 = {n.eui64: n for n in joined}

    def broadcast(self, destination: int, aps: ApsFrame, payload: bytes) -> None:
        """Send to all nodes in range; sleepers hear only what is addressed to 0xFFFF."""
        for node in self.nodes.values():
            hears = node.reachable and (not node.sleepy or destination == _BROADCAST_ALL)
            if hears and not self.air.lost(self.air.down):
                delay = self.air.delay(self.air.down)
                if node.sleepy:
                    delay += node.next_poll_in()
                self.loop.call_later(delay, node.receive_broadcast, aps, payload)
