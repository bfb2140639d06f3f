"""Slots, grants, attempts and slot history as they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.domain.devices import (
    Empty,
    Evidence,
    Known,
    LockClock,
    Opaque,
    OpaqueReason,
    Slot,
    WeekDay,
    YearDay,
)
from gateway.domain.grants import Enforcement, GrantState
from gateway.domain.ids import CredentialId, GrantId
from gateway.domain.instant import DAY, Instant
from gateway.domain.secret import KeyedHash
from gateway.store import desired, devices, meta, reported
from gateway.store.tx import SHOWN
from tests.unit.store.build import FRONT, NOW, SIDE, join, spec

if TYPE_CHECKING:
    from gateway.store.database import Store
    from gateway.store.keyring import Keyring
    from gateway.store.reported import GrantRow
    from gateway.store.tx import Tx

GUEST = CredentialId("guest")
GRANT = GrantId(GUEST, FRONT)

SLOTS = [
    Slot(1, Empty(), None, (), frozenset({Evidence.READ_BACK}), NOW),
    Slot(
        2,
        Known(KeyedHash("abc")),
        GUEST,
        (YearDay(NOW, Instant(NOW + 5)), WeekDay(frozenset({1, 7}), 0, 600)),
        frozenset({Evidence.ACKNOWLEDGED, Evidence.READ_BACK}),
        NOW,
    ),
    Slot(3, Opaque(OpaqueReason.IN_FLIGHT), GUEST),
]


def put_slots(tx: Tx) -> None:
    for slot in SLOTS:
        reported.put_slot(tx, FRONT, slot)


async def order(store: Store, keyring: Keyring) -> None:
    await store.submit(lambda tx: desired.upsert_credential(tx, keyring, spec(), 1, NOW))


async def the_grant(store: Store) -> GrantRow:
    row = await store.fetch_one(reported.grant(GRANT))
    assert row is not None
    return row


async def test_slots_are_read_as_they_were_written(store: Store) -> None:
    await store.submit(put_slots)
    assert await store.fetch(reported.slots_for(FRONT)) == SLOTS
    assert await store.fetch_one(reported.slot(FRONT, 2)) == SLOTS[1]
    assert await store.fetch(reported.slots_for(SIDE)) == []


async def test_the_same_slot_read_again_wakes_nobody(store: Store) -> None:
    told: list[frozenset[str]] = []
    store.subscribe(told.append)
    first = Slot(1, Empty(), observed_at=NOW)
    later = Slot(1, Empty(), observed_at=Instant(NOW + 9))
    await store.submit(lambda tx: reported.put_slot(tx, FRONT, first))
    await store.submit(lambda tx: reported.put_slot(tx, FRONT, later))
    assert await store.fetch(reported.slots_for(FRONT)) == [later]
    assert told == [frozenset({f"device:{FRONT}"})]


async def test_a_device_as_planning_sees_it(store: Store) -> None:
    await store.submit(join)
    row = await store.fetch_one(devices.device(FRONT))
    assert row is not None
    assert reported.device_view(row, [], "Europe/Rome").clock is None
    await store.submit(
        lambda tx: devices.update_device(
            tx,
            FRONT,
            clock_error_ms=-3,
            clock_bound_ms=500,
            clock_read_at=NOW,
            clock_zone_proven=True,
            repair_paused="codes_cleared_at_lock",
        )
    )
    row = await store.fetch_one(devices.device(FRONT))
    assert row is not None
    view = reported.device_view(row, SLOTS, "Europe/Rome")
    assert view.clock == LockClock(-3, 500, NOW, zone_proven=True)
    assert view.slots == {slot.number: slot for slot in SLOTS}
    assert (view.zone, view.repair_paused) == ("Europe/Rome", "codes_cleared_at_lock")


async def test_a_grant_is_read_as_it_was_written(store: Store, keyring: Keyring) -> None:
    await order(store, keyring)
    later = Instant(NOW + 60_000)
    assert await store.submit(
        lambda tx: reported.update_grant(
            tx,
            GRANT,
            later,
            state=GrantState.PROGRAMMED,
            slot=4,
            opens=Enforcement.ON_LOCK,
            evidence={Evidence.READ_BACK},
            removed_externally=True,
            early_exposure_ms=250,
        )
    )
    row = await the_grant(store)
    assert (row.state, row.since, row.slot) == (GrantState.PROGRAMMED, later, 4)
    assert (row.opens, row.closes) == (Enforcement.ON_LOCK, Enforcement.NONE)
    assert row.evidence == {Evidence.READ_BACK}
    assert row.removed_externally is True
    assert row.window == spec().window
    assert row.has_digits
    assert row.grant_id == GRANT
    for select in (reported.grants_for(FRONT), reported.grants_of(GUEST), reported.all_grants()):
        assert await store.fetch(select) == [row]


async def test_only_differences_of_a_grant_are_written(store: Store, keyring: Keyring) -> None:
    await order(store, keyring)
    before = await the_grant(store)
    told: list[frozenset[str]] = []
    store.subscribe(told.append)
    assert not await store.submit(
        lambda tx: reported.update_grant(
            tx, GRANT, Instant(NOW + 5), state=GrantState.PENDING, attempts=0, evidence=()
        )
    )
    assert await the_grant(store) == before
    assert told == []
    assert await store.submit(
        lambda tx: reported.update_grant(tx, GRANT, Instant(NOW + 5), attempts=1)
    )
    after = await the_grant(store)
    assert after.since == before.since
    assert after.changed > before.changed


async def test_unknown_grants_and_columns(store: Store, keyring: Keyring) -> None:
    assert not await store.submit(lambda tx: reported.update_grant(tx, GRANT, NOW, attempts=1))
    await order(store, keyring)
    with pytest.raises(KeyError, match="removed"):
        await store.submit(
            lambda tx: reported.update_grant(tx, GRANT, NOW, removed=None)  # type: ignore[call-arg]  # what is refused
        )


async def test_following_changes_page_by_page_misses_nothing(
    store: Store, keyring: Keyring
) -> None:
    for batch in range(4):

        def write(tx: Tx, batch: int = batch) -> None:
            for number in range(3):
                name = f"guest{batch}{number}"
                desired.upsert_credential(tx, keyring, spec(name), 1, NOW)

        await store.submit(write)
    seen: list[str] = []
    since = 0
    while rows := await store.fetch(reported.grants_changed_since(since, 2)):
        seen += [row.credential_id for row in rows]
        since = rows[-1].changed
    assert sorted(seen) == sorted(f"guest{a}{b}" for a in range(4) for b in range(3))
    assert len(await store.fetch(reported.grants_changed_since(0))) == 12
    assert since == await store.fetch_one(meta.change())


async def test_overdue_erases(store: Store, keyring: Keyring) -> None:
    await order(store, keyring)
    await store.submit(
        lambda tx: reported.update_grant(tx, GRANT, NOW, state=GrantState.ERASING, erase_due_at=NOW)
    )
    assert await store.fetch(reported.overdue_erases(Instant(NOW - 1))) == []
    assert [r.grant_id for r in await store.fetch(reported.overdue_erases(NOW))] == [GRANT]
    await store.submit(lambda tx: reported.update_grant(tx, GRANT, NOW, state=GrantState.ERASED))
    assert await store.fetch(reported.overdue_erases(NOW)) == []


async def test_reading_a_lock_anew_forgets_only_what_is_not_ours(store: Store) -> None:
    await store.submit(put_slots)
    await store.submit(lambda tx: reported.forget_unmanaged(tx, FRONT))
    assert await store.fetch(reported.slots_for(FRONT)) == SLOTS[1:]


async def test_edges_of_many_grants_wake_nobody_who_plans(store: Store, keyring: Keyring) -> None:
    await order(store, keyring)
    (row,) = await store.fetch(reported.shown_for(FRONT))
    heard: list[frozenset[str]] = []
    store.subscribe(heard.append)
    shown = [(row, Enforcement.BY_GATEWAY, Enforcement.ON_LOCK)]
    await store.submit(lambda tx: reported.show_edges(tx, shown))
    after = await the_grant(store)
    assert (after.opens, after.closes) == (Enforcement.BY_GATEWAY, Enforcement.ON_LOCK)
    assert after.changed > row.changed
    assert heard == [frozenset({SHOWN})]


CHANGES: dict[str, object] = {
    "state": GrantState.ACTIVE,
    "reason": "because",
    "slot": 4,
    "opens": Enforcement.ON_LOCK,
    "closes": Enforcement.ON_LOCK,
    "evidence": frozenset({Evidence.READ_BACK}),
    "attempts": 3,
    "next_attempt_at": NOW,
    "erase_due_at": NOW,
    "erase_alarm_at": NOW,
    "refused_version": 9,
    "refused_reason": "because",
    "removed_externally": True,
    "writes_day": 0,
    "writes_today": 5,
    "programmed_at": NOW,
    "erased_at": NOW,
    "early_exposure_ms": 1,
    "late_revocation_ms": 1,
    "last_used_at": NOW,
}
ELSEWHERE = {"uses", "first_used_at"}
"""Counted over every lock; see `test_doorbell`."""


def test_every_column_is_asked_about() -> None:
    assert CHANGES.keys() | ELSEWHERE == reported.GrantColumns.__annotations__.keys()


@pytest.mark.parametrize("column", [*CHANGES, "gone"])
@pytest.mark.parametrize("removed", [False, True])
async def test_what_planning_reads_of_a_grant_wakes_its_lane_and_nothing_else_does(
    store: Store, keyring: Keyring, column: str, removed: bool
) -> None:
    await order(store, keyring)
    row = await the_grant(store)

    def prepare(tx: Tx) -> None:
        reported.update_grant(
            tx,
            row.grant_id,
            NOW,
            refused_version=row.version,
            refused_reason="no",
            writes_day=NOW // DAY,
            writes_today=2,
        )
        if removed:
            tx.execute("UPDATE grants SET removed = 'tombstone', state = 'erasing'")

    await store.submit(prepare)
    wanted = desired.desired_for(FRONT, NOW // DAY)
    before = await store.fetch(wanted)
    topics: list[frozenset[str]] = []
    store.subscribe(topics.append)
    changes: Any = {"state": GrantState.ERASED} if column == "gone" else {column: CHANGES[column]}
    await store.submit(lambda tx: reported.update_grant(tx, row.grant_id, NOW, **changes))
    after = await store.fetch(wanted)
    woken = topics == [frozenset({f"device:{FRONT}"})]
    assert woken or topics == [frozenset({SHOWN})]
    assert woken or before == after
    if column != "gone":
        assert woken == (before != after)


async def test_edges_of_a_grant_that_was_changed_since_are_not_shown(
    store: Store, keyring: Keyring
) -> None:
    await order(store, keyring)
    (row,) = await store.fetch(reported.shown_for(FRONT))
    await store.submit(
        lambda tx: reported.update_grant(tx, row.grant_id, NOW, state=GrantState.HELD)
    )
    held = await the_grant(store)
    shown = [(row, Enforcement.BY_GATEWAY, Enforcement.BY_GATEWAY)]
    await store.submit(lambda tx: reported.show_edges(tx, shown))
    assert await the_grant(store) == held
