"""What is written down is taken up in the same boot, and is a bound in the next."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.instant import ClockTrust, Instant
from gateway.domain.timebelief import Base, Belief, Bound, Limits, Proof, Source
from gateway.store import meta
from gateway.store.database import open_store
from gateway.timekeeping.clock import HouseClock
from gateway.timekeeping.memory import Memory, begin_boot, recall
from tests.machine import Machine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gateway.store.database import Store

AT = Instant(1_800_000_000_000)
LIMITS = Limits()
PROVEN = Belief(
    AT,
    100.0,
    floor=Bound(Instant(AT + 1_000), 50.0),
    last=Bound(AT, 0.0),
    trust=ClockTrust.TRUSTED,
    base=Base(AT, 50.0, 20, authenticated=True),
    proof=Proof(Source.CLOUD, 90.0, 600),
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "state.db", HouseClock(Machine(AT))) as opened:
        yield opened


async def written(store: Store, belief: Belief, uptime_s: float = 100.0) -> str:
    await store.submit(lambda tx: Memory("boot", belief).write(tx, uptime_s, LIMITS))
    text = await store.fetch_one(meta.text(meta.TIME_BELIEF))
    assert text is not None
    return text


@pytest.mark.parametrize("belief", [PROVEN, Belief(AT, 100.0)])
async def test_the_same_boot_goes_on_with_what_it_believed(store: Store, belief: Belief) -> None:
    assert recall(await written(store, belief), "boot", 100.0) == belief


async def test_another_boot_or_an_uptime_that_went_back_knows_nothing(store: Store) -> None:
    text = await written(store, PROVEN)
    assert recall(text, "another", 100.0) is None
    assert recall(text, "boot", 99.0) is None


async def test_the_next_boot_has_bounds_that_rose_with_its_uptime(store: Store) -> None:
    text = await written(store, PROVEN, 200.0)
    floor = await store.fetch_one(meta.time_floor())
    assert floor == AT + 1_000 + 150_000 - 15
    belief = begin_boot(text, floor, Instant(0), 10.0, LIMITS)
    assert belief.base is None
    assert belief.trust is ClockTrust.UNTRUSTED
    assert belief.floor_at(10.0, LIMITS) == floor + 10_000 - 1
    assert belief.least_at(10.0, LIMITS) == AT + 200_000 + 10_000 - 1
    assert belief.now(10.0) == belief.least_at(10.0, LIMITS)


async def test_a_boot_in_which_nothing_was_proven_hands_on_what_it_had(store: Store) -> None:
    waiting = Belief(AT, 100.0, last=Bound(AT, 0.0))
    text = await written(store, waiting)
    assert begin_boot(text, None, Instant(0), 0.0, LIMITS).least_at(0.0, LIMITS) == AT + 99_990


async def test_what_is_weak_or_doubted_stays_so_in_the_next_boot(store: Store) -> None:
    floor = Bound(AT, 100.0, weak=True)
    text = await written(store, Belief(AT, 100.0, floor, contested=True, doubted=True))
    same = recall(text, "boot", 100.0)
    assert same is not None
    assert same.contested
    assert same.floor == floor
    belief = begin_boot(text, AT, Instant(0), 0.0, LIMITS)
    assert belief.doubted
    assert not belief.contested
    assert belief.floor_at(0.0, LIMITS) == AT
    assert belief.proven_at(0.0, LIMITS) == 0


DAMAGE: list[dict[str, Any]] = [
    {"base": {"offset_ms": 1}},
    {"proof": ["nobody", 1.0, 1]},
    {"floor": [1]},
    {"trust": "blind"},
    {"uptime_s": None},
]


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_document_that_is_not_ours_is_as_good_as_none(
    store: Store, damage: dict[str, Any]
) -> None:
    text = json.dumps(json.loads(await written(store, PROVEN)) | damage)
    assert recall(text, "boot", 100.0) is None
    assert begin_boot(text, AT, Instant(0), 0.0, LIMITS).least_at(0.0, LIMITS) == AT


@given(st.text(max_size=50))
def test_nor_is_any_other_text(text: str) -> None:
    assert recall(text, "boot", 1e9) is None
