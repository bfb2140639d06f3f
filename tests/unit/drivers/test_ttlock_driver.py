"""`TtLock` as the house sees it: protocols, bolt, clock, advertisements."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.domain.actions import Confirmed
from gateway.domain.instant import HOUR, Instant, from_datetime
from gateway.domain.secret import Secret
from gateway.drivers.access import CardStore, FingerprintStore, KeyRevoker, SettingsKeeper
from gateway.drivers.api import (
    ClockKeeper,
    CredentialStore,
    EventLog,
    Gauge,
    Latch,
    Measured,
    SlotChange,
    SlotChanged,
)
from gateway.drivers.ttlock.driver import TtLock
from gateway.radios.api import Advertised, Heard
from tests.simulation.loop import run
from tests.unit.drivers.ble_house import DEADLINE_S
from tests.unit.drivers.ttlock_house import ADDRESS, LockHouse


@pytest.mark.parametrize(
    "protocol",
    [
        CredentialStore, Latch, Gauge, ClockKeeper, EventLog,
        CardStore, FingerprintStore, SettingsKeeper, KeyRevoker,
    ],
)  # fmt: skip
def test_what_it_honours(protocol: type) -> None:
    async def main() -> None:
        assert isinstance(LockHouse().driver, protocol)

    run(main())


def test_what_it_can_do_is_what_the_lock_says() -> None:
    async def main() -> None:
        house = LockHouse()
        can = await house.driver.interview(deadline_s=DEADLINE_S)
        assert can.can_remotely_unlock
        assert can.can_remotely_lock
        assert can.can_program_online_access_codes
        assert can.has_door_sensor
        assert can.has_clock
        assert can.keeps_log
        assert (can.schedules.year_day, can.schedules.week_day) == (1, 0)
        assert await house.driver.interview(deadline_s=DEADLINE_S) == can
        other = LockHouse("ttlock-keypad")
        assert (await other.driver.interview(deadline_s=DEADLINE_S)).has_door_sensor is None

    run(main())


def test_the_bolt_follows_and_the_door_is_told() -> None:
    async def main() -> None:
        house = LockHouse()
        assert isinstance(await house.driver.unlock(deadline_s=DEADLINE_S), Confirmed)
        assert house.unlocked()
        assert (await house.driver.measure(deadline_s=DEADLINE_S)).locked is False
        assert isinstance(await house.driver.lock(deadline_s=DEADLINE_S), Confirmed)
        found = await house.driver.measure(deadline_s=DEADLINE_S)
        assert (found.locked, found.door_open, found.battery_percent) == (True, False, 100)

    run(main())


# ── clock ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("latency_s", [0.0, 0.4])
@pytest.mark.parametrize("off_s", [-600.0, 3600.0, 7 * 86_400.0])
def test_a_clock_is_read_within_its_bound_and_set(latency_s: float, off_s: float) -> None:
    async def main() -> None:
        house = LockHouse()
        weather = house.air.weather
        weather.latency_s, weather.connect_s = latency_s, 3.0
        house.firmware.clock.set_utc(house.air.timebase.now() + off_s)
        read = await house.driver.read_clock(house.now(), deadline_s=DEADLINE_S)
        assert abs(read.error_ms - off_s * 1000) <= read.bound_ms
        assert read.bound_ms >= 500 + latency_s * 1000
        assert read.zone_proven is (abs(off_s) < 900)
        await house.air.pass_time(10)
        found = await house.driver.set_clock(house.now(), deadline_s=DEADLINE_S)
        error_ms = (house.firmware.clock.utc() - house.air.timebase.now()) * 1000
        assert abs(error_ms) <= 1000 + latency_s * 1000
        assert abs(found.error_ms - error_ms) <= found.bound_ms
        assert found.zone_proven

    run(main())


def test_summer_time_ends_and_the_lock_does_not_know() -> None:
    async def main() -> None:
        house = LockHouse()
        day = from_datetime(datetime(2026, 10, 25, 0, 0, tzinfo=UTC))
        await house.air.pass_time((day - house.now()) / 1000)
        await house.driver.set_clock(house.now(), deadline_s=DEADLINE_S)
        await house.air.pass_time(30 * 60)
        twice = await house.driver.read_clock(house.now(), deadline_s=DEADLINE_S)
        assert abs(twice.error_ms) <= twice.bound_ms
        await house.air.pass_time(3 * 3600)
        after = await house.driver.read_clock(house.now(), deadline_s=DEADLINE_S)
        assert abs(after.error_ms - HOUR) <= after.bound_ms
        found = await house.driver.set_clock(house.now(), deadline_s=DEADLINE_S)
        assert abs(found.error_ms) <= found.bound_ms

    run(main())


# ── advertisements ──────────────────────────────────────────────────────────────────────────


def test_what_advertisements_tell() -> None:
    async def main() -> None:
        house = LockHouse(dormant_after_s=60.0)
        assert house.advertised() == (Measured(True, None, 100, None, log_news=False),)
        await house.air.pass_time(61)
        assert house.advertised() == (Measured(None, None, 100, None, log_news=False),)
        await house.driver.unlock(deadline_s=DEADLINE_S)
        await house.air.pass_time(10)
        assert house.advertised() == (Measured(False, None, 100, None, log_news=True),)

    run(main())


def test_a_lock_of_ours_that_may_be_paired_again_was_reset() -> None:
    async def main() -> None:
        house = LockHouse()
        house.skin.factory_reset()
        events = house.advertised()
        assert SlotChanged(None, SlotChange.REMOVED, at_lock=True) in events
        assert house.advertised() == ()

    run(main())


def test_what_others_send_is_not_ours() -> None:
    async def main() -> None:
        house = LockHouse()
        advertisement = house.air.advertisement(ADDRESS)
        assert advertisement is not None
        assert house.driver.translate(Advertised("AA:AA:AA:AA:AA:AA", advertisement)) == ()
        assert house.driver.translate(Heard(ADDRESS)) == ()

    run(main())


def test_it_comes_from_the_family_with_the_keys_as_kept() -> None:
    async def main() -> None:
        house = LockHouse()
        assert isinstance(house.driver, TtLock)
        assert (house.driver.info.driver, house.driver.info.model) == ("ttlock", "V3")
        with pytest.raises(ValueError, match="JSON"):
            house.driver_with(Secret("not keys"))
        assert house.now() == Instant(1_783_332_000_000)

    run(main())
