"""Single orders: what comes, changes, goes, comes back, and when digits are destroyed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway.domain.devices import Empty, Evidence, Known, Opaque, OpaqueReason, Slot
from gateway.domain.grants import GrantState, Origin
from gateway.domain.ids import CredentialId, GrantId
from gateway.domain.instant import DAY, Instant
from gateway.domain.schedule import CredentialSpec, GrantLine, Tombstone
from gateway.domain.secret import Secret
from gateway.domain.windows import Always
from gateway.store import desired, history, reported, rules, withhold
from gateway.store.keyring import credential_context
from tests.unit.store.build import CANARY, FRONT, NOW, SIDE, TODAY, spec

if TYPE_CHECKING:
    from gateway.domain.grants import DesiredGrant
    from gateway.store.database import Store
    from gateway.store.keyring import Keyring
    from gateway.store.reported import GrantRow
    from gateway.store.tx import Tx

GUEST = CredentialId("guest")
LATER = Instant(NOW + 3_600_000)


class Cloud:
    """Gives orders, one revision each, and looks at what became of them."""

    def __init__(self, store: Store, keyring: Keyring) -> None:
        self.store = store
        self.keyring = keyring
        self.revision = 0

    async def order(self, wanted: CredentialSpec, now: Instant = NOW) -> bool:
        self.revision += 1
        return await self.store.submit(
            lambda tx: desired.upsert_credential(tx, self.keyring, wanted, self.revision, now)
        )

    async def bury(self, stone: Tombstone, now: Instant = LATER) -> list[GrantId]:
        self.revision += 1
        return await self.store.submit(lambda tx: desired.tombstone(tx, stone, self.revision, now))

    async def revoke(self) -> None:
        """By a command; the schedule says nothing of it yet."""
        stone = Tombstone(GUEST)
        await self.store.submit(
            lambda tx: desired.tombstone(tx, stone, self.revision, LATER, rules.REVOKED)
        )

    async def forget(self) -> int:
        """Everything that may be, long afterwards."""
        far = Instant(NOW + 90 * DAY)
        return await self.store.submit(lambda tx: desired.forget(tx, far))

    async def wanted(self, day: int = TODAY) -> list[DesiredGrant]:
        return await self.store.fetch(desired.desired_for(FRONT, day))

    async def row(self, name: str = "guest") -> GrantRow:
        row = await self.store.fetch_one(reported.grant(GrantId(CredentialId(name), FRONT)))
        assert row is not None
        return row

    async def on_lock(self) -> None:
        """The lock holds the guest's code, with proof."""
        known = Known((await self.row()).digits_hash)

        def write(tx: Tx) -> None:
            reported.put_slot(tx, FRONT, Slot(3, known, GUEST, (), frozenset(), NOW))
            reported.update_grant(
                tx, GrantId(GUEST, FRONT), NOW, state=GrantState.ACTIVE, slot=3,
                programmed_at=NOW, evidence={Evidence.READ_BACK},
            )  # fmt: skip

        await self.store.submit(write)

    async def erased(self) -> None:
        def write(tx: Tx) -> None:
            reported.put_slot(tx, FRONT, Slot(3, Empty(), None, (), frozenset(), LATER))
            reported.update_grant(
                tx, GrantId(GUEST, FRONT), LATER, state=GrantState.ERASED, slot=None
            )

        await self.store.submit(write)

    async def sealed(self) -> bytes | None:
        return await self.store.fetch_one(desired.digits_of(GUEST))


@pytest.fixture
def cloud(store: Store, keyring: Keyring) -> Cloud:
    return Cloud(store, keyring)


# ── coming ──────────────────────────────────────────────────────────────────────────────


async def test_an_order_becomes_grants_with_sealed_digits(cloud: Cloud) -> None:
    assert await cloud.order(spec(devices=(FRONT, SIDE), use_limit=2, origin=Origin.BACKUP))
    (grant,) = await cloud.wanted()
    assert grant.digits == cloud.keyring.facts(Secret(CANARY))
    assert grant.window == spec().window
    assert (grant.version, grant.use_limit, grant.origin) == (1, 2, Origin.BACKUP)
    assert (grant.accepted_at, grant.uses, grant.programmed_once) == (NOW, 0, False)
    sealed = await cloud.sealed()
    assert sealed is not None
    assert cloud.keyring.unseal(sealed, context=credential_context(GUEST)) == Secret(CANARY)
    assert set(await cloud.store.fetch(desired.grant_lines())) == {
        GrantLine("guest", FRONT, 1), GrantLine("guest", SIDE, 1)
    }  # fmt: skip
    counts = await cloud.store.fetch(desired.wanted_counts())
    assert {(item.device_id, item.count) for item in counts} == {(FRONT, 1), (SIDE, 1)}


