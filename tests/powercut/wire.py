"""What a recorded process said and heard, and at which place of its record.

Two conversations are understood, from their bytes: MQTT with the broker, and the stick's serial
line (ASH, EZSP) as far as orders to locks go. A message is said when its last byte was handed to
the kernel: from there on the world may act on it, whatever becomes of the process. Not here: what a
disk must hold because of it (`promises`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from firmware_sims.zigbee.ash import Deframer, randomise
from firmware_sims.zigbee.ezsp import parse_request
from firmware_sims.zigbee.ezsp_commands import schema
from tests.powercut.images import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.powercut.images import Op

EZSP = 13
"""The version of the simulated stick, as the worlds of the house tests name it."""

_DOOR_LOCK = 0x0101
_UNLOCK = 0x01
_USER_AT = {0x05: 0, 0x07: 0, 0x09: 0, 0x14: 0, 0x0B: 1, 0x0D: 1, 0x0E: 1, 0x10: 1}
"""Commands that write to one user of a lock -> where its id is in the payload (ZCL 7.3.2.16)."""
_ERASES = frozenset({0x07, 0x0D, 0x10})

_PUBLISH, _PUBACK = 3, 4
_DATA_MASK, _AGAIN = 0x80, 0x08


class Said(NamedTuple):
    """A message of the gateway to the cloud. `leaf`: the end of its topic."""

    leaf: str
    message: dict[str, Any]


class Taken(NamedTuple):
    """The gateway's PUBACK for a message of the cloud."""

    leaf: str
    message: dict[str, Any]


class Written(NamedTuple):
    """An order that changes one user of a lock, on its way to the stick."""

    node: int
    user: int
    erases: bool
    at_ns: int


class Unlocked(NamedTuple):
    """An order to open, on its way to the stick."""

    node: int


Utterance = Said | Taken | Written | Unlocked


@dataclass(slots=True)
class _Broker:
    """One connection to the broker, both ways."""

    out: bytearray = field(default_factory=bytearray)
    into: bytearray = field(default_factory=bytearray)
    waiting: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    """Received and not yet acknowledged, by packet id."""

    def received(self, data: bytes) -> None:
        self.into += data
        for kind, flags, body in _packets(self.into):
            if kind == _PUBLISH and flags & 0x06:
                topic, number, payload = _publish(body)
                self.waiting[number] = (topic, payload)

    def sent(self, data: bytes) -> Iterator[Utterance]:
        self.out += data
        for kind, flags, body in _packets(self.out):
            if kind == _PUBLISH and flags & 0x06:
                topic, _, payload = _publish(body)
                yield Said(topic.rsplit("/", 1)[-1], json.loads(payload))
            elif kind == _PUBACK:
                known = self.waiting.pop(int.from_bytes(body[:2]), None)
                if known is not None:
                    yield Taken(known[0].rsplit("/", 1)[-1], json.loads(known[1]))


@dataclass(slots=True)
class _Stick:
    """One connection to the stick; only what goes there is read."""

    deframer: Deframer = field(default_factory=Deframer)

    def received(self, data: bytes) -> None:
        """Nothing: what a lock answers is no promise of ours."""

    def sent(self, data: bytes, at_ns: int) -> Iterator[Utterance]:
        for frame in self.deframer.feed(data):
            if frame is None or frame[0] & _DATA_MASK or frame[0] & _AGAIN:
                continue
            request = parse_request(randomise(frame[1:]))
            command = schema(EZSP).commands.get(request.frame_id)
            if not request.extended or command is None or command.name != "sendUnicast":
                continue
            fields = command.request.unpack(request.parameters)
            if fields["cluster"] == _DOOR_LOCK:
                yield from _order(fields["destination"], fields["message"], at_ns)


def _order(node: int, frame: bytes, at_ns: int) -> Iterator[Utterance]:
    if frame[0] & 0x03 != 0x01:
        return  # a command of every cluster: reading attributes
    head = 5 if frame[0] & 0x04 else 3
    command, payload = frame[head - 1], frame[head:]
    if command == _UNLOCK:
        yield Unlocked(node)
    elif command in _USER_AT:
        at = _USER_AT[command]
        user = int.from_bytes(payload[at : at + 2], "little")
        yield Written(node, user, command in _ERASES, at_ns)


def utterances(
    ops: Iterable[Op], *, broker_port: int, stick_port: int
) -> Iterator[tuple[int, Utterance]]:
    """With the index of the operation that completed it."""
    streams: dict[int, _Broker | _Stick | None] = {}
    for index, op in enumerate(ops):
        if op.kind is Kind.CONNECT:
            streams[op.fd] = {broker_port: _Broker, stick_port: _Stick}.get(op.number, _none)()
            continue
        if op.kind not in (Kind.SEND, Kind.RECEIVE):
            continue
        match streams.get(op.fd), op.kind:
            case None, _:
                pass
            case stream, Kind.RECEIVE:
                stream.received(op.data)
            case _Broker() as stream, _:
                yield from ((index, said) for said in stream.sent(op.data))
            case _Stick() as stream, _:
                yield from ((index, said) for said in stream.sent(op.data, op.at_ns))


def _none() -> None:
    """Somebody else's connection."""


# ── MQTT 5 (OASIS standard), as far as publishing goes ──────────────────────────────────


def _packets(buffer: bytearray) -> Iterator[tuple[int, int, bytes]]:
    """Type, flags and body of what is complete, taken out of the buffer."""
    while len(buffer) > 1:
        length, at = 0, 1
        for shift in range(0, 28, 7):
            if at >= len(buffer):
                return
            byte = buffer[at]
            at += 1
            length |= (byte & 0x7F) << shift
            if not byte & 0x80:
                break
        if len(buffer) < at + length:
            return
        first, body = buffer[0], bytes(buffer[at : at + length])
        del buffer[: at + length]
        yield first >> 4, first & 0x0F, body


def _publish(body: bytes) -> tuple[str, int, bytes]:
    """Topic, packet id and payload of a PUBLISH with QoS 1."""
    size = int.from_bytes(body[:2])
    topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
    number, rest = int.from_bytes(rest[:2]), rest[2:]
    properties, at = 0, 0
    while True:
        byte = rest[at]
        properties |= (byte & 0x7F) << 7 * at
        at += 1
        if not byte & 0x80:
            break
    return topic, number, rest[at + properties :]
