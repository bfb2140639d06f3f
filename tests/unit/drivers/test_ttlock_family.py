"""Becoming the owner of a simulated TTLock, taking one over, giving it back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gateway.domain.actions import Confirmed
from gateway.domain.secret import Secret
from gateway.drivers.claims import ClaimOrder, Ownership, PairStage
from gateway.drivers.ttlock.keys import keys_of
from gateway.errors import (
    DeviceRefused,
    GatewayError,
    OutcomeUnknown,
    PeerProtocolError,
    Refusal,
    StoreFull,
    Unreachable,
)
from tests.simulation.loop import run
from tests.unit.drivers.ble_house import DEADLINE_S
from tests.unit.drivers.ttlock_house import ADDRESS, ADMIN_PS, AES, UNLOCK_KEY, LockHouse


async def opens_with(house: LockHouse, keys: Secret) -> bool:
    driver = house.driver_with(keys)
    return isinstance(await driver.unlock(deadline_s=DEADLINE_S), Confirmed)


def test_recognised_by_what_it_advertises() -> None:
    async def main() -> None:
        for claimed, ownership in ((False, Ownership.CLAIMABLE), (True, Ownership.CLAIMED)):
            house = LockHouse(claimed=claimed)
            heard = house.air.advertisement(ADDRESS)
            assert heard is not None
            found = house.family.recognise(heard)
            assert found is not None
            assert (found.family, found.kind, found.model) == ("ttlock", "lock", "K5 door lock")
            assert (found.ownership, found.battery_percent) == (ownership, 100)
            assert found.hint
            assert house.family.recognise(replace(heard, manufacturer_data={})) is None
            block = heard.manufacturer_data[0x0305]
            remote = {0x0305: b"\x0a" + block[1:]}
            assert house.family.recognise(replace(heard, manufacturer_data=remote)) is None
            padlock = {0x0305: b"\x08" + block[1:]}
            other = house.family.recognise(replace(heard, name="", manufacturer_data=padlock))
            assert other is not None
            assert other.model == "padlock"

    run(main())


@pytest.mark.parametrize("profile", ["ttlock-deadbolt", "ttlock-keypad"])
@pytest.mark.parametrize("wrong_crc", [False, True])
def test_pairing(profile: str, wrong_crc: bool) -> None:
    async def main() -> None:
        house = LockHouse(profile, claimed=False, wrong_crc=wrong_crc)
        keys = await house.claim()
        assert house.stages == [PairStage.CONNECTING, PairStage.PAIRING, PairStage.SETTING_UP]
        held = house.skin.state()["keys"]
        ours = keys_of(keys)
        assert (held["aes_key"], held["admin_ps"], held["unlock_key"]) == (
            ours.aes.hex(), ours.admin_ps, ours.unlock_key,
        )  # fmt: skip
        assert ours.version.scene == house.skin.core.facts.scene
        assert await opens_with(house, keys)
        assert "Secret" in repr(keys)

    run(main())


def test_no_two_locks_have_the_same_keys() -> None:
    async def main() -> None:
        found = set()
        for seed in range(5):
            keys = keys_of(await LockHouse(claimed=False, seed=seed).claim())
            assert keys.admin_ps is not None
            found |= {keys.admin_ps, keys.unlock_key}
        assert len(found) == 10

    run(main())


@pytest.mark.parametrize("command", ["pair.init", "pair.key", "pair.admin", "pair.finish"])
@pytest.mark.parametrize("fault", ["applied-but-answer-lost", "disconnect-in-mid-frame"])
def test_a_pairing_that_breaks_is_made_again_or_proved(command: str, fault: str) -> None:
    async def main() -> None:
        house = LockHouse(claimed=False)
        house.arm(fault, command)
        assert await opens_with(house, await house.claim(deadline_s=120))

    run(main())


@pytest.mark.parametrize("seed", range(40))
def test_in_bad_air_a_claim_is_ours_or_the_lock_is_nobodys_or_is_found_to_be_ours(
    seed: int,
) -> None:
    async def main() -> None:
        house = LockHouse(claimed=False, seed=seed)
        weather = house.air.weather
        weather.latency_s, weather.loss, weather.drop, weather.refuse = 0.03, 0.05, 0.04, 0.2
        try:
            keys = await house.claim(deadline_s=60)
        except OutcomeUnknown:
            weather.loss = weather.drop = weather.refuse = 0.0
            found = await house.resumed()
            assert (found is None) is house.skin.core.setting_mode
            assert found is None or await opens_with(house, found)
            return
        except GatewayError:
            assert house.skin.core.setting_mode
            return
        weather.loss = weather.drop = weather.refuse = 0.0
        assert await opens_with(house, keys)

    run(main())


def test_keys_are_kept_before_the_lock_hears_a_word_that_can_make_it_ours() -> None:
    async def main() -> None:
        house = LockHouse(claimed=False)
        said: list[tuple[int, int]] = []

        def look(_address: str, _data: bytes) -> bool:
            received = house.skin.queue.received
            said.append((received["pair.admin"], len(house.kept)))
            return False

        house.air.spoil_write = look
        keys = await house.claim()
        assert house.kept == [keys]
        assert {kept for told, kept in said if told} == {1}

    run(main())


def test_keys_that_cannot_be_kept_are_not_told() -> None:
    async def main() -> None:
        house = LockHouse(claimed=False)
        house.full = True
        with pytest.raises(StoreFull):
            await house.claim()
        assert house.skin.core.setting_mode
        assert house.skin.queue.received["pair.admin"] == 0

    run(main())


def test_of_another_lock_kept_keys_tell_nothing_or_no() -> None:
    async def main() -> None:
        ours = LockHouse(claimed=False, seed=9)
        await ours.claim()
        (keys,) = ours.kept
        fresh = LockHouse(claimed=False)
        fresh.kept.append(keys)
        assert await fresh.resumed() is None
        revoked = LockHouse()  # it knows the key and not the owner
        other = replace(revoked.keys, admin_ps=1)
        revoked.kept.append(other.to_secret())
        assert await revoked.resumed() is None
        somebodys = LockHouse()
        with pytest.raises(Unreachable):
            await somebodys.family.resume(
                somebodys.air, ClaimOrder(ADDRESS), keys, somebodys.keep, deadline_s=DEADLINE_S
            )

    run(main())


def test_somebody_elses_lock_is_not_paired_with() -> None:
    async def main() -> None:
        house = LockHouse()
        with pytest.raises(DeviceRefused, match="belongs to somebody") as caught:
            await house.claim()
        assert caught.value.refusal is Refusal.NOT_AUTHORISED
        assert house.sent() == []

    run(main())


def test_a_lock_that_is_not_there() -> None:
    async def main() -> None:
        house = LockHouse(claimed=False)
        house.air.go_away(ADDRESS)
        with pytest.raises(Unreachable):
            await house.claim(deadline_s=10)

    run(main())


VERSION = {"protocolType": 5, "protocolVersion": 3, "scene": 2, "groupId": 1, "orgId": 1}


def export(**change: object) -> Secret:
    return Secret(
        json.dumps(
            {
                "aesKeyStr": ",".join(f"{byte:02x}" for byte in AES),
                "lockKey": str(UNLOCK_KEY),
                "adminPwd": str(ADMIN_PS),
                "lockVersion": {
                    "protocolType": 5,
                    "protocolVersion": 3,
                    "scene": 2,
                    "groupId": 1,
                    "orgId": 1,
                },
                "lockFlagPos": 0,
                "uid": 99,
                **change,
            }
        )
    )


def test_a_lock_of_the_vendors_app_is_taken_over() -> None:
    async def main() -> None:
        house = LockHouse()
        keys = await house.claim(export())
        assert keys_of(keys).uid == 99
        assert await opens_with(house, keys)
        assert PairStage.PAIRING not in house.stages

    run(main())


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"adminPwd": "1"}, DeviceRefused),
        ({"aesKeyStr": "00" * 16}, Unreachable),
        ({"aesKeyStr": "nonsense"}, DeviceRefused),
    ],
)
def test_a_wrong_key_takes_nothing_over(change: dict[str, str], error: type[GatewayError]) -> None:
    async def main() -> None:
        house = LockHouse()
        with pytest.raises(error) as caught:
            await house.claim(export(**change))
        assert str(UNLOCK_KEY) not in str(caught.value)

    run(main())


def test_given_back_it_can_be_paired_again() -> None:
    async def main() -> None:
        house = LockHouse(claimed=False)
        keys = await house.claim()
        await house.driver_with(keys).program(1, Secret("583920"), (), deadline_s=DEADLINE_S)
        await house.family.release(house.device(keys), house.air, deadline_s=DEADLINE_S)
        assert house.skin.core.setting_mode
        assert house.holds() == set()
        with pytest.raises((PeerProtocolError, DeviceRefused)):
            await house.driver_with(keys).unlock(deadline_s=DEADLINE_S)
        await house.air.pass_time(10)
        assert await opens_with(house, await house.claim())

    run(main())
