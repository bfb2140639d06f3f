"""The Nuki driver over the real Bluetooth radio, unmodified bleak and a simulated air.

What a virtual air in one process cannot ask: real links, real indications longer than twenty
octets, real lingering. What a write must prove is asked in `tests/unit/drivers`, in virtual time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.domain.actions import Confirmed
from gateway.domain.events import EventType
from gateway.domain.instant import ClockTrust
from gateway.domain.secret import Secret
from gateway.drivers.api import Happening, Measured, SlotUse
from gateway.drivers.claims import ClaimOrder, Ownership, PairStage
from gateway.kit.clock import SystemClock
from gateway.radios.api import Advertised
from tests.contracts.ble_air import house
from tests.unit.drivers.nuki_house import ADDRESS, PIN, SMART_LOCK, ULTRA, NukiHouse

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE_S = 30.0


@pytest.mark.parametrize("profile", [SMART_LOCK, ULTRA])
async def test_a_lock_is_paired_with_used_and_given_back(tmp_path: Path, profile: str) -> None:
    clock = SystemClock(ClockTrust.TRUSTED)
    lock = NukiHouse(profile, start=clock.now() / 1000, turn_s=0.2)
    lock.hold_button()
    async with house(tmp_path) as home:
        home.radio.watch(frozenset({ADDRESS}))
        await home.hub.add_device("lock", lock.skin.peripheral)
        await home.until(lambda: any(isinstance(event, Advertised) for event in home.events))
        (sighting,) = home.radio.sightings()
        recognised = lock.family.recognise(sighting.last)
        assert recognised is not None
        assert recognised.ownership is Ownership.CLAIMABLE
        stages: list[PairStage] = []
        claim = await lock.family.claim(
            home.radio,
            ClaimOrder(ADDRESS, Secret(PIN[profile])),
            lambda stage, _: stages.append(stage),
            lock.keep,
            deadline_s=DEADLINE_S,
        )
        assert stages == [PairStage.CONNECTING, PairStage.PAIRING, PairStage.SETTING_UP]
        device = lock.device(claim.keys)
        driver = lock.family.driver(device, home.radio)
        await driver.set_clock(clock.now(), deadline_s=DEADLINE_S)
        for slot in range(1, 6):
            code = Secret(f"58392{slot}")
            written = await driver.program(slot, code, (), deadline_s=DEADLINE_S)
            assert isinstance(written.outcome, Confirmed)
        assert set(lock.holds()) == {f"58392{slot}" for slot in range(1, 6)}
        start = await driver.read_log(None, deadline_s=DEADLINE_S)
        assert isinstance(await driver.unlock(deadline_s=DEADLINE_S), Confirmed)
        assert lock.unlocked()
        assert (await driver.measure(deadline_s=DEADLINE_S)).locked is False
        assert lock.opens("583924")
        told = await driver.read_log(start.cursor, deadline_s=DEADLINE_S)
        used = [event for event in told.events if isinstance(event, Happening)]
        assert [event.slot for event in used] == [None, 4]
        assert {event.type for event in used} == {EventType.LOCK_UNLOCKED}
        erased = await driver.erase(4, deadline_s=DEADLINE_S)
        assert isinstance(erased.outcome, Confirmed)
        empty = await driver.read_slot(4, deadline_s=DEADLINE_S)
        assert empty.use is SlotUse.AVAILABLE
        home.events.clear()
        lock.firmware.bolt.move_door(is_open=True)
        await home.until(
            lambda: any(
                isinstance(told, Measured) and told.log_news
                for event in home.events
                for told in driver.translate(event)
            )
        )
        await lock.family.release(device, home.radio, deadline_s=DEADLINE_S)
        assert not lock.state()["claimed"]
