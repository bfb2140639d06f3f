"""Adapters as bleak's classes share them, and their errors as bleak raises them on Linux."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakError,
)
from bumble import hci

from firmware_sims.ble.adapter import Adapter, AdapterError, AdapterGoneError, AdapterSilentError

if TYPE_CHECKING:
    from collections.abc import Mapping

_adapters: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Adapter]] = WeakKeyDictionary()


def adapter_at(address: str) -> Adapter:
    """The one object for that adapter on this loop."""
    return _adapters.setdefault(asyncio.get_running_loop(), {}).setdefault(
        address, Adapter(address)
    )


def adapter_of(arguments: Mapping[str, Any]) -> Adapter:
    """The adapter that `bluez={"adapter": ADDRESS}` names; `BleakError` when it names none."""
    address = arguments.get("adapter")
    if not address:
        raise BleakError('name the adapter: bluez={"adapter": "tcp://HOST:PORT"}')
    return adapter_at(address)


def translated(error: AdapterError) -> BleakError:
    """What BlueZ would have said."""
    if isinstance(error, AdapterGoneError):
        return BleakBluetoothNotAvailableError(
            str(error), BleakBluetoothNotAvailableReason.NO_BLUETOOTH
        )
    if isinstance(error, AdapterSilentError):
        return BleakDBusError("org.freedesktop.DBus.Error.NoReply", [str(error)])
    if error.code == hci.HCI_ErrorCode.CONNECTION_LIMIT_EXCEEDED_ERROR:
        # BlueZ, src/error.h.
        detail = "le-connection-concurrent-connection-limit"
        return BleakDBusError("org.bluez.Error.Failed", [detail])
    return BleakDBusError("org.bluez.Error.Failed", [str(error)])
