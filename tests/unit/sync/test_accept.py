"""Schedules into the store: whole or not at all, and always the schedule the hash means."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.instant import DAY, HOUR, ClockTrust, Instant
from gateway.domain.schedule import CredentialSpec, GrantLine, Tombstone, schedule_hash
from gateway.domain.secret import Secret
from gateway.domain.windows import Always, Timed, Window
from gateway.kit.clock import ManualClock
from gateway.store import beforehand, desired, events, meta, staging, withhold
from gateway.store.beforehand import Revoked
from gateway.store.database import Store, open_store
from gateway.store.keyring import Keyring
from gateway.sync import accept, receiving
from gateway.sync.accept import Moment, after
from gateway.sync.messages import Delta, Snapshot
from gateway.sync.receiving import Outcome
from tests.unit.sync.conftest import NOW

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gateway.store.tx import Tx

KEYRING = Keyring(bytes(range(32)))
AT = Moment(NOW, ClockTrust.TRUSTED)
LATER = Timed(Instant(NOW + DAY), Instant(NOW + 2 * DAY))
OPEN = Timed(Instant(NOW - HOUR), Instant(NOW + HOUR))

Lines = dict[tuple[str, str], int]


def spec(
    name: str, version: int = 1, *devices: str, window: Window = LATER, digits: str = "483920"
) -> CredentialSpec:
    return CredentialSpec(
        CredentialId(name),
        version,
        Secret(digits),
        tuple(map(DeviceId, devices or ("d1",))),
        window,
    )


def stone(name: str, device: str | None = None) -> Tombstone:
    return Tombstone(CredentialId(name), None if device is None else DeviceId(device))


def digest(lines: Lines) -> str:
    return schedule_hash(GrantLine(c, d, v) for (c, d), v in lines.items())


class Cloud:
    """What a correct cloud would send next, and the schedule it believes in."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.lines: Lines = {}
        self.revision = 0

    async def delta(
        self,
        specs: Iterable[CredentialSpec] = (),
        stones: Iterable[Tombstone] = (),
        *,
        confirm: bool = False,
        **wrong: Any,
    ) -> Outcome:
        specs, stones = list(specs), list(stones)
        self.lines = after(self.lines, specs, stones)
        self.revision += 1
        fields = {
            "revision": self.revision,
            "previous": self.revision - 1,
            "hash": digest(self.lines),
            "confirm_removals": confirm,
        } | wrong
        message = Delta(schema_version=1, kind="delta", **fields)  # type: ignore[arg-type]  # by name
        return await self._store.submit(
            lambda tx: accept.delta(tx, KEYRING, message, specs, stones, AT)
        )

    async def snapshot(
        self,
        specs: Iterable[CredentialSpec],
        stones: Iterable[Tombstone] = (),
        *,
        confirm: bool = False,
        size: int = 2,
    ) -> list[Outcome]:
        specs, stones = list(specs), list(stones)
        self.lines = after({}, specs, [])
        self.revision += 1
        parts = [specs[i : i + size] for i in range(0, len(specs), size)] or [[]]
        outcomes = []
        for number, part in enumerate(parts, start=1):
            message = Snapshot(
                schema_version=1,
                kind="snapshot",
                revision=self.revision,
                hash=digest(self.lines),
                chunk=number,
                chunks=len(parts),
                confirm_removals=confirm,
            )
            outcomes.append(await self._chunk(message, part, stones if number == 1 else []))
        return outcomes

    async def _chunk(
        self, message: Snapshot, specs: list[CredentialSpec], stones: list[Tombstone]
    ) -> Outcome:
        def write(tx: Tx) -> Outcome:
            refused = receiving.wants_chunk(tx, message)
            if refused is not None:
                return refused
            for part in receiving.parts(message, specs, stones):
                staging.stage_chunk(tx, KEYRING, message.revision, *part)
            return accept.snapshot(tx, message, AT)

        return await self._store.submit(write)


def revoke(tx: Tx, name: str) -> None:
    desired.tombstone(tx, stone(name), 0, NOW, "revoked")


def revoke_beforehand(tx: Tx, name: str) -> None:
    beforehand.remember(tx, [Revoked(CredentialId(name), None, 1)], NOW)


async def in_store(store: Store) -> Lines:
    return {
        (line.credential_id, line.device_id): line.version
        for line in await store.fetch(desired.grant_lines())
    }


