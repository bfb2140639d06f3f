"""What several adapters amount to, in one word and one reason."""

from __future__ import annotations

import pytest

from gateway.domain.instant import Instant
from gateway.kit.clock import ManualClock
from gateway.radios.api import RadioState, RadioStatus
from gateway.radios.ble import BleRadio
from gateway.radios.ble.radio import sum_up

DOWN, OPENING, UP, DEGRADED = (
    RadioStatus.DOWN,
    RadioStatus.OPENING,
    RadioStatus.UP,
    RadioStatus.DEGRADED,
)


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ((UP,), UP),
        ((UP, UP), UP),
        ((UP, DOWN), DEGRADED),
        ((UP, OPENING), DEGRADED),
        ((UP, DEGRADED), DEGRADED),
        ((DEGRADED, DOWN), DEGRADED),
        ((OPENING, DOWN), OPENING),
        ((DOWN, DOWN), DOWN),
    ],
)
def test_one_word(states: tuple[RadioStatus, ...], status: RadioStatus) -> None:
    reasons = ["" if state is UP else f"adapter {n} is bad" for n, state in enumerate(states)]
    summed = sum_up([RadioState(*each) for each in zip(states, reasons, strict=True)])
    assert summed == RadioState(status, "; ".join(reason for reason in reasons if reason))


def test_the_same_reason_is_said_once() -> None:
    both = [RadioState(DOWN, "is bluetoothd running?")] * 2
    assert sum_up(both) == RadioState(DOWN, "is bluetoothd running?")


def test_a_radio_that_was_never_started_says_so() -> None:
    radio = BleRadio(["hci0", "hci1"], clock=ManualClock(Instant(0)))
    assert radio.state == RadioState(DOWN, "not started")
