"""What nodes are told when they ask for the time: the house's, or that nobody knows it.

zigpy would answer from the machine's wall clock, believed or not, and a lock that sets its clock by
that would open and close at wrong times. Not here: setting a lock's clock (drivers).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zigpy.types
from zigpy.time import TimeSnapshot
from zigpy.zcl.clusters.general import Time

from gateway.domain.instant import ClockTrust, to_datetime

if TYPE_CHECKING:
    from datetime import tzinfo

    from gateway.kit.clock import Clock

INVALID = 0xFFFFFFFF

_types: Any = zigpy.types  # its integers have no types
UNKNOWN = TimeSnapshot(
    time=_types.UTCTime(INVALID),
    time_zone=_types.int32s(0),
    standard_time=_types.StandardTime(INVALID),
    local_time=_types.LocalTime(INVALID),
)
"""Every field "not a time", and no claim to be a master of it (Zigbee Cluster Library 10.2)."""


class HouseTime(Time):
    """The cluster as zigpy knows it. Defining the class puts it into zigpy's registry instead."""

    def _handle_read_attributes(self, attribute_ids: list[int], *_: Any) -> Any:
        application: Any = self.endpoint.device.application  # `stack.Application`
        told = snapshot(application.house_clock, application.local_timezone)
        return super(Time, self)._handle_read_attributes(attribute_ids, told)


def snapshot(clock: Clock | None, zone: tzinfo) -> TimeSnapshot:
    if clock is None or clock.trust is ClockTrust.UNTRUSTED:
        return UNKNOWN
    return TimeSnapshot.compute(zone, to_datetime(clock.now()))
