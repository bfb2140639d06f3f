"""A Nuki in a world file: its settings, the truth about it, its memory on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from firmware_sims.clock import VirtualTimebase
from firmware_sims.control.operations import Operations
from firmware_sims.world import World, WorldError, parse_world
from tests.unit.sims.lock_bench import MONDAY_NOON

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(32))
FRONT = {
    "name": "front",
    "family": "nuki",
    "profile": "nuki-smartlock-3",
    "address": "D4:D2:72:1A:2B:3C",
    "timezone": "Europe/Berlin",
    "settings": {"auth_key": KEY.hex(), "auth_id": 9},
}


def world(state: Path | None = None, **changes: Any) -> World:
    spec = parse_world({"ble": [{**FRONT, **changes}]})
    return World(spec, VirtualTimebase(MONDAY_NOON), state)


async def call(of: World, op: str, **arguments: Any) -> Any:
    return await Operations(of).call(op, {"device": "front", **arguments})


async def test_the_truth_is_told() -> None:
    house = world()
    await call(house, "set_code_by_hand", slot=1, code="482913")
    assert (await call(house, "type_code", code="482913"))["opened"]
    state = await call(house, "state")
    assert state["slots"]["1"]["code"] == "482913"
    (held,) = state["authorizations"]
    assert (held["auth_id"], held["key"]) == ("09000000", KEY.hex())
    assert state["codes"]["1"]["code"] == "482913"
    assert state["codes"]["1"]["count"] == 1
    assert (state["wall_clock"], state["lock_state"]) == ("2026-07-06T12:00:00", "unlocked")
    assert (state["security_pin"], state["pairing"]) == (4711, False)


async def test_the_button_is_held_down() -> None:
    house = world()
    assert await call(house, "act", action="press_pairing_button") == {"pairing": True}
    assert (await call(house, "state"))["pairing"]


async def test_memory_on_disk(tmp_path: Path) -> None:
    house = world(tmp_path)
    await call(house, "set_code_by_hand", slot=1, code="482913")
    await call(house, "type_code", code="482913")
    before = await call(house, "state")
    house.save()
    # What the memory holds comes before what the file says.
    again = world(tmp_path, settings={})
    state = await call(again, "state")
    own = ("authorizations", "codes", "config", "log_records", "wall_clock", "state_unread")
    assert {key: state[key] for key in own} == {key: before[key] for key in own}
    assert state["slots"] == before["slots"]


async def test_a_factory_reset_leaves_it_to_be_claimed(tmp_path: Path) -> None:
    house = world(tmp_path)
    await call(house, "factory_reset")
    state = await call(house, "state")
    assert not state["claimed"]
    assert state["codes"] == {}


@pytest.mark.parametrize("name", ["nuki-smartlock-3", "nuki-ultra"])
def test_its_profiles_make_a_lock(name: str) -> None:
    (lock,) = world(profile=name, settings={}).devices.values()
    assert lock.peripheral.advertising is not None  # type: ignore[attr-defined]


@pytest.mark.parametrize("settings", [{"auth_key": "beef"}, {"auth_key": "zz"}, {"auth_id": 0}])
def test_a_wrong_setting_is_named(settings: dict[str, Any]) -> None:
    with pytest.raises(WorldError, match=f"'front'.*{next(iter(settings))}"):
        world(settings=settings)
