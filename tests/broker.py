"""A real mosquitto for tests: `async with mosquitto() as broker`, or the mark to skip without."""

from __future__ import annotations

import pytest

from firmware_sims.cloud.broker import Mosquitto, find_mosquitto, mosquitto

__all__ = ["Mosquitto", "mosquitto", "needs_broker"]

_missing = pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")


def needs_broker(test: object) -> object:
    """Mark a test that talks to a real broker."""
    return pytest.mark.broker(_missing(test))
