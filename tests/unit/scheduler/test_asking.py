"""Looking at a device for who waits: by its lane, with an answer or a reason, and never twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from gateway.domain.ids import DeviceId
from gateway.domain.instant import Instant
from gateway.domain.secret import Secret
from gateway.drivers.access import Medium, MediumKind
from gateway.drivers.api import Driver, DriverInfo
from gateway.errors import RadioUnavailable, RequestError, Unreachable
from gateway.kit.clock import ManualClock, settle
from gateway.radios.arbiter import Arbiter
from gateway.scheduler.asking import PATIENCE_S, Asking

if TYPE_CHECKING:
    from collections.abc import Sequence

Act = Callable[[Driver | None], Awaitable[None]]
DEVICE = DeviceId("dev_1")


class Lock:
    """Opens to cards, and to nothing else."""

    info = DriverInfo(driver="virtual", manufacturer="Us", model="One")

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self.answer = asyncio.Event()
        self.answer.set()

    async def list_cards(self, *, deadline_s: float) -> Sequence[Medium]:
        assert 0 < deadline_s < PATIENCE_S
        self.asked += 1
        await self.answer.wait()
        if self.error is not None:
            raise self.error
        return [Medium(Secret("12345678"))]

    async def add_card(self, *_: Any, **more: Any) -> Any: ...

    enrol_card = schedule_card = delete_card = add_card


class Queue:
    """A lane that does nothing until it is told to."""

    def __init__(self, lock: Lock | None) -> None:
        self.lock = lock
        self.acts: list[Act] = []
        self.known = True

    def driver(self, device_id: DeviceId) -> Driver | None:
        return self.lock  # type: ignore[return-value]  # as much of one as asking needs

    def put(self, device_id: DeviceId, act: Act) -> bool:
        self.acts.append(act)
        return self.known

    async def turn(self) -> None:
        await self.acts.pop(0)(self.driver(DEVICE))


class House:
    def __init__(self, *, lock: bool = True) -> None:
        self.clock = ManualClock(Instant(0))
        self.arbiter = Arbiter(1)
        self.lock = Lock()
        self.lanes = Queue(self.lock if lock else None)
        self.asking = Asking(self.clock, self.arbiter, self.lanes)

    async def ask(self) -> asyncio.Task[Sequence[Medium]]:
        task = asyncio.create_task(self.asking.media(DEVICE, MediumKind.CARD))
        await settle()
        return task


async def test_it_waits_for_its_turn_in_the_lane() -> None:
    house = House()
    asked = await house.ask()
    assert house.lock.asked == 0
    await house.lanes.turn()
    assert await asked == [Medium(Secret("12345678"))]


async def test_what_the_device_raises_is_raised() -> None:
    house = House()
    house.lock.error = Unreachable("could not connect")
    asked = await house.ask()
    await house.lanes.turn()
    with pytest.raises(Unreachable, match="could not connect"):
        await asked


async def test_a_defect_of_ours_ends_the_question_and_not_the_lane() -> None:
    house = House()
    house.lock.error = ZeroDivisionError()
    asked = await house.ask()
    await house.lanes.turn()
    with pytest.raises(RequestError, match="ZeroDivisionError") as raised:
        await asked
    assert raised.value.code == "internal"


async def test_what_a_device_does_not_have_is_told_without_a_turn() -> None:
    house = House()
    questions: list[Awaitable[object]] = [
        house.asking.settings(DEVICE),
        house.asking.keys(DEVICE),
        house.asking.media(DEVICE, MediumKind.FINGER),
    ]
    for question in questions:
        with pytest.raises(RequestError) as raised:
            await question
        assert raised.value.code == "unsupported"
    assert house.lanes.acts == []


async def test_nobody_to_speak_to() -> None:
    house = House(lock=False)
    with pytest.raises(RadioUnavailable):
        await house.asking.settings(DEVICE)
    house = House()
    asked = await house.ask()
    house.lanes.lock = None  # the radio went down while it waited
    await house.lanes.turn()
    with pytest.raises(RadioUnavailable):
        await asked
    house = House()
    house.lanes.known = False
    with pytest.raises(RequestError, match="no device"):
        await house.asking.media(DEVICE, MediumKind.CARD)


async def test_patience_ends_and_the_question_is_not_asked_afterwards() -> None:
    house = House()
    asked = await house.ask()
    await house.clock.advance(PATIENCE_S)
    with pytest.raises(Unreachable, match="busy"):
        await asked
    await house.lanes.turn()
    assert house.lock.asked == 0


async def test_who_went_away_is_not_asked_for() -> None:
    house = House()
    asked = await house.ask()
    asked.cancel()
    await settle()
    await house.lanes.turn()
    assert house.lock.asked == 0


async def test_a_device_that_is_removed_in_the_middle_is_told() -> None:
    house = House()
    house.lock.answer.clear()
    asked = await house.ask()
    turn = asyncio.create_task(house.lanes.turn())
    await settle()
    turn.cancel()
    with pytest.raises(Unreachable, match="removed"):
        await asked
    assert house.arbiter.waiting == 0
