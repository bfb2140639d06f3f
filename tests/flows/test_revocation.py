"""A code that must go: it outranks everything, is never given up, and is told of when late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.events import EventType
from gateway.domain.grants import GrantState
from gateway.domain.windows import Always, Timed
from gateway.radios.api import RadioStatus
from tests.flows.world import world

if TYPE_CHECKING:
    from pathlib import Path

PIN = "483920"
OTHER = "719204"


async def test_a_revocation_that_cannot_be_delivered_is_alarmed_within_a_minute_and_never_given_up(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Timed(house.at(0), house.at(7200)))
        await house.advance(1800)
        lock.unreachable = True
        due = house.clock.now()
        await house.revoke("c1")
        await house.advance(60)
        (alarm,) = await house.told(EventType.CREDENTIAL_ERASE_OVERDUE)
        assert alarm.body["due_at_ms"] == due
        assert alarm.at - due <= 60_000
        row = await house.grant("c1")
        assert row.state is GrantState.ERASING
        assert row.next_attempt_at is not None
        tries = lock.count("erase")
        await house.advance(43_200)
        assert lock.count("erase") - tries > 12 * 30
        assert len(await house.told(EventType.CREDENTIAL_ERASE_OVERDUE)) == 1
        assert lock.opens(PIN)
        lock.unreachable = False
        before = house.clock.now()
        house.hear()
        await house.advance(1.5)
        assert not lock.opens(PIN)
        row = await house.grant("c1")
        assert row.state is GrantState.ERASED
        assert row.late_revocation_ms is not None
        assert before - due <= row.late_revocation_ms <= before - due + 1500
        assert not row.has_digits


async def test_what_was_never_delivered_is_neither_erased_nor_alarmed(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.advance(60)
        lock.unreachable = True
        await house.want("c1", PIN, Always())
        await house.advance(600)
        await house.revoke("c1")
        await house.advance(600)
        assert lock.count("erase") == 0
        assert (await house.grant("c1")).state is GrantState.ERASED
        assert not await house.told(EventType.CREDENTIAL_ERASE_OVERDUE)


async def test_days_out_of_reach_do_not_use_up_the_budget_of_writes(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(keeps_windows=True)
        await house.start()
        await house.prove_windows()
        await house.advance(60)
        lock.unreachable = True
        await house.want("c1", PIN, Timed(house.at(5 * 86_400), house.at(6 * 86_400)))
        await house.advance(86_400)
        assert lock.count("program") > 10
        lock.unreachable = False
        await house.advance(1800)
        assert lock.slot_of(PIN) is not None


async def test_a_tombstone_in_the_middle_of_a_write_takes_the_code_off_again(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(delay_s=3.0)
        await house.start()
        await house.advance(60)
        await house.want("c1", PIN, Always())
        await house.advance(1)
        await house.revoke("c1")
        assert lock.slot_of(PIN) is None
        await house.advance(10)
        assert lock.slot_of(PIN) is None
        assert lock.count("program") == lock.count("erase") == 1
        assert (await house.grant("c1")).state is GrantState.ERASED


async def test_a_failing_erase_lets_one_opening_pass_between_tries(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        for number in range(4):
            await house.want(f"c{number}", f"30{number}718", Always())
        lock.faults.extend([("erase", "answer_lost"), ("erase", "not_delivered")] * 40)
        lock.delay_s = 10.0
        for number in range(4):
            await house.revoke(f"c{number}")
        await house.want("now", PIN, Timed(house.at(0), house.at(7200)))
        await house.advance(90)
        assert lock.opens(PIN)


async def test_an_unlock_passes_a_failing_erase_once(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Always())
        lock.unreachable = True
        await house.revoke("c1")
        await house.command("k1", "unlock", not_after=house.at(30))
        await house.command("k2", "unlock", not_after=house.at(30))
        await house.advance(31)
        spoken = [s.what for s in lock.spoken if s.what in {"erase", "unlock"}]
        assert spoken[:3] == ["erase", "unlock", "erase"]
        assert spoken.count("unlock") == 2
        results = [await house.result("k1"), await house.result("k2")]
        assert [r and r["outcome"] for r in results] == ["refused", "refused"]


async def test_an_erase_is_due_also_while_the_radio_is_away_and_goes_out_when_it_returns(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Timed(house.at(0), house.at(600)))
        house.radio_is(RadioStatus.DOWN)
        await house.restart()
        await house.advance(700)
        assert lock.opens(PIN)
        assert (await house.grant("c1")).state is GrantState.ERASING
        assert len(await house.told(EventType.CREDENTIAL_ERASE_OVERDUE)) == 1
        house.radio_is(RadioStatus.UP)
        await house.settle()
        assert not lock.opens(PIN)
        row = await house.grant("c1")
        assert row.late_revocation_ms == 100_000


async def test_the_alarm_is_raised_anew_for_a_later_close(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        start = house.at(0)
        await house.want("c1", PIN, Timed(start, house.at(600)))
        lock.unreachable = True
        await house.advance(700)
        await house.want("c1", PIN, Timed(start, house.at(600)), version=2)
        await house.advance(700)
        assert len(await house.told(EventType.CREDENTIAL_ERASE_OVERDUE)) == 2


async def test_an_unreachable_lock_is_not_asked_for_its_inventory_without_pause(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(slots=200)
        await house.start()
        await house.store.submit(
            lambda tx: tx.execute("UPDATE devices SET inventory_done = 0") and None
        )
        await house.store.submit(lambda tx: tx.execute("DELETE FROM slots") and None)
        lock.unreachable = True
        await house.restart()
        before = len(lock.spoken)
        await house.advance(3600)
        assert len(lock.spoken) - before < 12
        lock.unreachable = False
        house.hear()
        await house.advance(60)
        assert lock.count("read") > 200


async def test_a_slot_that_refuses_to_be_read_hides_no_other(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(slots=3)
        lock.faults.extend([("read", "say:not_authorised")])
        await house.start()
        await house.want("c1", PIN, Always())
        assert lock.opens(PIN)
        await house.want("c2", OTHER, Always())
        assert lock.opens(OTHER)
        await house.advance(86_400)
        assert lock.count("read") < 20


async def test_a_stay_prolonged_while_its_code_is_being_erased_gets_it_back(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock(delay_s=5.0)
        await house.start()
        await house.advance(120)
        start = house.at(0)
        await house.want("c1", PIN, Timed(start, house.at(600)))
        await house.advance(602)
        await house.want("c1", PIN, Timed(start, house.at(600)), version=2)
        await house.advance(30)
        assert lock.count("erase") == 1
        assert lock.opens(PIN)
