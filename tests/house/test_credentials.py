"""Codes that cannot be, and removals that nobody may have meant: told by name, nothing lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from firmware_sims.demo.steps import Document, rfc, soon
from tests.house.house import ALWAYS, Door, House, house, needs_broker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [*needs_broker, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module", scope="module", name="house")
async def _house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    doors = (Door("front"), Door("garage", "danalock-v3", {"slots": 5, "max_code_length": 10}))
    async with house(tmp_path_factory.mktemp("house"), *doors) as running:
        await running.give("resident", "front")
        yield running


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def _goes_on(house: House) -> AsyncIterator[None]:
    """Whatever a test did: nothing was lost or told, and the main job is done afterwards."""
    yield
    await house.cloud.wait_applied()
    await house.works()
    assert len(await house.held("front", "resident")) == 1
    assert house.silent()


def _timed(opens_in_s: float, closes_in_s: float) -> Document:
    opens, closes = rfc(soon(opens_in_s)), rfc(soon(closes_in_s))
    return {"kind": "timed", "opens_at": opens, "closes_at": closes}


async def test_a_grant_for_a_door_that_is_not_here_waits_for_it(house: House) -> None:
    house.stage.device_ids["attic"] = "dev_attic"
    house.cloud.push([house.credential("stray", ["attic", "front"], ALWAYS)])
    grant = await house.grant("stray", "attic", "pending")
    await house.cloud.until(lambda: _reason(house, "stray", "attic") == "unknown_device")
    assert not grant["evidence"]
    await house.until_held("front", "stray")  # the other door is served
    await house.take("stray", "front")


def _reason(house: House, name: str, door: str) -> object:
    return house.cloud.grants.get((name, house.id_of(door)), {}).get("reason")


@pytest.mark.parametrize(
    ("window", "field"),
    [
        ({"kind": "timed", "opens_at": rfc(soon(60)), "closes_at": rfc(soon(30))}, "window"),
        ({"kind": "timed", "opens_at": "2027-02-30T10:00:00Z", "closes_at": rfc(soon(9))},
         "window.opens_at"),
        ({"kind": "timed", "opens_at": "2027-02-03T10:00:00", "closes_at": rfc(soon(9))},
         "window.opens_at"),
        ({"kind": "recurring", "zone": "Europe/Atlantis",
          "rules": [{"weekdays": ["mon"], "from": "08:00", "to": "10:00"}]}, "window.zone"),
        ({"kind": "recurring", "zone": "Europe/Zurich",
          "rules": [{"weekdays": ["mon"], "from": "08:00", "to": "25:00"}]}, "window.rules.0.to"),
        ({"kind": "recurring", "zone": "Europe/Zurich",
          "rules": [{"weekdays": [], "from": "08:00", "to": "10:00"}]},
         "window.rules.0.weekdays"),
    ],
    ids=["inverted", "no such day", "no offset", "no such zone", "no such hour", "no day"],
)  # fmt: skip
async def test_an_impossible_window_is_refused_by_name(
    house: House, window: Document, field: str
) -> None:
    before = house.head
    house.cloud.send(
        "desired",
        kind="delta",
        revision=house.cloud.revision + 1,
        previous=house.cloud.revision,
        hash="0" * 64,
        credentials=[house.credential("nowhen", ["front"], window)],
    )
    told = await house.event("schedule.refused", before)
    assert told["body"]["credential_id"] == "nowhen"
    assert told["body"]["path"] == f"credentials.0.{field}"
    assert not await house.held("front", "nowhen")


async def test_a_window_that_is_over_is_missed_not_programmed(house: House) -> None:
    writes = await house.applied("front", "set_pin_code")
    house.cloud.push([house.credential("late", ["front"], _timed(-60, -30))])
    grant = await house.grant("late", "front", "missed")
    assert grant["reason"] == "expired"
    assert await house.applied("front", "set_pin_code") == writes


async def test_digits_no_lock_should_hold_are_refused(house: House) -> None:
    unfit = {
        "short": ("715", "length"),
        "long": ("715936284", "length"),
        "lettered": ("71593a", "charset"),
        "repeated": ("77777777", "weak_code"),
        "run": ("45678901", "weak_code"),
        "year": ("1987", "weak_code"),
    }
    writes, before = await house.applied("front", "set_pin_code"), house.head
    house.codes.update({name: digits for name, (digits, _) in unfit.items()})
    house.cloud.push([house.credential(name, ["front"], ALWAYS) for name in unfit])
    for name, (_, reason) in unfit.items():
        assert (await house.grant(name, "front", "rejected"))["reason"] == reason
        await house.event("credential.rejected", before, credential_id=name, reason=reason)
    assert await house.applied("front", "set_pin_code") == writes

    for name in unfit:  # a better one mends it
        del house.codes[name]
    house.cloud.push([house.credential(name, ["front"], ALWAYS, version=2) for name in unfit])
    for name in unfit:
        await house.until_held("front", name)
    house.cloud.push([], [{"credential_id": name} for name in unfit], confirm_removals=True)
    for name in unfit:
        await house.until_gone("front", name)


@pytest.mark.parametrize(
    "digits", ["\uff17\uff11\uff15\uff19\uff13\uff16", "715 936", "", "7" * 33]
)
async def test_what_is_not_digits_at_all_is_refused_by_name(house: House, digits: str) -> None:
    before = house.head
    house.cloud.send(
        "desired",
        kind="delta",
        revision=house.cloud.revision + 1,
        previous=house.cloud.revision,
        hash="0" * 64,
        credentials=[
            house.credential("nothing", ["front"], ALWAYS) | {"secret": {"digits": digits}}
        ],
    )
    told = await house.event("schedule.refused", before)
    assert told["body"]["credential_id"] == "nothing"
    assert told["body"]["path"] == "credentials.0.secret.digits"
    assert not digits or digits not in str(told)


async def test_one_door_may_take_what_another_refuses(house: House) -> None:
    house.codes["nine"] = "715936284"
    house.cloud.push([house.credential("nine", ["front", "garage"], ALWAYS)])
    await house.until_held("garage", "nine")
    grant = await house.grant("nine", "front", "rejected")
    assert grant["reason"] == "length"
    assert (await house.types("garage", "nine"))["opened"]
    await house.take("nine", "garage")


async def test_digits_of_another_grant_are_refused_by_its_name(house: House) -> None:
    house.codes["double"] = house.code("resident")
    house.cloud.push([house.credential("double", ["front"], ALWAYS)])
    grant = await house.grant("double", "front", "rejected")
    assert grant["reason"] == "conflicts_with:resident"
    assert len(await house.held("front", "double")) == 1  # the resident's, where it was
    house.cloud.push([], [{"credential_id": "double"}])
    await house.grant("double", "front", "erased")
    assert (await house.types("front", "resident"))["opened"]


async def test_digits_set_by_hand_are_left_alone_and_named(house: House) -> None:
    digits = house.code("by_hand")
    number = 3  # on the lock, which counts from 0
    await house.at("garage", "set_code_by_hand", slot=number, code=digits)
    house.codes["unlucky"] = digits
    house.cloud.push([house.credential("unlucky", ["garage"], ALWAYS)])
    grant = await house.grant("unlucky", "garage", "rejected")
    assert grant["reason"].startswith("conflicts_with:unmanaged")
    assert await house.held("garage", "by_hand") == [number]
    assert (await house.types("garage", "by_hand"))["opened"]

    await house.cloud.command("refresh", house.id_of("garage"))
    found = await house.event("codes.unmanaged_found", device_id=house.id_of("garage"))
    assert found["body"] == {"slot": number + 1}
    del house.codes["unlucky"]
    house.cloud.push([house.credential("unlucky", ["garage"], ALWAYS, version=2)])
    await house.until_held("garage", "unlucky")
    await house.take("unlucky", "garage")
    assert await house.held("garage", "by_hand") == [number]
    await house.at("garage", "clear_codes", slot=number)


async def _told_why(house: House, name: str, door: str) -> dict[str, Any]:
    """The cloud's latest word on a grant, once it gives a reason."""
    key = name, house.stage.device_ids[door]
    await house.cloud.until(lambda: house.cloud.grants.get(key, {}).get("reason"))
    return house.cloud.grants[key]


