"""A device's ZCL servers: attribute tables, the general commands, and reporting.

Here: everything a cluster does because it is a cluster. Not here: the clusters of a lock
(``lock_clusters``, ``door_lock``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firmware_sims.zigbee import zcl
from firmware_sims.zigbee.zcl import Frame, General, Malformed, Reader, Status

if TYPE_CHECKING:
    from firmware_sims.clock import Timebase, Timer

Get = Callable[[], zcl.Value]
Set = Callable[[zcl.Value], Status]

_NEVER = 0xFFFF
"""Maximum interval that ends reporting (ZCL 8, 2.5.7.1.6); 0 means on change alone."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: how to read it, how to write it (None: read only), and if it reports."""

    type_id: int
    get: Get
    set: Set | None = None
    reportable: bool = False

    @property
    def access(self) -> int:
        """The access field of extended discovery (ZCL 8, 2.5.23.1.3): read, write, report."""
        return 1 | (2 if self.set else 0) | (4 if self.reportable else 0)


@dataclass(slots=True)
class Reporting:
    """One reporting configuration, and what was last reported."""

    minimum_s: int
    maximum_s: int
    change: int
    reported: zcl.Value | None = None
    reported_at: float = float("-inf")
    timer: Timer | None = None


@dataclass(slots=True)
class Cluster:
    """One server cluster: its attributes and the numbers of its commands."""

    cluster_id: int
    attributes: dict[int, Attribute]
    received: frozenset[int] = frozenset()
    generated: frozenset[int] = frozenset()
    reporting: dict[int, Reporting] = field(default_factory=dict)


def constant(type_id: int, value: zcl.Value) -> Attribute:
    """An attribute that never changes."""
    return Attribute(type_id, lambda: value)


