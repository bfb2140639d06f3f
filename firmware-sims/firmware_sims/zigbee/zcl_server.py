"""The general commands, which every ZCL cluster understands: read, write, report, discover.

Here: everything a cluster does because it is a cluster. Not here: the clusters of a lock
(``lock_clusters``, ``door_lock``) and what reporting is (``zcl_reporting``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from firmware_sims.zigbee import zcl
from firmware_sims.zigbee.zcl import Frame, General, Malformed, Reader, Status
from firmware_sims.zigbee.zcl_cluster import Cluster

if TYPE_CHECKING:
    from firmware_sims.zigbee.zcl_reporting import Reporter

_Handler = Callable[[Cluster, Reader], tuple[int, bytes] | None]


class GeneralCommands:
    """Answers general commands; ``reporter`` is told of attributes that were written."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._handlers: dict[int, _Handler] = {
            General.READ_ATTRIBUTES: self._read,
            General.WRITE_ATTRIBUTES: self._write,
            General.WRITE_ATTRIBUTES_UNDIVIDED: self._write_undivided,
            General.WRITE_ATTRIBUTES_NO_RESPONSE: self._write_silently,
            General.CONFIGURE_REPORTING: reporter.configure,
            General.READ_REPORTING_CONFIGURATION: reporter.read_configuration,
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
                self._reporter.changed(cluster.cluster_id, number)
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
