"""One exchange with one cluster of one node: into the library, and what is made of its answer.

No exchange is repeated here: an order must not be, and who asks a question repeats it himself.
Not here: whose cluster it is (members), and errors of the link (plain).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zigpy.zcl.helpers import ReportingConfig

from gateway.errors import LocalProtocolError, OutcomeUnknown, PeerProtocolError, Unreachable
from gateway.radios.api import ClusterCommandReceived, ClusterReply
from gateway.radios.zigbee.plain import fields_of, plain, refused

if TYPE_CHECKING:
    from gateway.radios.api import BindAndReport, ClusterRequest, ReadAttributes, WriteAttributes

READ_AT_ONCE = 5
"""Attributes per request, so that the answer fits into one frame."""


class Order:
    """A request that the library is able to encode; made before anything is sent."""

    def __init__(self, cluster: Any, request: ClusterRequest, address: str) -> None:
        place = f"command 0x{request.command_id:02x} of cluster 0x{request.cluster_id:04x}"
        definition = cluster.server_commands.get(request.command_id)
        if definition is None:
            raise LocalProtocolError(f"could not send {place}: unknown here")
        try:
            definition.schema(**request.fields).serialize()
        except (TypeError, ValueError, AttributeError):
            # The library's complaint could repeat a value.
            raise LocalProtocolError(f"could not encode {place}: its fields do not fit") from None
        self.what = f"send {definition.name} to {address}"
        self._cluster, self._request, self._definition = cluster, request, definition
        self._address = address

    async def send(self, deadline_s: float) -> Any:
        return await self._cluster.request(
            False,
            self._definition.id,
            self._definition.schema,
            timeout=deadline_s,
            retries=0,
            **self._request.fields,
        )

    def overheard(self, answer: Any) -> ClusterCommandReceived | None:
        """What the node said by itself and the library took for the answer.

        zigpy finds the request by endpoint, cluster and number only, and a node numbers its own
        words from 0 to 255 as well: one in 256 has the number of a question that is open.
        """
        command = getattr(answer, "command", None)
        request = self._request
        if command is None or int(command.id) == request.command_id:
            return None
        fields = fields_of(answer)
        if command.name == "default_response" or "command_id" in fields:
            return None
        place = self._address, request.endpoint, request.cluster_id
        return ClusterCommandReceived(*place, int(command.id), fields)

    def reply(self, answer: Any) -> ClusterReply:
        command = getattr(answer, "command", None)
        if command is None:
            raise PeerProtocolError(f"could not {self.what}: the answer is unknown")
        fields = fields_of(answer)
        if command.name == "default_response" or "command_id" in fields:
            return ClusterReply(self._request.command_id, fields, is_default_response=True)
        if int(command.id) != self._request.command_id:
            lost = Unreachable if self._request.asks_only else OutcomeUnknown
            raise lost(f"could not {self.what}: something else was answered")
        return ClusterReply(int(command.id), fields)


async def read(cluster: Any, request: ReadAttributes, deadline_s: float) -> ClusterReply:
    values: dict[str, object] = {}
    for start in range(0, len(request.attributes), READ_AT_ONCE):
        chunk = list(request.attributes[start : start + READ_AT_ONCE])
        answer = await cluster.read_attributes_raw(chunk, timeout=deadline_s, retries=0)
        records = getattr(answer, "status_records", None)
        if records is None:
            raise refused("read attributes", int(getattr(answer, "status", 0x01)))
        for record in records:
            if not record.status:
                values[str(int(record.attrid))] = plain(record.value.value)
    return ClusterReply(0x01, values)


async def write(cluster: Any, request: WriteAttributes, deadline_s: float, what: str) -> None:
    """`DeviceRefused` for the first attribute that was not taken."""
    values = dict(request.values)
    (records,) = await cluster.write_attributes(values, timeout=deadline_s, retries=0)
    _raise_first(what, (record.status for record in records))


async def bind(cluster: Any, request: BindAndReport, what: str) -> None:
    """Doing it twice does no harm, so the library may."""
    answer = await cluster.bind()
    _raise_first(what, (answer[0],))
    config = {
        cluster.find_attribute(attribute): ReportingConfig(least, most, change)
        for attribute, (least, most, change) in request.attributes.items()
    }
    if config:
        statuses = await cluster.configure_reporting_multiple(config)
        _raise_first(what, statuses.values())


def _raise_first(what: str, statuses: Any) -> None:
    for status in statuses:
        if status:
            raise refused(what, int(status))
