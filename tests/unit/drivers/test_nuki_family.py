"""Becoming known to a simulated Nuki and being forgotten, whatever breaks on the way."""

from __future__ import annotations

import json

import pytest

from gateway.domain.actions import Confirmed
from gateway.domain.secret import Secret
from gateway.drivers.claims import ClaimOrder, Ownership, PairStage
from gateway.drivers.nuki.keys import keys_of
from gateway.errors import DeviceRefused, GatewayError, LinkError, Refusal, StoreFull
from gateway.radios.api import Advertisement
from tests.simulation.loop import run
from tests.unit.drivers.ble_house import DEADLINE_S
from tests.unit.drivers.nuki_house import ADDRESS, PIN, SMART_LOCK, ULTRA, NukiHouse

MODELS = (SMART_LOCK, ULTRA)
STEPS = ("pair.begin", "pair.key", "pair.authenticator", "pair.data", "pair.confirm")


@pytest.mark.parametrize("profile", MODELS)
def test_it_is_recognised_and_says_what_to_do(profile: str) -> None:
    async def main() -> None:
        house = NukiHouse(profile)
        advertisement = house.air.advertisement(ADDRESS)
        assert advertisement is not None
        found = house.family.recognise(advertisement)
        assert found is not None
        assert found.ownership is Ownership.CLAIMED
        assert "hold its button for five seconds" in found.hint
        house.hold_button()
        advertisement = house.air.advertisement(ADDRESS)
        assert advertisement is not None
        found = house.family.recognise(advertisement)
        assert found is not None
        assert found.ownership is Ownership.CLAIMABLE
        assert ("PIN" in found.hint) is (profile == ULTRA)

    run(main())


@pytest.mark.parametrize(
    "data",
    [
        {},
        {0x004C: b"\x02\x15" + bytes(21)},
        {0x004C: bytes.fromhex("0215a92ae200550111e4916c0800200c9a6600000000c4")},
        {0x004C: bytes.fromhex("0215a92ee200550111e4916c0800200c9a66")},
        {0x0059: bytes.fromhex("0215a92ee200550111e4916c0800200c9a6600000000c4")},
    ],
    ids=["nothing", "another beacon", "an opener", "cut", "another company"],
)
def test_others_are_not_taken_for_one(data: dict[int, bytes]) -> None:
    async def main() -> None:
        told = Advertisement(ADDRESS, "Nuki_12345678", -60, "hci0", 0.0, data)
        assert NukiHouse().family.recognise(told) is None

    run(main())


@pytest.mark.parametrize("profile", MODELS)
def test_pairing_gives_keys_that_open(profile: str) -> None:
    async def main() -> None:
        house = NukiHouse(profile)
        driver = await house.pair()
        assert house.stages == [PairStage.CONNECTING, PairStage.PAIRING, PairStage.SETTING_UP]
        (entry,) = house.state()["authorizations"]
        assert entry["name"] == "Lock gateway"
        assert isinstance(await driver.unlock(deadline_s=DEADLINE_S), Confirmed)
        assert await driver.read_slots(deadline_s=DEADLINE_S) == []
        # The owner's PIN is the owner's: it stays as it was.
        assert house.state()["security_pin"] == int(PIN[profile])
        assert not keys_of(house.keys).pin_is_ours

    run(main())


def test_a_lock_without_a_pin_gets_one_and_loses_it_again() -> None:
    async def main() -> None:
        house = NukiHouse(security_pin=0)
        house.hold_button()
        driver = await house.claim(pin="")
        pin = house.state()["security_pin"]
        assert 1000 <= pin <= 9999
        assert json.loads(house.keys.reveal())["pin"] == pin
        assert await driver.read_slots(deadline_s=DEADLINE_S) == []
        await house.release()
        assert house.state()["security_pin"] == 0
        assert house.state()["authorizations"] == []
        other = NukiHouse(security_pin=0, seed=9)
        other.hold_button()
        await other.claim(pin="")
        assert other.state()["security_pin"] != pin

    run(main())


@pytest.mark.parametrize("fault", ["applied-but-answer-lost", "acknowledged-but-not-applied"])
def test_whether_the_pin_was_set_is_asked(fault: str) -> None:
    async def main() -> None:
        house = NukiHouse(security_pin=0)
        house.hold_button()
        house.arm(fault, "set_pin", count=1)
        if fault == "applied-but-answer-lost":
            driver = await house.claim(pin="")
            assert house.state()["security_pin"] == keys_of(house.keys).pin
        else:
            driver = await house.claim(pin="")
            assert house.state()["security_pin"] == 0
            assert keys_of(house.keys).pin == 0
        assert await driver.read_slots(deadline_s=DEADLINE_S) == []

    run(main())


