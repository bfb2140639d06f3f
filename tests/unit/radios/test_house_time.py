"""A node that asks hears the house's time, and nothing while nobody knows it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from zigpy.types import EUI64
from zigpy.zcl import Cluster
from zigpy.zcl.clusters.general import Time

from gateway.domain.instant import ClockTrust, from_rfc3339
from gateway.kit.clock import ManualClock
from gateway.radios.zigbee.house_time import HouseTime
from gateway.radios.zigbee.stack import Application, settings

if TYPE_CHECKING:
    from pathlib import Path

NOW = from_rfc3339("2026-07-01T12:00:00Z")
SECONDS_2000 = NOW // 1000 - 946_684_800
BERLIN = ZoneInfo("Europe/Berlin")
INVALID = 0xFFFFFFFF


async def asked(folder: Path, trust: ClockTrust) -> list[int]:
    """Time, status, zone, local time, as a lock that joined reads them."""
    chosen = settings("/dev/null", folder / "x", 15, baudrate=115_200, flow_control="none")
    application = Application(chosen, BERLIN, ManualClock(NOW, trust))
    device = application.add_device(EUI64.convert("00:11:22:33:44:55:66:77"), 0x1234)
    cluster = device.add_endpoint(1).add_output_cluster(Time.cluster_id)
    records = cluster._handle_read_attributes([0, 1, 2, 7])  # noqa: SLF001  # what a request ends in
    return [int(record.value.value) for record in records]


@pytest.mark.parametrize("trust", [ClockTrust.TRUSTED, ClockTrust.HOLDOVER])
async def test_the_house_s_time_is_told_with_its_zone(tmp_path: Path, trust: ClockTrust) -> None:
    hour = timedelta(hours=1).seconds
    assert await asked(tmp_path, trust) == [SECONDS_2000, 0b101, hour, SECONDS_2000 + 2 * hour]


async def test_an_unproven_time_is_told_to_nobody(tmp_path: Path) -> None:
    assert await asked(tmp_path, ClockTrust.UNTRUSTED) == [INVALID, 0, 0, INVALID]


def test_zigpy_uses_our_time_cluster() -> None:
    assert Cluster._registry[Time.cluster_id] is HouseTime  # noqa: SLF001  # there is no public way to ask
