"""The simulators' ZCL codec against golden bytes and against zigpy's serialisation.

Origin of the golden frames: written by hand from ZCL 8 (07-5123), 2.4 and 2.5, except where a test
says that zigpy 2.4 made them.
"""

# zigpy leaves its constructors untyped.
# mypy: disable-error-code="no-untyped-call"

from typing import Any

import pytest
import zigpy.types as t
from hypothesis import given
from hypothesis import strategies as st
from zigpy.zcl import foundation

from firmware_sims.zigbee import zcl
from firmware_sims.zigbee.zcl import Frame, General, Malformed, Reader, Status, Type

GOLDEN = [
    # read attributes 0x0004, 0x0005, sequence 0x2A: profile-wide, client to server
    ("002a0004000500", Frame(0x2A, General.READ_ATTRIBUTES, bytes.fromhex("04000500"))),
    # default response to command 0x05 with UNSUP_CLUSTER_COMMAND, from the server
    (
        "182a0b0581",
        Frame(0x2A, 0x0B, bytes.fromhex("0581"), from_server=True, no_default_response=True),
    ),
    # set_pin_code(user 3, enabled, unrestricted, "1234"), cluster specific
    (
        "01110503000100" + "0431323334",
        Frame(0x11, 0x05, bytes.fromhex("030001000431323334"), cluster_specific=True),
    ),
    # manufacturer specific (0x101D) cluster command 0x00
    ("051d101100", Frame(0x11, 0x00, b"", cluster_specific=True, manufacturer=0x101D)),
]


def zigpy_type(type_id: int) -> Any:
    """What zigpy 2.4 knows of a data type."""
    return foundation.DataType.from_type_id(foundation.DataTypeId(type_id))


@pytest.mark.parametrize(("wire", "frame"), GOLDEN)
def test_golden_frames(wire: str, frame: Frame) -> None:
    assert frame.encode().hex() == wire
    assert Frame.parse(bytes.fromhex(wire)) == frame


@pytest.mark.parametrize("wire", ["", "01", "0111", "051d", "03112233"])
def test_frames_that_are_none(wire: str) -> None:
    with pytest.raises(Malformed):
        Frame.parse(bytes.fromhex(wire))


@given(
    sequence=st.integers(0, 255),
    command=st.integers(0, 255),
    payload=st.binary(max_size=40),
    cluster_specific=st.booleans(),
    from_server=st.booleans(),
    silent=st.booleans(),
    manufacturer=st.none() | st.integers(0, 0xFFFF),
)
def test_every_header_is_read_by_zigpy_as_it_was_meant(
    sequence: int,
    command: int,
    payload: bytes,
    cluster_specific: bool,
    from_server: bool,
    silent: bool,
    manufacturer: int | None,
) -> None:
    frame = Frame(sequence, command, payload, cluster_specific, from_server, silent, manufacturer)
    wire = frame.encode()
    assert Frame.parse(wire) == frame
    header, rest = foundation.ZCLHeader.deserialize(wire)
    assert rest == payload
    assert header.tsn == sequence
    assert header.command_id == command
    assert header.manufacturer == manufacturer
    assert header.frame_control.is_cluster == cluster_specific
    assert bool(header.frame_control.direction) == from_server
    assert bool(header.frame_control.disable_default_response) == silent


@pytest.mark.parametrize(
    ("type_id", "value", "theirs"),
    [
        (Type.BOOL, 1, t.Bool.true),
        (Type.MAP8, 0x81, t.bitmap8(0x81)),
        (Type.UINT16, 0x1234, t.uint16_t(0x1234)),
        (Type.UINT32, 0xDEADBEEF, t.uint32_t(0xDEADBEEF)),
        (Type.INT32, -3600, t.int32s(-3600)),
        (Type.ENUM8, 2, t.enum8(2)),
        (Type.STRING, b"YRD256 TSDB", t.CharacterString("YRD256 TSDB")),
        (Type.UTC, 800_000_000, t.UTCTime(800_000_000)),
    ],
)
def test_values_are_zigpys_bytes(type_id: Type, value: zcl.Value, theirs: object) -> None:
    wire = zcl.encode(type_id, value)
    assert wire == theirs.serialize()  # type: ignore[attr-defined]  # every zigpy type has it
    assert Reader(wire).value(type_id) == value
    assert zigpy_type(type_id).python_type.deserialize(wire)[1] == b""


def test_every_type_that_is_sized_here_has_that_size_in_zigpy() -> None:
    for type_id in range(0x08, 0x40):
        try:
            theirs = zigpy_type(type_id).python_type
            size = len(theirs(0).serialize())
        except (KeyError, TypeError, ValueError):
            continue
        assert len(zcl.encode(type_id, 0)) == size, hex(type_id)


def test_which_types_carry_a_reportable_change_agrees_with_zigpy() -> None:
    for type_id in Type:
        theirs = zigpy_type(type_id).type_class
        assert zcl.analogue(type_id) == (theirs is foundation.DataClass.Analog), type_id


def test_a_default_response_reads_as_one_in_zigpy() -> None:
    request = Frame(7, 0x05, b"", cluster_specific=True)
    wire = request.default_response(Status.UNSUP_CLUSTER_COMMAND).encode()
    header, rest = foundation.ZCLHeader.deserialize(wire)
    command = foundation.GENERAL_COMMANDS[foundation.GeneralCommand.Default_Response]
    schema: Any = command.schema
    answer, rest = schema.deserialize(rest)
    assert (header.tsn, answer.command_id, rest) == (7, 5, b"")
    assert answer.status is foundation.Status.UNSUP_CLUSTER_COMMAND


@pytest.mark.parametrize("data", [b"\x05abc", b"", b"\x42"])
def test_a_string_that_is_not_all_there_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        Reader(data).string()


def test_an_invalid_string_reads_as_empty() -> None:
    assert Reader(b"\xff").string() == b""
