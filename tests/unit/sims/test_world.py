"""World files and memory on disk: what is read, what is refused, what survives a restart."""

from pathlib import Path

import pytest

from firmware_sims.clock import VirtualTimebase
from firmware_sims.faults import Fault
from firmware_sims.firmware.model import Source, UserStatus, UserType
from firmware_sims.profiles import ProfileError
from firmware_sims.world import World, WorldError, parse_world, read_world

FOUR_DOORS = Path(__file__).parents[3] / "firmware-sims" / "worlds" / "four-doors.toml"
NODE = {"name": "front", "profile": "yale-yrd", "ieee": "00:0d:6f:00:0f:00:00:01"}


def test_the_example_world_is_usable() -> None:
    spec = read_world(FOUR_DOORS)
    world = World(spec, VirtualTimebase(1_790_000_000))
    assert list(world.locks) == ["front", "side", "flat-12", "garage"]
    kept = [lock.spec.profile.schedules for lock in world.locks.values()]
    assert kept == ["kept", "unsupported", "ignored", "unsupported"]
    assert world.lock("garage").spec.profile.slots == 5
    assert world.lock("flat-12").application.identity.sleepy


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"nodes": []},
            "the world has no 'nodes'; known: adapter, air, ble, ble_air, ezsp, node, seed",
        ),
        ({"node": [{}]}, "lacks its name"),
        ({"node": [{**NODE, "colour": "red"}]}, "node 'front' has no 'colour'"),
        ({"node": [{"name": "front", "ieee": "1"}]}, "node 'front' lacks 'profile'"),
        ({"node": [NODE, NODE]}, "two nodes have the same name"),
        ({"node": [NODE, {**NODE, "name": "back"}]}, "two nodes have the same ieee"),
        ({"node": [{**NODE, "ieee": "front"}]}, "node 'front': invalid literal"),
        ({"node": [{**NODE, "timezone": "Mars/Base"}]}, "'Mars/Base' is not an IANA time zone"),
        ({"node": [{**NODE, "overrides": {"slots": "9"}}]}, "slots must be int, got '9'"),
        ({"ezsp": "13"}, "ezsp must be int, got '13'"),
        ({"air": {"loss": -1}}, r"\[air\] loss must be a number"),
        ({"air": {"los": 0.1}}, r"\[air\] has no 'los'"),
    ],
)
def test_a_world_that_is_wrong_says_where(data: dict[str, object], message: str) -> None:
    with pytest.raises((WorldError, ProfileError), match=message):
        parse_world(data)


def test_an_impossible_fault_names_its_node() -> None:
    spec = parse_world({"node": [{**NODE, "fault": [{"fault": "slow", "onn": "x"}]}]})
    with pytest.raises(WorldError, match="node 'front': fault"):
        World(spec, VirtualTimebase(0))


def test_locks_remember_over_a_restart(tmp_path: Path) -> None:
    spec = parse_world({"node": [NODE]})
    time = VirtualTimebase(1_790_000_000)
    first = World(spec, time, tmp_path).lock("front").firmware
    first.users.set_code(3, "482913", UserStatus.ENABLED, UserType.UNRESTRICTED, Source.RADIO)
    time.advance(0)
    second = World(spec, time, tmp_path).lock("front")
    assert second.firmware.users.users == first.users.users
    assert second.firmware.users.writes.total() == 1
    assert (tmp_path / "front.json").stat().st_mode & 0o777 == 0o600


def test_a_damaged_memory_is_named_and_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "front.json").write_text("{", encoding="utf-8")
    with pytest.raises(WorldError, match=r"memory of 'front' in .*front\.json is not readable"):
        World(parse_world({"node": [NODE]}), VirtualTimebase(0), tmp_path)
    assert (tmp_path / "front.json").read_text(encoding="utf-8") == "{"


def test_two_locks_have_chances_of_their_own_and_the_seed_repeats_them() -> None:
    def draws(seed: int) -> list[list[bool]]:
        nodes = [{**NODE, "name": name, "ieee": str(n)} for n, name in enumerate("ab", 1)]
        world = World(parse_world({"node": nodes, "seed": seed}), VirtualTimebase(0))
        for lock in world.locks.values():
            lock.faults.arm("busy", rate=0.5)
        return [
            [lock.faults.strike(Fault.BUSY, "set_pin_code", 1) is not None for _ in range(30)]
            for lock in world.locks.values()
        ]

    assert draws(1) == draws(1)
    assert draws(1)[0] != draws(1)[1]
