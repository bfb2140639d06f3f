"""The library's types and errors, turned into ours. Nothing of zigpy or bellows leaves here.

Errors, for a request that changes something: what was certainly not sent is `Unreachable` or
`RadioUnavailable`, everything else is `OutcomeUnknown`. A delivery that the stick reports as failed
counts as unknown: the frame may have arrived and its acknowledgement been lost. For a question it
makes no difference: `Unreachable`.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Any

from bellows.types import sl_Status  # type: ignore[import-untyped]  # bellows has no types
from zigpy.exceptions import DeliveryError, ParsingError, RadioException, ZigbeeException
from zigpy.types import KeyData, SerializableBytes

from gateway.errors import (
    DeviceRefused,
    OutcomeUnknown,
    PeerProtocolError,
    RadioBusy,
    RadioUnavailable,
    Refusal,
    Unreachable,
)
from gateway.radios.api import EndpointInfo, NodeInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zigpy.device import ZigbeeDevice

LIBRARY_ERRORS = (ZigbeeException, RadioException, OSError, TimeoutError, AssertionError)
"""What zigpy, bellows and serialx are seen to raise; AssertionError is bellows' way of checking."""

# Not sent at all, or never fetched by a sleeping child. A delivery without status was dropped from
# zigpy's own queue.
_BUSY = frozenset(
    {
        sl_Status.ALLOCATION_FAILED,
        sl_Status.BUSY,
        sl_Status.FULL,
        sl_Status.NO_MORE_RESOURCE,
        sl_Status.ZIGBEE_MAX_MESSAGE_LIMIT_REACHED,
    }
)
_CERTAIN = frozenset(
    {
        None,
        sl_Status.INVALID_PARAMETER,
        sl_Status.INVALID_STATE,
        sl_Status.MAC_INDIRECT_TIMEOUT,
        sl_Status.NETWORK_DOWN,
        sl_Status.NOT_JOINED,
        sl_Status.ZIGBEE_SEND_UNICAST_NO_ROUTE,
    }
)

# ZCL status (revision 8, 2.6.3) -> why; what is missing here is FAILED.
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


def plain(value: object) -> object:
    """int, bool, str or bytes for a library's subclass of them."""
    match value:
        case Enum():
            return plain(value.value)
        case bool():
            return bool(value)
        case int():
            return int(value)
        case str():
            return str(value)
        case bytes():
            return bytes(value)
        case KeyData() | SerializableBytes():
            return value.serialize()
        case list() | tuple():
            return tuple(plain(item) for item in value)
        case _:
            return value if isinstance(value, float) or value is None else repr(value)


def fields_of(command: Any) -> dict[str, object]:
    """A command's fields by name; those that did not come are left out."""
    return {
        field.name: plain(getattr(command, field.name))
        for field in command.fields
        if getattr(command, field.name, None) is not None
    }


def node_of(device: ZigbeeDevice, *, well_known_key: bool) -> NodeInfo:
    descriptor = device.node_desc
    return NodeInfo(
        address=str(device.ieee),
        manufacturer=device.manufacturer or "",
        model=device.model or "",
        endpoints=tuple(
            EndpointInfo(
                int(endpoint.endpoint_id),
                int(endpoint.profile_id or 0),
                int(endpoint.device_type or 0),
                frozenset(int(cluster) for cluster in endpoint.in_clusters),
                frozenset(int(cluster) for cluster in endpoint.out_clusters),
            )
            for endpoint in device.non_zdo_endpoints
        ),
        sleepy=descriptor is not None and not descriptor.is_receiver_on_when_idle,
        mains_powered=descriptor is not None and bool(descriptor.is_mains_powered),
        well_known_key=well_known_key,
    )


def refused(what: str, status: int) -> DeviceRefused:
    return DeviceRefused(
        f"could not {what}: status 0x{status:02x}", _REFUSALS.get(status, Refusal.FAILED)
    )


@contextmanager
def translated(what: str, *, changes: bool) -> Iterator[None]:
    """Around one exchange, inside its deadline. `what`: "<verb> <object>", without digits."""
    try:
        yield
    except DeliveryError as error:
        cause = _name(error.status) or "not delivered"
        if error.status in _BUSY:
            raise RadioBusy(f"could not {what}: {cause}") from error
        changes = changes and error.status not in _CERTAIN
        raise _lost(what, cause, changes=changes) from error
    except ParsingError as error:
        raise PeerProtocolError(f"could not {what}: the answer cannot be read") from error
    except TimeoutError as error:
        raise _lost(what, "no answer in time", changes=changes) from error
    except (AttributeError, *LIBRARY_ERRORS) as error:
        # AttributeError: the library lets go of its radio in the middle of a request.
        raise _gone(what, changes=changes) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # Nobody cancelled this task: the library cancelled what it was waiting for.
        raise _gone(what, changes=changes) from error


def _lost(what: str, cause: str, *, changes: bool) -> OutcomeUnknown | Unreachable:
    return (OutcomeUnknown if changes else Unreachable)(f"could not {what}: {cause}")


def _gone(what: str, *, changes: bool) -> OutcomeUnknown | RadioUnavailable:
    return (OutcomeUnknown if changes else RadioUnavailable)(
        f"could not {what}: the radio went away"
    )


def _name(status: object) -> str:
    return status.name.lower().replace("_", " ") if isinstance(status, Enum) else ""
