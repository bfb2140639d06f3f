"""The lock's clock through the Time cluster: reading it, setting it, and proving its zone.

Sans-I/O. The zone is proven only by the lock's own local time: it must be ahead of its UTC by
what the site's zone says for this moment.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.domain.devices import LockClock
from gateway.drivers.zcl_lock import wire
from gateway.drivers.zcl_lock.schedules import EPOCH_2000_S, offset_s, summer_time
from gateway.errors import DeviceRefused, PeerProtocolError
from gateway.radios.api import ReadAttributes, WriteAttributes

if TYPE_CHECKING:
    from datetime import tzinfo

    from gateway.domain.instant import Instant
    from gateway.drivers.zcl_lock.dialogue import Dialogue

RESOLUTION_MS = 1000


def read_clock(endpoint: int, now: Instant, zone: tzinfo) -> Dialogue[LockClock]:
    """`error_ms` as if the answer had been given at `now`; the shell adds what the way took."""
    reply = yield ReadAttributes(endpoint, wire.TIME, (wire.TIME_UTC, wire.TIME_LOCAL))
    utc = reply.fields.get(str(wire.TIME_UTC))
    local = reply.fields.get(str(wire.TIME_LOCAL))
    if not isinstance(utc, int) or utc == wire.NO_TIME:
        raise PeerProtocolError("could not read the lock's clock: it has no time")
    # The lock tells whole seconds, so the truth lies half a second later on average.
    lock_ms = (utc + EPOCH_2000_S) * 1000 + RESOLUTION_MS // 2
    zone_proven = isinstance(local, int) and local - utc == offset_s(now, zone)
    return LockClock(lock_ms - now, RESOLUTION_MS // 2, now, zone_proven)


def set_clock(endpoint: int, now: Instant, zone: tzinfo) -> Dialogue[LockClock]:
    """Sets time and zone, then reads them. A lock without summer time is given the present offset.

    Such a lock must be set again at each transition; its zone then reads as not proven.
    """
    utc = (now + RESOLUTION_MS // 2) // 1000 - EPOCH_2000_S
    yield WriteAttributes(endpoint, wire.TIME, {wire.TIME_UTC: utc})
    rules = summer_time(now, zone)
    try:
        yield WriteAttributes(
            endpoint,
            wire.TIME,
            {
                wire.TIME_ZONE: rules.zone_s,
                wire.TIME_DST_START: rules.start_s,
                wire.TIME_DST_END: rules.end_s,
                wire.TIME_DST_SHIFT: rules.shift_s,
            },
        )
    except DeviceRefused:
        # Refused as well? Reading it tells whether the zone is right all the same.
        with suppress(DeviceRefused):
            yield WriteAttributes(endpoint, wire.TIME, {wire.TIME_ZONE: offset_s(now, zone)})
    return (yield from read_clock(endpoint, now, zone))
