"""The database is lost, the locks are not: nothing is touched until the schedule comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.events import EventType
from gateway.domain.grants import GrantState
from gateway.domain.windows import Always
from tests.flows.world import Code, world

if TYPE_CHECKING:
    from pathlib import Path

    from tests.flows.world import World

PIN = "483920"
OTHER = "719204"
BY_HAND = "602857"


async def lose_database(house: World) -> None:
    await house.close()
    for file in house.path.parent.glob(house.path.name + "*"):
        file.unlink()
    await house.open()
    await house.start()


async def test_codes_on_the_lock_are_found_again_and_can_be_revoked(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        lock.holds[9] = Code(BY_HAND)
        await house.start()
        await house.want("c1", PIN, Always())
        await house.advance(60)
        assert lock.opens(PIN)
        writes = lock.count("program") + lock.count("erase")

        await lose_database(house)
        await house.advance(3600)
        assert lock.opens(PIN)
        assert lock.count("program") + lock.count("erase") == writes

        await house.want("c1", PIN, Always())
        await house.want("c2", OTHER, Always())
        await house.advance(120)
        assert (await house.grant("c1")).state is GrantState.ACTIVE
        assert (await house.grant("c2")).state is GrantState.ACTIVE
        assert lock.count("program") + lock.count("erase") == writes + 1
        assert [told.credential for told in await house.told(EventType.CREDENTIAL_FOUND)] == ["c1"]

        await house.revoke("c1")
        await house.advance(60)
        assert not lock.opens(PIN)
        assert lock.opens(OTHER)
        assert lock.opens(BY_HAND)


async def test_a_code_set_by_hand_after_the_recovery_is_nobodys(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", PIN, Always())
        await house.advance(60)
        await lose_database(house)
        await house.want("c1", PIN, Always())
        await house.advance(3600)
        lock.holds[9] = Code(BY_HAND)
        await house.command("n1", "refresh")
        await house.advance(60)
        await house.want("c2", BY_HAND, Always())
        await house.advance(60)
        assert (await house.grant("c2")).state is GrantState.REJECTED
        assert lock.opens(BY_HAND)
