"""Events at the door: whose they were, what they prove, and that none is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway.domain.devices import Evidence
from gateway.domain.events import EventType, Method
from gateway.domain.ids import DeviceId
from gateway.domain.instant import Instant
from gateway.domain.secret import KeyedHash, Secret
from gateway.domain.windows import Always
from gateway.drivers.api import Happening, LogRead, Measured, SlotChange, SlotChanged
from gateway.scheduler.doorbell import Doorbell
from gateway.store import devices, media, reported
from tests.flows.world import Code, World, world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PIN, OTHER = "483920", "719204"
DEVICE = DeviceId("dev_1")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as one:
        one.add_lock()
        await one.start()
        yield one


async def ring(house: World, *rung: Happening | Measured | SlotChanged) -> None:
    for event in rung:
        house.ring(event)
    await house.settle()


def opened(slot: int | None) -> Happening:
    return Happening(EventType.LOCK_UNLOCKED, Method.CODE, slot)


def logged(slot: int | None, dated_ms: int, code: KeyedHash | None = None) -> Happening:
    """An opening as a lock's log tells of it, dated by that lock's clock."""
    dated = Instant(dated_ms)
    return replace(opened(slot), device_time=dated, from_log=True, code=code)


async def whose(house: World, *records: Happening) -> list[str | None]:
    """Whose the openings of a log are, read from a lock whose clock is thought exact."""
    doorbell, now = Doorbell(house.store, house.clock), house.clock.now()
    read = LogRead(records, "1")
    await house.store.submit(lambda tx: doorbell.write_log(tx, DEVICE, read, now, 0))
    return [told.credential for told in await house.told(EventType.LOCK_UNLOCKED)]


async def test_news_in_a_log_is_owed_until_it_was_read(house: World) -> None:
    """A power cut after the lock took its sign back, and before the records were written down."""
    await ring(house, Measured(log_news=True))
    await ring(house, Measured(log_news=False))
    row = await house.store.fetch_one(devices.device(DEVICE))
    assert row is not None
    assert row.log_news


async def test_an_opening_is_its_holders_at_that_time_and_counts_as_proof(house: World) -> None:
    await house.want("c1", PIN, Always())
    await ring(house, opened(1))
    first = await house.grant("c1")
    assert (first.uses, first.first_used_at) == (1, house.clock.now())
    slot = await house.store.fetch_one(reported.slot(DEVICE, 1))
    assert slot is not None
    assert Evidence.USED_AT_KEYPAD in slot.evidence
    await house.advance(60)
    await house.revoke("c1")
    await house.want("c2", OTHER, Always())
    await house.advance(60)
    await ring(house, opened(1))
    assert ((await house.grant("c1")).uses, (await house.grant("c2")).uses) == (1, 1)
    by = [t.credential for t in await house.told(EventType.LOCK_UNLOCKED)]
    assert by == ["c1", "c2"]


async def test_an_opening_from_an_unmanaged_slot_is_nobodys_of_ours(house: World) -> None:
    await ring(house, opened(7))
    (told,) = await house.told(EventType.LOCK_UNLOCKED)
    assert (told.credential, told.body["managed"], told.body["slot"]) == (None, False, 7)
    assert not await house.told(EventType.CREDENTIAL_USED)


async def test_a_record_dated_just_before_its_code_was_written_is_its_holders(
    house: World,
) -> None:
    """Locks date their records in whole seconds."""
    await house.want("c1", PIN, Always())
    written = house.clock.now()
    await house.advance(60)
    records = [logged(1, written - early_ms) for early_ms in (900, 60_000)]
    assert await whose(house, *records) == ["c1", None]


async def test_a_record_dated_just_after_its_code_was_erased_is_its_holders(house: World) -> None:
    """A lock's clock is ahead by what nobody measured."""
    await house.want("c1", PIN, Always())
    await house.advance(60)
    await house.revoke("c1")
    await house.settle()
    erased = house.clock.now()
    await house.advance(120)
    records = [logged(1, erased + late_ms) for late_ms in (900, 60_000)]
    assert await whose(house, *records) == ["c1", None]


async def test_a_record_that_tells_its_code_is_that_codes_whatever_the_locks_clock_says(
    house: World,
) -> None:
    """The slot was another's a second later."""
    await house.want("c1", PIN, Always())
    await house.advance(1)
    await house.revoke("c1")
    await house.want("c2", OTHER, Always())
    await house.advance(120)
    slot = (await house.grant("c2")).slot
    now, hashed = house.clock.now(), house.keyring.hash
    first = logged(slot, now, hashed(Secret(PIN)))
    second = logged(slot, now - 600_000, hashed(Secret(OTHER)))
    assert await whose(house, first, second) == ["c1", "c2"]


