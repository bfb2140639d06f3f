"""Commands that send, the callbacks that report, and the tables addresses are looked up in.

Not here: how a frame travels (``aps``), what nodes answer (``zdo``, devices).
Fact source: UG100 §9 as read in bellows 1.2.1 (message types, order of the callbacks).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firmware_sims.zigbee import zdo
from firmware_sims.zigbee.aps import ApsFrame
from firmware_sims.zigbee.ezsp import Status
from firmware_sims.zigbee.ncp_core import (
    ADDRESS_TABLE_SIZE,
    APS_RX_BROADCAST,
    APS_RX_UNICAST,
    APS_TX_BROADCAST,
    APS_TX_FAILED,
    APS_TX_UNICAST,
    APS_UNICAST_MESSAGE_COUNT,
    MULTICAST_TABLE_SIZE,
    OK,
    Answer,
    Handler,
    Stack,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_sims.zigbee.application import EndpointDescriptor
    from firmware_sims.zigbee.node import SimulatedNode

_OUT_DIRECT, _OUT_ADDRESS_TABLE, _OUT_MULTICAST, _OUT_BROADCAST = 0, 1, 3, 6
_IN_UNICAST, _IN_BROADCAST = 0, 4
_OWN_NODE_ID, _NO_INDEX, _NO_NODE, _NO_EUI64 = 0x0000, 0xFF, 0xFFFF, 0xFFFFFFFFFFFFFFFF
_MAX_PAYLOAD = 82
_RX_ON_WHEN_IDLE = 0xFFFD


class _Self:
    """The coordinator as ``zdo.ZdoSubject``: it answers requests that its host sends to itself."""

    node_id, logical_type, mac_capabilities, manufacturer_code = _OWN_NODE_ID, 0, 0x8F, 0x1049

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.bindings: set[tuple[int, int]] = set()

    @property
    def eui64(self) -> int:
        return self._stack.nvm.coordinator.eui64

    @property
    def coordinator_eui64(self) -> int:
        return self.eui64

    @property
    def endpoints(self) -> Sequence[EndpointDescriptor]:
        return tuple(self._stack.endpoints.values())

    def neighbours(self) -> Sequence[zdo.Neighbour]:
        return [
            zdo.Neighbour(
                self._stack.nvm.coordinator.extended_pan_id,
                node.eui64,
                node.node_id,
                2 if node.end_device else 1,
                not node.sleepy,
                node.lqi,
            )
            for node in self._stack.network.nodes.values()
            if node.reachable
        ]

    def bindings_changed(self) -> None:
        """Nothing to store: hosts keep their own."""


class MessageCommands:
    """Answers for one stack, and the end of the air that nodes send to."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._self = _Self(stack)
        self._sequence = 0
        self._in_flight = 0
        self._extended_timeout: set[int] = set()
        self._addresses: dict[int, tuple[int, int]] = {}
        self._multicast: dict[int, dict[str, Any]] = {}

    def handlers(self) -> dict[str, Handler]:
        return {
            "sendUnicast": self._send_unicast,
            "sendBroadcast": self._send_broadcast,
            "sendMulticast": self._send_multicast,
            "lookupNodeIdByEui64": self._lookup_node_id,
            "lookupEui64ByNodeId": self._lookup_eui64,
            "getExtendedTimeout": self._get_extended_timeout,
            "setExtendedTimeout": self._set_extended_timeout,
            "replaceAddressTableEntry": self._replace_address,
            "setAddressTableInfo": self._set_address,
            "getAddressTableInfo": self._get_address,
            "getAddressTableRemoteNodeId": lambda f: {"node_id": self._address(f["index"])[1]},
            "getAddressTableRemoteEui64": lambda f: {"eui64": self._address(f["index"])[0]},
            "getMulticastTableEntry": self._get_multicast,
            "setMulticastTableEntry": self._set_multicast,
        }

    # from the air

    def receive(
        self, node: SimulatedNode, aps: ApsFrame, payload: bytes, *, broadcast: bool
    ) -> None:
        """Pass a frame of a node to the host."""
        self._stack.count(APS_RX_BROADCAST if broadcast else APS_RX_UNICAST)
        self._incoming(
            aps,
            payload,
            sender=node.node_id,
            eui64=node.eui64,
            lqi=node.lqi,
            rssi=node.rssi,
            kind=_IN_BROADCAST if broadcast else _IN_UNICAST,
        )

    def _incoming(
        self,
        aps: ApsFrame,
        payload: bytes,
        *,
        sender: int,
        eui64: int,
        lqi: int,
        rssi: int,
        kind: int = _IN_UNICAST,
    ) -> None:
        self._stack.emit(
            "incomingMessageHandler",
            {
                "type": kind,
                "profile": aps.profile,
                "cluster": aps.cluster,
                "source_endpoint": aps.source_endpoint,
                "destination_endpoint": aps.destination_endpoint,
                "options": aps.options,
                "group": aps.group,
                "sequence": aps.sequence,
                "lqi": lqi,
                "rssi": rssi,
                "sender": sender,
                "eui64": eui64,
                "binding": _NO_INDEX,
                "address": _NO_INDEX,
                "message": payload,
            },
        )

    # from the host

    def _send_unicast(self, f: dict[str, Any]) -> Answer:
        stack = self._stack
        if not stack.up:
            return {"status": Status.NETWORK_DOWN}
        if len(f["message"]) > _MAX_PAYLOAD:
            return {"status": Status.MESSAGE_TOO_LONG}
        if self._in_flight >= stack.config[APS_UNICAST_MESSAGE_COUNT]:
            return {"status": Status.MAX_MESSAGE_LIMIT_REACHED}
        if f["type"] not in (_OUT_DIRECT, _OUT_ADDRESS_TABLE):
            return {"status": Status.INVALID_PARAMETER}
        destination = f["destination"]
        node_id = self._address(destination)[1] if f["type"] == _OUT_ADDRESS_TABLE else destination
        sequence = self._next_sequence()
        f["sequence"] = sequence
        aps = _aps(f)
        generation = stack.generation
        self._in_flight += 1

        def done(delivered: bool) -> None:
            if generation == stack.generation:
                self._in_flight -= 1
                self._sent(f, delivered=delivered)

        if node_id == _OWN_NODE_ID:
            stack.loop.call_soon(self._loop_back, aps, f["message"], done)
        else:
            node = stack.network.by_node_id.get(node_id)
            if node is None:
                stack.loop.call_later(stack.network.air.unreachable_s, done, False)
            else:
                node.deliver(aps, f["message"], done)
        return {"sequence": sequence}

    def _sent(self, f: dict[str, Any], *, delivered: bool) -> None:
        self._stack.count(APS_TX_UNICAST if delivered else APS_TX_FAILED)
        status = Status.OK if delivered else Status.DELIVERY_FAILED
        # by policy the contents stay out of the callback
        self._stack.emit("messageSentHandler", {**f, "status": status, "message": b""})

    def _loop_back(self, aps: ApsFrame, payload: bytes, done: Any) -> None:
        done(True)
        if aps.profile or aps.destination_endpoint:
            return
        reply = zdo.answer(self._self, aps.cluster, payload)
        if reply is not None:
            answer = ApsFrame(0, reply[0], 0, 0, sequence=self._next_sequence())
            eui64 = self._self.eui64
            self._incoming(answer, reply[1], sender=_OWN_NODE_ID, eui64=eui64, lqi=255, rssi=0)

    def _send_broadcast(self, f: dict[str, Any]) -> Answer:
        return self._flood(f, _OUT_BROADCAST, f["destination"])

    def _send_multicast(self, f: dict[str, Any]) -> Answer:
        f["destination"] = f.get("destination", _RX_ON_WHEN_IDLE)
        return self._flood({**f, "group": f["group"]}, _OUT_MULTICAST, f["destination"])

    def _flood(self, f: dict[str, Any], kind: int, destination: int) -> Answer:
        if not self._stack.up:
            return {"status": Status.NETWORK_DOWN}
        sequence = self._next_sequence()
        sent = {**f, "type": kind, "destination": destination, "sequence": sequence}
        self._stack.count(APS_TX_BROADCAST)
        if kind == _OUT_BROADCAST:  # no node is a member of a group
            self._stack.network.broadcast(destination, _aps(sent), f["message"])
        self._stack.emit("messageSentHandler", {**sent, "status": Status.OK, "message": b""})
        return {"sequence": sequence}

    def _next_sequence(self) -> int:
        self._sequence = (self._sequence + 1) & 0xFF
        self._stack.nvm.count_up()
        return self._sequence

    # tables

    def _lookup_node_id(self, f: dict[str, Any]) -> Answer:
        node = self._stack.network.by_eui64.get(f["eui64"])
        if node is not None:
            return {"node_id": node.node_id}
        for eui64, node_id in self._addresses.values():
            if eui64 == f["eui64"]:
                return {"node_id": node_id}
        return {"status": Status.NOT_FOUND, "node_id": _NO_NODE}

    def _lookup_eui64(self, f: dict[str, Any]) -> Answer:
        node = self._stack.network.by_node_id.get(f["node_id"])
        if node is not None:
            return {"eui64": node.eui64}
        for eui64, node_id in self._addresses.values():
            if node_id == f["node_id"]:
                return {"eui64": eui64}
        return {"status": Status.NOT_FOUND, "eui64": _NO_EUI64}

    def _get_extended_timeout(self, f: dict[str, Any]) -> Answer:
        extended = f["eui64"] in self._extended_timeout
        return {"extended": extended, "status": Status.OK if extended else Status.FAIL}

    def _set_extended_timeout(self, f: dict[str, Any]) -> Answer:
        if f["extended"]:
            self._extended_timeout.add(f["eui64"])
        else:
            self._extended_timeout.discard(f["eui64"])
        return OK

    def _address(self, index: int) -> tuple[int, int]:
        return self._addresses.get(index, (_NO_EUI64, _NO_NODE))

    def _replace_address(self, f: dict[str, Any]) -> Answer:
        if f["index"] >= self._stack.config[ADDRESS_TABLE_SIZE]:
            return {"status": Status.INVALID_INDEX}
        eui64, node_id = self._address(f["index"])
        self._addresses[f["index"]] = (f["eui64"], f["node_id"])
        was_extended = eui64 in self._extended_timeout
        self._set_extended_timeout(f)
        return {"eui64": eui64, "node_id": node_id, "extended": was_extended}

    def _set_address(self, f: dict[str, Any]) -> Answer:
        if f["index"] >= self._stack.config[ADDRESS_TABLE_SIZE]:
            return {"status": Status.INVALID_INDEX}
        self._addresses[f["index"]] = (f["eui64"], f["node_id"])
        return OK

    def _get_address(self, f: dict[str, Any]) -> Answer:
        if f["index"] not in self._addresses:
            return {"status": Status.NOT_FOUND, "node_id": _NO_NODE, "eui64": _NO_EUI64}
        eui64, node_id = self._address(f["index"])
        return {"eui64": eui64, "node_id": node_id}

    def _get_multicast(self, f: dict[str, Any]) -> Answer:
        if f["index"] >= self._stack.config[MULTICAST_TABLE_SIZE]:
            return {"status": Status.INVALID_INDEX}
        return self._multicast.get(f["index"], {})

    def _set_multicast(self, f: dict[str, Any]) -> Answer:
        if f["index"] >= self._stack.config[MULTICAST_TABLE_SIZE]:
            return {"status": Status.INVALID_INDEX}
        self._multicast[f["index"]] = f
        return OK


def _aps(f: dict[str, Any]) -> ApsFrame:
    return ApsFrame(
        f["profile"],
        f["cluster"],
        f["source_endpoint"],
        f["destination_endpoint"],
        f["options"],
        f["group"],
        f["sequence"],
    )
