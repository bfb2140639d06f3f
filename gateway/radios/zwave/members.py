"""Who is in the network during one life of the line, and what they say, turned into events.

Here: nodes, addresses, and the pinging of those that the controller has given up. Not here: calls
(`radio`), and letting nodes in and out (`joining`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog
from zwave_js_server.const import CommandClass, NodeStatus, RemoveNodeReason

from gateway.errors import RadioError, Unreachable
from gateway.radios.api import Heard, NodeLeft, NodeReady
from gateway.radios.command_classes import LifeSign, Notified, ValueTold
from gateway.radios.zwave.plain import LIBRARY_ERRORS, node_id_of, node_of, plain

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from zwave_js_server.model.node import Node

    from gateway.kit.clock import Clock
    from gateway.radios.api import RadioEvent
    from gateway.radios.command_classes import CcNode
    from gateway.radios.zwave.joining import Joining
    from gateway.radios.zwave.line import Event, Line

log = structlog.get_logger(__name__)

FIRST_PING_S = 15.0
LONGEST_PING_S = 600.0
"""A node that is dead to the controller is spoken to by nobody else, so it stays dead until a ping:
soon, because most were jammed for a moment, and then ever more seldom, because each costs seconds
of everybody's air."""

HEARD_AGAIN_S = 0.5
"""One report of a lock is told as half a dozen values, and is one sign of life."""

_REPLACED = {RemoveNodeReason.REPLACED, RemoveNodeReason.PROXY_REPLACED}
_SPOKEN = frozenset({"notification", "value added", "value notification", "value updated"})


