"""The library's types and errors, turned into ours. Nothing of Z-Wave JS leaves here.

Errors, for a call that changes something: what was certainly not sent is `Unreachable`,
`RadioBusy` or `RadioUnavailable`; everything else is `OutcomeUnknown`. A frame that no
acknowledgement came for counts as unknown: it may have arrived, and only the acknowledgement been
lost. For a question it makes no difference: `Unreachable`.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import ClientError
from zwave_js_server.const import SecurityClass as LibrarySecurity
from zwave_js_server.exceptions import (
    BaseZwaveJSServerError,
    FailedCommand,
    FailedZWaveCommand,
)

from gateway.errors import (
    DeviceRefused,
    LocalProtocolError,
    OutcomeUnknown,
    RadioBusy,
    RadioRefused,
    RadioUnavailable,
    Refusal,
    Unreachable,
)
from gateway.radios.command_classes import CcEndpoint, CcNode, CcReply, SecurityClass, Supervision

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zwave_js_server.model.node import Node

    from gateway.radios.command_classes import CcCall

LIBRARY_ERRORS = (BaseZwaveJSServerError, ClientError, OSError, ConnectionError)
"""What the client and aiohttp are seen to raise."""

_BATTERY_CC = 0x80
_COMMAND_FAILED = 1100
"""SupervisionCC_CommandFailed: the node's own no, which the library sometimes throws."""

# Codes of @zwave-js/core 15.29, error/ZWaveError.ts. In words of our own: its messages may quote.
_GONE = {
    100: "the stick failed",
    102: "the server is ending",
    103: "the server is not ready",
    112: "the stick's port was closed",
    200: "the stick does not answer",
    206: "the stick was reset",
}
_LOST = {
    201: "no answer in time",
    202: "dropped: the node does not answer",
    203: "the stick did not take it",
    204: "no acknowledgement from the node",
    213: "the node has left",
    215: "it waited for too long",
    1401: "no secure session with the node",
    1405: "the node could not decode it",
}
_UNSENT = frozenset({203, 213, 215})
"""Nothing was put on the air: refused by the stick, or taken out of the queue."""
_BUSY = {205: "the air is jammed", 219: "another order took its place"}
_OURS = {
    211: "no such node",
    212: "no such endpoint",
    303: "the library knows no such method",
    304: "the library knows no such command class",
    322: "its arguments do not fit",
}
_UNSUPPORTED = frozenset({209, 302})
_NOT_SECURE = frozenset({109, 214, 1403})
_REFUSED = {
    207: "the controller could not open the network",
    208: "the controller could not open the network for leaving",
    360: "it answers, so it has not failed: let it leave at its door (`lock-gateway leave`)",
    361: "it answers, so it has not failed: let it leave at its door (`lock-gateway leave`)",
    362: "it answers, so it has not failed and nothing can take its place",
    363: "it answers, so it has not failed and nothing can take its place",
    1406: "the QR text is mistyped or not of a Z-Wave device",
}

_SUPERVISION = {
    0x00: Supervision.NO_SUPPORT,
    0x01: Supervision.WORKING,
    0x02: Supervision.FAIL,
    0xFF: Supervision.SUCCESS,
}
"""SupervisionStatus, CC:006C."""

_SECURITY = {
    LibrarySecurity.S0_LEGACY: SecurityClass.S0,
    LibrarySecurity.S2_UNAUTHENTICATED: SecurityClass.S2_UNAUTHENTICATED,
    LibrarySecurity.S2_AUTHENTICATED: SecurityClass.S2_AUTHENTICATED,
    LibrarySecurity.S2_ACCESS_CONTROL: SecurityClass.S2_ACCESS_CONTROL,
}


def plain(value: Any) -> object:
    """What came as JSON; octets, which came as a `Buffer` object, are bytes again."""
    match value:
        case {"type": "Buffer", "data": list(octets)}:
            return bytes(octets)
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list():
            return tuple(plain(item) for item in value)
        case _:
            return value


def told(value: object) -> object:
    """What goes as JSON: the other way round."""
    match value:
        case bytes() | bytearray():
            return {"type": "Buffer", "data": list(value)}
        case dict():
            return {key: told(item) for key, item in value.items()}
        case list() | tuple():
            return [told(item) for item in value]
        case _:
            return value