@pytest.mark.parametrize("fault", ["applied-but-answer-lost", "acknowledged-but-not-applied"])
def test_a_pin_that_may_be_one_of_two_is_found_out_later(fault: str) -> None:
    async def main() -> None:
        house = NukiHouse(security_pin=0)
        house.hold_button()
        house.arm(fault, "set_pin", count=1)

        def out_of_range(_: str, __: bytes) -> bool:
            if house.received("set_pin"):
                house.air.go_away(ADDRESS)
            return False

        house.air.spoil_write = out_of_range
        house.air.spoil_notify = out_of_range
        await house.claim(pin="")
        house.air.spoil_write = house.air.spoil_notify = None
        house.air.come_back(ADDRESS)
        keys = keys_of(house.keys)
        assert house.state()["security_pin"] in {keys.pin, keys.other_pin}
        assert await house.driver.read_slots(deadline_s=DEADLINE_S) == []
        wrong = house.received("list_codes")
        assert wrong == (1 if fault == "applied-but-answer-lost" else 2)
        await house.driver.read_slots(deadline_s=DEADLINE_S)
        assert house.received("list_codes") == wrong + 1  # it is known now
        await house.release()
        assert house.state()["security_pin"] == 0
        assert house.state()["authorizations"] == []

    run(main())


@pytest.mark.parametrize(("pin", "word"), [("", "give it"), ("1111", "is another")])
def test_without_the_right_pin_it_is_not_ours_and_the_lock_is_asked_once(
    pin: str, word: str
) -> None:
    async def main() -> None:
        house = NukiHouse()
        house.hold_button()
        with pytest.raises(DeviceRefused, match=word) as caught:
            await house.claim(pin=pin)
        assert caught.value.refusal is Refusal.NOT_AUTHORISED
        assert '"Lock gateway"' in str(caught.value)  # what is left on the lock
        assert house.received("verify_pin") == 1
        assert "4711" not in str(caught.value)

    run(main())


@pytest.mark.parametrize(
    ("pin", "refusal"),
    [
        ("", Refusal.NOT_AUTHORISED),
        ("111111", Refusal.NOT_AUTHORISED),
        ("4711", Refusal.INVALID),
    ],
)
def test_an_ultra_lets_nobody_in_without_its_pin(pin: str, refusal: Refusal) -> None:
    async def main() -> None:
        house = NukiHouse(ULTRA)
        house.hold_button()
        with pytest.raises(DeviceRefused) as caught:
            await house.claim(pin=pin)
        assert caught.value.refusal is refusal
        assert house.received("pair.data") == (pin == "111111")
        assert house.state()["authorizations"] == []

    run(main())


def test_out_of_pairing_mode_nothing_is_said() -> None:
    async def main() -> None:
        house = NukiHouse()
        with pytest.raises(DeviceRefused, match="hold its button"):
            await house.claim()
        assert house.air.traffic[ADDRESS].connections == 0
        house.hold_button()
        await house.air.pass_time(31)
        with pytest.raises(DeviceRefused, match="hold its button"):
            await house.claim()

    run(main())


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", ["applied-but-answer-lost", "disconnect-in-mid-frame"])
def test_a_pairing_that_breaks_is_ours_or_says_that_it_is_not(step: str, fault: str) -> None:
    async def main() -> None:
        house = NukiHouse()
        house.hold_button()
        house.arm(fault, step, count=1)
        try:
            driver = await house.claim()
        except (LinkError, DeviceRefused):
            return
        assert isinstance(await driver.unlock(deadline_s=DEADLINE_S), Confirmed)
        assert house.unlocked()

    run(main())


def test_a_last_word_that_is_lost_does_not_cost_the_pairing() -> None:
    async def main() -> None:
        house = NukiHouse()
        house.hold_button()
        house.arm("applied-but-answer-lost", "pair.confirm", count=1)
        driver = await house.claim()
        assert len(house.state()["authorizations"]) == 1
        assert isinstance(await driver.unlock(deadline_s=DEADLINE_S), Confirmed)

    run(main())


