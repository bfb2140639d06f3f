"""Devices of ours on a radio without membership: kept by their keys, silent, found again, removed.

The lock bears witness: whose it is, what it holds, how often it obeyed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from gateway.domain.events import EventType
from gateway.domain.grants import GrantState
from gateway.domain.windows import Always
from gateway.radios.api import RadioState, RadioStatus
from gateway.scheduler.claimed import SILENT_S, WATCH_S
from gateway.store.claimed import keys_of, numbers_of
from tests.claimed_house import ADDRESS, House, open_house
from tests.simulation.loop import run

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.domain.ids import DeviceId

PIN = "483920"
OTHER = "38:38:E5:1D:71:AA"


async def lose_keys(house: House, device: DeviceId) -> None:
    await house.write(
        lambda tx: tx.execute("DELETE FROM device_keys WHERE device_id = ?", (device,)) and None
    )


# ── keys ────────────────────────────────────────────────────────────────────────────────


def test_after_a_restart_it_is_spoken_to_with_the_same_keys(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = await house.claimed_door()
            await house.restart()
            assert (await house.command("u1", "unlock"))["outcome"] == "confirmed"
            assert door.done("unlock") == 1
            assert door.done("pair.init") == 1

    run(main())


def test_a_lost_database_loses_no_lock(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = await house.claimed_door()
            await house.want("c1", PIN, Always())
            await house.advance(30)
            await house.lose_database()
            row = await house.device()
            assert row is not None
            assert (row.name, row.address, row.recovering) == ("front", ADDRESS, True)
            await house.want("c1", PIN, Always())  # as the cloud sends it again
            await house.advance(600)
            row = await house.device()
            assert row is not None
            assert not row.recovering
            assert door.holds() == [PIN]
            assert door.done("add_code") == 1
            assert (await house.grant("c1")).state is GrantState.ACTIVE
            await house.revoke("c1")
            await house.advance(60)
            assert door.holds() == []

    run(main())


def test_keys_that_the_database_lost_are_in_the_file_beside_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            await house.claimed_door()
            (device,) = house.fleet.members()
            await lose_keys(house, device)
            await house.restart()
            assert house.fleet.keyless() == frozenset()
            assert (await house.command("u1", "unlock"))["outcome"] == "confirmed"

    run(main())


def test_keys_that_are_lost_are_said_and_such_a_device_leaves_by_force_only(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = await house.claimed_door()
            (device,) = house.fleet.members()
            await lose_keys(house, device)
            (tmp_path / "devices.json").write_text("[]", encoding="utf-8")
            with capture_logs() as logs:
                await house.restart()
            assert [line["device"] for line in logs if line["log_level"] == "error"] == [device]
            assert house.fleet.keyless() == {device}
            assert (await house.command("u1", "unlock"))["reason"] == "radio_unavailable"
            refused = await house.command("r1", "remove_device")
            assert (refused["reason"], "keys are lost" in refused["detail"]) == (
                "not_released",
                True,
            )
            assert (await house.command("r2", "remove_device", force=True))[
                "outcome"
            ] == "confirmed"
            assert house.fleet.keyless() == frozenset()
            assert house.fleet.members() == []
            assert door.claimed  # somebody must reset it

    run(main())


def test_one_that_cannot_be_found_again_keeps_no_other_out(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            house.add_door()
            house.add_door(OTHER)
            await house.start()
            await house.pair(name="front")
            await house.pair(OTHER, name="side")
            await house.kill()
            path = tmp_path / "devices.json"
            first = house.identities.entrusted("ble")[0].keepsake
            assert first is not None
            text = path.read_text(encoding="utf-8").replace(first.sealed, "no hex")
            path.write_text(text, encoding="utf-8")
            for file in sorted(tmp_path.glob("state.db*")):
                file.unlink()
            await house.start()
            await house.advance(120)
            assert house.fleet.members() == ["dev_2"]

    run(main())


# ── removal ─────────────────────────────────────────────────────────────────────────────


def test_who_is_removed_is_given_back_and_nothing_of_it_stays(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = await house.claimed_door()
            await house.want("c1", PIN, Always())
            await house.advance(30)
            await house.revoke("c1")
            await house.advance(60)
            (device,) = house.fleet.members()
            assert await house.rows(numbers_of(device))
            assert (await house.command("r1", "remove_device"))["outcome"] == "confirmed"
            await house.advance(30)
            assert not door.claimed
            assert await house.rows(keys_of(device)) == []
            assert await house.rows(numbers_of(device)) == []
            assert house.identities.entrusted("ble") == []
            # That it can be paired again is no news of a lock that we gave back ourselves.
            assert not await house.told(EventType.CODES_CLEARED_AT_LOCK, EventType.DEVICE_SUSPECT)
            await house.restart()
            await house.advance(120)
            assert house.fleet.members() == []
            assert (await house.pair())[-1].detail == "dev_2"

    run(main())


def test_a_lock_that_is_away_is_not_removed_unless_forced(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = await house.claimed_door()
            house.air.go_away(ADDRESS)
            refused = await house.command("r1", "remove_device")
            assert (refused["outcome"], refused["reason"]) == ("refused", "not_released")
            house.air.come_back(ADDRESS)
            await house.advance(60)
            assert (await house.command("u1", "unlock"))["outcome"] == "confirmed"
            house.air.go_away(ADDRESS)
            with capture_logs() as logs:
                gone = await house.command("r2", "remove_device", force=True)
            assert gone["outcome"] == "confirmed"
            assert "a device keeps our keys" in [line["event"] for line in logs]
            assert door.claimed
            await house.restart()
            await house.advance(120)
            assert house.fleet.members() == []

    run(main())


def test_who_was_removed_while_the_file_could_not_be_written_does_not_come_back(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            await house.claimed_door()
            obstacle = tmp_path / "devices.json.new"
            obstacle.mkdir()
            assert (await house.command("r1", "remove_device"))["outcome"] == "confirmed"
            obstacle.rmdir()
            await house.restart()
            await house.advance(120)
            assert house.fleet.members() == []
            assert house.identities.entrusted("ble") == []
            assert len(await house.told(EventType.DEVICE_JOINED)) == 1

    run(main())


# ── heard ───────────────────────────────────────────────────────────────────────────────


def test_who_falls_silent_is_offline_once_and_back_when_heard(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            await house.claimed_door()
            house.air.go_away(ADDRESS)
            await house.advance(SILENT_S - WATCH_S - 10)
            assert not await house.told(EventType.DEVICE_OFFLINE)
            await house.advance(3 * SILENT_S)
            (told,) = await house.told(EventType.DEVICE_OFFLINE)
            assert told.body["cause"] == "not_heard"
            house.air.come_back(ADDRESS)
            await house.advance(2)
            row = await house.device()
            assert row is not None
            assert row.reachable
            assert len(await house.told(EventType.DEVICE_ONLINE)) == 1
            house.air.go_away(ADDRESS)
            await house.advance(2 * SILENT_S)
            assert len(await house.told(EventType.DEVICE_OFFLINE)) == 2

    run(main())


def test_while_the_adapter_is_gone_nobody_is_silent(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            await house.claimed_door()
            house.air.switch(RadioState(RadioStatus.DOWN, "no adapter"))
            house.air.go_away(ADDRESS)
            await house.advance(4 * SILENT_S)
            house.air.switch(None)
            await house.advance(SILENT_S - WATCH_S - 10)
            assert not await house.told(EventType.DEVICE_OFFLINE)
            assert len(await house.told(EventType.GATEWAY_RADIO_DOWN)) == 1
            await house.advance(2 * WATCH_S)
            assert len(await house.told(EventType.DEVICE_OFFLINE)) == 1

    run(main())


def test_a_lock_that_somebody_reset_is_told_and_not_written_to(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            door = await house.claimed_door()
            await house.want("c1", PIN, Always())
            await house.advance(30)
            door.firmware.factory_reset()
            door.skin.factory_reset()
            await house.advance(300)
            assert len(await house.told(EventType.CODES_CLEARED_AT_LOCK)) == 1
            assert not door.claimed
            assert door.holds() == []

    run(main())
