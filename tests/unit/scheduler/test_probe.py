"""The installation test: a lock is believed only after it refused the probe's code at the door."""

from __future__ import annotations

import asyncio
import itertools
import random
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from gateway.domain.events import EventType, Method
from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.probe import PROBE_S, PROBE_SCHEDULE, ProbeProgress, ProbeStage
from gateway.drivers.api import Happening
from gateway.errors import RequestError
from gateway.scheduler.probe import Prober
from gateway.store import devices
from tests.flows.world import SimLock, World, world

if TYPE_CHECKING:
    from pathlib import Path

DOOR = DeviceId("dev_1")


def prober(house: World) -> Prober:
    numbers = itertools.count(1)
    return Prober(
        house.store,
        house.keyring,
        house.clock,
        random.Random(1).randrange,
        lambda: CredentialId(f"probe_{next(numbers)}"),
    )


class Installer:
    """Whoever reads the steps of a probe."""

    def __init__(self, house: World) -> None:
        self._house = house
        self.steps: list[ProbeProgress] = []
        self.task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        async with aclosing(prober(self._house).probe(DOOR, "local:ada")) as progress:
            async for step in progress:
                self.steps.append(step)

    @property
    def last(self) -> ProbeProgress:
        return self.steps[-1]


async def ready(house: World) -> SimLock:
    lock = house.add_lock(keeps_windows=True)
    await house.start()
    await house.advance(10)
    return lock


async def test_a_code_behind_a_closed_window_is_written_and_shown(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = await ready(house)
        installer = Installer(house)
        await house.advance(5)
        assert installer.last.stage is ProbeStage.TYPE
        assert installer.last.digits is not None
        digits = installer.last.digits.reveal()
        assert [code.schedules for code in lock.holds.values()] == [(PROBE_SCHEDULE,)]
        assert lock.slot_of(digits) is not None
        assert not lock.opens(digits)
        (audit,) = await house.told(EventType.AUDIT_PROBED)
        assert (audit.device, audit.body) == ("dev_1", {"actor": "local:ada"})
        installer.task.cancel()
        await house.advance(5)


@pytest.mark.parametrize(
    ("refused", "stage", "told"),
    [
        (True, ProbeStage.PROVEN, EventType.DEVICE_SCHEDULES_PROVEN),
        (False, ProbeStage.OPENED, EventType.DEVICE_SCHEDULES_NOT_KEPT),
    ],
)
async def test_the_door_decides(
    tmp_path: Path, refused: bool, stage: ProbeStage, told: EventType
) -> None:
    async with world(tmp_path) as house:
        lock = await ready(house)
        installer = Installer(house)
        await house.advance(5)
        (slot,) = lock.holds
        if refused:
            event = Happening(EventType.ACCESS_DENIED, Method.CODE, slot, schedule_refused=True)
        else:
            event = Happening(EventType.LOCK_UNLOCKED, Method.CODE, slot)
        house.ring(event)
        await house.advance(5)
        assert installer.last.stage is stage
        assert lock.holds == {}
        assert len(await house.told(told)) == 1
        row = await house.store.fetch_one(devices.device(DOOR))
        assert row is not None
        assert row.schedules_proven is refused


async def test_a_probe_nobody_types_ends_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = await ready(house)
        installer = Installer(house)
        await house.advance(PROBE_S + 60)
        assert installer.task.done()
        assert installer.last.stage is ProbeStage.UNANSWERED
        assert lock.holds == {}
        row = await house.store.fetch_one(devices.device(DOOR))
        assert row is not None
        assert not row.schedules_proven


async def test_an_installer_who_goes_away_takes_the_code_along(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = await ready(house)
        installer = Installer(house)
        await house.advance(5)
        assert lock.holds
        installer.task.cancel()
        await house.advance(30)
        assert lock.holds == {}


async def test_a_lock_without_schedules_and_one_that_is_not_there_are_refused(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        house.add_lock()
        await house.start()
        for device, code in ((DOOR, "unsupported"), (DeviceId("dev_9"), "unknown_device")):
            with pytest.raises(RequestError) as caught:
                await anext(prober(house).probe(device, "local:ada"))
            assert caught.value.code == code
