"""`cards` and `fingers` as processes, against a whole house around a simulated lock."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from firmware_sims.firmware.model import Source
from gateway.cli.media import hours_text
from gateway.domain.events import EventType
from tests.onsite_house import CARD, OnSiteHouse, onsite_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[OnSiteHouse]:
    async with onsite_house(tmp_path) as opened:
        yield opened


async def test_a_card_from_enrolment_to_deletion(house: OnSiteHouse) -> None:
    house.comes(Source.CARD, CARD)
    ran = await house.cli("cards", "front", "enrol", "--name", "Ada")
    assert (ran.code, ran.out) == (0, "Front door: opens to the card of Ada\n"), ran.err
    assert ran.err.splitlines() == ["hold the card to the lock now", "learned"]
    listed = await house.cli("cards", "front")
    assert "2653" in listed.out
    assert "Ada" in listed.out
    assert "always" in listed.out
    assert str(CARD) not in listed.out
    revealed = await house.cli("cards", "front", "--reveal")
    assert str(CARD) in revealed.out
    assert len(await house.told(EventType.AUDIT_REVEALED)) == 1
    asked = await house.cli("cards", "front", "delete", "Ada")
    assert (asked.code, "--yes" in asked.err) == (2, True)
    gone = await house.cli("cards", "front", "delete", "2653", "--yes", "--reason", "lost")
    assert gone.out == "Front door: the card Ada is deleted and opens no more\n", gone.err
    assert house.numbers(Source.CARD) == []
    whys = [told.body["why"] for told in await house.told(EventType.AUDIT_COMMAND)]
    assert whys == ["enrolled on the command line", "lost"]
    none = await house.cli("cards", "front")
    assert none.out == "Front door opens to no card.\n"


async def test_a_card_is_added_by_its_number_from_a_file(house: OnSiteHouse) -> None:
    file = house.folder / "number"
    file.write_text(f"{CARD}\n")
    add = ("cards", "front", "add", "--name", "Ada", "--until", "2088-12-24 15:00")
    ran = await house.cli(*add, "--number-file", str(file))
    assert (ran.code, ran.out) == (0, "Front door: opens to the card of Ada\n"), ran.err
    assert house.opens(Source.CARD, CARD)
    assert "2088-12-24 15:00" in (await house.cli("cards", "front")).out
    again = await house.cli(*add, "--number-file", "-", stdin="3141 592653")
    assert (again.code, "decimal digits" in again.err) == (1, True)
    assert "592653" not in again.err
    assert (await house.cli("cards", "front", "delete", "Ada", "--yes")).code == 0
    for command in ("acknowledged-but-not-applied", "busy"):
        house.lock.arm(command, "add_card")
        ran = await house.cli(*add, "--number-file", "-", stdin=str(CARD))
        assert (ran.code, ran.out) != (0, "")
        assert "could not" in ran.err
        assert house.numbers(Source.CARD) == []


async def test_a_finger_with_hours_in_the_sites_zone(house: OnSiteHouse) -> None:
    house.comes(Source.FINGER, 1337)
    ran = await house.cli(
        "fingers", "front", "enrol", "--name", "Ada",
        "--from", "2026-07-01T10:00", "--until", "2088-12-24 15:00", "--json",
    )  # fmt: skip
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 0, ran.err
    assert [line["stage"] for line in lines][-2:] == ["done", "ended"]
    assert lines[-1]["args"]["opens_at"] == "2026-07-01T08:00:00.000Z"  # summer time
    assert lines[-1]["args"]["closes_at"] == "2088-12-24T14:00:00.000Z"
    listed = await house.cli("fingers", "front")
    assert "2026-07-01 10:00 to 2088-12-24 15:00" in " ".join(listed.out.split())
    ran = await house.cli(
        "fingers", "front", "schedule", "Ada", "--hours", "mon-tue 08:00-18:00; sat 10:00-12:00"
    )
    assert ran.out == "Front door: the finger Ada has its new hours\n", ran.err
    shown = " ".join((await house.cli("fingers", "front")).out.split())
    for words in ("08:00-18:00", "sat 10:00-12:00"):
        assert words in shown
    ran = await house.cli("fingers", "front", "schedule", "Ada", "--always")
    assert ran.out == "Front door: the finger Ada has its new hours\n", ran.err
    assert "always" in (await house.cli("fingers", "front")).out


async def test_a_finger_has_no_number_to_add_it_by(house: OnSiteHouse) -> None:
    ran = await house.cli("fingers", "front", "add", "--name", "Ada")
    assert (ran.code, "enrol it" in ran.err) == (2, True)


async def test_what_goes_wrong_has_words_and_an_exit_code(house: OnSiteHouse) -> None:
    house.lock.arm("full", "add_card")
    ran = await house.cli("cards", "front", "enrol", "--name", "Ada")
    assert ran.code == 1
    assert "could not enrol a card" in ran.err
    ran = await house.cli("cards", "front", "delete", "nobody", "--yes")
    assert (ran.code, "could not find that card" in ran.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["enrol"], "--name"),
        (["enrol", "x", "--name", "Ada"], "takes no card"),
        (["enrol", "--name", "Ada", "--from", "2030-01-01"], "--until"),
        (["enrol", "--name", "Ada", "--until", "soon"], "could not read the time"),
        (["delete"], "say which card"),
        (["delete", "Ada", "--until", "2030-01-01"], "belong to enrol"),
        (["schedule", "Ada"], "--always"),
        (["schedule", "Ada", "--always", "--until", "2030-01-01"], "--always"),
        (["delete", "Ada", "--name", "Bob"], "belongs to enrol"),
        (["delete", "Ada", "--reveal"], "--reveal"),
        (["schedule", "Ada", "--always", "--hours", "mon 08:00-09:00"], "--always"),
        (["delete", "Ada", "--hours", "mon 08:00-09:00"], "belong to enrol"),
        (["schedule", "Ada", "--hours", "always"], "could not read the hours"),
        (["add", "--number-file", "-"], "--name"),
        (["add", "--name", "Ada"], "--number-file"),
        (["enrol", "--name", "Ada", "--number-file", "-"], "--number-file"),
        (["add", "314", "--name", "Ada"], "takes no card"),
        (["add", "--name", "Ada", "--number-file", "/no/such/file"], "No such file"),
        (["list", "Ada"], "takes no card"),
        (["paint"], "paint"),
    ],
)
async def test_usage(house: OnSiteHouse, arguments: list[str], words: str) -> None:
    ran = await house.cli("cards", "front", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err
    assert house.lock.skin.queue.received["add_card"] == 0


def test_hours_in_words() -> None:
    zone = ZoneInfo("Europe/Berlin")
    timed = {"kind": "timed", "opens_at": "2026-07-01T08:00:00.000Z"}
    both: list[dict[str, Any]] = [
        {**timed, "closes_at": "2026-07-02T08:00:00.000Z"},
        {"kind": "weekly", "weekdays": ["mon", "tue"], "from": "08:00", "to": "10:00"},
    ]
    assert hours_text(both, zone) == "2026-07-01 10:00 to 2026-07-02 10:00, mon tue 08:00-10:00"
    assert hours_text([], zone) == "always"
    assert hours_text(None, zone) == "the lock does not tell"
