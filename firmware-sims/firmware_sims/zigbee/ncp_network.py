"""Commands about the network itself: forming, starting, leaving, scanning, who is around.

Not here: who is let in (``ncp_admission``), keys (``ncp_security``), messages (``ncp_messages``).
Fact source: UG100 as read in bellows 1.2.1 (``EmberNodeType``, ``EmberNetworkStatus``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firmware_sims.zigbee.ezsp import Status
from firmware_sims.zigbee.ncp_core import OK, Answer, Handler, Stack
from firmware_sims.zigbee.nvm import CoordinatorState

if TYPE_CHECKING:
    from firmware_sims.zigbee.ncp_admission import Admission
    from firmware_sims.zigbee.node import SimulatedNode

_COORDINATOR, _END_DEVICE, _SLEEPY_END_DEVICE = 1, 3, 4
_NO_NETWORK, _JOINED = 0, 2
_HAVE_TRUST_CENTER_EUI64, _NO_COUNTER_RESET = 0x0040, 0x1000
_ENERGY_SCAN, _ENERGY_SCAN_S = 0, 0.05
_PARAMETERS = (
    "extended_pan_id",
    "pan_id",
    "power",
    "channel",
    "manager",
    "update_id",
    "channels",
)


class NetworkCommands:
    """Answers for one stack; made anew at each reset."""

    def __init__(self, stack: Stack, admission: Admission) -> None:
        self._stack, self._admission = stack, admission

    def handlers(self) -> dict[str, Handler]:
        return {
            "networkInit": self._init,
            "networkState": lambda _: {"state": _JOINED if self._stack.up else _NO_NETWORK},
            "formNetwork": self._form,
            "leaveNetwork": self._leave,
            "startScan": self._scan,
            "getEui64": lambda _: {"eui64": self._state.eui64},
            "getNodeId": lambda _: {"node_id": 0x0000 if self._stack.up else 0xFFFE},
            "getNetworkParameters": self._parameters,
            "getParentChildParameters": lambda _: {
                "children": len(self._children()),
                "parent": 0xFFFF,
            },
            "getLogicalChannel": lambda _: {"channel": self._state.channel},
            "getChildData": self._child,
            "setChildData": self._set_child,
            "neighborCount": lambda _: {"count": len(self._routers())},
            "getNeighbor": self._neighbour,
            "getRouteTableEntry": lambda _: {"status": Status.INVALID_INDEX},
            "tokenFactoryReset": self._factory_reset,
        }

    @property
    def _state(self) -> CoordinatorState:
        return self._stack.nvm.coordinator

    def _members(self) -> list[SimulatedNode]:
        key = self._state.network_key
        return [
            n
            for n in self._stack.network.nodes.values()
            if n.membership is not None and n.membership.network_key == key
        ]

    def _children(self) -> list[SimulatedNode]:
        return [n for n in self._members() if n.end_device]

    def _routers(self) -> list[SimulatedNode]:
        return [n for n in self._members() if not n.end_device and n.in_range]

    def _init(self, _: dict[str, Any]) -> Answer:
        if self._stack.up:
            return {"status": Status.INVALID_STATE}
        if not self._state.formed:
            return {"status": Status.NOT_JOINED}
        self._bring_up()
        return OK

    def _bring_up(self) -> None:
        self._stack.up = True
        self._stack.emit("stackStatusHandler", {"status": Status.NETWORK_UP})

    def _form(self, f: dict[str, Any]) -> Answer:
        security = self._stack.initial_security
        if self._stack.up or security is None:
            return {"status": Status.INVALID_STATE}
        if not 11 <= f["channel"] <= 26:
            return {"status": Status.INVALID_PARAMETER}
        state = self._state
        for name in _PARAMETERS:
            setattr(state, name, f[name])
        state.formed = True
        state.security_bitmask = security["bitmask"]
        state.network_key = security["network_key"]
        state.key_sequence = security["key_sequence"]
        state.preconfigured_key = security["preconfigured_key"]
        has_address = security["bitmask"] & _HAVE_TRUST_CENTER_EUI64
        state.trust_center = security["trust_center"] if has_address else state.eui64
        if not security["bitmask"] & _NO_COUNTER_RESET:
            state.nwk_counter = state.aps_counter = 0
        self._stack.nvm.save()
        self._bring_up()
        return OK

    def _leave(self, _: dict[str, Any]) -> Answer:
        if not self._stack.up:
            return {"status": Status.INVALID_STATE}
        self._stack.up = False
        self._admission.stop()
        self._state.formed = False
        self._stack.nvm.save()
        self._stack.emit("stackStatusHandler", {"status": Status.NETWORK_DOWN})
        return OK

    def _scan(self, f: dict[str, Any]) -> Answer:
        channels = [c for c in range(11, 27) if f["channels"] & 1 << c]
        self._stack.loop.call_later(
            _ENERGY_SCAN_S, self._scanned, f["scan_type"], channels, self._stack.generation
        )
        return OK

    def _scanned(self, scan_type: int, channels: list[int], generation: int) -> None:
        if generation != self._stack.generation:
            return
        if scan_type == _ENERGY_SCAN:
            for channel in channels:
                rssi = -90 + self._stack.network.air.rng.randrange(12)
                self._stack.emit("energyScanResultHandler", {"channel": channel, "rssi": rssi})
        self._stack.emit("scanCompleteHandler", {"channel": 0, "status": Status.OK})

    def _parameters(self, _: dict[str, Any]) -> Answer:
        if not self._stack.up:
            return {"status": Status.NOT_JOINED}
        state = self._state
        values = {name: getattr(state, name) for name in _PARAMETERS}
        return {"status": Status.OK, "node_type": _COORDINATOR, **values}

    def _child(self, f: dict[str, Any]) -> Answer:
        children = self._children()
        if f["index"] < len(children):
            child = children[f["index"]]
            eui64, node_id = child.eui64, child.node_id
            node_type = _SLEEPY_END_DEVICE if child.sleepy else _END_DEVICE
        elif f["index"] in self._state.restored_children:
            eui64, node_id = self._state.restored_children[f["index"]]
            node_type = _SLEEPY_END_DEVICE
        else:
            return {"status": Status.NOT_JOINED}
        return {"eui64": eui64, "node_id": node_id, "node_type": node_type}

    def _set_child(self, f: dict[str, Any]) -> Answer:
        self._state.restored_children[f["index"]] = (f["eui64"], f["node_id"])
        self._stack.nvm.save()
        return OK

    def _neighbour(self, f: dict[str, Any]) -> Answer:
        routers = self._routers()
        if f["index"] >= len(routers):
            return {"status": Status.INVALID_INDEX}
        node = routers[f["index"]]
        costs = {"in_cost": 1, "out_cost": 1, "age": 3}
        return {"node_id": node.node_id, "lqi": node.lqi, "eui64": node.eui64, **costs}

    def _factory_reset(self, f: dict[str, Any]) -> Answer:
        old = self._state
        kept = old.nwk_counter if f["keep_counters"] else 0
        self._stack.nvm.coordinator = CoordinatorState(
            factory_eui64=old.factory_eui64, restored_eui64=old.restored_eui64, nwk_counter=kept
        )
        self._stack.nvm.save()
        return {}
