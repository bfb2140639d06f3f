"""What the parts of the NCP share: the network, the memory, the trust centre, and a way to speak.

Here: the state of a running stack that more than one part needs. Not here: commands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from firmware_sims.zigbee.ezsp import Status
from firmware_sims.zigbee.trust_centre import TrustCentre

if TYPE_CHECKING:
    import asyncio

    from firmware_sims.zigbee.application import EndpointDescriptor
    from firmware_sims.zigbee.network import Network
    from firmware_sims.zigbee.nvm import Nvm

Answer = Mapping[str, Any]
Handler = Callable[[dict[str, Any]], Answer]
OK: Answer = {"status": Status.OK}


class Emit(Protocol):
    """Send a callback to the host: by name, with the fields of its layout."""

    def __call__(self, name: str, fields: Mapping[str, Any], /) -> None: ...


@dataclass(slots=True)
class Stack:
    """RAM of the NCP: gone after a reset, except ``network`` and ``nvm``."""

    version: int
    network: Network
    nvm: Nvm
    loop: asyncio.AbstractEventLoop
    emit: Emit
    up: bool = False
    generation: int = 0
    trust_centre: TrustCentre = field(default_factory=TrustCentre)
    endpoints: dict[int, EndpointDescriptor] = field(default_factory=dict)
    config: dict[int, int] = field(default_factory=dict)
    initial_security: dict[str, Any] | None = field(default=None, repr=False)
    counters: list[int] = field(default_factory=lambda: [0] * COUNTERS)

    def restart(self) -> None:
        """Forget what a reset forgets."""
        self.up = False
        self.generation += 1
        self.trust_centre = TrustCentre()
        self.endpoints.clear()
        self.initial_security = None
        self.config = dict(DEFAULT_CONFIG)
        self.counters = [0] * COUNTERS

    def count(self, counter: int) -> None:
        self.counters[counter] = (self.counters[counter] + 1) & 0xFFFF


COUNTERS = 40
APS_RX_BROADCAST, APS_TX_BROADCAST, APS_RX_UNICAST, APS_TX_UNICAST, APS_TX_FAILED = 6, 7, 8, 9, 11

APS_UNICAST_MESSAGE_COUNT, ADDRESS_TABLE_SIZE, MULTICAST_TABLE_SIZE = 0x03, 0x05, 0x06
KEY_TABLE_SIZE = 0x1E
DEFAULT_CONFIG = {
    0x01: 0xFF,  # packet buffers
    0x02: 26,  # neighbours
    APS_UNICAST_MESSAGE_COUNT: 32,
    0x04: 32,  # bindings
    ADDRESS_TABLE_SIZE: 12,
    MULTICAST_TABLE_SIZE: 8,
    0x07: 16,  # routes
    0x08: 8,  # route discoveries
    0x0C: 2,  # stack profile
    0x0D: 5,  # security level
    0x10: 30,  # hops
    0x11: 64,  # children
    0x12: 7680,  # indirect transmission timeout, ms
    0x13: 8,  # end device poll timeout, 2^n minutes
    0x15: 0,
    0x17: 0,
    0x18: 0,
    0x19: 2,  # trust centre address cache
    0x1A: 100,  # source routes
    0x1C: 1,  # fragment window
    0x1D: 0,
    KEY_TABLE_SIZE: 12,
    0x1F: 1600,  # APS acknowledgement, ms
    0x20: 3,
    0x21: 60,
    0x22: 2,
    0x24: 0,
    0x2A: 0,
    0x2B: 15,  # broadcasts
    0x2D: 1,
    0x2E: 0,
    0x34: 16,
    0x35: 4,
    0x36: 300,  # transient key timeout, s
    0x37: 255,
    0x38: 90,
    0x39: 0,
    0x40: 0,
    0x41: 5,
    0x42: 0,
}
"""Configuration ids and starting values, as read from EFR32 coordinators (bellows 1.2.1,
``EzspConfigId``); a host may raise them until the network is up."""
