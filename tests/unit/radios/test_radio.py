"""Which stick may be used. All else of the radio: tests/contracts/test_zigbee_radio.py."""

from __future__ import annotations

import pytest

from gateway.errors import ConfigError
from gateway.radios.zigbee.radio import check_device


@pytest.mark.parametrize(
    "device",
    ["/dev/ttyUSB0", "socket://127.0.0.1:1", "socket://localhost:1", "socket://[::1]:1"],
)
def test_a_stick_on_this_machine(device: str) -> None:
    check_device(device)


@pytest.mark.parametrize(
    "device",
    [
        "socket://192.168.1.5:1",
        "socket://0.0.0.0:1",
        "socket://x.example:1",
        "http://127.0.0.1",
    ],
)
def test_a_stick_elsewhere_is_refused_by_name(device: str) -> None:
    with pytest.raises(ConfigError, match=r"^zigbee\.device"):
        check_device(device)