async def held(store: Store) -> set[tuple[str, str, int | None]]:
    text = await store.fetch_one(withhold.held())
    return {(x.credential_id, x.device_id, x.version) for x in withhold.loads(text or "")}


@pytest.fixture
def cloud(store: Store) -> Cloud:
    return Cloud(store)


async def test_revisions(cloud: Cloud, store: Store) -> None:
    assert await cloud.delta([spec("c1")]) is Outcome.APPLIED
    assert await cloud.delta([spec("c1")], revision=1, previous=0) is Outcome.SUPERSEDED
    cloud.revision = 4
    assert await cloud.delta([spec("c2")]) is Outcome.GAP
    assert await in_store(store) == {("c1", "d1"): 1}


async def test_a_wrong_hash_changes_nothing(cloud: Cloud, store: Store) -> None:
    assert await cloud.delta([spec("c1")], hash="0" * 64) is Outcome.HASH_MISMATCH
    assert await in_store(store) == {}
    assert await store.fetch_one(meta.revision()) == 0


async def test_an_edit_may_change_the_devices(cloud: Cloud, store: Store) -> None:
    await cloud.delta([spec("c1", 1, "d1", "d2"), spec("c2", 1, "d1"), spec("c3", 1, "d2")])
    assert await cloud.delta([spec("c1", 2, "d2", "d3")]) is Outcome.APPLIED
    assert await in_store(store) == cloud.lines
    assert ("c1", "d1") not in cloud.lines


async def test_a_snapshot_waits_for_its_last_chunk(cloud: Cloud, store: Store) -> None:
    outcomes = await cloud.snapshot([spec(f"c{n}") for n in range(5)])
    assert outcomes == [Outcome.STAGED, Outcome.STAGED, Outcome.APPLIED]
    assert await in_store(store) == cloud.lines


async def test_a_newer_snapshot_takes_the_place_of_an_unfinished_one(
    cloud: Cloud, store: Store
) -> None:
    old = Snapshot(schema_version=1, kind="snapshot", revision=1, hash="0" * 64, chunk=1, chunks=2)
    assert await cloud._chunk(old, [spec("old")], []) is Outcome.STAGED  # noqa: SLF001 - half a snapshot
    cloud.revision = 1
    assert await cloud.snapshot([spec("new")]) == [Outcome.APPLIED]
    assert await cloud._chunk(old, [spec("old")], []) is Outcome.SUPERSEDED  # noqa: SLF001 - as above
    assert await in_store(store) == {("new", "d1"): 1}


async def test_an_unfinished_snapshot_gives_way_to_an_older_one_that_comes_again(
    cloud: Cloud, store: Store
) -> None:
    """A cloud that fell back behind what it was sending would otherwise never be heard again."""
    ahead = Snapshot(
        schema_version=1, kind="snapshot", revision=9, hash="0" * 64, chunk=1, chunks=2
    )
    assert await cloud._chunk(ahead, [spec("new")], []) is Outcome.STAGED  # noqa: SLF001 - half a snapshot
    assert await cloud.snapshot([spec("old"), spec("two")], size=1) == [Outcome.SUPERSEDED] * 2
    assert await cloud._chunk(ahead, [spec("new")], []) is Outcome.STAGED  # noqa: SLF001 - as above
    cloud.revision = 0  # the newer one was heard of meanwhile: the older begins anew
    assert await cloud.snapshot([spec("old"), spec("two")], size=1) == [Outcome.SUPERSEDED] * 2
    cloud.revision = 0
    again = await cloud.snapshot([spec("old"), spec("two")], size=1)
    assert again == [Outcome.STAGED, Outcome.APPLIED]
    assert await in_store(store) == cloud.lines


async def test_a_snapshot_never_revokes_by_silence(cloud: Cloud, store: Store) -> None:
    await cloud.delta([spec("c1"), spec("c2")])
    assert await cloud.snapshot([spec("c2")]) == [Outcome.APPLIED]
    rows = await store.fetch(desired.desired_for(DeviceId("d1"), 0))
    assert {row.credential_id: row.removed for row in rows} == {"c1": None, "c2": None}
    assert await cloud.delta([spec("c3")]) is Outcome.APPLIED  # orphans do not upset the hash