class GeneralCommands:
    """Answers the commands that all clusters share, and reports attributes.

    ``send(cluster_id, frame)`` transmits a report. A report leaves only while ``bound(cluster_id)``
    says that somebody wants it.
    """

    def __init__(
        self,
        clusters: dict[int, Cluster],
        timebase: Timebase,
        send: Callable[[int, Frame], None],
        bound: Callable[[int], bool],
        next_sequence: Callable[[], int],
    ) -> None:
        self._clusters = clusters
        self._timebase = timebase
        self._send = send
        self._bound = bound
        self._next_sequence = next_sequence
        self._handlers: dict[int, Callable[[Cluster, Reader], tuple[int, bytes] | None]] = {
            General.READ_ATTRIBUTES: self._read,
            General.WRITE_ATTRIBUTES: self._write,
            General.WRITE_ATTRIBUTES_UNDIVIDED: self._write_undivided,
            General.WRITE_ATTRIBUTES_NO_RESPONSE: self._write_silently,
            General.CONFIGURE_REPORTING: self._configure,
            General.READ_REPORTING_CONFIGURATION: self._read_configuration,
            General.DISCOVER_ATTRIBUTES: self._discover,
            General.DISCOVER_ATTRIBUTES_EXTENDED: self._discover_extended,
            General.DISCOVER_COMMANDS_RECEIVED: self._discover_received,
            General.DISCOVER_COMMANDS_GENERATED: self._discover_generated,
        }

    def handle(self, cluster: Cluster, frame: Frame) -> Frame | None:
        """The answer to a general command, None where none is due."""
        handler = self._handlers.get(frame.command)
        if handler is None:
            return frame.default_response(Status.UNSUP_GENERAL_COMMAND)
        try:
            answer = handler(cluster, Reader(frame.payload))
        except Malformed:
            return frame.default_response(Status.MALFORMED_COMMAND)
        if answer is None:
            return None
        command, payload = answer
        return frame.reply(command, payload, cluster_specific=False)

    # ---- attributes

    def _read(self, cluster: Cluster, reader: Reader) -> tuple[int, bytes]:
        out = b""
        while reader:
            number = reader.u16()
            attribute = cluster.attributes.get(number)
            out += zcl.u16(number)
            if attribute is None:
                out += zcl.u8(Status.UNSUPPORTED_ATTRIBUTE)
                continue
            out += zcl.u8(Status.SUCCESS) + zcl.u8(attribute.type_id)
            out += zcl.encode(attribute.type_id, attribute.get())
        return General.READ_ATTRIBUTES_RESPONSE, out

    def _records(self, reader: Reader) -> list[tuple[int, int, zcl.Value]]:
        records = []
        while reader:
            number, type_id = reader.u16(), reader.u8()
            records.append((number, type_id, reader.value(type_id)))
        return records

    @staticmethod
    def _refusal(cluster: Cluster, number: int, type_id: int) -> Status:
        attribute = cluster.attributes.get(number)
        if attribute is None:
            return Status.UNSUPPORTED_ATTRIBUTE
        if attribute.set is None:
            return Status.READ_ONLY
        return Status.SUCCESS if attribute.type_id == type_id else Status.INVALID_DATA_TYPE

    def _apply(self, cluster: Cluster, records: list[tuple[int, int, zcl.Value]]) -> bytes:
        failed = b""
        for number, type_id, value in records:
            status = self._refusal(cluster, number, type_id)
            setter = cluster.attributes[number].set if status is Status.SUCCESS else None
            if setter is not None:
                status = setter(value)
                self.changed(cluster.cluster_id, number)
            if status is not Status.SUCCESS:
                failed += zcl.u8(status) + zcl.u16(number)
        return failed

    def _write(self, cluster: Cluster, reader: Reader) -> tuple[int, bytes]:
        failed = self._apply(cluster, self._records(reader))
        return General.WRITE_ATTRIBUTES_RESPONSE, failed or zcl.u8(Status.SUCCESS)

    def _write_undivided(self, cluster: Cluster, reader: Reader) -> tuple[int, bytes]:
        records = self._records(reader)
        refused = [
            zcl.u8(status) + zcl.u16(number)
            for number, type_id, _ in records
            if (status := self._refusal(cluster, number, type_id)) is not Status.SUCCESS
        ]
        failed = b"".join(refused) or self._apply(cluster, records)
        return General.WRITE_ATTRIBUTES_RESPONSE, failed or zcl.u8(Status.SUCCESS)

    def _write_silently(self, cluster: Cluster, reader: Reader) -> None:
        self._apply(cluster, self._records(reader))

    # ---- reporting

    def _configure(self, cluster: Cluster, reader: Reader) -> tuple[int, bytes]:
        failed = b""
        while reader:
            direction, number = reader.u8(), reader.u16()
            if direction:  # a report this device would receive: it never does
                reader.u16()
                failed += zcl.u8(Status.UNSUPPORTED_ATTRIBUTE) + zcl.u8(direction) + zcl.u16(number)
                continue
            type_id, minimum, maximum = reader.u8(), reader.u16(), reader.u16()
            change = reader.value(type_id) if zcl.analogue(type_id) else 0
            status = self._start_reporting(
                cluster, number, type_id, minimum, maximum, change if isinstance(change, int) else 0
            )
            if status is not Status.SUCCESS:
                failed += zcl.u8(status) + zcl.u8(0) + zcl.u16(number)
        return General.CONFIGURE_REPORTING_RESPONSE, failed or zcl.u8(Status.SUCCESS)

    def _start_reporting(
        self, cluster: Cluster, number: int, type_id: int, minimum: int, maximum: int, change: int
    ) -> Status:
        attribute = cluster.attributes.get(number)
        if attribute is None:
            return Status.UNSUPPORTED_ATTRIBUTE
        if not attribute.reportable:
            return Status.UNREPORTABLE_ATTRIBUTE
        if attribute.type_id != type_id:
            return Status.INVALID_DATA_TYPE
        if maximum not in (0, _NEVER) and maximum < minimum:
            return Status.INVALID_VALUE
        self._stop(cluster, number)
        if maximum != _NEVER:
            reporting = Reporting(minimum, maximum, change)
            reporting.reported = attribute.get()
            reporting.reported_at = self._timebase.now()
            cluster.reporting[number] = reporting
            self._schedule(cluster, number, reporting)
        return Status.SUCCESS

    def _read_configuration(self, cluster: Cluster, reader: Reader) -> tuple[int, bytes]:
        out = b""
        while reader:
            direction, number = reader.u8(), reader.u16()
            attribute, reporting = cluster.attributes.get(number), cluster.reporting.get(number)
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
        cluster = self._clusters.get(cluster_id)
        reporting = cluster.reporting.get(number) if cluster else None
        if cluster is None or reporting is None:
            return
        value = cluster.attributes[number].get()
        previous = reporting.reported
        if value == previous:
            return
        if (
            isinstance(value, int)
            and isinstance(previous, int)
            and abs(value - previous) < reporting.change
        ):
            return
        wait = reporting.reported_at + reporting.minimum_s - self._timebase.now()
        if wait <= 0:
            self._report(cluster, number, reporting)
            return
        if reporting.timer is not None:
            reporting.timer.cancel()
        reporting.timer = self._timebase.call_later(
            wait, lambda: self._report(cluster, number, reporting)
        )

    def forget(self) -> None:
        """The device has left its network: nobody wants reports any more."""
        for cluster in self._clusters.values():
            for number in list(cluster.reporting):
                self._stop(cluster, number)

    def dump(self) -> list[list[int]]:
        """The reporting configurations, for non-volatile memory."""
        return [
            [cluster.cluster_id, number, entry.minimum_s, entry.maximum_s, entry.change]
            for cluster in self._clusters.values()
            for number, entry in sorted(cluster.reporting.items())
        ]

    def load(self, rows: list[list[int]]) -> None:
        """Take up what ``dump`` wrote."""
        for cluster_id, number, minimum, maximum, change in rows:
            cluster = self._clusters.get(cluster_id)
            attribute = cluster.attributes.get(number) if cluster else None
            if cluster is not None and attribute is not None:
                self._start_reporting(cluster, number, attribute.type_id, minimum, maximum, change)

    def _stop(self, cluster: Cluster, number: int) -> None:
        reporting = cluster.reporting.pop(number, None)
        if reporting is not None and reporting.timer is not None:
            reporting.timer.cancel()

    def _schedule(self, cluster: Cluster, number: int, reporting: Reporting) -> None:
        if reporting.timer is not None:
            reporting.timer.cancel()
            reporting.timer = None
        if reporting.maximum_s:
            reporting.timer = self._timebase.call_later(
                reporting.maximum_s, lambda: self._report(cluster, number, reporting)
            )

    def _report(self, cluster: Cluster, number: int, reporting: Reporting) -> None:
        attribute = cluster.attributes[number]
        reporting.reported = attribute.get()
        reporting.reported_at = self._timebase.now()
        self._schedule(cluster, number, reporting)
        if self._bound(cluster.cluster_id):
            payload = zcl.u16(number) + zcl.u8(attribute.type_id)
            payload += zcl.encode(attribute.type_id, reporting.reported)
            self._send(
                cluster.cluster_id,
                Frame(
                    sequence=self._next_sequence(),
                    command=General.REPORT_ATTRIBUTES,
                    payload=payload,
                    from_server=True,
                    no_default_response=True,
                ),
            )

    # ---- discovery

    @staticmethod
    def _window(numbers: list[int], start: int, limit: int) -> tuple[bool, list[int]]:
        matching = [number for number in sorted(numbers) if number >= start]
        return len(matching) <= limit, matching[:limit]

    def _discover(self, cluster: Cluster, reader: Reader) -> tuple[int, bytes]:
        done, numbers = self._window(list(cluster.attributes), reader.u16(), reader.u8())
        out = zcl.u8(done)
        for number in numbers:
            out += zcl.u16(number) + zcl.u8(cluster.attributes[number].type_id)
        return General.DISCOVER_ATTRIBUTES_RESPONSE, out

    def _discover_extended(self, cluster: Cluster, reader: Reader) -> tuple[int, bytes]:
        done, numbers = self._window(list(cluster.attributes), reader.u16(), reader.u8())
        out = zcl.u8(done)
        for number in numbers:
            attribute = cluster.attributes[number]
            out += zcl.u16(number) + zcl.u8(attribute.type_id) + zcl.u8(attribute.access)
        return General.DISCOVER_ATTRIBUTES_EXTENDED_RESPONSE, out

    def _discover_received(self, cluster: Cluster, reader: Reader) -> tuple[int, bytes]:
        done, numbers = self._window(list(cluster.received), reader.u8(), reader.u8())
        return General.DISCOVER_COMMANDS_RECEIVED_RESPONSE, zcl.u8(done) + bytes(numbers)

    def _discover_generated(self, cluster: Cluster, reader: Reader) -> tuple[int, bytes]:
        done, numbers = self._window(list(cluster.generated), reader.u8(), reader.u8())
        return General.DISCOVER_COMMANDS_GENERATED_RESPONSE, zcl.u8(done) + bytes(numbers)
