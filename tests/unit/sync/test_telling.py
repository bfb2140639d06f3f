"""Rows as the cloud reads them: absent is absent, and nothing secret is there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gateway.domain.capabilities import Capabilities, CodeLimits, ScheduleSupport
from gateway.domain.events import EventType, Fact
from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.instant import ClockTrust
from gateway.domain.schedule import CredentialSpec
from gateway.domain.secret import Secret
from gateway.domain.windows import Always
from gateway.store import desired, devices, events, readings, reported
from gateway.store.keyring import Keyring
from gateway.sync import telling
from tests.unit.sync.conftest import NOW

if TYPE_CHECKING:
    from gateway.store.database import Store
    from gateway.store.tx import Tx


async def test_a_grant_without_its_digits(store: Store) -> None:
    spec = CredentialSpec(
        CredentialId("c1"), 3, Secret("739154826"), (DeviceId("d1"),), Always(), name="Ada"
    )
    keyring = Keyring(bytes(32))
    await store.submit(lambda tx: desired.upsert_credential(tx, keyring, spec, 1, NOW))
    (row,) = await store.fetch(reported.all_grants())
    text = telling.encode(telling.grant(row)).decode()
    assert "739154826" not in text
    assert row.digits_hash not in text
    told = json.loads(text)
    assert (told["state"], told["version"], told["opens"]) == ("pending", 3, "none")
    assert told["since"] == "2026-11-20T12:00:00.000Z"
    assert "first_used_at" not in told


async def test_an_event_with_the_time_it_was_after_all(store: Store) -> None:
    def write(tx: Tx) -> None:
        events.append(tx, Fact(EventType.DOOR_OPENED, NOW), ClockTrust.UNTRUSTED)
        events.append(tx, Fact(EventType.DOOR_CLOSED, NOW), ClockTrust.UNTRUSTED)
        events.correct(tx, 1, 1, -1_000, [ClockTrust.UNTRUSTED])

    await store.submit(write)
    rows = await store.fetch(events.events_after(0, 10))
    told = [json.loads(telling.encode(telling.event(row))) for row in rows]
    assert told[0]["corrected_at"] == "2026-11-20T11:59:59.000Z"
    assert told[0]["at"] == told[1]["at"]
    assert "corrected_at" not in told[1]


async def test_a_device_with_its_standing(store: Store) -> None:
    def write(tx: Tx) -> None:
        devices.add_device(
            tx,
            DeviceId("d1"),
            radio="zigbee",
            address="00:11",
            driver="zcl_lock",
            kind="lock",
            name="Flat 3",
            capabilities=Capabilities(
                can_remotely_unlock=True,
                can_remotely_lock=False,
                codes=CodeLimits(
                    slots=30, forbidden_prefixes=("12",), reserved_slots=frozenset({2, 1})
                ),
                schedules=ScheduleSupport(year_day=1),
            ),
            joined_at=NOW,
        )
        devices.update_device(
            tx,
            DeviceId("d1"),
            reachable=False,
            jammed=True,
            battery_low=True,
            repair_paused="purge",
        )

    await store.submit(write)
    (row,) = await store.fetch(devices.all_devices())
    told = json.loads(telling.encode(telling.device(row)))
    assert told["capabilities"]["can_remotely_unlock"] is True
    assert told["capabilities"]["can_remotely_lock"] is False
    assert "can_program_online_access_codes" not in told["capabilities"]
    constraints = told["capabilities"]["constraints"]
    assert constraints["codes"]["reserved_slots"] == [1, 2]
    assert constraints["codes"]["forbidden_digits"] == ""
    assert constraints["codes"]["forbidden_prefixes"] == ["12"]
    assert constraints["schedules"]["year_day"] == 1
    assert told["problems"] == ["unreachable", "jammed", "battery_low", "repair_paused"]
    assert "address" not in told


async def test_a_meter_is_told_with_what_it_read(store: Store) -> None:
    meter, other = DeviceId("d1"), DeviceId("d2")

    def write(tx: Tx) -> None:
        for device_id in (meter, other):
            devices.add_device(
                tx, device_id, radio="bluetooth", address=device_id, driver="bthome",
                kind="meter", name=device_id, capabilities=Capabilities(), joined_at=NOW,
            )  # fmt: skip

    await store.submit(write)
    (since,) = {row.changed for row in await store.fetch(devices.all_devices())}
    assert await store.fetch(readings.of_changed_devices(0)) == []
    for value in (12345, 12346):
        await store.submit(
            lambda tx, value=value: readings.put(  # type: ignore[misc]  # bound early
                tx, readings.ReadingRow(meter, "energy", value, "Wh", NOW)
            )
        )
    (row,) = await store.fetch(devices.devices_changed_since(since))
    told = await store.fetch(readings.of_changed_devices(since))
    assert json.loads(telling.encode(telling.device(row, told)))["readings"] == [
        {"quantity": "energy", "value": 12346, "unit": "Wh", "at": "2026-11-20T12:00:00.000Z"}
    ]
    assert row.device_id == meter