async def test_the_same_revision_with_another_hash_heals(cloud: Cloud, store: Store) -> None:
    await cloud.delta([spec("c1")])
    cloud.revision = 0
    assert await cloud.snapshot([spec("c1"), spec("c2")]) == [Outcome.APPLIED]
    cloud.revision = 0
    assert await cloud.snapshot([spec("c1"), spec("c2")]) == [Outcome.SUPERSEDED]


async def test_a_single_tombstone_always_passes(cloud: Cloud, store: Store) -> None:
    await cloud.delta([spec("c1", window=OPEN)])
    await cloud.delta([], [stone("c1")])
    assert await in_store(store) == {}
    assert await held(store) == set()


async def test_shortening_an_open_window_waits_for_a_word(cloud: Cloud, store: Store) -> None:
    await cloud.delta([spec("c1", window=OPEN), spec("c2")])
    shorter = replace(spec("c1", 2), window=Timed(OPEN.opens_at, Instant(NOW + 1)))
    await cloud.delta([shorter])
    assert (await in_store(store))["c1", "d1"] == 1
    assert await held(store) == {("c1", "d1", 2)}

    assert await cloud.delta([shorter], confirm=True) is Outcome.APPLIED
    assert await in_store(store) == cloud.lines
    assert await held(store) == set()


async def test_suspending_every_code_of_a_lock_waits_for_a_word(cloud: Cloud, store: Store) -> None:
    await cloud.delta([spec("a"), spec("b"), spec("c", window=OPEN)])
    off = [replace(spec(name, 2), suspended=True) for name in ("a", "b")]
    off.append(replace(spec("c", 2, window=OPEN), suspended=True))
    assert await cloud.delta(off) is Outcome.APPLIED
    assert {(name, version) for name, _, version in await held(store)} == {
        ("a", 2), ("b", 2), ("c", 2),
    }  # fmt: skip
    assert await in_store(store) == {("a", "d1"): 1, ("b", "d1"): 1, ("c", "d1"): 1}


async def test_suspending_one_code_by_itself_is_meant(cloud: Cloud, store: Store) -> None:
    await cloud.delta([spec("a", window=OPEN), spec("b")])
    await cloud.delta([replace(spec("a", 2, window=OPEN), suspended=True)])
    assert not await held(store)
    assert await in_store(store) == {("a", "d1"): 2, ("b", "d1"): 1}
    await cloud.delta([replace(spec("a", 3, window=OPEN, digits="719204"), suspended=True)])
    assert await held(store) == {("a", "d1", 3)}


async def test_lengthening_an_open_window_does_not(cloud: Cloud, store: Store) -> None:
    await cloud.delta([spec("c1", window=OPEN), spec("c2")])
    await cloud.delta([spec("c1", 2, window=Always())])
    assert await in_store(store) == cloud.lines


async def test_a_tombstone_is_held_on_one_lock_and_carried_out_on_another(
    cloud: Cloud, store: Store
) -> None:
    await cloud.delta(
        [spec("c1", 1, "d1", "d2"), *(spec(f"x{n}", 1, "d2") for n in range(9)), spec("c2")]
    )
    await cloud.delta([], [stone("c1"), stone("c2")])  # all of d1, a few of d2
    assert await held(store) == {("c1", "d1", None), ("c2", "d1", None)}
    assert ("c1", "d2") not in await in_store(store)

    answer = await store.submit(lambda tx: accept.confirm_removals(tx, 2, NOW))
    assert answer["grants"] == 2
    assert await in_store(store) == cloud.lines


async def test_an_orphan_is_carried_out_where_it_is_not_held(cloud: Cloud, store: Store) -> None:
    others = [spec(f"x{n}", 1, "d2") for n in range(9)]
    await cloud.delta([spec("c1", 1, "d1", "d2"), spec("c2"), *others])
    await cloud.snapshot([spec("c2"), *others], size=100)
    await cloud.delta([], [stone("c1"), stone("c2")])  # all of d1, a few of d2
    assert await held(store) == {("c1", "d1", None), ("c2", "d1", None)}
    assert await store.fetch(withhold.standing(["c1"])) == [("c1", "d1")]


async def test_a_tombstone_of_one_lock_touches_no_other(cloud: Cloud, store: Store) -> None:
    await cloud.delta([spec("c1", 1, "d1", "d2"), spec("c2")])
    await cloud.delta([], [stone("c1", "d1"), stone("c2")])  # all of d1: held
    assert await held(store) == {("c1", "d1", None), ("c2", "d1", None)}
    assert ("c1", "d2") in await in_store(store)


