"""The time over the link: what a hello tells of it, and which answers prove it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.domain.events import EventType
from gateway.domain.instant import ClockTrust, Instant, after, from_rfc3339, to_rfc3339
from gateway.kit.clock import settle
from gateway.store import events
from gateway.store.database import open_store
from gateway.timekeeping.clock import HouseClock
from gateway.timekeeping.keeper import TimeKeeper
from gateway.timekeeping.witness import Witness
from tests.machine import Machine
from tests.signer import Signer
from tests.unit.sync.conftest import NOW
from tests.unit.sync.line import Exchange
from tests.unit.sync.linked import Link, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gateway.store.database import Store

SIGNER = Signer()


class Site:
    """A gateway whose machine has no idea what time it is, and its cloud."""

    def __init__(self, store: Store, machine: Machine, keeper: TimeKeeper, link: Link) -> None:
        self.store = store
        self.machine = machine
        self.keeper = keeper
        self.link = link
        self.line = link.exchange.lines[0]

    def hello(self) -> dict[str, Any]:
        return self.line.of("hello")[-1]

    def trust(self) -> ClockTrust:
        return self.keeper.moment().trust

    async def answer(self, **time: Any) -> None:
        """An acknowledgement that tells the time, taken by the gateway."""
        taken = len(self.line.acknowledged)
        told = {"now": to_rfc3339(self.machine.true), "nonce": self.hello()["nonce"]} | time
        self.link.order("ack", epoch=self.store.opened.epoch, time=told)
        while len(self.line.acknowledged) == taken:
            await self.store.submit(lambda tx: None)
        await settle()

    async def wait_for_hello(self) -> None:
        count = len(self.line.of("hello"))
        await self.machine.advance(60)
        while len(self.line.of("hello")) == count:
            await self.store.submit(lambda tx: None)

    def signed(self, nonce: str | None = None, now: Instant | None = None) -> str:
        return SIGNER.sign(now or self.machine.true, nonce or self.hello()["nonce"])

    async def refused(self) -> list[object]:
        rows = await self.store.fetch(events.events_after(0, 100))
        return [row.body["code"] for row in rows if row.type is EventType.GATEWAY_MESSAGE_REFUSED]


@pytest.fixture(params=[True, False], ids=["loopback", "remote"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    machine = Machine(NOW)
    machine.wall_off_s = -86_400
    clock = HouseClock(machine)
    async with open_store(tmp_path / "state.db", clock) as store:
        keeper = TimeKeeper(machine, clock, store)
        await keeper.begin()
        witness = Witness(keeper, machine, SIGNER.issuers(), lambda: "unused")
        link = Link(store, clock, Exchange(), witness=witness, unsigned=request.param)
        async with running(link):
            while not (link.exchange.lines and link.exchange.lines[0].of("hello")):
                await store.submit(lambda tx: None)
            yield Site(store, machine, keeper, link)


async def test_a_hello_says_what_is_known_of_the_time(site: Site) -> None:
    clock = site.hello()["clock"]
    assert clock["trust"] == "untrusted"
    assert "source" not in clock
    assert clock["uptime_s"] == 10.0
    await site.answer(proof=site.signed())
    await site.wait_for_hello()
    clock = site.hello()["clock"]
    assert clock["trust"] == "trusted"
    assert clock["source"] == "cloud"
    assert clock["error_ms"] < 1_000
    assert from_rfc3339(clock["floor"]) <= site.machine.true
    assert from_rfc3339(clock["now"]) - site.machine.true <= clock["error_ms"]


async def test_signed_time_is_taken_from_any_broker_because_it_proves_itself(site: Site) -> None:
    await site.machine.advance(5)
    await site.answer(proof=site.signed())
    assert site.trust() is ClockTrust.TRUSTED
    assert abs(site.keeper.moment().now - site.machine.true) <= 3_000


async def test_unsigned_time_is_taken_on_this_machine_alone_and_as_a_weak_word(
    site: Site, request: pytest.FixtureRequest
) -> None:
    await site.answer()
    if "remote" in request.node.name:
        assert site.trust() is ClockTrust.UNTRUSTED
        return
    assert site.trust() is ClockTrust.TRUSTED
    assert site.hello()["clock"]["trust"] == "untrusted"
    assert site.keeper.moment().floor == 0


async def test_a_nonce_older_than_90_seconds_proves_nothing(site: Site) -> None:
    nonce = site.hello()["nonce"]
    await site.wait_for_hello()
    await site.machine.advance(31)
    await site.answer(proof=site.signed(nonce), nonce="made-up")
    assert site.trust() is ClockTrust.UNTRUSTED
    assert "time_not_fresh" not in await site.refused()


async def test_a_proof_that_is_none_is_told_and_moves_nothing(site: Site) -> None:
    forged = Signer().sign(after(site.machine.true, 86_400), site.hello()["nonce"])
    await site.answer(proof=forged)
    assert site.trust() is ClockTrust.UNTRUSTED
    assert await site.refused() == ["time_not_signed"]


async def test_a_repeated_answer_is_worth_what_its_age_leaves(site: Site) -> None:
    proof = site.signed()
    await site.machine.advance(40)
    await site.answer(proof=proof)
    assert site.trust() is ClockTrust.TRUSTED
    assert abs(site.keeper.moment().now - site.machine.true) <= 21_000
    assert site.keeper.moment().floor <= site.machine.true
