"""The simulated radio's own codec against zigpy, which the product's radio speaks through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zigpy.zcl import foundation
from zigpy.zcl.clusters.closures import DoorLock
from zigpy.zcl.clusters.general import Alarms, PowerConfiguration, Time

from firmware_sims.zigbee.zcl import Malformed, Type
from gateway.radios.zigbee.plain import fields_of, plain, refused
from tests.simulation import plain as ours
from tests.simulation import zcl

if TYPE_CHECKING:
    from collections.abc import Mapping

CLUSTERS: Mapping[int, Any] = {
    zcl.POWER: PowerConfiguration,
    zcl.ALARMS: Alarms,
    zcl.TIME: Time,
    zcl.DOOR_LOCK: DoorLock,
}
KEYS = {"requests": sorted(zcl.REQUESTS), "answers": sorted(zcl.ANSWERS)}


def values_of(layout: zcl.Layout) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries(
        {
            name: st.integers(0, (1 << 8 * size) - 1)
            if size
            else st.text("0123456789", max_size=12)
            for name, size, _ in layout
        }
    )


@given(st.data())
def test_a_command_is_encoded_as_zigpy_encodes_it(data: st.DataObject) -> None:
    cluster, number = data.draw(st.sampled_from(KEYS["requests"]))
    fields = data.draw(values_of(zcl.REQUESTS[cluster, number]))
    expected = CLUSTERS[cluster].server_commands[number].schema(**fields).serialize()
    assert zcl.command(cluster, number, 7, fields) == bytes((1, 7, number)) + expected


@given(st.data())
def test_an_answer_is_read_as_zigpy_reads_it(data: st.DataObject) -> None:
    """Also when it is cut short, holds masked digits, or says nothing."""
    cluster, number = data.draw(st.sampled_from(KEYS["answers"]))
    body = b""
    for _, size, _ in zcl.ANSWERS[cluster, number]:
        if size:
            body += data.draw(st.binary(min_size=size, max_size=size))
        else:
            code = data.draw(st.sampled_from((b"482913", b"", b"\xff" * 6)))
            body += bytes((len(code),)) + code
    body = body[: data.draw(st.integers(0, len(body)))]
    schema = CLUSTERS[cluster].client_commands[number].schema
    answer = zcl.Answer(specific=True, sequence=1, command=number, body=body)
    try:
        expected: object = fields_of(schema.deserialize(body)[0])
    except ValueError:
        with pytest.raises(Malformed):
            zcl.fields(cluster, answer)
    else:
        assert zcl.fields(cluster, answer) == expected


@given(st.sampled_from(sorted(Type)), st.binary(min_size=4, max_size=4), st.booleans())
def test_an_attributes_value_is_read_as_zigpy_reads_it(
    kind: Type, raw: bytes, reported: bool
) -> None:
    if kind is Type.STRING:
        raw = b"\x02ab"
    if kind is Type.BOOL:
        raw = bytes((raw[0] & 1,))
    value, rest = foundation.TypeValue.deserialize(bytes((kind,)) + raw)
    raw = raw[: len(raw) - len(rest)]
    status, command = (b"", 0x0A) if reported else (b"\x00", 0x01)
    record = b"\x32\x00" + status + bytes((kind,)) + raw
    failed = b"" if reported else b"\x33\x00\x86"
    answer = zcl.Answer(specific=False, sequence=1, command=command, body=failed + record)
    assert zcl.values(answer) == {0x32: plain(value.value)}


@pytest.mark.parametrize("cluster", sorted(zcl.ATTRIBUTE_TYPES))
def test_attributes_have_the_types_zigpy_knows(cluster: int) -> None:
    known = CLUSTERS[cluster].attributes
    types = {number: int(known[number].zcl_type) for number in zcl.ATTRIBUTE_TYPES[cluster]}
    assert types == {number: int(kind) for number, kind in zcl.ATTRIBUTE_TYPES[cluster].items()}


def test_refusals_are_named_as_the_products_radio_names_them() -> None:
    for status in range(1, 256):
        one, other = ours.refused("test", status), refused("test", status)
        assert (str(one), one.refusal) == (str(other), other.refusal)


@pytest.mark.parametrize(
    "fields", [{}, {"user_id": -1}, {"user_id": 1 << 16}, {"user_id": "1"}, {"user": 1}]
)
def test_what_does_not_fit_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(zcl.Unspeakable):
        zcl.command(zcl.DOOR_LOCK, 0x06, 1, fields)
