"""Loopback is decided by address, never by name."""

from __future__ import annotations

import pytest

from gateway.sync.connection import is_loopback


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_loopback(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address", ["localhost", "10.0.0.1", "192.168.1.1", "::", "", "::ffff:8.8.8.8"]
)
def test_elsewhere(address: str) -> None:
    assert not is_loopback(address)
