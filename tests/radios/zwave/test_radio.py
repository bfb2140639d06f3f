"""The Z-Wave radio over the real server: calls, what nodes say, and every way of breaking."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from gateway.errors import (
    DeviceRefused,
    LocalProtocolError,
    OutcomeUnknown,
    RadioUnavailable,
    Refusal,
    Unreachable,
)
from gateway.radios.api import NodeReady, RadioStatus
from gateway.radios.command_classes import (
    CcCall,
    LifeSign,
    Notified,
    SecurityClass,
    Supervision,
    ValueTold,
)
from tests.radios.zwave.zwave_house import PLAIN, SUPERVISED, House, house, needs_node

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.radios.command_classes import CcNode

pytestmark = [needs_node, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

DOOR_LOCK, USER_CODE, NOTIFICATION = 0x62, 0x63, 0x71
LOCK = CcCall(DOOR_LOCK, "set", (0xFF,))
MODE = CcCall(DOOR_LOCK, "get", asks_only=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    locks = {"front": PLAIN, "back": SUPERVISED}
    async with house(tmp_path_factory.mktemp("house"), locks) as home:
        for name in locks:
            await home.join(name)
        yield home


def node(home: House, name: str) -> CcNode:
    return home.node(f"{home.sim.network.home_id:08x}:{home.lock(name).radio.node_id}")


async def test_a_node_is_described_by_what_it_told(home: House) -> None:
    front = node(home, "front")
    assert front.security is SecurityClass.S2_ACCESS_CONTROL
    assert (front.sleepy, front.mains_powered, front.well_known_key) == (False, False, False)
    assert front.fingerprint == (0x003B, 0x0001, 0x0469)
    assert {DOOR_LOCK, USER_CODE, NOTIFICATION} <= front.endpoints[0].versions.keys()
    assert [each.address for each in home.radio.nodes()] == [
        node(home, "front").address,
        node(home, "back").address,
    ]


async def test_each_node_is_told_as_new_once(home: House) -> None:
    told = [event.node.address for event in home.events if isinstance(event, NodeReady)]
    assert sorted(told) == sorted(each.address for each in home.radio.nodes())


async def test_a_supervised_success_is_the_nodes_own_word(home: House) -> None:
    back = node(home, "back")
    reply = await home.call(back, CcCall(USER_CODE, "set", (3, 1, "4711")))
    assert reply.supervision is Supervision.SUCCESS
    assert home.lock("back").firmware.users.users[3].code == "4711"


async def test_a_lock_without_supervision_is_delivered_to_and_nothing_more(home: House) -> None:
    front = node(home, "front")
    reply = await home.call(front, CcCall(USER_CODE, "set", (4, 1, "4712")))
    assert reply.supervision is Supervision.NONE
    question = CcCall(USER_CODE, "get", (4,), asks_only=True)
    assert await home.told(front, question) == {"userIdStatus": 1, "userCode": "4712"}
    assert "4712" not in repr(await home.call(front, question))


async def test_what_is_keyed_in_arrives_as_a_notification(home: House) -> None:
    front = node(home, "front")
    await home.call(front, CcCall(USER_CODE, "set", (5, 1, "1357")))
    after = len(home.events)
    home.lock("front").firmware.keypad.type_code("1357")
    said = await home.event(Notified, after=after, address=front.address, type=6, event=6)
    assert said.parameters == {"userId": 5}
    assert "1357" not in repr(home.events)


async def test_what_the_bolt_does_arrives_as_a_value(home: House) -> None:
    front = node(home, "front")
    await home.call(front, LOCK)
    after = len(home.events)
    assert await home.told(front, MODE)
    told = await home.event(ValueTold, after=after, address=front.address, property="currentMode")
    assert told.value == 0xFF


async def test_what_a_node_does_not_have_is_refused(home: House) -> None:
    with pytest.raises(DeviceRefused) as caught:
        await home.call(node(home, "front"), CcCall(0x83, "get", asks_only=True))
    assert caught.value.refusal is Refusal.UNSUPPORTED
    with pytest.raises(LocalProtocolError):
        await home.call(node(home, "front"), CcCall(USER_CODE, "noSuchMethod"))


async def test_a_command_of_the_server_is_sent_as_it_is(home: House) -> None:
    call = CcCall(0, "node.ping", ({},), asks_only=True)
    assert (await home.call(node(home, "back"), call)).value == {"responded": True}


@pytest.mark.parametrize("address", ["00000001:2", "{home}:77", "{home}:1", "nonsense"])
async def test_who_is_not_in_the_network_is_not_spoken_to(home: House, address: str) -> None:
    address = address.format(home=f"{home.sim.network.home_id:08x}")
    with pytest.raises(Unreachable, match="not in the network"):
        await home.radio.call(address, MODE, deadline_s=5)


async def test_a_button_pressed_outside_of_joining_does_not_end_the_line(home: House) -> None:
    after = len(home.events)
    home.lock("front").radio.start_joining()
    assert await home.told(node(home, "front"), MODE)
    assert home.radio.state.status is RadioStatus.UP
    assert not [event for event in home.events[after:] if isinstance(event, NodeReady)]


async def test_a_dead_node_is_found_by_a_ping_before_anything_is_sent(home: House) -> None:
    back, lock = node(home, "back"), home.lock("back")
    lock.radio.in_range = False
    with pytest.raises(OutcomeUnknown):
        await home.call(back, CcCall(USER_CODE, "set", (6, 1, "246801")))
    await home.event(LifeSign, address=back.address, alive=False)
    with pytest.raises(Unreachable, match="does not answer"):
        await home.call(back, CcCall(USER_CODE, "set", (7, 1, "246802")))
    lock.radio.in_range = True
    reply = await home.call(back, CcCall(USER_CODE, "set", (8, 1, "246803")))
    assert reply.supervision is Supervision.SUCCESS
    await home.event(LifeSign, address=back.address, alive=True)
    held = {number for number, user in lock.firmware.users.users.items() if user.code}
    assert 8 in held
    assert 7 not in held


async def test_a_server_that_is_killed_is_started_anew(home: House) -> None:
    front, after = node(home, "front"), len(home.events)
    process = home.radio._process  # noqa: SLF001 - whom to kill
    assert process is not None
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    await home.down()
    with pytest.raises(RadioUnavailable):
        await home.call(front, MODE)
    await home.up()
    await home.until(lambda: front in home.radio.nodes())
    assert await home.told(front, MODE)
    # The server says "ready" of all it knows; for the house nobody has joined again.
    assert not [event for event in home.events[after:] if isinstance(event, NodeReady)]


async def test_a_stick_that_is_pulled_for_a_moment_comes_back(home: House) -> None:
    front = node(home, "front")
    home.sim.network.fail("cut")
    await home.sim.network.wait_for_host(connected=False)
    await home.sim.network.wait_for_host()
    await home.up()
    await home.until(lambda: front in home.radio.nodes())
    assert await home.told(front, MODE)


async def test_a_stick_that_goes_mute_is_told_and_recovers(home: House) -> None:
    front = node(home, "front")
    home.sim.network.fail("mute")
    with pytest.raises((Unreachable, RadioUnavailable)):
        await home.call(front, MODE, deadline_s=20)
    await home.until(lambda: home.radio.state.status is not RadioStatus.UP)
    home.sim.network.fail("unmute")
    await home.up()
    await home.until(lambda: front in home.radio.nodes())
    assert await home.told(front, MODE)