@pytest.mark.parametrize("seed", range(10))
def test_through_bad_air_a_claim_that_succeeds_has_keys_that_work(seed: int) -> None:
    async def main() -> None:
        house = NukiHouse(SMART_LOCK if seed % 2 else ULTRA, seed=seed)
        house.hold_button()
        house.air.weather.drop = 0.05
        house.air.weather.refuse = 0.3
        try:
            driver = await house.claim()
        except GatewayError:
            house.air.weather.drop = house.air.weather.refuse = 0.0
            found = await house.resumed()
            if house.profile == SMART_LOCK:
                assert (found is not None) is bool(house.state()["authorizations"])
            return
        house.air.weather.drop = house.air.weather.refuse = 0.0
        assert isinstance(await driver.unlock(deadline_s=DEADLINE_S), Confirmed)
        assert await driver.read_slots(deadline_s=DEADLINE_S) == []

    run(main())


@pytest.mark.parametrize("profile", MODELS)
def test_keys_are_kept_before_the_word_that_can_make_us_known(profile: str) -> None:
    async def main() -> None:
        house = NukiHouse(profile)
        house.hold_button()
        said: list[tuple[bool, int]] = []

        def look(_address: str, _data: bytes) -> bool:
            said.append((bool(house.state()["authorizations"]), len(house.kept)))
            return False

        house.air.spoil_write = look
        await house.claim()
        assert house.kept == [house.keys]
        assert {kept for known, kept in said if known} == {1}
        last = house.received("pair.data" if profile == ULTRA else "pair.confirm")
        assert last == 1

    run(main())


def test_a_pin_of_ours_is_kept_before_the_lock_is_told_it() -> None:
    async def main() -> None:
        house = NukiHouse(security_pin=0)
        house.hold_button()
        held: list[int] = []

        def look(_address: str, _data: bytes) -> bool:
            pin = house.state()["security_pin"]
            if pin:
                held.append(pin)
                assert pin in {keys_of(keys).pin for keys in house.kept}
            return False

        house.air.spoil_notify = look
        await house.claim(pin="")
        assert held

    run(main())


def test_keys_that_cannot_be_kept_are_not_confirmed() -> None:
    async def main() -> None:
        house = NukiHouse()
        house.hold_button()
        house.full = True
        with pytest.raises(StoreFull):
            await house.claim()
        assert house.state()["authorizations"] == []
        assert house.received("pair.confirm") == 0

    run(main())


@pytest.mark.parametrize("told", [PIN[SMART_LOCK], None])
def test_a_claim_that_was_cut_off_is_finished_with_the_pin_it_was_begun_with(
    told: str | None,
) -> None:
    async def main() -> None:
        house = NukiHouse()
        house.hold_button()
        await house.claim()
        (keys,) = house.kept
        claim = await house.family.resume(
            house.air,
            ClaimOrder(ADDRESS, None if told is None else Secret(told)),
            keys,
            house.keep,
            deadline_s=DEADLINE_S,
        )
        assert claim is not None
        assert claim.keys == house.keys
        with pytest.raises(DeviceRefused, match="is another") as refused:
            await house.family.resume(
                house.air,
                ClaimOrder(ADDRESS, Secret("1111")),
                keys,
                house.keep,
                deadline_s=DEADLINE_S,
            )
        assert refused.value.refusal is Refusal.NOT_AUTHORISED

    run(main())


def test_a_lock_that_does_not_know_kept_keys_says_so() -> None:
    async def main() -> None:
        house = NukiHouse()
        house.hold_button()
        await house.claim()
        await house.release()
        assert await house.resumed() is None

    run(main())


def test_it_is_given_back_and_others_keep_what_is_theirs() -> None:
    async def main() -> None:
        house = NukiHouse()
        driver = await house.pair()
        await driver.program(1, Secret("583926"), (), deadline_s=DEADLINE_S)
        ours = house.keys
        house.let_in()  # somebody else
        first = next(iter(house.skin.core.authorizations.held.values()))
        house.keys = ours
        await house.release()
        assert first.auth_id not in house.skin.core.authorizations.held
        assert len(house.state()["authorizations"]) == 1
        assert house.state()["security_pin"] == int(PIN[SMART_LOCK])
        assert set(house.holds()) == {"583926"}

    run(main())


def test_a_lost_answer_to_the_farewell_is_understood() -> None:
    async def main() -> None:
        house = NukiHouse()
        await house.pair()
        house.arm("applied-but-answer-lost", "remove_authorization", count=1)
        await house.release()
        assert house.state()["authorizations"] == []

    run(main())
