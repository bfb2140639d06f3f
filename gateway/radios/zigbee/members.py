"""Who is in the network during one life of the stick, and what they say by themselves.

Here: the nodes, their clusters, what the library tells of them, turned into events. Not here:
exchanges, and opening or closing the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import structlog
from zigpy.device import ZigbeeDevice
from zigpy.types import EUI64

from gateway.errors import LocalProtocolError, Unreachable
from gateway.radios.api import (
    AttributeReported,
    ClusterCommandReceived,
    Heard,
    NodeLeft,
    NodeReady,
)
from gateway.radios.zigbee.plain import fields_of, node_of, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from zigpy.zcl import Cluster

    from gateway.radios.api import NodeInfo, RadioEvent
    from gateway.radios.zigbee.joining import Joining
    from gateway.radios.zigbee.register import Register
    from gateway.radios.zigbee.stack import Application

log = structlog.get_logger(__name__)

Place = tuple[str, int, int]


class Members:
    """zigpy calls its methods by the name of what happened: `device_…`, `handle_message`."""

    def __init__(
        self,
        application: Application,
        register: Register,
        joining: Joining,
        emit: Callable[[RadioEvent], None],
    ) -> None:
        self._application = application
        self._register = register
        self._joining = joining
        self._emit = emit
        self._leaving: set[str] = set()
        self._subscribed: WeakSet[Cluster] = WeakSet()

    def listen(self) -> None:
        """From now on. Those known from before are listed, not told: they did not join again."""
        self._application.add_listener(self)
        for device in list(self._application.devices.values()):
            if self._is_node(device) and device.is_initialized:
                self._subscribe(device)

    def nodes(self) -> tuple[NodeInfo, ...]:
        return tuple(
            self._node(device)
            for device in self._application.devices.values()
            if self._is_node(device) and device.is_initialized
        )

    def cluster(self, address: str, endpoint: int, cluster_id: int) -> Any:
        device = self._application.devices.get(EUI64.convert(address))
        if device is None or not self._is_node(device):
            raise Unreachable(f"could not speak to {address}: it is not in the network")
        try:
            return device.endpoints[endpoint].in_clusters[cluster_id]
        except (KeyError, AttributeError):
            raise LocalProtocolError(
                f"could not speak to {address}: it has no cluster 0x{cluster_id:04x} "
                f"on endpoint {endpoint}"
            ) from None

    async def remove(self, address: str) -> None:
        """Returns when it is dropped here; the request to leave goes on by itself."""
        self._leaving.add(address)
        await self._application.remove(EUI64.convert(address))
        self._emit(NodeLeft(address))

    # ── what the library tells ──────────────────────────────────────────────────────────────

    def device_joined(self, device: ZigbeeDevice) -> None:
        address = str(device.ieee)
        self._leaving.discard(address)
        if not self._joining.found(address):
            log.warning("node sent away", address=address)
            self._leaving.add(address)
            self._application.create_task(self.remove(address), "send a node away")

    def device_initialized(self, device: ZigbeeDevice) -> None:
        if self._is_node(device):
            self._subscribe(device)
            self._emit(NodeReady(self._node(device)))
            self._joining.ready(str(device.ieee))

    device_reinterviewed = device_initialized

    def device_init_failure(self, device: ZigbeeDevice) -> None:
        self._joining.failed(str(device.ieee))

    def device_left(self, device: ZigbeeDevice) -> None:
        if self._is_node(device):
            self._emit(NodeLeft(str(device.ieee)))

    def handle_message(self, device: ZigbeeDevice, *_: object) -> None:
        if self._is_node(device):
            rssi = None if device.rssi is None else int(device.rssi)
            lqi = None if device.lqi is None else int(device.lqi)
            self._emit(Heard(str(device.ieee), rssi, lqi))

    # ── inside ──────────────────────────────────────────────────────────────────────────────

    def _subscribe(self, device: ZigbeeDevice) -> None:
        """To what its server clusters say by themselves, once per cluster object."""
        for endpoint in device.non_zdo_endpoints:
            for cluster in endpoint.in_clusters.values():
                if cluster not in self._subscribed:
                    self._subscribed.add(cluster)
                    ids = (int(endpoint.endpoint_id), int(cluster.cluster_id))
                    voice = _Voice(self._emit, (str(device.ieee), *ids))
                    cluster.add_listener(voice)
                    cluster.on_event("attribute_report", voice.reported)

    def _is_node(self, device: object) -> bool:
        """A Zigbee device other than the stick itself, and not on its way out."""
        return (
            isinstance(device, ZigbeeDevice)
            and device.ieee != self._application.state.node_info.ieee
            and str(device.ieee) not in self._leaving
        )

    def _node(self, device: ZigbeeDevice) -> NodeInfo:
        return node_of(device, well_known_key=str(device.ieee) in self._register.well_known)


class _Voice:
    """What one cluster of one node says."""

    def __init__(self, emit: Callable[[RadioEvent], None], place: Place) -> None:
        self._emit, self._place = emit, place

    def cluster_command(self, tsn: int, command_id: int, command: Any) -> None:
        if hasattr(command, "fields"):
            self._emit(ClusterCommandReceived(*self._place, int(command_id), fields_of(command)))

    def reported(self, event: Any) -> None:
        value = plain(event.raw_value)
        self._emit(AttributeReported(*self._place, int(event.attribute_id), value))
