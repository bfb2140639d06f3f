"""Rows of devices: read as written, written only where different, never found once removed."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from gateway.domain.devices import Empty, Slot
from gateway.domain.grants import GrantState
from gateway.domain.ids import CredentialId, GrantId
from gateway.domain.instant import Instant
from gateway.store import desired, devices, reported
from gateway.store.tx import SHOWN
from tests.unit.store.build import FRONT, LOCK, NOW, SIDE, join, spec

if TYPE_CHECKING:
    from gateway.store.database import Store
    from gateway.store.keyring import Keyring


async def test_a_device_is_read_as_it_was_written(store: Store) -> None:
    await store.submit(join)
    row = await store.fetch_one(devices.device(FRONT))
    assert row is not None
    assert row.capabilities == LOCK
    assert (row.name, row.joined_at, row.reachable, row.jammed) == (FRONT, NOW, None, False)
    assert await store.fetch(devices.device_at("zigbee", f"00:{FRONT}")) == [row]
    assert await store.fetch(devices.devices_changed_since(0)) == [row]
    assert await store.fetch(devices.devices_changed_since(row.changed)) == []


async def test_only_differences_are_written_and_told(store: Store) -> None:
    await store.submit(join)
    told: list[frozenset[str]] = []
    store.subscribe(told.append)
    assert await store.submit(
        lambda tx: devices.update_device(tx, FRONT, locked=True, quirks=("a",), name="Front door")
    )
    before = await store.fetch_one(devices.device(FRONT))
    assert before is not None
    assert (before.locked, before.quirks, before.name) == (True, ("a",), "Front door")
    assert not await store.submit(lambda tx: devices.update_device(tx, FRONT, locked=True))
    assert await store.fetch_one(devices.device(FRONT)) == before
    assert told == [frozenset({f"device:{FRONT}"})]


async def test_hearing_a_device_is_no_news(store: Store) -> None:
    await store.submit(join)
    before = await store.fetch_one(devices.device(FRONT))
    told: list[frozenset[str]] = []
    store.subscribe(told.append)
    assert await store.submit(
        lambda tx: devices.update_device(tx, FRONT, last_heard_at=Instant(NOW + 5))
    )
    after = await store.fetch_one(devices.device(FRONT))
    assert before is not None
    assert after is not None
    assert after.last_heard_at == NOW + 5
    assert after.changed == before.changed
    assert told == []


async def test_unknown_devices_and_columns(store: Store) -> None:
    assert not await store.submit(lambda tx: devices.update_device(tx, FRONT, locked=True))
    await store.submit(join)
    with pytest.raises(KeyError, match="removed_at"):
        await store.submit(
            lambda tx: devices.update_device(tx, FRONT, removed_at=1)  # type: ignore[call-arg]  # what is refused
        )


async def test_one_device_in_service_at_an_address(store: Store) -> None:
    await store.submit(lambda tx: join(tx, FRONT, "00:11"))
    with pytest.raises(sqlite3.IntegrityError):
        await store.submit(lambda tx: join(tx, SIDE, "00:11"))
    assert await store.submit(lambda tx: devices.remove_device(tx, FRONT, NOW))
    await store.submit(lambda tx: join(tx, SIDE, "00:11"))
    found = await store.fetch_one(devices.device_at("zigbee", "00:11"))
    assert found is not None
    assert found.device_id == SIDE
    assert len(await store.fetch(devices.all_devices())) == 1
    assert len(await store.fetch(devices.all_devices(include_removed=True))) == 2


async def test_removal_forgets_slots_and_says_so_of_grants(store: Store, keyring: Keyring) -> None:
    grant_id = GrantId(CredentialId("guest"), FRONT)
    await store.submit(join)
    await store.submit(lambda tx: desired.upsert_credential(tx, keyring, spec(), 1, NOW))
    await store.submit(lambda tx: reported.put_slot(tx, FRONT, Slot(3, Empty())))
    await store.submit(lambda tx: reported.hold_slot(tx, FRONT, 3, grant_id.credential_id, NOW))
    await store.submit(
        lambda tx: reported.update_grant(tx, grant_id, NOW, state=GrantState.ACTIVE, slot=3)
    )
    later = Instant(NOW + 1000)
    assert await store.submit(lambda tx: devices.remove_device(tx, FRONT, later))
    assert not await store.submit(lambda tx: devices.remove_device(tx, FRONT, later))
    assert await store.fetch(reported.slots_for(FRONT)) == []
    assert await store.fetch(reported.holder_at(FRONT, 3, NOW)) == ["guest"]
    assert await store.fetch(reported.holder_at(FRONT, 3, later)) == []
    row = await store.fetch_one(reported.grant(grant_id))
    assert row is not None
    assert (row.state, row.reason, row.slot) == (GrantState.ACTIVE, "device_removed", None)


NEWS: dict[str, object] = {
    "name": "Back door",
    "locked": True,
    "door_open": True,
    "jammed": True,
    "battery_percent": 5,
    "battery_low": True,
    "clock_read_at": NOW,
    "schedules_proven": True,
    "repair_paused": "codes_cleared_at_lock",
    "inventory_done": True,
    "recovering": True,
    "log_news": True,
    "log_read_at": NOW,
    "reachable": True,
}


@pytest.mark.parametrize("column", NEWS)
async def test_what_planning_reads_of_a_device_wakes_its_lane(store: Store, column: str) -> None:
    await store.submit(join)
    await store.submit(
        lambda tx: devices.update_device(tx, FRONT, clock_error_ms=0, clock_bound_ms=0)
    )
    (before,) = await store.fetch(devices.device(FRONT))
    told: list[frozenset[str]] = []
    store.subscribe(told.append)
    change: Any = {column: NEWS[column]}
    await store.submit(lambda tx: devices.update_device(tx, FRONT, **change))
    (after,) = await store.fetch(devices.device(FRONT))
    assert after.changed > before.changed
    woken = told == [frozenset({f"device:{FRONT}"})]
    assert woken or told == [frozenset({SHOWN})]
    seen = [
        (reported.device_view(row, [], "Europe/Rome"), row.reachable) for row in (before, after)
    ]
    assert woken == (seen[0] != seen[1])