class Members:
    """`known`: the addresses that the house has been told of in this life of the gateway.

    The server says "ready" of each node whenever it starts; the house hears it of the new ones.
    """

    def __init__(
        self,
        line: Line,
        joining: Joining,
        known: set[str],
        emit: Callable[[RadioEvent], None],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._line = line
        self._joining = joining
        self._known = known
        self._emit = emit
        self._clock = clock
        self._rng = rng
        self._home_id = line.controller.home_id or 0
        self._pinging: dict[int, asyncio.Task[None]] = {}
        self._heard_at: dict[str, float] = {}

    def begin(self) -> None:
        """Those that are ready now are listed, not told; those that are dead are pinged."""
        self._known.update(node.address for node in self.nodes())
        for node in self._library_nodes():
            if node.status is NodeStatus.DEAD:
                self._ping_until_it_answers(node)

    async def end(self) -> None:
        tasks = list(self._pinging.values())
        self._pinging.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def nodes(self) -> tuple[CcNode, ...]:
        return tuple(
            node_of(node, self.address(node.node_id))
            for node in self._library_nodes()
            if node.ready
        )

    def address(self, node_id: int) -> str:
        return f"{self._home_id:08x}:{node_id}"

    def node(self, address: str) -> Node:
        home_id, _, node_id = address.partition(":")
        node = None
        if home_id == f"{self._home_id:08x}" and node_id.isdecimal():
            node = self._line.controller.nodes.get(int(node_id))
        if node is None or node.is_controller_node:
            raise Unreachable(f"could not speak to {address}: it is not in the network")
        return node

    async def rouse(self, node: Node) -> None:
        """Make sure that a call would not merely be queued.

        `Unreachable` if it would: nothing was sent, and nothing is left behind to be sent later.
        """
        address = self.address(node.node_id)
        if node.status is NodeStatus.ASLEEP:
            raise Unreachable(f"could not speak to {address}: it sleeps")
        if node.status is NodeStatus.DEAD and not await self._ping(node):
            raise Unreachable(f"could not speak to {address}: it does not answer")

    # ── what the server tells ───────────────────────────────────────────────────────────

    def hear(self, event: Event) -> None:
        source, name = event.get("source"), event.get("event", "")
        if source == "controller":
            if name == "node added":
                self._known.discard(self.address(node_id_of(event)))
            elif name == "node removed":
                self._removed(event)
            self._joining.hear(event)
        elif source == "node":
            self._node_said(name, self.address(event["nodeId"]), event)

    def _node_said(self, name: str, address: str, event: Event) -> None:
        match name:
            case "ready":
                self._ready(address)
            case "interview failed" if (event.get("args") or {}).get("isFinal", True):
                self._joining.failed(address)
            case "alive":
                self._stop_pinging(event["nodeId"])
                self._emit(LifeSign(address, alive=True))
            case "wake up":
                self._heard(address)
            case "dead":
                self._emit(LifeSign(address, alive=False))
                self._ping_until_it_answers(self.node(address))
            case _ if name in _SPOKEN and event["args"].get("source") != "driver":
                self._heard(address)
                told = _told(name, address, event)
                if told is not None:
                    self._emit(told)

    def _heard(self, address: str) -> None:
        now = self._clock.monotonic()
        if now - self._heard_at.get(address, -HEARD_AGAIN_S) >= HEARD_AGAIN_S:
            self._heard_at[address] = now
            self._emit(Heard(address))

    def _ready(self, address: str) -> None:
        node = node_of(self.node(address), address)
        if address not in self._known:
            self._known.add(address)
            self._emit(NodeReady(node))
        self._joining.ready(node)

    def _removed(self, event: Event) -> None:
        node_id = node_id_of(event)
        address = self.address(node_id)
        self._stop_pinging(node_id)
        self._known.discard(address)
        if event["reason"] not in _REPLACED:
            self._emit(NodeLeft(address))

    # ── the dead ────────────────────────────────────────────────────────────────────────

    def _ping_until_it_answers(self, node: Node) -> None:
        running = self._pinging.get(node.node_id)
        if running is None or running.done():
            self._pinging[node.node_id] = asyncio.create_task(
                self._keep_pinging(node), name=f"ping {self.address(node.node_id)}"
            )

    def _stop_pinging(self, node_id: int) -> None:
        running = self._pinging.pop(node_id, None)
        if running is not None and running is not asyncio.current_task():
            running.cancel()

    async def _keep_pinging(self, node: Node) -> None:
        pause = FIRST_PING_S
        while True:
            await self._clock.sleep(pause * (0.75 + self._rng.random() / 2))
            pause = min(pause * 2, LONGEST_PING_S)
            if await self._ping(node):
                return

    async def _ping(self, node: Node) -> bool:
        try:
            return bool((await self._line.ask("node.ping", nodeId=node.node_id))["responded"])
        except (RadioError, *LIBRARY_ERRORS):
            return False

    def _library_nodes(self) -> list[Node]:
        """Without the controller itself, in order of node id."""
        known = sorted(self._line.controller.nodes.items())
        return [node for _, node in known if not node.is_controller_node]


def _told(name: str, address: str, event: Event) -> RadioEvent | None:
    args = event["args"]
    if name != "notification":
        value = args["value"] if name == "value notification" else args.get("newValue")
        key = args.get("propertyKey")
        endpoint = args.get("endpoint") or 0
        place = address, endpoint, args["commandClass"], str(args["property"])
        return ValueTold(*place, key, plain(value))
    where = address, event.get("endpointIndex") or 0, event["ccId"]
    match event["ccId"]:
        case CommandClass.NOTIFICATION:
            return Notified(*where, args["type"], args["event"], _parameters(args))
        case CommandClass.ENTRY_CONTROL:
            said = {"eventData": plain(args.get("eventData"))}
            return Notified(*where, args["dataType"], args["eventType"], said)
        case CommandClass.BATTERY:  # low, and nothing else; to be replaced soon (1) or now (2)
            return Notified(*where, 0, int(args.get("urgency") or 1))
    return None


def _parameters(args: dict[str, Any]) -> dict[str, object]:
    """By name; octets that the library could not name stand under `raw`."""
    found = plain(args.get("parameters"))
    if isinstance(found, dict):
        return found
    return {} if found is None else {"raw": found}
