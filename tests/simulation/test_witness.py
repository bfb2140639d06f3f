"""The witness between the simulated parts and the judge: what it tells, and in which order.

Each test is a world of its own in virtual time: the real doors, cloud, broker and machine of a
simulation, and no gateway; hands and the radio do what a gateway would have done.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from firmware_sims.cloud.reference import pin
from firmware_sims.faults import Fault
from firmware_sims.firmware.model import Source, UserStatus, UserType
from gateway.domain.instant import Instant
from tests.simulation import zcl
from tests.simulation.air import Air
from tests.simulation.broker import SimBroker
from tests.simulation.cloud import SimCloud
from tests.simulation.loop import run
from tests.simulation.machine import Machine
from tests.simulation.trace import Trace
from tests.simulation.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

START_S = 1_790_000_000
DOOR = "dev_1"
CODE, OTHER = "483920", "571038"
HIDES, TELLS = "kwikset-smartcode", "yale-yrd"


class Town:
    """A cloud and one lock, whose slots a gateway may all use."""

    def __init__(self, profile: str) -> None:
        loop = asyncio.get_running_loop()
        note = Trace().note

        def now() -> int:
            return round((START_S + loop.time()) * 1000)

        self.now = now
        self.broker = SimBroker(Random(1), note)
        self.cloud = SimCloud(self.broker, "gw", Random(2), now, note)
        self.air = Air(Random(3), START_S, note)
        self.witness = Witness(
            now,
            note,
            machine=Machine(Random(4), Instant(now()), note),
            broker=self.broker,
            cloud=self.cloud,
            air=self.air,
        )
        self.door = self.air.add_lock("front", profile=profile, zone="Europe/Berlin")
        self.air.members[self.door.address] = self.door
        self.witness.device_of[self.door.address] = DOOR
        codes = {"slots": 9, "reserved_slots": []}
        self.cloud.devices[DOOR] = {"capabilities": {"constraints": {"codes": codes}}}
        self.witness.watch(self.door, schedules_proven=False)
        self.witness.power(on=True)

    @property
    def rules(self) -> list[str]:
        return [each.rule for each in self.witness.judge.violations]

    def set_code(self, slot: int, digits: str) -> None:
        self.door.firmware.users.set_code(
            slot, digits, UserStatus.ENABLED, UserType.UNRESTRICTED, Source.RADIO
        )


def lives(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run(scene())


def test_what_a_lock_does_is_judged_by_the_orders_of_a_moment_before() -> None:
    async def scene() -> None:
        town = Town(TELLS)
        always = pin("c1", CODE, [DOOR], {"kind": "always"}, version=1)
        town.cloud.put(always)
        town.set_code(3, CODE)
        await asyncio.sleep(1)
        town.witness.judge.link(town.now(), True)
        await asyncio.sleep(600)  # long enough for whatever was ordered to be known
        town.witness.look([town.door])
        town.witness.power(on=False)
        town.witness.power(on=True)  # another life, in which nobody knows the time
        town.cloud.put({**always, "version": 2, "suspended": True})
        town.door.firmware.users.clear_code(3, Source.RADIO)
        assert town.rules == []

    lives(scene)


def test_an_erase_that_was_only_acknowledged_is_no_more_than_trouble_with_the_radio() -> None:
    async def scene() -> None:
        town = Town(HIDES)
        town.set_code(3, CODE)
        failed: list[str] = []
        town.air.on_failure = failed.append
        town.door.faults.arm(fault=Fault.NOT_APPLIED, on="clear_pin_code", rate=1.0, count=None)
        town.door.receive(zcl.DOOR_LOCK, bytes((1, 1, 0x07, 3, 0)))
        await asyncio.sleep(5)
        assert town.door.codes() == {3: CODE}
        assert failed == [town.door.address]

    lives(scene)


@pytest.mark.parametrize(
    ("profile", "read", "found"),
    [(HIDES, False, []), (HIDES, True, ["SHOWN"]), (TELLS, False, ["SHOWN"])],
)
def test_a_code_keyed_in_before_the_reading_hides_that_the_write_was_not_done(
    profile: str, read: bool, found: list[str]
) -> None:
    async def scene() -> None:
        town = Town(profile)
        town.cloud.put(pin("c1", CODE, [DOOR], {"kind": "always"}, version=1))
        town.witness.tell()
        town.door.asked_for[3] = CODE
        town.air.on_tamper(town.door.address, 3, Fault.NOT_APPLIED.value)
        if read:
            town.air.on_read(town.door.address, 3)
        assert town.door.set_by_hand(3, OTHER)
        shown = {"credential_id": "c1", "device_id": DOOR, "version": 1, "state": "active"}
        town.witness.judge.told(town.now(), shown)
        await asyncio.sleep(600)
        town.witness.judge.wrote(town.now(), DOOR, 3, "clear")  # as its own, when that is over
        assert town.rules == [*found, *["UNMANAGED"] * bool(found)]

    lives(scene)
