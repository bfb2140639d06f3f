"""What carries a conversation to a TTLock: links, logins, answers, silence, other keys."""

from __future__ import annotations

from dataclasses import replace

import pytest

from firmware_sims.firmware.model import BoltState
from gateway.domain.actions import Confirmed, Refused, Unconfirmed
from gateway.domain.secret import Secret
from gateway.drivers.carrier import LINGER_S
from gateway.drivers.ttlock.link import ANSWER_S
from gateway.errors import (
    DeviceRefused,
    LinkError,
    OutcomeUnknown,
    PeerProtocolError,
    Refusal,
    Unreachable,
)
from tests.simulation.loop import run
from tests.unit.drivers.ble_house import DEADLINE_S
from tests.unit.drivers.ttlock_house import ADDRESS, LockHouse

CODE = Secret("583920")


def received(house: LockHouse) -> dict[str, int]:
    return dict(house.skin.queue.received)


def test_a_link_that_lingers_keeps_its_login() -> None:
    async def main() -> None:
        house = LockHouse()
        await house.driver.program(1, CODE, (), deadline_s=DEADLINE_S)
        await house.air.pass_time(LINGER_S / 2)
        await house.driver.read_slot(1, deadline_s=DEADLINE_S)
        await house.driver.unlock(deadline_s=DEADLINE_S)
        assert house.air.traffic[ADDRESS].connections == 1
        assert received(house)["login.admin"] == 1
        assert "login.user" not in received(house)
        await house.air.pass_time(LINGER_S * 1.1)
        assert not house.air.connected(ADDRESS)
        await house.driver.unlock(deadline_s=DEADLINE_S)
        assert house.air.traffic[ADDRESS].connections == 2
        assert received(house)["login.user"] == 1

    run(main())


def test_asking_how_the_door_stands_needs_no_login() -> None:
    async def main() -> None:
        house = LockHouse()
        await house.driver.measure(deadline_s=DEADLINE_S)
        assert not [name for name in received(house) if name.startswith("login")]

    run(main())


@pytest.mark.parametrize("what", ["unlock", "lock"])
def test_the_bolt_is_moved_once_whatever_happens(what: str) -> None:
    async def main() -> None:
        house = LockHouse()
        house.arm("applied-but-answer-lost", what)
        order = house.driver.unlock if what == "unlock" else house.driver.lock
        with pytest.raises(OutcomeUnknown):
            await order(deadline_s=DEADLINE_S)
        assert received(house)[what] == 1
        assert house.unlocked() is (what == "unlock")

    run(main())


@pytest.mark.parametrize(
    ("packet", "error"), [(3, Unreachable), (4, Unreachable), (5, OutcomeUnknown)]
)
def test_a_link_that_breaks_at_a_packet_of_an_unlock(packet: int, error: type[LinkError]) -> None:
    """Three packets to log in, two to unlock: without the last one the lock has no command."""

    async def main() -> None:
        house = LockHouse()
        house.air.weather.refuse = 0.0
        packets = 0

        def look(_address: str, _data: bytes) -> bool:
            nonlocal packets
            packets += 1
            house.air.weather.drop = 1.0 if packets >= packet else 0.0
            return False

        house.air.spoil_write = look
        with pytest.raises(error) as caught:
            await house.driver.unlock(deadline_s=20)
        assert type(caught.value) is error
        assert not house.unlocked()

    run(main())


def test_what_was_said_before_a_question_is_no_answer_to_it() -> None:
    """While the link lingers the bolt throws itself, which the lock says at once; then a guest
    comes in."""

    async def main() -> None:
        house = LockHouse(overrides={"auto_relock_s": 2})
        await house.driver.program(3, CODE, (), deadline_s=DEADLINE_S)
        await house.driver.unlock(deadline_s=DEADLINE_S)
        await house.air.pass_time(2.2)
        assert not house.unlocked()
        house.opens("583920")
        await house.air.pass_time(0.1)
        assert house.air.connected(ADDRESS)
        assert (await house.driver.measure(deadline_s=DEADLINE_S)).locked is False

    run(main())


@pytest.mark.parametrize("seed", range(20))
def test_in_bad_air_an_unlock_says_the_truth_and_comes_once(seed: int) -> None:
    async def main() -> None:
        house = LockHouse(seed=seed)
        weather = house.air.weather
        weather.latency_s, weather.loss, weather.drop, weather.refuse = 0.03, 0.1, 0.05, 0.2
        for _ in range(10):
            house.firmware.bolt.state = BoltState.LOCKED
            before = received(house).get("unlock", 0)
            try:
                outcome = await house.driver.unlock(deadline_s=20)
            except Unreachable:
                assert received(house).get("unlock", 0) == before
                assert not house.unlocked()
            except OutcomeUnknown:
                assert received(house).get("unlock", 0) <= before + 1
            else:
                assert isinstance(outcome, Confirmed)
                assert received(house)["unlock"] == before + 1
                assert house.unlocked()

    run(main())