async def test_a_jam_has_a_start_and_an_end(house: World) -> None:
    await ring(house, Happening(EventType.LOCK_JAMMED))
    row = await house.store.fetch_one(devices.device(DEVICE))
    assert row is not None
    assert row.jammed
    await ring(house, Happening(EventType.LOCK_LOCKED, Method.MANUAL))
    row = await house.store.fetch_one(devices.device(DEVICE))
    assert row is not None
    assert (row.jammed, row.locked) == (False, True)
    assert len(await house.told(EventType.LOCK_JAM_CLEARED)) == 1


async def test_a_lock_that_tells_of_a_jams_end_by_itself_is_told_of_once(house: World) -> None:
    await ring(house, Happening(EventType.LOCK_JAM_CLEARED))
    assert await house.told(EventType.LOCK_JAM_CLEARED) == []
    await ring(house, Happening(EventType.LOCK_JAMMED))
    await ring(house, Happening(EventType.LOCK_JAM_CLEARED))
    row = await house.store.fetch_one(devices.device(DEVICE))
    assert row is not None
    assert not row.jammed
    await ring(house, Happening(EventType.LOCK_UNLOCKED, Method.MANUAL))
    assert len(await house.told(EventType.LOCK_JAM_CLEARED)) == 1


async def test_a_refusal_by_schedule_proves_that_the_lock_keeps_them(house: World) -> None:
    await ring(house, Happening(EventType.ACCESS_DENIED, Method.CODE, 1, schedule_refused=True))
    row = await house.store.fetch_one(devices.device(DEVICE))
    assert row is not None
    assert row.schedules_proven


async def test_telemetry_is_told_at_its_edges_only(house: World) -> None:
    low = Measured(battery_percent=9, battery_low=True)
    await ring(house, Measured(door_open=True), Measured(door_open=True), low, low)
    await ring(house, Measured(door_open=False, battery_low=False))
    kinds = [t.type for t in await house.told()]
    assert kinds.count(EventType.DOOR_OPENED) == kinds.count(EventType.DOOR_CLOSED) == 1
    assert kinds.count(EventType.BATTERY_LOW) == kinds.count(EventType.BATTERY_REPLACED) == 1


async def test_a_code_changed_at_the_lock_is_no_longer_ours(house: World) -> None:
    await house.want("c1", PIN, Always())
    await house.advance(60)
    lock = next(iter(house.locks.values()))
    lock.holds[1] = Code(OTHER)
    await ring(house, SlotChanged(1, SlotChange.CHANGED, at_lock=True))
    await house.advance(60)
    assert lock.holds == {1: Code(OTHER)}
    assert (await house.grant("c1")).removed_externally
    assert len(await house.told(EventType.UNMANAGED_CODE_FOUND)) == 1


async def test_nothing_is_lost_while_the_disk_refuses_and_order_is_kept(house: World) -> None:
    house.writer.full = True
    await ring(house, Happening(EventType.LOCK_UNLOCKED), Happening(EventType.LOCK_LOCKED))
    at = house.clock.now()
    await house.advance(10)
    await ring(house, Happening(EventType.LOCK_UNLOCKED))
    house.writer.full = False
    await house.advance(5)
    told = await house.told(EventType.LOCK_UNLOCKED, EventType.LOCK_LOCKED)
    assert [t.type for t in told] == [
        EventType.LOCK_UNLOCKED, EventType.LOCK_LOCKED, EventType.LOCK_UNLOCKED,
    ]  # fmt: skip
    assert [t.at for t in told] == [at, at, at + 10_000]


async def test_an_event_that_cannot_be_stored_takes_no_other_with_it(house: World) -> None:
    poison = Measured(battery_percent="full")  # type: ignore[arg-type]  # what a defective driver might say
    await ring(house, Happening(EventType.LOCK_LOCKED), poison, Happening(EventType.LOCK_UNLOCKED))
    assert len(await house.told(EventType.LOCK_LOCKED, EventType.LOCK_UNLOCKED)) == 2
    await ring(house, Happening(EventType.LOCK_LOCKED))
    assert len(await house.told(EventType.LOCK_LOCKED)) == 2


async def test_a_card_that_was_enrolled_here_has_a_name_in_the_log(house: World) -> None:
    ours, strange = KeyedHash("0123456789abcdef"), KeyedHash("fedcba9876543210")
    row = media.MediumRow(DEVICE, "card", ours, "Ada", (), house.clock.now(), "local:ada")
    await house.store.submit(lambda tx: media.put(tx, row))
    for which in (ours, strange, None):
        await ring(house, Happening(EventType.LOCK_UNLOCKED, Method.CARD, medium=which))
    bodies = [told.body for told in await house.told(EventType.LOCK_UNLOCKED)]
    assert bodies == [
        {"method": "card", "medium": "01234567", "name": "Ada"},
        {"method": "card", "medium": "fedcba98", "name": None},
        {"method": "card"},
    ]
