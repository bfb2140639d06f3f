"""The ZDO server's bytes.

Origin of the vectors: written out by hand from Zigbee specification 05-3474-21 §2.4; the same
answers are read back by zigpy's own definitions, which were written independently of ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import zigpy.zdo.types as zdo_t
from hypothesis import given
from hypothesis import strategies as st

from firmware_sims.zigbee import zdo
from firmware_sims.zigbee.application import EndpointDescriptor

if TYPE_CHECKING:
    from collections.abc import Sequence

LOCK = EndpointDescriptor(1, 0x0104, 0x000A, (0x0000, 0x0101), (0x0019,))
COORDINATOR = 0x0013A200DEC0DE01


@dataclass
class Subject:
    """A lock on batteries."""

    node_id: int = 0x1234
    eui64: int = 0x00124B0000000001
    logical_type: int = 2
    mac_capabilities: int = 0x80
    manufacturer_code: int = 0x101D
    endpoints: Sequence[EndpointDescriptor] = (LOCK,)
    bindings: set[tuple[int, int]] = field(default_factory=set)
    coordinator_eui64: int = COORDINATOR
    stored: int = 0

    def neighbours(self) -> Sequence[zdo.Neighbour]:
        return (zdo.Neighbour(0xDDDD, COORDINATOR, 0, 0, True, 200),)

    def bindings_changed(self) -> None:
        self.stored += 1


@pytest.mark.parametrize(
    ("cluster", "request_", "response"),
    [
        (0x0000, "01 01000000004B1200 00 00", "01 00 0100000000 4B1200 3412"),
        (0x0001, "02 3412 00 00", "02 00 0100000000 4B1200 3412"),
        (0x0002, "03 3412", "03 00 3412 02 40 80 1D10 52 FF00 002C FF00 00"),
        (0x0002, "03 9999", "03 80 9999"),
        (0x0004, "04 3412 01", "04 00 3412 0E 01 0401 0A00 00 02 0000 0101 01 1900"),
        (0x0004, "04 3412 07", "04 82 3412 00"),
        (0x0005, "05 3412", "05 00 3412 01 01"),
        (0x0006, "06 3412 0401 01 0101 00", "06 00 3412 01 01"),
        (0x0031, "07 00", "07 00 01 00 01 DDDD000000000000 01DEC0DE00A21300 0000 04 02 00 C8"),
        (0x0034, "08 0000000000000000 00", "08 00"),
        (0x0099, "09", "09 84"),
        (0x0004, "0A", "0A 80"),
    ],
)
def test_answers(cluster: int, request_: str, response: str) -> None:
    answer = zdo.answer(Subject(), cluster, bytes.fromhex(request_))
    assert answer == (cluster | 0x8000, bytes.fromhex(response))


@pytest.mark.parametrize("cluster", [0x0000, 0x0001, 0x0006, 0x0036, 0x0099])
def test_a_broadcast_that_does_not_fit_is_met_with_silence(cluster: int) -> None:
    body = bytes.fromhex("01 9999 9999 00 00 9999999999999999")
    assert zdo.answer(Subject(), cluster, body, broadcast=True) is None


def test_binding_to_the_coordinator_is_kept_and_undone() -> None:
    subject = Subject()
    body = bytes.fromhex("01 0100000000 4B1200 01 0101 03 01DEC0DE00A21300 01")
    assert zdo.answer(subject, 0x0021, body) == (0x8021, b"\x01\x00")
    assert subject.bindings == {(1, 0x0101)}
    assert zdo.answer(subject, 0x0022, body) == (0x8022, b"\x01\x00")
    assert subject.bindings == set()
    assert zdo.answer(subject, 0x0022, body) == (0x8022, b"\x01\x88")
    assert subject.stored == 2


def test_a_leave_for_another_is_not_ours() -> None:
    assert zdo.leave_requested(bytes.fromhex("01 0200000000 4B1200 00"), Subject().eui64) is None
    assert zdo.leave_requested(bytes.fromhex("01 0100000000 4B1200 80"), Subject().eui64) is True
    assert zdo.leave_requested(bytes.fromhex("01 0000000000000000 00"), Subject().eui64) is False


@pytest.mark.parametrize("cluster", [0x8002, 0x8004, 0x8005, 0x8031, 0x8033, 0x0013])
def test_an_independent_reader_consumes_every_byte(cluster: int) -> None:
    subject = Subject(bindings={(1, 0x0101)})
    if cluster == zdo.DEVICE_ANNOUNCE:
        payload = zdo.announcement(subject, 7)
    else:
        bodies = {0x8031: b"\x07\0", 0x8033: b"\x07\0", 0x8004: b"\x07\x34\x12\x01"}
        answer = zdo.answer(subject, cluster & 0x7FFF, bodies.get(cluster, b"\x07\x34\x12"))
        assert answer is not None
        payload = answer[1]
    rest: Any = payload[1:]
    reader: Any = zdo_t
    for kind in reader.CLUSTERS[reader.ZDOCmd(cluster)][1]:
        _, rest = kind.deserialize(rest)
    assert rest == b""


@given(st.integers(0, 0x7FFF), st.binary(min_size=1, max_size=40), st.booleans())
def test_nothing_from_the_air_breaks_it(cluster: int, payload: bytes, broadcast: bool) -> None:
    answer = zdo.answer(Subject(), cluster, payload, broadcast=broadcast)
    assert answer is None or answer[1][:1] == payload[:1]
