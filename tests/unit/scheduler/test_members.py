"""What a device advertises reaches the house when it is news, and not each time it is said."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, cast

from firmware_sims import profiles
from firmware_sims.ble import august
from firmware_sims.faults import Faults
from firmware_sims.firmware.lock import LockFirmware
from firmware_sims.firmware.model import BoltState
from gateway.domain.ids import DeviceId
from gateway.domain.secret import Secret
from gateway.drivers.api import Measured
from gateway.drivers.claims import ClaimedDevice
from gateway.drivers.yale_august.family import YaleAugustFamily
from gateway.scheduler.members import Member, Members
from tests.claimed_house import LoopClock
from tests.gatt_air import GattAir
from tests.simulation.loop import run
from tests.unit.drivers.ttlock_house import MemoryNumbers

if TYPE_CHECKING:
    from gateway.drivers.api import DeviceEvent

ADDRESS = "D0:03:EB:12:34:56"
KEY = '{"key": "00112233445566778899aabbccddeeff", "slot": 1}'
NEWS = Measured(log_news=True)


class Listener:
    """Everything that is passed on."""

    def __init__(self) -> None:
        self.rung: list[DeviceEvent] = []

    def member_rang(self, device_id: DeviceId, event: DeviceEvent) -> None:
        self.rung.append(event)

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def test_news_of_a_log_is_passed_on_each_time_that_there_is_some() -> None:
    async def main() -> None:
        air = GattAir(random.Random(1))
        firmware = LockFirmware(profiles.load("august-pro"), air.timebase)
        faults = Faults(random.Random(1), august.COMMANDS, lambda *_: None, lambda *_: None)
        skin = august.build(firmware, faults, address=ADDRESS, settings={}, rng=random.Random(2))
        air.add(skin.peripheral)
        device = ClaimedDevice(ADDRESS, "August", "x", Secret(KEY), MemoryNumbers(), "UTC")
        driver = YaleAugustFamily().driver(device, air)
        members, listener = Members(LoopClock()), Listener()
        members.listener = cast("Any", listener)
        members.enlist(Member(DeviceId("dev_1"), air, ADDRESS, driver))
        members.follow(air)
        air.watch(frozenset({ADDRESS}))
        assert listener.rung == [NEWS]
        for times, target in enumerate((BoltState.UNLOCKED, BoltState.LOCKED), 2):
            await air.pass_time(5)
            air.hear(ADDRESS)
            firmware.turn_thumb(target)
            air.hear(ADDRESS)
            assert listener.rung == [NEWS] * times

    run(main())
