"""A TTLock in a world file: its settings, the truth about it, its memory on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from firmware_sims.clock import VirtualTimebase
from firmware_sims.control.arguments import OperationError
from firmware_sims.control.operations import Operations
from firmware_sims.world import World, WorldError, parse_world
from tests.unit.sims.lock_bench import MONDAY_NOON
from tests.unit.sims.ttlock_bench import ADMIN_PS, KEY, UNLOCK_KEY

if TYPE_CHECKING:
    from pathlib import Path

FRONT = {
    "name": "front",
    "family": "ttlock",
    "profile": "ttlock-deadbolt",
    "address": "38:38:E5:1D:71:FE",
    "timezone": "Europe/Berlin",
    "settings": {"aes_key": KEY.hex(), "admin_ps": ADMIN_PS, "unlock_key": UNLOCK_KEY},
}


def world(state: Path | None = None, **changes: Any) -> World:
    spec = parse_world({"ble": [{**FRONT, **changes}]})
    return World(spec, VirtualTimebase(MONDAY_NOON), state)


async def call(of: World, op: str, **arguments: Any) -> Any:
    return await Operations(of).call(op, {"device": "front", **arguments})


async def test_the_truth_is_told() -> None:
    house = world()
    await call(house, "set_code_by_hand", slot=1, code="482913")
    state = await call(house, "state")
    assert state["slots"]["1"]["code"] == "482913"
    assert state["keys"] == {
        "aes_key": KEY.hex(), "admin_ps": ADMIN_PS, "unlock_key": UNLOCK_KEY, "flag_pos": 0,
    }  # fmt: skip
    assert state["wall_clock"] == "2026-07-06T12:00:00"
    assert state["log_unread"]


async def test_actions_and_the_reader() -> None:
    house = world()
    await call(house, "act", action="touch_keypad")
    assert (await call(house, "act", action="revoke_keys"))["flag_pos"] == 1
    assert (await call(house, "act", action="write_record", type=84, tail="0000000004d2")) == {
        "number": 0
    }
    assert (await call(house, "present", token=77))["reason"] == "unknown_token"
    with pytest.raises(OperationError):
        await call(house, "act", action="dance")
    for record, tail in ((0, ""), (84, "4d2"), (84, "00" * 65)):
        with pytest.raises(OperationError, match="a type from 1 to 255"):
            await call(house, "act", action="write_record", type=record, tail=tail)


async def test_memory_on_disk(tmp_path: Path) -> None:
    house = world(tmp_path)
    await call(house, "set_code_by_hand", slot=1, code="482913")
    house.save()
    # What the memory holds comes before what the file says.
    again = world(tmp_path, settings={})
    state = await call(again, "state")
    assert state["claimed"]
    assert state["slots"]["1"]["code"] == "482913"
    assert (tmp_path / "front.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"colour": "red"}, "device 'front': a TTLock has no 'colour'"),
        (
            {"aes_key": KEY.hex()},
            "device 'front': aes_key, admin_ps and unlock_key belong together",
        ),
        ({"log_page_bytes": 300}, "device 'front': log_page_bytes and list_page_bytes are at most"),
    ],
)
def test_settings_that_are_wrong_name_the_device(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(WorldError, match=message):
        world(settings=settings)


async def test_faults_by_their_names() -> None:
    house = world()
    armed = await call(house, "arm", fault="full")
    assert armed["on"] == "add_code"
    with pytest.raises(OperationError, match="means nothing to this device"):
        await call(house, "arm", fault="byte-swapped-user-id")
