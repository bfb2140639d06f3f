"""Claims that were cut off, as they are kept: by whom a lock is asked, how often, and for how long.

The lock bears witness: how often somebody connected to it, and what it was told.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from gateway.domain.secret import Secret
from gateway.drivers.claims import ClaimOrder, Ownership, PairStage
from gateway.drivers.ttlock.keys import Keys
from gateway.errors import DeviceRefused, StoreFull, Unreachable
from gateway.scheduler.pending import ASK_DENIED_S, ASK_SELDOM_S, DENIALS, MOST_KEYS, PendingClaims
from gateway.store.keyring import Keyring
from tests.claimed_house import ADDRESS, House, open_house
from tests.simulation.loop import run

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.drivers.claims import Family

DAY_S = 86_400.0
RARE_S = 20.0
"""Between advertisements, where days go by."""
OWNED = {"aes_key": "ab" * 16, "admin_ps": 12345678, "unlock_key": 87654321}
STRANGERS = Keys(bytes(range(3, 19)), 1, 2).to_secret()
"""Of a claim that no lock took."""


def claims_of(house: House) -> PendingClaims:
    return PendingClaims(house.identities, house.keyring, house.clock, house.air)


def family_of(house: House, name: str) -> Family:
    known = [family(random.Random(1), house.clock.now) for family in house.families]
    return next(family for family in known if family.name == name)


async def leave_pending(house: House, keys: Secret = STRANGERS) -> None:
    """As after a power cut in the middle."""
    keep = claims_of(house).keeper(family_of(house, "ttlock"), ADDRESS, "Front")
    await keep(keys)


async def cut_off(house: House) -> None:
    """The lock took the keys, and the power went with its last word on the way."""
    door = house.doors[ADDRESS]
    house.air.spoil_notify = lambda *_: door.claimed
    claim = asyncio.create_task(house.pair(name="Front"))
    await house.until(lambda: door.claimed)
    await house.kill()
    await asyncio.wait([claim])
    house.air.spoil_notify = None


def test_in_range_it_says_what_is_to_be_done(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            house.add_door()
            await house.start()
            await cut_off(house)
            house.air.weather.refuse = 1.0
            await house.start()
            (found,) = await house.fleet.in_range()
            assert found.recognised is not None
            assert found.recognised.ownership is Ownership.UNKNOWN
            assert "cut off" in found.recognised.hint
            house.air.weather.refuse = 0.0
            await house.pair()
            (found,) = await house.fleet.in_range()
            assert found.device_id is not None
            assert found.recognised is not None
            assert "cut off" not in found.recognised.hint

    run(main())


def test_kept_keys_are_nowhere_in_plain(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = house.add_door()
            await house.start()
            await cut_off(house)
            keys = door.skin.core.keys
            assert keys is not None
            plain = [keys.aes, keys.aes.hex().encode(), str(keys.admin_ps).encode()]
            for path in sorted(tmp_path.iterdir()):
                data = path.read_bytes()
                assert not any(secret in data for secret in plain), path.name
            assert (tmp_path / "devices.json").stat().st_mode & 0o777 == 0o600
            await house.start()

    run(main())


def test_it_outlives_a_lost_database(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = house.add_door()
            await house.start()
            await cut_off(house)
            for path in sorted(tmp_path.glob("state.db*")):
                path.unlink()
            await house.start()
            await house.advance(120)
            (device,) = house.fleet.members()
            assert (await house.command("u1", "unlock", device))["outcome"] == "confirmed"
            assert door.done("unlock") == 1

    run(main())


def test_a_lock_that_took_nothing_is_left_alone_and_then_forgotten(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            house.advert_s = RARE_S
            door = house.add_door()
            await house.start()
            await leave_pending(house)
            await house.advance(ASK_DENIED_S * 0.9)
            traffic = house.air.traffic[ADDRESS]
            assert traffic.connections == 1
            assert house.identities.unfinished("ble")
            await house.advance(ASK_DENIED_S * 0.2)
            assert traffic.connections == DENIALS
            assert house.identities.unfinished("ble") == []
            await house.advance(2 * ASK_DENIED_S)
            assert traffic.connections == DENIALS
            assert not door.claimed

    run(main())


def test_who_does_not_tell_is_asked_more_and_more_seldom(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            house.advert_s = RARE_S
            house.add_door(skin=OWNED)  # to keys of others it says nothing
            await house.start()
            await leave_pending(house)
            traffic = house.air.traffic[ADDRESS]
            await house.advance(3600)
            first = traffic.connections
            assert first > 3
            await house.advance(DAY_S)
            hours = DAY_S / ASK_SELDOM_S
            assert traffic.connections - first <= 3 * (hours + 1)  # each time up to three tries

    run(main())


def test_who_is_not_heard_is_not_asked(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            house.advert_s = RARE_S
            door = house.add_door()
            await house.start()
            await cut_off(house)
            house.air.go_away(ADDRESS)
            await house.advance(300)
            before = house.air.traffic[ADDRESS].connections
            await house.start()
            await house.advance(7 * DAY_S)
            assert house.air.traffic[ADDRESS].connections == before
            assert door.claimed
            house.air.come_back(ADDRESS)
            await house.advance(120)
            assert len(house.fleet.members()) == 1

    run(main())


def test_keys_that_it_does_not_know_are_in_nobodys_way(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = house.add_door()
            await house.start()
            await leave_pending(house)
            await leave_pending(house)
            assert (await house.pair())[-1].stage is PairStage.READY
            assert door.claimed
            assert house.identities.unfinished("ble") == []

    run(main())


def test_somebodys_lock_stays_somebodys(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = house.add_door(skin=OWNED)
            await house.start()
            await leave_pending(house)
            with pytest.raises(Unreachable, match="has another owner"):
                await house.pair()
            assert door.done("factory_reset") == 0
            assert house.fleet.members() == []

    run(main())


def test_an_installer_who_comes_while_the_lock_is_asked(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            house.add_door()
            await house.start()
            await cut_off(house)
            house.air.weather.latency_s = 0.5
            await house.start()
            assert house.air.traffic[ADDRESS].connections == 2
            assert house.fleet.members() == []
            steps = await house.pair()
            (device,) = house.fleet.members()
            assert (steps[-1].stage, steps[-1].detail) == (PairStage.READY, device)

    run(main())


def test_a_wrong_pin_is_told_once_and_not_kept(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            house.advert_s = RARE_S
            door = house.add_door(profile="nuki-smartlock-3")
            door.skin.actions["press_pairing_button"]()
            await house.start()
            with pytest.raises(DeviceRefused, match="is another"):
                await house.pair(secret=Secret("1111"))
            assert house.identities.unfinished("ble") == []
            await house.restart()
            await house.advance(2 * DAY_S)
            assert door.skin.queue.received["verify_pin"] == 1

    run(main())


def test_keys_whose_seal_does_not_open_are_said_and_in_nobodys_way(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            house.add_door()
            await house.start()
            other = PendingClaims(house.identities, Keyring(b"x" * 32), house.clock, house.air)
            await other.keeper(family_of(house, "ttlock"), ADDRESS, None)(STRANGERS)
            with capture_logs() as logs:
                assert (await house.pair())[-1].stage is PairStage.READY
            assert "keys agreed on are lost" in [line["event"] for line in logs]

    run(main())


def test_of_many_keys_the_newest_are_kept(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            house.air.down = None
            await house.start()
            for _ in range(MOST_KEYS + 2):
                await leave_pending(house)
            newest = Keys(bytes(16), 7, 8).to_secret()
            await leave_pending(house, newest)
            claims = claims_of(house)
            pending = claims.of(ADDRESS)
            assert pending is not None
            assert len(pending.sealed) == MOST_KEYS
            opened = house.keyring.unseal(
                bytes.fromhex(pending.sealed[-1]), context=f"pending-keys:ble:{ADDRESS}"
            )
            assert opened == newest

    run(main())


def test_what_cannot_be_kept_is_told_to_the_claim(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            await house.start()
            (tmp_path / "devices.json.new").mkdir()
            with pytest.raises(StoreFull):
                await leave_pending(house)
            assert claims_of(house).of(ADDRESS) is None

    run(main())


def test_a_claim_that_the_device_refused_leaves_what_was_before(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            await house.start()
            claims = claims_of(house)
            await leave_pending(house)
            before = claims.of(ADDRESS)
            await leave_pending(house)
            claims.restore(ADDRESS, before)
            assert claims.of(ADDRESS) == before
            claims.restore(ADDRESS, None)
            assert claims.of(ADDRESS) is None
            assert before is not None
            family, order = family_of(house, "ttlock"), ClaimOrder(ADDRESS)
            with pytest.raises(Unreachable):
                await claims.resume(family, order, before)  # nothing is there to be asked

    run(main())
