"""The TTLock driver over the real Bluetooth radio, unmodified bleak and a simulated air.

What a virtual air in one process cannot ask: real links, real notifications, real lingering. What a
write must prove is asked in `tests/unit/drivers`, in virtual time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.actions import Confirmed
from gateway.domain.events import EventType
from gateway.domain.instant import ClockTrust
from gateway.domain.secret import Secret
from gateway.drivers.api import Happening, Measured, SlotUse
from gateway.drivers.claims import ClaimOrder, Ownership, PairStage
from gateway.kit.clock import SystemClock
from gateway.radios.api import Advertised
from tests.contracts.ble_air import house
from tests.unit.drivers.ttlock_house import ADDRESS, LockHouse

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE_S = 30.0


async def test_a_lock_is_paired_with_used_and_given_back(tmp_path: Path) -> None:
    clock = SystemClock(ClockTrust.TRUSTED)
    lock = LockHouse(claimed=False, start=clock.now() / 1000)
    async with house(tmp_path) as home:
        home.radio.watch(frozenset({ADDRESS}))
        await home.hub.add_device("lock", lock.skin.peripheral)
        await home.until(
            lambda: any(isinstance(e, Advertised) and e.advertisement.name for e in home.events)
        )
        (sighting,) = home.radio.sightings()
        recognised = lock.family.recognise(sighting.last)
        assert recognised is not None
        assert recognised.ownership is Ownership.CLAIMABLE
        stages: list[PairStage] = []
        claim = await lock.family.claim(
            home.radio,
            ClaimOrder(ADDRESS),
            lambda stage, _: stages.append(stage),
            lock.keep,
            deadline_s=DEADLINE_S,
        )
        assert stages == [PairStage.CONNECTING, PairStage.PAIRING, PairStage.SETTING_UP]
        assert claim.model == "SN9206"
        device = lock.device(claim.keys)
        driver = lock.family.driver(device, home.radio)
        await driver.set_clock(clock.now(), deadline_s=DEADLINE_S)
        written = await driver.program(4, Secret("583920"), (), deadline_s=DEADLINE_S)
        assert isinstance(written.outcome, Confirmed)
        assert lock.holds() == {"583920"}
        start = await driver.read_log(None, deadline_s=DEADLINE_S)
        assert isinstance(await driver.unlock(deadline_s=DEADLINE_S), Confirmed)
        assert lock.unlocked()
        assert (await driver.measure(deadline_s=DEADLINE_S)).locked is False
        assert lock.opens("583920")
        told = await driver.read_log(start.cursor, deadline_s=DEADLINE_S)
        assert [e.slot for e in told.events if isinstance(e, Happening)] == [None, 4]
        assert all(
            e.type is EventType.LOCK_UNLOCKED for e in told.events if isinstance(e, Happening)
        )
        erased = await driver.erase(4, deadline_s=DEADLINE_S)
        assert isinstance(erased.outcome, Confirmed)
        empty = await driver.read_slot(4, deadline_s=DEADLINE_S)
        assert empty.use is SlotUse.AVAILABLE
        home.events.clear()
        await home.until(
            lambda: any(
                isinstance(told, Measured) and told.locked is False
                for event in home.events
                for told in driver.translate(event)
            )
        )
        await lock.family.release(device, home.radio, deadline_s=DEADLINE_S)
        assert lock.skin.core.setting_mode
