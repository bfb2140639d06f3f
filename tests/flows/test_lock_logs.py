"""A lock's own log: whose an opening was, told once, whatever happens while it is read.

The lock bears witness of what was typed; the events of what was made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.domain.events import EventType
from gateway.domain.grants import Enforcement
from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.windows import Always, Timed
from gateway.store import devices
from tests.claimed_house import ADDRESS, House, open_house
from tests.simulation.disk import Cut
from tests.simulation.loop import run

if TYPE_CHECKING:
    from pathlib import Path

PIN, OTHER = "483920", "719204"
PAUSE_S = 60.0


async def used(house: House) -> list[tuple[str | None, int]]:
    """Whose openings were told, and when they were."""
    told = await house.told(EventType.CREDENTIAL_USED)
    return [(event.credential_id, event.at) for event in told]


@pytest.mark.parametrize("wrong_s", [0.0, 600.0, -600.0])
def test_an_opening_is_whose_code_it_was_then_also_by_a_wrong_clock(
    tmp_path: Path, wrong_s: float
) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = await house.claimed_door()
            clock = door.firmware.clock
            clock.set_utc(clock.utc() + wrong_s)
            await house.want("c1", PIN, Always())
            await house.advance(20)
            typed_at = house.clock.now()
            assert door.opens(PIN)
            await house.revoke("c1")
            await house.advance(10)
            await house.want("c2", OTHER, Always())
            await house.advance(5)
            assert door.holds() == [OTHER]
            assert (await house.grant("c2")).slot == 1
            await house.advance(2 * PAUSE_S)
            ((whose, at),) = await used(house)
            assert whose == "c1"
            assert abs(at - typed_at) <= 2000
            row = await house.grant("c1")
            assert (row.uses, row.first_used_at) == (1, at)
            assert len(await house.told(EventType.CREDENTIAL_FIRST_USED)) == 1

    run(main())


def test_a_record_says_nothing_of_how_the_door_stands_now(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = await house.claimed_door()
            await house.want("c1", PIN, Always())
            await house.advance(20)
            assert door.opens(PIN)
            door.skin.actions["write_record"](type=0x37)
            await house.command("l1", "lock")
            await house.advance(2 * PAUSE_S)
            assert len(await used(house)) == 1
            row = await house.device()
            assert row is not None
            assert (row.locked, row.jammed) == (True, False)
            assert not door.skin.core.unlocked

    run(main())


@pytest.mark.parametrize("cut", list(Cut))
@pytest.mark.parametrize("transaction", range(1, 6))
def test_power_that_fails_while_it_is_read_loses_nothing_and_tells_nothing_twice(
    tmp_path: Path, cut: Cut, transaction: int
) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = await house.claimed_door()
            await house.want("c1", PIN, Always())
            await house.advance(2 * PAUSE_S)
            dead: list[Cut] = []

            def die(how: Cut) -> None:
                dead.append(how)
                house.writer.die()

            house.disk.on_cut = die
            house.disk.plan_cut(transaction, cut)
            assert door.opens(PIN)
            await house.advance(2 * PAUSE_S)
            if dead:
                await house.restart()
            house.disk.cut_in = None
            await house.advance(3 * PAUSE_S)
            assert [whose for whose, _ in await used(house)] == ["c1"]
            assert (await house.grant("c1")).uses == 1

    run(main())


def test_a_long_log_is_read_in_parts_each_record_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = await house.claimed_door(profile="ttlock-keypad")
            await house.want("c1", PIN, Always())
            await house.advance(2 * PAUSE_S)
            house.air.go_away(ADDRESS)
            for _ in range(150):
                assert door.opens(PIN)
                await house.advance(2)
            house.air.weather.latency_s = 0.1
            house.air.come_back(ADDRESS)
            await house.advance(30 * PAUSE_S)
            assert len(await used(house)) == 150
            assert (await house.grant("c1")).uses == 150
            row = await house.device()
            assert row is not None
            assert not row.log_news

    run(main())


def test_records_that_are_gone_are_told_once_as_lost(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = await house.claimed_door()
            await house.want("c1", PIN, Always())
            await house.advance(2 * PAUSE_S)
            assert door.opens(PIN)
            await house.advance(2 * PAUSE_S)
            door.skin.core.log.clear()
            assert door.opens(PIN)
            await house.advance(5 * PAUSE_S)
            assert len(await house.told(EventType.DEVICE_LOG_LOST)) == 1
            assert len(await used(house)) == 2

    run(main())


def test_two_who_come_one_after_the_other_are_both_told_soon(tmp_path: Path) -> None:
    """The second comes while the first is being read: the sign of news stays as it was."""

    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = await house.claimed_door()
            await house.want("c1", PIN, Always())
            await house.advance(2 * PAUSE_S)
            assert door.opens(PIN)
            await house.until(lambda: house.air.connected(ADDRESS))
            await house.until(lambda: door.skin.core.log.unread == 0)
            assert door.opens(PIN)
            await house.advance(3 * PAUSE_S)
            assert len(await used(house)) == 2

    run(main())


def test_a_code_of_somebody_else_is_told_of_and_left_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = await house.claimed_door()
            door.firmware.keypad.set_code_by_hand(7, OTHER)
            await house.want("c1", PIN, Always())
            await house.advance(300)
            assert door.holds() == sorted([PIN, OTHER])
            assert len(await house.told(EventType.UNMANAGED_CODE_FOUND)) == 1
            assert door.opens(OTHER)
            await house.revoke("c1")
            await house.advance(300)
            assert door.holds() == [OTHER]
            whose = [e.credential_id for e in await house.told(EventType.LOCK_UNLOCKED)]
            assert CredentialId("c1") not in whose

    run(main())


def test_a_window_is_on_the_lock_where_it_was_seen_to_keep_them(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = await house.claimed_door()
            await house.write(
                lambda tx: devices.update_device(tx, DeviceId("dev_1"), schedules_proven=True)
            )
            await house.want("c1", PIN, Timed(house.at(3600), house.at(7200)))
            await house.advance(120)
            grant = await house.grant("c1")
            assert (grant.opens, grant.closes) == (Enforcement.ON_LOCK, Enforcement.ON_LOCK)
            assert door.holds() == [PIN]
            assert not door.opens(PIN)
            await house.advance(3600)
            assert door.opens(PIN)
            await house.advance(3600)
            assert not door.opens(PIN)
            await house.advance(600)
            assert door.holds() == []
            assert [whose for whose, _ in await used(house)] == ["c1"]
            denied = await house.told(EventType.ACCESS_DENIED)
            assert denied
            assert PIN not in str([dict(event.body) for event in denied])

    run(main())
