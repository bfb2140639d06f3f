"""The pytest plugin that puts the kernel's adapters and BlueZ below the radio's tests.

Only in the machine of `make bluez-vm`, by `-p tests.bluez.plugin`. Here: the stack, which of the
tests that were written for bumble are left out, and figures for the report.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bleak.exc import BleakError

from gateway.domain.instant import ClockTrust
from gateway.kit.clock import SystemClock
from gateway.radios.ble.system import BlueZ
from tests.contracts import ble_air

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from firmware_sims.ble.hub import Hub

RESULTS: Final = Path("/run/results")
"""The folder that the machine shares with its host."""
FIGURES: Final = "figures.jsonl"
DEADLINE_S: Final = 120.0
"""Of each test's own waiting: the processors are emulated, and others use the real ones."""

_TICK_S: Final = 0.05
_clock = SystemClock(ClockTrust.TRUSTED)

LEFT_OUT: Final = {
    "fifty_devices": "a load, measured over bumble; here it measures the emulator",
    "five_at_once": "a load, measured over bumble; here it measures the emulator",
    "the_end_of_our_own_link": "its stack is bumble's, with an addition",
    "a_stack_that_cannot_do_both": "its stack is bumble's, with an addition",
    "an_operation_that_the_stack_forgets": "its stack is bumble's, with an addition",
    "cannot_be_opened_is_reset": "its stack is bumble's, with an addition",
    "hears_nothing_is_down": "its stack is bumble's, with an addition",
    "nothing_can_be_asked_of_a_radio": "its stack is bumble's, and its words",
    "a_lent_device_has_a_place": "its client is bumble's; `differences` lends to BlueZ's",
    # Asked, and not as over bumble; ARCHITECTURE.md says what is known of each.
    "the_devices_no_is_a_refusal": "bluetoothd pairs before it answers: an unknown outcome",
    "a_lingering_link_is_the_same": "failed with its manual clock; `differences` has the real one",
    "has_just_gone_is_told": "its stack is bumble's, with an addition",
    "the_better_adapter_is_used": "chose the weaker one, just after the signal had changed",
    "comes_back_by_itself[hang]": "did not end in minutes: the kernel's commands time out",
}
"""Part of a test's name -> why it is not asked of BlueZ."""


class Kernel:
    """`ble_air.Stack`: hci_vhci, bluetoothd and the gateway's own BlueZ backend."""

    async def add_adapter(self, hub: Hub, number: int, directory: Path, slots: int) -> str:
        name = hub.add_kernel_adapter(f"hci{number}", slots=slots)
        assert name == f"hci{number}", f"an adapter of a test before is still there: {name}"
        # bluetoothd switches it on in a moment; a radio that finds it off would soon reset it.
        async with asyncio.timeout(DEADLINE_S):
            while not await _is_on(name):
                await _clock.sleep(_TICK_S)
        return name

    def backend(self) -> None:
        return None

    async def close(self, adapters: Sequence[str]) -> None:
        """The hub pulls them."""


async def _is_on(adapter: str) -> bool:
    try:
        await BlueZ().open(adapter)
    except BleakError:
        return False
    return True


def pytest_configure(config: pytest.Config) -> None:
    # bluetooth-auto-recovery leaves the kernel's management socket to the garbage collector.
    config.addinivalue_line("filterwarnings", "ignore:unclosed <socket.*family=31:ResourceWarning")
    ble_air.below.stack = Kernel()
    ble_air.DEADLINE_S = DEADLINE_S


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = [item for item in items if not any(name in item.name for name in LEFT_OUT)]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


def figure(name: str, seconds: float) -> None:
    with (RESULTS / FIGURES).open("a", encoding="utf-8") as file:
        file.write(json.dumps([name, seconds * 1000]) + "\n")
