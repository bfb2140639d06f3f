"""How a node becomes a member: who has no driver, who comes first, who joins again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from gateway.domain.ids import DeviceId
from gateway.scheduler.admission import INTERVIEW_AGAIN_S
from gateway.store import devices
from tests.flows.world import world

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from gateway.store.tx import Select

T = TypeVar("T")


async def test_a_device_without_a_driver_is_no_member_and_keeps_no_other_out(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        house.add_lock()
        house.add_lock()
        del house.locks[house.address()]  # nobody knows this model
        await house.start()
        assert house.fleet.members() == ["dev_1"]
        row = await house.store.fetch_one(devices.device(DeviceId("dev_1")))
        assert row is not None
        assert row.address == house.address(2)


async def test_ids_are_given_in_the_order_in_which_devices_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the disk takes longest for the first of them."""
    async with world(tmp_path) as house:
        for _ in range(5):
            house.add_lock()
        late_s: dict[Select[Any], float] = {
            devices.device_at(house.radio.name, house.address(number)): 6.0 - number
            for number in range(1, 6)
        }
        look = house.store.fetch_one

        async def fetch_one(select: Select[T]) -> T | None:
            found = await look(select)
            if select in late_s:
                await house.clock.sleep(late_s[select])
            return found

        monkeypatch.setattr(house.store, "fetch_one", fetch_one)
        await house.start()
        await house.advance(sum(late_s.values()))
        for number in range(1, 6):
            row = await look(devices.device(DeviceId(f"dev_{number}")))
            assert row is not None
            assert row.address == house.address(number)


async def test_a_device_that_joined_again_is_asked_though_the_power_fails_first(
    tmp_path: Path,
) -> None:
    """It was reset perhaps, and reports nothing before it was told to."""
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()

        def asked() -> int:
            return [spoken.what for spoken in lock.spoken].count("interview")

        lock.unreachable = True
        house.rejoin()
        await house.settle()
        await house.restart()
        await house.settle()
        lock.unreachable = False
        before = asked()
        await house.advance(INTERVIEW_AGAIN_S + 60)
        assert asked() == before + 1
        await house.restart()
        await house.advance(INTERVIEW_AGAIN_S + 60)
        assert asked() == before + 1