async def test_devices_are_woken(cloud: Cloud) -> None:
    told: list[frozenset[str]] = []
    cloud.store.subscribe(told.append)
    await cloud.order(spec(devices=(FRONT, SIDE)))
    await cloud.order(spec(devices=(FRONT, SIDE)))
    await cloud.bury(Tombstone(GUEST, SIDE))
    assert told == [
        frozenset({"schedule", f"device:{FRONT}", f"device:{SIDE}"}),
        frozenset({"schedule", f"device:{SIDE}"}),
    ]


# ── changing ────────────────────────────────────────────────────────────────────────────


async def test_an_older_version_is_superseded(cloud: Cloud) -> None:
    await cloud.order(replace(spec(version=3), name="New"))
    assert not await cloud.order(replace(spec(version=2), name="Old"))
    assert (await cloud.row()).name == "New"


async def test_the_same_version_again_changes_nothing(cloud: Cloud) -> None:
    await cloud.order(spec())
    before = await cloud.row()
    assert not await cloud.order(spec(), LATER)
    assert await cloud.row() == before


async def test_a_new_version_lifts_what_was_met_for_the_old(cloud: Cloud) -> None:
    await cloud.order(spec())
    await cloud.store.submit(
        lambda tx: reported.update_grant(
            tx,
            GrantId(GUEST, FRONT),
            NOW,
            refused_version=1,
            refused_reason="duplicate_code",
            removed_externally=True,
            attempts=4,
            next_attempt_at=LATER,
            writes_day=TODAY,
            writes_today=9,
        )
    )
    (grant,) = await cloud.wanted()
    assert (grant.refused, grant.removed_externally) == ("duplicate_code", True)
    assert grant.identical_writes_today == 9
    assert (await cloud.wanted(TODAY + 1))[0].identical_writes_today == 0
    assert await cloud.order(spec(version=2, window=Always()))
    (grant,) = await cloud.wanted()
    assert (grant.refused, grant.removed_externally, grant.window) == (None, False, Always())
    assert grant.identical_writes_today == 0
    row = await cloud.row()
    assert (row.attempts, row.next_attempt_at) == (0, None)


async def test_other_digits_are_not_shown_as_proven(cloud: Cloud) -> None:
    """A report made between the order and the next plan would say that the new ones work."""
    await cloud.order(spec())
    await cloud.on_lock()
    await cloud.order(replace(spec(version=2), name="New"), LATER)
    assert (await cloud.row()).state is GrantState.ACTIVE  # the same digits
    await cloud.order(spec(version=3, digits=Secret("581726")), LATER)
    row = await cloud.row()
    assert (row.state, row.reason, row.since) == (GrantState.PROGRAMMING, "digits_changed", LATER)
    assert row.slot == 3


async def test_nor_where_they_are_for_another_door_only(cloud: Cloud) -> None:
    await cloud.order(spec(devices=(FRONT, SIDE)))
    await cloud.on_lock()
    await cloud.order(spec(version=2, digits=Secret("581726"), devices=(SIDE,)), LATER)
    row = await cloud.row()
    assert (row.state, row.reason, row.since) == (GrantState.ERASING, "device_dropped", LATER)
    assert (row.slot, row.removed) == (3, "device_dropped")


async def test_uses_count_over_every_door(cloud: Cloud) -> None:
    await cloud.order(spec(devices=(FRONT, SIDE)))
    for device, uses, at in ((FRONT, 2, LATER), (SIDE, 3, NOW)):
        await cloud.store.submit(
            lambda tx, device=device, uses=uses, at=at: bool(  # type: ignore[misc]  # bound per round
                reported.update_grant(tx, GrantId(GUEST, device), at, uses=uses, first_used_at=at)
            )
        )
    (grant,) = await cloud.wanted()
    assert (grant.uses, grant.first_used_at) == (5, NOW)


async def test_a_device_no_longer_listed_is_dropped(cloud: Cloud) -> None:
    await cloud.order(spec(devices=(FRONT, SIDE)))
    await cloud.on_lock()
    assert await cloud.order(spec(version=2, devices=(SIDE,)))
    row = await cloud.row()
    assert (row.removed, row.state) == ("device_dropped", GrantState.ACTIVE)
    assert [line.device_id for line in await cloud.store.fetch(desired.grant_lines())] == [SIDE]


# ── going ───────────────────────────────────────────────────────────────────────────────


async def test_a_code_on_a_lock_stays_in_the_plan_until_it_is_off(cloud: Cloud) -> None:
    await cloud.order(spec())
    await cloud.on_lock()
    assert await cloud.bury(Tombstone(GUEST)) == [GrantId(GUEST, FRONT)]
    assert await cloud.bury(Tombstone(GUEST)) == []
    (grant,) = await cloud.wanted()
    assert grant.removed == "tombstone"
    assert (await cloud.row()).state is GrantState.ACTIVE
    assert await cloud.sealed() is not None
    await cloud.erased()
    assert await cloud.wanted() == []
    assert await cloud.sealed() is None


