"""What the simulated radio makes of bytes it cannot say or read, and of refusals: our own errors.

The values are those of `gateway.radios.zigbee.plain`; the tests hold them against it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firmware_sims.zigbee.zcl import Malformed
from gateway.errors import DeviceRefused, LocalProtocolError, PeerProtocolError, Refusal
from tests.simulation import zcl

if TYPE_CHECKING:
    from collections.abc import Callable

_REFUSALS = {
    0x7E: Refusal.NOT_AUTHORISED,
    0x82: Refusal.UNSUPPORTED,
    0x84: Refusal.UNSUPPORTED,
    0x85: Refusal.INVALID,
    0x86: Refusal.UNSUPPORTED,
    0x87: Refusal.INVALID,
    0x88: Refusal.UNSUPPORTED,
    0x89: Refusal.FULL,
    0x8C: Refusal.UNSUPPORTED,
    0x8D: Refusal.INVALID,
}
"""ZCL status -> why, as `gateway.radios.zigbee.plain` has it; what is missing is FAILED."""


def speakable(encode: Callable[..., bytes], *args: object, what: str) -> bytes:
    try:
        return encode(*args)
    except zcl.Unspeakable as error:
        raise LocalProtocolError(f"could not {what}: {error}") from None


def readable(decode: Callable[..., Any], *args: object, what: str) -> Any:
    try:
        return decode(*args)
    except Malformed as error:
        raise PeerProtocolError(f"could not {what}: the answer cannot be read") from error


def accepted(said: bytes, what: str) -> None:
    answer = zcl.parse(said)
    default = zcl.default_response(answer)
    status = default["status"] if default is not None else zcl.failed(answer)
    if status:
        raise refused(what, status)


def refused(what: str, status: int) -> DeviceRefused:
    return DeviceRefused(
        f"could not {what}: status 0x{status:02x}", _REFUSALS.get(status, Refusal.FAILED)
    )
