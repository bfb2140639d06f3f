"""A claim: what is refused before the lock hears a word, and that its keys are never lost after.

The lock bears witness: whether it is anybody's, and whether the next start can speak to it.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from gateway.domain.events import EventType
from gateway.domain.secret import Secret
from gateway.domain.windows import Always
from gateway.drivers.claims import ClaimOrder, Ownership, PairProgress, PairStage
from gateway.errors import DeviceRefused, GatewayError, RadioUnavailable, RequestError, StoreFull
from gateway.radios.api import RadioState, RadioStatus
from gateway.store import devices
from tests.claimed_house import ADDRESS, House, open_house
from tests.simulation.loop import run

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "38:38:E5:1D:71:AA"
OWNED = {"aes_key": "ab" * 16, "admin_ps": 12345678, "unlock_key": 87654321}
EXPORT = Secret(
    json.dumps(
        {
            "aesKeyStr": ",".join(["ab"] * 16),
            "lockKey": "87654321",
            "adminPwd": "12345678",
            "lockVersion": {
                "protocolType": 5,
                "protocolVersion": 3,
                "scene": 2,
                "groupId": 1,
                "orgId": 1,
            },
        }
    )
)


def block(house: House) -> Path:
    """The file of ids and keys cannot be written while this directory is in the way."""
    obstacle = house.folder / "devices.json.new"
    obstacle.mkdir()
    return obstacle


def test_progress_until_it_is_ours(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = house.add_door()
            await house.start()
            steps = await house.pair(name="Front")
            assert steps[-1] == PairProgress(PairStage.READY, "dev_1")
            stages = list(dict.fromkeys(step.stage for step in steps))
            assert stages == list(PairStage)
            assert door.claimed
            row = await house.device()
            assert row is not None
            assert (row.name, row.driver, row.reachable) == ("Front", "ttlock", True)
            (joined,) = await house.told(EventType.DEVICE_JOINED)
            assert joined.body["name"] == "Front"

    run(main())


def test_without_a_name_it_is_called_by_model_and_address(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            house.add_door()
            await house.start()
            await house.pair(name=None)
            row = await house.device()
            assert row is not None
            assert row.name == f"{row.model} 71:FE"

    run(main())


def test_keys_are_nowhere_in_plain(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = await house.claimed_door()
            await house.kill()
            keys = door.skin.core.keys
            assert keys is not None
            plain = [keys.aes, keys.aes.hex().encode(), str(keys.admin_ps).encode()]
            for path in sorted(tmp_path.iterdir()):
                data = path.read_bytes()
                assert not any(secret in data for secret in plain), path.name
                if path.name == "devices.json":
                    assert path.stat().st_mode & 0o777 == 0o600
            await house.start()

    run(main())


@pytest.mark.parametrize(
    ("address", "code"), [(OTHER, "not_heard"), (ADDRESS, "claimed_by_others")]
)
def test_what_is_refused_before_a_word_is_said(tmp_path: Path, address: str, code: str) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            house.add_door(skin=OWNED)
            await house.start()
            with pytest.raises(RequestError) as refused:
                await house.pair(address)
            assert refused.value.code == code
            assert house.air.traffic[ADDRESS].connections == 0
            assert house.identities.entrusted("ble") == []

    run(main())


def test_with_its_vendors_key_somebodys_lock_can_be_taken_over_and_a_wrong_one_is_said(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            house.add_door(skin=OWNED)
            await house.start()
            with pytest.raises(DeviceRefused):
                await house.pair(secret=Secret("no export of anybody's"))
            assert house.air.traffic[ADDRESS].connections == 0
            assert await house.device() is None

    run(main())


def test_ours_already_is_refused_and_named(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            await house.claimed_door()
            with pytest.raises(RequestError, match="already, as front") as refused:
                await house.pair()
            assert refused.value.code == "already_ours"

    run(main())


def test_a_device_of_no_family_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            house.add_door()
            house.families = ()
            await house.start()
            with pytest.raises(RequestError) as refused:
                await house.pair()
            assert refused.value.code == "unsupported"
            (found,) = await house.fleet.in_range()
            assert found.recognised is None

    run(main())


def test_nothing_is_claimed_without_a_radio(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = house.add_door()
            await house.start()
            house.air.down = RadioState(RadioStatus.DOWN, "is bluetoothd running?")
            with pytest.raises(RadioUnavailable, match="bluetoothd"):
                await house.pair()
            assert not door.claimed

    run(main())


def test_two_who_claim_the_same_lock_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            house.add_door()
            await house.start()
            first, second = await asyncio.gather(house.pair(), house.pair(), return_exceptions=True)
            assert isinstance(first, list)
            assert isinstance(second, RequestError)
            assert second.code == "busy"
            assert len(await house.told(EventType.DEVICE_JOINED)) == 1

    run(main())


def test_what_is_in_range_says_whose_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            house.add_door()
            house.add_door(OTHER, skin=OWNED)
            await house.start()
            await house.pair(name="Front")
            await house.advance(30)  # the link lingers, and who is connected is not heard
            ours, theirs = sorted(
                await house.fleet.in_range(), key=lambda found: found.device_id is None
            )
            assert (ours.device_id, ours.name) == ("dev_1", "Front")
            assert theirs.device_id is None
            assert theirs.recognised is not None
            assert theirs.recognised.ownership is Ownership.CLAIMED

    run(main())


def test_nothing_is_claimed_that_nobody_ordered(tmp_path: Path) -> None:
    """A lock that anybody could pair with, in range for an hour beside one of ours at work."""

    async def main() -> None:
        async with open_house(tmp_path) as house:
            house.add_door()
            free = house.add_door(OTHER)
            await house.start()
            await house.pair(name="Front")
            await house.want("c1", "483920", Always())
            await house.advance(3600)
            (found,) = [one for one in await house.fleet.in_range() if one.device_id is None]
            assert found.recognised is not None
            assert found.recognised.ownership is Ownership.CLAIMABLE
            assert not free.claimed
            assert house.air.traffic[OTHER].connections == 0
            assert len(await house.rows(devices.all_devices())) == 1

    run(main())


def test_a_claim_that_fails_leaves_nothing_behind_and_can_be_repeated(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = house.add_door()
            await house.start()
            house.air.spoil_notify = lambda *_: True
            with pytest.raises(GatewayError):
                await house.pair()
            assert not door.claimed
            assert house.identities.entrusted("ble") == []
            assert await house.device() is None
            house.air.spoil_notify = None
            await house.pair()
            assert door.claimed

    run(main())


def test_a_caller_who_goes_away_does_not_leave_a_lock_half_claimed(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = house.add_door()
            await house.start()
            async with aclosing(house.fleet.pair(ClaimOrder(ADDRESS), "front")) as steps:
                assert (await anext(steps)).stage is PairStage.CONNECTING
            assert door.done("pair.finish") == 0
            await house.advance(60)
            assert door.claimed
            row = await house.device()
            assert row is not None
            assert row.reachable
            with pytest.raises(RequestError, match="already"):
                await house.pair()

    run(main())


def test_a_caller_who_is_cut_off_leaves_no_claim_in_the_way(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            house.add_door()
            await house.start()
            house.air.spoil_notify = lambda *_: True
            caller = asyncio.create_task(house.pair())
            await house.advance(1)
            caller.cancel()
            await asyncio.wait([caller])
            await house.advance(120)
            house.air.spoil_notify = None
            assert (await house.pair())[-1].stage is PairStage.READY

    run(main())


# ── keys that only we have ──────────────────────────────────────────────────────────────


def test_no_lock_is_claimed_while_its_keys_could_not_be_kept(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = house.add_door()
            await house.start()
            obstacle = block(house)
            with pytest.raises(StoreFull):
                await house.pair()
            assert house.air.traffic[ADDRESS].connections == 0
            obstacle.rmdir()
            await house.pair()
            assert door.claimed

    run(main())


def test_a_disk_that_fills_on_the_way_leaves_the_lock_as_it_was(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = house.add_door()
            await house.start()
            house.air.weather.latency_s = 0.05
            claim = asyncio.create_task(house.pair())
            await house.until(lambda: house.air.connected(ADDRESS))
            obstacle = block(house)
            with pytest.raises(StoreFull):
                await claim
            assert door.done("pair.finish") == 0
            assert not door.claimed
            assert await house.device() is None
            obstacle.rmdir()
            await house.pair()
            assert door.claimed

    run(main())


def test_a_disk_that_fills_after_the_keys_were_kept_costs_nothing_but_time(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = house.add_door()
            await house.start()
            house.air.weather.latency_s = 0.05
            claim = asyncio.create_task(house.pair(name="Front"))
            await house.until(lambda: house.identities.unfinished("ble"))
            obstacle = block(house)
            with pytest.raises(RequestError) as refused:
                await claim
            assert refused.value.code == "not_set_up"
            assert door.claimed
            await house.advance(120)
            assert house.fleet.members() == []
            await house.restart()
            obstacle.rmdir()
            await house.advance(120)
            (device,) = house.fleet.members()
            row = await house.device(device)
            assert row is not None
            assert row.name == "Front"
            assert (await house.command("u1", "unlock", device))["outcome"] == "confirmed"

    run(main())


def test_a_taken_over_lock_whose_key_cannot_be_kept_stays_its_owners(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = house.add_door(skin=OWNED)
            await house.start()
            house.air.weather.latency_s = 0.05
            claim = asyncio.create_task(house.pair(secret=EXPORT))
            await house.until(lambda: house.air.connected(ADDRESS))
            obstacle = block(house)
            with pytest.raises(StoreFull):
                await claim
            assert door.claimed
            assert door.done("factory_reset") == 0
            obstacle.rmdir()
            assert (await house.pair(secret=EXPORT))[-1].stage is PairStage.READY

    run(main())


def test_a_power_cut_between_claim_and_interview_is_made_good_at_the_next_start(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = house.add_door()
            await house.start()
            async with aclosing(house.fleet.pair(ClaimOrder(ADDRESS), "Front")) as steps:
                async for step in steps:
                    if step.detail == "asking what it can do":
                        break
            await house.kill()
            assert door.claimed
            await house.start()
            await house.advance(120)
            row = await house.device()
            assert row is not None
            assert (row.name, row.reachable) == ("Front", True)
            assert (await house.command("u1", "unlock"))["outcome"] == "confirmed"
            assert door.done("unlock") == 1

    run(main())


def test_a_lock_that_cannot_be_asked_after_its_claim_is_ours_and_is_set_up_later(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = house.add_door()
            await house.start()
            house.air.weather.latency_s = 0.05
            claim = asyncio.create_task(house.pair(name="Front"))
            await house.until(lambda: house.identities.entrusted("ble"))
            house.air.go_away(ADDRESS)
            with pytest.raises(RequestError) as refused:
                await claim
            assert refused.value.code == "not_set_up"
            assert door.claimed
            assert await house.device() is None
            house.air.come_back(ADDRESS)
            with pytest.raises(RequestError, match="claimed before") as again:
                await house.pair()
            assert again.value.code == "already_ours"
            await house.advance(120)
            row = await house.device()
            assert row is not None
            assert row.name == "Front"

    run(main())


def test_a_full_database_after_the_claim(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = house.add_door()
            await house.start()
            house.disk.full = True
            with pytest.raises(RequestError) as refused:
                await house.pair()
            assert refused.value.code == "not_set_up"
            assert door.claimed
            house.disk.full = False
            await house.advance(120)
            assert await house.device() is not None
            assert len(await house.told(EventType.DEVICE_JOINED)) == 1

    run(main())
