"""`NukiLock` as the house sees it: bolt, clock, advertisements, settings, keys of others."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from gateway.domain.actions import Confirmed, Refused, Unconfirmed
from gateway.domain.devices import Evidence, WeekDay
from gateway.domain.instant import HOUR, Instant, from_datetime
from gateway.drivers.access import (
    CodeSwitch,
    KeyChange,
    KeyHolders,
    SettingsKeeper,
    Unlatcher,
)
from gateway.drivers.api import (
    ClockKeeper,
    CredentialStore,
    EventLog,
    Gauge,
    Inventory,
    Latch,
    Measured,
)
from gateway.errors import DeviceRefused, OutcomeUnknown, Refusal
from gateway.radios.api import Advertised, Heard
from tests.simulation.loop import run
from tests.unit.drivers.ble_house import DEADLINE_S
from tests.unit.drivers.nuki_house import ADDRESS, SMART_LOCK, ULTRA, NukiHouse

if TYPE_CHECKING:
    from gateway.drivers.nuki.driver import NukiLock

MODELS = (SMART_LOCK, ULTRA)


@pytest.mark.parametrize(
    "protocol",
    [
        CredentialStore, Inventory, Latch, Gauge, ClockKeeper, EventLog,
        SettingsKeeper, KeyHolders, CodeSwitch, Unlatcher,
    ],
)  # fmt: skip
def test_what_it_honours(protocol: type) -> None:
    async def main() -> None:
        assert isinstance(NukiHouse().let_in(), protocol)

    run(main())


@pytest.mark.parametrize("profile", MODELS)
def test_what_it_can_do_is_what_the_lock_says(profile: str) -> None:
    async def main() -> None:
        can = await NukiHouse(profile).let_in().interview(deadline_s=DEADLINE_S)
        assert can.can_remotely_unlock
        assert can.can_program_online_access_codes
        assert can.has_door_sensor
        assert (can.schedules.year_day, can.schedules.week_day) == (1, 1)
        assert can.codes is not None
        assert (can.codes.min_length, can.codes.max_length) == (6, 6)
        assert (can.codes.forbidden_digits, can.codes.forbidden_prefixes) == ("0", ("12",))
        bare = NukiHouse(profile, keypad=False, overrides={"has_door_sensor": False})
        cannot = await bare.let_in().interview(deadline_s=DEADLINE_S)
        assert cannot.can_program_online_access_codes is False
        assert cannot.has_door_sensor is None

    run(main())


# ── bolt ────────────────────────────────────────────────────────────────────────────────────


def test_the_end_of_an_action_is_waited_for() -> None:
    async def main() -> None:
        house = NukiHouse(turn_s=9.0)
        driver = house.let_in()
        assert not house.unlocked()
        began = house.air.timebase.now()
        outcome = await driver.unlock(deadline_s=DEADLINE_S)
        assert outcome == Confirmed(frozenset({Evidence.ACKNOWLEDGED}))
        assert house.unlocked()
        assert house.air.timebase.now() - began >= 9.0
        assert isinstance(await driver.unlock(deadline_s=DEADLINE_S), Confirmed)  # it is already

    run(main())


def test_the_latch_is_pulled_only_by_its_own_order() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        await driver.unlock(deadline_s=DEADLINE_S)
        assert house.state()["lock_state"] == "unlocked"
        assert isinstance(await driver.unlatch(deadline_s=DEADLINE_S), Confirmed)
        assert house.state()["lock_state"] == "unlatched"
        assert (await driver.measure(deadline_s=DEADLINE_S)).locked is False

    run(main())


def test_an_end_that_was_lost_is_seen_in_the_states() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        heard: list[int] = []

        def last_of_the_action(_: str, data: bytes) -> bool:
            status = len(data) == 24 + 4 + 2 + 16 + 4 + 2 + 1 + 2
            heard.append(status)
            return status and sum(heard) == 2

        house.air.spoil_notify = last_of_the_action
        outcome = await driver.unlock(deadline_s=DEADLINE_S)
        assert outcome == Confirmed(frozenset({Evidence.ACKNOWLEDGED, Evidence.READ_BACK}))
        assert house.received("unlock") == 1

    run(main())


def test_an_order_without_any_answer_is_not_repeated() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        house.arm("applied-but-answer-lost", "unlock", count=1)
        with pytest.raises(OutcomeUnknown):
            await driver.unlock(deadline_s=DEADLINE_S)
        assert house.received("unlock") == 1
        assert house.unlocked()

    run(main())


@pytest.mark.parametrize(
    ("trouble", "refusal"),
    [("break_clutch", Refusal.JAMMED), ("lose_calibration", Refusal.INVALID)],
)
def test_what_stops_the_motor_is_told(trouble: str, refusal: Refusal) -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        house.skin.actions[trouble]()
        assert await driver.unlock(deadline_s=DEADLINE_S) == Refused(refusal)
        assert (await driver.measure(deadline_s=DEADLINE_S)).locked is (
            None if trouble == "lose_calibration" else True
        )

    run(main())


def test_somebody_who_stops_it_leaves_no_reason_to_say_that_nothing_moved() -> None:
    async def main() -> None:
        house = NukiHouse(turn_s=5.0)
        driver = house.let_in()
        house.air.timebase.call_later(2.0, house.skin.actions["press_button"])
        assert await driver.unlock(deadline_s=DEADLINE_S) == Unconfirmed(
            "somebody stopped it with the button"
        )

    run(main())


def test_a_jam_says_nothing_of_the_bolt() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        house.firmware.bolt.jam()
        assert await driver.unlock(deadline_s=DEADLINE_S) == Refused(Refusal.JAMMED)

    run(main())


# ── states ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("profile", MODELS)
def test_states_and_battery(profile: str) -> None:
    async def main() -> None:
        house = NukiHouse(profile)
        driver = house.let_in()
        house.firmware.set_battery(64)
        house.firmware.bolt.move_door(is_open=True)
        found = await driver.measure(deadline_s=DEADLINE_S)
        assert (found.locked, found.door_open) == (True, True)
        assert (found.battery_percent, found.battery_low) == (64, False)
        house.firmware.set_battery(8)
        found = await driver.measure(deadline_s=DEADLINE_S)
        assert (found.battery_percent, found.battery_low) == (8, True)

    run(main())


# ── advertisements ──────────────────────────────────────────────────────────────────────────


def test_news_is_told_when_the_beacon_turns_and_taken_back_by_reading_the_log_only() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        await driver.read_log(None, deadline_s=DEADLINE_S)
        await house.air.pass_time(10)
        assert house.advertised() == ()
        house.firmware.bolt.move_door(is_open=True)
        await house.air.pass_time(1)
        assert house.advertised() == (Measured(log_news=True),)
        assert house.advertised() == ()  # once is enough
        measured = await driver.measure(deadline_s=DEADLINE_S)
        assert measured.log_news  # the beacon will not say it again
        await house.air.pass_time(10)
        assert house.advertised() == ()
        assert (await driver.measure(deadline_s=DEADLINE_S)).log_news is None

    run(main())


def test_an_interview_owes_the_news_that_it_took_off_the_air() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        house.firmware.bolt.move_door(is_open=True)
        await driver.interview(deadline_s=DEADLINE_S)
        await house.air.pass_time(10)
        assert house.advertised() == (Measured(log_news=True),)
        assert house.advertised() == ()

    run(main())


def test_others_advertisements_mean_nothing() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        advertisement = house.air.advertisement(ADDRESS)
        assert advertisement is not None
        assert driver.translate(Advertised("00:00:00:00:00:01", advertisement)) == ()
        assert driver.translate(Heard(ADDRESS)) == ()

    run(main())


# ── clock ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("profile", MODELS)
def test_the_clock_is_set_in_the_sites_zone(profile: str) -> None:
    async def main() -> None:
        house = NukiHouse(profile)
        driver = house.let_in()
        clock = house.firmware.clock
        clock.set_utc(clock.utc() - 3600)
        found = await driver.read_clock(house.now(), deadline_s=DEADLINE_S)
        assert abs(found.error_ms + HOUR) <= found.bound_ms + 500
        assert not found.zone_proven
        found = await driver.set_clock(house.now(), deadline_s=DEADLINE_S)
        assert abs(found.error_ms) <= found.bound_ms + 500
        assert found.zone_proven
        assert abs(clock.utc() - house.air.timebase.now()) <= 1.0

    run(main())


def test_the_hour_that_comes_twice_is_no_error() -> None:
    async def main() -> None:
        # 25 October 2026, 02:30 in Berlin for the second time.
        start = from_datetime(datetime(2026, 10, 25, 1, 30, tzinfo=UTC)) / 1000
        house = NukiHouse(start=start)
        driver = house.let_in()
        found = await driver.set_clock(house.now(), deadline_s=DEADLINE_S)
        assert abs(found.error_ms) <= found.bound_ms + 500

    run(main())


# ── settings ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("profile", MODELS)
def test_settings_are_read_written_and_do_what_they_say(profile: str) -> None:
    async def main() -> None:
        house = NukiHouse(profile)
        driver = house.let_in()
        before = house.state()["config"]
        assert (await driver.write_setting("auto_lock_s", 90, deadline_s=DEADLINE_S)).value == 90
        assert house.firmware.settings["auto_relock_s"] == 90
        assert (await driver.write_setting("auto_lock_s", 0, deadline_s=DEADLINE_S)).value == 0
        assert house.firmware.settings["auto_relock_s"] == 0
        assert (await driver.write_setting("lamp", False, deadline_s=DEADLINE_S)).value is False
        after = house.state()["config"]
        assert after == {
            **before,
            "auto_lock_timeout": 90,
            "led_enabled": 0,
            "timezone_offset": 120,
        }
        told = {item.name: item.value for item in await driver.read_settings(deadline_s=DEADLINE_S)}
        assert (told["lamp"], told["auto_lock_s"], told["button"]) == (False, 0, True)

    run(main())


@pytest.mark.parametrize(
    ("name", "value", "refusal"),
    [
        ("colour", True, Refusal.UNSUPPORTED),
        ("lamp", 3, Refusal.INVALID),
        ("lock_n_go_s", 61, Refusal.INVALID),
        ("lock_n_go_s", 0, Refusal.INVALID),
        ("auto_lock_s", True, Refusal.INVALID),
    ],
)
def test_what_a_setting_cannot_be_is_not_said(
    name: str, value: bool | int, refusal: Refusal
) -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        with pytest.raises(DeviceRefused) as caught:
            await driver.write_setting(name, value, deadline_s=DEADLINE_S)
        assert caught.value.refusal is refusal
        assert house.air.traffic[ADDRESS].connections == 0

    run(main())


def test_a_setting_that_was_not_kept_is_told() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        house.arm("acknowledged-but-not-applied", "set_config", count=1)
        with pytest.raises(DeviceRefused, match="reads otherwise"):
            await driver.write_setting("lamp", False, deadline_s=DEADLINE_S)

    run(main())


# ── keys of others ──────────────────────────────────────────────────────────────────────────


async def with_a_phone() -> tuple[NukiHouse, NukiLock, str]:
    """A second authorisation, with limits that somebody else has set."""
    house = NukiHouse()
    driver = house.let_in()
    ours = driver
    house.let_in()
    house.driver = ours
    (first, second) = house.skin.core.authorizations.held.values()
    assert first.auth_id != second.auth_id
    second.name = "Ann's phone"
    return house, ours, second.auth_id.hex()


def test_keys_are_listed_limited_switched_off_and_removed() -> None:
    async def main() -> None:
        house, driver, phone = await with_a_phone()
        listed = await driver.list_keys(deadline_s=DEADLINE_S)
        assert [(key.id, key.name, key.ours) for key in listed] == [
            (listed[0].id, "Lock gateway", True),
            (phone, "Ann's phone", False),
        ]
        office = WeekDay(frozenset({1, 2, 3, 4, 5}), 8 * 60, 18 * 60)
        for change in (
            KeyChange(schedules=(office,)),
            KeyChange(enabled=False),
            KeyChange(name="Ann", enabled=True),
        ):
            outcome = await driver.update_key(phone, change, deadline_s=DEADLINE_S)
            assert outcome == Confirmed(frozenset({Evidence.ACKNOWLEDGED, Evidence.READ_BACK}))
        key = (await driver.list_keys(deadline_s=DEADLINE_S))[1]
        assert (key.name, key.enabled, key.schedules) == ("Ann", True, (office,))
        removed = await driver.remove_key(phone, deadline_s=DEADLINE_S)
        assert isinstance(removed, Confirmed)
        assert len(house.state()["authorizations"]) == 1
        assert isinstance(await driver.remove_key(phone, deadline_s=DEADLINE_S), Confirmed)

    run(main())


def test_our_own_key_is_not_touched() -> None:
    async def main() -> None:
        house, driver, _ = await with_a_phone()
        ours = (await driver.list_keys(deadline_s=DEADLINE_S))[0].id
        off = KeyChange(enabled=False)
        assert await driver.update_key(ours, off, deadline_s=DEADLINE_S) == Refused(Refusal.INVALID)
        assert await driver.remove_key(ours, deadline_s=DEADLINE_S) == Refused(Refusal.INVALID)
        assert len(house.state()["authorizations"]) == 2

    run(main())


def test_a_removal_whose_answer_is_lost_is_proved_by_listing() -> None:
    async def main() -> None:
        house, driver, phone = await with_a_phone()
        house.arm("acknowledged-but-not-applied", "remove_authorization", count=1)
        kept = await driver.remove_key(phone, deadline_s=DEADLINE_S)
        assert isinstance(kept, Unconfirmed)
        house.arm("applied-but-answer-lost", "remove_authorization", count=1)
        gone = await driver.remove_key(phone, deadline_s=DEADLINE_S)
        assert gone == Confirmed(frozenset({Evidence.READ_BACK}))

    run(main())


def test_a_lock_that_has_forgotten_us_says_so() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        house.skin.factory_reset()
        with pytest.raises(DeviceRefused, match="does not know our key") as caught:
            await driver.measure(deadline_s=DEADLINE_S)
        assert caught.value.refusal is Refusal.NOT_AUTHORISED
        at = Instant(house.now())
        with pytest.raises(DeviceRefused, match="does not know our key"):
            await driver.read_clock(at, deadline_s=DEADLINE_S)

    run(main())


def test_an_end_that_was_lost_and_is_not_seen_confirms_nothing() -> None:
    async def main() -> None:
        house = NukiHouse(turn_s=5.0)
        driver = house.let_in()
        house.air.timebase.call_later(2.0, house.skin.actions["press_button"])
        house.air.timebase.call_later(1.0, lambda: house.air.break_link(ADDRESS))
        outcome = await driver.unlock(deadline_s=DEADLINE_S)
        assert outcome == Unconfirmed("the lock accepted the order and is not there")
        assert not house.unlocked()
        assert house.received("unlock") == 1

    run(main())


def test_an_end_that_was_lost_while_it_moves_is_waited_for() -> None:
    async def main() -> None:
        house = NukiHouse(turn_s=9.0)
        driver = house.let_in()
        house.air.timebase.call_later(1.0, lambda: house.air.break_link(ADDRESS))
        outcome = await driver.unlock(deadline_s=DEADLINE_S)
        assert outcome == Confirmed(frozenset({Evidence.ACKNOWLEDGED, Evidence.READ_BACK}))
        assert house.unlocked()
        assert house.received("unlock") == 1

    run(main())


def test_a_lost_end_out_of_range_is_not_known() -> None:
    async def main() -> None:
        house = NukiHouse(turn_s=5.0)
        driver = house.let_in()
        house.air.timebase.call_later(1.0, lambda: house.air.go_away(ADDRESS))
        with pytest.raises(OutcomeUnknown):
            await driver.unlock(deadline_s=DEADLINE_S)
        house.air.come_back(ADDRESS)
        house.air.timebase.call_later(1.0, lambda: house.air.break_link(ADDRESS))
        with pytest.raises(OutcomeUnknown):
            await driver.unlatch(deadline_s=DEADLINE_S)  # states do not tell what a latch did
        assert house.received("unlatch") == 1

    run(main())


def test_a_lost_answer_to_the_time_is_settled_by_reading_it() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        house.firmware.clock.set_utc(house.firmware.clock.utc() - 600)
        house.arm("applied-but-answer-lost", "set_clock", count=1)
        found = await driver.set_clock(house.now(), deadline_s=DEADLINE_S)
        assert abs(found.error_ms) <= found.bound_ms + 500
        house.firmware.clock.set_utc(house.firmware.clock.utc() - 600)
        house.arm("acknowledged-but-not-applied", "set_clock", count=1)
        found = await driver.set_clock(house.now(), deadline_s=DEADLINE_S)
        assert abs(found.error_ms + 600_000) <= found.bound_ms + 1000

    run(main())


def test_a_key_that_is_not_there_or_limits_it_cannot_have_change_nothing() -> None:
    async def main() -> None:
        house, driver, phone = await with_a_phone()
        off = KeyChange(enabled=False)
        assert await driver.update_key("ffffffff", off, deadline_s=DEADLINE_S) == Refused(
            Refusal.INVALID
        )
        two = KeyChange(schedules=(WeekDay(frozenset({1}), 0, 60), WeekDay(frozenset({2}), 0, 60)))
        assert await driver.update_key(phone, two, deadline_s=DEADLINE_S) == Refused(
            Refusal.UNSUPPORTED
        )
        assert house.received("update_authorization") == 0

    run(main())


def test_settings_whose_answer_is_lost_are_settled_by_reading() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = house.let_in()
        house.arm("applied-but-answer-lost", "set_config", count=1)
        found = await driver.write_setting("lamp", False, deadline_s=DEADLINE_S)
        assert found.value is False
        house.arm("busy", "set_config", count=1)
        with pytest.raises(DeviceRefused, match="reads otherwise"):
            await driver.write_setting("lamp", True, deadline_s=DEADLINE_S)

    run(main())
