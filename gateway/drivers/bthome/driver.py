"""`BtHome`: what a sensor or meter advertises, each measurement told once.

Nothing can be asked of it, so it has no capabilities. Here: repetitions and replays. Counters are
remembered as long as the gateway runs; the first one after that is believed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from gateway.domain.capabilities import Capabilities
from gateway.drivers.api import DriverInfo
from gateway.drivers.bthome import mapping, parser, wire
from gateway.drivers.bthome.keys import keys_of
from gateway.radios.api import Advertised

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.drivers.api import DeviceEvent
    from gateway.drivers.bthome.parser import Told
    from gateway.drivers.claims import ClaimedDevice
    from gateway.radios.api import Advertisement, RadioEvent

log = structlog.get_logger()

FAMILY = "bthome"
RESTART_BELOW = 100
"""bthome-ble's rule: a counter that falls to less began anew, as with a new battery. So somebody
who recorded the first packets of a sensor's life could say them again; none after them."""
AGAIN_S = 60.0
"""Without a packet id the same bytes, so much later, are taken for another measurement."""
LATE_S = 4.0
"""Within this a packet id that is lower is an older packet, heard late through another adapter."""
_IDS = 256


class BtHome:
    """`drivers.api.Driver`. ValueError for keys that are none of ours."""

    def __init__(self, device: ClaimedDevice) -> None:
        self._keys = keys_of(device.keys)
        self.info = DriverInfo(
            driver=FAMILY,
            manufacturer=device.manufacturer,
            model=device.model,
            kind=self._keys.kind,
            seldom_heard=self._keys.triggered,
        )
        self._address = device.address
        self._counter = -1
        self._suspected = False
        self._last: tuple[bytes, float] = b"", float("-inf")
        self._told: tuple[Told, float] | None = None

    def restore(self, capabilities: Capabilities) -> None:
        """Nothing was found that could be taken over."""

    async def interview(self, *, deadline_s: float) -> Capabilities:
        return Capabilities()

    def translate(self, event: RadioEvent) -> Sequence[DeviceEvent]:
        """Nothing for what is repeated, replayed, or cannot be read."""
        if not isinstance(event, Advertised) or event.address != self._address:
            return ()
        heard = event.advertisement
        header = wire.header_of(heard)
        if header is None or self._is_repeated(heard):
            return ()
        if header.counter is not None and RESTART_BELOW <= header.counter < self._counter:
            if not self._suspected:
                log.warning(
                    "a sensor's counter fell: said again by somebody?", address=heard.address
                )
            self._suspected = True
            return ()
        told = parser.read(heard, self._keys.bindkey)
        if told is None:
            return ()
        self._last = heard.service_data[wire.SERVICE], heard.heard_at
        if header.counter is not None:
            self._counter, self._suspected = header.counter, False
        if self._is_old(told, heard.heard_at):
            return ()
        self._told = told, heard.heard_at
        return mapping.events_of(told.values)

    def _is_repeated(self, heard: Advertisement) -> bool:
        """The very bytes again. What counts its packets or messages says no new one so."""
        data, at = self._last
        if heard.service_data[wire.SERVICE] != data:
            return False
        counted = self._counter >= 0 or (self._told and self._told[0].packet_id is not None)
        return bool(counted) or heard.heard_at - at < AGAIN_S

    def _is_old(self, told: Told, heard_at: float) -> bool:
        """The measurement before, in other bytes, or one from before that."""
        if self._told is None or told.packet_id is None:
            return False
        before, at = self._told
        if before.packet_id is None:
            return False
        if told.packet_id == before.packet_id:
            return told.values == before.values
        if self._keys.bindkey is not None:
            return False  # its counter has said so already
        behind = (before.packet_id - told.packet_id) % _IDS
        return behind < _IDS // 4 and heard_at - at < LATE_S
