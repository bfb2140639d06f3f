"""Power cuts at any line, full disks, wrong clocks: nothing is lost, nothing is done twice."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from gateway.domain.events import EventType, Method
from gateway.domain.grants import GrantState
from gateway.domain.instant import ClockTrust, Instant
from gateway.domain.windows import Always, Timed
from gateway.drivers.api import Happening
from gateway.errors import StoreClosed
from gateway.store import events, history
from tests.flows.world import Code, World, world

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

PIN = "483920"
OTHER = "719204"
THIRD = "602857"
FOREIGN = "555123"


async def story(house: World) -> None:
    """Two locks with everything going on, and the order of it all. Restarts when it was killed."""

    async def alive() -> None:
        if house.dead:
            await house.restart()

    start = house.at(0)
    steps: tuple[Callable[[], Awaitable[None]], ...] = (
        lambda: house.want("stay", PIN, Timed(start, Instant(start + 3_600_000))),
        lambda: house.want("both", OTHER, Always(), devices=("dev_1", "dev_2")),
        lambda: house.want("gone", THIRD, Always(), devices=("dev_2",)),
        lambda: house.want("both", "719205", Always(), devices=("dev_1", "dev_2"), version=2),
        lambda: house.revoke("gone"),
        lambda: house.command("open", "unlock", not_after=Instant(start + 86_400_000)),
    )
    for step in steps:
        with suppress(StoreClosed):  # committed all the same
            await step()
        await alive()
        await house.advance(7)
        await alive()
    await house.until(Instant(start + 3_600_000))
    await alive()
    await house.advance(400)
    await alive()
    await house.advance(400)


async def shown(house: World) -> dict[tuple[str, str], tuple[str, str | None]]:
    names = [("stay", "dev_1"), ("both", "dev_1"), ("both", "dev_2"), ("gone", "dev_2")]
    rows = {name: await house.grant(*name) for name in names}
    return {name: (row.state.value, row.reason) for name, row in rows.items()}


async def check(house: World, erased: tuple[int, ...] = (1,)) -> None:
    """What must be true at the end, however often it was cut off.

    `erased`: how often an erase may be told of each code that had to go.
    """
    one, two = house.locks.values()
    assert {c.digits for c in one.holds.values()} == {"719205"}
    assert {c.digits for c in two.holds.values()} == {"719205", FOREIGN}
    assert two.holds[2] == Code(FOREIGN)
    assert one.opened <= 1, "a door was opened twice for one command"
    result = await house.result("open")
    assert result is not None
    if one.opened == 0:
        assert result["outcome"] != "confirmed"
    assert await shown(house) == {
        ("stay", "dev_1"): ("erased", "expired"),
        ("both", "dev_1"): ("active", None),
        ("both", "dev_2"): ("active", None),
        ("gone", "dev_2"): ("erased", "tombstone"),
    }
    told = await house.told()
    for name in (("stay", "dev_1"), ("gone", "dev_2")):
        # Who is removed is forgotten at once; an end may be a clock's error (housekeeping's).
        assert (await house.grant(*name)).has_digits is (name[0] == "stay")
        gone = [t.credential for t in told if t.type is EventType.CREDENTIAL_ERASED]
        assert gone.count(name[0]) in erased
    assert len([t for t in told if t.type is EventType.AUDIT_COMMAND]) == 1


async def prepare(house: World) -> None:
    house.add_lock(delay_s=1.0)
    house.add_lock(delay_s=1.5).holds[2] = Code(FOREIGN)
    await house.start()
    await house.advance(60)


async def test_the_story_without_any_accident(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        await prepare(house)
        await story(house)
        await check(house)
        assert next(iter(house.locks.values())).opened == 1


async def commits_of_the_story(folder: Path) -> tuple[int, int]:
    folder.mkdir()
    async with world(folder) as house:
        await prepare(house)
        first = house.writer.commits
        await story(house)
        return first, house.writer.commits


@pytest.mark.slow
async def test_a_crash_after_every_single_commit_ends_in_the_same_state(tmp_path: Path) -> None:
    first, last = await commits_of_the_story(tmp_path / "plain")
    assert last - first > 30
    for number in range(first + 1, last + 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with world(folder) as house:
            await prepare(house)
            house.writer.crash_after = number
            await story(house)
            await check(house)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
async def test_kills_at_random_moments_lose_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with world(tmp_path) as house:
        await prepare(house)
        start = house.at(0)
        await house.want("stay", PIN, Timed(start, Instant(start + 3_600_000)))
        await house.want("both", OTHER, Always(), devices=("dev_1", "dev_2"))
        await house.want("gone", THIRD, Always(), devices=("dev_2",))
        for _ in range(8):
            await house.advance(chance.uniform(0, 3))
            for _ in range(chance.randrange(6)):
                await house.turn()
            await house.restart()
        await house.want("both", "719205", Always(), devices=("dev_1", "dev_2"), version=2)
        await house.revoke("gone")
        await house.command("open", "unlock", not_after=Instant(start + 86_400_000))
        for _ in range(8):
            await house.advance(chance.uniform(0, 3))
            for _ in range(chance.randrange(6)):
                await house.turn()
            await house.restart()
        await house.until(Instant(start + 3_600_000))
        await house.advance(800)
        await check(house, erased=(0, 1))


async def test_erases_reach_the_lock_when_nothing_can_be_written_down(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Timed(house.at(0), house.at(600)))
        await house.want("c2", OTHER, Timed(house.at(900), house.at(1800)))
        house.writer.full = True
        await house.advance(600)
        assert not lock.opens(PIN)
        closed = house.clock.now()
        house.ring(Happening(EventType.LOCK_LOCKED, Method.MANUAL))
        await house.advance(400)
        assert not lock.opens(OTHER), "a write without a journal"
        assert lock.count("erase") == 1, "an erase that is done need not be repeated"
        house.writer.full = False
        await house.advance(60)
        assert lock.opens(OTHER)
        row = await house.grant("c1")
        assert (row.state, row.late_revocation_ms) == (GrantState.ERASED, 0)
        assert (await house.told(EventType.CREDENTIAL_ERASED))[0].at == closed
        (locked,) = await house.told(EventType.LOCK_LOCKED)
        assert locked.at == closed


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("removed", [False, True])
async def test_a_code_that_was_to_go_with_a_full_disk_is_looked_for_before_it_stays(
    tmp_path: Path, masked: bool, removed: bool
) -> None:
    """It may be off the lock, and the power took the only memory of that."""
    async with world(tmp_path) as house:
        lock = house.add_lock(masked=masked)
        await house.start()
        opens, closes = house.at(0), house.at(600)
        await house.want("c1", PIN, Timed(opens, closes))
        await house.advance(300)
        if removed:
            lock.faults.extend([("erase", "not_delivered")] * 20)
            await house.revoke("c1")
        house.writer.full = True
        lock.faults.clear()
        await house.advance(600)
        assert not lock.opens(PIN)
        await house.kill()
        house.writer.full = False
        await house.want("c1", PIN, Timed(opens, house.at(3600)), version=2)
        await house.start()
        await house.advance(60)
        assert lock.opens(PIN)
        assert (await house.grant("c1")).state is GrantState.ACTIVE


async def test_what_waited_for_the_disk_is_dated_by_the_time_that_was_proven_meanwhile(
    tmp_path: Path,
) -> None:
    """Else it would be told with a proven time's trust and the date of a clock that was wrong."""
    async with world(tmp_path) as house:
        house.add_lock()
        house.clock.trust = ClockTrust.UNTRUSTED
        await house.start()
        house.writer.full = True
        house.ring(Happening(EventType.LOCK_LOCKED, Method.MANUAL))
        happened_ms = house.clock.monotonic() * 1000
        await house.advance(60)
        house.clock.jump(7200)
        house.clock.trust = ClockTrust.TRUSTED
        now, now_ms = house.clock.now(), house.clock.monotonic() * 1000
        await house.advance(60)
        house.writer.full = False
        await house.advance(60)
        rows = await house.store.fetch(events.events_after(0, 100))
        (locked,) = (row for row in rows if row.type is EventType.LOCK_LOCKED)
        assert locked.trust is ClockTrust.TRUSTED
        assert locked.at == now - round(now_ms - happened_ms)


