"""The control interface over a real socket: someone at the door, the truth, faults, streams."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from firmware_sims.clock import LoopTimebase
from firmware_sims.control import ControlClient, ControlError, ControlServer
from firmware_sims.control.operations import Operations
from firmware_sims.firmware.model import Source, UserStatus, UserType
from firmware_sims.world import World, parse_world

WORLD = {
    "node": [
        {"name": "front", "profile": "yale-yrd", "ieee": "01", "timezone": "Europe/Zurich"},
        {"name": "side", "profile": "kwikset-smartcode", "ieee": "02"},
    ]
}


@pytest.fixture
async def world() -> World:
    return World(parse_world(WORLD), LoopTimebase())


@pytest.fixture
async def door(world: World, tmp_path: Path) -> AsyncIterator[ControlClient]:
    server = ControlServer(Operations(world), world.journal, tmp_path / "control")
    async with server, ControlClient(server.address) as client:
        yield client


def give(world: World, device: str, slot: int, code: str) -> None:
    world.lock(device).firmware.users.set_code(
        slot, code, UserStatus.ENABLED, UserType.UNRESTRICTED, Source.RADIO
    )


async def test_a_code_at_the_door(door: ControlClient, world: World) -> None:
    give(world, "front", 3, "482913")
    assert await door.call("type_code", device="front", code="482913") == {
        "opened": True,
        "reason": "opened",
        "slot": 3,
    }
    refused = await door.call("type_code", device="front", code="000000")
    assert (refused["opened"], refused["reason"]) == (False, "unknown_code")


async def test_the_truth(door: ControlClient, world: World) -> None:
    give(world, "front", 3, "482913")
    await door.call("thumb_turn", device="front", to="unlocked")
    await door.call("battery", device="front", percent=12)
    state = await door.call("state", device="front")
    assert state["slots"] == {
        "3": {
            "code": "482913",
            "status": "enabled",
            "type": "unrestricted",
            "week_day": {},
            "year_day": {},
            "writes": 1,
        }
    }
    assert (state["bolt"], state["battery_percent"], state["total_writes"]) == ("unlocked", 12, 1)
    assert state["clock"]["standard_offset_s"] == 3600


async def test_jam_door_hand_set_code_purge_and_reset(door: ControlClient, world: World) -> None:
    assert (await door.call("set_code_by_hand", device="side", slot=5, code="7788"))["done"]
    taken = await door.call("set_code_by_hand", device="side", slot=6, code="7788")
    assert taken == {"done": False, "reason": "duplicate"}
    await door.call("jam", device="side")
    assert (await door.call("type_code", device="side", code="7788"))["reason"] == "jammed"
    await door.call("unjam", device="side")
    await door.call("door", device="side", open=True)
    await door.call("clear_codes", device="side")
    assert not world.lock("side").firmware.users.users
    give(world, "side", 1, "1234")
    await door.call("factory_reset", device="side")
    kinds = [entry["kind"] for entry in (await door.call("log", device="side"))["entries"]]
    assert kinds == [
        "code_added",
        "jammed",
        "jam_cleared",
        "door_opened",
        "code_deleted",
        "code_added",
        "factory_reset",
    ]


async def test_the_clock_is_turned_and_read(door: ControlClient) -> None:
    clock = await door.call("clock", device="front", offset_s=-600, drift_ppm=50)
    assert clock["error_s"] == pytest.approx(-600, abs=1)
    assert (await door.call("clock", device="front"))["drift_ppm"] == 50


async def test_waiting_for_an_event_that_comes_and_for_one_that_does_not(
    door: ControlClient, world: World
) -> None:
    waiting = asyncio.create_task(
        door.call("wait", device="front", kind="unlocked", slot=3, timeout_s=10)
    )
    give(world, "front", 3, "482913")
    await door.call("type_code", device="front", code="482913")
    entry = await waiting
    assert (entry["device"], entry["kind"], entry["slot"]) == ("front", "unlocked", 3)
    past = await door.call("wait", device="front", kind="unlocked", timeout_s=0)
    assert past == entry
    with pytest.raises(ControlError, match="nothing matched"):
        await door.call("wait", device="front", kind="unlocked", after=entry["n"], timeout_s=0.01)


async def test_faults_are_armed_listed_and_disarmed(door: ControlClient) -> None:
    armed = await door.call("arm", device="front", fault="slow", on="set_pin_code", seconds=3)
    listed = await door.call("faults", device="front")
    assert listed["armed"] == [armed]
    assert "withhold-answer" in listed["known"]
    assert await door.call("disarm", device="front", number=armed["number"]) == [armed]
    await door.call("arm", device="front", fault="dead")
    assert (await door.call("type_code", device="front", code="1"))["reason"] == "dead"
    await door.call("disarm", device="front")
    assert (await door.call("state", device="front"))["powered"]


async def test_a_stream_of_events_starts_with_the_past(door: ControlClient, world: World) -> None:
    give(world, "front", 3, "482913")
    stream = door.events(after=0)
    assert (await anext(stream))["kind"] == "code_added"
    await door.call("thumb_turn", device="front", to="unlocked")
    entry = await anext(stream)
    assert (entry["n"], entry["kind"]) == (2, "manual_unlocked")
    await stream.aclose()  # type: ignore[attr-defined]  # an async generator has it


@pytest.mark.parametrize(
    ("op", "arguments", "message"),
    [
        ("typecode", {}, "unknown op 'typecode'; known: act, adapter, arm, .*type_code"),
        ("type_code", {"device": "back", "code": "1"}, "unknown device 'back'; known: front, side"),
        ("type_code", {"device": "front"}, "missing a required argument: 'code'; it takes device"),
        ("type_code", {"device": "front", "code": 482913}, "type_code: code must be str$"),
        ("door", {"device": "front", "open": 1}, "door: open must be bool"),
        ("join", {"device": "front"}, "'front' has no radio"),
        ("radio", {"action": "reset"}, "no coordinator"),
        ("wait", {"kind": "opened"}, "unknown kind 'opened'; known: fault, locked"),
        ("arm", {"device": "front", "fault": "sloow"}, "unknown fault 'sloow'"),
        ("subscribe", {"before": 1}, "subscribe: got an unexpected keyword argument 'before'"),
    ],
)
async def test_a_request_that_cannot_be_done_says_what_could(
    door: ControlClient, op: str, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ControlError, match=message) as refused:
        await door.call(op, **arguments)
    assert "482913" not in str(refused.value)


async def test_lines_that_are_no_requests_do_not_end_the_connection(
    door: ControlClient, tmp_path: Path
) -> None:
    reader, writer = await asyncio.open_unix_connection(tmp_path / "control")
    for line in (b"hello\n", b"[1]\n", b'{"id": 4}\n', b'{"id": 5, "op": "devices"}\n'):
        writer.write(line)
    answers = [json.loads(await reader.readline()) for _ in range(4)]
    assert [answer["ok"] for answer in answers] == [False, False, False, True]
    assert [answer["id"] for answer in answers] == [None, None, 4, 5]
    writer.close()
    await writer.wait_closed()


async def test_over_loopback_tcp_and_gone(world: World) -> None:
    async with ControlServer(Operations(world), world.journal) as server:
        client = ControlClient(server.address)
        await client.__aenter__()
        assert len(await client.call("devices")) == 2
        waiting = asyncio.create_task(client.call("wait", kind="jammed", timeout_s=30))
        await client.call("devices")
    with pytest.raises(ControlError, match="gone away"):
        await waiting
    with pytest.raises(ControlError, match="not connected"):
        await client.call("devices")
    await client.__aexit__()