async def test_planning_knows_since_when_a_slot_is_a_grants_own(cloud: Cloud) -> None:
    """Of the slot that it has: not of one that it left, nor of what others had in this one."""
    hold = history.hold_slot
    await cloud.order(spec())
    (grant,) = await cloud.wanted()
    assert grant.held_since is None

    def write(tx: Tx) -> None:
        hold(tx, FRONT, 5, GUEST, Instant(NOW - 3000))
        history.free_slot(tx, FRONT, 5, Instant(NOW - 2500))
        hold(tx, FRONT, 3, CredentialId("other"), Instant(NOW - 3000))
        hold(tx, FRONT, 3, GUEST, Instant(NOW - 2000))
        hold(tx, FRONT, 3, GUEST, Instant(NOW - 1000))
        hold(tx, SIDE, 3, GUEST, NOW)
        unread = Opaque(OpaqueReason.IN_FLIGHT)
        reported.put_slot(tx, FRONT, Slot(3, unread, GUEST, (), frozenset(), None))

    await cloud.store.submit(write)
    (grant,) = await cloud.wanted()
    assert (grant.held_since, grant.programmed_at) == (NOW - 2000, None)
    await cloud.erased()
    await cloud.store.submit(lambda tx: history.free_slot(tx, FRONT, 3, NOW))
    (grant,) = await cloud.wanted()
    assert grant.held_since is None


async def test_a_slot_in_doubt_keeps_the_grant_in_the_plan_whatever_its_state(
    cloud: Cloud,
) -> None:
    await cloud.order(spec())
    await cloud.on_lock()
    await cloud.bury(Tombstone(GUEST))
    await cloud.store.submit(
        lambda tx: reported.update_grant(tx, GrantId(GUEST, FRONT), LATER, state=GrantState.ERASED)
    )
    assert len(await cloud.wanted()) == 1
    assert await cloud.sealed() is not None


async def test_what_was_never_written_to_a_lock_is_gone_at_once(cloud: Cloud) -> None:
    await cloud.order(spec())
    await cloud.bury(Tombstone(GUEST))
    row = await cloud.row()
    assert (row.state, row.reason, row.since) == (GrantState.ERASED, "tombstone", LATER)
    assert row.erased_at is None
    assert await cloud.wanted() == []
    assert await cloud.sealed() is None
    assert not row.has_digits


async def test_digits_stay_while_another_door_needs_them(cloud: Cloud) -> None:
    await cloud.order(spec(devices=(FRONT, SIDE)))
    assert await cloud.bury(Tombstone(GUEST, FRONT)) == [GrantId(GUEST, FRONT)]
    assert await cloud.sealed() is not None
    assert not await cloud.store.submit(lambda tx: desired.destroy_digits(tx, GUEST))
    await cloud.bury(Tombstone(GUEST, SIDE))
    assert await cloud.sealed() is None


@pytest.mark.parametrize("over", [GrantState.MISSED, GrantState.ERASED, GrantState.EXPIRED_UNUSED])
async def test_what_was_over_says_nothing_of_a_new_order(cloud: Cloud, over: GrantState) -> None:
    """Else its digits would be destroyed with the door that the same order drops."""
    await cloud.order(spec(devices=(FRONT, SIDE)))
    for device_id in (FRONT, SIDE):
        await cloud.store.submit(
            lambda tx, device_id=device_id: bool(  # type: ignore[misc]  # bound per round
                reported.update_grant(
                    tx, GrantId(GUEST, device_id), NOW, state=over, reason="expired"
                )
            )
        )
    await cloud.order(spec(version=2, devices=(FRONT,)), LATER)
    row = await cloud.row()
    assert (row.state, row.reason, row.since) == (GrantState.PENDING, None, LATER)
    assert await cloud.sealed() is not None
    await cloud.bury(Tombstone(GUEST))
    assert await cloud.sealed() is None


async def test_destroyed_digits_are_no_facts_for_planning(cloud: Cloud) -> None:
    await cloud.order(spec())
    await cloud.store.submit(
        lambda tx: reported.update_grant(
            tx, GrantId(GUEST, FRONT), NOW, state=GrantState.ERASED, reason="expired"
        )
    )
    assert await cloud.sealed() is not None
    assert await cloud.store.submit(lambda tx: desired.destroy_digits(tx, GUEST))
    (grant,) = await cloud.wanted()
    assert grant.digits is None