async def test_erases_reach_the_lock_after_a_start_on_a_full_disk(tmp_path: Path) -> None:
    """The attempt that the crash cut off cannot be closed, and is no reason to leave a code."""
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Timed(house.at(0), house.at(600)))
        lock.delay_s = 5.0
        await house.want("c2", OTHER, Always())
        await house.kill()
        assert await house.store.fetch(history.open_attempts())
        lock.delay_s = 0.0
        house.writer.full = True
        await house.start()
        await house.advance(660)
        assert not house.dead
        assert not lock.opens(PIN)
        house.writer.full = False
        await house.advance(60)
        assert (await house.grant("c1")).state is GrantState.ERASED


@pytest.mark.parametrize("masked", [False, True])
async def test_a_first_write_still_unproven_on_a_full_disk_goes_at_its_end(
    tmp_path: Path, masked: bool
) -> None:
    """Its slot must be read before it may be erased, and the reading cannot be written down."""
    async with world(tmp_path) as house:
        lock = house.add_lock(masked=masked)
        await house.start()
        await house.advance(60)
        lock.faults.append(("program", "answer_lost"))
        lock.faults.extend([("read", "not_delivered")] * 20)
        await house.want("c1", PIN, Timed(house.at(0), house.at(60)))
        assert lock.opens(PIN)
        house.writer.full = True
        lock.faults.clear()
        await house.advance(60 + 60)
        assert not lock.opens(PIN)
        erases = lock.count("erase")
        await house.advance(600)
        assert lock.count("erase") == erases
        house.writer.full = False
        await house.advance(60)
        (erased,) = await house.told(EventType.CREDENTIAL_ERASED)
        assert erased.body["slot"] == 1
        assert (await house.grant("c1")).state is GrantState.MISSED  # it was never proven


