"""Who is let into the network, and what the host hears of comings and goings.

Here: permit-join, joins with the key they need, rejoins, departures, removal. Not here: the
decision about a key (``trust_centre``), the node's own part (``node``).
Fact source: UG100 as read in bellows 1.2.1 (``EmberDeviceUpdate``, ``EmberJoinDecision``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firmware_sims.zigbee.ezsp import Status
from firmware_sims.zigbee.ncp_core import OK, Answer, Handler, Stack
from firmware_sims.zigbee.ncp_security import fallback_key, installed_key
from firmware_sims.zigbee.nvm import CoordinatorState, Membership
from firmware_sims.zigbee.trust_centre import JoinDecision

if TYPE_CHECKING:
    import asyncio

    from firmware_sims.zigbee.node import SimulatedNode

_END_DEVICE, _SLEEPY_END_DEVICE = 3, 4
_SECURED_REJOIN, _UNSECURED_JOIN, _DEVICE_LEFT = 0, 1, 2
_FOREVER = 0xFF


class Admission:
    """The door of one stack; made anew at each reset."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._closing: asyncio.TimerHandle | None = None
        self._open = False
        self._candidates: dict[int, int] = {}  # EUI-64 to the address it was given while joining

    def handlers(self) -> dict[str, Handler]:
        return {
            "permitJoining": self._permit,
            "removeDevice": self._remove,
        }

    def joinable(self) -> bool:
        return self._stack.up and self._open

    def admit(self, node: SimulatedNode, own_key: bytes) -> Membership | None:
        """Let a node join; None when it was denied or cannot read the key it was sent."""
        now = self._stack.loop.time()
        decision, key = self._stack.trust_centre.judge(
            node.eui64,
            now,
            installed=installed_key(self._state, node.eui64),
            fallback=fallback_key(self._state, node.eui64),
        )
        node_id = self._candidates.setdefault(node.eui64, self._free_node_id())
        denied = decision is JoinDecision.DENY_JOIN
        if not denied:
            self._child_joined(node, node_id, joining=True)
        self._report(node, node_id, _UNSECURED_JOIN, decision)
        if denied or key != own_key:
            return None
        del self._candidates[node.eui64]
        return Membership(node_id, self._state.network_key, self._state.extended_pan_id)

    def rejoined(self, node: SimulatedNode) -> None:
        self._child_joined(node, node.node_id, joining=True)
        self._report(node, node.node_id, _SECURED_REJOIN, JoinDecision.NO_ACTION)

    def departed(self, node: SimulatedNode) -> None:
        self._child_joined(node, node.node_id, joining=False)
        self._report(node, node.node_id, _DEVICE_LEFT, JoinDecision.NO_ACTION)

    # inside

    @property
    def _state(self) -> CoordinatorState:
        return self._stack.nvm.coordinator

    def _report(
        self, node: SimulatedNode, node_id: int, update: int, decision: JoinDecision
    ) -> None:
        self._stack.emit(
            "trustCenterJoinHandler",
            {
                "node_id": node_id,
                "eui64": node.eui64,
                "update": update,
                "decision": decision,
                "parent": 0x0000,
            },
        )

    def _child_joined(self, node: SimulatedNode, node_id: int, *, joining: bool) -> None:
        if node.end_device:
            self._stack.emit(
                "childJoinHandler",
                {
                    "joining": joining,
                    "node_id": node_id,
                    "eui64": node.eui64,
                    "node_type": _SLEEPY_END_DEVICE if node.sleepy else _END_DEVICE,
                },
            )

    def _free_node_id(self) -> int:
        taken = self._stack.network.by_node_id
        while True:
            node_id = self._stack.network.air.rng.randrange(1, 0xFFF8)
            if node_id not in taken and node_id not in self._candidates.values():
                return node_id

    def _permit(self, f: dict[str, Any]) -> Answer:
        if not self._stack.up:
            return {"status": Status.NOT_JOINED}
        self._set_open(f["duration"])
        status = Status.NETWORK_OPENED if f["duration"] else Status.NETWORK_CLOSED
        self._stack.emit("stackStatusHandler", {"status": status})
        return OK

    def stop(self) -> None:
        """End timers; the stack restarts."""
        self._set_open(0)

    def _set_open(self, seconds: int) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        self._open = seconds > 0
        if 0 < seconds < _FOREVER:
            self._closing = self._stack.loop.call_later(seconds, self._permit, {"duration": 0})

    def _remove(self, f: dict[str, Any]) -> Answer:
        node = self._stack.network.by_eui64.get(f["target_eui64"])
        if node is not None and node.reachable:
            air = self._stack.network.air
            self._stack.loop.call_later(air.delay(air.down), node.leave)
        return OK
