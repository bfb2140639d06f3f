"""The seam between the simulated network and a device's own firmware.

Here: what the network needs to know of a device, what a device may do with its radio, and what
the network calls on it. Not here: frames, keys, timing (``network``, ``ncp``) and ZCL (``zcl``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class EndpointDescriptor:
    """A ZDO simple descriptor; device version is always 0."""

    endpoint: int
    profile_id: int
    device_type: int
    input_clusters: tuple[int, ...]
    output_clusters: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """What is fixed in the factory.

    ``ieee`` is the EUI-64 as an integer, most significant byte first as printed on the label.
    ``poll_interval_s`` matters only for a ``sleepy`` node: it fetches its frames that often.
    ``install_code`` is the printed code with its CRC (16 bytes + 2, little endian); a node that
    has one joins only a network that holds the link key derived from it.
    """

    ieee: int
    manufacturer_code: int
    sleepy: bool = False
    poll_interval_s: float = 0.0
    battery_powered: bool = False
    install_code: bytes | None = field(default=None, repr=False)


class NodeRadio(Protocol):
    """The radio a device's firmware is given; implemented by ``network.SimulatedNode``."""

    @property
    def joined(self) -> bool:
        """Whether the node holds a network address and the network key."""
        ...

    def send(
        self,
        *,
        source_endpoint: int,
        destination_endpoint: int,
        profile_id: int,
        cluster_id: int,
        payload: bytes,
    ) -> None:
        """Send one APS payload to the coordinator; lost without notice when not joined."""
        ...

    def bound(self, endpoint: int, cluster_id: int) -> bool:
        """Whether a binding of this cluster to the coordinator exists (ZDO Bind_req)."""
        ...


class NodeApplication(Protocol):
    """A device's firmware above APS.

    All calls come from the event loop, in the order of arrival on the air, and must not block.
    A frame may come twice (the air duplicates, hosts retry): the APS layer below drops nothing
    that was sent as a new frame.
    """

    @property
    def identity(self) -> NodeIdentity: ...

    @property
    def endpoints(self) -> Sequence[EndpointDescriptor]: ...

    def attach(self, radio: NodeRadio) -> None:
        """Receive the radio; called once, when the node is added to a network."""
        ...

    def on_message(
        self,
        *,
        source_endpoint: int,
        destination_endpoint: int,
        profile_id: int,
        cluster_id: int,
        payload: bytes,
    ) -> None:
        """A frame for one of the endpoints has arrived; ZDO is answered below this seam."""
        ...

    def on_left(self) -> None:
        """The node has left or was removed: bindings and reporting are forgotten."""
        ...
