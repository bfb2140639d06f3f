"""The devices of the house: who speaks for each, and what they say by themselves, passed on.

Here: the register in memory, and radio events on their way to lanes and doorbell. Not here: how a
device becomes a member (`fleet` for a mesh, `claimed` for what is claimed on site).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gateway.drivers.api import Measured
from gateway.radios.api import (
    Advertised,
    AttributeReported,
    ClusterCommandReceived,
    Heard,
    RadioEvent,
    RadioStatus,
    StateChanged,
)
from gateway.radios.command_classes import LifeSign, Notified, ValueTold

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.domain.ids import DeviceId
    from gateway.drivers.api import DeviceEvent, Driver
    from gateway.kit.clock import Clock
    from gateway.radios.api import Radio

HEARD_AGAIN_S = 60.0
"""An advertisement hurries what waits for a device no more often: it may not answer."""
SAID_AGAIN_S = 60.0
"""What a device advertises over and over is passed on when it is new, and this often: "there is
news in my log" said before and after a reading is the same word for another thing."""
NEWS = Measured(log_news=True)
"""Said at the moment that something happened, and of nothing else: never a repetition."""
SPEAKING = {RadioStatus.UP, RadioStatus.DEGRADED}


@dataclass(slots=True)
class Member:
    """A known device and who speaks for it."""

    device_id: DeviceId
    radio: Radio
    address: str
    driver: Driver | None
    met: bool = False
    """It was ready before in this life, so that being ready again means that it joined again."""
    left: bool = False
    """It left by itself or fell silent, which is told once."""
    leaving: bool = False
    """It is being given back: that it belongs to nobody then is no news."""
    heard_at: float = float("-inf")
    """Monotonic; when an advertisement was last passed on as being heard."""
    told: tuple[Measured, float] | None = None
    """What its advertisements said last, and when that was passed on."""


class FleetListener(Protocol):
    """Told on the loop; returns at once."""

    def member_joined(self, device_id: DeviceId) -> None: ...

    def member_left(self, device_id: DeviceId) -> None:
        """It was dismissed and is no member any more."""
        ...

    def member_gone(self, device_id: DeviceId, cause: str) -> None:
        """It left the network by itself or is not heard any more, and may come back."""
        ...

    def member_heard(self, device_id: DeviceId) -> None: ...

    def member_rang(self, device_id: DeviceId, event: DeviceEvent) -> None: ...

    def radio_changed(self, name: str, *, up: bool) -> None: ...


class Members:
    """See the module's docstring. What nobody listens to is lost."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._members: dict[DeviceId, Member] = {}
        self._by_address: dict[tuple[str, str], Member] = {}
        self.listener: FleetListener | None = None

    def ids(self) -> list[DeviceId]:
        return list(self._members)

    def enlist(self, member: Member) -> None:
        self._members[member.device_id] = member
        self._by_address[member.radio.name, member.address] = member

    def drop(self, device_id: DeviceId) -> Member | None:
        member = self._members.pop(device_id, None)
        if member is not None:
            self._by_address.pop((member.radio.name, member.address), None)
        return member

    def at(self, radio: Radio, address: str) -> Member | None:
        return self._by_address.get((radio.name, address))

    def of(self, radio: Radio) -> list[Member]:
        """The members that this radio reaches."""
        return [member for member in self._members.values() if member.radio.name == radio.name]

    def driver(self, device_id: DeviceId) -> Driver | None:
        """Who can speak to the device now; None while its radio is not up."""
        member = self._members.get(device_id)
        if member is None or member.radio.state.status not in SPEAKING:
            return None
        return member.driver

    # ── passing on ──────────────────────────────────────────────────────────────────────

    def joined(self, device_id: DeviceId) -> None:
        if self.listener is not None:
            self.listener.member_joined(device_id)

    def left(self, device_id: DeviceId) -> None:
        if self.listener is not None:
            self.listener.member_left(device_id)

    def gone(self, member: Member, cause: str) -> None:
        """Told once, until `member.left` is taken back."""
        if not member.left and self.listener is not None:
            self.listener.member_gone(member.device_id, cause)
        member.left = True

    def rang(self, member: Member, event: DeviceEvent) -> None:
        if self.listener is not None:
            self.listener.member_rang(member.device_id, event)

    def follow(
        self,
        radio: Radio,
        first: Callable[[RadioEvent], None] | None = None,
        *,
        heard_pause_s: float = 0.0,
    ) -> Callable[[], None]:
        """Pass on what a radio says; `first` hears it before. Returns what ends it.

        `heard_pause_s`: that a device was heard is passed on no more often.
        """

        def on_event(event: RadioEvent) -> None:
            if first is not None:
                first(event)
            match event:
                case StateChanged(state):
                    if self.listener is not None:
                        self.listener.radio_changed(radio.name, up=state.status in SPEAKING)
                case Heard(address) | LifeSign(address, alive=True):
                    self._heard(self.at(radio, address), heard_pause_s)
                case (
                    ClusterCommandReceived(address=address)
                    | AttributeReported(address=address)
                    | Notified(address=address)
                    | ValueTold(address=address)
                ):
                    self._translate(self.at(radio, address), event)
                case Advertised(address):
                    self._advertised(self.at(radio, address), event)

        return radio.listen(on_event)

    def _heard(self, member: Member | None, pause_s: float) -> None:
        now = self._clock.monotonic()
        if member is None or member.leaving or now - member.heard_at < pause_s:
            return
        member.heard_at = now
        if self.listener is not None:
            self.listener.member_heard(member.device_id)

    def _translate(self, member: Member | None, event: RadioEvent) -> None:
        if member is not None and member.driver is not None:
            for happening in member.driver.translate(event):
                self.rang(member, happening)

    def _advertised(self, member: Member | None, event: Advertised) -> None:
        if member is None or member.driver is None or member.leaving:
            return
        now = self._clock.monotonic()
        for found in member.driver.translate(event):
            if isinstance(found, Measured) and found != NEWS:
                last, at = member.told or (None, 0.0)
                if last == found and now - at < SAID_AGAIN_S:
                    continue
                member.told = (found, now)
            self.rang(member, found)
