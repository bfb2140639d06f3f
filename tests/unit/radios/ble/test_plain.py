"""The libraries' errors become ours: of the right kind, in words, and without a value in them."""

from __future__ import annotations

import logging

import pytest
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
    BleakGATTProtocolErrorCode,
)
from bleak_retry_connector import BleakAbortedError, BleakConnectionError, BleakNotFoundError

from gateway.errors import DeviceRefused, OutcomeUnknown, RadioUnavailable, Refusal, Unreachable
from gateway.radios.ble.airwaves import UNKNOWN_DBM
from gateway.radios.ble.plain import (
    adapter_errors,
    advertisement_of,
    cause_of,
    connecting_errors,
    hush,
    is_from_the_air,
    lost,
    refused,
)

UNKNOWN_SERVICE = BleakDBusError("org.freedesktop.DBus.Error.ServiceUnknown", ["org.bluez"])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError(2, "No such file", "/run/dbus/system_bus_socket"), "is dbus running"),
        (ConnectionRefusedError(), "is dbus running"),
        (UNKNOWN_SERVICE, "is bluetoothd running"),
        (BleakDBusError("org.bluez.Error.NotReady", ["Resource Not Ready"]), "switched off"),
        (BleakDBusError("org.bluez.Error.InProgress", []), "another program"),
        (BleakDBusError("org.bluez.Error.Strange", []), "org.bluez.Error.Strange"),
        (BleakDeviceNotFoundError("AA", "gone"), "not found any more"),
        (TimeoutError(), "no answer in time"),
        (EOFError(), "broke (EOFError)"),
        (AssertionError(), "broke (AssertionError)"),
        (BleakError("adapter 'hci7' not found"), "adapter 'hci7' not found"),
        *(
            (BleakBluetoothNotAvailableError("x", reason), words)
            for reason, words in (
                (BleakBluetoothNotAvailableReason.NO_BLUETOOTH, "is it plugged in"),
                (BleakBluetoothNotAvailableReason.POWERED_OFF, "switched off"),
                (BleakBluetoothNotAvailableReason.DENIED_BY_SYSTEM, "may not use Bluetooth"),
                (BleakBluetoothNotAvailableReason.UNKNOWN, "not available"),
            )
        ),
    ],
)
def test_an_adapters_trouble_is_unavailable_and_says_what_to_look_at(
    error: Exception, words: str
) -> None:
    with pytest.raises(RadioUnavailable) as raised, adapter_errors("open hci0"):
        raise error
    assert str(raised.value).startswith("could not open hci0: ")
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (BleakNotFoundError("x"), Unreachable, "not found any more"),
        (BleakAbortedError("x"), Unreachable, "interference"),
        (TimeoutError(), Unreachable, "no answer in time"),
        (KeyError("org.bluez.GattService1"), Unreachable, "broke (KeyError)"),
        (
            BleakBluetoothNotAvailableError("x", BleakBluetoothNotAvailableReason.POWERED_OFF),
            RadioUnavailable,
            "switched off",
        ),
    ],
)
def test_connecting_that_fails_has_delivered_nothing(
    error: Exception, kind: type[Exception], words: str
) -> None:
    with (
        pytest.raises(kind, match="could not connect to X: ") as raised,
        connecting_errors("connect to X"),
    ):
        raise error
    assert words in str(raised.value)


def test_the_connectors_long_advice_is_left_out_and_its_cause_told() -> None:
    with pytest.raises(Unreachable) as raised, connecting_errors("connect to X"):
        raise BleakConnectionError("X - X: Failed after 4 attempts: read the fine manual") from (
            BleakDBusError("org.bluez.Error.NotReady", [])
        )
    assert str(raised.value) == "could not connect to X: it is switched off"


def test_a_fault_of_ours_stays_one() -> None:
    for around in (adapter_errors("x"), connecting_errors("x")):
        with pytest.raises(ZeroDivisionError), around:
            raise ZeroDivisionError


@pytest.mark.parametrize(
    ("code", "why"),
    [(0x03, Refusal.UNSUPPORTED), (0x0F, Refusal.NOT_AUTHORISED), (0x0D, Refusal.INVALID),
     (0x11, Refusal.BUSY), (0x0E, Refusal.FAILED), (0x9F, Refusal.FAILED)],
)  # fmt: skip
def test_what_a_device_declines(code: int, why: Refusal) -> None:
    refusal = refused("write to X", BleakGATTProtocolError(BleakGATTProtocolErrorCode(code)))
    assert isinstance(refusal, DeviceRefused)
    assert refusal.refusal is why
    assert f"0x{code:02x}" in str(refusal)


def test_silence_is_unknown_for_an_order_and_nothing_for_a_question() -> None:
    assert isinstance(lost("write", "silence", changes=True), OutcomeUnknown)
    assert isinstance(lost("read", "silence", changes=False), Unreachable)


def test_an_advertisement_in_our_words() -> None:
    data = AdvertisementData(
        local_name=None,
        manufacturer_data={0x0969: b"\x01"},
        service_data={"0000FCD2-0000-1000-8000-00805F9B34FB": bytearray(b"\x40")},  # type: ignore[dict-item]
        service_uuids=["0000FCD2-0000-1000-8000-00805F9B34FB"],
        tx_power=None,
        rssi=-71,
        platform_data=(),
    )
    said = advertisement_of(BLEDevice("aa:bb:cc:dd:ee:ff", "Door", None), data, "hci0", 12.5)
    assert (said.address, said.name, said.rssi_dbm) == ("AA:BB:CC:DD:EE:FF", "Door", -71)
    assert (said.adapter, said.heard_at) == ("hci0", 12.5)
    assert said.service_data == {"0000fcd2-0000-1000-8000-00805f9b34fb": b"\x40"}
    assert said.service_uuids == ("0000fcd2-0000-1000-8000-00805f9b34fb",)
    assert said.manufacturer_data == {0x0969: b"\x01"}


def test_a_signal_that_was_not_measured_and_what_was_not_heard_at_all() -> None:
    def data(rssi: int) -> AdvertisementData:
        return AdvertisementData(None, {}, {}, [], None, rssi, ())

    door = BLEDevice("AA:BB:CC:DD:EE:FF", None, None)
    assert advertisement_of(door, data(127), "hci0", 0.0).rssi_dbm == UNKNOWN_DBM
    assert is_from_the_air(data(127))
    assert is_from_the_air(data(-100))
    assert not is_from_the_air(data(-127))


def test_the_libraries_may_not_log_values() -> None:
    hush()
    for name in ("bleak.backends.bluezdbus.client", "bleak_retry_connector", "dbus_fast"):
        assert not logging.getLogger(name).isEnabledFor(logging.DEBUG)


def test_every_error_has_words() -> None:
    assert cause_of(BleakError()) != ""
