"""Settings, key holders, codes of others and the latch by the local API, over simulated locks."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from firmware_sims.ble.nuki.authorizations import Authorization
from firmware_sims.ble.nuki.words import Client
from gateway.domain.devices import Empty, Known, Opaque, OpaqueReason, Slot, YearDay
from gateway.domain.events import EventType
from gateway.domain.ids import CredentialId
from gateway.domain.instant import Instant
from gateway.domain.secret import Secret
from gateway.local.access import Access
from gateway.store import reported
from tests.onsite_house import OnSiteHouse, onsite_house
from tests.unit.drivers.nuki_house import PIN, SMART_LOCK, NukiHouse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

FRONT = "/v1/devices/front"
THEIRS = "471966"
"""Digits that somebody else set."""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[OnSiteHouse]:
    async with onsite_house(tmp_path) as opened:
        yield opened


@asynccontextmanager
async def nuki_house(folder: Path) -> AsyncIterator[tuple[OnSiteHouse, NukiHouse]]:
    lock = NukiHouse(SMART_LOCK)
    lock.hold_button()
    async with onsite_house(folder, lock, Secret(PIN[SMART_LOCK])) as house:
        yield house, lock


def let_in(lock: NukiHouse, name: str) -> Authorization:
    """Somebody else's phone."""
    table, core = lock.skin.core.authorizations, lock.skin.core
    bob = table.next_id()
    table.held[bob] = Authorization(bob, bytes(32), Client.APP, name, core.now(), 1)
    return table.held[bob]


async def reads(house: OnSiteHouse, number: int) -> object:
    """What that slot held when planning last looked, which it does anew."""
    looked = asyncio.Event()
    leave = house.store.subscribe(lambda _: looked.set())
    try:
        async with asyncio.timeout(30):
            while True:
                looked.clear()
                slot = await house.store.fetch_one(reported.slot(house.device_id, number))
                if slot is not None:
                    return slot.content
                await looked.wait()
    finally:
        leave()


async def get(house: OnSiteHouse, path: str) -> dict[str, Any]:
    status, document = await house.call("GET", f"{FRONT}/{path}")
    assert status == 200, document
    return document


async def post(house: OnSiteHouse, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
    return await house.call("POST", f"{FRONT}/{path}", {"reason": "test", **body})


async def refusal(house: OnSiteHouse, path: str, **body: Any) -> tuple[int, str]:
    status, document = await post(house, path, **body)
    return status, document["error"]["code"]


# ── settings ────────────────────────────────────────────────────────────────────────────


async def test_settings_are_listed_and_changed(house: OnSiteHouse) -> None:
    listed = {each["name"]: each for each in (await get(house, "settings"))["settings"]}
    assert listed["auto_lock_s"] == {
        "name": "auto_lock_s", "kind": "seconds", "value": 0, "low": 5, "high": 900,
        "off": True,
    }  # fmt: skip
    assert listed["sound"]["value"] is True
    hours = [{"weekdays": ["mon"], "from": "08:00", "to": "10:00"}]
    for name, value in (("sound", False), ("passage_mode", hours)):
        body = {"device": "front", "kind": "write_setting", "reason": "x"}
        order = {**body, "args": {"name": name, "value": value}}
        _, document = await house.call("POST", "/v1/commands", order)
        assert document["result"]["outcome"] == "confirmed"
        assert document["args"] == {"name": name, "value": value, "reason": "x"}
        found = {each["name"]: each for each in (await get(house, "settings"))["settings"]}
        assert found[name]["value"] == value


@pytest.mark.parametrize(
    "args",
    [
        {"name": "sound"},
        {"value": True},
        {"name": "sound", "value": "on"},
        {"name": "sound", "value": 1.5},
        {"name": "passage_mode", "value": [{"weekdays": ["mon"]}]},
    ],
)
async def test_a_setting_that_makes_no_sense_is_no_command(
    house: OnSiteHouse, args: dict[str, Any]
) -> None:
    body = {"device": "front", "kind": "write_setting", "reason": "x", "args": args}
    status, document = await house.call("POST", "/v1/commands", body)
    assert (status, document["error"]["code"]) == (400, "bad_request")


# ── keys ────────────────────────────────────────────────────────────────────────────────


async def test_a_lock_without_such_a_list_says_so(house: OnSiteHouse) -> None:
    status, document = await house.call("GET", f"{FRONT}/keys")
    assert (status, document["error"]["code"]) == (409, "unsupported")
    assert await refusal(house, "keys/remove", key="1") == (409, "unsupported")


async def test_a_key_of_others_is_removed_by_name_and_ours_is_not(tmp_path: Path) -> None:
    async with nuki_house(tmp_path) as (house, lock):
        held = lock.skin.core.authorizations.held
        bob = let_in(lock, "Bob's phone")
        keys = (await get(house, "keys"))["keys"]
        ours = next(key for key in keys if key["ours"])
        assert [key["name"] for key in keys if not key["ours"]] == ["Bob's phone"]
        for path, more in (("keys/remove", {}), ("keys/update", {"enabled": False})):
            assert await refusal(house, path, key=ours["id"], **more) == (409, "conflict")
            assert await refusal(house, path, key="Carol", **more) == (404, "unknown_key")
        _, document = await post(house, "keys/remove", key="bob")
        assert document["result"]["outcome"] == "confirmed"
        assert document["args"]["name"] == "Bob's phone"
        assert bob.auth_id not in held
        assert len(held) == 1


async def test_a_key_of_others_is_switched_off_and_on_renamed_and_limited(tmp_path: Path) -> None:
    window = {"opens_at": "2089-01-01T00:00:00.000Z", "closes_at": "2090-01-01T00:00:00.000Z"}
    async with nuki_house(tmp_path) as (house, lock):
        bob = let_in(lock, "Bob")
        for change in (window, {"enabled": False}, {"enabled": True}, {"new_name": " Robert "}):
            _, document = await post(house, "keys/update", key=bob.auth_id.hex(), **change)
            assert document["result"]["outcome"] == "confirmed", document
            key = next(k for k in (await get(house, "keys"))["keys"] if not k["ours"])
            assert key["enabled"] is change.get("enabled", True)
            assert key["schedules"] == [{"kind": "timed", **window}]
        assert key["name"] == "Robert"
        office = {"weekdays": ["mon", "fri"], "from": "08:00", "to": "18:00"}
        _, document = await post(house, "keys/update", key="Robert", hours=[office])
        assert document["result"]["outcome"] == "confirmed", document
        key = next(k for k in (await get(house, "keys"))["keys"] if not k["ours"])
        assert key["schedules"] == [{"kind": "weekly", **office}]
        await post(house, "keys/update", key="Robert", always=True)
        key = next(k for k in (await get(house, "keys"))["keys"] if not k["ours"])
        assert key["schedules"] == []
        abouts = [str(told.body["about"]) for told in await house.told(EventType.AUDIT_COMMAND)]
        assert "enabled=False" in abouts[1]
        assert "new_name=Robert" in abouts[3]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"always": False},
        {"enabled": "off"},
        {"always": 1},
        {"new_name": ""},
        {"new_name": "x" * 65},
        {"opens_at": "2089-01-01T00:00:00Z"},
        {"always": True, "opens_at": "2089-01-01T00:00:00Z", "closes_at": "2090-01-01T00:00:00Z"},
    ],
)
async def test_a_change_that_makes_no_sense_is_no_command(
    house: OnSiteHouse, change: dict[str, Any]
) -> None:
    assert await refusal(house, "keys/update", key="Bob", **change) == (400, "bad_request")


