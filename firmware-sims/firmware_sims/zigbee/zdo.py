"""The ZDO server that every node has: descriptors, addresses, bindings, neighbours, leaving.

Here: requests in, responses out, as bytes. Not here: transport and joining (``network``).
Fact source: Zigbee specification 05-3474-21 §2.4 (clusters, layouts, statuses).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from firmware_sims.zigbee.application import EndpointDescriptor

SUCCESS, INVALID_REQUEST, NOT_FOUND, INVALID_ENDPOINT = 0x00, 0x80, 0x81, 0x82
NOT_SUPPORTED, NO_ENTRY = 0x84, 0x88
DEVICE_ANNOUNCE, PARENT_ANNOUNCE, MGMT_LEAVE = 0x0013, 0x001F, 0x0034
_RESPONSE = 0x8000
_UNICAST_MODE = 3


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A row of Mgmt_Lqi_rsp."""

    extended_pan_id: int
    eui64: int
    node_id: int
    device_type: int  # 0 coordinator, 1 router, 2 end device
    rx_on_when_idle: bool
    lqi: int


class ZdoSubject(Protocol):
    """The node that answers."""

    @property
    def node_id(self) -> int: ...
    @property
    def eui64(self) -> int: ...
    @property
    def logical_type(self) -> int: ...
    @property
    def mac_capabilities(self) -> int: ...
    @property
    def manufacturer_code(self) -> int: ...
    @property
    def endpoints(self) -> Sequence[EndpointDescriptor]: ...
    @property
    def bindings(self) -> set[tuple[int, int]]: ...
    @property
    def coordinator_eui64(self) -> int: ...

    def neighbours(self) -> Sequence[Neighbour]: ...
    def bindings_changed(self) -> None: ...


def announcement(subject: ZdoSubject, sequence: int) -> bytes:
    """Build a Device_annce."""
    return struct.pack("<BHQB", sequence, subject.node_id, subject.eui64, subject.mac_capabilities)


def leave_requested(payload: bytes, own_eui64: int) -> bool | None:
    """Read a Mgmt_Leave_req: None when it is for another device, else whether to rejoin."""
    eui64 = int.from_bytes(payload[1:9], "little")
    if eui64 not in (0, own_eui64):
        return None
    return bool(payload[9:10] and payload[9] & 0x80)


def answer(
    subject: ZdoSubject, cluster: int, payload: bytes, *, broadcast: bool = False
) -> tuple[int, bytes] | None:
    """Answer a request: response cluster and payload, or None where the spec wants silence."""
    if cluster & _RESPONSE or cluster in (DEVICE_ANNOUNCE, PARENT_ANNOUNCE) or not payload:
        return None
    body = payload[1:]
    handler = _HANDLERS.get(cluster)
    if handler is None:
        return None if broadcast else (cluster | _RESPONSE, bytes((payload[0], NOT_SUPPORTED)))
    try:
        result = handler(subject, body, broadcast)
    except (struct.error, IndexError):
        result = bytes((INVALID_REQUEST,))
    return None if result is None else (cluster | _RESPONSE, payload[:1] + result)


def _addresses(subject: ZdoSubject, status: int = SUCCESS) -> bytes:
    return struct.pack("<BQH", status, subject.eui64, subject.node_id)


def _nwk_addr(subject: ZdoSubject, body: bytes, broadcast: bool) -> bytes | None:
    (eui64,) = struct.unpack_from("<Q", body)
    if eui64 == subject.eui64:
        return _addresses(subject)
    return None if broadcast else struct.pack("<BQH", NOT_FOUND, eui64, 0xFFFF)


def _ieee_addr(subject: ZdoSubject, body: bytes, broadcast: bool) -> bytes | None:
    (node_id,) = struct.unpack_from("<H", body)
    if node_id == subject.node_id:
        return _addresses(subject)
    return None if broadcast else struct.pack("<BQH", NOT_FOUND, 0, node_id)


def _of_interest(subject: ZdoSubject, body: bytes) -> bytes:
    """Status and address that open the responses about one node."""
    (node_id,) = struct.unpack_from("<H", body)
    status = SUCCESS if node_id == subject.node_id else INVALID_REQUEST
    return struct.pack("<BH", status, node_id)


def _node_desc(subject: ZdoSubject, body: bytes, _: bool) -> bytes:
    head = _of_interest(subject, body)
    if head[0] != SUCCESS:
        return head
    return head + struct.pack(
        "<BBBHBHHHB",
        subject.logical_type,
        0x40,  # 2.4 GHz
        subject.mac_capabilities,
        subject.manufacturer_code,
        82,
        255,
        22 << 9 | (1 if subject.logical_type == 0 else 0),  # revision 22; primary trust centre
        255,
        0,
    )


def _power_desc(subject: ZdoSubject, body: bytes, _: bool) -> bytes:
    head = _of_interest(subject, body)
    mains = bool(subject.mac_capabilities & 0x04)
    # receiver on when idle / periodically; source mains / disposable battery; level 100 %
    return head + struct.pack("<H", 0xC110 if mains else 0xC441)


