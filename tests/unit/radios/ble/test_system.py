"""What is below bleak: names of adapters, loading a stack by name, and a system without one."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from typing import TYPE_CHECKING

import pytest

from firmware_sims.ble import bleak_backend
from gateway.domain.instant import ClockTrust, Instant
from gateway.errors import ConfigError
from gateway.kit.clock import ManualClock
from gateway.radios.api import RadioStatus, StateChanged
from gateway.radios.ble import Backend, BleRadio, load
from gateway.radios.ble.system import BlueZ, check_adapters, check_bluez_names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

DBUS = shutil.which("dbus-daemon")


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


@pytest.mark.skipif(DBUS is None, reason="needs dbus-daemon: apt install dbus-daemon")
async def test_a_machine_without_bluetoothd_is_told_of_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with message_bus(tmp_path) as bus:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus)
        said = await why_down()
    assert said.startswith("could not open Bluetooth adapter hci0: ")
    assert "is bluetoothd running?" in said


async def why_down() -> str:
    """A radio's reason on this machine's own stack, once it is down."""
    radio = BleRadio(["hci0"], clock=ManualClock(Instant(0), ClockTrust.TRUSTED))
    down = asyncio.Event()

    def hear(event: object) -> None:
        if isinstance(event, StateChanged) and event.state.status is RadioStatus.DOWN:
            down.set()

    radio.listen(hear)
    running = asyncio.create_task(radio.run())
    async with asyncio.timeout(10):
        await down.wait()
    said = radio.state.reason
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return said


@contextlib.asynccontextmanager
async def message_bus(directory: Path) -> AsyncIterator[str]:
    """A system bus of its own, with nobody on it; its address."""
    assert DBUS is not None
    configuration = directory / "bus.conf"
    configuration.write_text(
        f"""<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
          "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
        <busconfig>
          <type>session</type>
          <listen>unix:path={directory}/bus</listen>
          <auth>EXTERNAL</auth>
          <policy context="default">
            <allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/>
          </policy>
        </busconfig>"""
    )
    arguments = ("--nofork", "--print-address", f"--config-file={configuration}")
    process = await asyncio.create_subprocess_exec(DBUS, *arguments, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(10):
            address = (await process.stdout.readline()).decode().strip()
        yield address
    finally:
        process.terminate()
        await process.wait()


async def test_an_adapter_that_was_never_seen_cannot_be_reset() -> None:
    assert not await BlueZ().reset("00:1A:7D:DA:71:13")
