"""A real mosquitto for tests: `async with mosquitto() as broker`, and the marks to go with it."""

from __future__ import annotations

import pytest

from firmware_sims.cloud.broker import Mosquitto, find_mosquitto, mosquitto

__all__ = ["NEEDS_BROKER", "Mosquitto", "mosquitto"]

NEEDS_BROKER = [
    pytest.mark.broker,
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
]
"""For a module's `pytestmark`."""
