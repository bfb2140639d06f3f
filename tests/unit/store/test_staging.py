"""Whole snapshots: staged in chunks, invisible until applied, merged by the rules of single orders.

That both ways lead to the same rows is a property in `tests/properties/test_store.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.devices import Known, Slot
from gateway.domain.grants import GrantState, Origin
from gateway.domain.ids import CredentialId, GrantId
from gateway.domain.instant import Instant
from gateway.domain.schedule import GrantLine, Tombstone, schedule_hash
from gateway.domain.secret import KeyedHash, Secret
from gateway.domain.windows import Always
from gateway.store import desired, reported
from tests.unit.store.build import FRONT, NOW, SIDE, TODAY, scalar, spec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.domain.schedule import CredentialSpec
    from gateway.store.database import Store
    from gateway.store.keyring import Keyring
    from gateway.store.staging import AppliedSnapshot

LATER = Instant(NOW + 1000)
STAGED = scalar(
    "SELECT (SELECT COUNT(*) FROM staged_credentials) + (SELECT COUNT(*) FROM staged_grants)"
    " + (SELECT COUNT(*) FROM staged_tombstones)"
)


async def stage(
    store: Store,
    keyring: Keyring,
    specs: Iterable[CredentialSpec],
    stones: Iterable[Tombstone] = (),
    *,
    revision: int = 10,
    chunk: int = 0,
) -> None:
    await store.submit(lambda tx: desired.stage_chunk(tx, keyring, revision, chunk, specs, stones))


async def apply(store: Store, revision: int = 10) -> AppliedSnapshot:
    return await store.submit(lambda tx: desired.apply_staged(tx, revision, LATER))


async def upsert(store: Store, keyring: Keyring, *specs: CredentialSpec) -> None:
    for wanted in specs:
        await store.submit(
            lambda tx, wanted=wanted: bool(  # type: ignore[misc]  # bound per round
                desired.upsert_credential(tx, keyring, wanted, 1, NOW)
            )
        )


async def test_nothing_is_seen_of_a_snapshot_before_it_is_applied(
    store: Store, keyring: Keyring
) -> None:
    await stage(store, keyring, [spec("a", devices=(FRONT, SIDE))], chunk=0)
    await stage(store, keyring, [spec("b")], [Tombstone(CredentialId("z"))], chunk=1)
    assert await store.fetch(desired.grant_lines()) == []
    staged = await store.fetch(desired.staged_lines(10))
    wanted = [GrantLine("a", FRONT, 1), GrantLine("a", SIDE, 1), GrantLine("b", FRONT, 1)]
    assert schedule_hash(staged) == schedule_hash(wanted)
    told: list[frozenset[str]] = []
    store.subscribe(told.append)
    applied = await apply(store)
    assert (applied.changed, applied.superseded, applied.removed, applied.orphans) == (2, 0, 0, 0)
    assert applied.devices == {FRONT, SIDE}
    assert told == [frozenset({"schedule", f"device:{FRONT}", f"device:{SIDE}"})]
    assert schedule_hash(await store.fetch(desired.grant_lines())) == schedule_hash(wanted)
    assert await store.fetch_one(STAGED) == 0


async def test_a_chunk_sent_again_replaces_itself(store: Store, keyring: Keyring) -> None:
    await stage(store, keyring, [spec("a"), spec("b")])
    await stage(store, keyring, [spec("a", version=2)])
    assert await store.fetch(desired.staged_lines(10)) == [GrantLine("a", FRONT, 2)]


async def test_what_is_staged_can_be_dropped(store: Store, keyring: Keyring) -> None:
    await stage(store, keyring, [spec("a")], [Tombstone(CredentialId("b"), SIDE)])
    await store.submit(desired.clear_staged)
    assert await store.fetch_one(STAGED) == 0
    applied = await apply(store)
    assert applied.changed == 0
    assert applied.devices == frozenset()


async def test_the_same_snapshot_again_changes_nothing(store: Store, keyring: Keyring) -> None:
    specs = [spec("a"), spec("b", devices=(FRONT, SIDE))]
    await stage(store, keyring, specs)
    await apply(store)
    before = await store.fetch(reported.all_grants())
    await stage(store, keyring, specs, revision=11)
    applied = await apply(store, 11)
    assert (applied.changed, applied.removed, applied.orphans) == (0, 0, 0)
    assert applied.devices == frozenset()
    assert await store.fetch(reported.all_grants()) == before


async def test_newer_wins_absent_is_marked_and_own_codes_are_left_alone(
    store: Store, keyring: Keyring
) -> None:
    await upsert(
        store, keyring, spec("newer_here", version=5), spec("absent"),
        spec("own", origin=Origin.LOCAL),
    )  # fmt: skip
    await stage(store, keyring, [spec("newer_here", version=4, window=Always())])
    applied = await apply(store)
    assert (applied.changed, applied.superseded, applied.orphans) == (0, 1, 1)
    rows = {row.credential_id: row for row in await store.fetch(reported.all_grants())}
    assert rows[CredentialId("newer_here")].version == 5
    assert not rows[CredentialId("newer_here")].orphaned
    assert rows[CredentialId("absent")].orphaned
    assert not rows[CredentialId("own")].orphaned
    assert all(row.removed is None for row in rows.values())


async def test_tombstones_and_dropped_devices_remove(store: Store, keyring: Keyring) -> None:
    await upsert(
        store, keyring, spec("all", devices=(FRONT, SIDE)), spec("one", devices=(FRONT, SIDE)),
        spec("dropped", devices=(FRONT, SIDE)),
    )  # fmt: skip
    code = Slot(3, Known(KeyedHash("h")), CredentialId("all"))
    await store.submit(lambda tx: reported.put_slot(tx, FRONT, code))
    await stage(
        store,
        keyring,
        [spec("one", devices=(FRONT, SIDE)), spec("dropped", version=2)],
        [Tombstone(CredentialId("all")), Tombstone(CredentialId("one"), SIDE)],
    )
    applied = await apply(store)
    assert applied.removed == 4
    rows = {row.grant_id: row for row in await store.fetch(reported.all_grants())}

    def removed(name: str, device: str) -> tuple[str | None, GrantState]:
        row = rows[GrantId(CredentialId(name), device)]  # type: ignore[arg-type]  # an id of ours
        return row.removed, row.state

    assert removed("all", FRONT) == ("tombstone", GrantState.PENDING)
    assert removed("all", SIDE) == ("tombstone", GrantState.ERASED)
    assert removed("one", SIDE) == ("tombstone", GrantState.ERASED)
    assert removed("dropped", SIDE) == ("device_dropped", GrantState.ERASED)
    assert removed("one", FRONT)[0] is None
    assert await store.fetch_one(desired.digits_of(CredentialId("all"))) is not None
    assert len(await store.fetch(desired.desired_for(FRONT, TODAY))) == 3


async def test_digits_go_with_the_last_grant(store: Store, keyring: Keyring) -> None:
    await upsert(store, keyring, spec("a"))
    await stage(store, keyring, [], [Tombstone(CredentialId("a"))])
    await apply(store)
    assert await store.fetch_one(desired.digits_of(CredentialId("a"))) is None
    await stage(store, keyring, [spec("a")], revision=11)
    await apply(store, 11)
    assert await store.fetch_one(desired.digits_of(CredentialId("a"))) is not None


async def test_what_the_guard_is_shown(store: Store, keyring: Keyring) -> None:
    await upsert(
        store, keyring, spec("same"), spec("moved"), spec("redigited"), spec("stoned"),
        spec("dropped", devices=(FRONT, SIDE)), spec("absent"), spec("ahead", version=9),
    )  # fmt: skip
    await stage(
        store,
        keyring,
        [
            spec("same", version=2),
            spec("moved", version=2, window=Always()),
            spec("redigited", version=2, digits=Secret("730261954")),
            spec("dropped", version=2),
            spec("ahead", version=2, window=Always(), devices=()),
        ],
        [Tombstone(CredentialId("stoned"))],
    )
    found = {
        (change.credential_id, change.device_id): change
        for change in await store.fetch(desired.staged_changes(10))
    }
    assert set(found) == {
        ("moved", FRONT), ("redigited", FRONT), ("stoned", FRONT), ("dropped", SIDE)
    }  # fmt: skip
    moved = found[CredentialId("moved"), FRONT]
    assert (moved.gone, moved.digits_changed) == (False, False)
    assert (moved.window, moved.new_window) == (spec().window, Always())
    assert found[CredentialId("redigited"), FRONT].digits_changed
    assert found[CredentialId("stoned"), FRONT].gone
    assert found[CredentialId("stoned"), FRONT].new_window is None
    assert found[CredentialId("dropped"), SIDE].gone
