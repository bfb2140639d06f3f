"""Commands about the network and its keys, and who is admitted to it.

Not here: messages (``ncp_messages``), join decisions (``trust_centre``).
Fact source: UG100 as read in bellows 1.2.1 (``EmberInitialSecurityBitmask``,
``EmberCurrentSecurityBitmask``, ``SecurityManagerKeyType``, ``EmberDeviceUpdate``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firmware_sims.zigbee.ezsp import Status
from firmware_sims.zigbee.ncp_core import KEY_TABLE_SIZE, OK, Answer, Handler, Stack
from firmware_sims.zigbee.nvm import CoordinatorState, Membership
from firmware_sims.zigbee.trust_centre import (
    USES_HASHED_LINK_KEY,
    JoinDecision,
    TransientKey,
    aes_mmo,
)

if TYPE_CHECKING:
    import asyncio

    from firmware_sims.zigbee.network import SimulatedNode

_COORDINATOR, _ROUTER, _SLEEPY_END_DEVICE, _END_DEVICE = 1, 2, 4, 3
_NO_NETWORK, _JOINED = 0, 2
_HAVE_TRUST_CENTER_EUI64, _NO_COUNTER_RESET = 0x0040, 0x1000
_GLOBAL_LINK_KEY, _HAVE_LINK_KEY, _HASHED_LINK_KEYS = 0x0004, 0x0010, 0x0084
_NETWORK_KEY, _TC_LINK_KEY = 1, 2
_SECURED_REJOIN, _UNSECURED_JOIN, _DEVICE_LEFT = 0, 1, 2
_HAS_COUNTERS_AND_PARTNER = 0x0002 | 0x0004 | 0x0008
_FOREVER, _ENERGY_SCAN = 0xFF, 0
_ENERGY_SCAN_S = 0.05
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
    """Answers for one stack, and the ``network.Coordinator`` that nodes meet."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._security: dict[str, Any] | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._open = False
        self._candidates: dict[int, int] = {}  # EUI-64 to the address it was given while joining

    def handlers(self) -> dict[str, Handler]:
        return {
            "networkInit": self._init,
            "networkState": lambda _: {"state": _JOINED if self._stack.up else _NO_NETWORK},
            "formNetwork": self._form,
            "leaveNetwork": self._leave,
            "permitJoining": self._permit,
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
            "removeDevice": self._remove,
            "tokenFactoryReset": self._factory_reset,
            "setInitialSecurityState": self._set_security,
            "getCurrentSecurityState": self._get_security,
            "exportKey": self._export_key,
            "getNetworkKeyInfo": self._key_info,
            "importLinkKey": self._import_link_key,
            "exportLinkKeyByIndex": self._link_key_by_index,
            "exportLinkKeyByEui": self._link_key_by_eui64,
            "findKeyTableEntry": self._find_key,
            "eraseKeyTableEntry": self._erase_key,
            "clearKeyTable": self._clear_keys,
            "importTransientKey": self._import_transient,
            "exportTransientKeyByEui": self._transient_by_eui64,
            "exportTransientKeyByIndex": self._transient_by_index,
            "clearTransientLinkKeys": self._clear_transient,
            "checkKeyContext": lambda _: {"status": Status.NOT_FOUND},
            "getApsKeyInfo": lambda f: {**f, "status": Status.NOT_FOUND},
        }

    # network.Coordinator

    def joinable(self) -> bool:
        return self._stack.up and self._open

    def admit(self, node: SimulatedNode, own_key: bytes) -> Membership | None:
        """Let a node join; None when it was denied or cannot read the key it was sent."""
        now = self._stack.loop.time()
        decision, key = self._stack.trust_centre.judge(
            node.eui64, now, installed=self._installed(node.eui64), fallback=self._fallback(node)
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
        if node.logical_type == 2:
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

    def _installed(self, eui64: int) -> bytes | None:
        return next((k for e, k in self._state.link_keys.values() if e == eui64), None)

    def _fallback(self, node: SimulatedNode) -> bytes:
        """Return the key for a device without one of its own: the global one, or its hashed one."""
        state = self._state
        if state.security_bitmask & USES_HASHED_LINK_KEY:
            return aes_mmo(state.preconfigured_key + node.eui64.to_bytes(8, "little"))
        return state.preconfigured_key

    def _members(self) -> list[SimulatedNode]:
        key = self._state.network_key
        return [
            n
            for n in self._stack.network.nodes.values()
            if n.membership is not None and n.membership.network_key == key
        ]

    def _children(self) -> list[SimulatedNode]:
        return [n for n in self._members() if n.logical_type == 2]

    def _routers(self) -> list[SimulatedNode]:
        return [n for n in self._members() if n.logical_type == 1 and n.in_range]

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
        security = self._security
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
        self._set_open(0)
        self._state.formed = False
        self._stack.nvm.save()
        self._stack.emit("stackStatusHandler", {"status": Status.NETWORK_DOWN})
        return OK

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

    def _remove(self, f: dict[str, Any]) -> Answer:
        node = self._stack.network.by_eui64.get(f["target_eui64"])
        if node is not None and node.reachable:
            air = self._stack.network.air
            self._stack.loop.call_later(air.delay(air.down), node.leave)
        return OK

    def _factory_reset(self, f: dict[str, Any]) -> Answer:
        old = self._state
        kept = old.nwk_counter if f["keep_counters"] else 0
        self._stack.nvm.coordinator = CoordinatorState(
            factory_eui64=old.factory_eui64, restored_eui64=old.restored_eui64, nwk_counter=kept
        )
        self._stack.nvm.save()
        return {}

    # keys

    def _set_security(self, f: dict[str, Any]) -> Answer:
        if self._stack.up:
            return {"status": Status.INVALID_STATE}
        self._security = f
        return OK

    def _get_security(self, _: dict[str, Any]) -> Answer:
        if not self._state.formed:
            return {"status": Status.NOT_JOINED}
        hashed = self._state.security_bitmask & USES_HASHED_LINK_KEY
        bitmask = _GLOBAL_LINK_KEY | _HAVE_LINK_KEY | (_HASHED_LINK_KEYS if hashed else 0)
        return {"bitmask": bitmask, "trust_center": self._state.trust_center}

    def _export_key(self, f: dict[str, Any]) -> Answer:
        keys = {
            _NETWORK_KEY: self._state.network_key,
            _TC_LINK_KEY: self._state.preconfigured_key,
        }
        if not self._state.formed or f["core_key_type"] not in keys:
            return {**f, "status": Status.NOT_FOUND}
        return {**f, "key": keys[f["core_key_type"]]}

    def _key_info(self, _: dict[str, Any]) -> Answer:
        state = self._state
        return {
            "key_set": state.formed,
            "key_sequence": state.key_sequence,
            "counter": state.nwk_counter,
        }

    def _import_link_key(self, f: dict[str, Any]) -> Answer:
        if f["index"] >= self._stack.config[KEY_TABLE_SIZE]:
            return {"status": Status.INVALID_INDEX}
        self._state.link_keys[f["index"]] = (f["eui64"], f["key"])
        self._stack.nvm.save()
        return OK

    def _link_key(self, index: int | None) -> Answer:
        entry = None if index is None else self._state.link_keys.get(index)
        if entry is None:
            return {"status": Status.NOT_FOUND}
        return {
            "index": index,
            "key_index": index,
            "eui64": entry[0],
            "key": entry[1],
            "bitmask": _HAS_COUNTERS_AND_PARTNER,
        }

    def _link_key_by_index(self, f: dict[str, Any]) -> Answer:
        return self._link_key(f["index"])

    def _index_of(self, eui64: int) -> int | None:
        return next((i for i, (e, _) in self._state.link_keys.items() if e == eui64), None)

    def _link_key_by_eui64(self, f: dict[str, Any]) -> Answer:
        return self._link_key(self._index_of(f["eui64"]))

    def _find_key(self, f: dict[str, Any]) -> Answer:
        index = self._index_of(f["eui64"])
        return {"index": 0xFF if index is None else index}

    def _erase_key(self, f: dict[str, Any]) -> Answer:
        if self._state.link_keys.pop(f["index"], None) is None:
            return {"status": Status.INVALID_INDEX}
        self._stack.nvm.save()
        return OK

    def _clear_keys(self, _: dict[str, Any]) -> Answer:
        self._state.link_keys.clear()
        self._stack.nvm.save()
        return OK

    def _import_transient(self, f: dict[str, Any]) -> Answer:
        self._stack.trust_centre.add_transient(f["eui64"], f["key"], self._stack.loop.time())
        return OK

    def _transient(self, eui64: int, found: TransientKey | None) -> Answer:
        if found is None:
            return {"status": Status.NOT_FOUND}
        ttl = int(found.expires - self._stack.loop.time())
        return {"eui64": eui64, "key": found.key, "ttl": min(max(ttl, 0), 0xFFFF)}

    def _transient_by_eui64(self, f: dict[str, Any]) -> Answer:
        found = self._stack.trust_centre.transient(f["eui64"], self._stack.loop.time())
        return self._transient(f["eui64"], found)

    def _transient_by_index(self, f: dict[str, Any]) -> Answer:
        keys = self._stack.trust_centre.transients(self._stack.loop.time())
        if f["index"] >= len(keys):
            return {"status": Status.NOT_FOUND}
        return self._transient(*keys[f["index"]])

    def _clear_transient(self, _: dict[str, Any]) -> Answer:
        self._stack.trust_centre.clear_transient()
        return {}
