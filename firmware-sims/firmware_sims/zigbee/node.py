"""A simulated node: a device's radio and everything below its firmware.

Here: membership, pairing, polling, ZDO on the air. Not here: the other nodes and the air itself
(``network``, ``aps``), the answers of ZDO (``zdo``) and ZCL (devices).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firmware_sims.zigbee import zdo
from firmware_sims.zigbee.aps import RETRY, ApsFrame, Delivery, Lane
from firmware_sims.zigbee.trust_centre import WELL_KNOWN_KEY, install_code_key

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from firmware_sims.zigbee.application import EndpointDescriptor, NodeApplication
    from firmware_sims.zigbee.network import Network
    from firmware_sims.zigbee.nvm import Membership

JOIN_RETRY_S = 0.5
REFUSED_RETRY_S = 2.0
SHORT_POLL_S = 0.25
AWAKE_AFTER_JOIN_S = 30.0
AWAKE_AFTER_SENDING_S = 1.0
NO_NODE_ID = 0xFFFF
_BROADCAST_ENDPOINT = 0xFF


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """A frame as it reached a node; ``time`` is the event loop's."""

    time: float
    cluster: int
    payload: bytes = field(repr=False)
    aps: ApsFrame


class SimulatedNode:
    """A device's radio; implements ``application.NodeRadio`` and ``aps.Receiver``.

    Settable at any time: ``in_range``, ``lqi`` (0 … 255), ``rssi`` (dBm). ``refusals`` counts
    joins that were denied, or answered with a key that is not this device's.
    """

    def __init__(self, network: Network, application: NodeApplication, name: str) -> None:
        self.name, self.application, self.identity = name, application, application.identity
        self.in_range = True
        self.lqi, self.rssi = 200, -50
        self.refusals = 0
        self.frames_received: deque[ReceivedFrame] = deque(maxlen=1000)
        self.membership: Membership | None = network.nvm.nodes.get(name)
        self.pending: set[Delivery] = set()
        self._network, self._loop = network, network.loop
        code = application.identity.install_code
        self._joining_key = WELL_KNOWN_KEY if code is None else install_code_key(code)
        self._description = _Description(self, network)
        self._counter = 0
        self._poll_epoch = self._awake_until = 0.0
        self._joining: asyncio.Handle | None = None
        self._watchers: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._down, self._up = Lane(self._loop), Lane(self._loop)

    # what a test or the control interface asks

    @property
    def eui64(self) -> int:
        return self.identity.ieee

    @property
    def node_id(self) -> int:
        """The network address, 0xFFFF when not joined."""
        return self.membership.node_id if self.membership is not None else NO_NODE_ID

    @property
    def end_device(self) -> bool:
        """Whether the node hangs on a parent instead of routing."""
        return self.identity.sleepy or self.identity.battery_powered

    @property
    def pairing(self) -> bool:
        """Whether the node is looking for a network that lets it in."""
        return self._joining is not None

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds; looked at after each frame and membership change."""
        if not condition():
            change: asyncio.Future[None] = self._loop.create_future()
            self._watchers.append((condition, change))
            await change

    def start_joining(self) -> None:
        """Enter pairing mode: try to join now and again until it works or is stopped."""
        if self._joining is None and not self.joined:
            self._joining = self._loop.call_soon(self._try_to_join)

    def stop_joining(self) -> None:
        if self._joining is not None:
            self._joining.cancel()
            self._joining = None

    def leave(self) -> None:
        """Leave the network; the coordinator learns it only if it can hear the node."""
        self.stop_joining()
        if self.reachable:
            self._network.require_coordinator().departed(self)
        self.forget()

    def forget(self) -> None:
        """Lose the membership without a word on the air (a factory reset, flash erased)."""
        if self.membership is not None:
            self.membership = None
            self._membership_changed()
            self.application.on_left()

    def rejoin(self) -> None:
        """Rejoin with the network key held, as after a reboot or a lost parent."""
        if self.reachable:
            self._stay_awake(AWAKE_AFTER_SENDING_S)
            self._network.require_coordinator().rejoined(self)
            self._announce()

    def sleep_now(self) -> None:
        """Stop polling often before its time; matters only for a sleeper."""
        self._awake_until = self._loop.time()

    # application.NodeRadio

    @property
    def joined(self) -> bool:
        return self.membership is not None

    def send(
        self,
        *,
        source_endpoint: int,
        destination_endpoint: int,
        profile_id: int,
        cluster_id: int,
        payload: bytes,
    ) -> None:
        aps = ApsFrame(
            profile=profile_id,
            cluster=cluster_id,
            source_endpoint=source_endpoint,
            destination_endpoint=destination_endpoint,
            options=RETRY,
            sequence=self._next_counter(),
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
        """Take a unicast from the air."""
        frame = ReceivedFrame(self._loop.time(), aps.cluster, payload, aps)
        self.frames_received.append(frame)
        if aps.destination_endpoint:
            self._pass_on(aps, payload)
        elif aps.profile == 0:
            self._zdo_received(aps, payload, broadcast=False)
        self._notify()

    # for the network

    def receive_broadcast(self, aps: ApsFrame, payload: bytes) -> None:
        """Take a broadcast from the air; not kept in the log."""
        if aps.destination_endpoint:
            self._pass_on(aps, payload)
        elif aps.profile == 0:
            self._zdo_received(aps, payload, broadcast=True)

    def deliver(self, aps: ApsFrame, payload: bytes, done: Callable[[bool], None]) -> None:
        """Carry a unicast from the coordinator; ``done`` is told whether it arrived."""
        Delivery(
            air=self._network.air,
            loop=self._loop,
            node=self,
            lanes=(self._down, self._up),
            aps=aps,
            payload=payload,
            done=done,
        ).start()

    # inside

    def _membership_changed(self) -> None:
        self._network.remember(self)
        self._notify()

    def _try_to_join(self) -> None:
        self._joining = self._loop.call_later(JOIN_RETRY_S, self._try_to_join)
        coordinator = self._network.coordinator
        if coordinator is None or not self.in_range or not coordinator.joinable:
            return
        membership = coordinator.admit(self, self._joining_key)
        self.stop_joining()
        if membership is None:
            self.refusals += 1
            self._joining = self._loop.call_later(REFUSED_RETRY_S, self._try_to_join)
            self._notify()
            return
        self.membership = membership
        self._poll_epoch = self._loop.time()
        self._stay_awake(AWAKE_AFTER_JOIN_S)
        self._membership_changed()
        self._announce()

    def _announce(self) -> None:
        counter = self._next_counter()
        aps = ApsFrame(0, zdo.DEVICE_ANNOUNCE, 0, 0, sequence=counter)
        self._send_up(aps, zdo.announcement(self._description, counter), broadcast=True)

    def _next_counter(self) -> int:
        self._counter = (self._counter + 1) & 0xFF
        return self._counter

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
            self._up.after(delay, lambda: self._arrived_up(aps, payload, broadcast=broadcast))

    def _arrived_up(self, aps: ApsFrame, payload: bytes, *, broadcast: bool) -> None:
        if self.reachable:
            coordinator = self._network.require_coordinator()
            coordinator.receive(self, aps, payload, broadcast=broadcast)

    def _zdo_received(self, aps: ApsFrame, payload: bytes, *, broadcast: bool) -> None:
        reply = zdo.answer(self._description, aps.cluster, payload, broadcast=broadcast)
        if reply is not None:
            answer = ApsFrame(0, reply[0], 0, 0, RETRY, 0, self._next_counter())
            self._send_up(answer, reply[1])
        if aps.cluster == zdo.MGMT_LEAVE and not broadcast:
            rejoin = zdo.leave_requested(payload, self.eui64)
            if rejoin is not None:  # after the response has had its time on the air
                delay = self._network.air.delay(self._network.air.up)
                self._up.after(delay + 1e-6, self.rejoin if rejoin else self.leave)

    def _pass_on(self, aps: ApsFrame, payload: bytes) -> None:
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


class _Description:
    """What the node says of itself; implements ``zdo.ZdoSubject``."""

    def __init__(self, node: SimulatedNode, network: Network) -> None:
        self._node, self._network = node, network

    @property
    def node_id(self) -> int:
        return self._node.node_id

    @property
    def eui64(self) -> int:
        return self._node.eui64

    @property
    def logical_type(self) -> int:
        return 2 if self._node.end_device else 1

    @property
    def mac_capabilities(self) -> int:
        """Router on mains with its receiver on, or an end device without some of these."""
        if not self._node.end_device:
            return 0x8E
        mains = 0 if self._node.identity.battery_powered else 0x04
        return 0x80 | mains | (0 if self._node.sleepy else 0x08)

    @property
    def manufacturer_code(self) -> int:
        return self._node.identity.manufacturer_code

    @property
    def endpoints(self) -> Sequence[EndpointDescriptor]:
        return self._node.application.endpoints

    @property
    def bindings(self) -> set[tuple[int, int]]:
        membership = self._node.membership
        return membership.bindings if membership is not None else set()

    @property
    def coordinator_eui64(self) -> int:
        return self._network.require_coordinator().eui64

    def neighbours(self) -> Sequence[zdo.Neighbour]:
        membership = self._node.membership
        if membership is None:
            return ()
        parent = self.coordinator_eui64
        return (zdo.Neighbour(membership.extended_pan_id, parent, 0, 0, True, self._node.lqi),)

    def bindings_changed(self) -> None:
        self._network.nvm.save()
