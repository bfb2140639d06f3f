"""Keypad codes of a Nuki through our driver, against what the simulated lock then holds."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from gateway.domain.actions import Confirmed, Refused, Unconfirmed
from gateway.domain.devices import Evidence, LockSchedule, WeekDay, YearDay
from gateway.domain.instant import HOUR, MINUTE, Instant
from gateway.domain.secret import Secret
from gateway.drivers.api import SlotUse
from gateway.drivers.nuki import wire
from gateway.drivers.nuki.wire import Message, Op
from gateway.errors import DeviceRefused, OutcomeUnknown, Refusal, Unreachable
from tests.gatt_air import Weather
from tests.simulation.loop import run
from tests.unit.drivers.ble_house import DEADLINE_S
from tests.unit.drivers.nuki_house import PIN, SMART_LOCK, ULTRA, NukiHouse

if TYPE_CHECKING:
    from firmware_sims.ble.peripheral import Line
    from gateway.drivers.api import WriteResult

DIGITS = "583926"
PROVEN = Confirmed(frozenset({Evidence.ACKNOWLEDGED, Evidence.READ_BACK}))
MODELS = (SMART_LOCK, ULTRA)


def window(house: NukiHouse, before_h: int = 1, after_h: int = 1) -> YearDay:
    now = house.now() // MINUTE * MINUTE
    return YearDay(Instant(now - before_h * HOUR), Instant(now + after_h * HOUR))


async def write(
    house: NukiHouse, *schedules: LockSchedule, slot: int = 4, digits: str = DIGITS
) -> WriteResult:
    return await house.driver.program(slot, Secret(digits), schedules, deadline_s=DEADLINE_S)


@pytest.mark.parametrize("profile", MODELS)
def test_a_code_has_its_number_on_the_disk_before_the_lock_hears_of_it(profile: str) -> None:
    async def main() -> None:
        house = NukiHouse(profile)
        house.let_in()
        given: list[int] = []
        house.air.spoil_write = lambda _, __: bool(given.append(len(house.numbers.given)))  # type: ignore[func-returns-value]
        assert (await write(house)).outcome == PROVEN
        # Listing takes two frames, adding two more: the number was given before these.
        assert given[:4] == [0, 0, 1, 1]
        (row,) = await house.numbers.load()
        code_id = next(iter(house.state()["codes"]))
        assert (row.slot, row.handle) == (4, int(code_id))
        assert row.hash == house.numbers.hash_of(Secret(DIGITS))

    run(main())


def test_a_weekly_window_is_kept_by_the_locks_own_day() -> None:
    async def main() -> None:
        house = NukiHouse()
        house.let_in()
        office = WeekDay(frozenset({1, 2}), 9 * 60, 17 * 60)
        result = await write(house, office)
        assert result.outcome == PROVEN
        assert result.reading is not None
        assert result.reading.schedules == (office,)
        assert house.opens(DIGITS)  # Monday, 12:00
        await house.air.pass_time(5 * 3600)
        assert not house.opens(DIGITS)  # 17:00
        await house.air.pass_time(16 * 3600)
        assert house.opens(DIGITS)  # Tuesday, 9:00
        await house.air.pass_time(24 * 3600)
        assert not house.opens(DIGITS)

    run(main())


def test_summer_time_moves_a_windows_edges_with_the_wall() -> None:
    async def main() -> None:
        house = NukiHouse()
        house.let_in()
        winter = Instant(1_798_880_400_000)  # 2 January 2027, 10:00 in Berlin
        wanted = YearDay(winter, Instant(winter + HOUR))
        result = await write(house, wanted)
        assert result.reading is not None
        assert result.reading.schedules == (wanted,)
        (held,) = house.holds().values()
        assert held["terms"][1] % 86_400 == 10 * 3600  # as the lock's own clock will show it

    run(main())


@pytest.mark.parametrize(
    "schedules",
    [
        (WeekDay(frozenset({1}), 0, 60), WeekDay(frozenset({2}), 0, 60)),
        (YearDay(Instant(1_783_332_000_000), Instant(1_783_332_059_000)),),
    ],
    ids=["two", "less than a minute"],
)
def test_a_window_that_it_cannot_keep_is_refused_before_anything_is_said(
    schedules: tuple[LockSchedule, ...],
) -> None:
    async def main() -> None:
        house = NukiHouse()
        house.let_in()
        assert (await write(house, *schedules)).outcome == Refused(Refusal.UNSUPPORTED)
        assert house.air.traffic[house.skin.core.address].connections == 0

    run(main())


@pytest.mark.parametrize("digits", ["583920", "123456", "58392a", "٥٨٣٩٢٦"])
def test_digits_that_the_keypad_does_not_take_are_not_said(digits: str) -> None:
    async def main() -> None:
        house = NukiHouse()
        house.let_in()
        assert (await write(house, digits=digits)).outcome == Refused(Refusal.CHARSET)
        assert house.air.traffic[house.skin.core.address].connections == 0

    run(main())


def test_switching_off_and_on_keeps_limits_and_name() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        await write(house, window(house))
        (before,) = house.state()["codes"].values()
        off = await driver.switch_code(4, enabled=False, deadline_s=DEADLINE_S)
        assert off.outcome == PROVEN
        assert off.reading is not None
        assert off.reading.use is SlotUse.DISABLED
        assert not house.opens(DIGITS)
        (held,) = house.state()["codes"].values()
        assert held == {**before, "enabled": False}
        on = await driver.switch_code(4, enabled=True, deadline_s=DEADLINE_S)
        assert on.outcome == PROVEN
        assert house.opens(DIGITS)
        (held,) = house.state()["codes"].values()
        assert held == {**before, "count": 1}

    run(main())


def test_a_code_that_was_switched_off_stays_off_when_its_window_moves() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        await write(house, window(house))
        await driver.switch_code(4, enabled=False, deadline_s=DEADLINE_S)
        moved = await driver.reschedule(4, (window(house, 2, 2),), deadline_s=DEADLINE_S)
        assert moved.outcome == PROVEN
        assert not house.opens(DIGITS)

    run(main())


def test_between_a_window_and_always_it_changes_in_place() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        await write(house, window(house, 3, -1))
        assert not house.opens(DIGITS)
        (code_id,) = house.state()["codes"]
        assert (await driver.reschedule(4, (), deadline_s=DEADLINE_S)).outcome == PROVEN
        assert house.opens(DIGITS)
        past = (window(house, 3, -1),)
        assert (await driver.reschedule(4, past, deadline_s=DEADLINE_S)).outcome == PROVEN
        assert not house.opens(DIGITS)
        assert list(house.state()["codes"]) == [code_id]
        assert house.received("add_code") == 1
        assert house.received("remove_code") == 0

    run(main())


def test_somebody_elses_code_has_a_number_and_is_left_alone() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        house.firmware.keypad.set_code_by_hand(7, "999111")
        assert house.opens("999111")
        reading = await driver.read_slot(1, deadline_s=DEADLINE_S)
        assert (reading.use, reading.digits) == (SlotUse.ENABLED, Secret("999111"))
        taken = await write(house, slot=1)
        assert taken.outcome == Refused(Refusal.INVALID)
        assert (await write(house, digits="999111")).outcome == Refused(Refusal.DUPLICATE)
        assert (await write(house)).outcome == PROVEN
        assert (await driver.erase(4, deadline_s=DEADLINE_S)).outcome == PROVEN
        assert set(house.holds()) == {"999111"}

    run(main())


def test_digits_are_changed_in_place_and_a_lost_answer_is_settled_by_listing() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        await write(house)
        (code_id,) = house.state()["codes"]
        house.arm("applied-but-answer-lost", "modify_code", count=1)
        changed = await driver.program(
            4, Secret("777888"), (), deadline_s=DEADLINE_S, overwrite=True
        )
        assert changed.outcome == Confirmed(frozenset({Evidence.READ_BACK}))
        assert list(house.holds()) == ["777888"]
        assert list(house.state()["codes"]) == [code_id]
        house.arm("reset", "modify_code", count=1, seconds=5.0)
        lost = await driver.program(4, Secret("444555"), (), deadline_s=DEADLINE_S, overwrite=True)
        assert isinstance(lost.outcome, Unconfirmed)
        (held,) = house.holds()
        reading = await driver.read_slot(4, deadline_s=DEADLINE_S)
        assert reading.digits == Secret(held)

    run(main())


def test_digits_that_are_not_told_are_not_taken_for_others() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        await write(house)
        before = await house.numbers.load()
        await house.air.pass_time(10)
        house.arm("masked-read", "list_codes", count=1)
        reading = await driver.read_slot(4, deadline_s=DEADLINE_S)
        assert (reading.use, reading.digits) == (SlotUse.ENABLED, None)
        assert await house.numbers.load() == before

    run(main())


def test_a_listing_with_a_part_lost_is_none() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        for slot, digits in enumerate(("111333", "222444", "333555"), 1):
            await write(house, slot=slot, digits=digits)
        await house.air.pass_time(10)
        sizes: list[int] = []

        def second_entry(_: str, data: bytes) -> bool:
            sizes.append(len(data))
            return len(data) > 100 and sum(size > 100 for size in sizes) == 2

        house.air.spoil_notify = second_entry
        readings = await driver.read_slots(deadline_s=DEADLINE_S)
        assert [reading.slot for reading in readings] == [1, 2, 3]
        assert sum(size > 100 for size in sizes) == 6  # it was asked again

    run(main())


def test_an_add_that_never_arrived_leaves_nothing_and_says_so() -> None:
    async def main() -> None:
        house = NukiHouse()
        house.let_in()
        house.air.spoil_write = lambda _, data: len(data) > 120  # an add, and nothing else
        result = await write(house)
        assert isinstance(result.outcome, Unconfirmed)
        assert result.reading is not None
        assert result.reading.use is SlotUse.AVAILABLE
        assert house.holds() == {}

    run(main())


def test_without_time_to_look_nobody_says_how_it_ended() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        house.arm("applied-but-answer-lost", "add_code", count=1)
        with pytest.raises(OutcomeUnknown):
            await driver.program(4, Secret(DIGITS), (), deadline_s=2.0)
        assert (await driver.read_slot(4, deadline_s=DEADLINE_S)).digits == Secret(DIGITS)

    run(main())


def test_a_refusal_in_the_clear_settles_no_order() -> None:
    """Anybody in between could say it."""

    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        skin = house.skin.peripheral
        lines: list[Line] = []
        connected = skin.connected

        def listen_in(line: Line) -> None:
            lines.append(line)
            connected(line)

        skin.connected = listen_in  # type: ignore[method-assign]
        said = wire.plain(Message(Op.ERROR, bytes((0x20, 0, 0))))

        def meddle(_: str, data: bytes) -> bool:
            if len(data) > 120:  # the order
                lines[-1].notify(wire.DATA, said)
            return False

        house.air.spoil_write = meddle
        result = await write(house)
        assert result.outcome == PROVEN
        assert await driver.read_slots(deadline_s=DEADLINE_S) == [result.reading]

    run(main())


def test_a_wrong_pin_is_told_once_and_the_lock_is_left_alone() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        house.skin.core.guard.pin = 1
        with pytest.raises(DeviceRefused, match="security PIN is wrong") as caught:
            await driver.read_slot(4, deadline_s=DEADLINE_S)
        assert caught.value.refusal is Refusal.NOT_AUTHORISED
        for _ in range(10):
            with pytest.raises(DeviceRefused, match="security PIN is wrong"):
                await driver.erase(4, deadline_s=DEADLINE_S)
        assert house.received("list_codes") == 1
        assert isinstance(await driver.unlock(deadline_s=DEADLINE_S), Confirmed)  # needs none
        await house.air.pass_time(3600)
        house.skin.core.guard.pin = int(PIN[SMART_LOCK])
        assert (await driver.read_slot(4, deadline_s=DEADLINE_S)).use is SlotUse.AVAILABLE

    run(main())


def test_a_lock_out_passes_and_is_not_hammered() -> None:
    async def main() -> None:
        house = NukiHouse(pin_lockout_s=300.0, pin_attempts=1)
        driver = house.let_in()
        with pytest.raises(Exception, match="BAD_PIN"):
            house.skin.core.guard.check_pin(1)  # somebody else's
        with pytest.raises(DeviceRefused, match="too many wrong PINs") as caught:
            await driver.read_slot(4, deadline_s=DEADLINE_S)
        assert caught.value.refusal is Refusal.BUSY
        for _ in range(10):
            with pytest.raises(DeviceRefused, match="too many wrong PINs"):
                await driver.read_slots(deadline_s=DEADLINE_S)
        assert house.received("list_codes") == 1
        await house.air.pass_time(601)
        assert await driver.read_slots(deadline_s=DEADLINE_S) == []

    run(main())


def test_a_lock_without_a_keypad_has_no_codes() -> None:
    async def main() -> None:
        house = NukiHouse(keypad=False)
        driver = house.let_in()
        can = await driver.interview(deadline_s=DEADLINE_S)
        assert can.can_program_online_access_codes is False
        assert can.codes is not None
        assert can.codes.slots == 0
        assert (await write(house)).outcome == Refused(Refusal.UNSUPPORTED)

    run(main())


@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_air_does_what_is_told_of_codes_is_true(seed: int) -> None:
    """Orders in any order through an air that breaks and delays; the lock knows the truth."""

    async def main() -> None:
        house = NukiHouse(SMART_LOCK if seed % 2 else ULTRA, seed=seed)
        driver = house.let_in()
        chance = random.Random(seed)
        for step in range(25):
            house.air.weather = Weather(0.05, 0.1, drop=0.05, refuse=0.2)
            slot, digits = chance.randint(1, 4), f"{chance.randint(3, 9)}{step % 9 + 1}5746"
            result: WriteResult | None = None
            try:
                if chance.random() < 0.6:
                    result = await driver.program(
                        slot, Secret(digits), (), deadline_s=8.0, overwrite=True
                    )
                    wanted: Secret | None = Secret(digits)
                else:
                    wanted = None
                    result = await driver.erase(slot, deadline_s=8.0)
            except (Unreachable, OutcomeUnknown):
                pass
            house.air.weather = Weather()
            if result is not None and isinstance(result.outcome, Confirmed):
                await house.air.pass_time(10)
                reading = await driver.read_slot(slot, deadline_s=DEADLINE_S)
                assert reading.digits == wanted
            readings = await driver.read_slots(deadline_s=DEADLINE_S)
            rows = {row.hash: row.slot for row in await house.numbers.load() if row.current}
            told = {r.slot: r.digits.reveal() for r in readings if r.digits is not None}
            held = {rows[house.numbers.hash_of(Secret(code))]: code for code in house.holds()}
            assert told == held

    run(main())


def test_what_is_not_there_or_cannot_be_kept_is_not_changed() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        days = (WeekDay(frozenset({1}), 0, 60), WeekDay(frozenset({2}), 0, 60))
        empty = await driver.reschedule(4, (), deadline_s=DEADLINE_S)
        assert empty.outcome == Refused(Refusal.INVALID)
        off = await driver.switch_code(4, enabled=False, deadline_s=DEADLINE_S)
        assert off.outcome == Refused(Refusal.INVALID)
        await write(house, window(house))
        two = await driver.reschedule(4, days, deadline_s=DEADLINE_S)
        assert two.outcome == Refused(Refusal.UNSUPPORTED)
        same = await driver.reschedule(4, (window(house),), deadline_s=DEADLINE_S)
        assert same.outcome == Confirmed(frozenset({Evidence.READ_BACK}))
        assert house.received("modify_code") == 0
        await house.air.pass_time(10)
        house.arm("masked-read", "list_codes", count=1)
        masked = await driver.reschedule(4, (), deadline_s=DEADLINE_S)
        assert masked.outcome == Refused(Refusal.UNSUPPORTED)  # digits would go with it
        assert house.received("modify_code") == 0

    run(main())


def test_an_acknowledged_write_that_cannot_be_looked_at_is_not_confirmed() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()

        def away(_: str, __: bytes) -> bool:
            # The answer to the order is out: what comes now is the listing.
            if house.received("add_code") and house.received("auth.challenge") == 3:
                house.air.go_away(house.skin.core.address)
            return False

        house.air.spoil_write = away
        result = await driver.program(4, Secret(DIGITS), (), deadline_s=DEADLINE_S)
        assert isinstance(result.outcome, Unconfirmed)
        assert "acknowledged, but not listed" in result.outcome.cause
        assert set(house.holds()) == {DIGITS}

    run(main())
