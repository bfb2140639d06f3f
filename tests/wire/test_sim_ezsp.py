"""EZSP at the NCP's end: header bytes, field widths, and the order of response and callback.

Origin of the vectors: written out by hand from UG100 for this test; the widths of every layout
are compared with the tables of bellows 1.2.1, which were written independently of ours.
"""

from __future__ import annotations

from typing import Any

import bellows.ezsp  # type: ignore[import-untyped]  # bellows has no types
import bellows.types  # type: ignore[import-untyped]  # bellows has no types
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zigpy.types import Struct

from firmware_sims.zigbee import ezsp
from firmware_sims.zigbee.ash import Deframer, data_frame, enclose, randomise
from firmware_sims.zigbee.ezsp import Layout, Status, layout
from firmware_sims.zigbee.ezsp_commands import SUPPORTED_VERSIONS, schema
from firmware_sims.zigbee.ncp import SimulatedNcp
from firmware_sims.zigbee.network import Network

VERSION_4_LEGACY = bytes.fromhex("07 00 00 04")
VERSION_13_EXTENDED = bytes.fromhex("08 00 01 0000 0D")
NETWORK_INIT = bytes.fromhex("0A 00 01 1700 0000")


def their_table(version: int) -> dict[str, tuple[int, Any, Any]]:
    return bellows.ezsp.EZSP._BY_VERSION[version].COMMANDS  # type: ignore[no-any-return]  # bellows has no types  # noqa: SLF001 - the only public way runs a host


def widths(fields: dict[str, Any]) -> list[int | str]:
    """Flatten a bellows schema to the widths of its fields; "L" is a length and bytes."""
    flat: list[int | str] = []
    for kind in fields.values():
        if issubclass(kind, bellows.types.LVBytes) or kind.__name__ == "AnonymousLVList":
            flat.append("L")
        elif issubclass(kind, Struct):
            flat += widths({f.name: f.type for f in kind.fields})
        else:
            _, rest = kind.deserialize(bytes(64))
            flat.append(64 - len(rest))
    return flat


def our_widths(shape: Layout) -> list[int | str]:
    sizes = {"B": 1, "b": 1, "H": 2, "I": 4, "Q": 8, "s": 16}
    letters = shape.packer.format.removeprefix("<").replace("16s", "s")
    return [sizes[c] for c in letters] + (["L"] if shape.tail_kind == "L" else [])


@pytest.mark.parametrize("version", SUPPORTED_VERSIONS)
def test_every_layout_is_as_wide_as_an_independent_table_says(version: int) -> None:
    theirs = their_table(version)
    compared = 0
    for command in schema(version).commands.values():
        frame_id, request, response = theirs[command.name]
        assert command.frame_id == frame_id, command.name
        for ours, other in ((command.request, request), (command.response, response)):
            if ours.tail_kind == "R" or not isinstance(other, dict):
                continue
            assert our_widths(ours) == widths(other), command.name
            compared += 1
    for name, (frame_id, shape) in schema(version).callbacks.items():
        assert frame_id == theirs[name][0]
        assert our_widths(shape) == widths(theirs[name][2]), name
        compared += 1
    assert compared > 150


@given(
    st.integers(0, 255),
    st.integers(0, 2**16 - 1),
    st.integers(0, 2**64 - 1),
    st.binary(max_size=90),
)
def test_fields_come_back_as_they_went(a: int, b: int, c: int, tail: bytes) -> None:
    shape = layout("a:B b:H c:Q tail:L", unified_status=True)
    fields = {"a": a, "b": b, "c": c, "tail": tail}
    assert shape.unpack(shape.pack(fields)) == fields


@pytest.mark.parametrize("status", Status)
def test_a_status_has_its_value_and_width_in_each_encoding(status: Status) -> None:
    fields = {"e": status, "z": status, "s": status}
    old = layout("e:E z:Z s:S", unified_status=False).pack(fields)
    new = layout("e:E z:Z s:S", unified_status=True).pack(fields)
    assert old == bytes((status.ember, status.ezsp)) + status.sl.to_bytes(4, "little")
    assert new == status.sl.to_bytes(4, "little") * 3
    assert bellows.types.EmberStatus(status.ember).name.removeprefix("EMBER_")
    assert bellows.types.sl_Status(status.sl).name.removeprefix("ZIGBEE_")