async def test_a_full_lock_serves_the_soonest_and_names_who_waits(house: House) -> None:
    names = [f"tenant_{number}" for number in range(7)]
    before = house.head
    house.cloud.push(
        [
            house.credential(name, ["garage"], _timed(-100 + number, 600))
            for number, name in enumerate(names)
        ]
    )
    for name in names[:5]:
        await house.until_held("garage", name)
    for name in names[5:]:
        await house.event("credential.no_free_slot", before, credential_id=name)
        told = await _told_why(house, name, "garage")
        assert (told["state"], told["reason"]) == ("pending", "no_free_slot")
    attention = (await house.status())["attention"]
    assert {item["credential_id"] for item in attention if item["code"] == "no_free_slot"} == set(
        names[5:]
    )

    await house.take(names[0], "garage")  # whoever waited longest for it gets the place
    await house.until_held("garage", names[5])
    assert not await house.held("garage", names[6])
    house.cloud.push([], [{"credential_id": name} for name in names[1:]], confirm_removals=True)
    for name in names[1:]:
        await house.until_gone("garage", name)


# ----------------------------------------------------------------------------------- removals


async def test_a_mass_deletion_waits_for_a_word(house: House) -> None:
    names = [f"flat_{number}" for number in range(4)]
    house.cloud.push([house.credential(name, ["front"], ALWAYS) for name in names])
    for name in names:
        await house.until_held("front", name)
    before, cleared = house.head, await house.applied("front", "clear_pin_code")
    revision = house.cloud.push(
        [house.credential("newcomer", ["front"], ALWAYS)],
        [{"credential_id": name} for name in names],
    )
    told = await house.event("schedule.removals_held", before)
    assert told["body"]["credentials"] == names
    await house.until_held("front", "newcomer")  # an addition passes
    await house.cloud.wait_applied()
    assert house.cloud.hello["held_count"] == 4
    for name in names:
        assert len(await house.held("front", name)) == 1
    assert await house.applied("front", "clear_pin_code") == cleared

    answer = await house.cloud.command("confirm_removals", revision=revision)
    assert answer["result"]["grants"] == 4
    for name in names:
        await house.until_gone("front", name)
    await house.cloud.until(lambda: house.cloud.hello["held_count"] == 0)
    await house.take("newcomer", "front")


