"""The libraries' types and errors, turned into ours. Nothing of bleak, BlueZ or D-Bus leaves here.

Errors of an operation that changes something: once the library has it, everything but the device's
own refusal is `OutcomeUnknown`. For a question it makes no difference: `Unreachable`. Messages are
for people; what a library says is quoted only where it names no value.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
)
from bleak_retry_connector import (
    BleakAbortedError,
    BleakConnectionError,
    BleakNotFoundError,
    BleakOutOfConnectionSlotsError,
)

from gateway.errors import (
    DeviceRefused,
    OutcomeUnknown,
    RadioUnavailable,
    Refusal,
    Unreachable,
)
from gateway.radios.api import Advertisement
from gateway.radios.ble.airwaves import UNKNOWN_DBM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

LIBRARY_ERRORS = (
    BleakError,
    OSError,
    EOFError,
    TimeoutError,
    AssertionError,
    AttributeError,
    KeyError,
)
"""What bleak 3.1 and dbus-fast are seen to raise. The last three: a bus that dies in the middle of
a call, which bleak finds by an assertion, a missing attribute or an object that is gone from its
table; bleak-retry-connector catches the same."""

_NO_DBUS = "the system's message bus (D-Bus) cannot be reached: is dbus running?"
_NO_BLUEZ = "the Bluetooth service does not answer: is bluetoothd running?"
_NO_ADAPTER = "there is no Bluetooth adapter: is it plugged in, and is bluetoothd running?"

# D-Bus error name -> what it means to people. BlueZ: doc/org.bluez.Adapter.rst.
_DBUS_WORDS = {
    "org.freedesktop.DBus.Error.ServiceUnknown": _NO_BLUEZ,
    "org.freedesktop.DBus.Error.NameHasNoOwner": _NO_BLUEZ,
    "org.freedesktop.DBus.Error.NoReply": _NO_BLUEZ,
    "org.freedesktop.DBus.Error.AccessDenied": "this user may not use Bluetooth",
    "org.freedesktop.DBus.Error.UnknownObject": "it is gone",
    "org.freedesktop.DBus.Error.UnknownMethod": "it is gone",
    "org.bluez.Error.NotReady": "it is switched off",
    "org.bluez.Error.InProgress": "another program is using it",
    "org.bluez.Error.NotAuthorized": "this user may not use Bluetooth",
}
_UNAVAILABLE_WORDS = {
    BleakBluetoothNotAvailableReason.NO_BLUETOOTH: _NO_ADAPTER,
    BleakBluetoothNotAvailableReason.NO_BLE_CENTRAL_ROLE: "it cannot speak Bluetooth Low Energy",
    BleakBluetoothNotAvailableReason.POWERED_OFF: "it is switched off",
    BleakBluetoothNotAvailableReason.DENIED_BY_SYSTEM: "this user may not use Bluetooth",
}

# ATT error code (Core 5.4, Vol 3, Part F, 3.4.1.1) -> why; what is missing here is FAILED.
_REFUSALS = {
    0x02: Refusal.UNSUPPORTED,
    0x03: Refusal.UNSUPPORTED,
    0x05: Refusal.NOT_AUTHORISED,
    0x06: Refusal.UNSUPPORTED,
    0x07: Refusal.INVALID,
    0x08: Refusal.NOT_AUTHORISED,
    0x0C: Refusal.NOT_AUTHORISED,
    0x0D: Refusal.INVALID,
    0x0F: Refusal.NOT_AUTHORISED,
    0x11: Refusal.BUSY,
    0x13: Refusal.INVALID,
    0xFE: Refusal.BUSY,
    0xFF: Refusal.INVALID,
}


_NOT_MEASURED = 127
"""HCI's word for it (Core 5.4, Vol 4, Part E, 7.7.65.2)."""
_NOT_FROM_THE_AIR = -127
"""bleak's word where BlueZ has no RSSI: what BlueZ hears always has one."""


def hush() -> None:
    """At DEBUG these libraries log every value that is read or written."""
    for name in ("bleak", "bleak_retry_connector", "bluetooth_auto_recovery", "dbus_fast"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))


def is_from_the_air(data: AdvertisementData) -> bool:
    """False for a change of what BlueZ remembers, which bleak hands on in the same way."""
    return data.rssi != _NOT_FROM_THE_AIR


def advertisement_of(
    device: BLEDevice, data: AdvertisementData, adapter: str, heard_at: float
) -> Advertisement:
    return Advertisement(
        address=device.address.upper(),
        name=data.local_name or device.name or "",
        rssi_dbm=UNKNOWN_DBM if data.rssi == _NOT_MEASURED else data.rssi,
        adapter=adapter,
        heard_at=heard_at,
        manufacturer_data={company: bytes(v) for company, v in data.manufacturer_data.items()},
        service_data={uuid.lower(): bytes(v) for uuid, v in data.service_data.items()},
        service_uuids=tuple(uuid.lower() for uuid in data.service_uuids),
    )


def refused(what: str, error: BleakGATTProtocolError) -> DeviceRefused:
    code = int(error.code)
    return DeviceRefused(
        f"could not {what}: the device declines, ATT error 0x{code:02x}",
        _REFUSALS.get(code, Refusal.FAILED),
    )


def lost(what: str, cause: str, *, changes: bool) -> OutcomeUnknown | Unreachable:
    return (OutcomeUnknown if changes else Unreachable)(f"could not {what}: {cause}")


def cause_of(error: BaseException) -> str:
    """One error of the libraries in words for people."""
    match error:
        case BleakBluetoothNotAvailableError():
            return _UNAVAILABLE_WORDS.get(error.reason, "Bluetooth is not available")
        case BleakDBusError():
            return _DBUS_WORDS.get(error.dbus_error, f"BlueZ says {error.dbus_error}")
        case BleakOutOfConnectionSlotsError():
            return "the adapter carries no more connections"
        case BleakNotFoundError() | BleakDeviceNotFoundError():
            return "it is not found any more"
        case BleakAbortedError():
            return "connecting was broken off several times: too far away, or interference"
        case TimeoutError():
            return "no answer in time"
        case FileNotFoundError() | ConnectionRefusedError() | PermissionError():
            return _NO_DBUS
        case BleakError():
            return str(error) or "the Bluetooth library gives no reason"
        case _:
            return f"the connection to the Bluetooth service broke ({type(error).__name__})"


@contextmanager
def adapter_errors(what: str) -> Iterator[None]:
    """Around everything that is asked of an adapter. `what`: "<verb> <object>"."""
    try:
        yield
    except LIBRARY_ERRORS as error:
        raise RadioUnavailable(f"could not {what}: {cause_of(error)}") from error


@contextmanager
def connecting_errors(what: str) -> Iterator[None]:
    """Around establishing a connection: nothing can have been delivered."""
    try:
        yield
    except BleakBluetoothNotAvailableError as error:
        raise RadioUnavailable(f"could not {what}: {cause_of(error)}") from error
    except BleakConnectionError as error:
        # It quotes advice at length; what it was made from says what happened.
        raise Unreachable(f"could not {what}: {cause_of(error.__cause__ or error)}") from error
    except LIBRARY_ERRORS as error:
        raise Unreachable(f"could not {what}: {cause_of(error)}") from error
