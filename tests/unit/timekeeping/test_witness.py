"""What others tell counts for as much as its way there and back leaves of it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from gateway.domain.instant import HOUR, ClockTrust, Instant, after
from gateway.domain.timebelief import Source
from gateway.errors import MessageError
from gateway.timekeeping.clock import HouseClock
from gateway.timekeeping.keeper import TimeKeeper
from gateway.timekeeping.witness import CHALLENGES, TELLER_ERROR_MS, Witness
from tests.flows.world import START, world
from tests.machine import Machine
from tests.signer import Signer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SIGNER = Signer()


class Site:
    """A machine that came back a fortnight early, a keeper, and who may tell it the time."""

    def __init__(self, machine: Machine, keeper: TimeKeeper) -> None:
        numbers = itertools.count()
        self.machine = machine
        self.keeper = keeper
        self.witness = Witness(
            keeper, machine, SIGNER.issuers(), lambda: f"challenge-{next(numbers)}"
        )

    def off_ms(self) -> int:
        return self.keeper.moment().now - self.machine.true

    def trust(self) -> ClockTrust:
        return self.keeper.moment().trust


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with world(tmp_path) as house:
        machine = Machine(START)
        machine.wall_off_s = -14 * 86_400
        keeper = TimeKeeper(machine, HouseClock(machine), house.store)
        await keeper.begin()
        yield Site(machine, keeper)


async def test_signed_cloud_time_proves_the_time_and_the_floor(site: Site) -> None:
    asked_s = site.machine.boottime()
    await site.machine.advance(3)
    proof = SIGNER.sign(site.machine.true, "nonce")
    await site.machine.advance(1)
    await site.witness.cloud_signed(proof, {"nonce": asked_s}.get)
    assert site.trust() is ClockTrust.TRUSTED
    view = site.witness.view()
    assert view.source is Source.CLOUD
    assert view.error_ms == 2_000 + TELLER_ERROR_MS
    assert abs(site.off_ms()) <= view.error_ms
    assert view.floor == after(site.machine.true, -1) - TELLER_ERROR_MS


async def test_an_answer_to_a_nonce_that_is_not_ours_proves_nothing(site: Site) -> None:
    await site.witness.cloud_signed(SIGNER.sign(site.machine.true, "old"), lambda _: None)
    assert site.trust() is ClockTrust.UNTRUSTED


async def test_a_technician_s_token_is_for_the_cloud_s_mouth_no_use(site: Site) -> None:
    nonce = site.witness.challenge()
    token = SIGNER.sign(site.machine.true, nonce, Source.CLOUD)
    with pytest.raises(MessageError) as caught:
        await site.witness.present(token)
    assert caught.value.code == "time_wrong_type"


async def test_a_technician_may_take_ten_minutes_and_comes_once(site: Site) -> None:
    nonce = site.witness.challenge()
    await site.machine.advance(300)
    token = SIGNER.sign(site.machine.true, nonce, Source.TECHNICIAN)
    await site.machine.advance(290)
    view = await site.witness.present(token)
    assert site.trust() is ClockTrust.TRUSTED
    assert view.source is Source.TECHNICIAN
    assert view.error_ms == 295_000 + TELLER_ERROR_MS
    assert abs(site.off_ms()) <= view.error_ms
    with pytest.raises(MessageError, match="no challenge"):
        await site.witness.present(token)


async def test_a_challenge_ends_after_ten_minutes_and_the_newest_are_kept(site: Site) -> None:
    late = site.witness.challenge()
    await site.machine.advance(601)
    pushed_out = site.witness.challenge()
    for _ in range(CHALLENGES):
        kept = site.witness.challenge()
    for nonce in (late, pushed_out):
        with pytest.raises(MessageError, match="no challenge"):
            await site.witness.present(SIGNER.sign(site.machine.true, nonce, Source.TECHNICIAN))
    await site.witness.present(SIGNER.sign(site.machine.true, kept, Source.TECHNICIAN))


async def test_a_token_that_is_not_believed_says_so(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        machine = Machine(START)
        keeper = TimeKeeper(machine, HouseClock(machine), house.store)
        await keeper.begin()
        site = Site(machine, keeper)
        await site.witness.present(SIGNER.sign(START, site.witness.challenge(), Source.TECHNICIAN))
        assert await refused(site, HOUR) == "time_alone"
        machine.reboot(off_s=60, wall_off_s=0)
        keeper = TimeKeeper(machine, HouseClock(machine), house.store)
        await keeper.begin()
        site = Site(machine, keeper)
        assert await refused(site, -HOUR) == "time_behind_floor"
        assert site.trust() is ClockTrust.UNTRUSTED


async def refused(site: Site, ahead_ms: int) -> str:
    token = SIGNER.sign(
        Instant(site.machine.true + ahead_ms), site.witness.challenge(), Source.TECHNICIAN
    )
    with pytest.raises(MessageError) as caught:
        await site.witness.present(token)
    return caught.value.code


async def test_unsigned_time_moves_nothing_that_was_proven(site: Site) -> None:
    asked_s = site.machine.boottime()
    await site.witness.cloud_signed(SIGNER.sign(site.machine.true, "n"), {"n": asked_s}.get)
    before = site.keeper.moment().now
    await site.witness.cloud_unsigned(after(site.machine.true, HOUR), asked_s)
    assert site.keeper.moment().now == before
    disbelief = site.witness.view().last_disbelief
    assert disbelief is not None
    assert disbelief.source is Source.CLOUD_UNSIGNED


async def test_signed_time_that_lowers_a_poisoned_floor_is_told(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        machine = Machine(after(START, 400 * 86_400))
        machine.synchronised = True
        keeper = TimeKeeper(machine, HouseClock(machine), house.store, ntp_is_authenticated=True)
        await keeper.begin()
        machine = Machine(START, boot="boot-2")
        keeper = TimeKeeper(machine, HouseClock(machine), house.store)
        await keeper.begin()
        site = Site(machine, keeper)
        assert keeper.moment().effective > after(START, 399 * 86_400)
        asked_s = machine.boottime()
        await site.witness.cloud_signed(SIGNER.sign(START, "n"), {"n": asked_s}.get)
        assert abs(site.off_ms()) <= TELLER_ERROR_MS
        assert keeper.moment().effective <= START
        told = [one.type.value for one in await house.told()]
        assert "gateway.time_floor_lowered" in told
