"""What single orders and snapshots have in common: orphans, grants that go, digits destroyed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.devices import Known, Slot
from gateway.domain.grants import GrantState, Origin
from gateway.domain.ids import CredentialId, GrantId
from gateway.domain.instant import Instant
from gateway.domain.schedule import Tombstone
from gateway.domain.secret import KeyedHash
from gateway.store import desired, reported, rules
from tests.unit.store.build import FRONT, NOW, SIDE, TODAY, spec

if TYPE_CHECKING:
    from gateway.domain.schedule import CredentialSpec
    from gateway.store.database import Store
    from gateway.store.keyring import Keyring
    from gateway.store.tx import Tx

GUEST = CredentialId("guest")


async def order(store: Store, keyring: Keyring, wanted: CredentialSpec, revision: int = 1) -> None:
    await store.submit(lambda tx: desired.upsert_credential(tx, keyring, wanted, revision, NOW))


async def test_absence_marks_and_never_revokes(store: Store, keyring: Keyring) -> None:
    for wanted in (spec("old"), spec("own", origin=Origin.LOCAL), spec("gone")):
        await order(store, keyring, wanted)
    await store.submit(lambda tx: desired.tombstone(tx, Tombstone(CredentialId("gone")), 1, NOW))
    await order(store, keyring, spec("named"), 2)
    assert await store.submit(lambda tx: rules.mark_orphans(tx, 2)) == 1
    assert await store.submit(lambda tx: rules.mark_orphans(tx, 2)) == 0
    (orphan,) = await store.fetch(reported.grants_of(CredentialId("old")))
    assert (orphan.orphaned, orphan.removed) == (True, None)
    wanted_now = await store.fetch(desired.desired_for(FRONT, TODAY))
    assert {grant.credential_id for grant in wanted_now} == {"old", "own", "named"}
    assert [x.credential_id for x in await store.fetch(desired.grant_lines())] == ["named"]
    await order(store, keyring, spec("old"), 3)
    (healed,) = await store.fetch(reported.grants_of(CredentialId("old")))
    assert not healed.orphaned


async def test_a_mark_is_reported_once(store: Store, keyring: Keyring) -> None:
    await order(store, keyring, spec("old"))
    (before,) = await store.fetch(reported.all_grants())
    await store.submit(lambda tx: rules.mark_orphans(tx, 2))
    (marked,) = await store.fetch(reported.all_grants())
    await store.submit(lambda tx: rules.mark_orphans(tx, 3))
    assert before.changed < marked.changed
    assert await store.fetch(reported.all_grants()) == [marked]
    await order(store, keyring, spec("old"), 4)  # named again, with nothing new about it
    (named,) = await store.fetch(reported.all_grants())
    assert not named.orphaned
    assert marked.changed < named.changed


async def test_the_digits_of_what_is_over_are_destroyed_a_while_later(
    store: Store, keyring: Keyring
) -> None:
    for name in ("over", "open"):
        await order(store, keyring, spec(name))
    over = [GrantId(CredentialId("over"), device) for device in (FRONT, SIDE)]

    def end(tx: Tx) -> None:
        for grant_id in over:
            reported.update_grant(tx, grant_id, NOW, state=GrantState.ERASED)

    await store.submit(end)

    async def has_digits() -> list[str]:
        rows = await store.fetch(reported.all_grants())
        return sorted({row.grant_id.credential_id for row in rows if row.has_digits})

    assert await store.submit(lambda tx: rules.destroy_spent(tx, NOW)) == 0
    assert await has_digits() == ["open", "over"]
    assert await store.submit(lambda tx: rules.destroy_spent(tx, Instant(NOW + 1))) == 1
    assert await has_digits() == ["open"]


async def test_digits_are_destroyed_only_when_nothing_needs_them(
    store: Store, keyring: Keyring
) -> None:
    await order(store, keyring, spec(devices=(FRONT, SIDE)))

    async def destroyed(front: GrantState, side: GrantState, *, in_slot: bool) -> bool:
        held = Slot(3, Known(KeyedHash("h")), GUEST if in_slot else None)
        await store.submit(lambda tx: reported.put_slot(tx, FRONT, held))
        await store.submit(
            lambda tx: reported.update_grant(tx, GrantId(GUEST, FRONT), NOW, state=front)
        )
        await store.submit(
            lambda tx: reported.update_grant(tx, GrantId(GUEST, SIDE), NOW, state=side)
        )
        return await store.submit(lambda tx: rules.destroy_digits(tx, GUEST))

    gone, late = GrantState.ERASED, GrantState.MISSED
    assert not await destroyed(GrantState.PENDING, gone, in_slot=False)
    assert not await destroyed(gone, GrantState.SUSPENDED, in_slot=False)
    assert not await destroyed(gone, late, in_slot=True)
    assert await destroyed(gone, late, in_slot=False)
    assert not await destroyed(gone, late, in_slot=False)
