"""TtLock against a simulated lock in virtual time: what it says, compared with the lock's truth."""

from __future__ import annotations

from gateway.domain.actions import Confirmed
from gateway.domain.devices import Evidence, YearDay
from gateway.domain.instant import HOUR, MINUTE, Instant
from gateway.domain.secret import Secret
from gateway.drivers.access import CardStore, FingerprintStore, KeyRevoker, SettingsKeeper
from gateway.drivers.api import (
    ClockKeeper,
    CredentialStore,
    Driver,
    EventLog,
    Gauge,
    Latch,
    SlotUse,
)
from tests.simulation.loop import run
from tests.unit.drivers.ttlock_house import DEADLINE_S, LockHouse

SLOT = 4


def around(house: LockHouse, before_h: int = 1, after_h: int = 1) -> YearDay:
    minute = house.now() // MINUTE * MINUTE
    return YearDay(Instant(minute - before_h * HOUR), Instant(minute + after_h * HOUR))


def test_it_honours_what_it_says() -> None:
    async def main() -> None:
        driver = LockHouse().driver
        for protocol in (
            Driver, CredentialStore, Latch, Gauge, ClockKeeper, EventLog,
            CardStore, FingerprintStore, SettingsKeeper, KeyRevoker,
        ):  # fmt: skip
            if protocol is not Driver:
                assert isinstance(driver, protocol)

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
        assert can.schedules.year_day == 1
        assert can.schedules.week_day == 0
        assert can.codes is not None
        assert (can.codes.min_length, can.codes.max_length) == (4, 9)
        other = LockHouse("ttlock-keypad")
        lesser = await other.driver.interview(deadline_s=DEADLINE_S)
        assert lesser.has_door_sensor is None

    run(main())


def test_a_code_is_written_opens_is_read_and_erased() -> None:
    async def main() -> None:
        house = LockHouse()
        result = await house.driver.program(SLOT, Secret("583920"), (), deadline_s=DEADLINE_S)
        assert isinstance(result.outcome, Confirmed)
        assert result.outcome.evidence == {Evidence.ACKNOWLEDGED, Evidence.READ_BACK}
        assert house.holds() == {"583920"}
        assert house.opens("583920")
        reading = await house.driver.read_slot(SLOT, deadline_s=DEADLINE_S)
        assert (reading.use, reading.digits, reading.restricted) == (
            SlotUse.ENABLED, Secret("583920"), False,
        )  # fmt: skip
        erased = await house.driver.erase(SLOT, deadline_s=DEADLINE_S)
        assert isinstance(erased.outcome, Confirmed)
        assert house.holds() == set()

    run(main())


def test_the_bolt_follows_and_the_door_is_told() -> None:
    async def main() -> None:
        house = LockHouse()
        assert isinstance(await house.driver.unlock(deadline_s=DEADLINE_S), Confirmed)
        assert house.unlocked()
        assert (await house.driver.measure(deadline_s=DEADLINE_S)).locked is False
        assert isinstance(await house.driver.lock(deadline_s=DEADLINE_S), Confirmed)
        assert not house.unlocked()
        found = await house.driver.measure(deadline_s=DEADLINE_S)
        assert (found.locked, found.door_open, found.battery_percent) == (True, False, 100)

    run(main())


def test_pairing() -> None:
    async def main() -> None:
        house = LockHouse(claimed=False)
        keys = await house.claim()
        driver = house.driver_with(keys)
        assert isinstance(await driver.unlock(deadline_s=DEADLINE_S), Confirmed)

    run(main())