async def test_new_schedules_in_doubt_on_a_full_disk_are_no_reason_to_erase(tmp_path: Path) -> None:
    """The slot is read as soon as one that must go: it is right by now, and to stay."""
    async with world(tmp_path) as house:
        lock = house.add_lock(keeps_windows=True)
        await house.start()
        await house.prove_windows()
        await house.advance(60)
        await house.want("c1", PIN, Timed(house.at(7200), house.at(14_400)))
        lock.faults.append(("reschedule", "answer_lost"))
        lock.faults.extend([("read", "not_delivered")] * 20)
        await house.want("c1", PIN, Timed(house.at(10_800), house.at(14_400)), version=2)
        assert lock.count("reschedule") == 1
        house.writer.full = True
        lock.faults.clear()
        reads = lock.count("read")
        await house.advance(300)
        assert lock.count("read") > reads
        assert lock.count("erase") == 0
        house.writer.full = False
        await house.advance(120)
        assert (await house.grant("c1")).state is GrantState.PROGRAMMED


async def test_somebody_elses_code_stays_where_an_unproven_write_never_arrived(
    tmp_path: Path,
) -> None:
    """Not even a full disk is a reason to erase what reads as another code."""
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.advance(60)
        lock.faults.append(("program", "not_done"))
        lock.faults.extend([("read", "not_delivered")] * 20)
        await house.want("c1", PIN, Timed(house.at(0), house.at(60)))
        lock.holds[1] = Code(FOREIGN)
        house.writer.full = True
        lock.faults.clear()
        await house.advance(600)
        house.writer.full = False
        await house.advance(120)
        assert lock.opens(FOREIGN)


