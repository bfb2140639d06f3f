"""Codes on a simulated TTLock: numbered slots, proof by listing, doubt resolved by listing.

What the driver says is compared with what the lock holds and with who can open.
"""

from __future__ import annotations

import pytest

from gateway.domain.actions import Confirmed, Refused, Unconfirmed
from gateway.domain.devices import Evidence, WeekDay, YearDay
from gateway.domain.instant import HOUR, MINUTE, Instant
from gateway.domain.secret import Secret
from gateway.drivers.api import SlotUse
from gateway.errors import OutcomeUnknown, Refusal, Unreachable
from tests.simulation.loop import run
from tests.unit.drivers.ble_house import DEADLINE_S
from tests.unit.drivers.ttlock_house import ADDRESS, LockHouse

SLOT = 4
CODE, OTHER = Secret("583920"), Secret("111333")
ACKNOWLEDGED_AND_READ = {Evidence.ACKNOWLEDGED, Evidence.READ_BACK}


def window(house: LockHouse, before_h: int = 1, after_h: int = 1) -> YearDay:
    minute = house.now() // MINUTE * MINUTE
    return YearDay(Instant(minute - before_h * HOUR), Instant(minute + after_h * HOUR))


def test_the_number_is_on_the_disk_before_the_lock_hears_of_the_code() -> None:
    async def main() -> None:
        house = LockHouse()
        seen: list[int] = []

        def before_each_packet(_address: str, _data: bytes) -> bool:
            seen.append(len(house.numbers.given))
            return False

        house.air.spoil_write = before_each_packet
        await house.driver.program(SLOT, CODE, (), deadline_s=DEADLINE_S)
        assert house.numbers.given == [(SLOT, house.numbers.hash_of(CODE))]
        assert seen[0] == 0
        assert seen[-1] == 1

    run(main())


def test_an_occupied_slot_is_left_alone_and_changed_in_place_when_it_is_ours() -> None:
    async def main() -> None:
        house = LockHouse()
        await house.driver.program(SLOT, CODE, (), deadline_s=DEADLINE_S)
        refused = await house.driver.program(SLOT, OTHER, (), deadline_s=DEADLINE_S)
        assert refused.outcome == Refused(Refusal.INVALID)
        assert refused.reading is not None
        assert refused.reading.use is SlotUse.ENABLED
        assert house.holds() == {"583920"}
        changed = await house.driver.program(
            SLOT, OTHER, (window(house),), deadline_s=DEADLINE_S, overwrite=True
        )
        assert isinstance(changed.outcome, Confirmed)
        assert house.holds() == {"111333"}
        back = await house.driver.program(SLOT, CODE, (), deadline_s=DEADLINE_S, overwrite=True)
        assert isinstance(back.outcome, Confirmed)
        assert back.reading is not None
        assert (back.reading.restricted, back.reading.digits) == (False, CODE)
        names = list(house.firmware.users.users)
        assert len(names) == 1, "modified, never removed and added"

    run(main())


def test_writing_what_is_there_already_is_no_write() -> None:
    async def main() -> None:
        house = LockHouse()
        await house.driver.program(SLOT, CODE, (window(house),), deadline_s=DEADLINE_S)
        before = len(house.skin.core.log)
        again = await house.driver.program(
            SLOT, CODE, (window(house),), deadline_s=DEADLINE_S, overwrite=True
        )
        assert again.outcome == Confirmed(frozenset({Evidence.READ_BACK}))
        same = await house.driver.reschedule(SLOT, (window(house),), deadline_s=DEADLINE_S)
        assert same.outcome == Confirmed(frozenset({Evidence.READ_BACK}))
        assert len(house.skin.core.log) == before

    run(main())


