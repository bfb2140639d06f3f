"""What is not believed any more: all of a lock that joined again, and what a former life began."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.domain.devices import Empty, Evidence, Known, Opaque, OpaqueReason, Slot
from gateway.domain.ids import CredentialId
from gateway.domain.instant import Instant
from gateway.domain.secret import KeyedHash
from gateway.kit.clock import ManualClock
from gateway.scheduler.doubts import doubt_slots, reap_attempts
from gateway.store import history, reported
from gateway.store.database import open_store
from tests.unit.store.build import FRONT, NOW, join

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gateway.store.database import Store
    from gateway.store.tx import Tx

GUEST = CredentialId("guest")
HASH = KeyedHash("a1")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "state.db", ManualClock(NOW)) as opened:
        yield opened


async def prepared(store: Store, *slots: Slot) -> None:
    def write(tx: Tx) -> None:
        join(tx)
        for slot in slots:
            reported.put_slot(tx, FRONT, slot)

    await store.submit(write)


async def slots_of(store: Store) -> dict[int, Slot]:
    return {slot.number: slot for slot in await store.fetch(reported.slots_for(FRONT))}


async def test_what_is_ours_is_read_again_and_what_is_not_is_forgotten(store: Store) -> None:
    await prepared(
        store,
        Slot(1, Known(HASH), GUEST),
        Slot(2, Opaque(OpaqueReason.MASKED)),
        Slot(3, Empty()),
    )
    await store.submit(lambda tx: doubt_slots(tx, FRONT, NOW))
    found = await slots_of(store)
    assert (found[1].content, found[1].owner) == (Opaque(OpaqueReason.UNREAD), GUEST)
    assert not {2, 3} & found.keys()
    later = Instant(NOW + 1)
    assert await store.fetch(history.quarantined(FRONT, later)) == [HASH]  # still ours if seen


async def test_what_was_begun_is_in_flight_until_it_is_read(store: Store) -> None:
    await prepared(store, Slot(1, Known(HASH), GUEST, (), frozenset({Evidence.READ_BACK})))
    await store.submit(
        lambda tx: history.begin_attempt(
            tx, device_id=FRONT, slot=1, credential_id=GUEST, action="erase", at=NOW
        )
    )
    assert await reap_attempts(store, NOW) == 1
    found = await slots_of(store)
    assert (found[1].content, found[1].owner) == (Opaque(OpaqueReason.IN_FLIGHT), GUEST)
    assert await reap_attempts(store, NOW) == 0
