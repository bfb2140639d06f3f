"""Letting Z-Wave nodes in, out, and in each other's place: the real server, simulated locks."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, cast

import pytest
import pytest_asyncio

from firmware_sims.firmware.model import Answer
from gateway.domain.instant import Instant
from gateway.domain.secret import Secret
from gateway.errors import RadioBusy, RadioRefused, Unreachable
from gateway.kit.clock import ManualClock
from gateway.radios.api import JoinOrder, JoinStage, NodeLeft, NodeReady
from gateway.radios.command_classes import CcCall, SecurityClass
from gateway.radios.zwave.joining import Joining
from tests.radios.zwave.zwave_house import PLAIN, SUPERVISED, House, house, needs_node

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from gateway.radios.api import JoinProgress
    from gateway.radios.command_classes import CcNode
    from gateway.radios.zwave.line import Line

node_tests = [needs_node, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
MODE = CcCall(0x62, "get", asks_only=True)
NAMES = ("side", "quick", "old", "new", "gone", "stays", "late", "tenants", "many")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    locks = dict.fromkeys(NAMES, PLAIN) | dict.fromkeys(("quick", "many"), SUPERVISED)
    async with house(tmp_path_factory.mktemp("house"), locks) as home:
        yield home


def stages(told: list[JoinProgress]) -> list[JoinStage]:
    return [step.stage for step in told]


async def excluded(home: House, name: str) -> list[JoinProgress]:
    home.lock(name).radio.start_joining()
    return await home.progress(home.radio.open_leaving(60))


class TestOnTheNetwork:
    pytestmark = node_tests

    async def test_the_digits_of_its_dsk_let_a_lock_in(self, home: House) -> None:
        lock = home.lock("side")
        lock.radio.start_joining()
        order = JoinOrder(dsk_pin=Secret(lock.label.pin))
        told = await home.progress(home.radio.open_joining(order))
        assert stages(told) == [
            JoinStage.OPEN,
            JoinStage.FOUND,
            JoinStage.INTERVIEWING,
            JoinStage.READY,
        ]
        joined = home.node(told[-1].address)
        assert joined.security is SecurityClass.S2_ACCESS_CONTROL
        assert lock.radio.secure
        assert (await home.event(NodeReady, node=joined)).node == joined
        assert lock.label.pin not in repr(order) + repr(told)

    async def test_who_joins_keeps_the_codes_that_it_has(self, home: House) -> None:
        """Left to itself, Z-Wave JS erases all user codes of a node that it does not know."""
        for name in ("tenants", "many"):
            lock = home.lock(name)
            for slot in (7, lock.profile.slots):
                assert lock.firmware.keypad.set_code_by_hand(slot, f"{1000 + slot}") is Answer.OK
            await home.join(name)
            assert lock.queue.received["clear_all_pin_codes"] == 0
            assert sorted(lock.firmware.users.users) == [7, lock.profile.slots]

    async def test_a_qr_text_lets_a_lock_in_by_itself(self, home: House) -> None:
        lock = home.lock("quick")
        lock.radio.primes = True
        lock.radio.update()
        order = JoinOrder(qr=Secret(lock.label.qr_code))
        told = await home.progress(home.radio.open_joining(order))
        assert told[-1].stage is JoinStage.READY, told[-1]
        assert home.node(told[-1].address).security is SecurityClass.S2_ACCESS_CONTROL

    async def test_a_lock_that_leaves_is_told_once(self, home: House) -> None:
        joined, after = await home.join("gone"), len(home.events)
        assert stages(await excluded(home, "gone")) == [JoinStage.OPEN, JoinStage.LEFT]
        await home.event(NodeLeft, after=after, address=joined.address)
        assert joined not in home.radio.nodes()
        await home.radio.forget(joined.address)  # who has left already needs no more
        with pytest.raises(Unreachable):
            await home.call(joined, MODE)
        told = [e for e in home.events[after:] if isinstance(e, NodeLeft)]
        assert len(told) == 1

    async def test_who_answers_is_not_forgotten_and_who_has_failed_is(self, home: House) -> None:
        joined, after = await home.join("stays"), len(home.events)
        with pytest.raises(RadioRefused, match="let it leave at its door"):
            await home.radio.forget(joined.address)
        assert joined in home.radio.nodes()
        home.lock("stays").radio.in_range = False
        await home.radio.forget(joined.address)
        await home.event(NodeLeft, after=after, address=joined.address)
        assert joined not in home.radio.nodes()

    async def test_a_new_lock_takes_the_place_of_one_that_has_failed(self, home: House) -> None:
        old = await home.join("old")
        replacing = JoinOrder(dsk_pin=Secret(home.lock("new").label.pin), replaces=old.address)
        with pytest.raises(RadioRefused, match="nothing can take its place"):
            await home.progress(home.radio.open_joining(replacing))
        home.lock("old").radio.in_range = False
        with pytest.raises(Unreachable):
            await home.call(old, MODE)
        after = len(home.events)
        joined: CcNode = await home.join("new", replacing)
        assert joined.address == old.address
        assert home.lock("new").radio.secure
        await home.event(NodeReady, after=after, node=joined)
        assert not [e for e in home.events[after:] if isinstance(e, NodeLeft)]
        assert await home.told(joined, MODE)

    async def test_closing_early_closes_the_network_for_the_next(self, home: House) -> None:
        order = JoinOrder(dsk_pin=Secret("12345"))
        steps = cast("AsyncGenerator[JoinProgress]", home.radio.open_joining(order))
        async with aclosing(steps):
            assert (await anext(steps)).stage is JoinStage.OPEN
            with pytest.raises(RadioBusy):
                await anext(home.radio.open_joining(order))
            with pytest.raises(RadioBusy):
                await anext(home.radio.open_leaving(60))
        told = await home.progress(home.radio.open_leaving(1))
        assert stages(told) == [JoinStage.OPEN, JoinStage.CLOSED]

    async def test_wrong_digits_are_said_and_the_lock_can_leave_again(self, home: House) -> None:
        lock = home.lock("late")
        lock.radio.start_joining()
        wrong = f"{(int(lock.label.pin) + 1) % 100_000:05d}"
        told = await home.progress(home.radio.open_joining(JoinOrder(dsk_pin=Secret(wrong))))
        assert told[-1].stage is JoinStage.FAILED
        assert "not the five digits" in told[-1].detail
        assert wrong not in told[-1].detail
        assert not lock.radio.secure
        left = await excluded(home, "late")
        assert stages(left) == [JoinStage.OPEN, JoinStage.LEFT]
        assert left[-1].address == told[-1].address
        assert lock.radio.node_id is None
        # Z-Wave JS still waits for what the first one was to say, and takes the first word of the
        # next one for it: a node says it again.
        assert (await home.join("late")).security is SecurityClass.S2_ACCESS_CONTROL


def nowhere() -> Line:
    raise AssertionError("nothing is opened for a wrong order")


@pytest.mark.parametrize(
    "order",
    [
        JoinOrder(),
        JoinOrder(dsk_pin=Secret("1234")),
        JoinOrder(dsk_pin=Secret("12345-11111")),
        JoinOrder(qr=Secret("90")),
        JoinOrder(qr=Secret("91" + "1" * 60)),
        JoinOrder(qr=Secret("90" + "1" * 60), dsk_pin=Secret("12345")),
        JoinOrder("00:11:22:33:44:55:66:77", bytes(18)),
    ],
)
async def test_an_order_that_cannot_be_meant_opens_nothing(order: JoinOrder) -> None:
    joining = Joining(ManualClock(Instant(0)), nowhere, str)
    with pytest.raises(RadioRefused) as caught:
        await anext(joining.open(order, None))
    assert not any(digits in str(caught.value) for digits in ("1234", "1111"))