def test_somebody_elses_code_has_a_number_and_is_never_touched() -> None:
    async def main() -> None:
        house = LockHouse()
        house.firmware.keypad.set_code_by_hand(1, "777888")
        found = await house.driver.read_slot(1, deadline_s=DEADLINE_S)
        assert (found.use, found.digits) == (SlotUse.ENABLED, Secret("777888"))
        refused = await house.driver.program(1, CODE, (), deadline_s=DEADLINE_S)
        assert refused.outcome == Refused(Refusal.INVALID)
        same_digits = await house.driver.program(SLOT, Secret("777888"), (), deadline_s=DEADLINE_S)
        assert same_digits.outcome == Refused(Refusal.DUPLICATE)
        await house.driver.program(SLOT, CODE, (), deadline_s=DEADLINE_S)
        await house.driver.erase(SLOT, deadline_s=DEADLINE_S)
        assert house.holds() == {"777888"}
        assert (await house.driver.read_slot(1, deadline_s=DEADLINE_S)).digits == Secret("777888")

    run(main())


def test_windows_to_the_minute_rounded_inwards() -> None:
    async def main() -> None:
        house = LockHouse()
        noon = house.now() // MINUTE * MINUTE
        asked = YearDay(Instant(noon - 61_000), Instant(noon + HOUR + 59_000))
        kept = YearDay(Instant(noon - 60_000), Instant(noon + HOUR))
        result = await house.driver.program(SLOT, CODE, (asked,), deadline_s=DEADLINE_S)
        assert isinstance(result.outcome, Confirmed)
        assert result.reading is not None
        assert result.reading.schedules == (kept,)
        assert house.opens("583920")
        tomorrow = window(house, -24, 48)
        moved = await house.driver.reschedule(SLOT, (tomorrow,), deadline_s=DEADLINE_S)
        assert isinstance(moved.outcome, Confirmed)
        assert not house.opens("583920")
        read = await house.driver.read_slot(SLOT, deadline_s=DEADLINE_S)
        assert (read.restricted, read.schedules) == (True, (tomorrow,))

    run(main())


def test_windows_that_the_lock_cannot_keep_are_refused_before_it_is_asked() -> None:
    async def main() -> None:
        house = LockHouse()
        weekly = WeekDay(frozenset({1}), 60, 120)
        now = house.now()
        for schedules in (
            (weekly,),
            (window(house), window(house, 5, 6)),
            (YearDay(now, Instant(now + 1000)),),
            (YearDay(Instant(0), Instant(1000 * HOUR)),),
        ):
            result = await house.driver.program(SLOT, CODE, schedules, deadline_s=DEADLINE_S)
            assert result.outcome == Refused(Refusal.UNSUPPORTED)
        assert house.sent() == []
        for digits, refusal in (
            ("123", Refusal.LENGTH),
            ("1234567890", Refusal.LENGTH),
            ("12a456", Refusal.CHARSET),
            ("١٢٣٤", Refusal.CHARSET),
        ):
            refused = await house.driver.program(SLOT, Secret(digits), (), deadline_s=DEADLINE_S)
            assert refused.outcome == Refused(refusal)
        zero = await house.driver.program(0, CODE, (), deadline_s=DEADLINE_S)
        assert zero.outcome == Refused(Refusal.INVALID)

    run(main())


def test_rescheduling_keeps_its_kind_and_needs_a_code() -> None:
    async def main() -> None:
        house = LockHouse()
        empty = await house.driver.reschedule(SLOT, (window(house),), deadline_s=DEADLINE_S)
        assert empty.outcome == Refused(Refusal.INVALID)
        await house.driver.program(SLOT, CODE, (), deadline_s=DEADLINE_S)
        always = await house.driver.reschedule(SLOT, (window(house),), deadline_s=DEADLINE_S)
        assert always.outcome == Refused(Refusal.UNSUPPORTED)
        assert house.opens("583920")

    run(main())


