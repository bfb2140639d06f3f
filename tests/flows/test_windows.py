"""A grant is on the lock when its window says so: on time, never earlier than the lead."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from gateway.domain.events import EventType, Method
from gateway.domain.grants import Enforcement, GrantState
from gateway.domain.instant import Instant, after, from_datetime
from gateway.domain.windows import Always, Recurring, Timed, Weekly, span_from
from gateway.drivers.api import Happening
from tests.flows.world import ZONE, world

if TYPE_CHECKING:
    from pathlib import Path

PIN = "483920"
OTHER = "719204"


async def test_a_code_written_by_the_gateway_opens_from_the_lead_to_the_close(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Timed(house.at(3600), house.at(7200)))
        await house.advance(3600 - 301)
        assert not lock.opens(PIN)
        await house.advance(301)
        assert lock.opens(PIN)
        assert (await house.grant("c1")).state is GrantState.ACTIVE
        await house.advance(3599)
        assert lock.opens(PIN)
        await house.advance(1)
        assert not lock.opens(PIN)
        row = await house.grant("c1")
        assert (row.state, row.late_revocation_ms) == (GrantState.ERASED, 0)
        assert row.early_exposure_ms == 300_000
        told = [t.type for t in await house.told() if t.credential == "c1"]
        assert told == [EventType.CREDENTIAL_PROGRAMMED, EventType.CREDENTIAL_ERASED]


async def test_a_lock_that_keeps_windows_is_written_at_once_and_exposes_nothing(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(keeps_windows=True)
        await house.start()
        await house.prove_windows()
        await house.want("c1", PIN, Timed(house.at(86_400), house.at(2 * 86_400)))
        row = await house.grant("c1")
        assert row.state is GrantState.PROGRAMMED
        assert row.closes is Enforcement.ON_LOCK
        assert lock.slot_of(PIN) is not None
        assert not lock.opens(PIN)
        await house.advance(86_400)
        assert lock.opens(PIN)
        await house.advance(86_399)
        assert lock.opens(PIN)
        lock.unreachable = True
        await house.advance(1)
        assert not lock.opens(PIN)
        await house.advance(3600)
        lock.unreachable = False
        house.hear()
        await house.advance(5)
        row = await house.grant("c1")
        assert lock.slot_of(PIN) is None
        assert (row.early_exposure_ms, row.late_revocation_ms) == (0, 0)


@pytest.mark.parametrize("keeps_windows", [False, True])
async def test_a_weekly_code_follows_the_wall_clock_over_both_changes_of_the_hour(
    tmp_path: Path, keeps_windows: bool
) -> None:
    window = Recurring((Weekly(frozenset(range(1, 8)), 9 * 60, 17 * 60),), ZONE)
    for start in (datetime(2026, 10, 23, tzinfo=UTC), datetime(2027, 3, 26, tzinfo=UTC)):
        folder = tmp_path / str(start.month)
        folder.mkdir()
        async with world(folder, from_datetime(start)) as house:
            lock = house.add_lock(keeps_windows=keeps_windows)
            await house.start()
            if keeps_windows:
                await house.prove_windows()
            await house.want("c1", PIN, window)
            lead_ms = 0 if keeps_windows else 300_000
            for _ in range(4 * 48):
                await house.advance(1800)
                now = house.clock.now()
                span = span_from(window, now)
                assert span is not None
                assert span.opens_at is not None
                assert lock.opens(PIN) == span.holds(Instant(now + lead_ms)), now


async def test_a_suspended_code_leaves_the_lock_and_comes_back_as_it_was(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        window = Timed(house.at(0), house.at(7200))
        await house.want("c1", PIN, window)
        assert lock.opens(PIN)
        await house.want("c1", PIN, window, version=2, suspended=True)
        assert not lock.opens(PIN)
        assert (await house.grant("c1")).state is GrantState.SUSPENDED
        await house.want("c1", PIN, window, version=3)
        assert lock.opens(PIN)
        await house.advance(7200)
        assert not lock.opens(PIN)


async def test_a_limit_of_uses_counts_over_all_locks(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        front, flat = house.add_lock(), house.add_lock()
        await house.start()
        await house.want("c1", PIN, Always(), devices=("dev_1", "dev_2"), use_limit=2)
        opening = Happening(EventType.LOCK_UNLOCKED, Method.CODE, slot=front.slot_of(PIN))
        house.ring(opening, "dev_1")
        await house.settle()
        assert front.opens(PIN)
        assert flat.opens(PIN)
        house.ring(Happening(EventType.LOCK_UNLOCKED, Method.CODE, flat.slot_of(PIN)), "dev_2")
        await house.settle()
        assert not front.opens(PIN)
        assert not flat.opens(PIN)
        used = await house.told(EventType.CREDENTIAL_USED, EventType.CREDENTIAL_FIRST_USED)
        assert [t.type.value.split(".")[1] for t in used] == [
            "used", "first_used", "used", "first_used",
        ]  # fmt: skip


async def test_an_edited_window_is_overwritten_in_place_while_the_guest_is_in_house(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(keeps_windows=True)
        await house.start()
        await house.prove_windows()
        opens = house.at(0)
        await house.want("c1", PIN, Timed(opens, house.at(3600)))
        assert lock.opens(PIN)
        await house.want("c1", PIN, Timed(opens, house.at(7200)), version=2)
        assert (lock.count("erase"), lock.count("reschedule")) == (0, 1)
        assert lock.opens(PIN)
        await house.advance(3601)
        assert lock.opens(PIN)
        await house.advance(3600)
        assert not lock.opens(PIN)


@pytest.mark.parametrize("clock_known", [True, False])
async def test_no_guest_in_house_is_erased_when_the_kind_of_enforcement_changes(
    tmp_path: Path, clock_known: bool
) -> None:
    """Before the lock's enforcement is proven codes are unrestricted; locks refuse to convert."""
    async with world(tmp_path) as house:
        lock = house.add_lock(keeps_windows=True)
        await house.start()
        await house.want("c1", PIN, Timed(house.at(0), house.at(7200)))
        await house.want("c2", OTHER, Always())
        assert lock.opens(PIN)
        await house.prove_windows()
        assert lock.opens(PIN)
        assert lock.count("erase") == 0
        if not clock_known:
            lock.error_ms = 3_600_000
        window = Recurring((Weekly(frozenset(range(1, 8)), 0, 1439),), ZONE)
        await house.want("c2", OTHER, window, version=2)
        assert lock.opens(OTHER)
        await house.want("c2", OTHER, Always(), version=3)
        assert lock.opens(OTHER)
        assert lock.count("erase") == 0
        assert not await house.told(EventType.CREDENTIAL_REJECTED)


