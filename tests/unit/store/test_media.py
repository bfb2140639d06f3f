"""Rows of media: a name for a card or finger, found by its hash, gone with its device."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.domain.devices import WeekDay, YearDay
from gateway.domain.ids import DeviceId
from gateway.domain.instant import HOUR, Instant
from gateway.domain.secret import KeyedHash
from gateway.store import devices, media
from tests.unit.store.build import FRONT, NOW, join

if TYPE_CHECKING:
    from gateway.store.database import Store

ADA = media.MediumRow(
    FRONT, "card", KeyedHash("a" * 32), "Ada", (), Instant(NOW), "local:ada"
)  # fmt: skip


async def test_enrolled_again_it_has_another_name(store: Store) -> None:
    window = (
        YearDay(Instant(NOW), Instant(NOW + HOUR)),
        WeekDay(frozenset({1, 3}), 540, 1020),
    )
    finger = replace(ADA, kind="finger", id_hash=KeyedHash("b" * 32), schedules=window)
    bob = replace(ADA, name="Bob", added_at=Instant(NOW + 1), actor="local:bob")
    for row in (ADA, finger, bob):
        await store.submit(lambda tx, row=row: media.put(tx, row))  # type: ignore[misc]  # bound early
    assert await store.fetch(media.of_device(FRONT, "card")) == [bob]
    assert await store.fetch(media.of_device(FRONT, "finger")) == [finger]
    assert await store.fetch_one(media.medium(FRONT, ADA.id_hash)) == bob
    assert await store.fetch_one(media.medium(DeviceId("dev_other"), ADA.id_hash)) is None


async def test_its_hours_change_and_it_is_forgotten(store: Store) -> None:
    await store.submit(lambda tx: media.put(tx, ADA))
    window = (YearDay(Instant(NOW), Instant(NOW + HOUR)),)
    await store.submit(lambda tx: media.reschedule(tx, FRONT, ADA.id_hash, window))
    row = await store.fetch_one(media.medium(FRONT, ADA.id_hash))
    assert row == replace(ADA, schedules=window)
    await store.submit(lambda tx: media.forget(tx, FRONT, ADA.id_hash))
    assert await store.fetch(media.of_device(FRONT, "card")) == []


async def test_they_go_with_their_device(store: Store) -> None:
    await store.submit(lambda tx: join(tx))
    await store.submit(lambda tx: media.put(tx, ADA))
    await store.submit(lambda tx: devices.remove_device(tx, FRONT, Instant(NOW)))
    assert await store.fetch_one(media.medium(FRONT, ADA.id_hash)) is None