# ── codes of others ─────────────────────────────────────────────────────────────────────


async def test_a_code_of_others_is_switched_off_and_on_and_keeps_its_limits(
    tmp_path: Path,
) -> None:
    async with nuki_house(tmp_path) as (house, lock):
        driver: Any = house.scheduler.driver(house.device_id)
        theirs = YearDay(Instant(1_767_225_600_000), Instant(3_786_912_000_000))  # 2026 to 2090
        await driver.program(4, Secret(THEIRS), (theirs,), deadline_s=20)
        (before,) = lock.state()["codes"].values()
        assert lock.opens(THEIRS)
        _, document = await post(house, "codes/switch", slot=4, enabled=False)
        assert document["result"]["outcome"] == "confirmed", document
        assert not lock.opens(THEIRS)
        assert await reads(house, 4) == Opaque(OpaqueReason.DISABLED)
        _, document = await post(house, "codes/switch", slot=4, enabled=True)
        assert document["result"]["outcome"] == "confirmed"
        assert lock.opens(THEIRS)
        (after,) = lock.state()["codes"].values()
        assert {**after, "count": before["count"]} == before
        abouts = [told.body["about"] for told in await house.told(EventType.AUDIT_COMMAND)]
        assert abouts == ["slot 4 off", "slot 4 on"]
        _, document = await post(house, "codes/switch", slot=5, enabled=False)
        assert document["result"] == {"outcome": "refused", "reason": "empty_slot"}


async def test_a_code_of_ours_is_the_clouds_to_suspend(house: OnSiteHouse) -> None:
    ours = Slot(3, Known(house.keyring.hash(Secret("1234"))), owner=CredentialId("cred_1"))
    free = Slot(4, Empty())
    for slot in (ours, free):
        await house.store.submit(partial(reported.put_slot, device_id=house.device_id, slot=slot))
    assert await refusal(house, "codes/switch", slot=3, enabled=False) == (409, "conflict")
    assert await refusal(house, "codes/switch", slot=0, enabled=False) == (400, "bad_request")
    assert await refusal(house, "codes/switch", slot=4, enabled=1) == (400, "bad_request")
    _, document = await post(house, "codes/switch", slot=4, enabled=False)  # a TTLock cannot
    assert document["result"] == {"outcome": "refused", "reason": "unsupported"}


# ── the latch ───────────────────────────────────────────────────────────────────────────


async def test_the_latch_is_pulled_once_for_one_order(tmp_path: Path) -> None:
    async with nuki_house(tmp_path) as (house, lock):
        body = {"device": "front", "kind": "unlatch", "reason": "no handle", "command_id": "c1"}
        for _ in range(2):
            _, document = await house.call("POST", "/v1/commands", body)
            assert document["result"]["outcome"] == "confirmed", document
        assert lock.received("unlatch") == 1
        (told,) = await house.told(EventType.AUDIT_COMMAND)
        assert (told.body["kind"], told.body["why"]) == ("unlatch", "no handle")


async def test_looking_and_changing_take_an_operator(tmp_path: Path) -> None:
    class Reader(Access):
        async def caller(self, uid: int, gid: int) -> Any:
            found = await super().caller(uid, gid)
            return type(found)(found.uid, found.name, type(found.role).STATUS)

    async with onsite_house(tmp_path, access=Reader("x", "y")) as house:
        for path in ("settings", "keys"):
            assert (await house.call("GET", f"{FRONT}/{path}"))[0] == 403
        for path in ("keys/remove", "keys/update", "codes/switch"):
            assert (await house.call("POST", f"{FRONT}/{path}", {}))[0] == 403