def test_what_a_host_leaves_out_reads_as_zero_and_a_cut_tail_is_refused() -> None:
    shape = layout("key:K flags:B tail:L", unified_status=True)
    assert shape.unpack(bytes(16))["flags"] == 0
    with pytest.raises(ezsp.EzspError) as refused:
        shape.unpack(bytes(17) + b"\x05abc")
    assert refused.value.code == ezsp.TRUNCATED


class Wire:
    """A host that sees every EZSP frame; acknowledges each DATA frame at once."""

    def __init__(self, ncp: SimulatedNcp) -> None:
        self.frames: list[bytes] = []
        self._deframer = Deframer()
        self._in = self._out = 0
        self._session = ncp.connect(write=self._read, drop=lambda: None)
        self._session.receive(enclose(b"\xc0"))

    def _read(self, data: bytes) -> None:
        for frame in self._deframer.feed(data):
            if frame is not None and not frame[0] & 0x80:
                self._in = (self._in + 1) & 7
                self.frames.append(randomise(frame[1:]))

    def say(self, payload: bytes) -> list[bytes]:
        """Send a command and return the frames that came because of it."""
        before = len(self.frames)
        self._session.receive(enclose(data_frame(self._out, self._in, payload)))
        self._out = (self._out + 1) & 7
        self._session.receive(enclose(bytes((0x80 | self._in,))))
        return self.frames[before:]


@pytest.fixture
async def ncp() -> SimulatedNcp:
    return SimulatedNcp(Network())


async def test_the_version_is_agreed_in_the_legacy_format_first(ncp: SimulatedNcp) -> None:
    wire = Wire(ncp)
    assert wire.say(VERSION_4_LEGACY) == [bytes.fromhex("07 80 00 0D 02 5074")]
    assert wire.say(VERSION_13_EXTENDED) == [bytes.fromhex("08 80 01 0000 0D 02 5074")]


async def test_extended_frames_are_taken_after_one_exchange(ncp: SimulatedNcp) -> None:
    wire = Wire(ncp)
    wire.say(VERSION_4_LEGACY)
    assert wire.say(NETWORK_INIT) == [bytes.fromhex("0A 80 01 1700 93")]  # NOT_JOINED


async def test_nothing_but_version_before_the_version(ncp: SimulatedNcp) -> None:
    wire = Wire(ncp)
    assert wire.say(NETWORK_INIT) == [bytes.fromhex("0A 80 01 5800 30")]  # VERSION_NOT_SET


@pytest.mark.parametrize(("version", "status"), [(13, "31"), (18, "31000000")])
async def test_an_unknown_command_is_called_invalid(version: int, status: str) -> None:
    wire = Wire(SimulatedNcp(Network(), ezsp_version=version))
    wire.say(VERSION_4_LEGACY)
    assert wire.say(bytes.fromhex("0B 00 01 FF0F")) == [
        bytes.fromhex("0B 80 01 5800") + bytes.fromhex(status)
    ]


async def test_a_callback_follows_its_response_and_carries_its_sequence(ncp: SimulatedNcp) -> None:
    wire = Wire(ncp)
    wire.say(VERSION_4_LEGACY)
    ncp.nvm.coordinator.formed = True
    assert wire.say(NETWORK_INIT) == [
        bytes.fromhex("0A 80 01 1700 00"),
        bytes.fromhex("0A 90 01 1900 90"),  # stackStatusHandler(NETWORK_UP)
    ]


async def test_an_endpoint_that_does_not_exist_gets_an_error_and_two_bytes(
    ncp: SimulatedNcp,
) -> None:
    wire = Wire(ncp)
    wire.say(VERSION_4_LEGACY)
    assert wire.say(bytes.fromhex("0C 00 01 0300 00 01000000")) == [
        bytes.fromhex("0C 80 01 0300 36 02 0000")
    ]


async def test_a_reset_forgets_endpoints_and_version_but_not_the_network(ncp: SimulatedNcp) -> None:
    ncp.nvm.coordinator.formed = True
    wire = Wire(ncp)
    wire.say(VERSION_4_LEGACY)
    wire.say(NETWORK_INIT)
    assert ncp.network_key is not None
    again = Wire(ncp)
    assert again.say(NETWORK_INIT) == [bytes.fromhex("0A 80 01 5800 30")]
    again.say(VERSION_4_LEGACY)
    assert again.say(NETWORK_INIT)[0] == bytes.fromhex("0A 80 01 1700 00")
