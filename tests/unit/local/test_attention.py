"""What somebody should look at, most urgent first, from the store's own rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.domain.devices import PURGED_AT_LOCK
from gateway.domain.grants import GrantState
from gateway.domain.ids import CredentialId, GrantId
from gateway.domain.instant import HOUR, ClockTrust, Instant
from gateway.local import attention, queries
from gateway.local.queries import Code
from gateway.radios.api import RadioState, RadioStatus
from gateway.store import devices, reported
from tests.local_house import FRONT, NOW, House, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

UP = {"zigbee": RadioState(RadioStatus.UP)}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def found(
    house: House,
    radios: dict[str, RadioState] | None = None,
    trust: ClockTrust = ClockTrust.TRUSTED,
) -> list[dict[str, Any]]:
    rows = await house.store.fetch(devices.all_devices())
    names = {row.device_id: row.name for row in rows}
    codes = []
    for grant_id in await house.store.fetch(queries.needing_attention(50)):
        row = await house.store.fetch_one(reported.grant(grant_id))
        assert row is not None
        codes.append(Code(row, names.get(row.device_id), 0))
    return attention.find(rows, codes, UP if radios is None else radios, trust, NOW)


async def grant(house: House, credential: str, **changes: Any) -> None:
    grant_id = GrantId(CredentialId(credential), FRONT)
    await house.store.submit(lambda tx: reported.update_grant(tx, grant_id, NOW, **changes))


async def device(house: House, **changes: Any) -> None:
    await house.store.submit(lambda tx: devices.update_device(tx, FRONT, **changes))


async def test_a_house_in_order_names_only_the_code_it_refused(house: House) -> None:
    (item,) = await found(house)
    assert (item["code"], item["credential_id"], item["device_id"]) == (
        "rejected",
        "cred_weak",
        FRONT,
    )
    assert item["text"].startswith("Weak at Front door is rejected: ")
    assert item["next"]


async def test_an_overdue_erase_is_before_everything_else(house: House) -> None:
    due = Instant(NOW - HOUR)
    await grant(house, "cred_ada", state=GrantState.ERASING, erase_due_at=due, erase_alarm_at=NOW)
    await device(house, reachable=False, reachable_since=due)
    down = {"zigbee": RadioState(RadioStatus.DOWN, "no such port")}
    items = await found(house, down, ClockTrust.UNTRUSTED)
    assert [item["code"] for item in items] == [
        "erase_overdue",
        "clock_untrusted",
        "radio_down",
        "unreachable",
        "rejected",
    ]
    assert "may still open Front door" in items[0]["text"]
    assert "no such port" in items[2]["text"]


async def test_an_erase_that_is_not_late_is_no_news(house: House) -> None:
    await grant(house, "cred_ada", state=GrantState.ERASING, erase_due_at=NOW)
    assert [item["code"] for item in await found(house)] == ["rejected"]


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"jammed": True}, "jammed", "the bolt is jammed"),
        ({"battery_low": True}, "battery_low", "its batteries are low"),
        ({"repair_paused": PURGED_AT_LOCK}, "repair_paused", "repair is paused"),
        ({"reachable": False, "reachable_since": None}, "unreachable", "does not answer"),
    ],
)
async def test_each_trouble_of_a_lock_is_named(
    house: House, changes: dict[str, Any], code: str, said: str
) -> None:
    await device(house, **changes)
    item = (await found(house))[0]
    assert (item["code"], item["device_id"]) == (code, FRONT)
    assert said in item["text"]


async def test_a_code_without_a_slot_is_called_so(house: House) -> None:
    await grant(house, "cred_bob", state=GrantState.PENDING, reason="no_free_slot")
    assert "no_free_slot" in [item["code"] for item in await found(house)]
