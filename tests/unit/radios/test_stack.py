"""The library's settings and files, without a stick."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import pytest
from zigpy.zcl import Cluster
from zigpy.zcl.clusters.closures import DoorLock

from gateway.radios.zigbee.stack import Application, RedactingDoorLock, private, settings

if TYPE_CHECKING:
    from pathlib import Path


def test_the_database_is_private_before_the_library_opens_it(tmp_path: Path) -> None:
    path = tmp_path / "zigbee.db"
    path.touch(mode=0o644)
    private(path)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("flow_control", "told"), [("none", None), ("hardware", "hardware"), ("software", "software")]
)
async def test_the_line_to_the_stick_is_as_configured(
    tmp_path: Path, flow_control: str, told: str | None
) -> None:
    chosen = settings(
        "/dev/ttyACM0", tmp_path / "x", 20, baudrate=230_400, flow_control=flow_control
    )
    device = Application(chosen, UTC).config["device"]  # as the library checked and completed it
    assert (device["path"], device["baudrate"], device["flow_control"]) == (
        "/dev/ttyACM0",
        230_400,
        told,
    )


def test_settings_keep_the_library_off_the_internet(tmp_path: Path) -> None:
    chosen = settings("/dev/null", tmp_path / "x", 15, baudrate=115_200, flow_control="none")
    assert chosen["ota"] == {"enabled": False}
    assert chosen["validate_network_settings"] is True
    assert chosen["network"]["channel"] == 15


def test_zigpy_uses_our_door_lock_cluster() -> None:
    assert Cluster._registry[DoorLock.cluster_id] is RedactingDoorLock  # noqa: SLF001  # there is no public way to ask
