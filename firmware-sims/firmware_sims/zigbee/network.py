"""The simulated network: the nodes in one building, and the air between them and a coordinator.

Here: who is where, under which address, and broadcasts. Not here: what one node does (``node``),
the serial side of the coordinator (``ncp``), unicasts and their retries (``aps``).
Simplification, by intent: every node hears the coordinator directly, none routes for another.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from firmware_sims.zigbee.aps import Air
from firmware_sims.zigbee.node import SimulatedNode
from firmware_sims.zigbee.nvm import Nvm

if TYPE_CHECKING:
    from firmware_sims.zigbee.application import NodeApplication
    from firmware_sims.zigbee.aps import ApsFrame
    from firmware_sims.zigbee.nvm import Membership

_BROADCAST_ALL = 0xFFFF


class Coordinator(Protocol):
    """What nodes notice of the NCP; ``network_key`` is None while it is down."""

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


class Network:
    """All nodes, joined or not.

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
        self._index()
        application.attach(node)
        return node

    def require_coordinator(self) -> Coordinator:
        """Return the coordinator; RuntimeError when none was made for this network yet."""
        if self.coordinator is None:
            raise RuntimeError("the network has no coordinator yet; make a SimulatedNcp first")
        return self.coordinator

    def remember(self, node: SimulatedNode) -> None:
        """Store a changed membership, and find the node by its new address."""
        if node.membership is None:
            self.nvm.nodes.pop(node.name, None)
        else:
            self.nvm.nodes[node.name] = node.membership
        self.nvm.save()
        self._index()

    def broadcast(self, destination: int, aps: ApsFrame, payload: bytes) -> None:
        """Send to all nodes in range; sleepers hear only what is addressed to 0xFFFF."""
        for node in self.nodes.values():
            hears = node.reachable and (not node.sleepy or destination == _BROADCAST_ALL)
            if hears and not self.air.lost(self.air.down):
                delay = self.air.delay(self.air.down)
                if node.sleepy:
                    delay += node.next_poll_in()
                self.loop.call_later(delay, node.receive_broadcast, aps, payload)

    def _index(self) -> None:
        joined = [n for n in self.nodes.values() if n.joined]
        self.by_node_id = {n.node_id: n for n in joined}
        self.by_eui64 = {n.eui64: n for n in joined}