def reply_of(call: CcCall, response: object) -> CcReply:
    """A setter of the library answers how the node ended it, or nothing; a getter its value."""
    if call.asks_only or "." in call.method:
        return CcReply(Supervision.NONE, plain(response))
    match response:
        case {"status": int(status)} if status in _SUPERVISION:
            return CcReply(_SUPERVISION[status])
        case _:
            return CcReply(Supervision.NONE, plain(response))


def node_id_of(event: dict[str, Any]) -> int:
    """Whom an event of the controller is about: as it came, or as the library's model of it."""
    node = event["node"]
    found: int = node["nodeId"] if isinstance(node, dict) else node.node_id
    return found


def node_of(node: Node, address: str) -> CcNode:
    config = node.device_config
    fingerprint = (node.manufacturer_id or 0, node.product_type or 0, node.product_id or 0)
    listening = bool(node.is_listening)
    endpoints = tuple(
        CcEndpoint(index, {cc.id: cc.version for cc in endpoint.command_classes})
        for index, endpoint in sorted(node.endpoints.items())
    )
    return CcNode(
        address=address,
        manufacturer=config.manufacturer or f"0x{fingerprint[0]:04x}",
        model=config.label or node.label or f"0x{fingerprint[1]:04x}:0x{fingerprint[2]:04x}",
        fingerprint=fingerprint,
        firmware=node.firmware_version or "",
        endpoints=endpoints,
        sleepy=not listening and not node.is_frequent_listening,
        mains_powered=listening and not any(_BATTERY_CC in each.versions for each in endpoints),
        security=security_of(node),
    )


def security_of(node: Node) -> SecurityClass:
    """None that is known is none that is proven."""
    highest = node.highest_security_class
    return _SECURITY.get(highest, SecurityClass.NONE) if highest is not None else SecurityClass.NONE


@contextmanager
def translated(what: str, *, changes: bool) -> Iterator[None]:
    """Around one exchange, inside its deadline. `what`: "<verb> <object>", without digits."""
    try:
        yield
    except FailedZWaveCommand as error:
        raise _translated(what, error.zwave_error_code, changes=changes) from None
    except FailedCommand as error:
        # Its text is a stack trace of the server's, which may hold values.
        raise _lost(
            what, f"the server could not do it ({error.error_code})", changes=changes
        ) from None
    except TimeoutError:
        raise _lost(what, "no answer in time", changes=changes) from None
    except LIBRARY_ERRORS:
        raise _gone(what, "the server went away", changes=changes) from None
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # Nobody cancelled this task: the library cancelled what it was waiting for.
        raise _gone(what, "the server went away", changes=changes) from error


def failed_by_node(error: FailedCommand) -> bool:
    return isinstance(error, FailedZWaveCommand) and error.zwave_error_code == _COMMAND_FAILED


def _translated(what: str, code: int, *, changes: bool) -> Exception:
    if code in _GONE:
        return _gone(what, _GONE[code], changes=changes)
    if code in _LOST:
        return _lost(what, _LOST[code], changes=changes and code not in _UNSENT)
    if code in _BUSY:
        return RadioBusy(f"could not {what}: {_BUSY[code]}")
    if code in _OURS:
        return LocalProtocolError(f"could not {what}: {_OURS[code]}")
    if code in _REFUSED:
        return RadioRefused(f"could not {what}: {_REFUSED[code]}")
    if code in _UNSUPPORTED:
        return DeviceRefused(f"could not {what}: it is not supported", Refusal.UNSUPPORTED)
    if code in _NOT_SECURE:
        return DeviceRefused(
            f"could not {what}: the node was let in without security", Refusal.NOT_AUTHORISED
        )
    return _lost(what, f"error ZW{code:04d}", changes=changes)


def _lost(what: str, cause: str, *, changes: bool) -> OutcomeUnknown | Unreachable:
    return (OutcomeUnknown if changes else Unreachable)(f"could not {what}: {cause}")


def _gone(what: str, cause: str, *, changes: bool) -> OutcomeUnknown | RadioUnavailable:
    return (OutcomeUnknown if changes else RadioUnavailable)(f"could not {what}: {cause}")
