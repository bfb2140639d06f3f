"""The Zigbee radio against the simulated stick: forming, joining, exchanges, breaking, healing."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from gateway.domain.instant import ClockTrust
from gateway.errors import (
    DeviceRefused,
    LocalProtocolError,
    OutcomeUnknown,
    RadioBusy,
    RadioRefused,
    RadioUnavailable,
    Refusal,
    Unreachable,
)
from gateway.kit.clock import SystemClock
from gateway.radios.api import (
    AttributeReported,
    BindAndReport,
    ClusterCommandReceived,
    ClusterRequest,
    Heard,
    JoinOrder,
    JoinStage,
    NodeLeft,
    NodeReady,
    RadioStatus,
    ReadAttributes,
    StateChanged,
    WriteAttributes,
)
from gateway.radios.zigbee import ZigbeeRadio
from tests.contracts.zigbee_house import FAST, INSTALL_CODE, ZONE, House, house, ieee

if TYPE_CHECKING:
    from pathlib import Path

FRONT, BACK = ieee(1), ieee(2)
LOCK = 0x0101
LOCKS = (
    {"name": "front", "profile": "yale-yrd", "ieee": FRONT, "install_code": INSTALL_CODE.hex()},
    {"name": "back", "profile": "kwikset-smartcode", "ieee": BACK},
)
CANARY = "583920174"
LONG_CODES = {"max_code_length": 10}


def set_pin(slot: int = 4, code: str = "583920") -> ClusterRequest:
    fields = {"user_id": slot, "user_status": 1, "user_type": 0, "pin_code": code}
    return ClusterRequest(1, LOCK, 0x05, fields)


def get_pin(slot: int = 4) -> ClusterRequest:
    return ClusterRequest(1, LOCK, 0x06, {"user_id": slot}, asks_only=True)


@pytest.mark.parametrize("ezsp", [13, 16])
async def test_a_network_is_formed_a_lock_joins_and_both_are_there_after_a_restart(
    tmp_path: Path, ezsp: int
) -> None:
    async with house(tmp_path, LOCKS, ezsp=ezsp) as home:
        node = await home.join("front", FRONT, INSTALL_CODE)
        assert (node.manufacturer, node.model) == ("Yale", "YRD256 TSDB")
        assert not node.well_known_key
    async with house(tmp_path, LOCKS, ezsp=ezsp) as home:
        assert not any(isinstance(event, NodeReady) for event in home.events)
        assert [node.address for node in home.radio.nodes()] == [FRONT]
        reply = await home.radio.request(FRONT, get_pin(), deadline_s=5)
        assert reply.fields["user_status"] == 0
    assert (tmp_path / "zigbee.db").stat().st_mode & 0o777 == 0o600


class TestJoining:
    async def test_tells_its_progress(self, tmp_path: Path) -> None:
        async with house(tmp_path, LOCKS) as home:
            await home.door.call("join", device="front")
            order = JoinOrder(FRONT.upper(), INSTALL_CODE, duration_s=600)
            progress = [step async for step in home.radio.open_joining(order)]
            stages = list(dict.fromkeys(step.stage for step in progress))
            assert stages == [
                JoinStage.OPEN,
                JoinStage.FOUND,
                JoinStage.INTERVIEWING,
                JoinStage.READY,
            ]
            assert progress[0].remaining_s <= 180
            assert all(step.address == FRONT for step in progress)
            assert not home.world.ncp.joinable

    async def test_another_install_code_admits_nobody(self, tmp_path: Path) -> None:
        async with house(tmp_path, LOCKS) as home:
            await home.door.call("join", device="front")
            order = JoinOrder(FRONT, _with_crc(bytes(16)), duration_s=2)
            progress = [step async for step in home.radio.open_joining(order)]
            assert progress[-1].stage in (JoinStage.CLOSED, JoinStage.FAILED)
            assert not (await home.state("front"))["joined"]

    async def test_a_mistyped_install_code_is_refused_and_not_repeated(
        self, tmp_path: Path
    ) -> None:
        async with house(tmp_path, LOCKS) as home:
            wrong = bytes([INSTALL_CODE[0] ^ 1, *INSTALL_CODE[1:]])
            with pytest.raises(RadioRefused) as refused:
                _ = [step async for step in home.radio.open_joining(JoinOrder(FRONT, wrong))]
            assert wrong.hex() not in str(refused.value)
            assert refused.value.__cause__ is None

    @pytest.mark.parametrize("order", [JoinOrder(FRONT), JoinOrder(None, INSTALL_CODE)])
    async def test_what_was_not_chosen_aloud_is_refused(
        self, tmp_path: Path, order: JoinOrder
    ) -> None:
        async with house(tmp_path, LOCKS) as home:
            with pytest.raises(RadioRefused):
                _ = [step async for step in home.radio.open_joining(order)]
            assert not home.world.ncp.joinable

    async def test_the_well_known_key_is_flagged_for_good(self, tmp_path: Path) -> None:
        async with house(tmp_path, LOCKS) as home:
            assert (await home.join("back", BACK)).well_known_key
        async with house(tmp_path, LOCKS) as home:
            assert home.node(BACK).well_known_key

    async def test_who_was_not_ordered_is_sent_away(self, tmp_path: Path) -> None:
        extra = (*LOCKS, {"name": "side", "profile": "kwikset-smartcode", "ieee": ieee(3)})
        async with house(tmp_path, extra) as home:
            await home.door.call("join", device="side")
            order = JoinOrder(BACK, None, allow_well_known_key=True)
            async for step in home.radio.open_joining(order):
                if step.stage is JoinStage.OPEN:
                    await home.event(NodeLeft, address=ieee(3))
                    await home.door.call("join", device="back")
            assert [node.address for node in home.radio.nodes()] == [BACK]

    async def test_one_order_at_a_time_and_leaving_it_closes_the_network(
        self, tmp_path: Path
    ) -> None:
        async with house(tmp_path, LOCKS) as home:
            order = JoinOrder(FRONT, INSTALL_CODE)
            first = home.radio.open_joining(order)
            assert (await anext(first)).stage is JoinStage.OPEN
            assert home.world.ncp.joinable
            with pytest.raises(RadioBusy):
                await anext(home.radio.open_joining(order))
            assert home.world.ncp.joinable
            await first.aclose()  # type: ignore[attr-defined]  # an async generator
            assert not home.world.ncp.joinable

    async def test_forget_a_node_that_answers(self, tmp_path: Path) -> None:
        async with house(tmp_path, LOCKS) as home:
            await home.join("front", FRONT, INSTALL_CODE)
            await home.radio.forget(FRONT)
            await home.event(NodeLeft, address=FRONT)
            assert home.radio.nodes() == ()
            node = home.world.network.nodes["front"]
            async with asyncio.timeout(10):
                await node.until(lambda: not node.joined)

    async def test_forget_a_node_that_does_not_answer(self, tmp_path: Path) -> None:
        async with house(tmp_path, LOCKS) as home:
            await home.join("front", FRONT, INSTALL_CODE)
            await home.door.call("out_of_range", device="front")
            await home.radio.forget(FRONT)
            assert home.radio.nodes() == ()
            with pytest.raises(Unreachable):
                await home.radio.request(FRONT, get_pin(), deadline_s=1)

    async def test_who_was_forgotten_while_away_is_sent_away_when_it_comes_back(
        self, tmp_path: Path
    ) -> None:
        async with house(tmp_path, LOCKS) as home:
            await home.join("front", FRONT, INSTALL_CODE)
            await home.radio.bind(FRONT, BindAndReport(1, LOCK, {}), deadline_s=5)
            await home.door.call("out_of_range", device="front")
            await home.radio.forget(FRONT)
        async with house(tmp_path, LOCKS) as home:
            await home.door.call("in_range", device="front")
            await home.door.call("thumb_turn", device="front", to="unlocked")
            node = home.world.network.nodes["front"]
            async with asyncio.timeout(20):
                await node.until(lambda: not node.joined)
            assert home.radio.nodes() == ()
            assert (await home.join("front", FRONT, INSTALL_CODE)).address == FRONT

    async def test_a_lock_that_was_reset_joins_again(self, tmp_path: Path) -> None:
        async with house(tmp_path, LOCKS) as home:
            await home.join("front", FRONT, INSTALL_CODE)
            await home.door.call("factory_reset", device="front")
            home.events.clear()
            await home.join("front", FRONT, INSTALL_CODE)
            assert await home.event(NodeReady)
            assert (await home.radio.request(FRONT, get_pin(), deadline_s=5)).fields


class TestExchanges:
    async def test_read_write_bind_and_what_a_lock_refuses(self, tmp_path: Path) -> None:
        async with house(tmp_path, LOCKS) as home:
            await home.join("front", FRONT, INSTALL_CODE)
            radio = home.radio
            many = (*range(0x0011, 0x0019), 0x7777)
            reply = await radio.read(FRONT, ReadAttributes(1, LOCK, many), deadline_s=5)
            assert reply.fields["18"] == 250
            assert "30583" not in reply.fields
            assert {type(value) for value in reply.fields.values()} <= {int, bool, str, bytes}
            await radio.write(FRONT, WriteAttributes(1, LOCK, {0x0041: 0xFFFF}), deadline_s=5)
            with pytest.raises(DeviceRefused) as refused:
                await radio.write(FRONT, WriteAttributes(1, LOCK, {0x0012: 5}), deadline_s=5)
            assert refused.value.refusal is Refusal.UNSUPPORTED
            await radio.bind(FRONT, BindAndReport(1, LOCK, {0: (0, 60, 1)}), deadline_s=5)
            await home.door.call("thumb_turn", device="front", to="unlocked")
            report = await home.event(AttributeReported, address=FRONT, attribute=0)
            assert report.value in (1, 2)

    async def test_a_command_the_lock_does_not_have(self, tmp_path: Path) -> None:
        async with house(tmp_path, LOCKS) as home:
            await home.join("back", BACK)
            schedule = ClusterRequest(
                2, LOCK, 0x0F, {"schedule_id": 0, "user_id": 1}, asks_only=True
            )
            reply = await home.radio.request(BACK, schedule, deadline_s=5)
            assert reply.is_default_response
            assert reply.fields["status"] == 0x81

    async def test_what_we_ask_wrongly_never_reaches_the_air(self, tmp_path: Path) -> None:
        async with house(tmp_path, LOCKS) as home:
            await home.join("front", FRONT, INSTALL_CODE)
            for request in (
                ClusterRequest(1, LOCK, 0x05, {"user_id": "four"}),
                ClusterRequest(1, LOCK, 0x05, {"nonsense": 4}),
                ClusterRequest(1, LOCK, 0xEE),
                ClusterRequest(9, LOCK, 0x00),
                ClusterRequest(1, 0x0B04, 0x00),
            ):
                with pytest.raises(LocalProtocolError):
                    await home.radio.request(FRONT, request, deadline_s=5)
            assert "set_pin_code" not in (await home.state("front"))["commands_received"]

    async def test_a_slow_lock_is_written_to_once(self, tmp_path: Path) -> None:
        async with house(tmp_path, LOCKS) as home:
            await home.join("front", FRONT, INSTALL_CODE)
            await home.door.call("arm", device="front", fault="slow", on="set_*", seconds=1.0)
            with pytest.raises(OutcomeUnknown):
                await home.radio.request(FRONT, set_pin(), deadline_s=0.3)
            await home.door.call("wait", device="front", kind="code_added", timeout_s=10)
            assert (await home.state("front"))["commands_received"]["set_pin_code"] == 1

    async def test_a_lost_answer_is_unknown_for_an_order_and_nothing_for_a_question(
        self, tmp_path: Path
    ) -> None:
        async with house(tmp_path, LOCKS) as home:
            await home.join("front", FRONT, INSTALL_CODE)
            lost = {"device": "front", "fault": "applied-but-answer-lost", "count": 1}
            await home.door.call("arm", on="set_pin_code", **lost)
            with pytest.raises(OutcomeUnknown):
                await home.radio.request(FRONT, set_pin(), deadline_s=0.5)
            await home.door.call("arm", on="get_pin_code", **lost)
            with pytest.raises(Unreachable):
                await home.radio.request(FRONT, get_pin(), deadline_s=0.5)
            assert (await home.state("front"))["slots"]["4"]["code"] == "583920"

    async def test_out_of_range_and_back(self, tmp_path: Path) -> None:
        async with house(tmp_path, LOCKS) as home:
            await home.join("front", FRONT, INSTALL_CODE)
            await home.door.call("out_of_range", device="front")
            with pytest.raises(Unreachable):
                await home.radio.request(FRONT, get_pin(), deadline_s=5)
            await home.door.call("in_range", device="front")
            assert (await home.radio.request(FRONT, get_pin(), deadline_s=5)).fields

    async def test_who_is_not_in_the_network(self, tmp_path: Path) -> None:
        async with house(tmp_path, LOCKS) as home:
            with pytest.raises(Unreachable):
                await home.radio.request(ieee(99), get_pin(), deadline_s=5)

    async def test_a_code_at_the_door_is_told(self, tmp_path: Path) -> None:
        async with house(tmp_path, LOCKS) as home:
            await home.join("front", FRONT, INSTALL_CODE)
            await home.radio.request(FRONT, set_pin(), deadline_s=5)
            await home.radio.bind(FRONT, BindAndReport(1, LOCK, {}), deadline_s=5)
            home.events.clear()
            assert (await home.door.call("type_code", device="front", code="583920"))["opened"]
            event = await home.event(ClusterCommandReceived, address=FRONT, command_id=0x20)
            assert event.fields["user_id"] == 4
            assert await home.event(Heard, address=FRONT)

    async def test_an_event_with_the_number_of_an_open_question_is_no_answer_and_not_lost(
        self, tmp_path: Path
    ) -> None:
        """A lock numbers what it says by itself from 0 to 255, as zigpy numbers what it asks."""
        async with house(tmp_path, LOCKS) as home:
            await home.join("front", FRONT, INSTALL_CODE)
            await home.radio.bind(FRONT, BindAndReport(1, LOCK, {}), deadline_s=5)
            slow = {"device": "front", "fault": "slow", "on": "get_pin_code", "seconds": 60.0}
            await home.door.call("arm", **slow)
            home.events.clear()
            asking = asyncio.create_task(home.radio.request(FRONT, get_pin(), deadline_s=30))
            for number in range(256):
                to = "unlocked" if number % 2 == 0 else "locked"
                await home.door.call("thumb_turn", device="front", to=to)
            await home.until(lambda: sum(map(_is_operation, home.events)) == 256)
            with pytest.raises(Unreachable):
                await asking


def _is_operation(event: object) -> bool:
    return isinstance(event, ClusterCommandReceived) and event.command_id == 0x20


class TestBreaking:
    async def test_nothing_can_be_asked_of_a_radio_that_is_down(self, tmp_path: Path) -> None:
        radio = ZigbeeRadio(
            str(tmp_path / "no-stick"),
            tmp_path / "zigbee.db",
            channel=15,
            clock=SystemClock(ClockTrust.TRUSTED),
            zone=ZONE,
            pace=FAST,
        )
        changed = asyncio.Event()
        radio.listen(lambda event: changed.set() if isinstance(event, StateChanged) else None)
        running = asyncio.create_task(radio.run())
        async with asyncio.timeout(10):
            while radio.state.status is not RadioStatus.DOWN or "not started" in radio.state.reason:
                changed.clear()
                await changed.wait()
        assert "no-stick" in radio.state.reason
        assert radio.nodes() == ()
        for asking in (
            radio.request(FRONT, get_pin(), deadline_s=5),
            radio.read(FRONT, ReadAttributes(1, LOCK, (0,)), deadline_s=5),
            radio.write(FRONT, WriteAttributes(1, LOCK, {0x41: 1}), deadline_s=5),
            radio.bind(FRONT, BindAndReport(1, LOCK, {}), deadline_s=5),
            radio.forget(FRONT),
        ):
            with pytest.raises(RadioUnavailable):
                await asking
        with pytest.raises(RadioUnavailable):
            await anext(radio.open_joining(JoinOrder(FRONT, INSTALL_CODE)))
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    @pytest.mark.parametrize("action", ["drop", "reset"])
    async def test_a_stick_that_goes_away_comes_back_by_itself(
        self, tmp_path: Path, action: str
    ) -> None:
        async with house(tmp_path, LOCKS) as home:
            await home.join("front", FRONT, INSTALL_CODE)
            await self._breaks_and_heals(home, action)

    async def test_a_hung_stick_is_found_by_the_probe(self, tmp_path: Path) -> None:
        async with house(tmp_path, LOCKS) as home:
            await home.join("front", FRONT, INSTALL_CODE)
            home.events.clear()
            await home.door.call("radio", action="mute_ezsp")
            asking = asyncio.create_task(home.radio.request(FRONT, get_pin(), deadline_s=2))
            await home.until(lambda: home.radio.state.status is RadioStatus.DOWN)
            states = [e.state.status for e in home.events if isinstance(e, StateChanged)]
            assert states == [RadioStatus.DEGRADED, RadioStatus.DOWN]
            await home.door.call("radio", action="unmute")
            await home.up()
            with pytest.raises((Unreachable, RadioUnavailable)):
                await asking
            assert (await home.radio.request(FRONT, get_pin(), deadline_s=5)).fields

    async def test_an_order_in_flight_when_the_stick_goes_away_is_unknown(
        self, tmp_path: Path
    ) -> None:
        async with house(tmp_path, LOCKS) as home:
            await home.join("front", FRONT, INSTALL_CODE)
            await home.door.call("arm", device="front", fault="withhold-answer", on="set_pin_code")
            asking = asyncio.create_task(home.radio.request(FRONT, set_pin(), deadline_s=2))
            await home.door.call("wait", device="front", fault="withhold-answer", timeout_s=10)
            await home.door.call("radio", action="drop")
            with pytest.raises(OutcomeUnknown):
                await asking

    async def _breaks_and_heals(self, home: House, action: str) -> None:
        home.events.clear()
        await home.door.call("radio", action=action)
        await home.until(lambda: any(isinstance(e, StateChanged) for e in home.events))
        await home.up()
        assert (await home.radio.request(FRONT, get_pin(), deadline_s=5)).fields


async def test_digits_stay_out_of_the_librarys_files_and_logs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nimly = {
        "name": "front",
        "profile": "nimly",
        "ieee": FRONT,
        "overrides": {**LONG_CODES, "command_time_s": 0.0},
    }
    caplog.set_level(logging.DEBUG)
    async with house(tmp_path, [nimly]) as home:
        await home.join("front", FRONT)
        fields = {"user_id": 4, "user_status": 1, "user_type": 0, "pin_code": CANARY}
        request = ClusterRequest(11, LOCK, 0x05, fields)
        reply = await home.radio.request(FRONT, request, deadline_s=5)
        assert reply.fields == {"status": 0}
        await home.radio.bind(FRONT, BindAndReport(11, LOCK, {}), deadline_s=5)
        await home.door.call("type_code", device="front", code=CANARY)
        event = await home.event(ClusterCommandReceived, address=FRONT, command_id=0x20)
        assert CANARY not in repr((request, event))
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("zigbee*"))
    packed = bytes.fromhex(CANARY + "f")
    for shape in (CANARY.encode(), packed, CANARY.encode().hex().encode()):
        assert shape not in stored
        assert shape.decode("latin-1") not in caplog.text


def _with_crc(code: bytes) -> bytes:
    """CRC-16/X-25, as on the label."""
    crc = 0xFFFF
    for byte in code:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 if crc & 1 else crc >> 1
    return code + (crc ^ 0xFFFF).to_bytes(2, "little")
