"""For all transactions, snapshots and documents: whole or not at all, dense, alike, round."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.capabilities import Capabilities, CodeLimits, ScheduleSupport
from gateway.domain.devices import Evidence, Known, Slot, WeekDay, YearDay
from gateway.domain.events import EventType, Fact
from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.instant import ClockTrust, Instant
from gateway.domain.schedule import CredentialSpec, GrantLine, Tombstone, schedule_hash
from gateway.domain.secret import KeyedHash, Secret
from gateway.domain.windows import Always, Recurring, Timed, Weekly
from gateway.kit.clock import ManualClock
from gateway.store import codec, desired, events, reported
from gateway.store.database import Store, open_store
from gateway.store.keyring import Keyring
from gateway.store.tx import Select, Tx

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

NOW = Instant(1_800_000_000_000)
KEYRING = Keyring(bytes(range(32)))


def in_a_store(test: Callable[[Store], Awaitable[None]]) -> None:
    """Run `test` on a database and an event loop of its own."""

    async def run() -> None:
        with TemporaryDirectory() as folder:
            async with open_store(Path(folder) / "state.db", ManualClock(NOW)) as store:
                await test(store)

    asyncio.run(run())


# ── transactions ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Work:
    """One submitted function: how many rows, and what befalls it."""

    rows: int
    raises_after: int | None
    cancelled: bool
    told: bool


works = st.lists(
    st.builds(
        Work,
        rows=st.integers(0, 4),
        raises_after=st.none() | st.integers(0, 4),
        cancelled=st.booleans(),
        told=st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(works)
def test_every_function_is_whole_or_absent_and_numbers_stay_dense(todo: list[Work]) -> None:
    def function(number: int, work: Work) -> Callable[[Tx], int]:
        def write(tx: Tx) -> int:
            for row in range(work.rows):
                if row == work.raises_after:
                    raise LookupError
                tx.execute("INSERT INTO meta VALUES (?, '')", (f"k{number}.{row}",))
                events.append(tx, Fact(EventType.LOCK_LOCKED, NOW), ClockTrust.TRUSTED)
            if work.told:
                tx.touch(str(number))
            return number

        return write

    async def test(store: Store) -> None:
        told: set[str] = set()
        store.subscribe(told.update)
        tasks = [
            asyncio.ensure_future(store.submit(function(number, work)))
            for number, work in enumerate(todo)
        ]
        if tasks:
            await asyncio.wait(tasks, timeout=0)
        for task, work in zip(tasks, todo, strict=True):
            if work.cancelled:
                task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await store.submit(lambda tx: None)  # behind everything, the cancelled ones included

        good = [
            number
            for number, work in enumerate(todo)
            if work.raises_after is None or work.raises_after >= work.rows
        ]
        keys = await store.fetch(Select("SELECT key FROM meta WHERE key LIKE 'k%'", (), first))
        assert set(keys) == {f"k{n}.{row}" for n in good for row in range(todo[n].rows)}
        seqs = [row.seq for row in await store.fetch(events.events_after(0, 1000))]
        assert seqs == list(range(1, len(keys) + 1))
        for number, result in enumerate(results):
            if number in good:
                assert result == number or isinstance(result, asyncio.CancelledError)
            else:
                assert isinstance(result, LookupError | asyncio.CancelledError)
        assert told >= {str(n) for n in good if todo[n].told}
        assert not {str(n) for n in range(len(todo)) if n not in good} & told

    in_a_store(test)


def first(row: Any) -> Any:
    return row[0]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["append", "fail", "confirm", "prune", "shed"]), max_size=25))
def test_numbers_are_given_once_whatever_is_pruned(steps: list[str]) -> None:
    def write(step: str) -> Callable[[Tx], int | None]:
        def run(tx: Tx) -> int | None:
            match step:
                case "append":
                    return events.append(tx, Fact(EventType.DOOR_OPENED, NOW), ClockTrust.TRUSTED)
                case "fail":
                    events.append(tx, Fact(EventType.DOOR_OPENED, NOW), ClockTrust.TRUSTED)
                    raise LookupError
                case "confirm":
                    events.set_watermark(tx, (tx.one(events.watermark()) or 0) + 2)
                case "prune":
                    events.prune(tx, Instant(NOW + 1), 1)
                case "shed":
                    events.shed(tx, 3, NOW, ClockTrust.TRUSTED)
            return None

        return run

    async def test(store: Store) -> None:
        results = await asyncio.gather(
            *(store.submit(write(step)) for step in steps), return_exceptions=True
        )
        given_out = [result for result in results if isinstance(result, int)]
        assert given_out == list(range(1, len(given_out) + 1))
        (head,), (mark,), rows = await store.snapshot(
            events.head(), events.watermark(), events.events_after(0, 1000)
        )
        assert head == len(given_out)
        assert mark <= head
        known = {row.seq for row in rows}
        for row in rows:
            if row.type is EventType.GATEWAY_EVENTS_GAP:
                known |= set(range(int(str(row.body["from"])), int(str(row.body["through"])) + 1))
        assert known >= set(range(mark + 1, head + 1))

    in_a_store(test)


# ── a snapshot and single orders ────────────────────────────────────────────────────────

DEVICES = [DeviceId("dev_a"), DeviceId("dev_b")]
NAMES = [CredentialId("c1"), CredentialId("c2"), CredentialId("c3")]

specs = st.builds(
    CredentialSpec,
    credential_id=st.sampled_from(NAMES),
    version=st.integers(1, 3),
    digits=st.sampled_from([Secret("730261"), Secret("914805")]),
    devices=st.lists(st.sampled_from(DEVICES), unique=True).map(tuple),
    window=st.sampled_from([Always(), Timed(NOW, Instant(NOW + 1000))]),
    suspended=st.booleans(),
)
stones = st.builds(Tombstone, st.sampled_from(NAMES), st.none() | st.sampled_from(DEVICES))
messages = st.lists(
    st.tuples(
        st.lists(specs, max_size=3, unique_by=lambda spec: spec.credential_id),
        st.lists(stones, max_size=2),
    ),
    max_size=4,
)
owned = st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(DEVICES)), max_size=3)

GRANTS = Select(
    "SELECT credential_id, device_id, accepted_at, removed, state, reason, since, programmed_at"
    " FROM grants ORDER BY 1, 2",
    (),
    tuple,
)
CREDENTIALS = Select(
    "SELECT credential_id, version, window, suspended, digits_hash, sealed IS NULL"
    " FROM credentials ORDER BY 1",
    (),
    tuple,
)


@settings(max_examples=60, deadline=None)
@given(messages, owned)
def test_a_snapshot_leads_where_its_single_orders_lead(
    todo: list[tuple[list[CredentialSpec], list[Tombstone]]],
    on_locks: set[tuple[CredentialId, DeviceId]],
) -> None:
    """Absence apart, which only a snapshot can show: it marks, and changes no grant."""

    def hold(tx: Tx) -> None:
        for number, (credential_id, device_id) in enumerate(sorted(on_locks), start=1):
            content = Known(KeyedHash("h"))
            reported.put_slot(tx, device_id, Slot(number, content, credential_id))

    def singly(tx: Tx, revision: int) -> int:
        wanted, gone = todo[revision - 1]
        for spec in wanted:
            desired.upsert_credential(tx, KEYRING, spec, revision, Instant(NOW + revision))
        for stone in gone:
            desired.tombstone(tx, stone, revision, Instant(NOW + revision))
        return 0

    def wholly(tx: Tx, revision: int) -> int:
        wanted, gone = todo[revision - 1]
        for chunk, spec in enumerate(wanted):
            desired.stage_chunk(tx, KEYRING, revision, chunk, [spec], [])
        desired.stage_chunk(tx, KEYRING, revision, 99, [], gone)
        desired.apply_staged(tx, revision, Instant(NOW + revision))
        return 0

    found: list[tuple[list[Any], ...]] = []

    async def test(store: Store, order: Callable[[Tx, int], int]) -> None:
        await store.submit(hold)
        for revision in range(1, len(todo) + 1):
            await store.submit(lambda tx, revision=revision: order(tx, revision))  # type: ignore[misc]  # bound per round
        grants, credentials = await store.snapshot(GRANTS, CREDENTIALS)
        found.append((grants, credentials))

    in_a_store(lambda store: test(store, singly))
    in_a_store(lambda store: test(store, wholly))
    assert found[0] == found[1]


@settings(max_examples=20, deadline=None)
@given(st.lists(specs, max_size=3, unique_by=lambda spec: spec.credential_id))
def test_the_hash_is_of_what_was_ordered(wanted: list[CredentialSpec]) -> None:
    async def test(store: Store) -> None:
        def stage(tx: Tx) -> None:
            desired.stage_chunk(tx, KEYRING, 1, 0, wanted, [])

        lines = [
            GrantLine(spec.credential_id, device, spec.version)
            for spec in wanted
            for device in spec.devices
        ]
        await store.submit(stage)
        assert schedule_hash(await store.fetch(desired.staged_lines(1))) == schedule_hash(lines)
        await store.submit(lambda tx: desired.apply_staged(tx, 1, NOW))
        assert schedule_hash(await store.fetch(desired.grant_lines())) == schedule_hash(lines)

    in_a_store(test)


# ── documents ───────────────────────────────────────────────────────────────────────────

instants = st.integers(-(2**53), 2**53).map(Instant)
weekdays = st.frozensets(st.integers(1, 7), min_size=1)
edges = st.tuples(instants, instants).filter(lambda pair: pair[0] < pair[1])
windows = st.one_of(
    st.just(Always()),
    edges.map(lambda pair: Timed(*pair)),
    st.builds(
        Recurring,
        rules=st.lists(
            st.builds(Weekly, weekdays, st.integers(0, 1439), st.integers(1, 1440)), min_size=1
        ).map(tuple),
        zone=st.sampled_from(["UTC", "Europe/Rome", "America/St_Johns"]),
        not_before=st.none(),
        not_after=st.none() | instants,
    ),
)
schedules = st.lists(
    st.one_of(
        edges.map(lambda pair: YearDay(*pair)),
        st.builds(WeekDay, weekdays, st.integers(0, 700), st.integers(701, 1439)),
    )
).map(tuple)
flags = st.none() | st.booleans()
numbers = st.integers(0, 10_000)
capabilities = st.builds(
    Capabilities,
    can_remotely_unlock=flags,
    can_remotely_lock=flags,
    can_program_online_access_codes=flags,
    reports_events=flags,
    reports_attribution=flags,
    has_door_sensor=flags,
    has_clock=flags,
    sleepy=st.booleans(),
    codes=st.none()
    | st.builds(
        CodeLimits,
        slots=numbers,
        min_length=numbers,
        reserved_slots=st.frozensets(numbers),
        prefix_match=st.booleans(),
    ),
    schedules=st.builds(ScheduleSupport, numbers, numbers, numbers),
)


@given(windows)
def test_windows_come_back(window: Any) -> None:
    assert codec.decode_window(codec.encode_window(window)) == window


@given(schedules)
def test_schedules_come_back(found: Any) -> None:
    assert codec.decode_schedules(codec.encode_schedules(found)) == found


@given(st.frozensets(st.sampled_from(Evidence)))
def test_evidence_comes_back(evidence: frozenset[Evidence]) -> None:
    assert codec.decode_evidence(codec.encode_evidence(evidence)) == evidence


@given(capabilities)
def test_capabilities_come_back(found: Capabilities) -> None:
    assert codec.decode_capabilities(codec.encode_capabilities(found)) == found


@given(st.text(), st.text(max_size=20))
def test_secrets_come_back_from_their_place_only(digits: str, context: str) -> None:
    blob = KEYRING.seal(Secret(digits), context=context)
    assert KEYRING.unseal(blob, context=context) == Secret(digits)
