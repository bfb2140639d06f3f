"""What the local API needs of the running daemon beyond the store: a port the app implements.

Here: the protocol and its values. Not here: what is stored (the API reads that itself) and any
implementation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence

    from gateway.domain.grants import Verdict
    from gateway.domain.ids import DeviceId
    from gateway.domain.instant import Instant
    from gateway.domain.probe import ProbeProgress
    from gateway.domain.secret import Secret
    from gateway.drivers.access import EnrolStage, KeyHolder, Medium, MediumKind, Setting
    from gateway.drivers.claims import ClaimOrder, Found, PairProgress
    from gateway.radios.api import JoinOrder, JoinProgress, RadioState
    from gateway.radios.gatt import SignalKeeper


@dataclass(frozen=True, slots=True)
class CloudState:
    """The link to the broker. `since`: of the present standing. `reason`: for people, when away."""

    connected: bool
    since: Instant | None = None
    broker: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PlanView:
    """What planning wants of one lock now.

    `actions` are readable, in order, and name credentials by id; `next_look` is when it will be
    planned again if nothing happens before.
    """

    actions: list[str]
    verdicts: list[Verdict]
    next_look: Instant | None = None


class Operations(Protocol):
    def radio_states(self) -> Mapping[str, RadioState]: ...

    def cloud_state(self) -> CloudState: ...

    def leave(self, duration_s: int) -> AsyncIterator[JoinProgress]:
        """Progress of one leaving, by somebody at the device's door. `RequestError` `no_radio`."""
        ...

    def join(self, order: JoinOrder, name: str | None) -> AsyncIterator[JoinProgress]:
        """Progress of one admission; closing the iterator closes the network.

        `READY` comes only after the device is interviewed and stored, its `detail` is the device
        id. Raises `RadioRefused` for a wrong install code, `RadioUnavailable`, `RequestError`.
        """
        ...

    def keyless(self) -> frozenset[DeviceId]:
        """Claimed devices that nobody can speak to any more: their keys are lost."""
        ...

    def signals(self, radio: str) -> SignalKeeper | None:
        """Who remembers how well that radio's devices are heard; None where nobody does."""
        ...

    async def in_range(self) -> Sequence[Found]:
        """What Bluetooth hears, strongest first. Raises `RequestError` where there is none."""
        ...

    def pair(self, order: ClaimOrder, name: str | None) -> AsyncGenerator[PairProgress]:
        """Progress of one claim; `READY` comes after the device is stored, with its id.

        Raises `RequestError`, `RadioUnavailable`, `DeviceRefused`, and what a link raises.
        """
        ...

    def probe(self, device_id: DeviceId, actor: str) -> AsyncGenerator[ProbeProgress]:
        """An installation test of a lock's schedules; closing the iterator ends it."""
        ...

    async def settings(self, device_id: DeviceId) -> Sequence[Setting]:
        """Asked from the device, in its lane, like the two below.

        Raises `RequestError` (`unsupported`), `RadioUnavailable`, `DeviceRefused`, and what a link
        raises.
        """
        ...

    async def media(self, device_id: DeviceId, kind: MediumKind) -> Sequence[Medium]: ...

    async def keys(self, device_id: DeviceId) -> Sequence[KeyHolder]: ...

    def watch_enrolment(
        self, command_id: str, told: Callable[[EnrolStage], None]
    ) -> Callable[[], None]:
        """Call `told` as the enrolment of that command goes on; the returned function ends it."""
        ...

    def entrust(self, command_id: str, number: Secret) -> Callable[[], None]:
        """A card's number for that command, in memory only; the returned function forgets it."""
        ...

    async def plan(self, device_id: DeviceId) -> PlanView: ...