def test_a_lock_that_says_why_not() -> None:
    async def main() -> None:
        house = LockHouse()
        house.skin.actions["dead_bolt_on"]()
        assert await house.driver.unlock(deadline_s=DEADLINE_S) == Refused(Refusal.JAMMED)
        house.skin.actions["dead_bolt_off"]()
        house.arm("busy", "unlock")
        vague = await house.driver.unlock(deadline_s=DEADLINE_S)
        assert isinstance(vague, Unconfirmed), "a general failure says nothing of what moved"

    run(main())


def test_a_wrong_crc_that_is_always_wrong_is_lived_with() -> None:
    async def main() -> None:
        house = LockHouse(wrong_crc=True)
        result = await house.driver.program(3, CODE, (), deadline_s=DEADLINE_S)
        assert isinstance(result.outcome, Confirmed)
        assert house.holds() == {"583920"}

    run(main())


def test_an_answer_that_lost_a_part_is_asked_for_again() -> None:
    async def main() -> None:
        house = LockHouse()
        await house.driver.program(3, CODE, (), deadline_s=DEADLINE_S)
        await house.air.pass_time(10)
        packets = 0

        def spoil(_address: str, _data: bytes) -> bool:
            nonlocal packets
            packets += 1
            return packets == 6  # in the middle of the list

        house.air.spoil_notify = spoil
        found = await house.driver.read_slot(3, deadline_s=DEADLINE_S)
        assert found.digits == CODE
        assert received(house)["list_codes"] > 2

    run(main())


def test_what_the_lock_says_unasked_is_no_answer() -> None:
    async def main() -> None:
        house = LockHouse()
        told = 0

        def type_a_code(_address: str, data: bytes) -> bool:
            nonlocal told
            told += 1
            if told == 2:
                house.opens("583920")  # pushed while an answer is awaited
            return False

        await house.driver.program(3, CODE, (), deadline_s=DEADLINE_S)
        house.air.spoil_write = type_a_code
        for _ in range(3):
            found = await house.driver.measure(deadline_s=DEADLINE_S)
            assert (found.locked, found.battery_percent) == (False, 100)
            await house.air.pass_time(10)
        assert (await house.driver.read_slot(3, deadline_s=DEADLINE_S)).digits == CODE

    run(main())


def test_a_lock_that_was_reset_says_so_to_people() -> None:
    async def main() -> None:
        house = LockHouse()
        house.skin.factory_reset()
        with pytest.raises(PeerProtocolError, match="pair it again"):
            await house.driver.unlock(deadline_s=DEADLINE_S)

    run(main())


def test_a_lock_with_another_owner_is_silent_and_unreachable() -> None:
    async def main() -> None:
        house = LockHouse()
        stranger = replace(house.keys, aes=bytes(16))
        with pytest.raises(Unreachable):
            await house.driver_with(stranger.to_secret()).unlock(deadline_s=DEADLINE_S)
        wrong = replace(house.keys, admin_ps=1)
        with pytest.raises(DeviceRefused, match="another owner"):
            await house.driver_with(wrong.to_secret()).read_slot(1, deadline_s=DEADLINE_S)

    run(main())


def test_a_key_that_may_only_open() -> None:
    async def main() -> None:
        house = LockHouse()
        driver = house.driver_with(replace(house.keys, admin_ps=None).to_secret())
        assert isinstance(await driver.unlock(deadline_s=DEADLINE_S), Confirmed)
        with pytest.raises(DeviceRefused) as caught:
            await driver.read_slot(1, deadline_s=DEADLINE_S)
        assert caught.value.refusal is Refusal.NOT_AUTHORISED
        assert house.air.connected(ADDRESS), "a no of ours costs no link"

    run(main())


def test_one_deadline_for_everything() -> None:
    async def main() -> None:
        house = LockHouse()
        loop_time = house.air.timebase.now
        house.arm("applied-but-answer-lost", "list_codes", count=None)
        for deadline_s in (1.0, ANSWER_S * 1.5, 30.0):
            began = loop_time()
            with pytest.raises(Unreachable):
                await house.driver.read_slot(1, deadline_s=deadline_s)
            assert loop_time() - began <= deadline_s + 0.2

    run(main())


def test_a_sleeping_lock_that_takes_no_connection() -> None:
    async def main() -> None:
        house = LockHouse(refuses_when_dormant=True, dormant_after_s=60.0)
        await house.air.pass_time(120)
        with pytest.raises(Unreachable):
            await house.driver.unlock(deadline_s=10)
        house.skin.actions["touch_keypad"]()
        assert isinstance(await house.driver.unlock(deadline_s=10), Confirmed)

    run(main())


def test_errors_hold_no_secret() -> None:
    async def main() -> None:
        house = LockHouse()
        house.arm("applied-but-answer-lost", "add_code", count=None)
        house.arm("applied-but-answer-lost", "list_codes", count=None)
        told: list[str] = []
        for doing in (
            house.driver.program(1, CODE, (), deadline_s=3),
            house.driver.read_slot(1, deadline_s=3),
        ):
            with pytest.raises((OutcomeUnknown, Unreachable)) as caught:
                await doing
            error: BaseException | None = caught.value
            while error is not None:
                told.append(str(error))
                error = error.__cause__ or error.__context__
        for secret in ("583920", str(house.keys.unlock_key), house.keys.aes.hex()):
            assert all(secret not in text for text in told)

    run(main())
