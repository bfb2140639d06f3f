"""What a radio is to the rest of the house. Only our own types cross this line.

Errors: every exchange has a deadline and raises `RadioUnavailable` / `RadioBusy` (nothing was
sent), `Unreachable` (the radio is sure that nothing was delivered), `OutcomeUnknown` (it may
have been), or `PeerProtocolError`. A library's own exceptions never pass.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from gateway.domain.secret import Secret
    from gateway.radios.command_classes import CcNode, LifeSign, Notified, ValueTold


class RadioStatus(Enum):
    DOWN = "down"
    OPENING = "opening"
    UP = "up"
    DEGRADED = "degraded"


@dataclass(frozen=True, slots=True)
class RadioState:
    """`reason` says what is wrong, for people; empty when `UP`."""

    status: RadioStatus
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EndpointInfo:
    endpoint: int
    profile_id: int
    device_type: int
    input_clusters: frozenset[int]
    output_clusters: frozenset[int]


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A node of the mesh. `address` is its EUI-64 as `00:11:22:33:44:55:66:77`."""

    address: str
    manufacturer: str
    model: str
    endpoints: Sequence[EndpointInfo]
    sleepy: bool
    mains_powered: bool
    well_known_key: bool = False
    """It joined under the well-known link key."""


@dataclass(frozen=True, slots=True)
class ClusterRequest:
    """One cluster command. `fields` by the specification's snake_case names.

    `acts_twice`: a repeat would do harm (unlock, toggle), so the stack must not retry by itself.
    `asks_only`: it changes nothing, so no answer is `Unreachable` and not `OutcomeUnknown`.
    """

    endpoint: int
    cluster_id: int
    command_id: int
    fields: Mapping[str, object] = field(default_factory=dict, repr=False)
    acts_twice: bool = False
    asks_only: bool = False


@dataclass(frozen=True, slots=True)
class ReadAttributes:
    endpoint: int
    cluster_id: int
    attributes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WriteAttributes:
    endpoint: int
    cluster_id: int
    values: Mapping[int, object]


@dataclass(frozen=True, slots=True)
class BindAndReport:
    """Bind the cluster to us and ask for reports: attribute id -> (min_s, max_s, change)."""

    endpoint: int
    cluster_id: int
    attributes: Mapping[int, tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class ClusterReply:
    """The answer's command id and fields (`default_response` has `command_id` and `status`).

    For reads: `fields` is attribute id (int as str) -> value, failures left out. Values are
    plain ints, strs, bytes and bools, never a library's types.
    """

    command_id: int
    fields: Mapping[str, object] = field(repr=False)
    is_default_response: bool = False


# ── what a radio says by itself ─────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Heard:
    """Any frame from the node: it is awake and in range now."""

    address: str
    rssi_dbm: int | None = None
    lqi: int | None = None


@dataclass(frozen=True, slots=True)
class ClusterCommandReceived:
    """A server-to-client command that is not the answer to a request of ours."""

    address: str
    endpoint: int
    cluster_id: int
    command_id: int
    fields: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class AttributeReported:
    address: str
    endpoint: int
    cluster_id: int
    attribute: int
    value: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class Advertisement:
    """One advertisement with its scan response, as far as that was heard.

    `address` is `AA:BB:CC:DD:EE:FF`; UUIDs are 128-bit, lower case. `manufacturer_data` is by
    company id, `service_data` by UUID. `heard_at` is on the monotonic clock, in seconds.
    """

    address: str
    name: str
    rssi_dbm: int
    adapter: str
    heard_at: float
    manufacturer_data: Mapping[int, bytes] = field(default_factory=dict)
    service_data: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    service_uuids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Advertised:
    """A device that is watched has advertised."""

    address: str
    advertisement: Advertisement


@dataclass(frozen=True, slots=True)
class NodeReady:
    """Joined and interviewed (again, when it rejoined)."""

    node: NodeInfo | CcNode


@dataclass(frozen=True, slots=True)
class NodeLeft:
    address: str


@dataclass(frozen=True, slots=True)
class StateChanged:
    state: RadioState


RadioEvent: TypeAlias = (
    "Heard | ClusterCommandReceived | AttributeReported | Advertised"
    " | Notified | ValueTold | LifeSign | NodeReady | NodeLeft | StateChanged"
)
RadioListener = Callable[[RadioEvent], None]


class Radio(Protocol):
    """`run` opens, watches and reopens until cancelled; it never raises for a missing stick."""

    name: str
    kind: str

    @property
    def state(self) -> RadioState: ...

    def listen(self, listener: RadioListener) -> Callable[[], None]:
        """Call `listener` on the loop for each event; returns what takes it off again."""
        ...

    async def run(self) -> None: ...


class ClusterRadio(Radio, Protocol):
    """A mesh that speaks ZCL."""

    def nodes(self) -> Sequence[NodeInfo]: ...

    async def request(
        self, address: str, request: ClusterRequest, *, deadline_s: float
    ) -> ClusterReply: ...

    async def read(
        self, address: str, request: ReadAttributes, *, deadline_s: float
    ) -> ClusterReply: ...

    async def write(self, address: str, request: WriteAttributes, *, deadline_s: float) -> None: ...

    async def bind(self, address: str, request: BindAndReport, *, deadline_s: float) -> None: ...


class JoinStage(Enum):
    OPEN = "open"
    FOUND = "found"
    INTERVIEWING = "interviewing"
    READY = "ready"
    LEFT = "left"
    """Somebody at the door has taken the node out of the network."""
    CLOSED = "closed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class JoinProgress:
    """`detail` is for people. `address` from `FOUND` on."""

    stage: JoinStage
    remaining_s: float
    address: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class JoinOrder:
    """Admit one node. Without a proof of its own only if `allow_well_known_key` was chosen aloud.

    The proof is an `install_code` (Zigbee), or (Z-Wave) the five digits of the `dsk_pin` or the
    text of the `qr`. `radio`: the name of the one that opens; None: the first there is. `replaces`:
    the address of a node that has failed and whose place the new one takes.
    """

    address: str | None = None
    install_code: bytes | None = None
    allow_well_known_key: bool = False
    duration_s: int = 180
    radio: str | None = None
    dsk_pin: Secret | None = None
    qr: Secret | None = None
    replaces: str | None = None

    def __repr__(self) -> str:
        return f"JoinOrder(address={self.address!r}, duration_s={self.duration_s})"


@runtime_checkable
class TakesLeave(Protocol):
    """A network whose nodes are taken out by somebody at their door, and cannot be asked to go."""

    def open_leaving(self, duration_s: int) -> AsyncIterator[JoinProgress]:
        """Let one node out, whose ever it was: progress up to `LEFT`, the time's end, or the
        iterator's. Raises as `open_joining`."""
        ...


class Commissioning(Protocol):
    """Adding and removing nodes; beside the radios' other protocols."""

    def open_joining(self, order: JoinOrder) -> AsyncIterator[JoinProgress]:
        """Progress until the node is ready, the time is over, or the iterator is closed.

        Closing the iterator early closes the network. Raises `RadioRefused` for a wrong
        install code, `RadioUnavailable` while the radio is down.
        """
        ...

    async def forget(self, address: str) -> None:
        """Ask the node to leave and drop it, also when it does not answer."""
        ...
