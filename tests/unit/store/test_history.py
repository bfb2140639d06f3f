"""Attempts, who held a slot when, and digits in quarantine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.ids import CredentialId
from gateway.domain.instant import Instant
from gateway.domain.secret import KeyedHash
from gateway.store import history
from tests.unit.store.build import FRONT, NOW, SIDE

if TYPE_CHECKING:
    from gateway.store.database import Store
    from gateway.store.tx import Tx

GUEST = CredentialId("guest")


async def test_an_attempt_is_open_until_its_first_outcome(store: Store) -> None:
    number = await store.submit(
        lambda tx: history.begin_attempt(
            tx, device_id=FRONT, slot=3, credential_id=GUEST, action="program", at=NOW
        )
    )
    (row,) = await store.fetch(history.open_attempts())
    assert (row.attempt_id, row.slot, row.action, row.outcome) == (number, 3, "program", None)
    later = Instant(NOW + 50)
    await store.submit(lambda tx: history.finish_attempt(tx, number, "confirmed", later))
    await store.submit(lambda tx: history.finish_attempt(tx, number, "refused", later))
    assert await store.fetch(history.open_attempts()) == []
    assert await store.submit(lambda tx: history.prune_attempts(tx, NOW)) == 0
    assert await store.submit(lambda tx: history.prune_attempts(tx, later)) == 1


async def test_a_late_event_finds_who_held_the_slot_then(store: Store) -> None:
    other = CredentialId("other")

    def hold(tx: Tx) -> None:
        for who, at in ((GUEST, NOW), (GUEST, NOW + 10), (other, NOW + 100)):
            history.hold_slot(tx, FRONT, 3, who, Instant(at))

    await store.submit(hold)
    await store.submit(lambda tx: history.free_slot(tx, FRONT, 3, Instant(NOW + 200)))

    async def holder(at: int) -> CredentialId | None:
        return await store.fetch_one(history.holder_at(FRONT, 3, Instant(at)))

    assert await holder(NOW - 1) is None
    assert await holder(NOW) == GUEST
    assert await holder(NOW + 99) == GUEST
    assert await holder(NOW + 100) == other
    assert await holder(NOW + 199) == other
    assert await holder(NOW + 200) is None


async def test_a_time_that_may_be_wrong_finds_who_held_the_slot_nearest_to_it(store: Store) -> None:
    def hold(tx: Tx) -> None:
        history.hold_slot(tx, FRONT, 3, GUEST, NOW)
        history.free_slot(tx, FRONT, 3, Instant(NOW + 1000))
        history.hold_slot(tx, FRONT, 3, CredentialId("other"), Instant(NOW + 2000))

    await store.submit(hold)

    async def holder(at: int, told_at: int = 99_999) -> CredentialId | None:
        told = Instant(NOW + told_at)
        near = history.holder_near(FRONT, 3, Instant(NOW + at), 5000, told, None)
        return await store.fetch_one(near)

    assert await holder(-5001) is None
    assert await holder(-5000) == GUEST
    assert await holder(-300) == GUEST  # though the other came within the five seconds, too
    assert await holder(1000) == GUEST
    assert await holder(1400) == GUEST
    assert await holder(1600) == "other"
    assert await holder(1600, told_at=1700) == GUEST  # the other had not come yet
    assert await holder(2000) == "other"


async def test_history_bears_a_clock_that_steps_back(store: Store) -> None:
    await store.submit(lambda tx: history.hold_slot(tx, FRONT, 3, GUEST, NOW))
    await store.submit(lambda tx: history.free_slot(tx, FRONT, 3, Instant(NOW - 500)))
    await store.submit(lambda tx: history.hold_slot(tx, FRONT, 3, CredentialId("other"), NOW))
    assert await store.fetch(history.holder_at(FRONT, 3, NOW)) == ["other"]


async def test_quarantine_ends_at_the_latest_of_its_terms(store: Store) -> None:
    digits = KeyedHash("abc")

    def put(tx: Tx) -> None:
        for until in (NOW + 10, NOW + 5):
            history.quarantine(tx, FRONT, digits, Instant(until))

    await store.submit(put)
    assert await store.fetch(history.quarantined(FRONT, Instant(NOW + 9))) == [digits]
    assert await store.fetch(history.quarantined(FRONT, Instant(NOW + 10))) == []
    assert await store.fetch(history.quarantined(SIDE, NOW)) == []
    assert await store.submit(lambda tx: history.prune_quarantine(tx, Instant(NOW + 10))) == 1
