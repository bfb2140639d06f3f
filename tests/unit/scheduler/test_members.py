"""What a device advertises reaches the house when it is news, and not each time it is said."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from firmware_sims import profiles
from firmware_sims.ble import august
from firmware_sims.faults import Faults
from firmware_sims.firmware.lock import LockFirmware
from firmware_sims.firmware.model import BoltState
from gateway.domain.ids import DeviceId
from gateway.domain.secret import Secret
from gateway.drivers.api import Happening, Measured, SlotChanged
from gateway.drivers.claims import ClaimedDevice
from gateway.drivers.yale_august.family import YaleAugustFamily
from gateway.scheduler.members import HEARD_AGAIN_S, SAID_AGAIN_S, Member, Members
from tests.claimed_house import ADVERT_S, LoopClock
from tests.gatt_air import GattAir
from tests.simulation.loop import run
from tests.unit.drivers.ble_house import MemoryNumbers
from tests.unit.drivers.ttlock_house import ADDRESS as TTLOCK
from tests.unit.drivers.ttlock_house import LockHouse

if TYPE_CHECKING:
    from gateway.drivers.api import DeviceEvent

ADDRESS = "D0:03:EB:12:34:56"
KEY = '{"key": "00112233445566778899aabbccddeeff", "slot": 1}'
NEWS = Measured(log_news=True)
MINUTES = 10


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


@dataclass
class Record:
    """Writes down what it is told."""

    heard: int = 0
    rang: list[DeviceEvent] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def member_joined(self, device_id: DeviceId) -> None: ...
    def member_left(self, device_id: DeviceId) -> None: ...
    def radio_changed(self, name: str, *, up: bool) -> None: ...

    def member_gone(self, device_id: DeviceId, cause: str) -> None:
        self.gone.append(cause)

    def member_heard(self, device_id: DeviceId) -> None:
        self.heard += 1

    def member_rang(self, device_id: DeviceId, event: DeviceEvent) -> None:
        self.rang.append(event)

    def measured(self) -> list[Measured]:
        return [event for event in self.rang if isinstance(event, Measured)]


class Bench:
    """A TTLock that says every second what it says. Made within a running loop."""

    def __init__(self) -> None:
        self.lock = LockHouse(dormant_after_s=0.0)
        self.members = Members(LoopClock())
        self.listener = Record()
        self.members.listener = self.listener
        self.member = Member(DeviceId("dev_1"), self.lock.air, TTLOCK, self.lock.driver, met=True)
        self.members.enlist(self.member)
        self.members.follow(self.lock.air, heard_pause_s=HEARD_AGAIN_S)
        self.lock.air.watch(frozenset({TTLOCK}))

    async def listen(self, seconds: float) -> None:
        for _ in range(round(seconds / ADVERT_S)):
            self.lock.air.hear(TTLOCK)
            await self.lock.air.pass_time(ADVERT_S)


def test_what_is_said_over_and_over_is_passed_on_now_and_then() -> None:
    async def main() -> None:
        bench = Bench()
        await bench.listen(60 * MINUTES)
        told = bench.listener.measured()
        assert len(set(told)) == 1
        assert MINUTES * 60 / SAID_AGAIN_S - 1 <= len(told) <= MINUTES * 60 / SAID_AGAIN_S + 1

    run(main())


def test_what_is_new_is_passed_on_at_once() -> None:
    async def main() -> None:
        bench = Bench()
        await bench.listen(5)
        bench.lock.opens("90001")
        await bench.listen(2)
        first, *_, last = bench.listener.measured()
        assert (first.log_news, last.log_news) == (False, True)

    run(main())


def test_who_is_there_hurries_what_waits_no_more_than_once_a_minute() -> None:
    async def main() -> None:
        bench = Bench()
        before = bench.listener.heard
        await bench.listen(60 * MINUTES)
        words = bench.listener.heard - before
        throttled = MINUTES * 60 / HEARD_AGAIN_S
        assert throttled - 1 <= words <= throttled + 1

    run(main())


def test_what_a_lock_says_that_we_give_back_is_no_news() -> None:
    async def main() -> None:
        bench = Bench()
        bench.member.leaving = True
        before = (bench.listener.heard, len(bench.listener.rang))
        bench.lock.skin.factory_reset()
        await bench.listen(10)
        assert (bench.listener.heard, len(bench.listener.rang)) == before
        bench.member.leaving = False
        await bench.listen(2)
        assert any(isinstance(event, Happening) for event in bench.listener.rang)
        assert any(isinstance(event, SlotChanged) for event in bench.listener.rang)

    run(main())


def test_gone_is_told_once_until_it_was_back() -> None:
    async def main() -> None:
        bench = Bench()
        for _ in range(3):
            bench.members.gone(bench.member, "not_heard")
        assert bench.listener.gone == ["not_heard"]
        bench.member.left = False
        bench.members.gone(bench.member, "not_heard")
        assert len(bench.listener.gone) == 2

    run(main())
