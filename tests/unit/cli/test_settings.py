"""`settings`, `phones` and `revoke-keys` as processes, against a whole house around a lock."""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from firmware_sims.ble.nuki.authorizations import Authorization
from firmware_sims.ble.nuki.words import Client
from gateway.cli.exits import Failure
from gateway.cli.settings import value_of
from gateway.domain.secret import Secret
from tests.onsite_house import OnSiteHouse, onsite_house
from tests.unit.drivers.nuki_house import PIN, SMART_LOCK, NukiHouse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[OnSiteHouse]:
    async with onsite_house(tmp_path) as opened:
        yield opened


async def test_settings_are_listed_with_what_they_take_and_changed(house: OnSiteHouse) -> None:
    listed = await house.cli("settings", "front")
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in listed.out.splitlines()}
    assert rows["auto_lock_s"] == "off 5 to 900 s; 0 is off"
    assert rows["sound"] == "on on, off"
    assert rows["passage_mode"] == "never hours of the week, never"
    for name, value, reads in (
        ("auto_lock_s", "30", "30"),
        ("sound", "off", "off"),
        ("passage_mode", "sat 10:00-12:30", "sat 10:00-12:30"),
    ):
        ran = await house.cli("settings", "front", name, value, "--reason", "guests")
        assert (ran.code, ran.out) == (0, f"Front door: {name} is {reads}\n"), ran.err
    assert house.lock.skin.core.setting("auto_relock_s") == 30
    document = json.loads((await house.cli("settings", "front", "--json")).out)
    assert {one["name"]: one["value"] for one in document["settings"]}["sound"] is False


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["auto_lock_s"], 2, "to which value"),
        (["auto_lock_s", "30"], 2, "--reason"),
        (["auto_lock_s", "soon", "--reason", "x"], 2, "could not read the value"),
        (["auto_lock_s", "3", "--reason", "x"], 1, "does not take that"),
        (["bell", "3", "--reason", "x"], 1, "does not have it"),
    ],
)
async def test_what_a_setting_does_not_take(
    house: OnSiteHouse, arguments: list[str], code: int, words: str
) -> None:
    ran = await house.cli("settings", "front", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err


async def test_keys_on_phones_are_declared_void_once_it_is_said(house: OnSiteHouse) -> None:
    before = house.lock.skin.core.flag_pos
    asked = await house.cli("revoke-keys", "front", "--reason", "lost phone")
    assert asked.code == 2
    assert house.lock.skin.core.flag_pos == before
    ran = await house.cli("revoke-keys", "front", "--reason", "lost phone", "--yes")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("Front door: no phone opens it any more")
    assert house.lock.skin.core.flag_pos == before + 1
    ran = await house.cli("unlock", "front", "--reason", "still ours")
    assert ran.code == 0, ran.err


@asynccontextmanager
async def house_of_bob(folder: Path) -> AsyncIterator[tuple[OnSiteHouse, NukiHouse, bytes]]:
    """A Nuki that obeys Bob's phone too, and the phone's id."""
    lock = NukiHouse(SMART_LOCK)
    lock.hold_button()
    async with onsite_house(folder, lock, Secret(PIN[SMART_LOCK])) as house:
        table, core = lock.skin.core.authorizations, lock.skin.core
        bob = table.next_id()
        table.held[bob] = Authorization(bob, bytes(32), Client.APP, "Bob", core.now(), 1)
        yield house, lock, bob


async def test_phones_are_listed_and_removed_where_the_lock_tells(tmp_path: Path) -> None:
    async with house_of_bob(tmp_path) as (house, lock, bob):
        table = lock.skin.core.authorizations
        listed = await house.cli("phones", "front")
        assert "Bob" in listed.out
        assert "this gateway" in listed.out
        assert (await house.cli("phones", "front", "remove")).code == 2
        assert (await house.cli("phones", "front", "list", "Bob")).code == 2
        assert (await house.cli("phones", "front", "remove", "Bob")).code == 2
        assert bob in table.held
        ran = await house.cli("phones", "front", "remove", "Bob", "--yes")
        assert (ran.code, ran.out) == (0, "Front door: Bob is obeyed no more\n"), ran.err
        assert bob not in table.held


async def test_seconds_that_cannot_be_off_are_not_said_to_be(tmp_path: Path) -> None:
    async with house_of_bob(tmp_path) as (house, _, _bob):
        rows = (await house.cli("settings", "front")).out.splitlines()
        takes = {row.split()[0]: re.split(r"  +", row.strip())[-1] for row in rows}
        assert takes["unlatch_s"] == "1 to 30 s"
        assert takes["auto_lock_s"] == "2 to 65535 s; 0 is off"
        ran = await house.cli("settings", "front", "unlatch_s", "0", "--reason", "x")
        assert (ran.code, "does not take that" in ran.err) == (1, True)


async def test_a_phone_is_switched_off_and_on_renamed_and_given_hours(tmp_path: Path) -> None:
    async with house_of_bob(tmp_path) as (house, lock, bob):
        held = lock.skin.core.authorizations.held

        def standing() -> tuple[str, bool]:
            return held[bob].name, held[bob].enabled

        ran = await house.cli(
            "phones", "front", "schedule", "Bob",
            "--from", "2026-07-01T10:00", "--until", "2088-12-24 15:00",
        )  # fmt: skip
        assert (ran.code, ran.out) == (0, "Front door: Bob has its new hours\n"), ran.err
        ran = await house.cli("phones", "front", "disable", "bob")
        assert ran.out == "Front door: Bob is switched off, and keeps its limits\n", ran.err
        assert standing() == ("Bob", False)
        listed = (await house.cli("phones", "front")).out
        for words in ("switched off", "2026-07-01 10:00 to", "2088-12-24 15:00"):
            assert words in listed
        ran = await house.cli("phones", "front", "enable", "bob")
        assert ran.out == "Front door: Bob is switched on, with the limits it had\n", ran.err
        assert standing() == ("Bob", True)
        assert "2088-12-24" in (await house.cli("phones", "front")).out
        ran = await house.cli("phones", "front", "rename", "bob", "--name", "Robert")
        assert ran.code == 0, ran.err
        assert standing() == ("Robert", True)
        ran = await house.cli("phones", "front", "schedule", "Robert", "--always")
        assert ran.code == 0, ran.err
        assert "2088-12-24" not in (await house.cli("phones", "front")).out


async def test_the_latch_is_pulled_and_a_code_of_others_is_switched(tmp_path: Path) -> None:
    async with house_of_bob(tmp_path) as (house, lock, _):
        ran = await house.cli("unlatch", "front", "--reason", "no handle")
        assert (ran.code, ran.out) == (0, "Front door: unlatched\n"), ran.err
        assert lock.received("unlatch") == 1
        driver: Any = house.scheduler.driver(house.device_id)
        await driver.program(4, Secret("471966"), (), deadline_s=20)
        ran = await house.cli("switch-code", "front", "4", "off", "--reason", "cleaner left")
        assert (ran.code, ran.out) == (0, "Front door: the code in slot 4 is off\n"), ran.err
        assert not lock.opens("471966")
        ran = await house.cli("switch-code", "front", "4", "on", "--reason", "back again")
        assert ran.code == 0, ran.err
        assert lock.opens("471966")
        ran = await house.cli("switch-code", "front", "7", "on", "--reason", "x")
        assert (ran.code, "no code is in that slot" in ran.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["disable"], "say which"),
        (["rename", "Bob"], "--name"),
        (["enable", "Bob", "--name", "x"], "--name"),
        (["schedule", "Bob"], "--always"),
        (["schedule", "Bob", "--from", "2030-01-01"], "--until"),
        (["schedule", "Bob", "--always", "--until", "2030-01-01"], "--always"),
        (["disable", "Bob", "--until", "2030-01-01"], "belong to schedule"),
        (["enable", "Bob", "--hours", "mon 08:00-09:00"], "belong to schedule"),
        (["burn", "Bob"], "burn"),
    ],
)
async def test_usage_of_phones(house: OnSiteHouse, arguments: list[str], words: str) -> None:
    ran = await house.cli("phones", "front", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err


async def test_a_lock_that_keeps_no_list_says_so(house: OnSiteHouse) -> None:
    ran = await house.cli("phones", "front")
    assert (ran.code, "does not tell whom it obeys" in ran.err) == (1, True)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", True),
        ("No", False),
        ("0", 0),
        ("900", 900),
        ("never", []),
        (
            "mon-wed,sat 08:00-18:00",
            [{"weekdays": ["mon", "tue", "wed", "sat"], "from": "08:00", "to": "18:00"}],
        ),
        (
            "sun 10:00-11:00; fri 08:00-09:00",
            [
                {"weekdays": ["sun"], "from": "10:00", "to": "11:00"},
                {"weekdays": ["fri"], "from": "08:00", "to": "09:00"},
            ],
        ),
    ],
)
def test_values_as_people_write_them(text: str, value: Any) -> None:
    found = value_of(text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("text", ["", "soon", "mon", "day 08:00-09:00", "mon 8-9", "-5", "1.5"])
def test_what_is_no_value(text: str) -> None:
    with pytest.raises(Failure):
        value_of(text)
