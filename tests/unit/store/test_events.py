"""The ledger: dense numbers, a watermark that only rises, and gaps that are declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.domain.events import EventType, Fact
from gateway.domain.ids import CredentialId
from gateway.domain.instant import ClockTrust, Instant
from gateway.store import events
from tests.unit.store.build import FRONT, NOW, scalar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.store.database import Store
    from gateway.store.events import EventRow
    from gateway.store.tx import Select, Tx

TRUSTED = ClockTrust.TRUSTED
ACCESS = EventType.LOCK_UNLOCKED
TELEMETRY = EventType.DEVICE_ONLINE


async def write(store: Store, kinds: Sequence[EventType]) -> None:
    def append(tx: Tx) -> None:
        for number, kind in enumerate(kinds):
            events.append(tx, Fact(kind, Instant(NOW + number), FRONT), TRUSTED)

    await store.submit(append)


async def ledger(store: Store) -> list[EventRow]:
    return await store.fetch(events.events_after(0, 1000))


async def numbers(store: Store) -> list[int]:
    return [row.seq for row in await ledger(store)]


async def test_a_fact_is_read_as_it_was_written(store: Store) -> None:
    fact = Fact(
        ACCESS, NOW, FRONT, CredentialId("guest"), Instant(NOW - 5),
        {"slot": 3, "method": "code", "list": ["ä"], "none": None, "flag": True},
    )  # fmt: skip
    told: list[frozenset[str]] = []
    store.subscribe(told.append)
    assert await store.submit(lambda tx: events.append(tx, fact, ClockTrust.HOLDOVER)) == 1
    (row,) = await ledger(store)
    assert (row.seq, row.at, row.device_time, row.trust) == (1, NOW, NOW - 5, ClockTrust.HOLDOVER)
    assert (row.type, row.device_id, row.credential_id) == (ACCESS, FRONT, "guest")
    assert row.body == fact.body
    assert told == [frozenset({"events"})]


async def test_a_transaction_that_fails_uses_no_number(store: Store) -> None:
    def fails(tx: Tx) -> None:
        events.append(tx, Fact(ACCESS, NOW), TRUSTED)
        raise LookupError

    await write(store, [ACCESS])
    with pytest.raises(LookupError):
        await store.submit(fails)
    await write(store, [ACCESS])
    assert await numbers(store) == [1, 2]


async def test_selections(store: Store) -> None:
    await write(store, [ACCESS] * 6)

    async def seqs(*selects: Select[EventRow]) -> list[list[int]]:
        return [[row.seq for row in await store.fetch(select)] for select in selects]

    assert await seqs(
        events.events_after(2, 2),
        events.events_between(2, 4),
        events.events_between(2, 6, 2),
    ) == [[3, 4], [2, 3, 4], [2, 3]]


async def test_the_watermark_rises_up_to_the_head_and_never_falls(store: Store) -> None:
    await write(store, [ACCESS] * 3)
    results = [
        await store.submit(lambda tx, n=n: bool(events.set_watermark(tx, n)))  # type: ignore[misc]  # bound per round
        for n in (4, 2, 1, 2, 3)
    ]
    assert results == [False, True, False, False, True]
    assert await store.fetch_one(events.watermark()) == 3


async def test_only_what_the_cloud_has_is_pruned_and_numbers_go_on(store: Store) -> None:
    await write(store, [ACCESS] * 6)
    await store.submit(lambda tx: events.set_watermark(tx, 4))
    far = Instant(NOW + 1000)
    assert await store.submit(lambda tx: events.prune(tx, far, 5)) == 1
    assert await store.submit(lambda tx: events.prune(tx, Instant(NOW + 2), 0)) == 1
    assert await store.submit(lambda tx: events.prune(tx, far, 0)) == 2
    assert await numbers(store) == [5, 6]
    await store.submit(lambda tx: events.set_watermark(tx, 6))
    await store.submit(lambda tx: events.prune(tx, far, 0))
    assert await numbers(store) == []
    await write(store, [ACCESS])
    assert await numbers(store) == [7]
    assert await store.fetch_one(events.head()) == 7


async def shed(store: Store, keep: int) -> int:
    return await store.submit(lambda tx: events.shed(tx, keep, NOW, TRUSTED))


async def test_shedding_takes_what_the_cloud_has_first(store: Store) -> None:
    await write(store, [ACCESS] * 4)
    await store.submit(lambda tx: events.set_watermark(tx, 2))
    assert await shed(store, 4) == 0
    assert await shed(store, 3) == 1
    assert await numbers(store) == [2, 3, 4]


async def test_then_telemetry_with_a_declared_gap(store: Store) -> None:
    await write(store, [ACCESS, TELEMETRY, ACCESS, TELEMETRY, TELEMETRY, ACCESS, TELEMETRY])
    assert await shed(store, 5) == 2
    rows = await ledger(store)
    assert [row.seq for row in rows] == [1, 2, 3, 6, 7]
    assert rows[1].type is EventType.GATEWAY_EVENTS_GAP
    assert rows[1].body == {"from": 2, "through": 5, "lost": 3}


async def test_at_last_everything_oldest_first_and_gaps_are_absorbed(store: Store) -> None:
    await write(store, [ACCESS, TELEMETRY, TELEMETRY, *[ACCESS] * 5])
    await shed(store, 7)
    assert await shed(store, 3) == 4
    rows = await ledger(store)
    assert [row.seq for row in rows] == [1, 7, 8]
    assert rows[0].type is EventType.GATEWAY_EVENTS_GAP
    assert rows[0].body == {"from": 1, "through": 6, "lost": 6}
    assert await store.fetch_one(events.head()) == 8


async def test_every_number_missing_above_the_watermark_is_declared(store: Store) -> None:
    mixed = [TELEMETRY if n % 3 else ACCESS for n in range(40)]
    await write(store, mixed)
    await store.submit(lambda tx: events.set_watermark(tx, 5))
    for keep in (30, 20, 12, 6, 2):
        await shed(store, keep)
        rows = await ledger(store)
        assert len(rows) <= keep
        declared: set[int] = set()
        for row in rows:
            if row.type is EventType.GATEWAY_EVENTS_GAP:
                declared |= set(
                    range(int(str(row.body["from"])), int(str(row.body["through"])) + 1)
                )
        assert {row.seq for row in rows} | declared >= set(range(6, 41))


async def test_nothing_is_shed_from_an_empty_ledger(store: Store) -> None:
    assert await shed(store, 0) == 0
    assert await store.fetch_one(scalar("SELECT COUNT(*) FROM events")) == 0


async def test_what_a_wrong_clock_stamped_is_corrected_on_top_of_former_corrections(
    store: Store,
) -> None:
    def stamped(tx: Tx) -> None:
        for trust in (ClockTrust.UNTRUSTED, TRUSTED, ClockTrust.UNTRUSTED, ClockTrust.UNTRUSTED):
            events.append(tx, Fact(ACCESS, NOW), trust)

    await store.submit(stamped)
    told: list[frozenset[str]] = []
    store.subscribe(told.append)
    for by_ms in (500, -200):
        marked = await store.submit(
            lambda tx, ms=by_ms: events.correct(tx, 1, 3, ms, [ClockTrust.UNTRUSTED])  # type: ignore[misc]  # bound early
        )
        assert marked == 2
    assert [row.corrected_at for row in await ledger(store)] == [NOW + 300, None, NOW + 300, None]
    assert [row.at for row in await ledger(store)] == [NOW] * 4
    assert told == [frozenset({"events"})] * 2