async def test_the_same_of_a_snapshot(cloud: Cloud, store: Store) -> None:
    others = [spec(f"x{n}", 1, "d2") for n in range(9)]
    await cloud.delta([spec("c1", 1, "d1", "d2"), spec("c2"), *others])
    await cloud.snapshot(others, [stone("c1"), stone("c2")], size=100)
    assert await held(store) == {("c1", "d1", None), ("c2", "d1", None)}
    lines = await in_store(store)
    assert ("c1", "d1") in lines
    assert ("c1", "d2") not in lines
    assert await cloud.delta([spec("c9")]) is Outcome.APPLIED


async def test_what_was_withheld_is_not_forgotten_by_a_snapshot(cloud: Cloud, store: Store) -> None:
    await cloud.delta([spec("c1", 1, "d1", "d2", window=OPEN), spec("c2"), spec("c3", window=OPEN)])
    await cloud.snapshot([spec("c2")], [stone("c1"), stone("c3")])
    everything = {("c1", "d1", None), ("c1", "d2", None), ("c3", "d1", None)}
    assert await held(store) == everything
    await cloud.snapshot([spec("c2")])  # says nothing of them, and absence never revokes
    assert await held(store) == everything
    await cloud.snapshot([spec("c2"), spec("c3", window=OPEN)], [stone("c1", "d2")], confirm=True)
    assert await held(store) == {("c1", "d1", None)}  # wanted again; carried out; as before
    await store.submit(lambda tx: accept.confirm_removals(tx, cloud.revision, NOW))
    assert await held(store) == set()
    assert await in_store(store) == cloud.lines


async def test_what_is_told(cloud: Cloud, store: Store) -> None:
    await cloud.delta([spec(f"c{n}") for n in range(4)])
    await cloud.delta([], [stone(f"c{n}") for n in range(4)])
    told = [
        (row.type.value, dict(row.body)) for row in await store.fetch(events.events_after(0, 9))
    ]
    assert [kind for kind, _ in told] == [
        "schedule.applied",
        "schedule.applied",
        "schedule.removals_held",
    ]
    assert told[0][1]["changed"] == 4
    assert told[2][1] == {
        "revision": 2,
        "count": 4,
        "credentials": ["c0", "c1", "c2", "c3"],
        "devices": ["d1"],
    }
    assert "483920" not in json.dumps(told)


@pytest.mark.parametrize("how", ["delta", "snapshot"])
async def test_what_was_revoked_before_it_came_does_not_open(
    cloud: Cloud, store: Store, how: str
) -> None:
    await store.submit(partial(revoke_beforehand, name="c1"))
    if how == "delta":
        assert await cloud.delta([spec("c1"), spec("c2")]) is Outcome.APPLIED
    else:
        await cloud.snapshot([spec("c1"), spec("c2")])
    assert await in_store(store) == {("c2", "d1"): 1}
    assert await cloud.delta([spec("c3")]) is Outcome.APPLIED  # it is counted as ordered
    assert await cloud.delta([spec("c1", 2)]) is Outcome.APPLIED
    assert await in_store(store) == {("c1", "d1"): 2, ("c2", "d1"): 1, ("c3", "d1"): 1}


async def test_a_revocation_waits_a_month_and_for_its_version(cloud: Cloud, store: Store) -> None:
    def order(tx: Tx, name: str, at: Instant) -> None:
        beforehand.remember(tx, [Revoked(CredentialId(name), None, 1)], at)

    await store.submit(partial(order, name="c1", at=Instant(NOW - beforehand.KEPT_MS)))
    await store.submit(partial(order, name="c2", at=Instant(NOW - DAY)))
    await cloud.delta([spec("c9")])  # looks through them
    await cloud.delta([spec("c1"), spec("c2", 2)])
    assert set(await in_store(store)) == {("c1", "d1"), ("c2", "d1"), ("c9", "d1")}


async def test_a_revocation_for_one_door_leaves_the_others(cloud: Cloud, store: Store) -> None:
    await store.submit(
        lambda tx: beforehand.remember(tx, [Revoked(CredentialId("c1"), DeviceId("d1"), 1)], NOW)
    )
    await cloud.delta([spec("c1", 1, "d1", "d2")])
    assert await in_store(store) == {("c1", "d2"): 1}


