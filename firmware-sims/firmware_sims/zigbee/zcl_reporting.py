"""Attribute reporting: who wants to know what, how often, and when it is told.

Here: reporting configurations and their timers (ZCL 8, 2.5.7 to 2.5.11). Not here: bindings, which
decide whether a report leaves at all, and the other general commands (``zcl_server``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_sims.zigbee import zcl
from firmware_sims.zigbee.zcl import General, Reader, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from firmware_sims.clock import Timebase, Timer
    from firmware_sims.zigbee.zcl_cluster import Cluster

_NEVER = 0xFFFF
"""Maximum interval that ends reporting (ZCL 8, 2.5.7.1.6); 0 means on change alone."""


@dataclass(slots=True)
class Reporting:
    """One configuration, and what was last reported under it."""

    minimum_s: int
    maximum_s: int
    change: int
    reported: zcl.Value
    reported_at: float
    timer: Timer | None = None

    def cancel(self) -> None:
        """Stop the timer, if one runs."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def worth_telling(self, value: zcl.Value) -> bool:
        """Whether the value has changed, and by enough."""
        if value == self.reported:
            return False
        if isinstance(value, int) and isinstance(self.reported, int):
            return abs(value - self.reported) >= self.change
        return True


class Reporter:
    """The reporting of one device; ``send(cluster_id, payload)`` transmits a report's payload."""

    def __init__(
        self,
        clusters: Mapping[int, Cluster],
        timebase: Timebase,
        send: Callable[[int, bytes], None],
    ) -> None:
        self._clusters = clusters
        self._timebase = timebase
        self._send = send
        self._table: dict[tuple[int, int], Reporting] = {}

    def configure(self, cluster: Cluster, reader: Reader) -> tuple[int, bytes]:
        """Configure Reporting."""
        failed = b""
        while reader:
            direction, number = reader.u8(), reader.u16()
            if direction:  # a report this device would receive: it never does
                reader.u16()
                failed += zcl.u8(Status.UNSUPPORTED_ATTRIBUTE) + zcl.u8(direction) + zcl.u16(number)
                continue
            type_id, minimum, maximum = reader.u8(), reader.u16(), reader.u16()
            change = reader.value(type_id) if zcl.analogue(type_id) else 0
            attribute = cluster.attributes.get(number)
            if attribute is None:
                status = Status.UNSUPPORTED_ATTRIBUTE
            elif not attribute.reportable:
                status = Status.UNREPORTABLE_ATTRIBUTE
            elif attribute.type_id != type_id:
                status = Status.INVALID_DATA_TYPE
            elif maximum not in (0, _NEVER) and maximum < minimum:
                status = Status.INVALID_VALUE
            else:
                status = Status.SUCCESS
                self._start(cluster, number, minimum, maximum, int(change))
            if status is not Status.SUCCESS:
                failed += zcl.u8(status) + zcl.u8(0) + zcl.u16(number)
        return General.CONFIGURE_REPORTING_RESPONSE, failed or zcl.u8(Status.SUCCESS)

    def read_configuration(self, cluster: Cluster, reader: Reader) -> tuple[int, bytes]:
        """Read Reporting Configuration."""
        out = b""
        while reader:
            direction, number = reader.u8(), reader.u16()
            attribute = cluster.attributes.get(number)
            reporting = self._table.get((cluster.cluster_id, number))
            head = zcl.u8(direction) + zcl.u16(number)
            if attribute is None:
                out += zcl.u8(Status.UNSUPPORTED_ATTRIBUTE) + head
            elif reporting is None or direction:
                out += zcl.u8(Status.NOT_FOUND) + head
            else:
                out += zcl.u8(Status.SUCCESS) + head + zcl.u8(attribute.type_id)
                out += zcl.u16(reporting.minimum_s) + zcl.u16(reporting.maximum_s)
                if zcl.analogue(attribute.type_id):
                    out += zcl.encode(attribute.type_id, reporting.change)
        return General.READ_REPORTING_CONFIGURATION_RESPONSE, out

    def changed(self, cluster_id: int, number: int) -> None:
        """An attribute may have changed: report it now, or when its minimum interval has passed."""
        reporting = self._table.get((cluster_id, number))
        if reporting is None:
            return
        cluster = self._clusters[cluster_id]
        if not reporting.worth_telling(cluster.attributes[number].get()):
            return
        wait = reporting.reported_at + reporting.minimum_s - self._timebase.now()
        if wait <= 0:
            self._report(cluster, number, reporting)
        else:
            self._report_in(wait, cluster, number, reporting)

    def forget(self) -> None:
        """The device has left its network: nobody wants reports any more."""
        for reporting in self._table.values():
            reporting.cancel()
        self._table.clear()

    def dump(self) -> list[list[int]]:
        """The configurations, for non-volatile memory."""
        return [
            [*key, entry.minimum_s, entry.maximum_s, entry.change]
            for key, entry in sorted(self._table.items())
        ]

    def load(self, rows: list[list[int]]) -> None:
        """Take up what ``dump`` wrote, as far as the model still has the attributes."""
        for cluster_id, number, minimum, maximum, change in rows:
            cluster = self._clusters.get(cluster_id)
            if cluster is not None and number in cluster.attributes:
                self._start(cluster, number, minimum, maximum, change)

    def _start(
        self, cluster: Cluster, number: int, minimum: int, maximum: int, change: int
    ) -> None:
        key = (cluster.cluster_id, number)
        if (previous := self._table.pop(key, None)) is not None:
            previous.cancel()
        if maximum == _NEVER:
            return
        value = cluster.attributes[number].get()
        reporting = Reporting(minimum, maximum, change, value, self._timebase.now())
        self._table[key] = reporting
        if maximum:
            self._report_in(maximum, cluster, number, reporting)

    def _report_in(
        self, delay_s: float, cluster: Cluster, number: int, reporting: Reporting
    ) -> None:
        reporting.cancel()
        reporting.timer = self._timebase.call_later(
            delay_s, lambda: self._report(cluster, number, reporting)
        )

    def _report(self, cluster: Cluster, number: int, reporting: Reporting) -> None:
        attribute = cluster.attributes[number]
        reporting.reported = attribute.get()
        reporting.reported_at = self._timebase.now()
        reporting.cancel()
        if reporting.maximum_s:
            self._report_in(reporting.maximum_s, cluster, number, reporting)
        payload = zcl.u16(number) + zcl.u8(attribute.type_id)
        payload += zcl.encode(attribute.type_id, reporting.reported)
        self._send(cluster.cluster_id, payload)
