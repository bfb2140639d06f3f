"""What is below bleak: names of adapters, loading a stack by name, and a system without one."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING

import pytest

from firmware_sims.ble import bleak_backend
from gateway.domain.instant import ClockTrust, Instant
from gateway.errors import ConfigError
from gateway.kit.clock import ManualClock, SystemClock
from gateway.radios.api import RadioStatus
from gateway.radios.ble import Backend, BleRadio, Patience, load
from gateway.radios.ble.system import BlueZ, check_adapters, check_bluez_names
from gateway.radios.keeper import Pace
from tests.unit.radios.ble.message_bus import DBUS, bluetoothd, message_bus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

DOOR = "AA:BB:CC:00:00:01"
ADDRESS = "00:1A:7D:DA:71:13"


@pytest.mark.parametrize("names", [("hci0",), ("hci12", "hci1"), ("00:1A:7D:DA:71:13",)])
def test_names_that_bluez_has(names: tuple[str, ...]) -> None:
    check_adapters(names)
    check_bluez_names(names)


@pytest.mark.parametrize("names", [(), ("hci0", "hci0")])
def test_names_that_no_stack_can_have(names: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=r"bluetooth\.adapters"):
        check_adapters(names)


@pytest.mark.parametrize("name", ["", "hci", "usb0", "hci0/..", "00:1a:7d:da:71:13", "hci0\n"])
def test_names_that_bluez_cannot_have(name: str) -> None:
    with pytest.raises(ConfigError, match=r"bluetooth\.adapters"):
        BleRadio([name], clock=ManualClock(Instant(0)))


def test_a_stack_is_loaded_by_name() -> None:
    made = load("firmware_sims.ble.bleak_backend:Backend")
    assert isinstance(made, bleak_backend.Backend)
    assert isinstance(made, Backend)
    assert isinstance(BlueZ(), Backend)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "firmware_sims.ble.bleak_backend",
        "no.such.module:Backend",
        "firmware_sims.ble.bleak_backend:nothing",
        "firmware_sims.ble.bleak_backend:Client",
        "builtins:dict",
    ],
)
def test_what_is_no_stack_is_refused_with_the_key(name: str) -> None:
    with pytest.raises(ConfigError, match=r"bluetooth\.backend"):
        load(name)


async def test_a_machine_without_a_message_bus_is_told_of_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/no-bus")
    assert await why_down() == (
        "could not open Bluetooth adapter hci0: the system's message bus (D-Bus) cannot be reached:"
        " is dbus running?"
    )


async def test_an_adapter_that_was_never_seen_cannot_be_reset() -> None:
    assert not await BlueZ().reset("00:1A:7D:DA:71:13")


async def why_down() -> str:
    """A radio's reason on this machine's own stack, once it is down."""
    async with running(["hci0"]) as (radio, changed):
        await until(changed, lambda: went_down(radio))
        return radio.state.reason


def went_down(radio: BleRadio) -> bool:
    return radio.state.status is RadioStatus.DOWN and radio.state.reason != "not started"


@contextlib.asynccontextmanager
async def running(adapters: list[str]) -> AsyncIterator[tuple[BleRadio, asyncio.Event]]:
    """A radio on BlueZ, and what is set by each event of it.

    It resets nothing: that would go past the bus, to an adapter that this machine may really have.
    """
    clock = SystemClock(ClockTrust.TRUSTED)
    pace = Pace(probe_interval_s=0.1, first_wait_s=0.05, longest_wait_s=0.1)
    patience = Patience(openings=1_000_000)
    radio = BleRadio(adapters, clock=clock, pace=pace, patience=patience, rng=random.Random(1))
    changed = asyncio.Event()
    radio.listen(lambda event: changed.set())
    radio.watch(frozenset({DOOR}))
    task = asyncio.create_task(radio.run())
    try:
        yield radio, changed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(changed: asyncio.Event, true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():
            changed.clear()
            await changed.wait()


@pytest.mark.skipif(DBUS is None, reason="needs dbus-daemon: apt install dbus-daemon")
class TestOnABus:
    @pytest.fixture
    async def bus(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
        async with message_bus(tmp_path) as address:
            monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
            yield address

    @pytest.mark.usefixtures("bus")
    async def test_a_machine_without_bluetoothd_is_told_of_in_words(self) -> None:
        said = await why_down()
        assert said.startswith("could not open Bluetooth adapter hci0: ")
        assert "is bluetoothd running?" in said

    @pytest.mark.parametrize("name", ["hci1", ADDRESS])
    async def test_an_adapter_is_found_by_name_or_address_and_hears(
        self, bus: str, name: str
    ) -> None:
        adapters = {"hci0": ("00:00:00:00:00:01", True), "hci1": (ADDRESS, True)}
        async with bluetoothd(bus, adapters) as service, running([name]) as (radio, changed):
            await until(changed, lambda: radio.state.status is RadioStatus.UP)
            assert service.scanning == ["hci1"]
            await service.advertise("hci1", DOOR, -70, b"\x05")
            await until(changed, radio.sightings)
            (seen,) = radio.sightings()
            assert (seen.last.address, seen.last.name, seen.rssi_dbm) == (DOOR, "Door", -70)
            assert seen.last.manufacturer_data == {0x0969: b"\x05"}
            assert seen.last.adapter == name

    async def test_one_that_is_missing_is_told_with_those_that_are_there(self, bus: str) -> None:
        async with bluetoothd(bus, {"hci3": (ADDRESS, True)}):
            assert (await why_down()).endswith("this machine has: hci3")

    async def test_one_that_is_switched_off(self, bus: str) -> None:
        async with bluetoothd(bus, {"hci0": (ADDRESS, False)}):
            assert (await why_down()).endswith("it is switched off")

    async def test_one_that_another_program_scans_with(self, bus: str) -> None:
        async with bluetoothd(bus, {"hci0": (ADDRESS, True)}) as service:
            service.refuses_scan = "org.bluez.Error.InProgress"
            assert (await why_down()).endswith("another program is using it")

    async def test_one_that_is_pulled_out_is_noticed_without_an_event(self, bus: str) -> None:
        async with (
            bluetoothd(bus, {"hci0": (ADDRESS, True)}) as service,
            running(["hci0"]) as (radio, changed),
        ):
            await until(changed, lambda: radio.state.status is RadioStatus.UP)
            await service.pull("hci0")
            await until(changed, lambda: radio.state.status is RadioStatus.DOWN)
            assert radio.state.reason.endswith("it is gone")

    async def test_bluetoothd_that_is_started_again_is_used_again(self, bus: str) -> None:
        async with running(["hci0"]) as (radio, changed):
            async with bluetoothd(bus, {"hci0": (ADDRESS, True)}):
                await until(changed, lambda: radio.state.status is RadioStatus.UP)
            await until(changed, lambda: radio.state.status is RadioStatus.DOWN)
            async with bluetoothd(bus, {"hci0": (ADDRESS, True)}) as service:
                await until(changed, lambda: radio.state.status is RadioStatus.UP)
                assert service.scanning == ["hci0"]