async def test_an_empty_snapshot_takes_nothing_away(house: House) -> None:
    """A cloud that lost its data is asked, not obeyed."""
    kept, house.cloud.schedule = house.cloud.schedule, {}
    house.cloud.revision += 1
    house.cloud.push_snapshot()
    await house.cloud.wait_applied()
    await house.works("garage")
    assert len(await house.held("front", "resident")) == 1
    key = ("resident", house.id_of("front"))
    await house.cloud.until(lambda: house.cloud.grants[key].get("orphaned"))
    house.cloud.schedule = kept | house.cloud.schedule
    house.cloud.revision += 1
    house.cloud.push_snapshot()
    await house.cloud.wait_applied()
    await house.cloud.until(lambda: not house.cloud.grants[key].get("orphaned"))


async def test_a_single_revocation_always_passes(house: House) -> None:
    for word in ("tombstone", "command"):
        name = f"ex_by_{word}"
        house.cloud.push([house.credential(name, ["front"], ALWAYS)])
        await house.until_held("front", name)
        if word == "tombstone":
            house.cloud.push([], [{"credential_id": name}])
        else:
            answer = await house.cloud.command("revoke", credential_id=name)
            assert answer["result"] == {"outcome": "confirmed", "grants": 1}
        await house.until_gone("front", name)
        assert not (await house.types("front", name))["opened"]
        await house.grant(name, "front", "erased")
    answer = await house.cloud.command("revoke", credential_id="nobody")
    assert answer["result"]["reason"] == "unknown_credential"
