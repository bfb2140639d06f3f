"""What a Z-Wave network is to the rest of the house: nodes with command classes, and what they say.

Beside `radios.api`, whose errors and states hold here too. Calls go by the names of Z-Wave JS's
command class APIs, whose process holds the network; only our own types cross this line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from gateway.radios.api import Commissioning, Radio, TakesLeave

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class SecurityClass(Enum):
    """The highest that a node was granted. Names of the specification (CC:009F)."""

    NONE = "none"
    S0 = "s0"
    S2_UNAUTHENTICATED = "s2_unauthenticated"
    S2_AUTHENTICATED = "s2_authenticated"
    S2_ACCESS_CONTROL = "s2_access_control"


@dataclass(frozen=True, slots=True)
class CcEndpoint:
    """`versions`: command class -> the version that the node implements."""

    endpoint: int
    versions: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class CcNode:
    """A node of the network, interviewed.

    `address` is home id and node id as `c0ffee01:17`. `fingerprint`: manufacturer id, product
    type, product id. `sleepy`: it hears nothing but its own wake-ups; a lock that listens for beams
    (FLiRS) is not sleepy, though it has batteries.
    """

    address: str
    manufacturer: str
    model: str
    fingerprint: tuple[int, int, int]
    firmware: str
    endpoints: Sequence[CcEndpoint]
    sleepy: bool
    mains_powered: bool
    security: SecurityClass

    @property
    def well_known_key(self) -> bool:
        """Whoever listened while it joined has its keys, if it has any: S0 hands its network key
        over under a key of zeros (CC:0098)."""
        return self.security in {SecurityClass.NONE, SecurityClass.S0}


class Supervision(Enum):
    """How the node itself ended a command (Supervision, CC:006C); only `SUCCESS` is proof."""

    NONE = "none"
    """It was delivered, and nobody said what became of it."""
    WORKING = "working"
    SUCCESS = "success"
    FAIL = "fail"
    NO_SUPPORT = "no_support"


@dataclass(frozen=True, slots=True)
class CcCall:
    """One call of a command class API, by the name of its method in Z-Wave JS.

    `arguments` are plain values (numbers, strings, bytes, lists, maps). `acts_twice`: a repeat
    would do harm. `asks_only`: it changes nothing, so that a broken way is `Unreachable`.

    A `method` with a dot is a command of the server itself, sent as it is: the one argument is a
    map of its fields beside node and endpoint, and `value` of the reply is its whole result
    (`endpoint.access_control.set_user`, `node.set_date_and_time`, `node.get_value_timestamp`).
    """

    command_class: int
    method: str
    arguments: tuple[object, ...] = field(default=(), repr=False)
    endpoint: int = 0
    acts_twice: bool = False
    asks_only: bool = False


@dataclass(frozen=True, slots=True)
class CcReply:
    """`value` is what a getter told, in plain values; None where the node did not say.

    Getters of Z-Wave JS answer `undefined`, which is None here, for a report that did not come in
    time, and some of them also for a report that says "nothing there": who asks tells them apart.
    """

    supervision: Supervision
    value: object = field(default=None, repr=False)


# ── what nodes say by themselves ────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Notified:
    """A Notification (CC:0071), an Entry Control notification, or Battery's warning (type 0, event
    1: replace it soon, 2: now). `parameters` as Z-Wave JS names them (`userId`)."""

    address: str
    endpoint: int
    command_class: int
    type: int
    event: int
    parameters: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class ValueTold:
    """A value that the node reported by itself or on request, as Z-Wave JS names it."""

    address: str
    endpoint: int
    command_class: int
    property: str
    property_key: str | int | None
    value: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class LifeSign:
    """Whether the controller believes that the node can be spoken to; dead ones are pinged."""

    address: str
    alive: bool


class CcRadio(Radio, Commissioning, TakesLeave, Protocol):
    """A network of nodes that speak command classes.

    Z-Wave JS tells nodes the zone and the local time of its own process (`getDSTInfo`,
    `TimeParametersCC.useLocalTime`, answers to Time CC), and reads their local times likewise: it
    runs in the site's zone (TZ).
    """

    def nodes(self) -> Sequence[CcNode]:
        """All that are interviewed, in order of node id."""
        ...

    async def call(self, address: str, call: CcCall, *, deadline_s: float) -> CcReply:
        """Raises what `radios.api` says; a node's own no is a reply (`FAIL`, `NO_SUPPORT`)."""
        ...
