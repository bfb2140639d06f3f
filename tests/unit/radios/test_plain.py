"""The library's errors and types become ours."""

from __future__ import annotations

import asyncio

import pytest
import zigpy.types as t
from bellows.exception import EzspError  # type: ignore[import-untyped]  # bellows has no types
from bellows.types import (  # type: ignore[import-untyped]  # bellows has no types
    EmberStatus,
    sl_Status,
)
from zigpy.exceptions import DeliveryError, ParsingError
from zigpy.zcl.clusters.closures import DoorLock, LockState

from gateway.errors import (
    GatewayError,
    OutcomeUnknown,
    PeerProtocolError,
    RadioBusy,
    RadioUnavailable,
    Unreachable,
)
from gateway.kit.clock import settle
from gateway.radios.zigbee.plain import fields_of, plain, translated


@pytest.mark.parametrize(
    ("error", "when_it_changes", "when_it_asks"),
    [
        (DeliveryError("x", sl_Status.ZIGBEE_DELIVERY_FAILED), OutcomeUnknown, Unreachable),
        (DeliveryError("x", sl_Status.FAIL), OutcomeUnknown, Unreachable),
        (DeliveryError("x", sl_Status.MAC_INDIRECT_TIMEOUT), Unreachable, Unreachable),
        (DeliveryError("x", sl_Status.NETWORK_DOWN), Unreachable, Unreachable),
        (DeliveryError("x"), Unreachable, Unreachable),
        (DeliveryError("x", sl_Status.ZIGBEE_MAX_MESSAGE_LIMIT_REACHED), RadioBusy, RadioBusy),
        (TimeoutError(), OutcomeUnknown, Unreachable),
        (asyncio.CancelledError(), OutcomeUnknown, RadioUnavailable),
        (EzspError("x"), OutcomeUnknown, RadioUnavailable),
        (AttributeError("x"), OutcomeUnknown, RadioUnavailable),
        (ConnectionResetError(), OutcomeUnknown, RadioUnavailable),
        (ParsingError(), PeerProtocolError, PeerProtocolError),
    ],
)
async def test_what_the_library_raises_becomes_ours(
    error: BaseException, when_it_changes: type[GatewayError], when_it_asks: type[GatewayError]
) -> None:
    for changes, expected in ((True, when_it_changes), (False, when_it_asks)):
        with pytest.raises(expected) as caught, translated("ask the lock", changes=changes):
            raise error
        assert str(caught.value).startswith("could not ask the lock: ")


async def test_our_own_cancellation_passes() -> None:
    async def exchange() -> None:
        with translated("ask the lock", changes=True):
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(exchange())
    await settle(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (t.uint16_t(7), 7),  # type: ignore[no-untyped-call]  # zigpy is typed in part
        (t.Bool.true, True),
        (LockState.Locked, 1),
        (EmberStatus.SUCCESS, 0),
        (t.CharacterString("ab"), "ab"),
        (t.LVBytes(b"\x01"), b"\x01"),
        (t.KeyData(b"ZigBeeAlliance09"), b"ZigBeeAlliance09"),
        (None, None),
    ],
)
def test_plain(value: object, expected: object) -> None:
    found = plain(value)
    assert found == expected
    assert type(found) in (int, bool, str, bytes, type(None))


def test_fields_that_did_not_come_are_left_out() -> None:
    command = DoorLock.ClientCommandDefs.get_year_day_schedule_response.schema(
        schedule_id=0, user_id=4, status=0x8B
    )
    assert fields_of(command) == {"schedule_id": 0, "user_id": 4, "status": 0x8B}
