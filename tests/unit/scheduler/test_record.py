"""What is written around an attempt: doubt before it, and after it no more than the lock said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.domain.actions import Program, Refused, Reschedule
from gateway.domain.capabilities import Capabilities
from gateway.domain.devices import (
    Device,
    Empty,
    Evidence,
    Known,
    Opaque,
    OpaqueReason,
    Slot,
    YearDay,
)
from gateway.domain.events import EventType
from gateway.domain.grants import GrantState
from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.instant import ClockTrust
from gateway.domain.secret import Secret
from gateway.domain.windows import Always, Timed
from gateway.drivers.api import SlotReading, SlotUse, WriteResult
from gateway.errors import Refusal
from gateway.scheduler.executor import Order
from gateway.scheduler.record import Record
from gateway.store import desired, history, reported
from tests.flows.sim_lock import SimDriver
from tests.flows.world import Code, World, world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gateway.store.tx import Tx

PIN, OTHER = "483920", "719204"
DEVICE = DeviceId("dev_1")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as one:
        yield one


async def slot(house: World, number: int = 1) -> Slot:
    found = await house.store.fetch_one(reported.slot(DEVICE, number))
    assert found is not None
    return found


async def test_a_slot_is_in_flight_before_the_lock_hears_a_word(house: World) -> None:
    house.add_lock(delay_s=5.0)
    await house.start()
    await house.advance(120)
    await house.want("c1", PIN, Always())
    await house.advance(1)
    flying = await slot(house)
    assert (flying.content, flying.owner) == (Opaque(OpaqueReason.IN_FLIGHT), "c1")
    assert len(await house.store.fetch(history.open_attempts())) == 1
    await house.advance(5)
    assert isinstance((await slot(house)).content, Known)
    assert not await house.store.fetch(history.open_attempts())


async def test_what_was_not_delivered_leaves_the_slot_as_it_was(house: World) -> None:
    lock = house.add_lock()
    await house.start()
    lock.faults.append(("program", "not_delivered"))
    await house.want("c1", PIN, Always())
    assert (await slot(house)).content == Empty()
    assert not await house.store.fetch(history.holder_at(DEVICE, 1, house.clock.now()))
    assert (await house.grant("c1")).writes_today == 0


async def test_what_may_have_been_delivered_stays_in_doubt(house: World) -> None:
    lock = house.add_lock()
    await house.start()
    lock.faults.extend([("program", "answer_lost"), ("read", "not_delivered")])
    await house.want("c1", PIN, Always())
    assert (await slot(house)).owner == "c1"
    assert (await house.grant("c1")).state is GrantState.UNCONFIRMED
    assert (await house.grant("c1")).writes_today == 1


async def test_a_duplicate_proves_our_own_code_in_a_slot_that_cannot_be_read(house: World) -> None:
    lock = house.add_lock(masked=True)
    await house.start()
    await house.want("c1", PIN, Always())
    await house.kill()
    doubtful = Slot(1, Opaque(OpaqueReason.MASKED), CredentialId("c1"))
    (grant,) = await house.store.fetch(desired.desired_for(DEVICE, 0))
    order = Order(
        Device(DEVICE, Capabilities()),
        SimDriver(lock),
        Program(1, CredentialId("c1"), (), overwrite=True),
        grant,
        None,
    )
    record = Record(DEVICE, house.keyring, ClockTrust.TRUSTED)
    duplicate = WriteResult(Refused(Refusal.DUPLICATE), SlotReading(1, SlotUse.ENABLED))

    def write(tx: Tx) -> None:
        reported.put_slot(tx, DEVICE, doubtful)
        begun = record.begin(tx, order, house.clock.now())
        record.end(tx, order, begun, duplicate, house.clock.now())

    await house.store.submit(write)
    proven = await slot(house)
    assert isinstance(proven.content, Known)
    assert Evidence.DUPLICATE_ANSWER in proven.evidence
    assert not await house.told(EventType.CREDENTIAL_REJECTED)
    assert lock.opens(PIN)


async def test_refused_schedules_are_what_was_read_and_the_digits_stay_proven(
    house: World,
) -> None:
    """Half of them may have been taken, on a lock that does not tell digits."""
    lock = house.add_lock(masked=True, keeps_windows=True)
    await house.start()
    await house.prove_windows()
    await house.want("c1", PIN, Timed(house.at(7_200), house.at(10_800)))
    before = await slot(house)
    assert before.schedules
    await house.kill()
    (grant,) = await house.store.fetch(desired.desired_for(DEVICE, 0))
    wanted = (YearDay(house.at(14_400), house.at(18_000)),)
    half = (YearDay(house.at(7_200), house.at(18_000)),)
    order = Order(
        Device(DEVICE, Capabilities(), slots={1: before}),
        SimDriver(lock),
        Reschedule(1, CredentialId("c1"), wanted),
        grant,
        None,
    )
    record = Record(DEVICE, house.keyring, ClockTrust.TRUSTED)
    reading = SlotReading(1, SlotUse.ENABLED, None, True, half)

    def write(tx: Tx) -> None:
        begun = record.begin(tx, order, house.clock.now())
        result = WriteResult(Refused(Refusal.FAILED), reading)
        record.end(tx, order, begun, result, house.clock.now())

    await house.store.submit(write)
    after = await slot(house)
    assert (after.content, after.owner) == (before.content, "c1")
    assert after.schedules == half
    assert (await house.grant("c1")).writes_today == 2, "schedules have the same budget as codes"


async def test_early_exposure_is_measured_when_it_begins(house: World) -> None:
    lock = house.add_lock()
    await house.start()
    await house.want("c1", PIN, Timed(house.at(200), house.at(7200)))
    assert (await house.grant("c1")).early_exposure_ms == 200_000
    await house.advance(300)
    lock.holds.clear()
    await house.advance(86_400)
    assert (await house.grant("c1")).early_exposure_ms == 200_000


async def test_digits_leave_with_the_last_code_and_stay_in_quarantine(house: World) -> None:
    one, two = house.add_lock(), house.add_lock()
    await house.start()
    await house.want("c1", PIN, Always(), devices=("dev_1", "dev_2"))
    assert one.opens(PIN)
    two.unreachable = True
    await house.revoke("c1")
    assert (await house.grant("c1")).has_digits
    two.unreachable = False
    house.hear(2)
    await house.advance(60)
    assert not (await house.grant("c1")).has_digits
    hashed = house.keyring.hash(Secret(PIN))
    assert hashed in await house.store.fetch(history.quarantined(DEVICE, house.clock.now()))


async def test_somebody_elses_digits_in_our_slot_are_left_alone_and_told(house: World) -> None:
    lock = house.add_lock()
    await house.start()
    await house.want("c1", PIN, Always())
    lock.holds[1] = Code(OTHER)
    await house.advance(300)
    assert lock.holds[1] == Code(OTHER)
    assert lock.opens(PIN)
    assert len(await house.told(EventType.OTHER_CONTROLLER_SUSPECTED)) == 1