async def test_not_endlessly_many_are_remembered(cloud: Cloud, store: Store) -> None:
    def flood(tx: Tx) -> None:
        names = [CredentialId(f"c{number}") for number in range(beforehand.MOST + 1)]
        beforehand.remember(tx, [Revoked(name, None, 1) for name in names], NOW)

    await store.submit(flood)
    await cloud.delta([spec("c0"), spec("c1")])
    assert await in_store(store) == {("c0", "d1"): 1}


@pytest.mark.parametrize("how", ["delta", "snapshot"])
async def test_a_list_that_forgot_what_was_revoked_does_not_bring_it_back(
    cloud: Cloud, store: Store, how: str
) -> None:
    await cloud.delta([spec("c1"), spec("c2")])
    await store.submit(partial(revoke, name="c1"))
    await cloud.snapshot([spec("c2")])
    assert await cloud.delta([spec("c3")]) is Outcome.APPLIED
    if how == "delta":
        assert await cloud.delta([spec("c1")]) is Outcome.APPLIED
    else:
        await cloud.snapshot([spec("c1"), spec("c2"), spec("c3")])
    assert await in_store(store) == {("c2", "d1"): 1, ("c3", "d1"): 1}
    assert await cloud.delta([spec("c1", 2)]) is Outcome.APPLIED
    assert ("c1", "d1") in await in_store(store)


names = st.sampled_from(["a", "b", "c", "d"])
doors = st.lists(st.sampled_from(["d1", "d2", "d3"]), min_size=1, max_size=3, unique=True)
edits = st.tuples(names, doors)
changes = st.tuples(
    st.lists(edits, max_size=3, unique_by=lambda edit: edit[0]),
    st.lists(st.tuples(names, st.none() | st.sampled_from(["d1", "d2"])), max_size=2, unique=True),
    st.sampled_from(["delta", "snapshot", "revoke", "revoke beforehand"]),
    st.booleans(),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(changes, max_size=8))
async def test_a_cloud_and_a_gateway_never_disagree_for_long(
    steps: list[tuple[list[tuple[str, list[str]]], list[tuple[str, str | None]], str, bool]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Whatever is withheld or revoked, the next delta applies or a snapshot makes it apply; and
    whatever was revoked stays away until a newer version comes."""
    folder: Path = tmp_path_factory.mktemp("state")
    async with open_store(folder / "state.db", ManualClock(NOW)) as store:
        cloud = Cloud(store)
        versions: dict[str, int] = {}
        wanted: dict[str, CredentialSpec] = {}
        revoked: dict[str, int] = {}
        for edited, buried, how, confirm in steps:
            if how == "revoke":
                for name, _ in edited:
                    await store.submit(partial(revoke, name=name))
                    revoked[name] = versions.get(name, 0)
                continue
            if how == "revoke beforehand":  # what lists it is lost on its way
                for name, devices in edited:
                    if name not in versions:
                        versions[name] = revoked[name] = 1
                        wanted[name] = spec(name, 1, *devices)
                        await store.submit(partial(revoke_beforehand, name=name))
                cloud.lines = after({}, wanted.values(), [])
                continue
            gone = [stone(name, device) for name, device in buried if name not in dict(edited)]
            specs = []
            for name, devices in edited:
                versions[name] = versions.get(name, 0) + 1
                specs.append(spec(name, versions[name], *devices))
            for item in specs:
                wanted[item.credential_id] = item
            for each in gone:
                known = wanted.get(each.credential_id)
                left = tuple(
                    d for d in (known.devices if known else ()) if each.device_id not in {None, d}
                )
                wanted.pop(each.credential_id, None)
                if known and left:
                    wanted[each.credential_id] = replace(known, devices=left)
            whole = list(wanted.values())
            if how == "snapshot":
                outcome = (await cloud.snapshot(whole, gone, confirm=confirm, size=99))[-1]
            else:
                outcome = await cloud.delta(specs, gone, confirm=confirm)
            if outcome is Outcome.HASH_MISMATCH:  # only ever after a revocation
                assert revoked
                outcome = (await cloud.snapshot(whole, size=99))[-1]
            assert outcome is Outcome.APPLIED
            cloud.lines = after({}, whole, [])
            lines = await in_store(store)
            for name, version in revoked.items():
                assert all(v > version for (c, _), v in lines.items() if c == name)
            if not await held(store) and not revoked:
                assert lines.items() >= cloud.lines.items()
