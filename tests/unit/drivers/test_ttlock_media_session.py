"""Cards and fingers of a simulated TTLock: listed, learned, scheduled, deleted, with proof."""

from __future__ import annotations

import pytest

from firmware_sims.firmware.model import Source
from gateway.domain.actions import Confirmed, Refused, Unconfirmed
from gateway.domain.devices import LockSchedule, WeekDay, YearDay
from gateway.domain.instant import DAY, HOUR, MINUTE, Instant
from gateway.domain.secret import Secret
from gateway.drivers.access import EnrolStage, Medium
from gateway.errors import DeviceRefused, OutcomeUnknown, Refusal
from tests.simulation.loop import run
from tests.unit.drivers.ble_house import DEADLINE_S
from tests.unit.drivers.ttlock_house import ADDRESS, LockHouse

CARD, LONG = Secret("12648430"), Secret("81985529216486895")
OFFICE = WeekDay(frozenset({1, 3}), 9 * 60, 17 * 60)
EVENING = WeekDay(frozenset({1}), 18 * 60, 20 * 60)


def window(house: LockHouse, before_h: int = 1, after_h: int = 1) -> YearDay:
    minute = house.now() // MINUTE * MINUTE
    return YearDay(Instant(minute - before_h * HOUR), Instant(minute + after_h * HOUR))


def opens(house: LockHouse, card: Secret) -> bool:
    return house.firmware.reader.present(Source.CARD, int(card.reveal())).opened


def present(house: LockHouse, of: Source, number: int) -> None:
    house.firmware.reader.present(of, number)


def same(found: tuple[LockSchedule, ...] | None, wanted: tuple[LockSchedule, ...]) -> bool:
    return found is not None and set(found) == set(wanted)


@pytest.mark.parametrize("card", [CARD, LONG])
def test_a_known_card_is_added_opens_and_is_deleted(card: Secret) -> None:
    async def main() -> None:
        house = LockHouse()
        added = await house.driver.add_card(card, (), deadline_s=DEADLINE_S)
        assert isinstance(added, Confirmed)
        assert opens(house, card)
        assert list(await house.driver.list_cards(deadline_s=DEADLINE_S)) == [Medium(card)]
        again = await house.driver.add_card(card, (), deadline_s=DEADLINE_S)
        assert isinstance(again, Confirmed)
        gone = await house.driver.delete_card(card, deadline_s=DEADLINE_S)
        assert isinstance(gone, Confirmed)
        assert not opens(house, card)
        assert isinstance(await house.driver.delete_card(card, deadline_s=DEADLINE_S), Confirmed)

    run(main())


def test_a_card_with_a_stretch_and_hours_opens_within_them_only() -> None:
    async def main() -> None:
        house = LockHouse()
        wanted = (window(house, 1, 48), OFFICE, EVENING)
        assert isinstance(
            await house.driver.add_card(CARD, wanted, deadline_s=DEADLINE_S), Confirmed
        )
        (found,) = await house.driver.list_cards(deadline_s=DEADLINE_S)
        assert same(found.schedules, wanted)
        assert opens(house, CARD)  # Monday noon
        await house.air.pass_time(5.5 * 3600)
        assert not opens(house, CARD)
        await house.air.pass_time(1 * 3600)
        assert opens(house, CARD)
        moved = (window(house, 1, 72), WeekDay(frozenset({2}), 0, 1439))
        assert isinstance(
            await house.driver.schedule_card(CARD, moved, deadline_s=DEADLINE_S), Confirmed
        )
        assert not opens(house, CARD)
        await house.air.pass_time(DAY / 1000)
        assert opens(house, CARD)
        free = await house.driver.schedule_card(CARD, (), deadline_s=DEADLINE_S)
        assert isinstance(free, Confirmed)
        (found,) = await house.driver.list_cards(deadline_s=DEADLINE_S)
        assert found.schedules == ()

    run(main())


def test_while_hours_are_written_the_card_opens_at_no_other_time() -> None:
    """Somebody holds it to the lock before every packet; it is Monday noon, outside all hours."""

    async def main() -> None:
        house = LockHouse()
        tuesday, wednesday = (WeekDay(frozenset({day}), 0, 1439) for day in (2, 3))
        opened: list[int] = []

        def impatient(_address: str, _data: bytes) -> bool:
            if opens(house, CARD):
                opened.append(len(house.sent()))
            return False

        house.air.spoil_write = impatient
        await house.driver.add_card(CARD, (tuesday,), deadline_s=DEADLINE_S)
        await house.driver.schedule_card(CARD, (wednesday,), deadline_s=DEADLINE_S)
        assert opened == []

    run(main())