async def test_a_lock_that_refuses_schedules_is_kept_by_the_gateway(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(keeps_windows=True)
        lock.faults.append(("program", "say:unsupported"))
        await house.start()
        await house.prove_windows()
        await house.want("c1", PIN, Timed(house.at(3600), house.at(7200)))
        assert lock.slot_of(PIN) is None
        await house.advance(3600)
        assert lock.opens(PIN)
        await house.advance(3600)
        assert not lock.opens(PIN)
        assert not await house.told(EventType.CREDENTIAL_REJECTED)


async def test_changed_digits_replace_the_old_in_one_write(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Always())
        slot = lock.slot_of(PIN)
        await house.want("c1", OTHER, Always(), version=2)
        assert lock.opens(OTHER)
        assert not lock.opens(PIN)
        assert lock.slot_of(OTHER) == slot
        assert lock.count("erase") == 0


@pytest.mark.slow
async def test_a_month_of_stays_opens_each_in_its_window_only(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(slots=4)
        await house.start()
        stays = []
        for night in range(30):
            opens = house.at(night * 86_400 + 7 * 3600)
            pin = str(502_001 + 7_919 * night)
            stays.append((pin, opens, Instant(opens + 20 * 3_600_000)))
            await house.want(f"c{night}", pin, Timed(opens, stays[-1][2]))
        for _ in range(30 * 8 + 16):
            await house.advance(3 * 3600)
            now = house.clock.now()
            for pin, opens, closes in stays:
                if now >= closes or now < opens - 300_000:
                    assert not lock.opens(pin)
                elif opens <= now:
                    assert lock.opens(pin)
        assert lock.count("program") == lock.count("erase") == 30
        rows = [await house.grant(f"c{n}") for n in range(30)]
        assert {row.late_revocation_ms for row in rows} == {0}
        assert {row.early_exposure_ms for row in rows} == {300_000}


async def test_schedules_that_a_lock_does_not_keep_are_not_written_for_ever(
    tmp_path: Path,
) -> None:
    """Too short ones stay until the opening comes near; somebody at the door has no budget."""
    async with world(tmp_path) as house:
        lock = house.add_lock(keeps_windows=True, stiff=True)
        await house.start()
        await house.prove_windows()
        opens, former, closes = house.at(36_000), house.at(39_600), house.at(43_200)
        await house.want("c1", PIN, Timed(opens, former))
        await house.want("c1", PIN, Timed(opens, closes), version=2)
        await house.until(after(opens, -301))
        assert lock.count("reschedule") == 10
        row = await house.grant("c1")
        assert (row.state, row.reason) == (GrantState.PAUSED, "write_budget_spent")
        assert row.closes is Enforcement.BY_GATEWAY
        await house.until(after(opens, 60))
        assert lock.opens(PIN)
        assert lock.count("reschedule") > 10
        await house.until(closes)
        assert lock.slot_of(PIN) is None


async def test_what_a_lock_would_open_too_early_goes_when_the_budget_is_spent(
    tmp_path: Path,
) -> None:
    """It comes back in time, written anew."""
    async with world(tmp_path) as house:
        lock = house.add_lock(keeps_windows=True, stiff=True)
        await house.start()
        await house.prove_windows()
        former, opens, closes = house.at(28_800), house.at(36_000), house.at(39_600)
        await house.want("c1", PIN, Timed(former, closes))
        await house.want("c1", PIN, Timed(opens, closes), version=2)
        await house.until(former)
        assert lock.count("reschedule") == 10
        assert lock.slot_of(PIN) is None
        row = await house.grant("c1")
        assert (row.state, row.reason) == (GrantState.PAUSED, "write_budget_spent")
        await house.until(after(opens, -1))
        assert not lock.opens(PIN)
        await house.until(opens)
        assert lock.opens(PIN)
        assert (await house.grant("c1")).state is GrantState.ACTIVE
        await house.until(closes)
        assert not lock.opens(PIN)


async def test_a_code_shortened_while_it_is_open_goes_at_its_new_end(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(keeps_windows=True, stiff=True)
        await house.start()
        await house.prove_windows()
        opens, former, closes = house.at(0), house.at(86_400), house.at(50_400)
        await house.want("c1", PIN, Timed(opens, former))
        await house.want("c1", PIN, Timed(opens, closes), version=2)
        await house.until(after(closes, -1))
        assert lock.count("reschedule") == 10
        assert lock.opens(PIN)
        await house.until(closes)
        assert lock.slot_of(PIN) is None
        row = await house.grant("c1")
        assert (row.state, row.late_revocation_ms) == (GrantState.ERASED, 0)