async def test_a_version_that_never_came_is_not_shown_as_working(cloud: Cloud) -> None:
    await cloud.order(spec())
    await cloud.on_lock()

    def revoke(tx: Tx) -> None:
        desired.tombstone(tx, Tombstone(GUEST), 0, LATER, reason=rules.REVOKED)
        desired.outdate(tx, GUEST, 7, LATER)

    await cloud.store.submit(revoke)
    row = await cloud.row()
    assert (row.version, row.state, row.reason, row.slot) == (7, GrantState.ERASING, "revoked", 3)


async def test_a_tombstone_for_nobody(cloud: Cloud) -> None:
    assert await cloud.bury(Tombstone(CredentialId("nobody"))) == []


# ── coming back ─────────────────────────────────────────────────────────────────────────


async def test_a_grant_wanted_again_starts_anew(cloud: Cloud) -> None:
    await cloud.order(spec())
    await cloud.on_lock()
    await cloud.bury(Tombstone(GUEST))
    await cloud.erased()
    assert await cloud.order(spec(version=2), LATER)
    row = await cloud.row()
    assert (row.removed, row.state, row.reason) == (None, GrantState.PENDING, None)
    assert (row.programmed_at, row.evidence, row.accepted_at) == (None, frozenset(), LATER)
    assert await cloud.sealed() is not None


async def test_a_grant_wanted_again_before_its_erase_keeps_what_is_proven(cloud: Cloud) -> None:
    await cloud.order(spec())
    await cloud.on_lock()
    await cloud.bury(Tombstone(GUEST))
    assert await cloud.order(spec(version=2), LATER)
    row = await cloud.row()
    assert (row.removed, row.state, row.programmed_at) == (None, GrantState.ACTIVE, NOW)
    assert row.evidence == {Evidence.READ_BACK}


async def test_the_same_version_named_again_heals_what_was_removed(cloud: Cloud) -> None:
    """Otherwise a snapshot that lists it would never hash alike."""
    await cloud.order(spec())
    await cloud.bury(Tombstone(GUEST))
    assert await cloud.sealed() is None
    assert await cloud.order(spec())
    assert (await cloud.row()).removed is None
    assert await cloud.sealed() is not None
    assert not await cloud.order(spec())


# ── people, oblivion ───────────────────────────────────────────────────────────


async def test_credentials_of_a_person(cloud: Cloud) -> None:
    await cloud.order(spec("a", subject_id="p1"))
    await cloud.order(spec("b", subject_id="p2"))
    await cloud.order(replace(spec("c"), subject_id="p1"))
    assert await cloud.store.fetch(desired.credentials_of_subject("p1")) == ["a", "c"]


async def test_only_what_is_long_gone_is_forgotten(cloud: Cloud) -> None:
    await cloud.order(spec("kept"))
    await cloud.order(spec("guest"))
    await cloud.on_lock()
    await cloud.bury(Tombstone(GUEST))
    far = Instant(NOW + 90 * DAY)
    assert await cloud.store.submit(lambda tx: desired.forget(tx, far)) == 0
    await cloud.erased()
    assert await cloud.store.submit(lambda tx: desired.forget(tx, LATER)) == 0
    assert await cloud.store.submit(lambda tx: desired.forget(tx, far)) == 1
    rows = await cloud.store.fetch(reported.all_grants())
    assert [row.credential_id for row in rows] == ["kept"]


async def test_what_a_command_revoked_is_remembered_while_the_schedule_may_list_it(
    cloud: Cloud,
) -> None:
    """Forgotten, it would be a new code at the next snapshot."""
    await cloud.order(spec("guest"))
    await cloud.revoke()
    assert await cloud.forget() == 0
    await cloud.bury(Tombstone(GUEST))
    assert await cloud.forget() == 1


@pytest.mark.parametrize("listed", [True, False])
async def test_a_snapshot_says_whether_the_cloud_still_lists_what_was_revoked(
    cloud: Cloud, listed: bool
) -> None:
    await cloud.order(spec("guest"))
    await cloud.revoke()
    cloud.revision += 1
    wanted = [spec("guest")] if listed else []

    def snapshot(tx: Tx) -> None:
        desired.stage_chunk(tx, cloud.keyring, cloud.revision, 1, wanted, [])
        withhold.unstage_grants(tx, cloud.revision, [("guest", FRONT)])
        desired.apply_staged(tx, cloud.revision, LATER)

    await cloud.store.submit(snapshot)
    assert (await cloud.row()).removed is not None
    assert await cloud.forget() == (0 if listed else 1)


async def test_what_was_revoked_on_site_is_in_no_schedule(cloud: Cloud) -> None:
    await cloud.order(spec("guest", origin=Origin.LOCAL))
    await cloud.revoke()
    assert await cloud.forget() == 1
