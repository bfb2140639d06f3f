"""Cards and fingers by the local API: a real lock's firmware answers below it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from firmware_sims.firmware.model import Source
from gateway.domain.devices import WeekDay, YearDay
from gateway.domain.events import EventType
from gateway.domain.hours import WEEKDAYS
from gateway.domain.instant import DAY, Instant
from gateway.domain.secret import Secret
from gateway.local.access import Access
from gateway.local.onsite import ending_of, schedules_document
from gateway.store import devices
from tests.onsite_house import CARD, OnSiteHouse, onsite_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

FRONT = "/v1/devices/front"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[OnSiteHouse]:
    async with onsite_house(tmp_path) as opened:
        yield opened


async def get(house: OnSiteHouse, path: str) -> dict[str, Any]:
    status, document = await house.call("GET", f"{FRONT}/{path}")
    assert status == 200, document
    return document


async def post(house: OnSiteHouse, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
    return await house.call("POST", f"{FRONT}/{path}", {"reason": "test", **body})


async def refusal(house: OnSiteHouse, path: str, **body: Any) -> tuple[int, str]:
    status, document = await post(house, path, **body)
    return status, document["error"]["code"]


async def enrol(house: OnSiteHouse, number: int, **body: Any) -> dict[str, Any]:
    house.comes(Source.CARD, number)
    body = {"reason": "test", "name": "Ada", **body}
    return (await house.lines(f"{FRONT}/cards/enrol", body))[-1]


# ── cards and fingers ───────────────────────────────────────────────────────────────────


async def test_an_enrolment_is_told_as_it_goes_on(house: OnSiteHouse) -> None:
    house.comes(Source.FINGER, 1337)
    body = {"reason": "test", "name": " Ada ", "command_id": "c1"}
    found = await house.lines(f"{FRONT}/fingers/enrol", body)
    stages = [line["stage"] for line in found]
    assert stages == ["waiting", "scanned", "scanned", "scanned", "done", "ended"]
    assert found[-1]["result"]["outcome"] == "confirmed"
    assert found[-1]["args"] == {"name": "Ada", "reason": "test"}
    (listed,) = (await get(house, "fingers"))["media"]
    assert (listed["name"], listed["id"]) == ("Ada", found[-1]["result"]["medium"])
    again = await house.lines(f"{FRONT}/fingers/enrol", body)
    assert [line["stage"] for line in again] == ["ended"]
    assert again[0]["result"] == found[-1]["result"]
    assert house.lock.skin.queue.received["add_finger"] == 1


async def test_who_stops_looking_on_does_not_stop_the_lock(house: OnSiteHouse) -> None:
    body = {"reason": "test", "name": "Ada", "command_id": "c1"}
    async with house.request("POST", f"{FRONT}/cards/enrol", body) as response:
        assert json.loads(await response.content.readline()) == {"stage": "waiting"}
    assert (await house.journaled("c1")).result is None
    house.lock.firmware.reader.present(Source.CARD, CARD)
    assert (await house.result("c1"))["outcome"] == "confirmed"
    (listed,) = (await get(house, "cards"))["media"]
    assert listed["name"] == "Ada"


async def test_a_number_is_told_by_reveal_only_and_that_is_audited(house: OnSiteHouse) -> None:
    await enrol(house, CARD)
    house.lock.firmware.tokens.put(Source.CARD, 4711, None)
    listed = (await get(house, "cards"))["media"]
    assert {(one["ending"], one["name"]) for one in listed} == {("2653", "Ada"), ("11", None)}
    assert str(CARD) not in str(listed)
    assert await house.told(EventType.AUDIT_REVEALED) == []
    _, revealed = await post(house, "cards/reveal")
    assert {one["number"] for one in revealed["media"]} == {str(CARD), "4711"}
    (told,) = await house.told(EventType.AUDIT_REVEALED)
    assert (told.device_id, told.body["what"]) == (house.device_id, "cards")
    assert str(told.body["actor"]).startswith("local:")


@pytest.mark.parametrize("by", ["Ada", "ada", "id", "2653", "number"])
async def test_a_card_goes_by_name_id_or_ending(house: OnSiteHouse, by: str) -> None:
    ended = await enrol(house, CARD)
    house.lock.firmware.tokens.put(Source.CARD, 12345678, None)
    which = {"id": ended["result"]["medium"], "number": str(CARD)}.get(by, by)
    status, document = await post(house, "cards/delete", card=which, command_id="c1")
    assert (status, document["result"]["outcome"]) == (200, "confirmed")
    assert house.numbers(Source.CARD) == [12345678]
    row = await house.journaled("c1")
    assert str(CARD) not in str(row)
    # The same id never acts twice, and is answered although nobody knows that card any more.
    house.lock.firmware.tokens.put(Source.CARD, CARD, None)
    assert (await post(house, "cards/delete", card=which, command_id="c1"))[1] == document
    assert house.numbers(Source.CARD) == [12345678, CARD]


async def test_what_fits_several_or_none_deletes_nothing(house: OnSiteHouse) -> None:
    for number in (11_112653, 22_222653):
        house.lock.firmware.tokens.put(Source.CARD, number, None)
    assert await refusal(house, "cards/delete", card="2653") == (409, "ambiguous")
    assert await refusal(house, "cards/delete", card="9999") == (404, "unknown_medium")
    assert await refusal(house, "cards/delete", card="653") == (404, "unknown_medium")
    assert await refusal(house, "cards/delete", card="") == (400, "bad_request")
    _, document = await post(house, "cards/delete", card="99991234")
    assert "99991234" not in str(document)
    assert len(house.numbers(Source.CARD)) == 2


async def test_one_that_was_taken_off_at_the_lock_is_told_and_its_name_can_go(
    house: OnSiteHouse,
) -> None:
    await enrol(house, CARD)
    house.lock.firmware.tokens.remove(Source.CARD, CARD)
    listed = await get(house, "cards")
    assert (listed["media"], [one["name"] for one in listed["gone"]]) == ([], ["Ada"])
    _, document = await post(house, "cards/delete", card="Ada")
    assert document["result"]["outcome"] == "confirmed"
    assert (await get(house, "cards"))["gone"] == []


async def test_hours_are_set_with_the_card_and_later(house: OnSiteHouse) -> None:
    window = {"opens_at": "2026-01-01T00:00:00Z", "closes_at": "2090-01-01T00:00:00Z"}
    await enrol(house, CARD, **window)
    assert house.opens(Source.CARD, CARD)
    (listed,) = (await get(house, "cards"))["media"]
    assert listed["schedules"] == [
        {
            "kind": "timed",
            "opens_at": "2026-01-01T00:00:00.000Z",
            "closes_at": "2090-01-01T00:00:00.000Z",
        }
    ]
    later = {"opens_at": "2089-01-01T00:00:00Z", "closes_at": "2090-01-01T00:00:00Z"}
    _, document = await post(house, "cards/schedule", card="Ada", **later)
    assert document["result"]["outcome"] == "confirmed"
    assert not house.opens(Source.CARD, CARD)
    await post(house, "cards/schedule", card="Ada")
    assert house.opens(Source.CARD, CARD)


@pytest.mark.parametrize("step", ["enrol", "add", "schedule"])
async def test_hours_of_the_week_are_the_locks_to_keep(house: OnSiteHouse, step: str) -> None:
    days_ahead = [(house.lock.now() // DAY + 3 + ahead) % 7 for ahead in (3, 4)]
    weekdays = sorted(WEEKDAYS[day] for day in days_ahead)
    hours = [{"weekdays": weekdays, "from": "08:00", "to": "18:30"}]
    window = {"opens_at": "2026-01-01T00:00:00Z", "closes_at": "2090-01-01T00:00:00Z"}
    limits = {"hours": hours, **window}
    if step == "add":
        _, ended = await post(house, "cards/add", name="Ada", number=str(CARD), **limits)
    elif step == "enrol":
        ended = await enrol(house, CARD, **limits)
    else:
        await enrol(house, CARD)
        assert house.opens(Source.CARD, CARD)
        _, ended = await post(house, "cards/schedule", card="Ada", **limits)
    assert ended["result"]["outcome"] == "confirmed", ended
    assert not house.opens(Source.CARD, CARD)
    (listed,) = (await get(house, "cards"))["media"]
    timed, *weekly = listed["schedules"]
    assert timed["kind"] == "timed"
    told = {day for one in weekly for day in one["weekdays"]}
    assert told == set(weekdays)
    assert {(one["from"], one["to"]) for one in weekly} == {("08:00", "18:30")}


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "A", "hours": []},
        {"name": "A", "hours": [{"weekdays": ["mon"], "from": "10:00", "to": "08:00"}]},
        {"name": 3},
        {"name": "x" * 65},
        {"name": "A", "opens_at": "2089-01-01T00:00:00Z"},
        {"name": "A", "opens_at": "tomorrow", "closes_at": "2090-01-01T00:00:00Z"},
        {"name": "A", "opens_at": "2090-01-01T00:00:00Z", "closes_at": "2089-01-01T00:00:00Z"},
        {"name": "A", "opens_at": "2020-01-01T00:00:00Z", "closes_at": "2021-01-01T00:00:00Z"},
        {"name": "A", "reason": ""},
    ],
)
async def test_an_enrolment_that_makes_no_sense_wakes_no_lock(
    house: OnSiteHouse, body: dict[str, Any]
) -> None:
    assert await refusal(house, "cards/enrol", **body) == (400, "bad_request")
    assert house.lock.skin.queue.received["add_card"] == 0


@pytest.mark.parametrize("path", ["fingers/enrol", "fingers/delete", "fingers/reveal"])
async def test_a_lock_without_a_reader_says_so_without_being_woken(
    house: OnSiteHouse, path: str
) -> None:
    row = await house.store.fetch_one(devices.device(house.device_id))
    assert row is not None
    blind = replace(row.capabilities, can_enrol_fingers=False)
    await house.store.submit(
        lambda tx: devices.update_device(tx, house.device_id, capabilities=blind)
    )
    assert await refusal(house, path, name="Ada", finger="Ada") == (409, "unsupported")
    assert not [said for said in house.lock.skin.queue.received if "finger" in said]
    await enrol(house, CARD)
    assert [said for said in house.lock.skin.queue.received if "card" in said]


async def test_a_name_stands_for_one_card(house: OnSiteHouse) -> None:
    await enrol(house, CARD)
    assert await refusal(house, "cards/enrol", name="ADA") == (409, "conflict")
    assert house.lock.skin.queue.received["add_card"] == 1


async def test_a_card_is_added_by_its_number_which_is_nowhere_afterwards(
    house: OnSiteHouse,
) -> None:
    body = {"name": "Ada", "number": str(CARD), "command_id": "c1"}
    window = {"opens_at": "2026-01-01T00:00:00Z", "closes_at": "2090-01-01T00:00:00Z"}
    status, document = await post(house, "cards/add", **body, **window)
    assert (status, document["result"]["outcome"]) == (200, "confirmed"), document
    assert house.opens(Source.CARD, CARD)
    (listed,) = (await get(house, "cards"))["media"]
    assert (listed["name"], listed["id"]) == ("Ada", document["result"]["medium"])
    assert listed["schedules"][0]["kind"] == "timed"
    assert str(CARD) not in str(document)
    assert str(CARD).encode() not in house.everything_written()
    # The same id never acts twice.
    house.lock.firmware.tokens.remove(Source.CARD, CARD)
    assert (await post(house, "cards/add", **body, **window))[1] == document
    assert house.numbers(Source.CARD) == []


@pytest.mark.parametrize("number", [None, "", "0x4f", " 12", "1" * 21, 3141592653, "x3141592653"])
async def test_what_is_no_number_of_a_card_is_not_repeated(
    house: OnSiteHouse, number: object
) -> None:
    status, document = await post(house, "cards/add", name="Ada", number=number)
    assert (status, document["error"]["code"]) == (400, "bad_request")
    assert "3141592653" not in str(document)
    assert await refusal(house, "cards/add", name="", number="314") == (400, "bad_request")


async def test_looking_speaks_to_the_lock_and_takes_an_operator(tmp_path: Path) -> None:
    class Reader(Access):
        async def caller(self, uid: int, gid: int) -> Any:
            found = await super().caller(uid, gid)
            return type(found)(found.uid, found.name, type(found.role).STATUS)

    async with onsite_house(tmp_path, access=Reader("x", "y")) as house:
        for path in ("cards", "fingers"):
            assert (await house.call("GET", f"{FRONT}/{path}"))[0] == 403
        for path in ("cards/reveal", "cards/enrol", "cards/add", "cards/delete"):
            assert (await house.call("POST", f"{FRONT}/{path}", {}))[0] == 403
        assert await house.told(EventType.AUDIT_REVEALED) == []


async def test_who_used_a_card_has_a_name_in_the_events(house: OnSiteHouse) -> None:
    ended = await enrol(house, CARD)
    driver: Any = house.scheduler.driver(house.device_id)
    read = await driver.read_log(None, deadline_s=20)
    assert house.opens(Source.CARD, CARD)
    read = await driver.read_log(read.cursor, deadline_s=20)
    for event in read.events:
        house.scheduler.member_rang(house.device_id, event)
    await house.until_told(EventType.LOCK_UNLOCKED)
    # Planning may have read the log as well.
    told = {
        (one.body["method"], one.body["medium"], one.body["name"])
        for one in await house.told(EventType.LOCK_UNLOCKED)
    }
    assert told == {("card", ended["result"]["medium"], "Ada")}


# ── documents ───────────────────────────────────────────────────────────────────────────


def test_an_ending_is_never_more_than_half() -> None:
    shown = {"3141592653": "2653", "123456": "456", "42": "2", "7": ""}
    assert {number: ending_of(Secret(number)) for number in shown} == shown


def test_schedules_as_documents() -> None:
    assert schedules_document(None) is None
    assert schedules_document(()) == []
    told = schedules_document(
        (YearDay(Instant(0), Instant(60_000)), WeekDay(frozenset({1, 7}), 60, 120))
    )
    assert told == [
        {
            "kind": "timed",
            "opens_at": "1970-01-01T00:00:00.000Z",
            "closes_at": "1970-01-01T00:01:00.000Z",
        },
        {"kind": "weekly", "weekdays": ["mon", "sun"], "from": "01:00", "to": "02:00"},
    ]
