"""What stays true when things happen at the worst moment: late echoes, edits, crashes, clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.events import EventType
from gateway.domain.grants import GrantState
from gateway.domain.ids import DeviceId
from gateway.domain.instant import ClockTrust, after
from gateway.domain.reconcile import plan
from gateway.domain.wants import Moment
from gateway.domain.windows import Always, Timed
from gateway.drivers.api import SlotChange, SlotChanged
from gateway.scheduler.publish import publish_verdicts
from gateway.store import desired, devices, reported
from tests.flows.world import Code, world

if TYPE_CHECKING:
    from pathlib import Path

PIN = "483920"
OTHER = "719204"
THIRD = "602857"


# ── echoes of our own work, under a wrong source ────────────────────────────────────────


async def test_a_late_echo_of_our_write_under_a_wrong_source_disowns_nothing(
    tmp_path: Path,
) -> None:
    """Some locks name the keypad as the source of what came over the air."""
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Timed(house.at(0), house.at(600)))
        await house.advance(1)
        house.ring(SlotChanged(1, SlotChange.ADDED, at_lock=True))
        await house.advance(30)
        assert lock.opens(PIN)
        assert (await house.grant("c1")).state is GrantState.ACTIVE
        await house.advance(600)
        assert not lock.opens(PIN)


async def test_a_late_echo_of_an_erase_does_not_hide_the_slots_next_code(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(slots=1)
        await house.start()
        await house.want("c1", PIN, Always())
        await house.want("c2", OTHER, Timed(house.at(60), house.at(600)))
        await house.revoke("c1")
        house.ring(SlotChanged(1, SlotChange.REMOVED, at_lock=True))
        await house.advance(30)
        assert lock.opens(OTHER)
        await house.advance(600)
        assert not lock.opens(OTHER)


async def test_a_removal_at_the_lock_under_a_wrong_number_leaves_no_code_untracked(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(sleepy=True)
        await house.start()
        await house.want("c1", PIN, Timed(house.at(0), house.at(600)))
        await house.advance(60)
        house.ring(SlotChanged(1, SlotChange.REMOVED, at_lock=True))
        await house.advance(30)
        assert not lock.opens(PIN)
        assert (await house.grant("c1")).state is GrantState.REMOVED_EXTERNALLY
        assert len(await house.told(EventType.CREDENTIAL_REMOVED_EXTERNALLY)) == 1


async def test_a_purge_in_the_middle_of_a_write_leaves_no_code_behind_unseen(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(delay_s=3.0)
        await house.start()
        await house.advance(60)
        lock.faults.append(("program", "answer_lost"))
        await house.want("c1", PIN, Always())
        await house.advance(1)
        house.ring(SlotChanged(None, SlotChange.REMOVED, at_lock=True))
        await house.advance(60)
        row = await house.grant("c1")
        assert lock.opens(PIN) == (row.state is GrantState.ACTIVE)
        await house.revoke("c1")
        await house.advance(60)
        assert not lock.opens(PIN)


async def test_everything_cleared_over_the_air_by_another_is_found_on_a_battery_lock_too(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(sleepy=True)
        await house.start()
        await house.want("c1", PIN, Always())
        await house.advance(3600)
        lock.holds.clear()
        house.ring(SlotChanged(None, SlotChange.REMOVED, at_lock=False))
        await house.advance(30)
        assert lock.opens(PIN)


async def test_a_code_changed_over_the_air_by_another_is_found_on_a_battery_lock_too(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(sleepy=True)
        await house.start()
        await house.want("c1", PIN, Always())
        await house.advance(3600)
        lock.holds.clear()
        house.ring(SlotChanged(1, SlotChange.REMOVED, at_lock=False))
        await house.advance(30)
        assert lock.opens(PIN)


# ── erases that fail ────────────────────────────────────────────────────────────────────


async def test_an_erase_that_does_not_take_is_not_told_as_a_programming(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        lock.stubborn = True
        await house.start()
        await house.want("c1", PIN, Always())
        await house.revoke("c1")
        await house.advance(3600)
        assert len(await house.told(EventType.CREDENTIAL_PROGRAMMED)) == 1
        assert len(await house.told(EventType.CREDENTIAL_UNCONFIRMED)) == 1
        assert len(await house.told(EventType.CREDENTIAL_ERASE_OVERDUE)) == 1
        assert (await house.grant("c1")).state is GrantState.ERASING
        assert lock.count("erase") > 50
        lock.stubborn = False
        await house.advance(61)
        assert not lock.holds


async def test_an_erase_is_tried_for_ever_whatever_the_lock_says(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Always())
        words = ["not_authorised", "unsupported", "invalid_value", "busy", "failed", "full"]
        lock.faults.extend(("erase", f"say:{word}") for word in words * 20)
        await house.revoke("c1")
        await house.advance(3 * 3600)
        assert not lock.holds
        assert len(await house.told(EventType.CREDENTIAL_ERASE_OVERDUE)) == 1
        assert (await house.grant("c1")).state is GrantState.ERASED


async def test_the_alarm_is_raised_also_while_an_unproven_clock_runs_ahead(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Always())
        house.floor = house.clock.now()
        house.clock.trust = ClockTrust.UNTRUSTED
        house.clock.jump(400 * 86_400)
        await house.restart()
        lock.unreachable = True
        await house.revoke("c1")
        for _ in range(12):
            await house.advance(10)
            house.floor = after(house.floor, 10)
        assert len(await house.told(EventType.CREDENTIAL_ERASE_OVERDUE)) == 1


# ── edits while something is under way ──────────────────────────────────────────────────


async def test_a_stay_extended_during_the_erase_at_its_end_keeps_its_code(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(delay_s=3.0)
        await house.start()
        await house.advance(60)
        start = house.at(0)
        await house.want("c1", PIN, Timed(start, house.at(600)))
        await house.advance(601)
        await house.want("c1", PIN, Timed(start, house.at(7200)), version=2)
        await house.advance(30)
        assert lock.count("erase") == 1
        assert lock.opens(PIN)
        assert (await house.grant("c1")).state is GrantState.ACTIVE


async def test_what_was_planned_upon_an_older_order_says_nothing_of_a_newer_one(
    tmp_path: Path,
) -> None:
    """A conflict found for one version must not refuse the version that resolves it."""
    async with world(tmp_path) as house:
        lock = house.add_lock()
        lock.holds[3] = Code(PIN)
        await house.start()
        await house.kill()
        await house.want("c1", PIN, Always())
        rows, slots, wanted, shown = await house.store.snapshot(
            devices.device(DeviceId("dev_1")),
            reported.slots_for(DeviceId("dev_1")),
            desired.desired_for(DeviceId("dev_1"), 0),
            reported.shown_for(DeviceId("dev_1")),
        )
        device = reported.device_view(rows[0], slots, "UTC")
        moment = Moment(house.clock.now())
        decided = plan(device, wanted, moment, house.policy)
        await house.want("c1", OTHER, Always(), version=2)
        await publish_verdicts(house.store, device, decided, wanted, shown, moment, seen=True)
        await house.start()
        assert lock.opens(OTHER)


async def test_the_same_digits_for_the_next_guest_survive_a_lost_answer_of_the_erase(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        start = house.at(0)
        await house.want("c1", PIN, Timed(start, house.at(3600)))
        await house.want("c2", PIN, Timed(house.at(3600 + 1800), house.at(3 * 3600)))
        lock.faults.extend([("erase", "not_done")] * 40)
        await house.advance(3 * 3600 - 60)
        assert lock.opens(PIN)
        assert (await house.grant("c2")).state is GrantState.ACTIVE


# ── locks that join again ───────────────────────────────────────────────────────────────


async def test_a_code_put_by_hand_after_a_factory_reset_is_not_erased_for_ours(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(keeps_windows=True)
        await house.start()
        await house.prove_windows()
        await house.want("c1", PIN, Timed(house.at(86_400), house.at(2 * 86_400)))
        await house.advance(3600)
        assert lock.slot_of(PIN) == 1
        lock.holds.clear()
        lock.holds[1] = Code(THIRD)
        house.leave()
        await house.settle()
        house.rejoin()
        await house.revoke("c1")
        await house.advance(600)
        assert lock.holds == {1: Code(THIRD)}


async def test_a_code_the_lock_keeps_for_later_survives_its_joining_again(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(keeps_windows=True)
        await house.start()
        await house.prove_windows()
        await house.want("c1", PIN, Timed(house.at(86_400), house.at(2 * 86_400)))
        await house.advance(3600)
        house.rejoin()
        await house.advance(3600)
        assert lock.slot_of(PIN) == 1
        assert (lock.count("program"), lock.count("erase")) == (1, 0)


async def test_a_slot_that_cannot_be_read_after_joining_again_is_erased_all_the_same(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Always())
        lock.faults.extend([("read", "say:failed")] * 500)
        house.rejoin()
        await house.settle()
        await house.revoke("c1")
        await house.advance(300)
        assert lock.slot_of(PIN) is None


async def test_a_code_keyed_in_where_our_write_never_arrived_is_not_erased_for_it(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.advance(60)
        lock.faults.extend([("program", "not_done"), ("read", "not_delivered")])
        await house.want("c1", PIN, Always())
        lock.holds[1] = Code(THIRD)
        await house.revoke("c1")
        await house.advance(600)
        assert lock.holds == {1: Code(THIRD)}
        assert (await house.grant("c1")).state is GrantState.ERASED


async def test_a_code_that_somebody_keyed_in_over_ours_stays_when_ours_is_over(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Always())
        await house.advance(60)
        assert lock.slot_of(PIN) == 1
        lock.holds[1] = Code(THIRD)  # nobody heard of it
        await house.revoke("c1")
        await house.advance(600)
        assert lock.holds == {1: Code(THIRD)}
        assert (await house.grant("c1")).state is GrantState.ERASED
        await house.want("c2", OTHER, Always())
        await house.advance(60)
        assert lock.slot_of(OTHER) == 2


async def test_digits_of_ours_go_although_others_were_proven_since(tmp_path: Path) -> None:
    """An earlier write of ours came late, over the later one."""
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Always())
        await house.advance(60)
        await house.want("c1", OTHER, Always(), version=2)
        await house.advance(60)
        assert lock.slot_of(OTHER) == 1
        lock.holds[1] = Code(PIN)
        await house.revoke("c1")
        await house.advance(600)
        assert lock.holds == {}


async def test_slots_that_would_not_be_read_are_asked_again_for_a_guest_without_one(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(slots=3)
        lock.faults.extend([("read", "say:failed")] * 6)
        await house.start()
        for number in range(3):
            await house.want(f"c{number}", f"30{number}718", Always())
        await house.advance(1200)
        assert [lock.opens(f"30{number}718") for number in range(3)] == [True] * 3
        assert lock.count("read") < 20


# ── defects below us ────────────────────────────────────────────────────────────────────


async def test_a_defect_met_by_one_code_keeps_no_other_waiting(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.advance(60)
        lock.poison = PIN
        await house.want("c1", PIN, Always())
        await house.want("c2", OTHER, Always())
        await house.advance(30)
        assert lock.opens(OTHER)


async def test_a_command_that_meets_a_defect_is_answered(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        lock.faults.append(("unlock", "defect"))
        await house.command("k1", "unlock", not_after=house.at(30))
        await house.advance(30)
        result = await house.result("k1")
        assert result is not None
        assert result["outcome"] == "unconfirmed"
        assert lock.opened == 0


async def test_a_command_whose_device_is_removed_meanwhile_is_answered(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        house.add_lock(delay_s=5.0)
        await house.start()
        await house.advance(60)
        await house.command("k1", "unlock", not_after=house.at(30))
        await house.command("k2", "unlock", not_after=house.at(30))
        await house.advance(1)
        await house.command("k3", "remove_device")
        await house.advance(60)
        results = [await house.result(number) for number in ("k1", "k2", "k3")]
        assert [r and r["outcome"] for r in results] == ["unconfirmed", "refused", "confirmed"]


# ── clocks ──────────────────────────────────────────────────────────────────────────────


async def test_a_power_cut_just_after_a_write_takes_no_code_away_while_time_is_unproven(
    tmp_path: Path,
) -> None:
    """The floor on the disk is some minutes old: by it the code is on the lock too early."""
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        house.floor = house.at(3300)
        await house.want("c1", PIN, Timed(house.at(3900), house.at(90_000)))
        await house.advance(3700)
        assert lock.opens(PIN)
        house.clock.trust = ClockTrust.UNTRUSTED
        house.clock.jump(-14 * 86_400)
        await house.restart()
        await house.advance(3600)
        assert lock.opens(PIN)
        assert lock.count("erase") == 0


async def test_on_a_full_lock_nobody_gives_way_while_time_is_unproven(tmp_path: Path) -> None:
    """By the floor the window has not opened; by the truth somebody stands before the door."""
    async with world(tmp_path) as house:
        lock = house.add_lock(slots=1)
        await house.start()
        house.floor = house.at(3000)
        await house.want("c1", PIN, Timed(house.at(3900), house.at(90_000)))
        await house.advance(4000)
        assert lock.opens(PIN)
        house.clock.trust = ClockTrust.UNTRUSTED
        house.clock.jump(-600)
        await house.restart()
        await house.want("c2", OTHER, Always())
        await house.advance(3600)
        assert lock.opens(PIN)
        assert lock.count("erase") == 0
        (full,) = await house.told(EventType.CREDENTIAL_NO_FREE_SLOT)
        assert full.credential == "c2"
        house.clock.jump(600)
        house.clock.trust = ClockTrust.TRUSTED
        house.floor = house.clock.now()
        await house.until(after(house.clock.now(), 86_400))
        assert lock.opens(OTHER), "the window is over"


async def test_an_unlock_from_before_a_power_cut_is_not_carried_out_by_a_clock_gone_back(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.kill()
        await house.command("k1", "unlock", not_after=house.at(30))
        await house.advance(6 * 3600)
        house.clock.trust = ClockTrust.UNTRUSTED
        house.clock.jump(-6 * 3600 - 5)
        await house.start()
        await house.advance(60)
        assert lock.opened == 0
        result = await house.result("k1")
        assert result is not None
        assert result["outcome"] == "refused"


async def test_a_locks_clock_is_never_set_back_behind_what_was_proven(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(keeps_windows=True)
        await house.start()
        await house.prove_windows()
        await house.want("c1", PIN, Timed(house.at(0), house.at(10 * 86_400)))
        house.floor = house.clock.now()
        house.clock.jump(-3 * 86_400)
        lock.error_ms += 3 * 86_400_000
        for _ in range(60):
            await house.advance(3600)
            house.floor = after(house.floor, 3600)
        assert lock.count("read_clock") > 0
        assert lock.count("set_clock") == 0