def _simple_desc(subject: ZdoSubject, body: bytes, _: bool) -> bytes:
    head, number = _of_interest(subject, body), body[2]
    found = next((e for e in subject.endpoints if e.endpoint == number), None)
    if found is None:
        return bytes((INVALID_ENDPOINT,)) + head[1:] + b"\0"
    descriptor = struct.pack("<BHHB", number, found.profile_id, found.device_type, 0)
    for clusters in (found.input_clusters, found.output_clusters):
        descriptor += struct.pack(f"<B{len(clusters)}H", len(clusters), *clusters)
    return head + bytes((len(descriptor),)) + descriptor


def _active_ep(subject: ZdoSubject, body: bytes, _: bool) -> bytes:
    numbers = bytes(e.endpoint for e in subject.endpoints)
    return _of_interest(subject, body) + bytes((len(numbers),)) + numbers


def _match_desc(subject: ZdoSubject, body: bytes, broadcast: bool) -> bytes | None:
    node_id, profile, count = struct.unpack_from("<HHB", body)
    inputs = struct.unpack_from(f"<{count}H", body, 5)
    outputs = struct.unpack_from(f"<{body[5 + 2 * count]}H", body, 6 + 2 * count)
    numbers = bytes(
        e.endpoint
        for e in subject.endpoints
        if e.profile_id == profile
        and (set(inputs) & set(e.input_clusters) or set(outputs) & set(e.output_clusters))
    )
    if broadcast and not numbers:
        return None
    reply_id = subject.node_id if broadcast else node_id
    return struct.pack("<BHB", SUCCESS, reply_id, len(numbers)) + numbers


def _binding(subject: ZdoSubject, body: bytes) -> tuple[int, tuple[int, int]]:
    eui64, endpoint, cluster, mode = struct.unpack_from("<QBHB", body)
    if eui64 != subject.eui64:
        return NOT_SUPPORTED, (0, 0)
    if endpoint not in {e.endpoint for e in subject.endpoints}:
        return INVALID_ENDPOINT, (0, 0)
    if mode == _UNICAST_MODE:
        (target,) = struct.unpack_from("<Q", body, 12)
        if target != subject.coordinator_eui64:
            return NOT_SUPPORTED, (0, 0)  # bindings between devices are not simulated
    return SUCCESS, (endpoint, cluster)


def _bind(subject: ZdoSubject, body: bytes, _: bool) -> bytes:
    status, entry = _binding(subject, body)
    if status == SUCCESS:
        subject.bindings.add(entry)
        subject.bindings_changed()
    return bytes((status,))


def _unbind(subject: ZdoSubject, body: bytes, _: bool) -> bytes:
    status, entry = _binding(subject, body)
    if status == SUCCESS:
        if entry not in subject.bindings:
            return bytes((NO_ENTRY,))
        subject.bindings.discard(entry)
        subject.bindings_changed()
    return bytes((status,))


def _table(rows: Sequence[bytes], start: int, limit: int) -> bytes:
    page = rows[start : start + limit]
    return bytes((SUCCESS, len(rows), start, len(page))) + b"".join(page)


def _mgmt_lqi(subject: ZdoSubject, body: bytes, _: bool) -> bytes:
    rows = [
        struct.pack(
            "<QQHBBBB",
            n.extended_pan_id,
            n.eui64,
            n.node_id,
            n.device_type | int(n.rx_on_when_idle) << 2 | (1 if n.device_type == 2 else 0) << 4,
            0x02,
            0 if n.device_type == 0 else 1,
            n.lqi,
        )
        for n in subject.neighbours()
    ]
    return _table(rows, body[0], 2)


def _mgmt_rtg(_: ZdoSubject, body: bytes, __: bool) -> bytes:
    return _table((), body[0], 1)  # everyone hears the coordinator: no routes


def _mgmt_bind(subject: ZdoSubject, body: bytes, _: bool) -> bytes:
    rows = [
        struct.pack("<QBHBQB", subject.eui64, ep, cluster, 3, subject.coordinator_eui64, 1)
        for ep, cluster in sorted(subject.bindings)
    ]
    return _table(rows, body[0], 2)


def _mgmt_leave(subject: ZdoSubject, body: bytes, _: bool) -> bytes:
    for_me = leave_requested(b"\0" + body, subject.eui64) is not None
    return bytes((SUCCESS if for_me else NOT_SUPPORTED,))


def _mgmt_permit(_: ZdoSubject, __: bytes, broadcast: bool) -> bytes | None:
    return None if broadcast else bytes((SUCCESS,))


_HANDLERS: dict[int, Callable[[ZdoSubject, bytes, bool], bytes | None]] = {
    0x0000: _nwk_addr,
    0x0001: _ieee_addr,
    0x0002: _node_desc,
    0x0003: _power_desc,
    0x0004: _simple_desc,
    0x0005: _active_ep,
    0x0006: _match_desc,
    0x0021: _bind,
    0x0022: _unbind,
    0x0031: _mgmt_lqi,
    0x0032: _mgmt_rtg,
    0x0033: _mgmt_bind,
    MGMT_LEAVE: _mgmt_leave,
    0x0036: _mgmt_permit,
}
