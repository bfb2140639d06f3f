"""Identity to driver and facts; the file of quirks is held to its own rules."""

from __future__ import annotations

import subprocess
import sys
from typing import cast

import pytest

from gateway.drivers.api import ClockKeeper, CredentialStore, Latch
from gateway.drivers.catalog import driver_for, facts_for, parse, quirks
from gateway.drivers.zcl_lock.facts import ModelFacts
from gateway.errors import ConfigError
from gateway.radios.api import ClusterRadio, EndpointInfo, NodeInfo

NO_RADIO = cast("ClusterRadio", None)


def node(
    manufacturer: str, model: str, endpoint: int = 1, clusters: frozenset[int] = frozenset({0x0101})
) -> NodeInfo:
    info = EndpointInfo(endpoint, 260, 10, clusters, frozenset())
    return NodeInfo("00:11:22:33:44:55:66:77", manufacturer, model, (info,), True, False)


@pytest.mark.parametrize(
    ("manufacturer", "model", "name", "offset", "slots"),
    [
        ("Yale", "YRD256 TSDB", "yale", 0, 250),
        ("ASSA ABLOY iRevo", "06e01d2d", "yale", 0, 250),
        ("Yale", "YRD246 TSDB", "yale-whole-percent", 0, 250),
        ("Kwikset", "SMARTCODE_DEADBOLT_10T", "kwikset", -1, 30),
        ("Weiser", "SMARTCODE_DEADBOLT_10", "kwikset", -1, 30),
        ("Schlage", "BE468", "schlage", -1, 30),
        ("Datek Wireless AS", "ID Lock 150", "id-lock", 0, 109),
        ("Onesti Products AS", "NimlyPRO", "nimly", -1, 1000),
        ("Onesti Products AS", "easyCodeTouch_v1", "easycode", -1, 1000),
        ("Danalock", "V3-BTZB", "danalock", -1, 20),
    ],
)
def test_models(manufacturer: str, model: str, name: str, offset: int, slots: int) -> None:
    facts = facts_for(node(manufacturer, model))
    assert facts.names[0] == name
    assert (facts.slot_offset, facts.slots) == (offset, slots)


@pytest.mark.parametrize("model", ["NimlyPRO", "EasyFingerTouch"])
def test_user_ids_of_master_codes_are_left_alone(model: str) -> None:
    assert facts_for(node("Onesti Products AS", model)).reserved_slots == {1, 2, 3}


def test_an_unknown_model_is_spoken_to_by_the_specification() -> None:
    assert facts_for(node("Nobody", "Lock")) == ModelFacts()


def test_the_right_endpoint_is_needed() -> None:
    assert driver_for(node("Kwikset", "X", endpoint=2), NO_RADIO, "UTC") is not None
    assert driver_for(node("Kwikset", "X", endpoint=1), NO_RADIO, "UTC") is None


def test_what_is_no_lock_has_no_driver() -> None:
    assert driver_for(node("Yale", "Lamp", clusters=frozenset({0x0006})), NO_RADIO, "UTC") is None


@pytest.mark.parametrize("has_clock", [True, False])
def test_only_a_lock_with_a_clock_keeps_one(has_clock: bool) -> None:
    clusters = frozenset({0x0101, 0x000A} if has_clock else {0x0101})
    driver = driver_for(node("Nobody", "Lock", clusters=clusters), NO_RADIO, "UTC")
    honoured = {p for p in (CredentialStore, Latch, ClockKeeper) if isinstance(driver, p)}
    assert honoured == {CredentialStore, Latch} | ({ClockKeeper} if has_clock else set())


def test_libraries_of_families_are_not_loaded_before_there_is_such_a_device() -> None:
    program = (
        "import random, sys\n"
        "from gateway.drivers.catalog import families\n"
        "found = families(random.Random(1), lambda: 0)\n"
        "assert {'bthome', 'yale_august'} <= set(found)\n"
        "loaded = {'bthome_ble', 'yalexs_ble', 'bleak'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {loaded}' if loaded else 0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_entry_of_the_file_names_its_source() -> None:
    assert len(quirks()) >= 6
    assert all(entry.source for entry in quirks())


@pytest.mark.parametrize(
    "text",
    [
        "[[lock]]\nname='x'\nmanufacturer='a'\nmodel='b'",
        "[[lock]]\nname='x'\nmanufacturer='a'\nmodel='b'\nsource='c'\nslotz=3",
    ],
)
def test_a_mistake_in_the_file_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="quirks of x"):
        parse(text)