def test_all_slots_are_read_over_one_listing() -> None:
    async def main() -> None:
        house = LockHouse()
        for slot in range(1, 6):
            digits = Secret(f"80{slot}7{slot}3")
            await house.driver.program(slot, digits, (), deadline_s=DEADLINE_S)
        before = len(house.sent())
        readings = [await house.driver.read_slot(n, deadline_s=DEADLINE_S) for n in range(1, 31)]
        assert [r.slot for r in readings if r.use is SlotUse.ENABLED] == [1, 2, 3, 4, 5]
        assert len(house.sent()) - before < 20
        house.firmware.keypad.set_code_by_hand(40, "777888")
        await house.air.pass_time(6)
        assert (await house.driver.read_slot(6, deadline_s=DEADLINE_S)).use is SlotUse.ENABLED

    run(main())


# ── doubt ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fault", ["applied-but-answer-lost", "disconnect-in-mid-frame"])
@pytest.mark.parametrize("again", [False, True])
def test_a_lost_answer_is_resolved_by_listing(fault: str, again: bool) -> None:
    async def main() -> None:
        house = LockHouse()
        if again:
            await house.driver.program(SLOT, OTHER, (), deadline_s=DEADLINE_S)
        house.arm(fault, "modify_code" if again else "add_code")
        result = await house.driver.program(
            SLOT, CODE, (window(house),), deadline_s=DEADLINE_S, overwrite=again
        )
        assert result.outcome == Confirmed(frozenset({Evidence.READ_BACK}))
        assert house.holds() == {"583920"}
        house.arm(fault, "remove_code")
        erased = await house.driver.erase(SLOT, deadline_s=DEADLINE_S)
        assert erased.outcome == Confirmed(frozenset({Evidence.READ_BACK}))
        assert house.holds() == set()

    run(main())


def test_a_lost_answer_without_time_to_list_is_unknown_and_the_next_reading_tells() -> None:
    async def main() -> None:
        house = LockHouse()
        house.arm("applied-but-answer-lost", "add_code")
        with pytest.raises(OutcomeUnknown):
            await house.driver.program(SLOT, CODE, (), deadline_s=4.0)
        assert house.holds() == {"583920"}
        found = await house.driver.read_slot(SLOT, deadline_s=DEADLINE_S)
        assert (found.use, found.digits) == (SlotUse.ENABLED, CODE)

    run(main())


def test_a_change_whose_answer_was_lost_and_that_never_came_leaves_the_slot_its_old_code() -> None:
    async def main() -> None:
        house = LockHouse()
        await house.driver.program(SLOT, OTHER, (), deadline_s=DEADLINE_S)
        house.arm("acknowledged-but-not-applied", "modify_code")
        result = await house.driver.program(SLOT, CODE, (), deadline_s=DEADLINE_S, overwrite=True)
        assert isinstance(result.outcome, Unconfirmed)
        assert result.reading is not None
        assert (result.reading.slot, result.reading.digits) == (SLOT, OTHER)
        again = await house.driver.program(SLOT, CODE, (), deadline_s=DEADLINE_S, overwrite=True)
        assert isinstance(again.outcome, Confirmed)
        assert house.holds() == {"583920"}

    run(main())


@pytest.mark.parametrize("command", ["add_code", "remove_code"])
def test_acknowledged_but_not_done_is_never_confirmed(command: str) -> None:
    async def main() -> None:
        house = LockHouse()
        if command == "remove_code":
            await house.driver.program(SLOT, CODE, (), deadline_s=DEADLINE_S)
        house.arm("acknowledged-but-not-applied", command)
        if command == "add_code":
            result = await house.driver.program(SLOT, CODE, (), deadline_s=DEADLINE_S)
        else:
            result = await house.driver.erase(SLOT, deadline_s=DEADLINE_S)
        assert isinstance(result.outcome, Unconfirmed)

    run(main())


