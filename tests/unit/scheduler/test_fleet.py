"""Who is a member: leaving by itself is seen, leaving by order is no news."""

from __future__ import annotations

from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from gateway.domain.events import EventType
from gateway.domain.ids import DeviceId
from gateway.domain.windows import Always
from gateway.errors import RadioRefused
from gateway.radios.api import JoinProgress, JoinStage
from gateway.store import devices
from tests.flows.world import TinyRadio, world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


async def test_a_device_that_leaves_by_itself_is_unreachable_and_told(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        house.add_lock()
        await house.start()
        with capture_logs() as logs:
            house.leave()
            await house.settle()
        assert [line["event"] for line in logs] == ["a device left the network by itself"]
        row = await house.store.fetch_one(devices.device(DeviceId("dev_1")))
        assert row is not None
        assert (row.reachable, row.removed_at) == (False, None)
        (told,) = await house.told(EventType.DEVICE_OFFLINE)
        assert (told.device, told.body) == ("dev_1", {"cause": "left_network"})


async def test_leaving_twice_is_told_once(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        house.add_lock()
        await house.start()
        for _ in range(2):
            house.leave()
            await house.settle()
        assert len(await house.told(EventType.DEVICE_OFFLINE)) == 1


async def test_a_device_that_is_removed_by_order_did_not_leave_by_itself(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        house.add_lock()
        await house.start()
        with capture_logs() as logs:
            await house.command("k1", "remove_device")
            house.leave()  # its own farewell, after ours
            await house.settle()
        assert house.radio.forgotten == [house.address()]
        assert logs == []
        assert await house.told(EventType.DEVICE_OFFLINE) == []
        (told,) = await house.told(EventType.DEVICE_REMOVED)
        assert told.device == "dev_1"
        assert house.fleet.members() == []


class DoorRadio(TinyRadio):
    """A mesh whose nodes are taken out at their door; this one's answers, and stays."""

    async def forget(self, address: str) -> None:
        raise RadioRefused(f"could not forget {address}: it answers")

    async def open_leaving(self, duration_s: int) -> AsyncIterator[JoinProgress]:
        yield JoinProgress(JoinStage.OPEN, duration_s)


async def test_a_device_that_has_to_leave_at_its_door_stays_until_it_has(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        house.radio = DoorRadio()
        house.add_lock()
        await house.start()
        await house.command("k1", "remove_device")
        assert house.fleet.members() == ["dev_1"]
        row = await house.store.fetch_one(devices.device(DeviceId("dev_1")))
        assert row is not None
        assert row.removed_at is None
        result = await house.result("k1") or {}
        assert (result["outcome"], result["reason"]) == ("refused", "still_joined")
        await house.command("k2", "remove_device", force=True)
        assert house.fleet.members() == []


async def test_nobody_can_speak_to_a_device_that_left_until_it_is_back(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        house.leave()
        await house.settle()
        await house.want("c1", "483920", Always())
        await house.advance(600)
        assert house.fleet.driver(DeviceId("dev_1")) is None
        assert not lock.opens("483920")
        house.rejoin()
        await house.advance(5)
        assert lock.opens("483920")
        assert len(await house.told(EventType.DEVICE_ONLINE)) == 1