@pytest.mark.parametrize("command", ["add_card", "remove_card", "set_card_window"])
def test_a_lost_answer_is_resolved_by_listing(command: str) -> None:
    async def main() -> None:
        house = LockHouse()
        if command != "add_card":
            await house.driver.add_card(CARD, (), deadline_s=DEADLINE_S)
        house.arm("applied-but-answer-lost", command)
        if command == "add_card":
            outcome = await house.driver.add_card(CARD, (), deadline_s=DEADLINE_S)
        elif command == "remove_card":
            outcome = await house.driver.delete_card(CARD, deadline_s=DEADLINE_S)
        else:
            past = (window(house, 48, -24),)
            outcome = await house.driver.schedule_card(CARD, past, deadline_s=DEADLINE_S)
        assert isinstance(outcome, Confirmed)
        assert opens(house, CARD) is (command == "add_card")

    run(main())


@pytest.mark.parametrize("command", ["add_card", "clear_days", "add_day", "set_card_window"])
def test_out_of_range_in_the_middle_nobody_knows_and_it_opens_at_no_wrong_time(
    command: str,
) -> None:
    async def main() -> None:
        house = LockHouse()
        house.gone_after(command)
        tuesday = WeekDay(frozenset({2}), 0, 1439)
        with pytest.raises(OutcomeUnknown):
            await house.driver.add_card(CARD, (tuesday,), deadline_s=20)
        assert not opens(house, CARD)

    run(main())


def test_what_was_only_said_is_not_confirmed() -> None:
    async def main() -> None:
        house = LockHouse()
        house.arm("acknowledged-but-not-applied", "add_card")
        outcome = await house.driver.add_card(CARD, (), deadline_s=DEADLINE_S)
        assert isinstance(outcome, Unconfirmed)
        house.arm("busy", "add_card")
        assert await house.driver.add_card(CARD, (), deadline_s=DEADLINE_S) == Refused(
            Refusal.FAILED
        )

    run(main())


def test_what_cannot_be_asked_for() -> None:
    async def main() -> None:
        house = LockHouse()
        now = house.now()
        for schedules in (
            (window(house), window(house, 5, 6)),
            (YearDay(now, Instant(now + 1)),),
        ):
            outcome = await house.driver.add_card(CARD, schedules, deadline_s=DEADLINE_S)
            assert outcome == Refused(Refusal.UNSUPPORTED)
        word = await house.driver.add_card(Secret("front door"), (), deadline_s=DEADLINE_S)
        assert word == Refused(Refusal.CHARSET)
        unknown = await house.driver.schedule_card(CARD, (), deadline_s=DEADLINE_S)
        assert unknown == Refused(Refusal.INVALID)
        plain = LockHouse(features=[0, 1, 4, 5, 7, 8])
        weekly = await plain.driver.add_card(CARD, (OFFICE,), deadline_s=DEADLINE_S)
        assert weekly == Refused(Refusal.UNSUPPORTED)
        assert not opens(plain, CARD)

    run(main())


# ── learning ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("pads_card", [False, True])
def test_a_card_held_to_the_lock_is_learned(pads_card: bool) -> None:
    async def main() -> None:
        house = LockHouse(pads_card=pads_card)
        stages: list[EnrolStage] = []

        def progress(stage: EnrolStage) -> None:
            stages.append(stage)
            if stage is EnrolStage.WAITING:
                house.air.timebase.call_later(3.0, lambda: present(house, Source.CARD, 12648430))

        learned = await house.driver.enrol_card(progress, deadline_s=DEADLINE_S)
        assert learned == Medium(CARD)
        assert stages == [EnrolStage.WAITING, EnrolStage.DONE]
        assert opens(house, CARD)

    run(main())


def test_a_finger_is_laid_on_several_times() -> None:
    async def main() -> None:
        house = LockHouse()
        stages: list[EnrolStage] = []

        def progress(stage: EnrolStage) -> None:
            stages.append(stage)
            if stage is not EnrolStage.DONE:
                house.air.timebase.call_later(2.0, lambda: present(house, Source.FINGER, 77))

        learned = await house.driver.enrol_fingerprint(progress, deadline_s=DEADLINE_S)
        assert stages == [
            EnrolStage.WAITING, *([EnrolStage.SCANNED] * 3), EnrolStage.DONE,
        ]  # fmt: skip
        (found,) = await house.driver.list_fingerprints(deadline_s=DEADLINE_S)
        assert found == learned
        past = (window(house, 48, -24),)
        outcome = await house.driver.schedule_fingerprint(
            learned.number, past, deadline_s=DEADLINE_S
        )
        assert isinstance(outcome, Confirmed)
        assert not house.firmware.reader.present(Source.FINGER, 77).opened
        gone = await house.driver.delete_fingerprint(learned.number, deadline_s=DEADLINE_S)
        assert isinstance(gone, Confirmed)
        assert list(await house.driver.list_fingerprints(deadline_s=DEADLINE_S)) == []

    run(main())


def test_nobody_comes() -> None:
    async def main() -> None:
        house = LockHouse()
        with pytest.raises(DeviceRefused):
            await house.driver.enrol_card(lambda _: None, deadline_s=DEADLINE_S)
        house = LockHouse()
        with pytest.raises(OutcomeUnknown):
            await house.driver.enrol_card(lambda _: house.air.go_away(ADDRESS), deadline_s=10)

    run(main())