async def test_a_full_disk_says_nothing_about_the_lock(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        house.add_lock()
        await house.start()
        await house.want("c1", PIN, Always())
        house.writer.full = True
        await house.advance(3 * 86_400)
        house.writer.full = False
        await house.advance(120)
        assert not await house.told(EventType.DEVICE_OFFLINE)
        assert (await house.grant("c1")).state is GrantState.ACTIVE


async def test_a_code_suspended_and_enabled_while_the_disk_is_full_is_on_the_lock(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Always())
        await house.want("c1", PIN, Always(), version=2, suspended=True)
        assert not lock.opens(PIN)
        await house.want("c1", PIN, Always(), version=3)
        await house.want("c2", OTHER, Timed(house.at(0), house.at(60)))
        house.writer.full = True
        await house.advance(61)
        assert not lock.opens(OTHER)
        house.writer.full = False
        start = house.at(0)
        await house.want("c2", OTHER, Timed(start, house.at(600)), version=2)
        await house.advance(60)
        assert lock.opens(OTHER)
        assert lock.opens(PIN)


async def test_commands_wait_out_a_full_disk_and_never_act_twice(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(delay_s=2.0)
        await house.start()
        await house.advance(60)
        await house.command("k1", "unlock", not_after=house.at(30))
        house.writer.full = True
        await house.advance(30)
        assert lock.opened == 1
        assert await house.result("k1") is None
        house.writer.full = False
        await house.advance(5)
        result = await house.result("k1")
        assert result is not None
        assert result["outcome"] == "confirmed"
        assert lock.opened == 1


async def test_an_unproven_clock_activates_nothing_and_erases_by_the_floor(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        start = house.at(0)
        await house.want("old", PIN, Timed(start, Instant(start + 3_600_000)))
        assert lock.opens(PIN)
        await house.kill()
        house.clock.trust = ClockTrust.UNTRUSTED
        house.clock.jump(-14 * 86_400)
        house.floor = Instant(start + 3_500_000)
        await house.start()
        await house.want("new", OTHER, Timed(Instant(start - 1), Instant(start + 7_200_000)))
        await house.advance(60)
        assert lock.opens(PIN)
        assert not lock.opens(OTHER)
        house.floor = Instant(start + 3_600_000)
        house.scheduler.look_again()
        await house.settle()
        assert not lock.opens(PIN)
        house.clock.jump(14 * 86_400)
        house.clock.trust = ClockTrust.TRUSTED
        house.scheduler.look_again()
        await house.settle()
        assert lock.opens(OTHER)


async def test_a_code_whose_write_was_cut_off_stays_on_when_the_time_is_forgotten(
    tmp_path: Path,
) -> None:
    """Its time had come when the write was begun; the floor alone would call it too early."""
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        start = house.at(0)
        house.floor = start
        closes = Instant(start + 7_200_000)
        await house.want("c1", PIN, Timed(house.at(900), closes))
        lock.faults.append(("program", "answer_lost"))
        await house.advance(601)
        assert lock.opens(PIN)
        assert (await house.grant("c1")).programmed_at is None
        house.clock.trust = ClockTrust.UNTRUSTED
        await house.restart()
        await house.advance(60)
        assert lock.opens(PIN)
        assert lock.count("erase") == 0
        house.floor = closes
        house.scheduler.look_again()
        await house.settle()
        assert not lock.opens(PIN)


async def test_and_goes_when_it_was_moved_to_a_later_time(tmp_path: Path) -> None:
    """What is known of the time it was written at proves nothing of that one."""
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        house.floor = house.at(0)
        later = Timed(house.at(3600), house.at(7200))
        await house.want("c1", PIN, Timed(house.at(900), house.at(7200)))
        lock.faults.append(("program", "answer_lost"))
        await house.advance(601)
        house.clock.trust = ClockTrust.UNTRUSTED
        await house.restart()
        await house.want("c1", PIN, later, version=2)
        await house.advance(60)
        assert not lock.opens(PIN)


async def test_the_clock_of_a_lock_is_never_set_from_an_unproven_one(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(keeps_windows=True)
        house.clock.trust = ClockTrust.UNTRUSTED
        lock.error_ms = 86_400_000
        await house.start()
        await house.advance(120)
        assert lock.count("set_clock") == 0
        house.clock.trust = ClockTrust.TRUSTED
        house.scheduler.look_again()
        await house.settle()
        assert lock.count("set_clock") == 1
        assert [t.body["error_ms"] for t in await house.told(EventType.DEVICE_TIME_WRONG)] == [
            86_400_000
        ]


async def test_a_step_of_the_wall_clock_wakes_every_lane(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Timed(house.at(0), house.at(7200)))
        house.clock.jump(7200)
        await house.advance(31)
        assert not lock.opens(PIN)


async def test_momentary_commands(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.command("late", "unlock", not_after=house.at(-1))
        await house.command("once", "unlock", not_after=house.at(30))
        await house.command("once", "unlock", not_after=house.at(30))
        await house.command("lost", "unlock", "dev_9", not_after=house.at(30))
        assert lock.opened == 1
        results = {name: await house.result(name) for name in ("late", "once", "lost")}
        assert results["late"] == {"outcome": "refused", "reason": "expired"}
        assert results["lost"] == {"outcome": "refused", "reason": "unknown_device"}
        assert results["once"] == {"outcome": "confirmed", "evidence": ["acknowledged"]}
        lock.faults.append(("unlock", "answer_lost"))
        await house.command("doubt", "unlock", not_after=house.at(30))
        doubt = await house.result("doubt")
        assert doubt is not None
        assert doubt["outcome"] == "unconfirmed"
        await house.restart()
        await house.advance(600)
        assert lock.opened == 2


async def test_a_command_cut_off_while_acting_is_answered_and_not_repeated(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(delay_s=4.0)
        await house.start()
        await house.advance(60)
        await house.command("k1", "unlock", not_after=house.at(300))
        await house.restart()
        await house.advance(60)
        result = await house.result("k1")
        assert result is not None
        assert result["outcome"] == "unconfirmed"
        assert lock.opened == 0
