"""When an answer is missing or untrue: read first, write nothing twice, rob nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.domain.devices import Empty, Known
from gateway.domain.events import EventType
from gateway.domain.grants import GrantState
from gateway.domain.ids import DeviceId
from gateway.domain.windows import Always, Timed
from gateway.drivers.api import SlotChange, SlotChanged
from gateway.store import reported
from tests.flows.world import Code, world

if TYPE_CHECKING:
    from pathlib import Path

PIN = "483920"
OTHER = "719204"
THIRD = "602857"


@pytest.mark.parametrize("masked", [False, True])
async def test_a_lost_answer_costs_one_reading_and_no_second_write(
    tmp_path: Path, masked: bool
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(masked=masked)
        await house.start()
        await house.advance(10)
        lock.faults.append(("program", "answer_lost"))
        reads = lock.count("read")
        await house.want("c1", PIN, Always())
        await house.advance(30)
        assert lock.opens(PIN)
        assert (lock.count("program"), lock.count("read") - reads) == (1, 1)
        assert (await house.grant("c1")).state is GrantState.ACTIVE


@pytest.mark.parametrize("sleepy", [False, True])
async def test_who_asks_for_it_has_the_slots_of_others_read_anew_at_once(
    tmp_path: Path, sleepy: bool
) -> None:
    """Also on a lock that nothing is wanted on."""
    async with world(tmp_path) as house:
        lock = house.add_lock(sleepy=sleepy)
        await house.start()
        await house.advance(300)
        lock.holds[4] = Code(PIN)
        await house.command("n1", "refresh")
        await house.advance(60)
        slots = await house.store.fetch(reported.slots_for(DeviceId("dev_1")))
        held = {slot.number: slot for slot in slots if slot.content != Empty()}
        assert isinstance(held[4].content, Known)
        assert len(held) == 1
        assert lock.opens(PIN)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("sleepy", [False, True])
async def test_a_code_that_a_slow_lock_stores_after_it_was_asked_is_still_ours(
    tmp_path: Path, masked: bool, sleepy: bool
) -> None:
    """Read back at once, the slot is empty; the code is there a moment later, and must go again."""
    async with world(tmp_path) as house:
        lock = house.add_lock(masked=masked, sleepy=sleepy)
        await house.start()
        await house.advance(10)
        lock.faults.append(("program", "slow"))
        await house.want("c1", PIN, Timed(house.at(-60), house.at(3600)))
        await house.advance(60)
        assert lock.opens(PIN)
        assert (await house.grant("c1")).state is GrantState.ACTIVE
        assert await house.told(EventType.UNMANAGED_CODE_FOUND) == []
        await house.advance(3600 + 180)
        assert lock.holds == {}


async def test_digits_changed_while_an_answer_is_missing_are_written_on_a_lock_that_masks(
    tmp_path: Path,
) -> None:
    """Occupied proves that the first write arrived, not that the second value is there."""
    async with world(tmp_path) as house:
        lock = house.add_lock(masked=True)
        await house.start()
        lock.faults.append(("program", "answer_lost"))
        lock.faults.append(("read", "not_delivered"))
        await house.want("c1", PIN, Always())
        await house.want("c1", OTHER, Always(), version=2)
        await house.advance(300)
        assert lock.opens(OTHER)
        assert not lock.opens(PIN)


async def test_digits_changed_while_an_answer_is_missing_leave_no_live_code_behind(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        lock.faults.append(("program", "answer_lost"))
        lock.faults.append(("read", "not_delivered"))
        await house.want("c1", PIN, Always())
        await house.want("c1", OTHER, Always(), version=2)
        await house.advance(300)
        assert lock.opens(OTHER)
        assert not lock.opens(PIN)
        assert [code.digits for code in lock.holds.values()] == [OTHER]


async def test_a_code_that_is_acknowledged_and_not_stored_is_found_by_the_next_reading(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        lock.faults.append(("program", "ack_only"))
        await house.want("c1", PIN, Always())
        assert not lock.opens(PIN)
        await house.advance(125)
        assert lock.opens(PIN)


@pytest.mark.parametrize(("after_s", "within_s"), [(60, 65), (4 * 3600, 86_400)])
async def test_a_code_deleted_later_is_found_and_restored(
    tmp_path: Path, after_s: float, within_s: float
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Always())
        await house.advance(after_s)
        lock.holds.clear()
        await house.advance(within_s)
        assert lock.opens(PIN)
        vanished = await house.told(EventType.CREDENTIAL_UNCONFIRMED)
        assert [t.credential for t in vanished] == ["c1"]


async def test_a_battery_lock_is_not_woken_to_look_for_drift(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(sleepy=True)
        await house.start()
        await house.want("c1", PIN, Always())
        before = len(lock.spoken)
        await house.advance(5 * 86_400)
        assert len(lock.spoken) == before


async def test_a_duplicate_is_final_and_the_unmanaged_code_stays(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(masked=True)
        lock.holds[3] = Code(PIN)
        await house.start()
        await house.want("c1", PIN, Always())
        await house.advance(86_400)
        (rejected,) = await house.told(EventType.CREDENTIAL_REJECTED)
        assert rejected.body["reason"].startswith("conflicts_with:unmanaged")
        assert lock.holds == {3: Code(PIN)}
        assert lock.count("program") == 1
        assert (await house.grant("c1")).state is GrantState.REJECTED
        await house.want("c1", OTHER, Always(), version=2)
        assert lock.opens(OTHER)


async def test_a_readable_unmanaged_code_is_named_before_the_radio_is_used(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        lock.holds[3] = Code(PIN)
        await house.start()
        await house.want("c1", PIN, Always())
        assert (await house.grant("c1")).reason == "conflicts_with:unmanaged:slot_3"
        assert lock.count("program") == 0


@pytest.mark.parametrize("masked", [False, True])
async def test_a_code_put_by_hand_into_a_slot_believed_empty_is_never_overwritten(
    tmp_path: Path, masked: bool
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(masked=masked)
        await house.start()
        lock.holds[1] = Code(THIRD)  # nobody told us
        await house.want("c1", PIN, Always())
        await house.advance(86_400)
        assert lock.holds[1] == Code(THIRD)
        assert lock.opens(PIN)
        assert lock.slot_of(PIN) != 1


async def test_a_full_lock_serves_the_soonest_and_names_the_rest(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(slots=3, keeps_windows=True)
        lock.holds[2] = Code(THIRD)
        await house.start()
        await house.prove_windows()
        day = 86_400
        await house.want("late", "918273", Timed(house.at(3 * day), house.at(4 * day)))
        await house.want("mid", OTHER, Timed(house.at(2 * day), house.at(3 * day)))
        await house.want("soon", PIN, Timed(house.at(day), house.at(2 * day)))
        await house.advance(5)
        held = {code.digits for code in lock.holds.values()}
        assert held == {THIRD, OTHER, PIN}
        (full,) = await house.told(EventType.CREDENTIAL_NO_FREE_SLOT)
        assert full.credential == "late"
        await house.advance(2 * day)
        assert lock.slot_of("918273") is not None


async def test_a_clear_code_at_the_lock_is_respected_until_repair_is_resumed(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Always())
        lock.holds.clear()
        house.ring(SlotChanged(None, SlotChange.REMOVED, at_lock=True))
        await house.advance(2 * 86_400)
        assert not lock.holds
        assert (await house.grant("c1")).state is GrantState.REMOVED_EXTERNALLY
        assert len(await house.told(EventType.CODES_CLEARED_AT_LOCK)) == 1
        await house.want("c2", OTHER, Always())
        assert lock.opens(OTHER)
        await house.command("k1", "resume_repair")
        assert lock.opens(PIN)


async def test_the_echo_of_our_own_write_is_not_taken_for_a_change_by_hand(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(delay_s=2.0)
        await house.start()
        await house.advance(60)
        await house.want("c1", PIN, Always())
        await house.advance(1)
        house.ring(SlotChanged(1, SlotChange.ADDED, at_lock=True))
        await house.advance(5)
        house.ring(SlotChanged(1, SlotChange.ADDED, at_lock=False))
        await house.advance(60)
        assert lock.opens(PIN)
        assert lock.count("program") == 1
        assert not await house.told(EventType.CREDENTIAL_REMOVED_EXTERNALLY)


async def test_a_change_over_the_air_that_is_not_ours_is_looked_into(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Always())
        await house.advance(3600)
        lock.holds.clear()
        house.ring(SlotChanged(1, SlotChange.REMOVED, at_lock=False))
        await house.advance(5)
        assert lock.opens(PIN)


async def test_a_lock_that_joins_again_after_a_factory_reset_gets_its_codes_back(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Always())
        await house.want("c2", OTHER, Always())
        await house.revoke("c2")
        await house.advance(3600)
        lock.holds.clear()
        house.leave()
        await house.settle()
        house.rejoin()
        await house.advance(5)
        assert [code.digits for code in lock.holds.values()] == [PIN]
        (suspect,) = await house.told(EventType.DEVICE_SUSPECT)
        assert suspect.device == "dev_1"
        assert lock.count("interview") == 2


@pytest.mark.parametrize("told", [False, True])
async def test_a_lock_that_was_reset_behind_our_back_is_not_trusted_with_a_window(
    tmp_path: Path, told: bool
) -> None:
    """It lost its clock with its codes, and would refuse whoever is let in by a schedule."""
    async with world(tmp_path) as house:
        lock = house.add_lock(keeps_windows=True)
        await house.start()
        await house.prove_windows()
        await house.want("c1", PIN, Timed(house.at(0), house.at(10 * 3600)))
        assert lock.holds[1].schedules
        lock.holds.clear()
        lock.error_ms = -20 * 365 * 86_400_000
        if told:
            house.ring(SlotChanged(None, SlotChange.REMOVED, at_lock=True))
            await house.settle()
        await house.want("c2", OTHER, Timed(house.at(0), house.at(10 * 3600)))
        await house.advance(125)
        assert lock.opens(OTHER)
        assert lock.opens(PIN) or told
        assert lock.error_ms == 0


async def test_a_lock_that_joins_again_unharmed_is_only_read(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Always())
        house.rejoin()
        await house.advance(5)
        assert lock.opens(PIN)
        assert lock.count("program") == 1
        assert (await house.grant("c1")).state is GrantState.ACTIVE


@pytest.mark.parametrize("masked", [False, True])
async def test_what_was_keyed_in_stays_where_a_write_did_not_arrive_and_the_lock_joined_again(
    tmp_path: Path, masked: bool
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(masked=masked)
        await house.start()
        lock.unreachable = True
        await house.want("c1", PIN, Always())
        await house.advance(1)
        lock.holds[1] = Code(OTHER)
        house.rejoin()
        await house.settle()
        lock.unreachable = False
        await house.advance(600)
        assert lock.holds == {1: Code(OTHER), 2: Code(PIN)}
        assert (await house.grant("c1")).state is GrantState.ACTIVE


async def test_a_grant_for_a_lock_that_never_joined_says_so_and_is_served_when_it_does(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        await house.start()
        await house.want("c1", PIN, Always())
        await house.want("c2", OTHER, Timed(house.at(0), house.at(600)))
        await house.settle()
        row = await house.grant("c1")
        assert (row.state, row.reason) == (GrantState.PENDING, "unknown_device")
        await house.advance(2 * 3600)
        assert [t.credential for t in await house.told(EventType.CREDENTIAL_MISSED)] == ["c2"]
        lock = house.add_lock()
        house.rejoin()
        await house.advance(5)
        assert lock.opens(PIN)
        assert (await house.grant("c1")).state is GrantState.ACTIVE
