"""The library's values and errors in our words: what is proof, and what is never repeated."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import ClientConnectionError
from zwave_js_server.exceptions import FailedCommand, FailedZWaveCommand, NotConnected

from gateway.errors import (
    DeviceRefused,
    GatewayError,
    LocalProtocolError,
    OutcomeUnknown,
    RadioBusy,
    RadioRefused,
    RadioUnavailable,
    Unreachable,
)
from gateway.radios.command_classes import CcCall, Supervision
from gateway.radios.zwave.plain import plain, reply_of, told, translated

SET = CcCall(0x63, "set", (3, 1, "4711"))
GET = CcCall(0x63, "get", (3,), asks_only=True)


def raised(error: BaseException, *, changes: bool) -> GatewayError:
    with pytest.raises(GatewayError) as caught, translated("set a slot", changes=changes):
        raise error
    return caught.value


def zwave(code: int) -> FailedZWaveCommand:
    return FailedZWaveCommand("1", code, "set 4711 failed")


@pytest.mark.parametrize(
    ("code", "changing", "asking"),
    [
        (201, OutcomeUnknown, Unreachable),  # Controller_NodeTimeout: it may have done it
        (202, OutcomeUnknown, Unreachable),  # MessageDropped: perhaps after a first try
        (203, Unreachable, Unreachable),  # ResponseNOK: the stick did not take it
        (204, OutcomeUnknown, Unreachable),  # CallbackNOK: perhaps only the ACK was lost
        (205, RadioBusy, RadioBusy),
        (200, OutcomeUnknown, RadioUnavailable),
        (1405, OutcomeUnknown, Unreachable),
        (302, DeviceRefused, DeviceRefused),
        (1403, DeviceRefused, DeviceRefused),
        (322, LocalProtocolError, LocalProtocolError),
        (361, RadioRefused, RadioRefused),
        (9999, OutcomeUnknown, Unreachable),
    ],
)
def test_what_may_have_been_done_is_not_known(
    code: int, changing: type[GatewayError], asking: type[GatewayError]
) -> None:
    assert type(raised(zwave(code), changes=True)) is changing
    assert type(raised(zwave(code), changes=False)) is asking


@pytest.mark.parametrize(
    "error",
    [TimeoutError(), NotConnected(), ClientConnectionError(), OSError(), asyncio.CancelledError()],
)
async def test_a_broken_line_leaves_a_write_unknown(error: BaseException) -> None:
    assert isinstance(raised(error, changes=True), OutcomeUnknown)
    assert isinstance(raised(error, changes=False), Unreachable | RadioUnavailable)


@pytest.mark.parametrize("changes", [True, False])
def test_no_word_of_the_servers_is_repeated(changes: bool) -> None:
    words = FailedCommand("1", "unknown_error", "TypeError: 4711 is not iterable\n at set")
    for error in (words, zwave(201), zwave(9999)):
        assert "4711" not in str(raised(error, changes=changes))


@pytest.mark.parametrize(
    ("response", "supervision"),
    [
        ({"status": 0xFF}, Supervision.SUCCESS),
        (
            {"status": 0x01, "remainingDuration": {"unit": "seconds", "value": 3}},
            Supervision.WORKING,
        ),
        ({"status": 0x02}, Supervision.FAIL),
        ({"status": 0x00}, Supervision.NO_SUPPORT),
        ({"status": 0x77}, Supervision.NONE),
        (None, Supervision.NONE),
        (True, Supervision.NONE),
    ],
)
def test_only_the_nodes_own_word_is_a_yes(response: object, supervision: Supervision) -> None:
    assert reply_of(SET, response).supervision is supervision


def test_a_value_that_looks_like_a_word_is_a_value() -> None:
    reply = reply_of(GET, {"status": 0xFF})
    assert (reply.supervision, reply.value) == (Supervision.NONE, {"status": 0xFF})


def test_octets_pass_both_ways() -> None:
    value = {"code": b"\x01\x02", "list": [b"\x03"]}
    assert plain(told(value)) == {"code": b"\x01\x02", "list": (b"\x03",)}
    assert told((b"\x01",)) == [{"type": "Buffer", "data": [1]}]