@pytest.mark.parametrize(
    ("fault", "refusal"),
    [("full", Refusal.FULL), ("duplicate-always", Refusal.DUPLICATE), ("busy", Refusal.FAILED)],
)
def test_what_the_lock_refuses_has_a_reason(fault: str, refusal: Refusal) -> None:
    async def main() -> None:
        house = LockHouse()
        house.arm(fault, "add_code", count=1)
        result = await house.driver.program(SLOT, CODE, (), deadline_s=DEADLINE_S)
        assert result.outcome == Refused(refusal)
        assert house.holds() == set()

    run(main())


def test_the_locks_own_codes_are_duplicates_although_they_are_not_listed() -> None:
    async def main() -> None:
        house = LockHouse()
        house.firmware.keypad.set_code_by_hand(house.firmware.profile.master_slot, "583920")
        result = await house.driver.program(SLOT, CODE, (), deadline_s=DEADLINE_S)
        assert result.outcome == Refused(Refusal.DUPLICATE)

    run(main())


def test_out_of_range_nothing_is_changed_and_that_is_known() -> None:
    async def main() -> None:
        house = LockHouse()
        await house.driver.program(SLOT, CODE, (), deadline_s=DEADLINE_S)
        house.air.go_away(ADDRESS)
        for doing in (
            house.driver.read_slot(SLOT, deadline_s=5),
            house.driver.program(5, OTHER, (), deadline_s=5),
            house.driver.erase(SLOT, deadline_s=5),
        ):
            with pytest.raises(Unreachable):
                await doing
        assert house.holds() == {"583920"}

    run(main())


def test_a_lock_that_forgets_a_code_by_itself_is_found_out() -> None:
    async def main() -> None:
        house = LockHouse()
        house.arm("deleted-later", "add_code", seconds=30.0)
        result = await house.driver.program(SLOT, CODE, (), deadline_s=DEADLINE_S)
        assert isinstance(result.outcome, Confirmed)
        await house.air.pass_time(60)
        assert (await house.driver.read_slot(SLOT, deadline_s=DEADLINE_S)).use is SlotUse.AVAILABLE

    run(main())


@pytest.mark.parametrize("profile", ["ttlock-deadbolt", "ttlock-keypad"])
@pytest.mark.parametrize("seed", range(25))
def test_through_bad_air_the_end_is_right_and_the_way_is_safe(profile: str, seed: int) -> None:
    """As the scheduler does it: after a doubt, read; then go on. Nothing opens outside."""

    async def main() -> None:
        house = LockHouse(profile, seed=seed)
        house.firmware.keypad.set_code_by_hand(7, "777888")
        weather = house.air.weather
        weather.latency_s, weather.jitter_s = 0.03, 0.02
        weather.loss, weather.drop, weather.refuse = 0.03, 0.02, 0.2
        past = window(house, 48, -24)

        async def until_proven(erase: bool, code: Secret) -> None:
            for attempt in range(60):
                try:
                    if erase:
                        result = await house.driver.erase(SLOT, deadline_s=20)
                    else:
                        found = await house.driver.read_slot(SLOT, deadline_s=20)
                        result = await house.driver.program(
                            SLOT, code, (past,), deadline_s=20,
                            overwrite=found.use is SlotUse.ENABLED,
                        )  # fmt: skip
                except (Unreachable, OutcomeUnknown):
                    continue
                finally:
                    assert house.holds() <= {"583920", "111333", "777888"}
                    assert "777888" in house.holds()
                    assert len(house.holds()) <= 2
                    assert not house.opens("583920")
                if isinstance(result.outcome, Confirmed):
                    return
                assert isinstance(result.outcome, Unconfirmed), (attempt, result)
            pytest.fail("not proven in 60 attempts")

        await until_proven(erase=False, code=CODE)
        assert house.holds() == {"583920", "777888"}
        await until_proven(erase=False, code=OTHER)
        assert house.holds() == {"111333", "777888"}
        await until_proven(erase=True, code=OTHER)
        assert house.holds() == {"777888"}

    run(main())
