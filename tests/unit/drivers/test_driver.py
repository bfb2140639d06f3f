"""The shell: one deadline for a conversation, patience per exchange, no order given twice."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from gateway.domain.actions import Confirmed, Refused, Unconfirmed
from gateway.domain.capabilities import Capabilities, CodeLimits, ScheduleSupport
from gateway.domain.devices import YearDay
from gateway.domain.instant import HOUR, Instant
from gateway.domain.secret import Secret
from gateway.drivers.catalog import driver_for
from gateway.drivers.zcl_lock.driver import ASKED, ZclLock, ZclLockWithClock
from gateway.drivers.zcl_lock.facts import ModelFacts
from gateway.drivers.zcl_lock.wire import Attr
from gateway.errors import OutcomeUnknown, Refusal, Unreachable
from gateway.radios.api import (
    AttributeReported,
    BindAndReport,
    ClusterReply,
    ClusterRequest,
    EndpointInfo,
    NodeInfo,
    RadioListener,
    RadioState,
    RadioStatus,
    ReadAttributes,
    WriteAttributes,
)
from tests.unit.drivers.lock_double import LockDouble

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ADDRESS = "00:11:22:33:44:55:66:77"
NOON = Instant(1_795_000_000_000)
WINDOW = YearDay(NOON, Instant(NOON + 2 * HOUR))
MET = Capabilities(codes=CodeLimits(slots=20), schedules=ScheduleSupport(3, 3))


@dataclass
class DirectRadio:
    """A radio whose air is a function call; `before` may raise or never return."""

    lock: LockDouble
    name: str = "direct"
    kind: str = "zigbee"
    state: RadioState = field(default_factory=lambda: RadioState(RadioStatus.UP))
    before: Callable[[object], asyncio.Future[None] | None] | None = None
    deadlines: list[float] = field(default_factory=list)

    def listen(self, listener: RadioListener) -> Callable[[], None]:
        return lambda: None

    async def run(self) -> None: ...

    def nodes(self) -> Sequence[NodeInfo]:
        return ()

    async def request(
        self, address: str, request: ClusterRequest, *, deadline_s: float
    ) -> ClusterReply:
        return await self._carry(request, deadline_s)

    async def read(
        self, address: str, request: ReadAttributes, *, deadline_s: float
    ) -> ClusterReply:
        return await self._carry(request, deadline_s)

    async def write(self, address: str, request: WriteAttributes, *, deadline_s: float) -> None:
        await self._carry(request, deadline_s)

    async def bind(self, address: str, request: BindAndReport, *, deadline_s: float) -> None:
        await self._carry(request, deadline_s)

    async def _carry(
        self,
        step: ClusterRequest | ReadAttributes | WriteAttributes | BindAndReport,
        deadline_s: float,
    ) -> ClusterReply:
        self.deadlines.append(deadline_s)
        if self.before is not None and (wait := self.before(step)) is not None:
            try:
                async with asyncio.timeout(deadline_s):
                    await wait
            except TimeoutError:
                asks = not isinstance(step, ClusterRequest) or step.asks_only
                raise (Unreachable if asks else OutcomeUnknown)("no answer in time") from None
        return self.lock.answer(step)


def node(*, sleepy: bool = False, clusters: frozenset[int] = frozenset({0x0101})) -> NodeInfo:
    endpoint = EndpointInfo(1, 260, 10, clusters, frozenset())
    return NodeInfo(ADDRESS, "Nobody", "Lock", (endpoint,), sleepy, mains_powered=False)


def met(radio: DirectRadio, facts: ModelFacts | None = None, *, sleepy: bool = False) -> ZclLock:
    driver = ZclLock(node(sleepy=sleepy), radio, "Europe/Berlin", facts or ModelFacts())
    driver.restore(MET)
    return driver


async def test_a_code_goes_all_the_way() -> None:
    radio = DirectRadio(LockDouble())
    result = await met(radio).program(4, Secret("583920"), (WINDOW,), deadline_s=5)
    assert isinstance(result.outcome, Confirmed)
    assert radio.lock.users[4].code == "583920"


async def test_an_unmet_lock_is_interviewed_first() -> None:
    lock = LockDouble(attributes={(0x0101, Attr.PIN_USERS): 10})
    driver = ZclLock(node(), DirectRadio(lock), "UTC", ModelFacts())
    result = await driver.program(4, Secret("583920"), (), deadline_s=5)
    assert isinstance(result.outcome, Confirmed)


@pytest.mark.parametrize(
    ("slot", "digits", "refusal"),
    [
        (4, "123", Refusal.LENGTH),
        (4, "123456789", Refusal.LENGTH),
        (4, "12a4", Refusal.CHARSET),
        (4, "\u0661\u0662\u0663\u0664", Refusal.CHARSET),
        (0, "583920", Refusal.INVALID),
        (21, "583920", Refusal.INVALID),
    ],
)
async def test_what_the_lock_cannot_take_is_refused_without_radio(
    slot: int, digits: str, refusal: Refusal
) -> None:
    radio = DirectRadio(LockDouble())
    result = await met(radio).program(slot, Secret(digits), (), deadline_s=5)
    assert result.outcome == Refused(refusal)
    assert radio.deadlines == []


async def test_slots_carry_the_models_offset() -> None:
    radio = DirectRadio(LockDouble())
    driver = met(radio, ModelFacts(slot_offset=-1))
    await driver.program(1, Secret("583920"), (), deadline_s=5)
    assert list(radio.lock.users) == [0]


async def test_a_question_is_asked_again_an_order_is_not() -> None:
    asked: list[int] = []

    def silent(step: object) -> asyncio.Future[None]:
        assert isinstance(step, ClusterRequest)
        asked.append(step.command_id)
        return asyncio.get_running_loop().create_future()

    radio = DirectRadio(LockDouble(), before=silent)
    driver = met(radio)
    with pytest.raises(Unreachable):
        await driver.read_slot(4, deadline_s=0.05)
    assert len(asked) <= ASKED
    asked.clear()
    with pytest.raises(OutcomeUnknown):
        await driver.unlock(deadline_s=0.05)
    assert asked == [0x01]


async def test_one_lost_answer_to_a_question_costs_nothing() -> None:
    failures = iter([Unreachable("lost")])

    def once(step: object) -> None:
        for failure in failures:
            raise failure

    radio = DirectRadio(LockDouble(), before=once)
    assert (await met(radio).read_slot(4, deadline_s=5)).slot == 4


async def test_when_the_time_is_over_nothing_more_is_sent() -> None:
    radio = DirectRadio(LockDouble())
    with pytest.raises(Unreachable):
        await met(radio).read_slot(4, deadline_s=0)
    assert radio.deadlines == []


async def test_a_code_without_proof_is_withdrawn_although_the_deadline_has_passed() -> None:
    """The lock goes silent after the PIN is on it, for longer than the order may take."""
    silent = True

    def after_the_pin(step: object) -> asyncio.Future[None] | None:
        nonlocal silent
        if silent and isinstance(step, ClusterRequest) and step.command_id == 0x0E:
            silent = False
            return asyncio.get_running_loop().create_future()
        return None

    radio = DirectRadio(LockDouble(), before=after_the_pin)
    result = await met(radio).program(4, Secret("583920"), (WINDOW,), deadline_s=0.1)
    assert isinstance(result.outcome, Unconfirmed)
    assert radio.lock.users == {}


@pytest.mark.parametrize(
    ("facts", "sleepy", "least"),
    [(ModelFacts(), False, 4.0), (ModelFacts(slow_s=8), False, 12.0), (ModelFacts(), True, 13.0)],
)
async def test_patience_suits_the_lock(facts: ModelFacts, sleepy: bool, least: float) -> None:
    radio = DirectRadio(LockDouble())
    await met(radio, facts, sleepy=sleepy).read_slot(4, deadline_s=60)
    assert radio.deadlines == [least]


async def test_only_its_own_events_are_translated() -> None:
    driver = met(DirectRadio(LockDouble()))
    assert driver.translate(AttributeReported(ADDRESS, 1, 0x0101, 0, 1))
    assert not driver.translate(AttributeReported("00:00:00:00:00:00:00:00", 1, 0x0101, 0, 1))


async def test_the_clock_accounts_for_the_way() -> None:
    lock = LockDouble(attributes={(0x000A, 0): NOON // 1000 - 946_684_800})
    waited: list[float] = []

    def slowly(step: object) -> asyncio.Future[None]:
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.1, future.set_result, None)
        waited.append(0.1)
        return future

    clusters = frozenset({0x000A, 0x0101})
    driver = driver_for(node(clusters=clusters), DirectRadio(lock, before=slowly), "UTC")
    assert isinstance(driver, ZclLockWithClock)
    found = await driver.read_clock(NOON, deadline_s=5)
    assert found.bound_ms >= 500 + 50
    assert found.read_at >= NOON + 100
    assert found.error_ms <= 500 - 50
