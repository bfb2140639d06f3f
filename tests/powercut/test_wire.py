"""Messages and orders are read from bytes however they were cut."""

from __future__ import annotations

import json

import pytest

from firmware_sims.zigbee.ash import data_frame, enclose
from firmware_sims.zigbee.ezsp_commands import schema
from tests.powercut.images import Kind, Op
from tests.powercut.wire import EZSP, Said, Taken, Unlocked, Utterance, Written, utterances

BROKER, STICK = 1883, 6638
FD = 9


def heard(*ops: Op, port: int) -> list[tuple[int, Utterance]]:
    return list(
        utterances([Op(Kind.CONNECT, FD, number=port), *ops], broker_port=BROKER, stick_port=STICK)
    )


def publish(topic: str, number: int, message: object) -> bytes:
    """MQTT 5, 3.3: QoS 1, one property (message expiry)."""
    name, properties = topic.encode(), b"\x02" + (60).to_bytes(4)
    body = len(name).to_bytes(2) + name + number.to_bytes(2)
    body += bytes((len(properties),)) + properties + json.dumps(message).encode()
    length, size = b"", len(body)
    while size > 127:
        length, size = length + bytes((size & 0x7F | 0x80,)), size >> 7
    return b"\x32" + length + bytes((size,)) + body


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_message_is_said_with_its_last_byte(size: int) -> None:
    message = {"text": "x" * 300}
    data = publish("lockgw/v1/x/up/events", 7, message)
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    ops = [Op(Kind.SEND, FD, data=part) for part in parts]
    assert heard(*ops, port=BROKER) == [(len(parts), Said("events", message))]
    assert heard(*ops, port=4711) == []
    assert heard(*ops[:-1], port=BROKER) == []


def test_an_acknowledgement_is_of_the_message_with_its_number() -> None:
    orders = [publish(f"lockgw/v1/x/dn/{leaf}", n, {"n": n}) for n, leaf in ((1, "a"), (2, "b"))]
    received = Op(Kind.RECEIVE, FD, data=b"".join(orders))
    acknowledged = Op(Kind.SEND, FD, data=b"\x40\x02\x00\x02")
    assert heard(received, acknowledged, port=BROKER) == [(2, Taken("b", {"n": 2}))]


def unicast(cluster: int, frame: bytes, *, again: bool = False) -> bytes:
    """EZSP in ASH, as a host sends it."""
    command = next(c for c in schema(EZSP).commands.values() if c.name == "sendUnicast")
    fields = {"destination": 0x1234, "cluster": cluster, "message": frame}
    head = bytes((5, 0, 1)) + command.frame_id.to_bytes(2, "little")
    return enclose(data_frame(1, 2, head + command.request.pack(fields), again=again))


@pytest.mark.parametrize(
    ("frame", "order"),
    [
        ("01 05 05 0300 01 00 04 31323334", Written(0x1234, 3, erases=False, at_ns=11)),
        ("01 05 07 0300", Written(0x1234, 3, erases=True, at_ns=11)),
        ("01 05 0E 01 0300", Written(0x1234, 3, erases=False, at_ns=11)),
        ("01 05 10 01 0300", Written(0x1234, 3, erases=True, at_ns=11)),
        ("01 05 01", Unlocked(0x1234)),
    ],
)
def test_an_order_to_a_lock_is_recognised(frame: str, order: Utterance) -> None:
    data = unicast(0x0101, bytes.fromhex(frame))
    ops = [Op(Kind.SEND, FD, data=part, at_ns=11) for part in (data[:9], data[9:])]
    assert heard(*ops, port=STICK) == [(2, order)]


@pytest.mark.parametrize(
    "data",
    [
        unicast(0x0101, bytes.fromhex("01 05 06 0300")),  # a question: get a code
        unicast(0x0101, bytes.fromhex("00 05 05 0300")),  # a command of every cluster
        unicast(0x0001, bytes.fromhex("01 05 05 0300")),  # another cluster
        unicast(0x0101, bytes.fromhex("01 05 05 0300"), again=True),  # sent before
        bytes.fromhex("c038bc7e"),  # a reset
    ],
)
def test_what_orders_nothing_is_passed_over(data: bytes) -> None:
    assert heard(Op(Kind.SEND, FD, data=data), port=STICK) == []
